# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as JSON, whose schema is docs/report.schema.json. Private; knows no Ansible."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from ._catalogue import Check
from ._changes import Changes
from ._findings import SEVERITIES, STATUSES, FleetReport, ReportError

VERSION = 1
"""Of the schema; raised when something that readers use changes its meaning or goes."""
SCHEMA = "https://raw.githubusercontent.com/pifleet/nodered/main/docs/report.schema.json"
# Bytes; 200 hosts take about 2 MB.
LARGEST = 200 * 1024 * 1024


def render(report: FleetReport, checks: Sequence[Check], changes: Changes | None) -> str:
    """The text of report.json."""
    data = report.data()
    hosts = data.pop("hosts")
    counted: dict[str, Any] = {
        "hosts": len(report.hosts),
        **{status: sum(host.status == status for host in report.hosts) for status in STATUSES},
        "findings": {severity: report.count(severity) for severity in SEVERITIES},
    }
    whole = {
        "$schema": SCHEMA,
        "version": VERSION,
        **data,
        "summary": counted,
        "changes": changes.data() if changes else None,
        "checks": [dataclasses.asdict(check) for check in checks],
        "hosts": hosts,
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def loaded(text: bytes) -> FleetReport:
    """The report in this text. Raises ReportError."""
    if len(text) > LARGEST:
        raise ReportError(f"it has more than {LARGEST} bytes")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ReportError(f"it is no JSON: {error}") from None
    if not isinstance(data, dict) or data.get("version") != VERSION:
        raise ReportError(f"it is no report of version {VERSION}")
    return FleetReport.loaded(data)
