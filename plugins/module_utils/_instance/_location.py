# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: where Node-RED's own files, its settings and its user directory are."""

from __future__ import annotations

import os
import re
import shutil
from typing import Any, Dict, Mapping, Optional, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import (
    _command_line,
    _node,
    _supported,
    _unsupported,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._command_line import CommandLine
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._running import Running
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _systemd, _user_units
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._identity import Identity
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Unit

JOURNAL_SECONDS = 30


def located_files(
    line: Optional[CommandLine],
    environment: Mapping[str, str],
    working_directory: str,
    home: str,
    logged: Tuple[str, Optional[str]],
    running_node: Optional[str],
    direct: bool,
) -> Dict[str, Any]:
    """Where the files of this Node-RED are, found as the service user would find them.

    `logged` is the settings file and the user directory that the journal names, for a service without a command line
    that can be followed. Unless the start is `direct`, a launcher chooses node, and so the one that runs counts.
    """
    script = _script(line, environment, working_directory)
    package = _package(script)
    node_red_home = environment.get("NODE_RED_HOME") or package
    settings_file, user_dir_option = (
        _settings_file(line, environment, working_directory, home, package) if line else logged
    )
    return {
        "package": package,
        "version": _version(package),
        "node": (None if direct else _as_node(running_node))
        or _node_binary(line, environment, working_directory, running_node),
        "settings_file": settings_file,
        "user_dir_option": user_dir_option,
        "default_user_dir": _default_user_dir(node_red_home, home),
    }


def _script(line: Optional[CommandLine], environment: Mapping[str, str], working_directory: str) -> Optional[str]:
    program = line.program if line else "node-red"
    if "/" in program:
        path: Optional[str] = os.path.join(working_directory, program)
    else:
        path = shutil.which(program, path=environment.get("PATH"))
    return os.path.realpath(path) if path and os.path.exists(path) else None


def _package(script: Optional[str]) -> Optional[str]:
    """The folder of the package node-red that the script belongs to."""
    folder = os.path.dirname(script) if script else ""
    while folder and folder != "/":
        if _package_json(folder).get("name") == "node-red":
            return folder
        folder = os.path.dirname(folder)
    usual = ("/usr/lib/node_modules/node-red", "/usr/local/lib/node_modules/node-red", "/opt/node-red")
    return next((path for path in usual if _package_json(path).get("name") == "node-red"), None)


def _package_json(folder: str) -> Dict[str, Any]:
    found = _files.json_of(os.path.join(folder, "package.json"), limit=_node.PACKAGE_LIMIT)
    return found if isinstance(found, dict) else {}


def _version(package: Optional[str]) -> Optional[str]:
    version = _package_json(package).get("version") if package else None
    return version if isinstance(version, str) and re.fullmatch(_node.RELEASE, version) else None


def _node_binary(
    line: Optional[CommandLine], environment: Mapping[str, str], working_directory: str, running: Optional[str]
) -> Optional[str]:
    """The node that the next start will use: the one that is named, else the first in PATH, else the running one."""
    named = line.node if line and line.node else "node"
    if "/" in named:
        return os.path.join(working_directory, named)
    found = shutil.which(named, path=environment.get("PATH"))
    if found:
        return found
    return _as_node(running)


def _as_node(running: Optional[str]) -> Optional[str]:
    return running if running and os.path.basename(running).startswith("node") else None


def _settings_file(
    line: CommandLine, environment: Mapping[str, str], working_directory: str, home: str, package: Optional[str]
) -> Tuple[str, Optional[str]]:
    """The settings file by the rules of red.js (Node-RED 4.1, lines 123-158), and the user directory of option -u."""
    user_dir = _command_line.resolved(line.user_dir.value, working_directory, home) if line.user_dir else None
    if line.settings:
        return _command_line.resolved(line.settings.value, working_directory, home), user_dir
    if user_dir and os.path.exists(os.path.join(user_dir, "settings.js")):
        return os.path.join(user_dir, "settings.js"), user_dir
    node_red_home = environment.get("NODE_RED_HOME") or package
    if node_red_home and os.path.exists(os.path.join(node_red_home, ".config.json")):
        return os.path.join(node_red_home, "settings.js"), user_dir
    legacy = os.path.join(environment.get("HOMEPATH") or "/nonexistent", ".node-red")
    if os.path.exists(os.path.join(legacy, ".config.json")):
        return os.path.join(legacy, "settings.js"), user_dir
    own = os.path.join(user_dir or os.path.join(home, ".node-red"), "settings.js")
    if not os.path.exists(own) and package and _default_was_edited(package):
        return os.path.join(package, "settings.js"), user_dir
    return own, user_dir


def _default_was_edited(package: str) -> bool:
    """Node-RED copies its default only while that looks unedited; else it runs from the package itself."""
    try:
        stat = os.stat(os.path.join(package, "settings.js"))
    except OSError:
        return False
    return stat.st_mtime > stat.st_ctime


def _default_user_dir(node_red_home: Optional[str], home: str) -> str:
    """The user directory where nothing names one (@node-red/runtime localfilesystem/index.js)."""
    old = (".config.json", ".config.nodes.json")
    if node_red_home and any(os.path.exists(os.path.join(node_red_home, name)) for name in old):
        return node_red_home
    return os.path.join(home, ".node-red")


def from_journal(unit: Unit, identity: Identity, running: Optional[Running]) -> Tuple[str, Optional[str]]:
    """Settings file and user directory as Node-RED last logged them, for a service that starts it by a script.

    Only lines of the service's own processes count: anyone can log any text (logger), but not with these fields
    (systemd.journal-fields(7), trusted fields).
    """
    if running and running.start_up.settings_file:
        return running.start_up.settings_file, running.start_up.user_dir
    if identity.uid == 0:
        # Other programs log as root what users have chosen: cron logs the command of each job.
        raise _cannot_be_followed(unit)
    of_machine = ["_SYSTEMD_UNIT=" + unit.name, "_UID=%d" % identity.uid]
    written_by = _user_units.journal_fields(unit.name) if unit.owner else of_machine
    answer = _systemd.run(
        ["journalctl", "--no-pager", "-q", "-o", "cat", "-r", "-n", "2000", *written_by], timeout=JOURNAL_SECONDS
    )
    settings = re.search(r"Settings file\s*: (/.*)$", answer.stdout, re.MULTILINE)
    user_dir = re.search(r"User directory\s*: (/.*)$", answer.stdout, re.MULTILINE)
    if settings is None:
        raise _cannot_be_followed(unit)
    return settings.group(1).strip(), user_dir.group(1).strip() if user_dir else None


def _cannot_be_followed(unit: Unit) -> Failure:
    return _unsupported.unknown(_supported.facts_of(unit, ()), ", and its journal does not name the settings file")
