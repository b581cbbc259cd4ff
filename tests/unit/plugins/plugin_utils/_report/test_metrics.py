# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""metrics.prom is read by the official parser, whatever hosts say."""

from __future__ import annotations

import re

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._report import _metrics
from ansible_collections.pifleet.nodered.plugins.plugin_utils._report._findings import SEVERITIES
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._report import fleets
from prometheus_client.parser import text_string_to_metric_families

_LABEL = r'[a-z_]+="([^"\\\n]|\\["\\n])*"'
# A line of the format, and nothing else.
LINE = re.compile(rf"# (HELP|TYPE) .+|nodered_audit_[a-z_]+(\{{{_LABEL}(,{_LABEL})*\}})? -?[0-9]+")


def samples(report) -> dict[tuple, float]:
    text = _metrics.render(report)
    assert text.endswith("\n")
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.type == "gauge" and family.documentation
        for sample in family.samples:
            key = (sample.name.removeprefix("nodered_audit_"), *sorted(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def test_findings_are_counted_by_host_and_severity_also_where_there_are_none():
    found = samples(fleets.mixed_fleet())
    counts = {key[1][1]: {} for key in found if key[0] == "findings"}
    for key, value in found.items():
        if key[0] == "findings":
            counts[key[1][1]][key[2][1]] = value
    assert counts == {
        "pi1": dict.fromkeys(SEVERITIES, 0),
        "pi2": {"critical": 1, "high": 1, "medium": 1, "low": 1, "info": 0},
        "pi10": {"critical": 0, "high": 0, "medium": 1, "low": 0, "info": 1},
    }


def test_hosts_are_counted_by_status():
    found = samples(fleets.mixed_fleet())
    assert found["hosts", ("status", "audited")] == 3
    assert found["hosts", ("status", "unreachable")] == 1
    assert found["hosts", ("status", "failed")] == 0
    assert found["host_audited", ("host", "pi2")] == 1
    assert found["host_audited", ("host", "pi11")] == 0


def test_days_versions_and_the_time_are_told():
    found = samples(fleets.mixed_fleet())
    days = {key[1][1]: value for key, value in found.items() if key[0] == "certificate_expiry_days"}
    assert days == {"pi1": 300, "pi10": 12}
    versions = (("node", "22.20.0"), ("node_red", "2.2.3"), ("os", "Debian GNU/Linux 13"))
    assert found[("version_info", ("host", "pi2"), *versions)] == 1
    assert found["timestamp_seconds",] == 1772366400
    assert found["build_info", ("version", "0.3.0")] == 1


@pytest.mark.parametrize("text", fleets.HOSTILE.values(), ids=fleets.HOSTILE)
def test_what_a_hostile_host_says_stays_in_its_label(text):
    report = fleets.fleet(fleets.hostile_host(text), fleets.host("other", findings=[fleets.finding()]))
    found = samples(report)
    assert found["findings", ("host", report.hosts[0].host), ("severity", "critical")] == 1
    assert found["findings", ("host", "other"), ("severity", "critical")] == 1
    assert len([key for key in found if key[0] == "findings"]) == 10
    assert all(LINE.fullmatch(one) for one in _metrics.render(report).split("\n")[:-1])


def test_an_escape_is_read_as_what_it_was():
    assert samples(fleets.fleet(fleets.host('a"b\\n')))["host_audited", ("host", 'a"b\\n')] == 1


def test_two_names_that_are_cut_to_the_same_text_are_one_series():
    samples(fleets.fleet(fleets.host("x" * 400 + "1"), fleets.host("x" * 400 + "2")))
