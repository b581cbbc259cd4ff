# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as one HTML page that needs no network. Private; knows no Ansible.

The page is in page/: a template without decisions, a style and a script. Every value is escaped by the template engine;
should that fail, the page's Content-Security-Policy runs no other script than its own.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
import pathlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jinja2
from markupsafe import Markup, escape

from ._catalogue import Check
from ._changes import Change, Changes
from ._findings import SEVERITIES, Finding, FleetReport, HostReport

_FOLDER = pathlib.Path(__file__).parent / "page"
# Bytes for the details of all hosts. No host takes the place of others, however much it has to say.
_DETAILS = 2_200_000
_LEAST_PER_HOST = 3_000
_MARKUP_OF_HOST = 900
_MARKUP_OF_FINDING = 120
# Characters of what one finding shows; all of it is in report.json.
_LONGEST = 600
_LONGEST_SUMMARY = 150
_MOST_CHANGES = 100
_MOST_SKIPPED = 60
_MOST_NAMES = 50
# Lists that are not longer are open at first.
_FEW = 8
# A class of one letter for each kind of cell in the matrix.
_LETTERS = {"critical": "c", "high": "h", "medium": "m", "low": "l", "info": "n"}
_PASSED, _SKIPPED, _UNKNOWN = ("p", "passed"), ("s", "not checked"), ("u", "not known")
_FACTS = {"node_red": "Node-RED", "node": "Node.js", "os": "System"}


@dataclass(frozen=True)
class _Cell:
    letter: str
    word: str
    count: int = 0


@dataclass(frozen=True)
class _Column:
    id: str
    label: str
    title: str
    anchor: str
    first: bool
    """Whether an area begins here."""


@dataclass(frozen=True)
class _ShownFinding:
    """A finding as the details show it; what all hosts share is told once, below `anchor`."""

    severity: str
    title: str
    evidence: str
    why: str
    remedy: str
    anchor: str


@dataclass(frozen=True)
class _Host:
    """A row of the matrix, and its details."""

    number: int
    place: int
    """Among the hosts in the order of their names."""
    name: str
    status: str
    message: str
    summary: str
    """The message in the matrix."""
    worst: str
    total: int
    counts: list[dict[str, Any]]
    cells: list[_Cell]
    facts: list[tuple[str, str]]
    findings: list[_ShownFinding]
    left: int
    """How many findings do not fit."""
    skipped: list[tuple[str, str]]
    concerned: frozenset[str]
    """The checks that have findings here."""


@dataclass
class _CheckSection:
    """What a check is about, and which hosts it concerns."""

    id: str
    heading: str
    """What most hosts have found, or the name of the check."""
    wanted: str
    """What must hold."""
    why: str
    severity: str = ""
    remedy: str = ""
    hosts: list[_Host] = field(default_factory=list)
    looked: int = 0
    """On how many hosts it was done."""

    @property
    def anchor(self) -> str:
        return f"c-{self.id}"

    @property
    def shown(self) -> list[_Host]:
        return self.hosts[:_MOST_NAMES]

    @property
    def opened(self) -> bool:
        return len(self.hosts) <= _FEW

    @property
    def left(self) -> int:
        return len(self.hosts) - len(self.shown)


def render(report: FleetReport, checks: Sequence[Check], changes: Changes | None) -> str:
    """The text of index.html."""
    used = _used(report, checks)
    sections = _sections(report, used)
    hosts = _hosts(report, used, sections)
    numbers = {host.name: f"h{host.number}" for host in hosts}
    for section in sections.values():
        section.hosts = sorted((host for host in hosts if section.id in host.concerned), key=lambda host: host.place)
    return _template().render(
        **_page(),
        generated=report.generated,
        day=report.generated[:10],
        time=report.generated[:16].replace("T", " "),
        collection=report.collection,
        lead=_lead(report),
        tiles=_tiles(report),
        changes_lead=_changes_lead(changes),
        changes=_groups(changes, numbers) if changes else [],
        areas=_areas(used),
        columns=_columns(used),
        hosts=hosts,
        checks=sorted((section for section in sections.values() if section.severity), key=_urgency),
        passed=[section for section in sections.values() if not section.severity],
        legend=[*((_LETTERS[one], one) for one in SEVERITIES), _PASSED, _SKIPPED],
    )


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        loader=jinja2.FileSystemLoader(_FOLDER),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("index.html.j2")


