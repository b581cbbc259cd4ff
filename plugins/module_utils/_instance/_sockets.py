# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: the sockets of a Node-RED that its httpNodeAuth leaves open, found in its files.

Those of dashboards are on the HTTP server itself (ui.js of node-red-dashboard 3.6, nodes/config/ui_base.js of
@flowfuse/node-red-dashboard 1.31), those of "websocket in" nodes too (22-websocket.js).

The service user writes these files, so nothing of them is taken for granted: size, type, number and length of each part
are limited, and what does not fit is left out.
"""

from __future__ import annotations

import os
import re
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence

from ansible_collections.pifleet.nodered.plugins.module_utils._core._parts import list_part, text_part
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files

# Bytes. The largest flow files that people write have a few MB; the worst takes about twenty times its size in memory.
FLOWS_LIMIT = 8 * 1024 * 1024
SMALL_LIMIT = 256 * 1024
SCRIPT_LIMIT = 2 * 1024 * 1024
# Each path is asked from outside.
MOST_PATHS = 100
LONGEST_PATH = 200
PORT_RANGE = "/proc/sys/net/ipv4/ip_local_port_range"
# The kernel's default.
USUAL_RANGE = [32768, 60999]
LONGEST_PORT = 5
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,63}")
_PATH = re.compile(r"[\x21-\x7e]{1,%d}" % LONGEST_PATH)


class Package(NamedTuple):
    """A package with sockets of its own, and the file in which it reads what may close them (None: nothing may)."""

    name: str
    script: Optional[str]


PACKAGES = (
    Package("node-red-dashboard", "ui.js"),
    Package("@flowfuse/node-red-dashboard", "nodes/config/ui_base.js"),
    Package("node-red-contrib-uibuilder", None),
)


def flows(folder: str, settings: Mapping[str, Any], named: Optional[str], host_name: str) -> List[Dict[str, Any]]:
    """The nodes of the flow file; none where it cannot be read.

    `folder` is the user directory, `settings` the harness's summary, `named` the flow file of the command line.
    """
    path = os.path.join(folder, named or text_part(settings, "flowFile") or "flows_%s.json" % host_name)
    if settings.get("projects"):
        path = _flows_of_project(folder) or path
    found = _files.json_of(path, limit=FLOWS_LIMIT)
    return [node for node in found if isinstance(node, dict)] if isinstance(found, list) else []


def _flows_of_project(folder: str) -> Optional[str]:
    """The flow file of the active project; None where none is active."""
    projects = _files.json_of(os.path.join(folder, ".config.projects.json"), limit=SMALL_LIMIT)
    active = text_part(projects, "activeProject")
    # A folder below `projects`, and not any other of the machine.
    if not active or active in (".", "..") or "/" in active or "\0" in active:
        return None
    project = os.path.join(folder, "projects", active)
    about = _files.json_of(os.path.join(project, "package.json"), limit=SMALL_LIMIT)
    named = os.path.normpath(text_part(about, "node-red", "settings", "flowFile") or "flows.json")
    return None if named.startswith(("/", "..")) or "\0" in named else os.path.join(project, named)


def packages(folders: Sequence[str]) -> List[Dict[str, Any]]:
    """The packages with sockets of their own that are installed below these folders: name, version, and whether their
    release lets the settings close them."""
    found = []
    for package in PACKAGES:
        for folder in folders:
            home = os.path.join(folder, "node_modules", package.name)
            about = _files.json_of(os.path.join(home, "package.json"), limit=SMALL_LIMIT)
            if isinstance(about, dict):
                found.append({"name": package.name, "version": _version(about), "closable": _closable(package, home)})
                break
    return found


def _version(about: Mapping[str, Any]) -> str:
    version = text_part(about, "version")
    return version if _VERSION.fullmatch(version) else "unknown"


def _closable(package: Package, home: str) -> bool:
    if package.script is None:
        return False
    return "ioMiddleware" in _files.text(os.path.join(home, package.script), limit=SCRIPT_LIMIT)


def dashboard_paths(
    installed: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    node_root: str,
    nodes: Sequence[Mapping[str, Any]],
) -> List[str]:
    """Where the socket.io of dashboards that can be closed answers, each ending in a slash."""
    names = {package["name"] for package in installed if package["closable"]}
    paths = [text_part(settings, "uiPath") or "ui"] if "node-red-dashboard" in names else []
    if "@flowfuse/node-red-dashboard" in names:
        paths += [node["path"] for node in _running(nodes, "ui-base")]
    return _limited(_joined(node_root, path, "socket.io") + "/" for path in paths if _PATH.fullmatch(path))


def websocket_paths(node_root: str, nodes: Sequence[Mapping[str, Any]]) -> List[str]:
    """Where "websocket in" nodes listen."""
    return _limited(_joined(node_root, node["path"]) for node in _running(nodes, "websocket-listener"))


def ephemeral_ports(nodes: Sequence[Mapping[str, Any]]) -> Dict[str, Any]:
    """The ports that the kernel gives to a program that asks for any (ip(7), ip_local_port_range), and those of them
    that a node is set to: these stay the same.
    """
    words = _files.text(PORT_RANGE, limit=SMALL_LIMIT).split()
    numbers = [int(word) for word in words if word.isdigit() and len(word) <= LONGEST_PORT]
    first, last = numbers if len(numbers) == 2 else USUAL_RANGE
    values = (value for node in nodes for name, value in node.items() if "port" in name.lower())
    texts = {str(value) for value in values if isinstance(value, (int, str))}
    ports = {int(text) for text in texts if text.isascii() and text.isdigit() and len(text) <= LONGEST_PORT}
    chosen = sorted(port for port in ports if first <= port <= last)
    return {"first": first, "last": last, "in_flows": chosen[:MOST_PATHS]}


def _limited(paths: Iterable[str]) -> List[str]:
    """Each of them once, without those that are too long, and not too many."""
    return list(dict.fromkeys(path for path in paths if len(path) <= LONGEST_PATH))[:MOST_PATHS]


def _running(nodes: Sequence[Mapping[str, Any]], kind: str) -> List[Mapping[str, Any]]:
    """The nodes of this type with a path that is known: Node-RED fills in ${variables} when it starts."""
    return [
        node
        for node in nodes
        if node.get("type") == kind
        and not node.get("d")
        and _PATH.fullmatch(text_part(node, "path"))
        and "${" not in node["path"]
    ]


def _joined(*parts: str) -> str:
    return "/" + "/".join(part for part in (each.strip("/") for each in parts) if part)


def static_roots(settings: Mapping[str, Any]) -> List[str]:
    """Where files are served, each beginning and ending in a slash (red.js, formatRoot)."""
    roots = [root.strip("/") for root in list_part(settings, "staticRoots") if isinstance(root, str)]
    return _limited("/%s/" % root if root else "/" for root in roots)
