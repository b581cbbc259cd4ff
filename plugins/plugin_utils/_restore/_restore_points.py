# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restore points as a host lists them, and which one is meant. Private; knows no Ansible.

What a host lists may be anything, so types and sizes are checked.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from ...module_utils._core._failure import REPORT_ISSUE
from ...module_utils._core._text import short_line

LIST, LAST, ORIGINAL = "list", "last", "original"
VARIABLE = "nodered_restore"
FIRST = 1
SETTINGS, CERTIFICATE, SESSIONS, FIREWALL = "settings", "certificate", "sessions", "firewall"
FILES = ("companion", "drop-in")
_FORMS = ("file", "link", "absent", "other")
_MOST_POINTS, _MOST_ENTRIES = 1000, 200

Part = TypeVar("Part")


class RestoreError(ValueError):
    """Why nothing is restored, with the remedy."""


@dataclass(frozen=True)
class State:
    """What is, or was, at a path."""

    form: str = "absent"
    checksum: str = ""
    target: str = ""


@dataclass(frozen=True)
class Entry:
    """One file that the collection manages."""

    kind: str
    path: str
    before: State
    after: State | None = None


@dataclass(frozen=True)
class Point:
    """What was before one change."""

    number: int
    date: str
    summary: Sequence[str]
    edited: Sequence[str]
    """Paths that were edited between the change before this one and this one."""
    entries: Sequence[Entry]

    def entry(self, kind: str) -> Entry | None:
        return next((one for one in self.entries if one.kind == kind), None)


@dataclass(frozen=True)
class Listed:
    """What a host has listed."""

    points: Sequence[Point]
    """The oldest first."""
    now: Sequence[Entry]
    texts: Mapping[str, str] = field(default_factory=dict)
    """Texts of files by checksum; some may be missing."""
    firewall_edited: bool = False
    """Whether ufw was changed since a change of this collection was last confirmed."""

    def lines(self) -> list[str]:
        """One line for each point, the newest first."""
        return [
            f"{one.number}  {one.date}  before: {'; '.join(one.summary)}"
            + (f" ({ORIGINAL})" if one.number == FIRST else "")
            + (f"; edited before that: {', '.join(one.edited)}" if one.edited else "")
            for one in reversed(self.points)
        ]


def listed(data: object) -> Listed:
    """Raises RestoreError if it is something else."""
    try:
        found = _of(dict, data)
        points = [_point(one) for one in _of(list, found["points"])[:_MOST_POINTS]]
        now = [_entry(one) for one in _of(list, found["now"])[:_MOST_ENTRIES]]
        texts = {str(key): _text(str(key), value) for key, value in _of(dict, found["texts"]).items()}
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise RestoreError(
            "The host gave a list of restore points that is malformed. Run again. " + REPORT_ISSUE
        ) from None
    edited = found.get("firewall_edited") is True
    return Listed(sorted(points, key=lambda one: one.number), now, texts, edited)


def _of(kind: type[Part], value: object) -> Part:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError
    return value


def _point(data: object) -> Point:
    found = _of(dict, data)
    return Point(
        number=_of(int, found["number"]),
        date=short_line(_of(str, found["date"]), 40),
        summary=[short_line(_of(str, line)) for line in _of(list, found["summary"])[:20]],
        edited=[short_line(_of(str, path)) for path in _of(list, found["edited"])[:_MOST_ENTRIES]],
        entries=[_entry(one) for one in _of(list, found["entries"])[:_MOST_ENTRIES]],
    )


def _entry(data: object) -> Entry:
    found = _of(dict, data)
    after = found["after"]
    return Entry(
        _of(str, found["kind"]), _of(str, found["path"]), _state(found["before"]), _state(after) if after else None
    )


def _state(data: object) -> State:
    found = _of(dict, data)
    if found["form"] not in _FORMS:
        raise ValueError
    return State(found["form"], _of(str, found["checksum"]), _of(str, found["target"]))


def _text(checksum: str, value: object) -> str:
    data = base64.b64decode(_of(str, value), validate=True)
    if hashlib.sha256(data).hexdigest() != checksum:
        raise ValueError
    return data.decode("utf-8", "surrogateescape")


def chosen(found: Listed, wanted: str) -> Point:
    """The point of this name: `last`, `original` or a number. Raises RestoreError."""
    if not found.points:
        raise RestoreError(
            "There is no restore point, because no run has changed anything here yet. Leave this host out (--limit)."
        )
    if wanted == LAST:
        return found.points[-1]
    number = FIRST if wanted == ORIGINAL else int(wanted) if wanted.isascii() and wanted.isdigit() else None
    if number is None:
        raise RestoreError(
            f"{VARIABLE} must be {LIST}, {LAST}, {ORIGINAL} or the number of a restore point, not {short_line(wanted)}."
        )
    point = next((one for one in found.points if one.number == number), None)
    if point is None:
        numbers = ", ".join(str(one.number) for one in found.points)
        raise RestoreError(f"There is no restore point {number}. Set {VARIABLE} to one of: {numbers}.")
    ours = [one.path for one in point.entries if one.kind in FILES and one.before.form != "absent"]
    if wanted == ORIGINAL and ours:
        raise RestoreError(
            "The state before the first run was not kept: this collection was used here before it kept restore points. "
            f"To restore the oldest state that was kept, set {VARIABLE} to {FIRST}."
        )
    return point
