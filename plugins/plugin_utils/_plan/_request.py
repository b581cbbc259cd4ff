# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The request to the host that applies the plans of all roles. Private; knows no Ansible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._settings import _settings_change
from ._run_state import State


def request(
    state: State,
    certificate: Mapping[str, Any] | None,
    *,
    firewall: bool = False,
    confirmation: str = "",
    confirm_within: int = 0,
    rotated: Sequence[str] = (),
) -> dict[str, Any]:
    """What the module `apply` takes, as JSON can hold it.

    `certificate` has the pair that is sent, or the files that it is copied from on the host. `firewall`: whether the
    firewall is changed around this, of which the host keeps a restore point. `confirmation`: what the change waits for
    on the host, which rolls it back after `confirm_within` seconds; without one, the response of Node-RED confirms it.
    `rotated`: the roles whose new passwords must be tried before that.
    """
    plans = list(state.plans.values())
    return {
        "service": state.instance["service"],
        "settings_file": state.instance["settings_file"],
        "user_dir": state.instance["user_dir"],
        "edit": _edit(state),
        "companions": {name: text for plan in plans for name, text in plan.companions.items()},
        "private_files": {name: text for plan in plans for name, text in plan.private_files.items()},
        "fail2ban": {name: text for plan in plans for name, text in plan.fail2ban.items()},
        "drop_ins": [
            {"unit": one.unit, "name": one.name, "sections": dict(one.sections), "options": list(one.options)}
            for plan in plans
            for one in plan.drop_ins
        ],
        "certificate": certificate,
        "sessions": next((plan.sessions for plan in plans if plan.sessions), ""),
        "close_files": next((plan.close_files for plan in plans if plan.close_files), ""),
        "restart": state.needs_restart or state.restart_requested,
        "timeout": state.restart_timeout,
        "remount": state.remount,
        "restore_points": state.restore_points,
        "firewall": firewall,
        "restore": next((plan.restore for plan in plans if plan.restore), 0),
        "confirmation": confirmation,
        "confirm_within": confirm_within,
        "rotated": list(rotated),
    }


def changes(wanted: Mapping[str, Any]) -> bool:
    """Whether there is anything to change on the host."""
    files = ("edit", "companions", "private_files", "fail2ban", "drop_ins", "certificate", "sessions", "close_files")
    parts = (*files, "restart", "restore")
    return any(wanted[part] for part in parts)


def _edit(state: State) -> dict[str, Any] | None:
    if state.text == state.source:
        return None
    wanted = {name: value for plan in state.plans.values() for name, value in plan.set.items()}
    removed = [name for plan in state.plans.values() for name in plan.remove if name not in wanted]
    return _settings_change.as_data(
        state.text, checksum=state.checksum, set=wanted, remove=removed, changed=state.changed_settings
    )
