# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: the processes of a service, and the ports that they and others hold."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _processes, _user_units
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Socket, Unit


def family(unit: Unit) -> List[int]:
    """The service's main process, everything that it has started, and what else is in its control group.

    Of a user unit, only that user's processes in its control group: the main process is what the user has answered.
    """
    if unit.owner:
        return sorted(_user_units.processes_in(unit.owner, _user_units.split(unit.name).unit))
    pid = unit.main_pid
    descendants = _processes.with_descendants(pid, _processes.processes()) if pid else set()
    return sorted(descendants | _processes.in_unit(unit.name))


def holds(unit: Unit, pid: int) -> bool:
    """Whether the process is in the control group of the service."""
    return (_user_units.of_process(pid) if unit.owner else _processes.unit_of(pid)) == unit.name


def listeners(unit: Unit) -> List[_processes.Listener]:
    return list(dict.fromkeys(_processes.listeners(*family(unit))))


def held_ports(unit: Unit, socket_unit: Optional[Socket] = None) -> List[Dict[str, Any]]:
    """The TCP ports that processes outside of the service hold; what systemd holds for the service is its own."""
    sockets = _processes.tcp_sockets()
    own = {(listener.address, listener.port) for listener in _processes.listeners_among(sockets, family(unit))}
    if socket_unit and socket_unit.address and socket_unit.state == "active":
        own.add(socket_unit.address)
    found = []
    for pid, listener in _processes.with_owners(sockets):
        if (listener.address, listener.port) not in own:
            holder = _processes.process(pid) if pid else None
            name = holder.name if holder else None
            found.append({"port": listener.port, "address": listener.address, "pid": pid, "process": name})
    return found
