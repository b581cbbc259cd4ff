# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: an edited settings file as a difference that holds no secret and nothing that controls a terminal.

Ansible compares two texts line by line and shows what differs, with three lines around it. So both texts are made
here such that

- of an unchanged line near a change all strings, templates, regular expressions and comments are hidden;
- an unchanged line far from all changes is empty, which also keeps the comparison short;
- of a changed line those strings are shown that belong to settings which hold no secrets, such as a path or a level.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING

from ...module_utils._core import _masking
from ...module_utils._core._masking import Span
from ...module_utils._core._text import printable
from .._js._literals import key_of
from .._js._tree import Source, field
from ._known_settings import KNOWN_SETTINGS
from ._settings_js import Edit

if TYPE_CHECKING:
    from tree_sitter import Node

# Ansible shows three.
_CONTEXT = 5
# More strings on one line, and longer lines, are for no human; each string costs a walk through the tree.
_MOST_STRINGS = 50
_LONGEST_LINE = 500

_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+\Z")
_SECRET = re.compile(_masking.SECRET_NAME, re.IGNORECASE | re.VERBOSE)
_USER_INFO = re.compile(r":[^:]*@")
# Members of settings whose values are no secrets.
_PLAIN_MEMBERS = """
    console enabled header level maxVersion minVersion mode module page path permissions theme title type user username
"""
_PLAIN_KEYS = KNOWN_SETTINGS | set(_PLAIN_MEMBERS.split())
# Calls whose arguments are names of modules and files.
_PLAIN_CALLS = re.compile(
    r"require(?:\.resolve)?|(?:require\(.fs.\)|fs)\.(?:exists|readFile)Sync|path\.(?:join|resolve)"
)


def masked(before: str, edit: Edit) -> tuple[str, str]:
    """The text before and after the edit; equal where nothing but what is hidden changes."""
    old, new = _Text(before), _Text(edit.text)
    counterparts = dict(_unchanged(old, new, edit))
    near = _near(old, counterparts.keys()), _near(new, counterparts.values())
    shown = {
        line: old.hidden(line) if line in near[0] or other in near[1] else "" for line, other in counterparts.items()
    }
    names = _PLAIN_KEYS | {part for name in edit.changed for part in name.split(".")}
    in_new = {other: shown[line] for line, other in counterparts.items()}
    return old.written(shown, names), new.written(in_new, names)


def _near(text: _Text, unchanged: Collection[int]) -> set[int]:
    """The lines around those that change."""
    changed = set(range(len(text.lines))).difference(unchanged)
    return {near for line in changed for near in range(line - _CONTEXT, line + _CONTEXT + 1)}


def _unchanged(old: _Text, new: _Text, edit: Edit) -> Iterator[tuple[int, int]]:
    """The lines that no change touches, as their numbers in both texts."""
    numbers = {start: number for number, start in enumerate(new.starts)}
    ranges = old.source.characters([(change.start, change.end) for change in edit.changes])
    moved = start = 0
    for (end, next_start), inserted in zip(
        [*ranges, (len(old.source.text), 0)], [*(len(change.text) for change in edit.changes), 0], strict=True
    ):
        for line in range(bisect.bisect_left(old.starts, start), len(old.lines)):
            if old.starts[line] + len(old.lines[line]) > end:
                break
            other = numbers.get(old.starts[line] + moved)
            if other is not None and new.lines[other] == old.lines[line]:
                yield line, other
        moved += inserted - (next_start - end)
        start = next_start


class _Text:
    """The lines of a settings file, and what may be a secret in each."""

    def __init__(self, text: str) -> None:
        self.source = Source(text)
        self.lines: list[str] = _LINE.findall(text)
        self.starts: list[int] = []
        start = 0
        for line in self.lines:
            self.starts.append(start)
            start += len(line)
        self._texts: dict[int, list[tuple[Span, Node]]] = {}
        for span, node in self.source.texts(0, len(self.source.bytes)):
            for number, part in self._by_line(span):
                self._texts.setdefault(number, []).append((part, node))
        self._secrets: dict[int, list[Span]] = {}
        for span in _masking.united(_masking.secrets(text)):
            for number, part in self._by_line(span):
                self._secrets.setdefault(number, []).append(part)

    def _by_line(self, span: Span) -> Iterator[tuple[int, Span]]:
        """The parts of a span on each line, as places in that line."""
        for line in range(max(bisect.bisect_right(self.starts, span[0]) - 1, 0), len(self.lines)):
            start = self.starts[line]
            if start >= span[1]:
                break
            yield line, (max(span[0] - start, 0), min(span[1] - start, len(self.lines[line])))

    def hidden(self, line: int) -> str:
        """A line without any text."""
        return self._without(line, [part for part, _node in self._texts.get(line, [])])

    def written(self, given: dict[int, str], names: Collection[str]) -> str:
        """All lines: those that are given, and of the others what is plain."""
        shown = (given[line] if line in given else self._plain(line, names) for line in range(len(self.lines)))
        return "".join(f"{line}\n" for line in shown)

    def _plain(self, line: int, names: Collection[str]) -> str:
        texts = self._texts.get(line, [])
        many = len(texts) > _MOST_STRINGS
        return self._without(line, [part for part, node in texts if many or not _is_plain(self.source, node, names)])

    def _without(self, line: int, spans: Iterable[Span]) -> str:
        text = _masking.shown(self.lines[line], [*spans, *self._secrets.get(line, [])]).rstrip("\r\n")
        return printable(text if len(text) <= _LONGEST_LINE else text[:_LONGEST_LINE] + " ...")


def _is_plain(source: Source, node: Node, names: Collection[str]) -> bool:
    """Whether a string is the value of a setting that holds no secrets, or the name of a file or of such a setting."""
    if node.type != "string" or source.patience.is_over() or _USER_INFO.search(source.read(node)):
        return False
    inner, outer = node, node.parent
    while outer is not None and outer.type in ("array", "parenthesized_expression"):
        inner, outer = outer, outer.parent
    if outer is None:
        return False
    if outer.type == "pair":
        key = key_of(source, field(outer, "key"))
        return key in names and (inner == field(outer, "key") or _SECRET.search(key or "") is None)
    if outer.type == "assignment_expression":
        key = source.read(field(outer, "left")).rpartition(".")[2]
        return key in names and _SECRET.search(key) is None
    call = outer.parent
    if outer.type != "arguments" or call is None or call.type != "call_expression":
        return False
    return _PLAIN_CALLS.fullmatch("".join(source.read(field(call, "function")).split())) is not None
