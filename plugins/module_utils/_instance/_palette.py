# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: what installed nodes request that a password or another address breaks.

The files belong to the service user, so they are read as that user and within limits, while node loads the settings.
The search is over at its limits, whatever is installed: then it returns what it has found so far.
"""

from __future__ import annotations

import itertools
import os
import re
import time
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._core._parts import part, text_part
from ansible_collections.pifleet.nodered.plugins.module_utils._core._text import short_line
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _dialogs

SECONDS = 2.0
# A palette of 60 packages has 900 folders, and reads 3 MB.
MOST_FOLDERS = 3000
MOST_FILES = 6000
MOST_BYTES = 20 * 1024 * 1024
# Bytes. The largest dialog that is known has 600 KB.
FILE_LIMIT = 2 * 1024 * 1024
PACKAGE_LIMIT = 256 * 1024
# Of one package: nodes, and scripts that these require.
MOST_SCRIPTS = 100
MOST_FINDINGS = 60
MOST_OF_PACKAGE = 6

# Of a folder or file; npm allows no other characters in names of packages.
_NAME = re.compile(r"@?[\w~-][\w.~-]{0,150}")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,63}")
# Where these have the page that a phone installs.
_PAGES = {"node-red-dashboard": "dist/index.html", "@flowfuse/node-red-dashboard": "dist/index.html"}
# The folder of the user directory for nodes that are in no package.
LOOSE = "nodes"
# Core nodes: their dialogs ask the editor itself, at relative addresses.
_CORE = ("node-red", "@node-red", "npm")

Finding = Dict[str, Any]


class _LimitReached(Exception):
    """Nothing more is read."""


def folders(user_dir: str, package: Optional[str]) -> List[str]:
    """Where Node-RED looks for nodes: the user directory, then beside its own package."""
    return [user_dir, *([os.path.dirname(os.path.dirname(package))] if package else [])]


def searched(where: Sequence[str]) -> Dict[str, Any]:
    """What the packages below these folders request that can break, and whether all of them were searched."""
    reader = Reader(time.monotonic() + SECONDS)
    findings: List[Finding] = []
    try:
        for name, home, about in reader.packages(where):
            package = {"package": name, "version": _version(about)}
            findings += [{**package, **one} for one in _findings(reader, name, home, about)]
            if len(findings) >= MOST_FINDINGS:
                reader.complete = False
                break
    except _LimitReached:
        reader.complete = False
    return {"findings": findings[:MOST_FINDINGS], "complete": reader.complete}


class Reader:
    """Reads files until a limit is reached."""

    def __init__(self, deadline: float) -> None:
        self.complete = True
        self._deadline = deadline
        self._files = 0
        self._bytes = 0

    def text(self, path: str, limit: int = FILE_LIMIT) -> str:
        """The text of a regular file; empty where there is none, or where it has more bytes than `limit`."""
        self._files += 1
        if self._files > MOST_FILES or self._bytes > MOST_BYTES or time.monotonic() > self._deadline:
            raise _LimitReached
        try:
            data = _files.data(path, limit=limit)
        except _files.TooLarge:
            self.complete = False
            return ""
        except (OSError, ValueError, Failure):
            return ""
        self._bytes += len(data)
        return data.decode("utf-8", "replace")

    def packages(self, where: Sequence[str]) -> Iterator[Tuple[str, str, Mapping[str, Any]]]:
        """(name, folder, package.json) of each package with nodes. Of two with one name, the first counts."""
        seen: Set[str] = set()
        for folder in where:
            scripts = [name for name in self.entries(os.path.join(folder, LOOSE)) if name.endswith(".js")]
            if scripts:
                yield LOOSE, os.path.join(folder, LOOSE), {"node-red": {"nodes": {name: name for name in scripts}}}
            for name, home in self._homes(os.path.join(folder, "node_modules")):
                if name in seen:
                    continue
                seen.add(name)
                text = self.text(os.path.join(home, "package.json"), PACKAGE_LIMIT)
                # Most packages are only used by others.
                about = _files.parsed_json(text) if '"node-red"' in text else None
                if isinstance(about, dict) and isinstance(about.get("node-red"), dict):
                    yield name, home, about

    def _homes(self, folder: str) -> Iterator[Tuple[str, str]]:
        for entry in self.entries(folder):
            if not entry.startswith("@"):
                yield entry, os.path.join(folder, entry)
                continue
            scope = os.path.join(folder, entry)
            for inner in self.entries(scope):
                yield "%s/%s" % (entry, inner), os.path.join(scope, inner)

    def entries(self, folder: str) -> List[str]:
        """The names in this folder that a package can have, as far as the limit allows."""
        try:
            with os.scandir(folder) as entries:
                names = [entry.name for entry in itertools.islice(entries, MOST_FOLDERS + 1)]
        except OSError:
            return []
        if len(names) > MOST_FOLDERS:
            self.complete = False
        return sorted(name for name in names[:MOST_FOLDERS] if _NAME.fullmatch(name) and name not in _CORE)


def _version(about: Mapping[str, Any]) -> str:
    version = text_part(about, "version")
    return version if _VERSION.fullmatch(version) else ""


def _findings(reader: Reader, name: str, home: str, about: Mapping[str, Any]) -> List[Finding]:
    found: List[Finding] = []
    if name in _PAGES:
        page = reader.text(os.path.join(home, _PAGES[name]))
        position = _dialogs.manifest(page)
        if position is not None:
            found.append(_finding("manifest", "", _PAGES[name], _dialogs.line_of(page, position)))
    scripts = _scripts_of_nodes(about)
    dialogs = [(script, reader.text(os.path.join(home, script[: -len(".js")] + ".html"))) for script in scripts]
    asked = [
        (script[: -len(".js")] + ".html", text, begin, _dialogs.requests(code))
        for script, text in dialogs
        for begin, code in _dialogs.scripts(text)
    ]
    asked += [(file, text, 0, _dialogs.requests(text)) for file, text in _resources(reader, home, dialogs)]
    addresses = [one.address for _file, _text, _begin, requests in asked for one in requests]
    if addresses:
        # Only now: most dialogs request nothing.
        node, admin = _routes(reader, home, scripts, addresses)
        for file, text, begin, requests in asked:
            for kind, path, position in _dialogs.requested(requests, node, admin):
                found.append(_finding(kind, path, file, _dialogs.line_of(text, begin + position)))
    return list({(one["finding"], one["path"]): one for one in reversed(found)}.values())[::-1][:MOST_OF_PACKAGE]


def _finding(kind: str, path: str, file: str, line: int) -> Finding:
    return {"finding": kind, "path": short_line(path, 100), "file": short_line(file, 120), "line": line}


def _scripts_of_nodes(about: Mapping[str, Any]) -> List[str]:
    """The files of nodes and plugins, each inside of the package (@node-red/registry, localfilesystem.js)."""
    found = []
    for kind in ("nodes", "plugins"):
        named = part(about, "node-red", kind)
        paths = list(named.values()) if isinstance(named, dict) else []
        found += [os.path.normpath(path) for path in paths if isinstance(path, str) and path.endswith(".js")]
    return [path for path in dict.fromkeys(found) if _is_inside(path)][:MOST_SCRIPTS]


def _is_inside(path: str) -> bool:
    return not path.startswith(("/", "..")) and "\0" not in path


def _resources(reader: Reader, home: str, dialogs: Sequence[Tuple[str, str]]) -> Iterator[Tuple[str, str]]:
    """(file, text) of the scripts that dialogs load from the folder `resources` of the package."""
    if not any("resources/" in text for _script, text in dialogs):
        return
    for name in reader.entries(os.path.join(home, "resources")):
        if name.endswith(".js"):
            yield "resources/" + name, reader.text(os.path.join(home, "resources", name))


def _routes(
    reader: Reader, home: str, scripts: Sequence[str], addresses: Sequence[_dialogs.Address]
) -> Tuple[List[_dialogs.Route], List[_dialogs.Route]]:
    """Where these scripts answer for flows and for the editor, and what they require of their package as far as that is
    needed to know who answers at these addresses.
    """
    node: List[_dialogs.Route] = []
    admin: List[_dialogs.Route] = []
    seen = set(scripts)
    level = list(scripts)
    while level:
        texts = [(path, reader.text(os.path.join(home, path))) for path in level]
        for _path, text in texts:
            for_node, for_admin = _dialogs.routes(text)
            node, admin = node + for_node, admin + for_admin
        if all(any(route.answers(asked) for route in node + admin) for asked in addresses):
            break
        required = dict.fromkeys(file for path, text in texts for file in _required(path, text) if file not in seen)
        level = list(required)[: 2 * MOST_SCRIPTS - len(seen)]
        seen.update(level)
    return node, admin


def _required(path: str, text: str) -> Iterator[str]:
    """The files of the same package that this script requires, and where they can be."""
    for module in _dialogs.local_modules(text):
        target = os.path.normpath(os.path.join(os.path.dirname(path), module))
        if _is_inside(target):
            yield from (target,) if target.endswith(".js") else (target + ".js", target + "/index.js")
