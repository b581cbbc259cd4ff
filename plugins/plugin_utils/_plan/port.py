# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the role `port`: the TCP port of Node-RED. Private; knows no Ansible."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from .._core._arguments import ArgumentError, shown, truth
from .._firewall import _firewall_plan
from . import _neighbours
from ._base import DropIn, Found, Plan, Wanted, is_hidden, is_user_unit, other_services, override_error

DROP_IN = "50-pifleet-port"
# After the override.conf of systemctl edit, whose ListenStream would win otherwise.
SOCKET_DROP_IN = "zz-pifleet-port"
FIRST_UNPRIVILEGED = 1024


def plan(found: Found, wanted: Wanted) -> Plan:
    """Move Node-RED to `nodered_port`; nothing without it."""
    if wanted.get("nodered_port") is None:
        return Plan()
    port = _port(wanted["nodered_port"])
    if port is None:
        value = shown(wanted["nodered_port"])
        return Plan(errors=[f"nodered_port must be a whole number from 1 to 65535, not {value}."])
    instance = found.instance
    by_socket = instance["socket_port"] is not None
    result = Plan(errors=_errors(found, port), details={"port": port})
    _report_firewall(result, found, wanted, port)
    result.notes = _neighbours.left_behind(instance, port)
    result.set["uiPort"] = {"$fallback": port} if by_socket else port
    if by_socket and instance["socket_port"] != port and len(instance["socket_streams"]) == 1:
        result.drop_ins.append(_socket_drop_in(instance, port))
    result.drop_ins += _service_drop_ins(found, port, by_socket=by_socket)
    return result


def _port(value: object) -> int | None:
    text = str(value)
    return int(text) if re.fullmatch(r"[0-9]{1,5}", text) and 1 <= int(text) <= 65535 else None


def socket_file(instance: Mapping[str, Any]) -> str:
    """Where an administrator changes on what systemd listens for Node-RED."""
    path = str(instance["socket_file"] or "")
    return path if path.startswith("/etc/") else f"systemctl edit {instance['socket']}"


def _errors(found: Found, port: int) -> list[str]:
    return [
        *_errors_of_start(found, port),
        *_errors_of_taken_port(found, port),
        *_neighbours.in_the_way(found.instance, port, found.host),
    ]


def _errors_of_start(found: Found, port: int) -> list[str]:
    """What in the way that Node-RED is started keeps it from this port."""
    instance = found.instance
    errors = []
    if instance["socket"] is not None:
        errors += [
            f"systemd listens for Node-RED on {found.host} ({instance['socket']}), but {one['channel']} in "
            f"{one['where']} makes Node-RED open a port of its own. Remove that, or disable the socket unit "
            f"(systemctl disable --now {instance['socket']}), then run again."
            for one in found.overrides("uiPort")
        ]
    if not instance["takes_options"]:
        errors += [
            override_error(found, one, "uiPort")
            for one in found.overrides("uiPort")
            if one["channel"] in ("-p", "-D") and one["value"] != str(port)
        ]
    streams = instance["socket_streams"] or []
    if instance["socket_port"] is not None and len(streams) > 1:
        errors.append(
            f"{instance['socket']} on {found.host} listens on {' and '.join(streams)}, and Node-RED can use only one "
            f"of these. Keep one ListenStream there ({socket_file(instance)}), then run again."
        )
    if is_user_unit(instance) and port < FIRST_UNPRIVILEGED and port != instance["port"]:
        errors.append(
            f"nodered_port {port} cannot be opened by {instance['service']} on {found.host}: a user unit gets no "
            f"privilege for ports below {FIRST_UNPRIVILEGED}. Choose another port, or make it a service of the "
            "machine, then run again."
        )
    return errors


def _errors_of_taken_port(found: Found, port: int) -> list[str]:
    """Which other processes and services have this port."""
    instance = found.instance
    addresses: dict[tuple[str | None, int | None], list[str]] = {}
    for held in instance["held_ports"]:
        if held["port"] == port:
            addresses.setdefault((held["process"], held["pid"]), []).append(str(held["address"]))
    errors = [
        f"nodered_port {port} is held by {process or 'another process'} (pid {pid or 'unknown'}, on "
        f"{' and '.join(where)}) on {found.host}. Choose another port, or stop that process, then run again."
        for (process, pid), where in addresses.items()
    ]
    errors += [
        f"nodered_port {port} is the port of {other['service']}, another Node-RED on {found.host} that does not run "
        "now. Choose another port, or move that one first, then run again."
        for other in other_services(instance)
        if port in (other["expected_ports"] or ())
    ]
    return errors


def _report_firewall(result: Plan, found: Found, wanted: Wanted, port: int) -> None:
    """Report an active ufw without a rule for the new port, unless the role ufw makes one in this play."""
    now = found.instance["port"] or urlsplit(found.instance["expected_url"] or "").port
    if found.firewall is None or port == now or is_hidden(found, wanted):
        return
    if not _firewall_plan.closes(found.firewall, port):
        return
    closed = (
        f"ufw is active on {found.host} and no rule allows nodered_port {port}, so other machines could not reach it"
    )
    by_hand = f"ufw allow {port}/tcp"
    try:
        manages = truth(wanted.get("nodered_ufw_manage", True), "nodered_ufw_manage")
    except ArgumentError as error:
        result.errors.append(f"{error} Change it, then run again.")
        return
    if not manages:
        result.warnings.append(f"{closed}. Run {by_hand} on the host.")
    elif "ufw" not in {*found.later_roles, *found.planned}:
        result.errors.append(
            f"{closed}. Add the role ufw to the play, or with the playbook secure --tags port,ufw. If you manage ufw "
            f"yourself, run {by_hand} on the host. Then run again."
        )


def _socket_drop_in(instance: Mapping[str, Any], port: int) -> DropIn:
    # The address stays. A bare number is [::], or 0.0.0.0 on a machine without IPv6.
    stream = re.sub(r"^\[::\]:", "", re.sub(r"[0-9]+$", str(port), instance["socket_streams"][0]))
    return DropIn(instance["socket"], SOCKET_DROP_IN, {"Socket": [{"ListenStream": ""}, {"ListenStream": stream}]})


def _service_drop_ins(found: Found, port: int, *, by_socket: bool) -> list[DropIn]:
    """What the service needs beside the settings: a privilege for low ports, or an option that wins."""
    instance = found.instance
    privileged = port < FIRST_UNPRIVILEGED and instance["user"] != "root" and not by_socket
    privileged = privileged and not is_user_unit(instance)
    # The last -p overrides every other option (red.js), wherever those are.
    overridden = instance["takes_options"] and any(
        one["setting"] == "uiPort" and one["channel"] in ("-p", "-D") for one in instance["overrides"]
    )
    wanted = DropIn(
        instance["service"] + ".service",
        DROP_IN,
        {"Service": [{"AmbientCapabilities": "CAP_NET_BIND_SERVICE"}]} if privileged else {},
        ("-p", str(port)) if overridden else (),
    )
    present = found.drop_in_text(DROP_IN)
    return [] if wanted.matches(present) else [wanted]
