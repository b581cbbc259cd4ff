# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restore points on the controller: read what a host lists, find edits since, and plan a restore. Private.

Knows no Ansible, reads and writes nothing. What a host lists may be anything, so types and sizes are checked.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..module_utils._core import _failure
from ..module_utils._core._text import printable_line, short_line
from . import _settings_diff, _settings_js
from ._js._layout import Change
from ._plan._base import Plan
from ._settings_error import SettingsError

LIST, LAST, ORIGINAL = "list", "last", "original"
VARIABLE, FORCE = "nodered_restore", "nodered_restore_force"
FIRST = 1
SETTINGS, SESSIONS, FIREWALL = "settings", "sessions", "firewall"
_FILES = ("companion", "drop-in", "fail2ban")
_EDITABLE = (SETTINGS, *_FILES)
_FORMS = ("file", "link", "absent", "other")
# Of a point, of files in it, of lines of a diff.
_MOST_POINTS, _MOST_ENTRIES, _MOST_LINES = 1000, 200, 80
# What ends all logins if it changes, see `_change.Change.ends_sessions` on the host.
_LOGINS = ("adminAuth", "storageModule")

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


@dataclass(frozen=True)
class Edited:
    """A file that was edited after a change."""

    path: str
    when: str
    left: State = State()
    found: State = State()
    lines: Sequence[str] | None = None
    """How it differs, where that is known already."""


# --- what a host lists -----------------------------------------------------------------------------------------------


def listed(data: object) -> Listed:
    """Raises RestoreError if it is something else."""
    try:
        found = _of(dict, data)
        points = [_point(one) for one in _of(list, found["points"])[:_MOST_POINTS]]
        now = [_entry(one) for one in _of(list, found["now"])[:_MOST_ENTRIES]]
        texts = {str(key): _text(str(key), value) for key, value in _of(dict, found["texts"]).items()}
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise RestoreError("What the host lists as its restore points is something else.") from None
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


# --- which point -----------------------------------------------------------------------------------------------------


def chosen(found: Listed, wanted: str) -> Point:
    """The point of this name: `last`, `original` or a number. Raises RestoreError."""
    if not found.points:
        raise RestoreError("There is no restore point: no run has changed anything here yet.")
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
    ours = [one.path for one in point.entries if one.kind in _FILES and one.before.form != "absent"]
    if wanted == ORIGINAL and ours:
        raise RestoreError(
            "The state before the first run was not kept: this collection was used here before it kept restore points. "
            f"To restore the oldest state that was kept, set {VARIABLE} to {FIRST}."
        )
    return point


def edits(found: Listed, point: Point, *, firewall: Sequence[str] | None = None) -> list[Edited]:
    """What was edited since the change of this point, and would be lost.

    `firewall` is what a restore would change of it; None if it is left alone.
    """
    later = [one for one in found.points if one.number > point.number]
    between = [one for pair in zip([point, *later], later, strict=False) for one in _noted(*pair)]
    last = later[-1] if later else point
    of_ufw = {entry.path for one in later for entry in one.entries if entry.kind == FIREWALL}
    ufw_between = any(path in of_ufw for one in later for path in one.edited)
    if firewall is not None and (found.firewall_edited or ufw_between):
        when = f"since the run of {last.date if not ufw_between else point.date}; the restore would change of it"
        between.append(Edited("ufw", when, lines=firewall))
    left = _by_path((entry.path, entry.after or entry.before) for entry in _editable(last.entries))
    now = _by_path((entry.path, entry.before) for entry in _editable(found.now))
    return between + [
        Edited(path, f"since the run of {last.date}", left.get(path, State()), now.get(path, State()))
        for path in sorted({*left, *now})
        if left.get(path, State()) != now.get(path, State())
    ]


def _noted(earlier: Point, later: Point) -> Iterator[Edited]:
    left = _by_path((entry.path, entry.after or entry.before) for entry in _editable(earlier.entries))
    found = _by_path((entry.path, entry.before) for entry in _editable(later.entries))
    for path in later.edited:
        if path not in left and path not in found and any(entry.path == path for entry in later.entries):
            # The firewall, see `edits`.
            continue
        when = f"between the runs of {earlier.date} and {later.date}"
        yield Edited(path, when, left.get(path, State()), found.get(path, State()))


