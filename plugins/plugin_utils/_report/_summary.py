# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run prints of a report, and whether the report makes it fail. Private; knows no Ansible."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from ...module_utils._core._failure import REPORT_ISSUE
from ._changes import Changes
from ._findings import SEVERITIES, FleetReport, HostReport, ReportError

NEVER = "never"
FAIL_ON = (NEVER, *reversed(SEVERITIES))
_ENDED = "The audit of this host ended with an error, which is in the output of the run."
_UNREADABLE = f"What the audit of this host has found cannot be in a report: {{}}. {REPORT_ISSUE}"


def fleet(generated: str, collection: str, hosts: Iterable[str], records: Mapping[str, Any]) -> FleetReport:
    """The report on these hosts. A host without a record, or with one that is not valid, has failed."""
    reports = [
        _loaded(host, records[host]) if host in records else HostReport(host, "failed", _ENDED) for host in hosts
    ]
    return FleetReport(generated, collection, reports)


def _loaded(host: str, record: object) -> HostReport:
    """What the host has left. One host must not prevent the report on the others."""
    try:
        return HostReport.loaded(record)
    except ReportError as error:
        return HostReport(host, "failed", _UNREADABLE.format(error))


def lines(report: FleetReport, folder: pathlib.Path | None, changes: Changes | None) -> list[str]:
    """The summary of the fleet. `folder` is where the report is; None if it was not written."""
    counts = ", ".join(f"{count} {severity}" for severity in SEVERITIES if (count := report.count(severity)))
    audited = sum(host.status == "audited" for host in report.hosts)
    shown = [f"{audited} of {len(report.hosts)} hosts audited: {counts or 'no findings'}"]
    for status in ("unreachable", "failed"):
        named = [host.host for host in report.hosts if host.status == status]
        shown += [f"{status}: {', '.join(named)}"] if named else []
    if changes:
        shown.append(f"since {changes.since}: {_new_findings(len(changes.new))}, {len(changes.gone)} gone")
    return [*shown, *([f"report: {folder / 'index.html'}"] if folder else [])]


def failure(report: FleetReport, fail_on: str) -> str:
    """Why the run fails; empty if it does not. `fail_on` is one of FAIL_ON."""
    if fail_on == NEVER:
        return ""
    worst = SEVERITIES.index(fail_on)
    bad = [host.host for host in report.hosts if any(one.rank <= worst for one in host.findings)]
    unreachable = [host.host for host in report.hosts if host.status == "unreachable"]
    failed = [host.host for host in report.hosts if host.status == "failed"]
    unknown = [host.host for host in report.hosts if host.status != "audited"]
    reasons = [f"findings of the severity {fail_on} or worse on {', '.join(bad)}"] if bad else []
    reasons += [f"not audited: {', '.join(unknown)}"] if unknown else []
    if not reasons:
        return ""
    remedies = ["Follow the remedies in the report."] if bad else []
    remedies += [f"Make {', '.join(unreachable)} reachable, or leave it out with --limit."] if unreachable else []
    remedies += [f"Correct the error of {', '.join(failed)} in the output of the run."] if failed else []
    remedy = " ".join([*remedies, "Then run again."])
    return f"The audit fails (nodered_audit_fail_on is {fail_on}): {'; '.join(reasons)}. {remedy}"


def _new_findings(count: int) -> str:
    return f"{count} new finding{'' if count == 1 else 's'}"
