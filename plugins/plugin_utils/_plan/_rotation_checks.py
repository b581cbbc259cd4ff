# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be verified before a host keeps what was rotated. Private; knows no Ansible."""

from __future__ import annotations

from collections.abc import Sequence

from . import _verification
from ._base import Plan
from ._rotation import PASSWORDS, waiting
from ._run_state import State
from ._verification import Check, Options

# The check that opens something with the password, then what else it must not break.
_CHECKS = {"login": ("login_works", "code_required"), "http_auth": ("pages_work", "dashboards_work")}


_OF_CERTIFICATES = ("certificate_trusted", "client_certificate_required")


def request(state: State) -> Options:
    """The request that verifies the rotation, and nothing else."""
    options = _verification.main_request(state)
    tls = _OF_CERTIFICATES if state.plans.get("tls", Plan()).details.get("rotation") else ()
    return {**options, "only": [*tls, *(check for role in rotated(state) for check in _CHECKS[role])]}


def more_requests(state: State) -> list[Options]:
    """The requests that log in further users."""
    found = []
    for plan in state.plans.values():
        for credentials in plan.more_credentials:
            others = {name: value for name, value in request(state).items() if name not in plan.credentials}
            found.append({**others, **credentials, "only": list(_CHECKS["login"])})
    return found


def rotated(state: State) -> list[str]:
    """The roles whose passwords are tried."""
    return [role for role in PASSWORDS if state.plans.get(role, Plan()).credentials]


def unknown(state: State) -> list[str]:
    """Why what waits on the host cannot be verified: this run does not know each of its new passwords."""
    return [
        f"The new password of the role {role}, which waits for its confirmation, is not known to this run, so no login "
        "can verify it."
        for role in waiting(state.instance)
        if role not in rotated(state)
    ]


def problems(state: State, checks: Sequence[Check]) -> list[str]:
    """Why the new passwords are not verified; empty if they are."""
    needed = {_CHECKS[role][0] for role in rotated(state)}
    untried = [
        f"{check['title']}: not verified: {check['found'].removeprefix('left out: ')}."
        for check in checks
        if check["status"] == "skip" and check["id"] in needed
    ]
    return _verification.failures(state, checks) or untried