def _editable(entries: Sequence[Entry]) -> Iterator[Entry]:
    return (entry for entry in entries if entry.kind in _EDITABLE)


def _by_path(pairs: Iterator[tuple[str, State]]) -> dict[str, State]:
    return dict(pairs)


# --- the plan --------------------------------------------------------------------------------------------------------


@dataclass
class Restore:
    """What is restored."""

    plan: Plan
    text: str
    """The settings file."""
    changed: list[str] = field(default_factory=list)
    """Settings whose change ends all logins."""
    lines: list[str] = field(default_factory=list)
    """What else changes."""
    firewall: bool = False
    """Whether the firewall is restored."""
    notes: list[str] = field(default_factory=list)

    @property
    def changes(self) -> bool:
        """Whether there is anything to restore."""
        return self.plan.changes or self.firewall


def planned(
    found: Listed,
    point: Point,
    *,
    instance: Mapping[str, Any],
    text: str,
    settings: str,
    force: bool,
    firewall_stays: str = "",
) -> Restore:
    """The restore of this point. `settings` is the path of the settings file, `text` what is in it now, and
    `firewall_stays` why the firewall must be left as it is.

    Raises RestoreError where something would be lost, or was not kept.
    """
    before = point.entry(SETTINGS)
    now = next((one for one in found.now if one.kind == SETTINGS), None)
    if before is None or now is None or before.path != now.path:
        raise RestoreError(
            f"The settings file is {printable_line(settings)} now, and another one in restore point {point.number}. "
            "Put it back where it was, then run again."
        )
    wanted = found.texts.get(before.before.checksum)
    if before.before.form != "file" or wanted is None:
        raise RestoreError(f"Restore point {point.number} has no settings file. Choose another one.")
    lines, sessions = list(_file_lines(found, point)), _sessions(point, instance)
    rules, why = _firewall(found, point)
    stays = firewall_stays or why
    notes = [f"the firewall stays as it is: {stays}"] if rules and stays else []
    restore = Restore(Plan(), wanted, [], lines, firewall=bool(rules) and not stays, notes=notes)
    if wanted != text or lines or sessions:
        restore.plan = Plan(sessions=sessions, restore=point.number)
        restore.changed = _changed_logins(text, wanted)
    if restore.firewall:
        lines += [f"firewall: {line}" for line in rules]
    lost = edits(found, point, firewall=rules if restore.firewall else None) if restore.changes else []
    if lost and not force:
        raise RestoreError(_rejected(found, lost))
    return restore


def _firewall(found: Listed, point: Point) -> tuple[list[str], str]:
    """How the firewall differs, in lines, and why it cannot be restored."""
    before = {one.path: one.before for one in point.entries if one.kind == FIREWALL}
    now = {one.path: one.before for one in found.now if one.kind == FIREWALL}
    if before == now or not now:
        return [], ""
    if set(before) != set(now) or any(one.form != "file" for one in before.values()):
        return ["it differs"], "ufw was not there when the restore point was made"
    rules = [_rules(found, states) for states in (now, before)]
    return _unified(*rules) or ["settings of ufw"], ""


def _rules(found: Listed, states: Mapping[str, State]) -> str:
    """The rules, one in each line, as ufw keeps them; and its default policies and whether it is enabled."""
    kept = ("### tuple ###", "DEFAULT_INPUT_POLICY", "DEFAULT_OUTPUT_POLICY", "DEFAULT_FORWARD_POLICY", "ENABLED")
    texts = [_text_of(found, states[path]) or "" for path in sorted(states)]
    lines = [line for text in texts for line in text.splitlines() if line.startswith(kept)]
    return "".join(f"{short_line(line.removeprefix('### tuple ###').strip())}\n" for line in lines)


def _file_lines(found: Listed, point: Point) -> Iterator[str]:
    wanted = {entry.path: entry.before for entry in point.entries if entry.kind in _FILES}
    for entry in found.now:
        if entry.kind not in _FILES:
            continue
        before = wanted.get(entry.path, State())
        if before != entry.before:
            yield f"{'remove' if before.form == 'absent' else 'restore'} {printable_line(entry.path)}"


