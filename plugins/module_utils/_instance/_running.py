# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: the Node-RED process of a service, and what it shows of itself.

A process shows node, user, working directory and environment. Its command line it overwrites once it listens
(process.title in red.js), but journald has noted that down with its first message.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence

from ansible_collections.pifleet.nodered.plugins.module_utils._core import _commands
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _command_line, _launchers, _service_ports
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import (
    _identity,
    _processes,
    _systemd,
    _user_units,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._identity import Identity
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._processes import Process
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Unit, Word

JOURNAL_SECONDS = 10
# Bytes. The messages of a start take 10 KB.
JOURNAL_LIMIT = 128 * 1024


class StartUp(NamedTuple):
    """What Node-RED has logged at its start. A part is None where it is not in the journal."""

    words: Sequence[Word] = ()
    """The command line of the process."""
    settings_file: Optional[str] = None
    user_dir: Optional[str] = None
    version: Optional[str] = None


class Running(NamedTuple):
    """The Node-RED process of a service."""

    pid: int
    uid: int
    gid: int
    started: float
    """Seconds since 1970."""
    node: Optional[str]
    working_directory: Optional[str]
    environment: Mapping[str, str]
    start_up: StartUp

    @property
    def user(self) -> str:
        return _identity.name_of(self.uid)

    def identity(self) -> Identity:
        """Raises Failure where the user has no account."""
        return _identity.of(str(self.uid), str(self.gid))


def of(unit: Unit) -> Optional[Running]:
    """The Node-RED process of this service; None where none runs."""
    process = node_red_of(unit)
    if process is None:
        return None
    gid = _processes.group_of(process.pid)
    # Of a process that ends now, the number may become that of another user's.
    shown = unit.owner.run(_shown, process.pid) if unit.owner else _shown(process.pid)
    return Running(
        pid=process.pid,
        uid=process.uid,
        gid=process.uid if gid is None else gid,
        started=time.time() - _processes.age(process.start),
        **shown,
        start_up=start_up(unit, process),
    )


def _shown(pid: int) -> Dict[str, Any]:
    return {
        "node": _processes.link(pid, "exe"),
        "working_directory": _processes.link(pid, "cwd"),
        "environment": _processes.environment(pid),
    }


def node_red_of(unit: Unit) -> Optional[Process]:
    """The process that is Node-RED, and no child of another: what flows start may have the same name."""
    found = [one for one in map(_processes.process, _service_ports.family(unit)) if one and runs_node(one.pid)]
    named = [one for one in found if one.is_node_red]
    pids = {one.pid for one in named}
    # The option --title gives it another name.
    titled = [one for one in found if one.pid == unit.main_pid and not named and _processes.listeners(one.pid)]
    return next((one for one in named if one.parent not in pids), next(iter(titled), None))


def runs_node(pid: int) -> bool:
    """Whether the process runs node, or cannot be looked at. Any process can choose its name and its arguments."""
    program = _processes.link(pid, "exe")
    return program is None or os.path.basename(program).startswith("node")


def start_up(unit: Unit, process: Process) -> StartUp:
    """What this very process has logged first: journald knows who writes (systemd.journal-fields(7), trusted fields).

    Flows can log any text, but not before Node-RED has named its files.
    """
    fields = ["_PID=%d" % process.pid, "_UID=%d" % process.uid, "_BOOT_ID=" + _boot_id()]
    command = ["journalctl", "--no-pager", "-q", "-o", "json", "--output-fields=MESSAGE,_CMDLINE", *fields]
    if unit.owner:
        command += _user_units.journal_fields(unit.name)
    elif _processes.unit_of(process.pid) == unit.name:
        command.append("_SYSTEMD_UNIT=" + unit.name)
    found: Dict[str, str] = {}
    words: List[Word] = []
    for entry in _entries(command):
        if _is_older(entry, process):
            continue
        message, line = entry.get("MESSAGE"), entry.get("_CMDLINE")
        if isinstance(line, str) and not words:
            words = [Word(word) for word in _launchers.split(line)]
        for name, pattern in _START_UP.items():
            match = re.search(pattern, message) if isinstance(message, str) else None
            if match and name not in found:
                found[name] = match.group(1).strip()
    # Once it listens, its title stands in place of its command line: `node-red`, without the options that it has.
    lines = [words, [Word(word) for word in process.arguments]]
    followed = [one for one in lines if len(one) > 1 and _command_line.parse(one)]
    return StartUp(words=followed[0] if followed else (), **found)


_START_UP = {
    "settings_file": r"\[info\] Settings file\s*: (/.*)$",
    "user_dir": r"\[info\] User directory\s*: (/.*)$",
    "version": r"\[info\] Node-RED version: v(\d{1,9}\.\d{1,9}\.\d{1,9}[\w.+-]{0,40})$",
}


def _is_older(entry: Mapping[str, Any], process: Process) -> bool:
    """Whether the entry is of an earlier process of the same number, which the kernel gives out again."""
    logged = entry.get("__MONOTONIC_TIMESTAMP")
    if not isinstance(logged, str) or not re.fullmatch(r"\d{1,18}", logged):
        return False
    return time.clock_gettime(time.CLOCK_MONOTONIC) - int(logged) / 1e6 > _processes.age(process.start) + 1


def _boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
        return stream.read().strip().replace("-", "")


def _entries(command: Sequence[str]) -> Iterator[Dict[str, Any]]:
    """The first entries that journalctl prints; none where it cannot be asked."""
    environment = {"PATH": os.environ.get("PATH") or _systemd.DEFAULT_PATH, "LC_ALL": "C.UTF-8"}
    try:
        text = _commands.run(command, JOURNAL_SECONDS, environment=environment, limit=JOURNAL_LIMIT).stdout
    except _commands.TooMuch as much:
        text = much.stdout
    except (OSError, subprocess.SubprocessError):
        return
    for line in text.split(b"\n"):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, dict):
            yield entry


def contradiction(running: Running, what: str, shown: str, planned: str, unit: Unit) -> Failure:
    """Two sources disagree about the Node-RED that runs."""
    return Failure(
        "%s is not clear: the Node-RED that runs (pid %d) has the %s %s, but its start leads to %s."
        % (unit.name, running.pid, what, shown, planned),
        "Restart the service (%s) so that both agree, then run again. If they do not agree then, let ExecStart call "
        "node-red, or node with red.js, without a script (%s)."
        % (_user_units.by_hand(unit.name, "restart"), _user_units.by_hand(unit.name, "edit")),
    )
