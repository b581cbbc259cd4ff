# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is new since the last report was looked for before, and what is gone was looked for now."""

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._report import _changes
from ansible_collections.pifleet.nodered.plugins.plugin_utils._report._changes import Change, Changes, StatusChange
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._report.fleets import finding, fleet, host

LATER = "2026-03-02T12:00:00Z"


def between(before, now) -> Changes:
    return _changes.between(fleet(*before), fleet(*now, generated=LATER))


def changed(host: str = "pi1", before: str = "", severity: str = "critical", **values: str) -> Change:
    return Change(host, "editor-open", "Anyone can change the flows", severity, before, **values)


def test_two_reports_that_are_alike_have_no_changes():
    changes = between([host(findings=[finding()])], [host(findings=[finding(evidence="Seen again.")])])
    assert not changes.any
    assert changes == Changes("2026-03-01T12:00:00Z")


def test_a_finding_is_new_or_gone():
    with_it, without = [host(findings=[finding()])], [host(passed=["editor-open"])]
    assert between(without, with_it) == Changes("2026-03-01T12:00:00Z", new=[changed()])
    assert between(with_it, without) == Changes("2026-03-01T12:00:00Z", gone=[changed()])
    assert between(with_it, without).any


def test_a_finding_whose_check_was_left_out_is_not_gone():
    now = [host(skipped={"editor-open": "No connection."})]
    assert between([host(findings=[finding()])], now) == Changes("2026-03-01T12:00:00Z", unknown=[changed()])


def test_a_finding_can_become_more_or_less_severe():
    high, low = [host(findings=[finding(severity="high")])], [host(findings=[finding(severity="low")])]
    assert between(low, high).worse == [changed(severity="high", before="low")]
    assert between(high, low).better == [changed(severity="low", before="high")]


def test_a_second_finding_of_a_check_is_new():
    changes = between([host(findings=[finding()])], [host(findings=[finding(evidence="ada"), finding(evidence="bob")])])
    assert changes.new == [changed()] and not changes.gone


def test_another_title_makes_no_other_finding_of_it():
    before, now = (
        finding(title="The certificate expires in 12 days"),
        finding(title="The certificate expires in 9 days"),
    )
    assert not between([host(findings=[before])], [host(findings=[now])]).any


def test_hosts_come_and_go():
    changes = between([host("pi1"), host("pi2")], [host("pi2"), host("pi3", findings=[finding()])])
    assert changes == Changes("2026-03-01T12:00:00Z", hosts_new=["pi3"], hosts_gone=["pi1"])


@pytest.mark.parametrize("missed", ["unreachable", "failed"])
def test_a_host_that_was_not_audited_has_no_findings_that_are_new_or_gone(missed):
    known, away = [host(findings=[finding()])], [host(status=missed)]
    assert between(known, away) == Changes("2026-03-01T12:00:00Z", status=[StatusChange("pi1", missed, "audited")])
    assert between(away, known) == Changes("2026-03-01T12:00:00Z", status=[StatusChange("pi1", "audited", missed)])
    assert not between(away, away).any


def test_the_worst_change_comes_first():
    now = [host("pi1", findings=[finding(severity="low")]), host("pi2", findings=[finding()])]
    changes = between([host("pi1", passed=["editor-open"]), host("pi2", passed=["editor-open"])], now)
    assert [one.host for one in changes.new] == ["pi2", "pi1"]
