# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is printed of a report, and when it makes the run fail."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._report import _summary
from ansible_collections.pifleet.nodered.plugins.plugin_utils._report._changes import Change, Changes
from ansible_collections.pifleet.nodered.plugins.plugin_utils._report._findings import Finding, HostReport

NOW = "2026-11-29T12:00:00Z"


def host(name, *severities, status="audited"):
    findings = [Finding(f"check-{one}", one, "A problem", "", "", "") for one in severities]
    return HostReport(name, status, findings=findings)


def fleet(*hosts, missing=()):
    records = {one.host: one.data() for one in hosts}
    return _summary.fleet(NOW, "0.3.0", [*records, *missing], records)


def test_a_certificate_until_the_year_9999_is_reported():
    report = _summary.fleet(NOW, "", ["pi1"], {"pi1": HostReport("pi1", certificate_days=2_912_000).data()})
    assert report.hosts == [HostReport("pi1", certificate_days=2_912_000)]


def test_one_host_does_not_prevent_the_report_on_the_others():
    records = {"pi1": {**host("pi1").data(), "certificate_days": "soon"}, "pi2": host("pi2", "low").data()}
    report = _summary.fleet(NOW, "", ["pi1", "pi2"], records)
    assert [(one.host, one.status) for one in report.hosts] == [("pi1", "failed"), ("pi2", "audited")]


def test_the_summary_names_what_could_not_be_audited():
    report = fleet(
        host("pi1", "critical", "low"), host("pi2", "low"), host("pi3", status="unreachable"), missing=["pi4"]
    )
    assert _summary.lines(report, pathlib.Path("/r"), Changes(since="2026-11-28T12:00:00Z")) == [
        "2 of 4 hosts audited: 1 critical, 2 low",
        "unreachable: pi3",
        "failed: pi4",
        "since 2026-11-28T12:00:00Z: 0 new findings, 0 gone",
        "report: /r/index.html",
    ]
    one = Changes(since="2026-11-28T12:00:00Z", new=[Change("pi1", "a-check", "A problem", "low")])
    assert "since 2026-11-28T12:00:00Z: 1 new finding, 0 gone" in _summary.lines(report, None, one)
    assert _summary.lines(fleet(host("pi1")), None, None) == ["1 of 1 hosts audited: no findings"]


@pytest.mark.parametrize(
    "fail_on, fails",
    [("never", False), ("critical", False), ("high", True), ("medium", True), ("info", True)],
)
def test_a_finding_fails_the_run_from_its_severity_on(fail_on, fails):
    failure = _summary.failure(fleet(host("pi1", "high"), host("pi2")), fail_on)
    assert bool(failure) is fails
    assert "pi2" not in failure


def test_a_host_that_was_not_audited_fails_a_run_that_can_fail():
    report = fleet(host("pi1"), host("pi2", status="unreachable"))
    assert _summary.failure(report, "never") == ""
    assert _summary.failure(report, "critical") == (
        "The audit fails (nodered_audit_fail_on is critical): not audited: pi2. "
        "Make pi2 reachable, or leave it out with --limit. Then run again."
    )


def test_each_reason_of_a_failure_has_its_remedy():
    report = fleet(host("pi1", "high"), host("pi2", status="unreachable"), missing=["pi3"])
    failure = _summary.failure(report, "high")
    assert "of the severity high or worse on pi1; not audited: pi2, pi3. Follow the remedies in the report." in failure
    assert "Make pi2 reachable" in failure
    assert failure.endswith("Correct the error of pi3 in the output of the run. Then run again.")


def test_the_report_refers_to_the_output_of_the_run():
    (failed,) = fleet(missing=["pi1"]).hosts
    assert failed.message == "The audit of this host ended with an error, which is in the output of the run."
