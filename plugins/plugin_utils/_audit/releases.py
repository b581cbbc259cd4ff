# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge whether the releases in use still get fixes. Private; knows no Ansible."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping

from .._core._arguments import release_numbers
from .._plan._base import Found
from ._base import Observed, Outcome, Skipped, finding
from ._release_dates import DATED, NODE, NODE_RED

CHECKS = ("node-red-eol", "node-eol")


def outcomes(found: Found, observed: Observed) -> Iterator[Outcome]:
    today = observed.now.date()
    yield from _of("node-red-eol", "Node-RED", found.instance["version"], NODE_RED, today)
    yield from _of("node-eol", "Node.js", found.instance["node_version"], NODE, today)


def _of(check: str, name: str, version: str | None, ends: Mapping[int, str], today: datetime.date) -> Iterator[Outcome]:
    numbers = release_numbers(version or "")
    if not numbers:
        yield Skipped(check, f"the release of {name} is not known")
        return
    if numbers[0] > max(ends):
        yield Skipped(check, f"{name} {numbers[0]} was not known yet on {DATED}")
        return
    end = ends.get(numbers[0], ends[min(ends)] if numbers[0] < min(ends) else "")
    if not end or today <= datetime.date.fromisoformat(end):
        return
    maintained = [str(release) for release, last in sorted(ends.items()) if not last or last >= today.isoformat()]
    newer = f" (maintained on {DATED}: {', '.join(maintained)})" if maintained else ""
    yield finding(
        check,
        f"This release of {name} gets no more fixes",
        f"{name} {version}: the end of life was {end}{' or earlier' if numbers[0] < min(ends) else ''}.",
        f"Update {name} to a newer major release{newer}.",
    )
