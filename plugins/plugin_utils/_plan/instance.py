# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the role `instance`: what all roles need. Private; knows no Ansible."""

from __future__ import annotations

from .. import _variable_names
from ._base import Found, Plan, Wanted


def plan(found: Found, wanted: Wanted) -> Plan:
    """Reject misspelled variables; restart a Node-RED whose settings were changed without a restart."""
    return Plan(
        errors=[_misspelled(name, meant) for name, meant in _variable_names.misspelled(wanted)],
        notes=_notes(found, wanted),
        restart=(
            "The settings were changed before without a restart, so Node-RED is restarted now."
            if found.instance["unconfirmed"]
            else ""
        ),
    )


def _misspelled(name: str, meant: str) -> str:
    other = "" if name.startswith("nodered_") else f" If it is there for something else, set {meant} as well."
    return f"{name} is not a variable of pifleet.nodered. Did you mean {meant}? Rename it, then run again.{other}"


def _notes(found: Found, wanted: Wanted) -> list[str]:
    notes = []
    if found.instance["user"] == "root":
        notes.append(
            "Node-RED runs as root: anyone who can change its flows, and every node that it has installed, can do "
            "anything on this machine, whatever the sandbox. Give it a user of its own: see "
            '"Node-RED run by root" in the README of the role instance.'
        )
    read_only = ", ".join(one["mount"] for one in found.instance["read_only"])
    if read_only and not wanted.get("nodered_remount"):
        notes.append(f"{read_only} is read-only. A change needs nodered_remount set to true.")
    return notes