def _changed_logins(now: str, wanted: str) -> list[str]:
    """The settings about logins that change. Where that is not certain, all of them."""
    try:
        return [name for name in _LOGINS if _settings_js.value(now, name) != _settings_js.value(wanted, name)]
    except SettingsError:
        return list(_LOGINS)


def _sessions(point: Point, instance: Mapping[str, Any]) -> str:
    """How the sessions file has to be, where that differs: only old releases have it behind a link."""
    entry = point.entry(SESSIONS)
    if entry is None:
        return ""
    repairs = instance["sessions"]["repairs"]
    if entry.before.form == "link":
        return "link" if repairs["link"] else ""
    return "file" if any(str(one["before"]).startswith("a link") for one in repairs["file"]) else ""


# --- what is reported ------------------------------------------------------------------------------------------------


def diffs(settings: str, text: str, restore: Restore) -> list[dict[str, str]]:
    """What a restore changes, as Ansible shows differences, without secrets."""
    shown = []
    if restore.text != text:
        path = printable_line(settings)
        before, after = masked(text, restore.text)
        shown.append(
            {"before_header": path, "after_header": path, "before": before, "after": after}
            if before != after
            else {"prepared": f"{path}: only what is masked changes\n"}
        )
    return [*shown, {"prepared": "".join(f"{line}\n" for line in restore.lines)}] if restore.lines else shown


def open_lines(instance: Mapping[str, Any], checks: Sequence[Mapping[str, str]]) -> list[str]:
    """What is open on this Node-RED; one line that nothing was found, otherwise."""
    found = [f"open: not so: {one['title']} ({one['found']})" for one in checks if one["status"] == "fail"]
    if instance["scheme"] == "http":
        found.append("open: passwords and flows are sent without TLS")
    return found or ["the requests from outside found nothing open"]


# --- differences without secrets -------------------------------------------------------------------------------------


def _rejected(found: Listed, lost: Sequence[Edited]) -> str:
    shown = [f"{printable_line(one.path)} was edited {one.when}:\n{_shown(found, one)}" for one in lost]
    return (
        "Nothing was restored, because these edits would be lost:\n"
        + "\n".join(shown)
        + f"\nTo lose them, set {FORCE} to true: what is there now becomes a restore point itself."
    )


def _shown(found: Listed, edited: Edited) -> str:
    left, now = [_text_of(found, state) for state in (edited.left, edited.found)]
    if left is None or now is None:
        return "  (the text is not kept any more)"
    show: Callable[[str, str], list[str]] = settings_difference if edited.path.endswith(".js") else _difference
    lines = [f"  {line}" for line in (show(left, now) if edited.lines is None else edited.lines)]
    more = [f"  ... and {len(lines) - _MOST_LINES} more lines"] if len(lines) > _MOST_LINES else []
    return "\n".join([*lines[:_MOST_LINES], *more]) or "  (only what is hidden differs)"


def _text_of(found: Listed, state: State) -> str | None:
    return "" if state.form == "absent" else found.texts.get(state.checksum)


def settings_difference(before: str, after: str) -> list[str]:
    """The lines that differ, without secrets."""
    return _unified(*masked(before, after))


def masked(before: str, after: str) -> tuple[str, str]:
    """Two texts of a settings file as a difference that holds no secret; both empty where that cannot be certain."""
    try:
        return _settings_diff.masked(before, _settings_js.Edit(after, (), tuple(_changes(before, after))))
    except SettingsError:
        return "", ""


def _changes(before: str, after: str) -> Iterator[Change]:
    """What leads from one text to the other, by whole lines, in bytes of the first."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    starts = [0]
    for line in old:
        starts.append(starts[-1] + len(line.encode("utf-8", "surrogateescape")))
    for kind, first, last, new_first, new_last in difflib.SequenceMatcher(None, old, new, False).get_opcodes():
        if kind != "equal":
            yield Change(starts[first], starts[last], "".join(new[new_first:new_last]))


def _difference(before: str, after: str) -> list[str]:
    """As `settings_difference`, of a file of systemd."""
    return _unified(_failure.masked(before), _failure.masked(after))


def _unified(before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=1, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++"))]