@functools.cache
def _page() -> Mapping[str, str]:
    """The style, the script, and the policy that allows nothing but them."""
    style, script = ((_FOLDER / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    policy = f"default-src 'none'; style-src {_source(style)}; script-src {_source(script)}"
    return {
        "style": Markup(style),
        "script": Markup(script),
        "policy": f"{policy}; base-uri 'none'; form-action 'none'",
    }


def _source(text: str) -> str:
    """The text as a source of Content-Security-Policy (level 3, section 2.3.1)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _used(report: FleetReport, checks: Sequence[Check]) -> list[Check]:
    """The checks that some host has a result for; first those of the catalogue, in its order."""
    seen = {check for host in report.hosts for check in (*host.passed, *host.skipped)}
    findings = {finding.id: finding for host in report.hosts for finding in host.findings}
    known = [check for check in checks if check.id in seen or check.id in findings]
    others = sorted((seen | set(findings)) - {check.id for check in checks})
    return known + [_unknown(check, findings.get(check)) for check in others]


def _unknown(check: str, finding: Finding | None) -> Check:
    """A check that the catalogue does not have, described by one of its findings."""
    return Check(
        check,
        "Others",
        check.replace("-", " ").capitalize(),
        finding.title if finding else check,
        finding.why if finding else "",
        finding.severity if finding else "info",
    )


def _sections(report: FleetReport, checks: Sequence[Check]) -> dict[str, _CheckSection]:
    """The advice for each check, with the remedy if most hosts share it."""
    sections = {one.id: _CheckSection(one.id, f"{one.area}: {one.label}", one.title, one.why) for one in checks}
    remedies, titles = ({check.id: Counter[str]() for check in checks} for _part in range(2))
    worst: dict[str, int] = {}
    for host in report.hosts:
        for check in {*host.passed, *(finding.id for finding in host.findings)}:
            sections[check].looked += 1
        for finding in host.findings:
            remedies[finding.id][finding.remedy] += 1
            titles[finding.id][finding.title] += 1
            worst[finding.id] = min(finding.rank, worst.get(finding.id, finding.rank))
    for check, rank in worst.items():
        sections[check].severity = SEVERITIES[rank]
        sections[check].remedy = _shared(remedies[check])
        sections[check].heading = _shared(titles[check]) or sections[check].heading
    return sections


def _shared(texts: Counter[str]) -> str:
    """The text that more than half have; empty if there is none."""
    text, number = texts.most_common(1)[0]
    return text if 2 * number > texts.total() else ""


def _hosts(report: FleetReport, checks: Sequence[Check], sections: Mapping[str, _CheckSection]) -> list[_Host]:
    """The worst first; those that could not be audited stand between those with and without findings."""
    share = max(_DETAILS // max(len(report.hosts), 1), _LEAST_PER_HOST)
    labels = {check.id: check.label for check in checks}
    places = {id(host): place for place, host in enumerate(report.hosts)}
    ordered = sorted(report.hosts, key=lambda host: (*_badness(host), places[id(host)]))
    return [
        _host(number, places[id(host)], host, checks, labels, _fitting(host, sections, share))
        for number, host in enumerate(ordered)
    ]


def _badness(host: HostReport) -> tuple[int, ...]:
    if host.status != "audited":
        return (len(SEVERITIES),)
    if not host.findings:
        return (len(SEVERITIES) + 1,)
    return (host.findings[0].rank, *(-host.count(severity) for severity in SEVERITIES))


def _host(
    number: int,
    place: int,
    host: HostReport,
    checks: Sequence[Check],
    labels: Mapping[str, str],
    findings: list[_ShownFinding],
) -> _Host:
    return _Host(
        number,
        place,
        host.host,
        host.status,
        _short(host.message),
        _short(host.message, _LONGEST_SUMMARY),
        host.worst or "",
        len(host.findings),
        [{"kind": severity, "count": host.count(severity)} for severity in SEVERITIES if host.count(severity)],
        list(_cells(host, checks)) if host.status == "audited" else [],
        list(_facts(host)),
        findings,
        len(host.findings) - len(findings),
        [(labels[check], reason) for check, reason in _skipped(host)],
        frozenset(finding.id for finding in host.findings),
    )


def _cells(host: HostReport, checks: Iterable[Check]) -> Iterator[_Cell]:
    found: dict[str, list[Finding]] = {}
    for finding in host.findings:
        found.setdefault(finding.id, []).append(finding)
    passed = set(host.passed)
    for check in checks:
        if check.id in found:
            worst = found[check.id][0].severity
            yield _Cell(_LETTERS[worst], worst, len(found[check.id]))
        elif check.id in host.skipped:
            yield _Cell(*_SKIPPED)
        else:
            yield _Cell(*(_PASSED if check.id in passed else _UNKNOWN))


def _facts(host: HostReport) -> Iterator[tuple[str, str]]:
    if host.url:
        yield "Address", host.url
    for name, version in host.versions.items():
        yield _FACTS.get(name, name), version
    if host.certificate_days is not None:
        days = host.certificate_days
        yield (
            "Certificate",
            f"expired {_counted(-days, 'day')} ago" if days < 0 else f"expires in {_counted(days, 'day')}",
        )


def _fitting(host: HostReport, sections: Mapping[str, _CheckSection], share: int) -> list[_ShownFinding]:
    """The findings that fit into this many bytes, the worst first."""
    share -= _MARKUP_OF_HOST + _size(_short(host.message), *(text for fact in _facts(host) for text in fact))
    share -= _size(*(reason for _check, reason in _skipped(host)))
    fitting = []
    for finding in host.findings:
        section = sections[finding.id]
        shown = _ShownFinding(
            finding.severity,
            finding.title,
            _short(finding.evidence),
            "" if finding.why == section.why else _short(finding.why),
            "" if finding.remedy == section.remedy else _short(finding.remedy),
            section.anchor,
        )
        share -= _MARKUP_OF_FINDING + _size(*dataclasses.astuple(shown))
        if share < 0:
            break
        fitting.append(shown)
    return fitting


def _skipped(host: HostReport) -> list[tuple[str, str]]:
    return list(host.skipped.items())[:_MOST_SKIPPED]


def _short(text: str, limit: int = _LONGEST) -> str:
    return text if len(text) <= limit else f"{text[:limit]} ..."


def _size(*texts: str) -> int:
    """How many bytes they take on the page."""
    return sum(len(escape(text).encode()) for text in texts)


def _urgency(section: _CheckSection) -> tuple[int, int]:
    """The worst first, then what concerns most hosts."""
    return SEVERITIES.index(section.severity), -len(section.hosts)


def _columns(checks: Sequence[Check]) -> list[_Column]:
    areas = [check.area for check in checks]
    return [
        _Column(check.id, check.label, check.title, f"c-{check.id}", number == 0 or areas[number - 1] != check.area)
        for number, check in enumerate(checks)
    ]


def _areas(checks: Sequence[Check]) -> list[dict[str, Any]]:
    """The areas in the order of their columns, with the number of these."""
    areas: list[dict[str, Any]] = []
    for check in checks:
        if not areas or areas[-1]["name"] != check.area:
            areas.append({"name": check.area, "columns": 0})
        areas[-1]["columns"] += 1
    return areas


def _lead(report: FleetReport) -> str:
    statuses = Counter(host.status for host in report.hosts)
    missed = [f"{statuses[status]} {status}" for status in ("unreachable", "failed") if statuses[status]]
    affected = sum(bool(host.findings) for host in report.hosts)
    total = sum(len(host.findings) for host in report.hosts)
    audited = ", ".join([f"{statuses['audited']} audited", *missed])
    found = f"{_counted(total, 'finding')} on {_counted(affected, 'host')}" if total else "No findings"
    return f"{_counted(len(report.hosts), 'host')}: {audited}. {found}."


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _tiles(report: FleetReport) -> list[dict[str, Any]]:
    """What is counted at the top of the page, where each filters, too."""
    tiles = []
    for severity in SEVERITIES:
        hosts = sum(bool(host.count(severity)) for host in report.hosts)
        tiles.append(
            {
                "kind": severity,
                "label": severity.capitalize(),
                "count": report.count(severity),
                "note": f"on {_counted(hosts, 'host')}" if hosts else "on no host",
            }
        )
    missed = sum(host.status != "audited" for host in report.hosts)
    return [*tiles, {"kind": "missed", "label": "Not audited", "count": missed, "note": f"of {len(report.hosts)}"}]


def _changes_lead(changes: Changes | None) -> str:
    if changes is None:
        return "There is no earlier report to compare with."
    since = changes.since[:16].replace("T", " ")
    return (
        f"Since the report of {since} UTC:" if changes.any else f"Nothing has changed since the report of {since} UTC."
    )


def _groups(changes: Changes, anchors: Mapping[str, str]) -> list[dict[str, Any]]:
    """What has changed, by the kind of change."""
    findings = {
        "New findings": changes.new,
        "More severe": changes.worse,
        "Less severe": changes.better,
        "No longer found": changes.gone,
        "Could not be checked again": changes.unknown,
    }
    groups = [_group(heading, [_changed(one, anchors) for one in found]) for heading, found in findings.items()]
    now = [_item(one.host, anchors, f"{one.status}, was {one.before}") for one in changes.status]
    groups += [
        _group("Changed status", now),
        _group("New hosts", [_item(host, anchors) for host in changes.hosts_new]),
        _group("Hosts that are not in this report", [_item(host, anchors) for host in changes.hosts_gone]),
    ]
    return [group for group in groups if group["total"]]


def _group(heading: str, items: list[dict[str, str]]) -> dict[str, Any]:
    left = max(len(items) - _MOST_CHANGES, 0)
    return {
        "heading": heading,
        "total": len(items),
        "entries": items[:_MOST_CHANGES],
        "left": left,
        "opened": len(items) <= _FEW,
    }


def _changed(change: Change, anchors: Mapping[str, str]) -> dict[str, str]:
    was = f" (was {change.before})" if change.before else ""
    return _item(change.host, anchors, change.title + was, change.severity)


def _item(host: str, anchors: Mapping[str, str], text: str = "", severity: str = "") -> dict[str, str]:
    return {"host": host, "id": anchors.get(host, ""), "text": text, "severity": severity}
