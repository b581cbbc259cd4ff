# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""report.json follows its published schema, which holds for what is read back, too."""

from __future__ import annotations

import copy
import json
import pathlib

import jsonschema
import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._report import _changes, _findings, _json
from ansible_collections.pifleet.nodered.plugins.plugin_utils._report._findings import FleetReport, ReportError
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._report import fleets

CHECKOUT = pathlib.Path(_json.__file__).parents[3]
SCHEMA = json.loads((CHECKOUT / "docs" / "report.schema.json").read_text(encoding="utf-8"))


def strict(schema):
    """The schema without room for more properties, so that it must name all that are written."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: strict(value) for name, value in schema.items()}
    if "properties" in schema and isinstance(schema["properties"], dict):
        closed.setdefault("additionalProperties", False)
    return closed


VALIDATOR = jsonschema.Draft202012Validator(strict(SCHEMA))


def written(report: FleetReport, changes=None) -> dict:
    return json.loads(_json.render(report, fleets.CHECKS, changes))


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$id"] == _json.SCHEMA
    assert SCHEMA["properties"]["version"]["const"] == _json.VERSION


def test_the_schema_has_the_same_words_and_limits_as_the_code():
    parts = SCHEMA["$defs"]
    assert parts["severity"]["enum"] == list(_findings.SEVERITIES)
    assert parts["status"]["enum"] == list(_findings.STATUSES)
    assert SCHEMA["properties"]["hosts"]["maxItems"] == _findings.MOST_HOSTS
    assert parts["host"]["properties"]["findings"]["maxItems"] == _findings.MOST_FINDINGS
    assert parts["finding"]["properties"]["title"]["maxLength"] == _findings.LONGEST_LINE
    assert parts["finding"]["properties"]["evidence"]["maxLength"] == _findings.LONGEST_TEXT


@pytest.mark.parametrize("report", [fleets.fleet(), fleets.mixed_fleet(), fleets.hostile_fleet()], ids=str)
def test_a_report_follows_the_schema(report):
    VALIDATOR.validate(written(report))
    VALIDATOR.validate(written(report, _changes.between(fleets.mixed_fleet(), report)))


def test_a_report_with_each_kind_of_change_follows_the_schema():
    before = fleets.fleet(
        fleets.host("gone"),
        fleets.host("away"),
        fleets.host(
            "pi1",
            findings=[fleets.finding("better", "high"), fleets.finding("worse", "low"), fleets.finding("gone", "info")],
        ),
        fleets.host("pi2", findings=[fleets.finding("unknown")]),
    )
    now = fleets.fleet(
        fleets.host("new"),
        fleets.host("away", status="failed"),
        fleets.host(
            "pi1",
            passed=["gone"],
            findings=[fleets.finding("better", "low"), fleets.finding("worse", "high"), fleets.finding("new")],
        ),
        fleets.host("pi2"),
    )
    changes = _changes.between(before, now)
    assert all(vars(changes).values())
    VALIDATOR.validate(written(now, changes))


def test_the_summary_counts_hosts_and_findings():
    assert written(fleets.mixed_fleet())["summary"] == {
        "hosts": 4,
        "audited": 3,
        "unreachable": 1,
        "failed": 0,
        "findings": {"critical": 1, "high": 1, "medium": 2, "low": 1, "info": 1},
    }


@pytest.mark.parametrize("report", [fleets.mixed_fleet(), fleets.hostile_fleet()], ids=["mixed", "hostile"])
def test_a_report_comes_back_as_it_was(report):
    assert _json.loaded(_json.render(report, fleets.CHECKS, None).encode()) == report


def wrong_reports():
    good = written(fleets.mixed_fleet())
    for path, value in (
        (("version",), 2),
        (("generated",), "today"),
        (("hosts",), {}),
        (("hosts", 0), []),
        (("hosts", 0, "status"), "fine"),
        (("hosts", 0, "certificate_days"), "soon"),
        (("hosts", 0, "passed"), ["Not An Id"]),
        (("hosts", 0, "versions"), {"node": 22}),
        (("hosts", 1, "findings", 0, "severity"), "worst"),
        (("hosts", 1, "findings", 0, "title"), None),
    ):
        data = copy.deepcopy(good)
        part = data
        for step in path[:-1]:
            part = part[step]
        part[path[-1]] = value
        yield pytest.param(data, id=str(path))


@pytest.mark.parametrize("data", list(wrong_reports()))
def test_what_the_schema_rejects_is_not_read(data):
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(data)
    with pytest.raises(ReportError):
        _json.loaded(json.dumps(data).encode())


@pytest.mark.parametrize(
    "text", [b"", b"{", b"null", b"\xff\xfe\x00", b"[" * 1_000_000, b'{"version": ' + b"9" * 10_000 + b"}", b"{}"]
)
def test_what_is_no_report_is_an_error(text):
    with pytest.raises(ReportError):
        _json.loaded(text)


def test_a_report_that_is_too_large_is_an_error(monkeypatch):
    monkeypatch.setattr(_json, "LARGEST", 100)
    with pytest.raises(ReportError, match="more than 100 bytes"):
        _json.loaded(b" " * 101)
