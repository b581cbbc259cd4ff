# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports to test with."""

from __future__ import annotations

from typing import Any

from ansible_collections.pifleet.nodered.plugins.plugin_utils._report._findings import (
    Finding,
    FleetReport,
    HostReport,
    Severity,
)

GENERATED = "2026-03-01T12:00:00Z"


def finding(id: str = "editor-open", severity: Severity = "critical", **texts: str) -> Finding:
    standard = {
        "title": "Anyone can change the flows",
        "evidence": "GET /flows responds with 200.",
        "why": "Flows run any program.",
        "remedy": "Run the role login.",
    }
    return Finding(id, severity, **{**standard, **texts})


def host(name: str = "pi1", **values: Any) -> HostReport:
    return HostReport(name, **values)


def fleet(*hosts: HostReport, generated: str = GENERATED) -> FleetReport:
    return FleetReport(generated, "0.3.0", list(hosts))
