# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit has found on each host of a fleet. Private; data only, knows no Ansible.

Much of the text comes from hosts, which are not trusted. So every text is made safe where it is stored: without what
controls a terminal, with secrets hidden, and no longer than a limit. The formats then only escape what their own syntax
needs.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, get_args

from ...module_utils._core._masking import masked
from ...module_utils._core._text import printable, printable_line

Severity = Literal["critical", "high", "medium", "low", "info"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""The worst first."""
Status = Literal["audited", "unreachable", "failed"]
STATUSES: tuple[Status, ...] = get_args(Status)

# Characters.
LONGEST_LINE = 300
LONGEST_TEXT = 2000
MOST_FINDINGS = 500
MOST_CHECKS = 500
MOST_VERSIONS = 20
MOST_HOSTS = 10_000
_CUT = " ..."
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_LONGEST_ID = 64
# UTC, as `datetime.isoformat` and others write it.
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|\+00:00)")
# The last day that a certificate can have is the end of the year 9999 (RFC 5280, section 4.1.2.5).
_MOST_DAYS = 4_000_000

_T = TypeVar("_T")


class ReportError(ValueError):
    """A report that cannot be read. The message says which part of it, and why."""


@dataclass(frozen=True)
class Finding:
    """Something on one host that should not be so."""

    id: str
    """The check, as in `_catalogue`."""
    severity: Severity
    title: str
    """The problem, on one line."""
    evidence: str
    """What was seen on this host; can have several lines."""
    why: str
    """Why it matters."""
    remedy: str
    """What to do about it; can have several lines."""

    def __post_init__(self) -> None:
        _require_id(self.id)
        _require(self.severity, SEVERITIES, "a severity")
        _set(self, title=safe_line(self.title))
        _set(self, **{name: safe_text(getattr(self, name)) for name in ("evidence", "why", "remedy")})

    @property
    def rank(self) -> int:
        """0 for the worst severity, then 1 and so on."""
        return SEVERITIES.index(self.severity)

    @classmethod
    def loaded(cls, data: object) -> Finding:
        """From what `dataclasses.asdict` returned, also after JSON. Raises ReportError."""
        texts = _strings(data, "a finding", [one.name for one in dataclasses.fields(cls)])
        return cls(**texts)  # type: ignore[arg-type]  # the severity is compared when it is made


@dataclass(frozen=True)
class HostReport:
    """What was found on one host."""

    host: str
    """The inventory name."""
    status: Status = "audited"
    message: str = ""
    """Why the host could not be audited."""
    url: str = ""
    """Where its Node-RED responds; empty if that is unknown."""
    versions: dict[str, str] = field(default_factory=dict)
    """Of `node_red`, `node` and `os`, where known."""
    certificate_days: int | None = None
    """Days until the certificate expires, negative if it has; None without a certificate."""
    passed: list[str] = field(default_factory=list)
    """The checks that found nothing."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Checks that could not be done, with the reason."""
    findings: list[Finding] = field(default_factory=list)
    """The worst first."""

    def __post_init__(self) -> None:
        _require(self.status, STATUSES, "a status")
        for check in (*self.passed, *self.skipped):
            _require_id(check)
        findings = sorted(self.findings, key=lambda one: (one.rank, one.id))
        message = self.message
        if len(findings) > MOST_FINDINGS:
            message = f"{len(findings) - MOST_FINDINGS} less severe findings are left out. {message}"
        _set(
            self,
            host=safe_line(self.host),
            message=safe_text(message),
            url=safe_line(self.url),
            versions={safe_line(name): safe_line(version) for name, version in self.versions.items()},
            passed=sorted(set(self.passed)),
            skipped={check: safe_line(reason) for check, reason in sorted(self.skipped.items())},
            findings=findings[:MOST_FINDINGS],
        )

    def count(self, severity: Severity) -> int:
        """How many findings have this severity."""
        return sum(one.severity == severity for one in self.findings)

    @property
    def worst(self) -> Severity | None:
        """The highest severity of its findings; None without findings."""
        return self.findings[0].severity if self.findings else None

    def data(self) -> dict[str, Any]:
        """As plain JSON types."""
        return dataclasses.asdict(self)

    @classmethod
    def loaded(cls, data: object) -> HostReport:
        """From what `data` returned, also after JSON. Raises ReportError."""
        host = _object(data, "a host", [one.name for one in dataclasses.fields(cls)])
        days = host["certificate_days"]
        if days is not None and (isinstance(days, bool) or not isinstance(days, int) or abs(days) > _MOST_DAYS):
            raise ReportError("certificate_days of a host is neither null nor a number of days")
        return cls(
            **_strings({name: host[name] for name in ("host", "status", "message", "url")}, "a host"),  # type: ignore[arg-type]
            versions=_strings(host["versions"], "versions", limit=MOST_VERSIONS),
            certificate_days=days,
            passed=_list(host["passed"], "passed", MOST_CHECKS, _string),
            skipped=_strings(host["skipped"], "skipped", limit=MOST_CHECKS),
            findings=_list(host["findings"], "findings", MOST_FINDINGS, Finding.loaded),
        )


@dataclass(frozen=True)
class FleetReport:
    """What was found on all hosts of one run."""

    generated: str
    """When, in ISO 8601 and UTC."""
    collection: str
    """The version of this collection."""
    hosts: list[HostReport] = field(default_factory=list)
    """In the order of their names."""

    def __post_init__(self) -> None:
        if not isinstance(self.generated, str) or not _TIME.fullmatch(self.generated):
            raise ReportError("generated is no time in UTC such as 2026-01-31T23:59:59Z")
        hosts = sorted(self.hosts, key=lambda one: natural(one.host))
        _set(self, collection=safe_line(self.collection), hosts=hosts)

    def count(self, severity: Severity) -> int:
        """How many findings of all hosts have this severity."""
        return sum(host.count(severity) for host in self.hosts)

    def data(self) -> dict[str, Any]:
        """As plain JSON types."""
        return dataclasses.asdict(self)

    @classmethod
    def loaded(cls, data: object) -> FleetReport:
        """From what `data` returned, also after JSON. Raises ReportError."""
        report = _object(data, "the report", [one.name for one in dataclasses.fields(cls)])
        return cls(
            **_strings({name: report[name] for name in ("generated", "collection")}, "the report"),
            hosts=_list(report["hosts"], "hosts", MOST_HOSTS, HostReport.loaded),
        )


def natural(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts pi9 before pi10."""
    parts = re.split(r"([0-9]{1,15})", name.casefold())
    return [(0, int(part), "") if part.isdigit() and part.isascii() else (1, 0, part) for part in parts if part]


def safe_text(text: str) -> str:
    """The text without what controls a terminal, with secrets hidden, and at most LONGEST_TEXT characters long."""
    return _cut(_masked(printable(text[: 2 * LONGEST_TEXT])), LONGEST_TEXT)


def safe_line(text: str) -> str:
    """As `safe_text`, on one line of at most LONGEST_LINE characters."""
    return _cut(_masked(printable_line(text[: 2 * LONGEST_TEXT])), LONGEST_LINE)


# The same titles and remedies come with every host.
_masked = functools.lru_cache(maxsize=8192)(masked)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - len(_CUT)] + _CUT


def _set(frozen: object, **values: object) -> None:
    """Set attributes of an object that is being made."""
    for name, value in values.items():
        object.__setattr__(frozen, name, value)


def _require(value: object, allowed: tuple[str, ...], what: str) -> None:
    if value not in allowed:
        raise ReportError(f"{_shown(value)} is not {what}; it must be one of {', '.join(allowed)}")


def _require_id(check: object) -> None:
    if not isinstance(check, str) or len(check) > _LONGEST_ID or not _ID.fullmatch(check):
        raise ReportError(f"{_shown(check)} is not the id of a check")


def _object(data: object, what: str, names: list[str]) -> Mapping[str, object]:
    """The data as an object that has these keys; others are ignored, a later version can have written them."""
    if not isinstance(data, dict):
        raise ReportError(f"{what} is no object")
    missing = [name for name in names if name not in data]
    if missing:
        raise ReportError(f"{what} has no {missing[0]}")
    return data


def _strings(data: object, what: str, names: list[str] | None = None, *, limit: int = 50) -> dict[str, str]:
    """An object of texts."""
    found = _object(data, what, names or [])
    if len(found) > limit:
        raise ReportError(f"{what} has more than {limit} entries")
    return {name: _string(found[name]) for name in (names or found)}


def _list(data: object, what: str, limit: int, load: Callable[[object], _T]) -> list[_T]:
    if not isinstance(data, list):
        raise ReportError(f"{what} is no list")
    if len(data) > limit:
        raise ReportError(f"{what} has more than {limit} entries")
    return [load(one) for one in data]


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise ReportError(f"{_shown(value)} is no text")
    return value


def _shown(value: object) -> str:
    return safe_line(repr(value))[:80]
