# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as JUnit XML, which Jenkins, GitLab and others show. Private; knows no Ansible.

One suite for each host, one test case for each check. A finding that is only informative does not fail. The library
junitparser knows the dialect; what XML cannot hold is replaced here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from .._core._errors import MissingLibraryError
from ._catalogue import Check
from ._findings import Finding, FleetReport, HostReport

try:
    from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite
except ImportError as error:  # pragma: no cover
    _IMPORT_ERROR: ImportError | None = error
else:
    _IMPORT_ERROR = None

# Outside of the production Char of XML 1.0 (section 2.2).
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'


def require_library() -> None:
    """Raise MissingLibraryError where junitparser is not installed."""
    if _IMPORT_ERROR is not None:
        raise MissingLibraryError("junitparser", _IMPORT_ERROR)


def render(report: FleetReport, checks: Sequence[Check]) -> bytes:
    """The text of junit.xml, in UTF-8. Raises MissingLibraryError."""
    require_library()
    by_id = {check.id: check for check in checks}
    whole = JUnitXml("Node-RED audit")
    for host in report.hosts:
        suite = TestSuite(_xml(host.host))
        suite.hostname = _xml(host.host)
        # XML Schema's dateTime without a zone, as the schema of JUnit has it.
        suite.timestamp = report.generated[:19]
        for case in _cases(host, by_id):
            suite.add_testcase(case)
        whole.add_testsuite(suite)
    whole.update_statistics()  # type: ignore[no-untyped-call]
    text: bytes = whole.tostring()  # type: ignore[no-untyped-call]
    # There already if the library works with lxml.
    return text if text.startswith(_DECLARATION[:5]) else _DECLARATION + text


def _cases(host: HostReport, checks: Mapping[str, Check]) -> Iterator[TestCase]:
    """One for each check, in the order of the catalogue."""
    if host.status != "audited":
        yield _case(host, "audit", checks, Error(_xml(host.message or host.status), host.status))
    found: dict[str, list[Finding]] = {}
    for finding in host.findings:
        found.setdefault(finding.id, []).append(finding)
    done = {*found, *host.skipped, *host.passed}
    for check in [*(check for check in checks if check in done), *sorted(done - set(checks))]:
        if check in found:
            yield _found(host, check, found[check], checks)
        elif check in host.skipped:
            yield _case(host, check, checks, Skipped(_xml(host.skipped[check])))
        else:
            yield _case(host, check, checks)


def _found(host: HostReport, check: str, findings: Sequence[Finding], checks: Mapping[str, Check]) -> TestCase:
    """The case of a check that has findings, the worst first."""
    text = _xml("\n\n".join(_described(finding) for finding in findings))
    worst = findings[0]
    if worst.severity == "info":
        case = _case(host, check, checks)
        case.system_out = text
        return case
    failure = Failure(_xml(worst.title), worst.severity)
    failure.text = text
    return _case(host, check, checks, failure)


def _described(finding: Finding) -> str:
    return f"{finding.severity}: {finding.title}\n{finding.evidence}\n{finding.why}\n{finding.remedy}"


def _case(host: HostReport, check: str, checks: Mapping[str, Check], *result: Error | Failure | Skipped) -> TestCase:
    area = checks[check].area if check in checks else "Audit"
    case = TestCase(checks[check].title if check in checks else check, _xml(f"{host.host}.{area}"), 0)
    case.result = list(result)
    return case


def _xml(text: str) -> str:
    """The text without what XML cannot hold, also not escaped."""
    return _NOT_XML.sub("\ufffd", text)
