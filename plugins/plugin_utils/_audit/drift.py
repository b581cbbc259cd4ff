# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Report what the playbook secure would change with the same variables, as its own plans say. Private; no Ansible."""

from __future__ import annotations

from collections.abc import Iterator

from .._plan._base import Found
from ._base import Observed, Outcome, finding

CHECKS = ("secure-rejects", "drift")


def outcomes(_found: Found, observed: Observed) -> Iterator[Outcome]:
    errors = [f"{role}: {error}" for role, messages in observed.rejected.items() for error in messages]
    if errors:
        remedy = "Correct what is named, then run pifleet.nodered.secure."
        yield finding("secure-rejects", "The playbook secure rejects this host", "\n".join(errors), remedy)
    lines = [f"{role}: {line}" for role, changes in observed.changes.items() for line in changes]
    if lines:
        remedy = "See the change with --check --diff, then run pifleet.nodered.secure."
        yield finding("drift", "The playbook secure would change this host", "\n".join(lines), remedy)
