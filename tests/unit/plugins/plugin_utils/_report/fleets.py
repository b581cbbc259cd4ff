# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports to test with."""

from __future__ import annotations

from typing import Any

from ansible_collections.pifleet.nodered.plugins.plugin_utils._report._catalogue import Check
from ansible_collections.pifleet.nodered.plugins.plugin_utils._report._findings import (
    SEVERITIES,
    Finding,
    FleetReport,
    HostReport,
    Severity,
)

GENERATED = "2026-03-01T12:00:00Z"
WHY = "Anyone who can change the flows can run any program."
CHECKS = (
    Check("editor-open", "Login", "Editor open", "The editor requires a login", WHY, "critical"),
    Check("hash-weak", "Login", "Weak hash", "Passwords are hashed with a cost of 8 or more", "It is guessed.", "high"),
    Check("certificate-expires", "TLS", "Expires", "The certificate is valid for 30 days", "It ends.", "medium"),
    Check("old-release", "Releases", "Old release", "Node-RED is maintained", "Nothing is mended.", "low"),
    Check("readme", "Releases", "Readme", "There is a README", "It helps.", "info"),
)
# What a hostile host can try to be called, or to answer.
HOSTILE = {
    "script": "</script><script>alert(1)</script>",
    "attribute": "\"' onmouseover='alert(1)' x=\"",
    "comment": "--><!-- ]]> <![CDATA[",
    "template": "{{ 7 * 7 }}{% raw %}{0}",
    "link": "[press](javascript:alert(1)) `x` **y**",
    "control": "".join(map(chr, range(32))) + "\x7f\x85\x9b31m",
    "terminal": "\x1b]0;title\x07\x1b[2J\x1b[31m",
    "line": 'pi1"} 1\nnodered_audit_findings{host="other"} 0\r\n',
    "backslash": 'C:\\new\\"',
    "surrogate": "\ud800 \udc80 \udfff",
    "not-xml": "\ufffe\uffff\U0001ffff \ufdd0",
    "direction": "\u202egnp.exe\u2066",
    "path": "../../../etc/passwd",
    "long": "x" * 100_000,
    "wide": "\U0001f600\u05d0\u4e2d" * 1000,
    "hash": "$2b$08$W5eyMBLUxXJPdGSbh/9fbuJvUIrsTeo5LcTPYwzaQhXSFVGjJbmOq",
    "key": "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----",
}
# What of it must be in no file.
NEVER = ("\x1b", "\x9b", "\x07", "\u202e", "\u2066", "W5eyMBLUxXJPdGSbh", "MIGHAgEAMBMGByqGSM49")


def finding(id: str = "editor-open", severity: Severity = "critical", **texts: str) -> Finding:
    standard = {
        "title": "Anyone can change the flows",
        "evidence": "GET /flows responds with 200.",
        "why": WHY,
        "remedy": "Run the role login.",
    }
    return Finding(id, severity, **{**standard, **texts})


def host(name: str = "pi1", **values: Any) -> HostReport:
    return HostReport(name, **values)


def fleet(*hosts: HostReport, generated: str = GENERATED) -> FleetReport:
    return FleetReport(generated, "0.3.0", list(hosts))


def hostile_host(text: str) -> HostReport:
    """A host that has this text everywhere."""
    return host(
        text,
        message=text,
        url=text,
        versions={"node_red": text, "node": text, "os": text, text: text},
        certificate_days=-1,
        passed=["readme"],
        skipped={"certificate-expires": text},
        findings=[finding(title=text, evidence=text, why=text, remedy=text), finding("hash-weak", "info", title=text)],
    )


def hostile_fleet() -> FleetReport:
    texts = list(HOSTILE.values())
    return fleet(*map(hostile_host, texts), host("away " + texts[0], status="unreachable", message="".join(texts)))


def mixed_fleet() -> FleetReport:
    """Some hosts of each kind."""
    return fleet(
        host("pi1", url="https://pi1:1880/", versions=VERSIONS, certificate_days=300, passed=ids(CHECKS)),
        host(
            "pi2",
            url="http://pi2:1880/",
            versions={**VERSIONS, "node_red": "2.2.3"},
            passed=["readme"],
            skipped={"certificate-expires": "There is no TLS."},
            findings=[
                finding(),
                finding("hash-weak", "high", title="The hash of a password is weak", evidence="User ada: cost 4."),
                finding("hash-weak", "medium", title="The hash of a password is weak", evidence="User bob: cost 7."),
                finding("old-release", "low", title="Node-RED 2 gets no corrections", evidence="2.2.3"),
            ],
        ),
        host(
            "pi10",
            certificate_days=12,
            passed=["editor-open", "hash-weak", "old-release"],
            findings=[
                finding("certificate-expires", "medium", title="The certificate expires soon", evidence="In 12 days."),
                finding("readme", "info", title="There is no README", evidence="README.md is missing."),
            ],
        ),
        host("pi11", status="unreachable", message="Connection timed out"),
    )


VERSIONS = {"node_red": "4.1.1", "node": "22.20.0", "os": "Debian GNU/Linux 13"}


def ids(checks: tuple[Check, ...]) -> list[str]:
    return [check.id for check in checks]


def large_fleet(hosts: int = 200, checks: int = 32) -> tuple[FleetReport, tuple[Check, ...]]:
    """A fleet whose hosts all fail all checks, each with some lines of its own."""
    areas = ("Login", "Passwords", "TLS", "Pages", "Files", "Firewall")
    catalogue = tuple(
        Check(
            f"check-{number:02d}",
            areas[number * len(areas) // checks],
            f"Label {number}",
            f"The condition number {number} of the fleet is met",
            WHY * 3,
            SEVERITIES[number % 5],
        )
        for number in range(checks)
    )
    reports = [
        host(
            f"pi{one}.house-{one % 7}.example.org",
            url=f"https://pi{one}.house-{one % 7}.example.org:1880/",
            versions=VERSIONS,
            certificate_days=one,
            findings=[
                finding(
                    check.id,
                    check.severity,
                    title=f"The condition of {check.label} is not met",
                    evidence=f"GET /flows/{number} at {one} responds with 200.\n" * 3,
                    why=check.why,
                    remedy=f"Run the role {check.area.lower()} on this host, or set nodered_check_{number}. " * 2,
                )
                for number, check in enumerate(catalogue)
            ],
        )
        for one in range(hosts)
    ]
    return fleet(*reports), catalogue
