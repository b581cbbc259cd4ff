# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reject passwords that users have chosen and that are easy to guess. Private; knows no Ansible."""

from __future__ import annotations

from collections.abc import Iterable

from .._passwords._bcrypt import can_stay
from .._settings._known_bad import is_usual
from ._base import Plan

# In Unicode characters, for a password that a user has chosen (NIST SP 800-63B, June 2017, 5.1.1.2).
LEAST_CHARACTERS = 8
LOWEST_COST = 4


def judge(result: Plan, variable: str, *, username: str, password: str, present: Iterable[str]) -> None:
    """Add an error to the plan for a password that is usual or too short.

    NIST SP 800-63B, 5.1.1.2, requires at least 8 characters, and a comparison with passwords that are commonly used.
    A short one that one of the `present` bcrypt hashes was made from is only a warning: it may be older than this
    rule, and a run that changes nothing must not fail. The messages name the variable and never show the password.
    """
    if is_usual(password, username):
        result.errors.append(
            f"{variable} is the user name or one of the passwords that attackers try first. Choose another one."
        )
    elif len(password) < LEAST_CHARACTERS:
        rule = f"{variable} has fewer than {LEAST_CHARACTERS} characters, so it is easy to guess. Choose a longer one."
        kept = any(can_stay(hashed, password, rounds=LOWEST_COST) for hashed in present)
        (result.warnings if kept else result.errors).append(rule)
