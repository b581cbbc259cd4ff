# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit checks. Private; data only, knows no Ansible."""

from __future__ import annotations

from dataclasses import dataclass

from ._findings import Severity


@dataclass(frozen=True)
class Check:
    """One check: a column of the matrix, a rule in SARIF, a test case in JUnit."""

    id: str
    """Kebab case, never changed later: reports are compared by it."""
    area: str
    """The heading that it stands below, such as `Login`."""
    label: str
    """One to three words for the head of a column, such as `Weak hash`."""
    title: str
    """What must hold, as a sentence without a full stop, such as `Passwords are hashed with bcrypt`."""
    why: str
    """What goes wrong otherwise."""
    severity: Severity
    """That of its findings, unless the finding decides otherwise."""
