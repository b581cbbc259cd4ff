# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the role `ufw`: the rules of the firewall. Private; knows no Ansible.

`_firewall_plan` decides about rules. `decide` is called again while they are changed, with what the host has then.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ...module_utils._linux import _user_units
from .._core import _arguments
from .._firewall import _firewall_plan
from .._firewall._firewall_plan import LISTENING
from . import _neighbours, port
from ._base import Found, Plan, Wanted, is_behind_proxy, is_hidden, is_loopback, other_services

# Ansible waits up to 10 seconds for a connection, and the probe up to 5 for an answer. A user who is locked out waits
# for all of it.
LEAST_SECONDS, MOST_SECONDS = 30, 3600
DEFAULT_SECONDS = 120


def plan(found: Found, wanted: Wanted) -> Plan:
    """Let in SSH, Node-RED and what else listens, and close the rest. `found.controller` is what `gather` returned."""
    try:
        if not manages(wanted):
            return Plan()
        limited = _arguments.truth(wanted.get("nodered_ufw_rate_limit", False), "nodered_ufw_rate_limit")
        may_remount = _arguments.truth(wanted.get("nodered_remount", False), "nodered_remount")
    except _arguments.ArgumentError as error:
        return Plan(errors=[f"{error} Change it, then run again."])
    errors = _seconds_errors(wanted)
    firewall = found.controller["firewall"]
    if not firewall["installed"]:
        return _without_ufw(errors, wanted)
    if found.controller["remote"] and firewall["ssh"]["connection"] is None:
        errors.append(
            "Ansible connects over SSH, but the host cannot find out which SSH connection this is: the method by which "
            "Ansible becomes root hides it. Use sudo (become_method: sudo), then run again."
        )
    responding = _port(found, wanted)
    if responding is None:
        errors.append(
            f"It is not known on which port {found.instance['service']} responds, so the firewall is not changed. See "
            f"{_user_units.journal_by_hand(found.instance['service'])} on the host, then run again."
        )
        return Plan(errors=errors)
    request = _request(found, wanted, responding, limited=limited)
    decided = decide(firewall, request)
    errors += decided.refusals + _read_only_errors(found, decided, firewall, may_remount=may_remount)
    if errors:
        return Plan(errors=errors)
    change = _change(decided, firewall, request, int(str(_seconds(wanted))))
    settled = not (decided.changes or firewall["unconfirmed"])
    return Plan(
        firewall=change,
        notes=[*decided.notes, *_notes_about_others(found), *(f"Firewall: {line}" for line in change.get("lines", ()))],
        checks={"controller": decided.controller, "rate_limit": limited, "settled": settled},
        details={"request": request},
    )


def manages(wanted: Wanted) -> bool:
    """Whether the role may read and change the firewall. Raises ArgumentError."""
    return _arguments.truth(wanted.get("nodered_ufw_manage", True), "nodered_ufw_manage")


def decide(firewall: Mapping[str, Any], request: Mapping[str, Any]) -> _firewall_plan.FirewallPlan:
    """What changes on a host with ufw, for the `request` of a plan. `firewall` is what `firewall_info` returned."""
    changing = _neighbours.changing_ports(firewall["listening"], request)
    lasting = [one for one in firewall["listening"] if one["protocol"] != "tcp" or one["port"] not in changing]
    heard = heard_from_others({"listening": lasting}, request)
    own = {request["port"]}
    decided = _firewall_plan.plan(
        {**firewall, "listening": lasting},
        port=None if request["hidden"] else request["port"],
        left_ports=request["left_ports"],
        other_ports=sorted({*request["other_ports"], *heard} - own),
        reachable_ports=sorted({*_free(firewall, request["awaited_ports"]), *heard} - own),
        unknown_others=request["unknown_others"],
        sources=request["sources"],
        rate_limit=request["rate_limit"],
        keep=request["keep"],
    )
    about = _neighbours.about_changing(changing, request["ephemeral_ports"]["first"])
    return dataclasses.replace(decided, notes=[*decided.notes, *about])


