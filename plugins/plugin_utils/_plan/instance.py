# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the role `instance`: what all roles need. Private; knows no Ansible."""

from __future__ import annotations

import shlex
from urllib.parse import urlsplit

from .._core import _variable_names
from .._core._arguments import ArgumentError, truth, whole_number
from . import _verify_from
from ._base import Found, Plan, Wanted, load_error, other_services

# Each has about 100 KB.
MOST_POINTS = 100
ROTATING = (
    "A rotation waits for its confirmation, and without that it is rolled back soon. To finish it, run "
    "pifleet.nodered.rotate."
)
UNCONFIRMED = "The settings were changed before without a restart, so Node-RED is restarted now."


def plan(found: Found, wanted: Wanted) -> Plan:
    """Reject misspelled variables; restart a Node-RED whose settings were changed without a restart."""
    result = Plan(errors=[misspelled_error(name, meant) for name, meant in _variable_names.misspelled(wanted)])
    try:
        require_usable(wanted)
        _require_place(found, wanted)
        result.notes = _notes(found, may_remount=truth(wanted["nodered_remount"], "nodered_remount"))
    except ArgumentError as error:
        result.errors += error.problems
    if not found.instance["as_root"]:
        result.errors.append(
            "Ansible is not root on the host, and only root can change the service and its files. Set become: true in "
            "the play, then run again."
        )
    _judge_loading(result, found)
    result.errors += [_shared_settings(found, one) for one in _sharing(found, "settings_file")]
    if found.instance["confirmation"]:
        result.notes += [] if found.rotates else [ROTATING]
    elif found.instance["unconfirmed"]:
        result.restart = UNCONFIRMED
        result.notes.append(UNCONFIRMED)
    return result


def _judge_loading(result: Plan, found: Found) -> None:
    """Warn of a settings file that cannot be loaded: other roles of the run can repair it. A rotation has none."""
    error = load_error(found.instance)
    if error and found.rotates:
        result.errors.append(error)
    elif error:
        result.warnings.append(f"{found.host}: {error}")


def require_usable(wanted: Wanted) -> None:
    """Raise ArgumentError for variables that a change needs and that have no such value."""
    if whole_number(wanted["nodered_restart_timeout"], "nodered_restart_timeout") < 1:
        raise ArgumentError("nodered_restart_timeout is in seconds and must be at least 1.")
    if not 1 <= whole_number(wanted["nodered_restore_points"], "nodered_restore_points") <= MOST_POINTS:
        raise ArgumentError(f"nodered_restore_points must be from 1 to {MOST_POINTS}.")
    truth(wanted["nodered_remount"], "nodered_remount")


def _require_place(found: Found, wanted: Wanted) -> None:
    """Raise ArgumentError if Node-RED cannot be verified from the place that is wanted, before anything is written."""
    place = _verify_from.wanted_place(wanted.get(_verify_from.VARIABLE), lambda: wanted["groups"]["all"])
    if place:
        address = urlsplit(str(wanted.get("nodered_tls_proxy_url") or "")).hostname or str(wanted["nodered_address"])
        _verify_from.decide(host=found.host, wanted=place, address=address, connection="", configuration="")


def _sharing(found: Found, what: str) -> list[str]:
    """The other services that share this with this one."""
    return [str(one["service"]) for one in other_services(found.instance) if what in one["shares"]]


def _shared_settings(found: Found, other: str) -> str:
    file, service = found.instance["settings_file"], found.instance["service"]
    return (
        f"{other} uses {file} as well. Port, certificate and logins of {service} in it would be those of both, and a "
        f"change for one would overwrite that for the other. Give each a settings file of its own (option -s in "
        f"ExecStart: systemctl edit {other.removesuffix('.service')}), then run again."
    )


def misspelled_error(name: str, meant: str) -> str:
    """That a variable is misspelled."""
    other = "" if name.startswith("nodered_") else f" If it is there for something else, set {meant} as well."
    return f"{name} is not a variable of pifleet.nodered. Did you mean {meant}? Rename it, then run again.{other}"


def _notes(found: Found, *, may_remount: bool) -> list[str]:
    notes = []
    if found.instance["user"] == "root":
        notes.append(
            f"Node-RED runs as root on {found.host}: anyone who can change its flows, and every node that it has "
            "installed, can do anything on this machine, with any sandbox. Give it a user of its own: see "
            '"Node-RED run by root" in the README of the role instance.'
        )
    if found.instance["storage_module"] == "none":
        notes += [
            f"{other} uses the user directory {found.instance['user_dir']} as well. Both keep sessions there, so one "
            "can bring back sessions of the other that a change of passwords has ended. Set nodered_sessions_store to "
            "runtime (role sessions) for both."
            for other in _sharing(found, "user_dir")
        ]
    if found.instance["backups"]:
        settings = found.instance["settings_file"]
        notes.append(
            f"Copies of settings.js with what it held before, old hashes included, are beside it on {found.host}: "
            f"{', '.join(found.instance['backups'])}. Version 0.2.0 of this collection, or the module settings, has "
            f"left them. If you do not need them, delete them: rm {shlex.quote(settings)}.*~"
        )
    read_only = ", ".join(one["mount"] for one in found.instance["read_only"])
    if read_only and not may_remount:
        notes.append(f"{read_only} is read-only. A change needs nodered_remount set to true.")
    return notes
