# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings hold no secret and no control character, and come back from JSON as they were."""

from __future__ import annotations

import json

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._report import _findings
from ansible_collections.pifleet.nodered.plugins.plugin_utils._report._findings import (
    FleetReport,
    HostReport,
    ReportError,
)
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._report.fleets import finding, fleet, host

HASH = "$2b$08$W5eyMBLUxXJPdGSbh/9fbuJvUIrsTeo5LcTPYwzaQhXSFVGjJbmOq"


def test_a_report_comes_back_from_json_as_it_was():
    report = fleet(
        host("pi1", findings=[finding()], passed=["port"], skipped={"tls": "no TLS"}, certificate_days=-3),
        host("pi2", status="unreachable", message="No route to host"),
    )
    assert FleetReport.loaded(json.loads(json.dumps(report.data()))) == report


def test_hosts_are_in_the_order_that_people_expect():
    assert [one.host for one in fleet(host("pi10"), host("Pi9"), host("pi1"), host("a")).hosts] == [
        "a",
        "pi1",
        "Pi9",
        "pi10",
    ]


def test_the_worst_finding_comes_first():
    one = host(findings=[finding("b", "low"), finding("c", "critical"), finding("a", "low")])
    assert [(each.severity, each.id) for each in one.findings] == [("critical", "c"), ("low", "a"), ("low", "b")]
    assert one.worst == "critical"
    assert host().worst is None


@pytest.mark.parametrize("name", ["title", "evidence", "why", "remedy"])
def test_no_text_of_a_finding_shows_a_hash_a_key_or_a_control_character(name):
    key = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----"
    text = getattr(finding(**{name: f"{HASH}\n{key}\n\x1b[2J\u202e\udc80 mqtt://me:hunter2@broker"}), name)
    for secret in (HASH[7:], "MIGHAgEAMBMGByqGSM49", "hunter2", "\x1b", "\u202e", "\udc80"):
        assert secret not in text
    assert "\\x1b[2J" in text


def test_no_other_text_of_a_host_shows_a_secret_or_a_control_character():
    text = f"https://me:hunter2@pi/ \x1b\n{HASH}"
    one = host(text, message=text, url=text, versions={"os": text}, skipped={"port": text})
    shown = json.dumps(one.data())
    assert HASH[7:] not in shown and "hunter2" not in shown and "\\u001b" not in shown


@pytest.mark.parametrize("extra", ["x" * 10_000_000, "\x1b" * 10_000_000], ids=["plain", "escaped"])
def test_long_text_is_cut(extra):
    one = finding(title=extra, evidence=extra)
    assert len(one.title) == _findings.LONGEST_LINE and len(one.evidence) == _findings.LONGEST_TEXT


def test_too_many_findings_leave_out_the_least_severe_and_say_so():
    one = host(findings=[finding("a", "low")] * 600 + [finding("b", "critical")])
    assert len(one.findings) == 500 and one.findings[0].id == "b"
    assert one.message == "101 less severe findings are left out. "


def without(data, *path):
    for step in path[:-1]:
        data = data[step]
    del data[path[-1]]


def replaced(data, value, *path):
    for step in path[:-1]:
        data = data[step]
    data[path[-1]] = value


SMALL = fleet(host(findings=[finding()], passed=["port"], skipped={"tls": "no TLS"}, versions={"os": "Debian"}))


@pytest.mark.parametrize(
    "path",
    [
        ("generated",),
        ("collection",),
        ("hosts",),
        *(("hosts", 0, name) for name in HostReport.__dataclass_fields__),
        *(("hosts", 0, "findings", 0, name) for name in _findings.Finding.__dataclass_fields__),
    ],
    ids=str,
)
def test_what_is_missing_or_of_another_type_is_an_error(path):
    data = SMALL.data()
    without(data, *path)
    with pytest.raises(ReportError, match=str(path[-1])):
        FleetReport.loaded(data)
    for wrong in (1.5, {"a": 1}, [1], True):
        data = SMALL.data()
        replaced(data, wrong, *path)
        with pytest.raises(ReportError):
            FleetReport.loaded(data)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("generated",), "yesterday"),
        (("generated",), "2026-01-01T00:00:00+01:00"),
        (("hosts",), [SMALL.hosts[0].data()] * 10_001),
        (("hosts", 0, "status"), "on fire"),
        (("hosts", 0, "certificate_days"), 10**9),
        (("hosts", 0, "passed"), ["<script>"]),
        (("hosts", 0, "passed"), ["x" * 65]),
        (("hosts", 0, "skipped"), {"../..": "reason"}),
        (("hosts", 0, "versions"), {str(number): "1" for number in range(100)}),
        (("hosts", 0, "findings", 0, "id"), "Two Words"),
        (("hosts", 0, "findings", 0, "severity"), "catastrophic"),
    ],
    ids=str,
)
def test_a_value_outside_its_limits_is_an_error(path, value):
    data = SMALL.data()
    replaced(data, value, *path)
    with pytest.raises(ReportError):
        FleetReport.loaded(data)


def test_a_later_version_can_add_to_a_report():
    data = SMALL.data()
    for part in (data, data["hosts"][0], data["hosts"][0]["findings"][0]):
        part["later"] = 1
    assert FleetReport.loaded(data) == SMALL
