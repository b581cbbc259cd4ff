# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as metrics for the textfile collector of Prometheus' node_exporter. Private; knows no Ansible.

Source: "Exposition formats" in the documentation of Prometheus. The text format is so small that a library would be
more to install than to write; the tests read this with the official one.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping

from ._findings import SEVERITIES, STATUSES, FleetReport

_PREFIX = "nodered_audit"
_VERSIONS = ("node_red", "node", "os")

_Sample = tuple[Mapping[str, str], float]


def render(report: FleetReport) -> str:
    """The text of metrics.prom."""
    audited = [host for host in report.hosts if host.status == "audited"]
    done = datetime.datetime.fromisoformat(report.generated.replace("Z", "+00:00")).timestamp()
    families: list[tuple[str, str, Iterable[_Sample]]] = [
        ("timestamp_seconds", "When the audit was made, in seconds since 1970.", [({}, int(done))]),
        ("build_info", "The version of pifleet.nodered.", [({"version": report.collection}, 1)]),
        (
            "hosts",
            "Hosts of the audit by status.",
            [({"status": status}, sum(host.status == status for host in report.hosts)) for status in STATUSES],
        ),
        (
            "host_audited",
            "Whether a host could be audited (1) or not (0).",
            [({"host": host.host}, int(host.status == "audited")) for host in report.hosts],
        ),
        (
            "findings",
            "Findings of a host by severity.",
            [
                ({"host": host.host, "severity": severity}, host.count(severity))
                for host in audited
                for severity in SEVERITIES
            ],
        ),
        (
            "checks_skipped",
            "Checks that could not be done on a host.",
            [({"host": host.host}, len(host.skipped)) for host in audited],
        ),
        (
            "certificate_expiry_days",
            "Days until the certificate of a host expires; negative if it has.",
            [({"host": host.host}, host.certificate_days) for host in audited if host.certificate_days is not None],
        ),
        (
            "version_info",
            "The versions on a host.",
            [
                ({"host": host.host, **{name: host.versions.get(name, "") for name in _VERSIONS}}, 1)
                for host in audited
                if host.versions
            ],
        ),
    ]
    return "".join(line + "\n" for family in families for line in _lines(*family))


def _lines(name: str, help_text: str, samples: Iterable[_Sample]) -> Iterator[str]:
    yield f"# HELP {_PREFIX}_{name} {help_text}"
    yield f"# TYPE {_PREFIX}_{name} gauge"
    # The collector rejects a file that holds a series twice, as two long names can become one when they are cut.
    series: dict[str, float] = {}
    for labels, value in samples:
        pairs = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        series.setdefault(f"{_PREFIX}_{name}{{{pairs}}}" if pairs else f"{_PREFIX}_{name}", value)
    for one, value in series.items():
        yield f"{one} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
