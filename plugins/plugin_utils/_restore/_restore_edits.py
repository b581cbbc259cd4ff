# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was edited since a run, as differences that hold no secret. Private; knows no Ansible."""

from __future__ import annotations

import dataclasses
import difflib
import typing as t
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...module_utils._core import _failure
from ...module_utils._core._text import printable_line, short_line
from ...module_utils._firewall._state import parse_tuple
from .._core._errors import SettingsError
from .._firewall._firewall_rules import ANY, Rule
from .._js._layout import Change
from .._settings import _settings_diff, _settings_js
from ._restore_points import FILES, FIREWALL, SETTINGS, Entry, Listed, Point, State

FORCE = "nodered_restore_force"
_EDITABLE = (SETTINGS, *FILES)
_TUPLE = "### tuple ###"
_OF_UFW = ("DEFAULT_INPUT_POLICY", "DEFAULT_OUTPUT_POLICY", "DEFAULT_FORWARD_POLICY", "ENABLED")
_OF_IPV6 = "user6.rules"
# Of the difference of one file, and of differences.
_MOST_LINES = 80
_MOST_SHOWN = 20
# The product of the numbers of lines that are compared with one another. Both texts come from the host, and the time
# grows with the third power of these numbers if many lines are equal.
_MOST_COMPARED = 400 * 400

_Block = tuple[int, int, int, int]
"""The first line and the one after the last, of the text before and of that after."""
_Opcode = tuple[t.Literal["replace", "delete", "insert", "equal"], int, int, int, int]


@dataclass(frozen=True)
class Edited:
    """A file that was edited after a change."""

    path: str
    when: str
    left: State = State()
    found: State = State()
    lines: Sequence[str] | None = None
    """How it differs, where that is known already."""


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


def rejected(found: Listed, lost: Sequence[Edited]) -> str:
    """That nothing was restored, because these edits would be lost."""
    shown = [f"{printable_line(one.path)} was edited {one.when}:\n{_shown(found, one)}" for one in lost[:_MOST_SHOWN]]
    shown += [f"and {len(lost) - _MOST_SHOWN} more edits"] if len(lost) > _MOST_SHOWN else []
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
    return unified(*masked(before, after))


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
    for first, last, new_first, new_last in _blocks(old, new):
        yield Change(starts[first], starts[last], "".join(new[new_first:new_last]))


def _blocks(old: Sequence[str], new: Sequence[str]) -> list[_Block]:
    """Where lines differ. If too much does, all from the first to the last such line is one block."""
    shorter = min(len(old), len(new))
    head = next((number for number in range(shorter) if old[number] != new[number]), shorter)
    tail = next((number for number in range(shorter - head) if old[-1 - number] != new[-1 - number]), shorter - head)
    old_end, new_end = len(old) - tail, len(new) - tail
    if (old_end - head) * (new_end - head) > _MOST_COMPARED:
        return [(head, old_end, head, new_end)]
    compared = difflib.SequenceMatcher(None, old[head:old_end], new[head:new_end], False).get_opcodes()
    return [(head + a, head + b, head + c, head + d) for kind, a, b, c, d in compared if kind != "equal"]


def _difference(before: str, after: str) -> list[str]:
    """As `settings_difference`, of a file of systemd."""
    return unified(_failure.masked(before), _failure.masked(after))


def unified(before: str, after: str) -> list[str]:
    """The lines that differ."""
    old, new = before.splitlines(), after.splitlines()
    blocks = _blocks(old, new)
    shown = []
    for group in _Compared(_opcodes(blocks, len(old), len(new))).get_grouped_opcodes(1) if blocks else ():
        _kind, first, _end, new_first, _new_end = group[0]
        _kind, _begin, last, _new_begin, new_last = group[-1]
        shown.append(f"@@ -{_range(first, last)} +{_range(new_first, new_last)} @@")
        for kind, first, last, new_first, new_last in group:
            removed, added = (" ", ()) if kind == "equal" else ("-", new[new_first:new_last])
            shown += [*(f"{removed}{line}" for line in old[first:last]), *(f"+{line}" for line in added)]
    return shown


class _Compared(difflib.SequenceMatcher[str]):
    """Two texts that were compared already."""

    def __init__(self, opcodes: list[_Opcode]) -> None:
        super().__init__()
        self._known = opcodes

    def get_opcodes(self) -> list[_Opcode]:
        return self._known


def _opcodes(blocks: Sequence[_Block], old: int, new: int) -> list[_Opcode]:
    """The blocks, and what is equal between them, as difflib has them."""
    found, done, new_done = list[_Opcode](), 0, 0
    for first, last, new_first, new_last in [*blocks, (old, old, new, new)]:
        found += [("equal", done, first, new_done, new_first)] if first > done else []
        found += [("replace", first, last, new_first, new_last)] if last > first or new_last > new_first else []
        done, new_done = last, new_last
    return found


def _range(first: int, last: int) -> str:
    """A range of lines as a unified difference has it."""
    return str(first + 1) if last - first == 1 else f"{first + (last > first)},{last - first}"


def rules(found: Listed, states: Mapping[str, State]) -> str:
    """The rules, one in each line, as `ufw` takes them; and its default policies and whether it is enabled."""
    texts = {path: _text_of(found, states[path]) or "" for path in sorted(states)}
    of_ipv4, of_ipv6 = (
        [line for path, text in texts.items() if path.endswith(_OF_IPV6) == ipv6 for line in _rules(text, ipv6)]
        for ipv6 in (False, True)
    )
    both = {*of_ipv4} & {*of_ipv6}
    lines = [rule if rule in both or ANY not in rule.split() else f"{rule} (IPv4)" for rule in of_ipv4]
    lines += [rule if ANY not in rule.split() else f"{rule} (IPv6)" for rule in of_ipv6 if rule not in both]
    lines += [line for text in texts.values() for line in text.splitlines() if line.startswith(_OF_UFW)]
    return "".join(f"{short_line(line.strip())}\n" for line in lines)


def _rules(text: str, ipv6: bool) -> list[str]:
    """The rules in a file of ufw without comments; one that is no rule for incoming packets is as ufw keeps it."""
    found = []
    for line in text.splitlines():
        if line.startswith(_TUPLE):
            kept = line.removeprefix(_TUPLE).strip()
            parsed = parse_tuple(kept, ipv6)
            rule = Rule(**dataclasses.asdict(parsed)) if parsed else None
            found.append(rule.words() if rule and rule.inbound else kept.partition(" comment=")[0])
    return found


def changed_rules(now: str, wanted: str) -> list[str]:
    """What leads from some `rules` to others, as the role ufw shows it."""
    return [f"{line[0]} {line[1:]}" for line in unified(now, wanted) if line[0] in "+-"]
