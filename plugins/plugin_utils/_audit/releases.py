# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge whether the releases in use still get fixes. Private; knows no Ansible."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping

from .._arguments import release_numbers
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
    end = _end(numbers[0], ends)
    if end is None:
        if numbers[0] > max(ends):
            yield Skipped(check, f"no end was announced for {name} {numbers[0]} on {DATED}")
        return
    if today > end:
        maintained = [str(release) for release in sorted(ends) if datetime.date.fromisoformat(ends[release]) >= today]
        newer = f" (on {DATED}, {', '.join(maintained)} was still maintained)" if maintained else ""
        yield finding(
            check,
            f"This release of {name} gets no more fixes",
            f"{name} {version}: the end of life was {end}{' or earlier' if numbers[0] < min(ends) else ''}.",
            f"Update {name} to a newer major release{newer}.",
        )


def _end(major: int, ends: Mapping[int, str]) -> datetime.date | None:
    """When the last fix comes; None if that is not known yet. What is older than all of them has none."""
    if major < min(ends):
        return datetime.date.fromisoformat(ends[min(ends)])
    return datetime.date.fromisoformat(ends[major]) if major in ends else None
