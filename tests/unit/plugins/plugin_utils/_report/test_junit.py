# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""junit.xml is XML whatever hosts say, and counts what has failed."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import junitparser
import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._errors import MissingLibraryError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._report import _junit
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._report import fleets


def suites(report, checks=fleets.CHECKS) -> dict[str, junitparser.TestSuite]:
    return {suite.name: suite for suite in junitparser.JUnitXml.fromstring(_junit.render(report, checks))}


def test_each_host_is_a_suite_with_a_case_for_each_check():
    found = suites(fleets.mixed_fleet())
    assert [case.name for case in found["pi1"]] == [check.title for check in fleets.CHECKS]
    assert {case.classname for case in found["pi1"]} == {"pi1.Login", "pi1.TLS", "pi1.Releases"}
    assert found["pi1"].hostname == "pi1" and found["pi1"].timestamp == "2026-03-01T12:00:00"


def test_findings_fail_but_those_that_only_inform_do_not():
    found = suites(fleets.mixed_fleet())
    assert (found["pi2"].tests, found["pi2"].failures, found["pi2"].errors, found["pi2"].skipped) == (5, 3, 0, 1)
    assert (found["pi10"].tests, found["pi10"].failures, found["pi10"].errors, found["pi10"].skipped) == (5, 1, 0, 0)
    informed = list(found["pi10"])[-1]
    assert informed.is_passed and "README.md is missing." in informed.system_out


def test_two_findings_of_a_check_are_one_failure_with_both():
    (failure,) = list(suites(fleets.mixed_fleet())["pi2"])[1].result
    assert (failure.type, failure.message) == ("high", "The hash of a password is weak")
    assert "User ada: cost 4." in failure.text and "User bob: cost 7." in failure.text


def test_a_host_that_could_not_be_audited_is_an_error():
    (case,) = suites(fleets.mixed_fleet())["pi11"]
    (error,) = case.result
    assert isinstance(error, junitparser.Error)
    assert (error.type, error.message) == ("unreachable", "Connection timed out")


def test_the_whole_is_counted():
    whole = junitparser.JUnitXml.fromstring(_junit.render(fleets.mixed_fleet(), fleets.CHECKS))
    assert (whole.tests, whole.failures, whole.errors, whole.skipped) == (16, 4, 1, 1)


@pytest.mark.parametrize("text", fleets.HOSTILE.values(), ids=fleets.HOSTILE)
def test_what_a_hostile_host_says_stays_text(text):
    rendered = _junit.render(fleets.fleet(fleets.hostile_host(text)), fleets.CHECKS)
    assert rendered.startswith(b'<?xml version="1.0" encoding="UTF-8"?>')
    # The production Char of XML 1.0.
    assert not re.search("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", rendered.decode())
    root = ElementTree.fromstring(rendered)
    tags = {"testsuites", "testsuite", "testcase", "failure", "skipped", "system-out"}
    assert {element.tag for element in root.iter()} == tags
    names = {"name", "hostname", "timestamp", "classname", "message", "type"}
    assert {name for element in root.iter() for name in element.attrib} <= {
        *names,
        *("tests", "failures", "errors", "skipped", "time"),
    }
    assert len(list(root)) == 1


def test_a_check_that_the_catalogue_does_not_have_is_shown_by_its_id():
    (case,) = suites(fleets.fleet(fleets.host(passed=["later-check"])))["pi1"]
    assert (case.name, case.classname) == ("later-check", "pi1.Audit")


def test_without_the_library_the_error_has_the_remedy(monkeypatch):
    monkeypatch.setattr(_junit, "_IMPORT_ERROR", ImportError("No module named 'junitparser'"))
    with pytest.raises(MissingLibraryError, match="junitparser is missing on the controller(.|\n)*pip install -r"):
        _junit.require_library()