def heard_from_others(firewall: Mapping[str, Any], request: Mapping[str, Any]) -> set[int]:
    """Where the other Node-REDs of the machine can be reached now: they can have moved in the same run."""
    return {one["port"] for one in _tcp(firewall) if one["unit"] in request["other_units"] or _is_socket(one, request)}


def _is_socket(one: Mapping[str, Any], request: Mapping[str, Any]) -> bool:
    """Whether systemd listens for another Node-RED."""
    return (one["process"], one["unit"]) == ("systemd", None) and one["port"] in request["other_ports"]


def _free(firewall: Mapping[str, Any], ports: Sequence[int]) -> set[int]:
    """Those on which nothing else listens: a service user must not open the port of another program by its settings."""
    return set(ports) - {one["port"] for one in _tcp(firewall)}


def _tcp(firewall: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in firewall["listening"] if one["protocol"] == "tcp"]


def responding_at(request: Mapping[str, Any], instance: Mapping[str, Any]) -> dict[str, Any]:
    """The request for where Node-RED responds now, which is `instance` as `instance_info` returns it."""
    now = request["port"] if instance["port"] is None else instance["port"]
    left = {request["found_port"], *request["left_ports"]} - {None, now, *request["other_ports"]}
    hidden = request["behind_proxy"] or is_loopback(instance["host"])
    return {**request, "port": now, "left_ports": sorted(left), "hidden": hidden}


def rules(decided: _firewall_plan.FirewallPlan) -> dict[str, list[list[str]]]:
    """The rules to add and to delete, each as the words that `ufw` or `ufw delete` is given."""
    return {"add": [one.arguments() for one in decided.add], "delete": [one.arguments() for one in decided.delete]}


def lines(decided: _firewall_plan.FirewallPlan) -> list[str]:
    """What changes, for the user: one line for each rule."""
    changed = [f"+ {one.words()}" for one in decided.add] + [f"- {one.words()}" for one in decided.delete]
    changed += ["default: deny incoming"] if decided.deny else []
    return changed + (["enable"] if decided.enable else [])


# --- where Node-RED responds ---------------------------------------------------------------------------------------


def _port(found: Found, wanted: Wanted) -> int | None:
    """Where Node-RED responds after this run: planned, else as it is now, else where its next start would open it."""
    planned = found.planned.get("port")
    if planned is None and "port" in found.later_roles:
        # The roles can have any order in a site playbook.
        planned = port.plan(found, wanted)
    if planned is not None and "port" in planned.details:
        return int(planned.details["port"])
    instance = found.instance
    expected = urlsplit(instance["expected_url"] or "").port
    # A change that was made before without a restart takes effect with the restart of this run.
    ahead = (expected, instance["port"]) if instance["unconfirmed"] else (instance["port"], expected)
    return next((one for one in ahead if one is not None), None)


def _request(found: Found, wanted: Wanted, responding: int, *, limited: bool) -> dict[str, Any]:
    services = other_services(found.instance)
    awaited = sorted({port for one in services for port in one["expected_ports"] or ()} - {responding})
    others = sorted({*awaited, *(port for one in services for port in one["ports"])} - {responding})
    return {
        "port": responding,
        "found_port": found.instance["port"],
        "left_ports": sorted({found.instance["port"]} - {None, responding, *others}),
        "other_ports": others,
        "other_units": [one["service"] for one in services],
        "units": [f"{found.instance['service']}.service", *(one["service"] for one in services)],
        "ephemeral_ports": found.instance["ephemeral_ports"],
        # Of those that do not run now, but will.
        "awaited_ports": awaited,
        "unknown_others": bool(_without_known_port(found)),
        "behind_proxy": is_behind_proxy(wanted),
        "hidden": is_hidden(found, wanted),
        "sources": _plain(wanted.get("nodered_ufw_sources", [])),
        "rate_limit": limited,
        "keep": _plain(wanted.get("nodered_ufw_keep", LISTENING)),
    }


