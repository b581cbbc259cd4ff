# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""report.sarif follows the schema of SARIF 2.1.0, and what GitHub asks for beside it."""

from __future__ import annotations

import json
import pathlib

import jsonschema
import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._report import _catalogue, _sarif
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._report import fleets

CHECKOUT = pathlib.Path(_sarif.__file__).parents[3]
SCHEMA = json.loads((CHECKOUT / "tests" / "schemas" / "sarif-2.1.0.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)


def run(report, checks=fleets.CHECKS) -> dict:
    log = json.loads(_sarif.render(report, checks))
    VALIDATOR.validate(log)
    (one,) = log["runs"]
    return one


@pytest.mark.parametrize("report", [fleets.fleet(), fleets.mixed_fleet(), fleets.hostile_fleet()], ids=str)
def test_a_report_follows_the_schema(report):
    run(report)


def test_the_catalogue_follows_the_schema():
    assert len(run(fleets.fleet(), _catalogue.CHECKS)["tool"]["driver"]["rules"]) == len(_catalogue.CHECKS)


def test_a_finding_is_a_result_of_its_rule():
    found = run(fleets.mixed_fleet())
    first = found["results"][0]
    rule = found["tool"]["driver"]["rules"][first["ruleIndex"]]
    assert first["ruleId"] == rule["id"] == "editor-open"
    assert first["level"] == "error"
    text = "pi2: Anyone can change the flows\nGET /flows responds with 200.\n" + fleets.WHY + "\nRun the role login."
    assert first["message"]["text"] == text
    (location,) = first["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "hosts/pi2"
    assert [one["level"] for one in found["results"]] == ["error", "error", "warning", "note", "warning", "note"]


def test_a_finding_has_the_same_fingerprint_in_each_report_and_no_other_has_it():
    once, again = (run(fleets.mixed_fleet())["results"] for _time in range(2))
    prints = [tuple(one["partialFingerprints"].items()) for one in once]
    assert prints == [tuple(one["partialFingerprints"].items()) for one in again]
    assert len(set(prints)) == len(prints) == 6


def test_a_host_that_could_not_be_audited_is_a_notification():
    (invocation,) = run(fleets.mixed_fleet())["invocations"]
    (notification,) = invocation["toolExecutionNotifications"]
    assert notification["message"]["text"] == "pi11 (unreachable): Connection timed out"
    assert not invocation["executionSuccessful"]
    assert run(fleets.fleet(fleets.host()))["invocations"][0]["executionSuccessful"]


@pytest.mark.parametrize("text", fleets.HOSTILE.values(), ids=fleets.HOSTILE)
def test_what_a_hostile_host_says_is_no_link_no_placeholder_and_no_path(text):
    report = run(fleets.fleet(fleets.hostile_host(text)))
    for result in report["results"]:
        assert "](" not in result["message"]["text"]
        assert "{0}" not in result["message"]["text"].replace("{{", "").replace("}}", "")
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert uri.startswith("hosts/") and uri.count("/") == 1 and uri.isascii() and " " not in uri


def test_a_check_that_the_catalogue_does_not_have_is_a_result_without_a_rule():
    (result,) = run(fleets.fleet(fleets.host(findings=[fleets.finding("later-check")])))["results"]
    assert result["ruleId"] == "later-check" and "ruleIndex" not in result
