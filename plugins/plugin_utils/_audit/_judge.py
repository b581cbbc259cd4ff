# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge all areas of one Node-RED. Private; knows no Ansible."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field

from .._plan._base import Found
from .._report._catalogue import CHECKS
from .._report._findings import Finding
from . import drift, files, firewall, login, neighbours, pages, releases, service, settings, tls
from ._base import Observed, Outcome, Skipped

AREAS = (login, tls, pages, files, service, firewall, releases, settings, neighbours, drift)


@dataclass(frozen=True)
class Judgement:
    """What became of each check: exactly one of these has it."""

    findings: list[Finding] = field(default_factory=list)
    """One for each check."""
    passed: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    """With the reason."""


def judged(found: Found, observed: Observed) -> Judgement:
    """What became of each check of the catalogue."""
    outcomes = [one for area in AREAS for one in area.outcomes(found, observed)]
    findings = _merged(outcomes)
    bad = {one.id for one in findings}
    skipped = {one.id: one.reason for one in outcomes if isinstance(one, Skipped) and one.id not in bad}
    passed = [check.id for check in CHECKS if check.id not in bad and check.id not in skipped]
    return Judgement(findings, passed, skipped)


def _merged(outcomes: Iterable[Outcome]) -> list[Finding]:
    """One finding for each check: the worst one, with what all of them have seen."""
    by_id: dict[str, list[Finding]] = {}
    for one in outcomes:
        if isinstance(one, Finding):
            by_id.setdefault(one.id, []).append(one)
    return [_together(sorted(found, key=lambda one: one.rank)) for found in by_id.values()]


def _together(found: list[Finding]) -> Finding:
    parts = {part: "\n".join(dict.fromkeys(getattr(one, part) for one in found)) for part in ("evidence", "remedy")}
    return dataclasses.replace(found[0], **parts)  # type: ignore[arg-type]