def _without_known_port(found: Found) -> list[str]:
    services = other_services(found.instance)
    return [one["service"] for one in services if not one["ports"] and one["expected_ports"] is None]


def _notes_about_others(found: Found) -> list[str]:
    return [
        f"{service}, another Node-RED, does not run now, and its port is not known. Rules that can be for it stay, and "
        "it gets no new one. Start it, then run again."
        for service in _without_known_port(found)
    ]


def _plain(value: object) -> object:
    """A list of texts, not of the types that Ansible makes of variables; what is no list is rejected by `decide`."""
    if not _arguments.is_list(value):
        return value
    return [_arguments.shown(one) for one in value]


# --- errors --------------------------------------------------------------------------------------------------------


def confirm_seconds(wanted: Wanted) -> int:
    """How long a host waits for the confirmation of a change. Raises ArgumentError."""
    errors = _seconds_errors(wanted)
    if errors:
        raise _arguments.ArgumentError(*errors)
    return int(str(_seconds(wanted)))


def _seconds(wanted: Wanted) -> object:
    return wanted.get("nodered_ufw_confirm_seconds", DEFAULT_SECONDS)


def _seconds_errors(wanted: Wanted) -> list[str]:
    text = str(_seconds(wanted))
    if re.fullmatch("[0-9]{1,4}", text) and LEAST_SECONDS <= int(text) <= MOST_SECONDS:
        return []
    return [
        f"nodered_ufw_confirm_seconds must be a whole number from {LEAST_SECONDS} to {MOST_SECONDS}, not {text}: a new "
        "connection and the verification must fit in, and a user who is locked out waits for that long. Change it, "
        "then run again."
    ]


def _without_ufw(errors: list[str], wanted: Wanted) -> Plan:
    if wanted.get("nodered_ufw_sources"):
        errors.append(
            "ufw is not installed, so nodered_ufw_sources would have no effect. Install it (apt install ufw), or set "
            "nodered_ufw_manage: false, then run again."
        )
    return Plan(
        errors=errors,
        notes=["ufw is not installed, so no port is closed. To close what is not used, install it (apt install ufw)."],
    )


def _read_only_errors(
    found: Found, decided: _firewall_plan.FirewallPlan, firewall: Mapping[str, Any], *, may_remount: bool
) -> list[str]:
    if not found.instance["root_read_only"]:
        return []
    errors = []
    if decided.changes and not may_remount:
        errors.append(
            "The root file system is read-only, and ufw keeps its rules there. Set nodered_remount: true, or "
            "nodered_ufw_manage: false, then run again."
        )
    if not firewall["starts_at_boot"]:
        errors.append(
            "systemd does not start ufw at boot, and the root file system is read-only. Make it writable (mount -o "
            "remount,rw /), run systemctl enable ufw on the host, then run again."
        )
    return errors


# --- the change ----------------------------------------------------------------------------------------------------


def _change(
    decided: _firewall_plan.FirewallPlan, firewall: Mapping[str, Any], request: Mapping[str, Any], seconds: int
) -> dict[str, Any]:
    """What `_guarded_firewall` needs; empty if there is nothing to do."""
    undo_first, enable_at_boot = bool(firewall["unconfirmed"]), not firewall["starts_at_boot"]
    if not (decided.changes or undo_first or enable_at_boot):
        return {}
    shown = ["roll back an earlier change that was not confirmed"] if undo_first else []
    shown += [*lines(decided), *(["start ufw at boot"] if enable_at_boot else [])]
    return {
        **rules(decided),
        "deny": decided.deny,
        "enable": decided.enable,
        "checksum": firewall["checksum"],
        "undo_first": undo_first,
        "enable_at_boot": enable_at_boot,
        "seconds": seconds,
        "lines": shown,
        "request": dict(request),
        "found": dict(firewall),
    }
