# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is new, and what is gone, since the last report. Private; knows no Ansible."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ._findings import SEVERITIES, Finding, FleetReport, HostReport

_Key = tuple[str, int]


@dataclass(frozen=True)
class Change:
    """One finding that is there, or was there."""

    host: str
    id: str
    title: str
    severity: str
    before: str = ""
    """The earlier severity, where that has changed."""


@dataclass(frozen=True)
class StatusChange:
    """A host that could be audited before and not now, or the other way round."""

    host: str
    status: str
    before: str


@dataclass(frozen=True)
class Changes:
    """How two reports differ."""

    since: str
    """When the earlier report was made, in ISO 8601 and UTC."""
    new: list[Change] = field(default_factory=list)
    """The worst first, as in all of these lists."""
    gone: list[Change] = field(default_factory=list)
    worse: list[Change] = field(default_factory=list)
    better: list[Change] = field(default_factory=list)
    unknown: list[Change] = field(default_factory=list)
    """Earlier findings whose check could not be done this time."""
    hosts_new: list[str] = field(default_factory=list)
    hosts_gone: list[str] = field(default_factory=list)
    status: list[StatusChange] = field(default_factory=list)

    @property
    def any(self) -> bool:
        """Whether something differs."""
        return any(value for name, value in vars(self).items() if name != "since")

    def data(self) -> dict[str, Any]:
        """As plain JSON types."""
        return dataclasses.asdict(self)


def between(earlier: FleetReport, now: FleetReport) -> Changes:
    """How `now` differs from the earlier report.

    Only hosts that both reports could audit are compared finding by finding: nothing is new that was not looked for
    before, and nothing is gone that was not looked for now.
    """
    changes = Changes(earlier.generated)
    before = {host.host: host for host in earlier.hosts}
    present = {host.host for host in now.hosts}
    changes.hosts_gone.extend(host.host for host in earlier.hosts if host.host not in present)
    for host in now.hosts:
        old = before.get(host.host)
        if old is None:
            changes.hosts_new.append(host.host)
        elif old.status != host.status:
            changes.status.append(StatusChange(host.host, host.status, old.status))
        elif host.status == "audited":
            _compare(old, host, changes)
    for found in (changes.new, changes.gone, changes.worse, changes.better, changes.unknown):
        found.sort(key=lambda one: SEVERITIES.index(one.severity))
    return changes


def _compare(old: HostReport, host: HostReport, changes: Changes) -> None:
    """Add the differences of one host."""
    before, now = dict(_keyed(old)), dict(_keyed(host))
    for key, finding in now.items():
        earlier = before.get(key)
        if earlier is None:
            changes.new.append(_change(host, finding))
        elif earlier.rank != finding.rank:
            found = changes.worse if finding.rank < earlier.rank else changes.better
            found.append(_change(host, finding, earlier.severity))
    done = {*host.passed, *(finding.id for finding in host.findings)}
    for key, finding in before.items():
        if key not in now:
            (changes.gone if finding.id in done else changes.unknown).append(_change(old, finding))


def _keyed(host: HostReport) -> Iterator[tuple[_Key, Finding]]:
    """Each finding with what makes it the same one in two reports: its check; several of one are counted."""
    seen: dict[str, int] = {}
    for finding in host.findings:
        seen[finding.id] = seen.get(finding.id, 0) + 1
        yield (finding.id, seen[finding.id]), finding


def _change(host: HostReport, finding: Finding, before: str = "") -> Change:
    return Change(host.host, finding.id, finding.title, finding.severity, before)
