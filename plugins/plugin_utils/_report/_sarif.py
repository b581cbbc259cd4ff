# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as SARIF 2.1.0, which GitHub and others show. Private; knows no Ansible.

There is no maintained library that writes SARIF without bringing a framework along; the tests hold the official schema
against this. Source: SARIF 2.1.0 with errata 01, and GitHub's "SARIF support for code scanning".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from ._catalogue import Check
from ._findings import Finding, FleetReport, HostReport, Severity

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
PAGE = "https://github.com/pifleet/nodered"
_LEVELS: dict[Severity, str] = {
    "critical": "error",
    "high": "error",
    "medium": "warning",
    "low": "note",
    "info": "note",
}
# GitHub: over 9.0 is critical, 7.0 to 8.9 high, 4.0 to 6.9 medium, 0.1 to 3.9 low.
_SCORES: dict[Severity, str] = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "2.5", "info": "0.1"}
# Placeholders (section 3.11.5) and embedded links (section 3.11.6) of messages.
_SYNTAX = re.compile(r"[{}]|\](?=\()")


def render(report: FleetReport, checks: Sequence[Check]) -> str:
    """The text of report.sarif."""
    rules = [_rule(check) for check in checks]
    places = {check.id: number for number, check in enumerate(checks)}
    run = {
        "tool": {
            "driver": {
                "name": "pifleet.nodered audit",
                "version": report.collection,
                "informationUri": PAGE,
                "rules": rules,
            }
        },
        "invocations": [_invocation(report)],
        "columnKind": "unicodeCodePoints",
        "results": [result for host in report.hosts for result in _results(host, places)],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1, ensure_ascii=False) + "\n"


def _rule(check: Check) -> dict[str, Any]:
    return {
        "id": check.id,
        "name": check.label,
        "shortDescription": {"text": _plain(check.title)},
        "fullDescription": {"text": _plain(check.why)},
        "help": {"text": _plain(check.why)},
        "defaultConfiguration": {"level": _LEVELS[check.severity]},
        "properties": {
            "tags": ["security", check.area],
            "precision": "high",
            "security-severity": _SCORES[check.severity],
        },
    }


def _invocation(report: FleetReport) -> dict[str, Any]:
    """Whether every host could be audited, and what stood in the way."""
    missed = [host for host in report.hosts if host.status != "audited"]
    return {
        "executionSuccessful": not missed,
        "endTimeUtc": report.generated.replace("+00:00", "Z"),
        "toolExecutionNotifications": [
            {
                "level": "error",
                "message": {"text": _plain(f"{host.host} ({host.status}): {host.message}")},
                "locations": [_location(host)],
            }
            for host in missed
        ],
    }


def _results(host: HostReport, places: dict[str, int]) -> Iterator[dict[str, Any]]:
    counted: dict[str, int] = {}
    for finding in host.findings:
        counted[finding.id] = counted.get(finding.id, 0) + 1
        yield {
            "ruleId": finding.id,
            **({"ruleIndex": places[finding.id]} if finding.id in places else {}),
            "level": _LEVELS[finding.severity],
            "message": {"text": _plain(_message(host, finding))},
            "locations": [_location(host)],
            "partialFingerprints": {"hostAndCheck/v1": f"{host.host}/{finding.id}/{counted[finding.id]}"},
            "properties": {"severity": finding.severity, "security-severity": _SCORES[finding.severity]},
        }


def _message(host: HostReport, finding: Finding) -> str:
    return f"{host.host}: {finding.title}\n{finding.evidence}\n{finding.why}\n{finding.remedy}"


def _location(host: HostReport) -> dict[str, Any]:
    """The host. GitHub leaves out a result without a file, so it looks like one."""
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": f"hosts/{quote(host.host, safe='')}"},
            "region": {"startLine": 1},
        },
        "logicalLocations": [{"name": host.host, "kind": "resource"}],
    }


def _plain(text: str) -> str:
    """The text as a message without placeholders and links."""
    return _SYNTAX.sub(lambda found: found[0] * 2 if found[0] in "{}" else "] ", text)
