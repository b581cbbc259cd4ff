# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: which Node-RED is meant, of all that are on this machine."""

from __future__ import annotations

import contextlib
from typing import List, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import (
    _command_line,
    _launchers,
    _supported,
    _unsupported,
    _user_unit,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._launchers import Launch
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._running import runs_node
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._service_ports import family, holds
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import (
    _identity,
    _processes,
    _systemd,
    _user_units,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Unit

# The installer's, and that of BeagleBone's documentation and DietPi.
USUAL_SERVICES = ("nodered", "node-red")


class Seen(NamedTuple):
    """A Node-RED that was seen on this machine: a systemd service, or a process outside of one."""

    service: Optional[str]
    state: str
    pid: Optional[int]
    user: Optional[str]
    working_directory: Optional[str]
    ports: Sequence[int]
    where: str

    def __str__(self) -> str:
        parts = [self.state]
        if self.pid:
            parts.append("pid %d" % self.pid)
        if self.user:
            parts.append("user %s" % self.user)
        if self.working_directory:
            parts.append("in %s" % self.working_directory)
        if self.ports:
            parts.append("port " + ", ".join(str(port) for port in self.ports))
        return "%s (%s)" % (self.where, ", ".join(parts))


def find(service: Optional[str]) -> Tuple[Unit, List[Seen]]:
    """The unit of the one Node-RED on this machine (or of the given service), and the others that were seen.

    A user unit counts where no service of the machine runs Node-RED. The systemd of a user is only asked about a unit
    that is given or found so, as it can take long to answer.
    """
    _supported.require_platform()
    found = _running()
    pids = {one.pid for _unit, one in found}
    running = [(unit, one) for unit, one in found if one.parent not in pids]
    names = list(USUAL_SERVICES) + [unit for unit, _process in running if unit]
    wanted = _systemd.show(service)[0] if service else None
    shown = [*([wanted] if wanted else []), *_systemd.show(*dict.fromkeys(names))]
    loaded = {unit.name: unit for unit in shown if unit.loaded}
    running = [(name if name and _belongs_to(loaded.get(name), one) else None, one) for name, one in running]
    usual = {_systemd.full_name(name) for name in [*USUAL_SERVICES, *([service] if service else [])]}
    with_processes = {name for name, _process in running}
    units = [unit for name, unit in loaded.items() if name in usual or name in with_processes]
    if wanted:
        if wanted.owner:
            found, running = _named(found, wanted), _named(running, wanted)
        others = _seen(units, running, without=wanted.name)
        if not wanted.loaded:
            raise _no_such_service(wanted, others)
        _user_unit.require(wanted)
        _supported.require(wanted, found)
        return wanted, others
    busy = [unit for unit in units if unit.working]
    rivals = [one for name, one in running if name is None and _is_rival(one, units)]
    user_units = _user_unit.names(rivals)
    if not busy and len(user_units) == 1 and user_units[0]:
        return find(user_units[0])
    candidates = busy or ([] if rivals else units)
    if len(candidates) == 1:
        _supported.require(candidates[0], found)
        if not rivals:
            return candidates[0], _seen(units, running, without=candidates[0].name)
    raise _not_exactly_one(candidates, [name for name in user_units if name], _seen(units, running), found)


def _named(
    found: Sequence[Tuple[Optional[str], _processes.Process]], wanted: Unit
) -> List[Tuple[Optional[str], _processes.Process]]:
    """With the name of this user unit for its processes."""
    return [(wanted.name if holds(wanted, one.pid) else name, one) for name, one in found]


def _belongs_to(unit: Optional[Unit], process: _processes.Process) -> bool:
    """Whether this process is the Node-RED of the unit whose control group it is in.

    The name of a process proves nothing: a cron job of anyone runs in the control group of cron.service.
    """
    if unit is None:
        return False
    if process.uid == _uid_of(unit) and process.pid in family(unit):
        return True
    launch = _launchers.follow(Launch([_systemd.Word(word) for word in _systemd.command(unit).words]))
    # `sudo -u` in ExecStart, or a program that forks.
    return _command_line.of(launch) is not None or (launch.user is not None and process.uid == _uid(launch.user))


def _uid_of(unit: Unit) -> Optional[int]:
    return unit.owner.uid if unit.owner else _uid(unit.text("User") or "root")


def _uid(user: str) -> Optional[int]:
    with contextlib.suppress(Failure):
        return _identity.account(user).pw_uid
    return None


def _is_rival(process: _processes.Process, units: Sequence[Unit]) -> bool:
    """Whether this process outside of a service can be the Node-RED that is meant.

    Where there is a service, that of another user is not: anyone can give a process this name.
    """
    return not units or process.uid == 0 or process.uid in map(_uid_of, units)


def _no_such_service(unit: Unit, others: Sequence[Seen]) -> Failure:
    state = unit.text("LoadState")
    problem = "The service %s %s." % (unit.name, "is masked" if state == "masked" else "does not exist (%s)" % state)
    if others:
        return Failure(problem + _list_of(others), "Set nodered_service (option service) to the service that is meant.")
    return Failure(
        problem, "Install Node-RED as a service (nodered.org/docs/getting-started/raspberrypi), or correct the name."
    )


def _not_exactly_one(
    candidates: Sequence[Unit], user_units: Sequence[str], everything: Sequence[Seen], found: _supported.Found
) -> Failure:
    known = any(one.service for one in everything)
    named = None if candidates or user_units else _supported.without_unit(found, known)
    if named:
        return named
    if not everything:
        return Failure(
            "No Node-RED was found: there is no service nodered or node-red, and no such process runs.",
            "Install Node-RED as a service (nodered.org/docs/getting-started/raspberrypi), or name its service with "
            "nodered_service (option service).",
        )
    in_containers = [one for one in everything if "container" in one.where]
    if not candidates and not user_units and len(in_containers) == len(everything):
        groups = [_processes.control_group(one.pid) or "" for one in everything if one.pid]
        return _unsupported.in_containers(_list_of(everything), groups, _supported.marks())
    if not candidates and not user_units:
        return Failure(
            "Node-RED runs here, but not as a systemd service." + _list_of(everything),
            "Run it as a service (node-red-start of the official installer), or stop it and name the service with "
            "nodered_service (option service).",
        )
    return Failure(
        "More than one Node-RED was found." + _list_of(everything),
        "Set nodered_service (option service) to the one that is meant, or stop the others.",
        services=[unit.service for unit in candidates] + [name[: -len(".service")] for name in user_units],
    )


def _list_of(seen: Sequence[Seen]) -> str:
    return " Seen:" + "".join("\n - " + str(one) for one in seen)


def _running() -> List[Tuple[Optional[str], _processes.Process]]:
    """(unit, process) of each Node-RED process."""
    found = [one for one in _processes.processes() if one.is_node_red and runs_node(one.pid)]
    return [(_processes.unit_of(one.pid), one) for one in found]


def _seen(
    units: Sequence[Unit], running: Sequence[Tuple[Optional[str], _processes.Process]], without: Optional[str] = None
) -> List[Seen]:
    """What is known of these units and processes, all but the unit `without`."""
    seen = []
    units = [unit for unit in units if unit.name != without]
    known = {unit.name for unit in units}
    for unit in units:
        pids = [one.pid for name, one in running if name == unit.name] or ([unit.main_pid] if unit.main_pid else [])
        seen.append(
            _seen_process(
                pids[0] if pids else None, unit.name, "%s, %s" % (unit.state, unit.text("SubState")), unit.name
            )
        )
    for name, one in running:
        if name in known or (name is not None and name == without):
            continue
        user_unit = _user_units.of_process(one.pid)
        if _processes.in_container(one.pid):
            where = "a process in a container"
        elif user_unit:
            where = user_unit + ", a user unit"
        else:
            where = "a process outside of any system service"
        seen.append(_seen_process(one.pid, None, "running", where))
    return seen


def _seen_process(pid: Optional[int], service: Optional[str], state: str, where: str) -> Seen:
    found = _processes.process(pid) if pid else None
    if found is None:
        return Seen(service, state, None, None, None, (), where)
    ports = sorted({listener.port for listener in _processes.listeners(found.pid)})
    return Seen(
        service, state, found.pid, _identity.name_of(found.uid), _processes.link(found.pid, "cwd"), ports, where
    )
