# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: settings that stand in a file as commented-out examples.

//uiHost: "127.0.0.1",          ends on its own line
// https: function() {          ends where its brackets close
//     return {}
// },
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._tree import Source

if TYPE_CHECKING:
    from tree_sitter import Node

# So many keys are looked for in the text before all comments are read.
_FEW = 20
# How far below a blank line the end of an example is looked for, in comment lines.
_FARTHEST_END = 100

# Not `https://...`, which is no key.
_KEY = re.compile(r"""\s*(["']?)([\w$.-]+)\1\s*:(?!//)""")
_COLON = re.compile(rb"""["']?[\s\x80-\xff]*:(?!//)""")
_QUOTED = re.compile(r"""(["'`])(?:\\.|(?!\1)[^\\])*(?:\1|$)""")
_QUOTE = re.compile("[\"'`]")
_BRACKET = re.compile(r"[][{}()]")
_LINE_COMMENT = re.compile(r"^//+")


@dataclass(slots=True)
class Example:
    """A commented-out setting: where the line below it begins, and the indent of its comment."""

    below: int
    indent: str


@dataclass(slots=True)
class _Line:
    """A line of a comment: its text without comment marks, and where the comment ends."""

    text: str
    start: int
    end: int
    after_gap: bool


class Examples:
    """The examples in the comments of an object."""

    def __init__(self, source: Source, comments: list[Node]) -> None:
        self._source = source
        self._comments = comments
        self._asked = 0
        # What was read of the comments so far: the stretch in which each comment is, and the examples by key.
        self._read: set[int] = set()
        self._found: dict[str, list[Example]] = {}

    def of(self, key: str) -> list[Example]:
        """The examples of a key, in the order of the text."""
        self._asked += 1
        for number in self._candidates(key.encode()):
            if number not in self._read:
                first, last = self._stretch(number)
                self._read.update(range(first, last))
                spans = [(each.start_byte, each.end_byte) for each in self._comments[first:last]]
                for name, found in _examples(self._source, spans).items():
                    self._found.setdefault(name, []).extend(found)
        return sorted(self._found.get(key, []), key=lambda example: example.below)

    def _candidates(self, key: bytes) -> Iterator[int]:
        """The numbers of the comments that may hold an example of the key."""
        if not self._comments:
            return
        if self._asked > _FEW:
            # To look for each key would take longer than to read all.
            if len(self._read) < len(self._comments):
                yield from range(len(self._comments))
            return
        place, end = self._comments[0].start_byte, self._comments[-1].end_byte
        while (place := self._source.bytes.find(key, place, end)) >= 0:
            if _COLON.match(self._source.bytes, place + len(key)) is not None:
                number = bisect.bisect_right(self._comments, place, key=lambda comment: comment.start_byte) - 1
                if place < self._comments[number].end_byte:
                    yield number
            place += len(key)

    def _stretch(self, number: int) -> tuple[int, int]:
        """The line comments around one that have nothing but white space between them: the first and the one behind."""
        first, behind = number, number + 1
        while first > 0 and self._touch(first - 1):
            first -= 1
        while behind < len(self._comments) and self._touch(behind - 1):
            behind += 1
        return first, behind

    def _touch(self, number: int) -> bool:
        """Whether a comment and the next one are line comments with nothing but white space between them."""
        text, first, second = self._source.bytes, self._comments[number], self._comments[number + 1]
        begins, end, start = first.start_byte, first.end_byte, second.start_byte
        return not text[end:start].strip() and not any(text.startswith(b"/*", place) for place in (begins, start))


def _examples(source: Source, comments: list[tuple[int, int]]) -> dict[str, list[Example]]:
    """The examples in comments that stand side by side, by key, in the order of the text."""
    found: dict[str, list[Example]] = {}
    for stretch in _stretches(source, comments):
        position = 0
        while position < len(stretch):
            match = _KEY.match(stretch[position].text)
            if match is None:
                position += 1
                continue
            source.go_on()
            last = _end_of_example(stretch, position)
            if source.ends_line(stretch[last].end):
                example = Example(source.next_line(stretch[last].end), source.indent(stretch[position].start))
                found.setdefault(match[2], []).append(example)
            position = last + 1
    return found


def _stretches(source: Source, comments: list[tuple[int, int]]) -> list[list[_Line]]:
    """Comment lines with nothing but white space between them; a block comment is a stretch of its own."""
    stretches: list[list[_Line]] = []
    before = -1
    for start, end in comments:
        # /** is documentation, and what stands right of code comments on that.
        if source.bytes.startswith(b"/**", start) or not source.begins_line(start):
            before = -1
            continue
        text = source.cut(start, end)
        if text.startswith("/*"):
            lines = re.split(r"\r\n|\r|\n", text[2:].removesuffix("*/"))
            stretches.append([_Line(line, start, end, False) for line in lines])
            before = -1
            continue
        gap = source.bytes[before:start] if before >= 0 else b"code"
        line = _Line(_LINE_COMMENT.sub("", text.rstrip("\r\n"), count=1), start, end, gap.count(b"\n") > 1)
        if gap.strip():
            stretches.append([line])
        else:
            stretches[-1].append(line)
        before = end
    return stretches


def _end_of_example(stretch: list[_Line], first: int) -> int:
    """The line on which the example's brackets close, or else the last one before a blank line."""
    depth = 0
    before_gap: int | None = None
    for number in range(first, len(stretch)):
        if stretch[number].after_gap and number > first:
            before_gap = number - 1 if before_gap is None else before_gap
        if before_gap is not None and number - before_gap > _FARTHEST_END:
            break
        depth += _open_brackets(stretch[number].text)
        if depth <= 0:
            return number
    return before_gap if before_gap is not None else len(stretch) - 1


def _open_brackets(line: str) -> int:
    """How many brackets the line opens, less those that it closes."""
    if _BRACKET.search(line) is None:
        return 0
    code = _QUOTED.sub("", line) if _QUOTE.search(line) is not None else line
    code = code.split("//", 1)[0]
    return sum(map(code.count, "{[(")) - sum(map(code.count, "}])"))
