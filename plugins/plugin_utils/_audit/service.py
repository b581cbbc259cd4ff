# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge what the user that runs Node-RED can do, and whether it runs. Private; knows no Ansible."""

from __future__ import annotations

from collections.abc import Iterator

from ...module_utils._linux import _user_units
from .._plan import _sandbox, hardening
from .._plan._base import Found, is_user_unit
from ._base import Observed, Outcome, finding, is_accepted

CHECKS = ("runs-as-root", "ways-to-root", "node-red-down")


def outcomes(found: Found, observed: Observed) -> Iterator[Outcome]:
    instance = found.instance
    if instance["user"] == "root":
        yield finding(
            "runs-as-root",
            "Node-RED runs as root",
            f"The service {instance['service']} runs as root.",
            'Give it a user of its own: see "Node-RED run by root" in the README of the role instance.',
        )
    ways = _sandbox.ways_left(_level(found, observed), instance["ways_to_root"])
    if ways:
        accepted = is_accepted(observed, _sandbox.WAYS_TO_ROOT)
        yield finding(
            "ways-to-root",
            f"{instance['user']}, the user that runs Node-RED, can become root",
            ", ".join(ways),
            "Take these rights away%s."
            % ("" if is_user_unit(instance) else ", or set nodered_hardening_sandbox: strict (role hardening)"),
            "info" if accepted else None,
        )
    if not instance["url"]:
        start = f"Start it on the host: {_user_units.by_hand(instance['service'], 'start')}."
        look = f"Look at {_user_units.journal_by_hand(instance['service'])} on the host."
        yield finding(
            "node-red-down",
            "Node-RED does not respond",
            f"systemd reports {instance['state']} for {instance['service']}.",
            start if instance["state"] == "inactive" else look,
        )


def _level(found: Found, observed: Observed) -> str:
    """The sandbox in effect: that of the variables, if the unit has it."""
    plan = found.planned.get("hardening")
    differs = plan is None or plan.errors or any(one.name == hardening.DROP_IN for one in plan.drop_ins)
    return "none" if differs else str(observed.wanted["nodered_hardening_sandbox"])
