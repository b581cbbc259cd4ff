# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: edits of the members of one object or array literal, so that comments, commas and layout come out right."""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ._examples import Example, Examples
from ._literals import Style
from ._tree import Source, all_children, comments

if TYPE_CHECKING:
    from tree_sitter import Node

_BLANKS = re.compile(rb"[ \t]*")
# Longest line that a member may make when it joins others on their line.
WIDEST_LINE = 120


@dataclass(slots=True)
class Change:
    """New text for a range of bytes."""

    start: int
    end: int
    text: str


def applied(source: Source, changes: list[Change]) -> str:
    """The source with the changes; those at one place follow each other as listed, and none may overlap."""
    pieces: list[bytes] = []
    done = 0
    for change in sorted(changes, key=lambda change: (change.start, change.end)):
        if change.start < done:
            raise source.error("two edits meet here", change.start, "Make one of the two changes by hand.")
        pieces += [source.bytes[done : change.start], change.text.encode("utf-8", "surrogateescape")]
        done = change.end
    pieces.append(source.bytes[done:])
    return b"".join(pieces).decode("utf-8", "surrogateescape")


def style_of(source: Source, listing: Listing | None) -> Style:
    """The style of the file, as far as the members of its exported object show it."""
    has_crlf = b"\r" in source.bytes and source.bytes.count(b"\r\n") * 2 > source.bytes.count(b"\n")
    style = Style(end_of_line="\r\n" if has_crlf else "\n", quote=source.usual_quote())
    if listing is None:
        return style
    style = replace(style, quoted_keys=bool(listing.quoted_keys))
    base = source.indent(listing.node.start_byte)
    for item in listing.items:
        if source.begins_line(item.start):
            indent = source.indent(item.start)
            if indent.startswith(base) and len(indent) > len(base):
                style = replace(style, unit=indent[len(base) :])
            break
    if listing.items:
        style = replace(style, trailing_comma=listing.items[-1].comma is not None)
    return style


@dataclass(slots=True)
class _Item:
    """A member of the literal and the comma behind it."""

    node: Node
    comma: int | None = None
    removed: bool = False

    @property
    def start(self) -> int:
        """Where the member begins."""
        return self.node.start_byte

    @property
    def end(self) -> int:
        """Where the member ends, in front of the comma."""
        return self.node.end_byte


@dataclass(slots=True)
class _New:
    """A member to come: its text for a given indent, all on one line or not, and where it belongs."""

    text: Callable[[str, bool], str]
    position: int
    indent: str | None


@dataclass(slots=True)
class Listing:
    """The members of an object or array literal and what is to happen to them."""

    source: Source
    node: Node
    style: Style
    items: list[_Item] = field(default_factory=list)
    comments: list[Node] = field(default_factory=list)
    one_line: bool = False
    # Whether most members have their key in quotes, as in JSON; None where no key shows how they are written.
    quoted_keys: bool | None = None
    _new: list[_New] = field(default_factory=list)
    _examples: Examples | None = None

    def __post_init__(self) -> None:
        for child in all_children(self.node):
            if child.is_extra:
                self.comments.append(child)
            elif child.is_named:
                self.items.append(_Item(child))
            elif child.type == "," and self.items:
                self.items[-1].comma = child.start_byte
        self.one_line = self.source.bytes.find(b"\n", self._open, self._close) < 0
        if self.node.type == "object":
            keys = [key.type for item in self.items if (key := item.node.child_by_field_name("key")) is not None]
            self.quoted_keys = keys.count("string") * 2 > len(keys) if keys else None

    @property
    def _open(self) -> int:
        return self.node.start_byte

    @property
    def _close(self) -> int:
        return self.node.end_byte - 1

    def _item_at(self, offset: int) -> int:
        """The number of the first member that begins at the offset or behind it."""
        return bisect.bisect_left(self.items, offset, key=lambda item: item.start)

    def remove(self, node: Node) -> None:
        """Take a member out; comments stay."""
        self.items[self._item_at(node.start_byte)].removed = True

    def insert(self, text: Callable[[str, bool], str], *, key: str | None = None, after: int = 0) -> None:
        """Put a new member below its commented-out example, if there is one behind `after`, else at the end."""
        example = self._example(key, after) if key is not None else None
        if example is None:
            self._new.append(_New(text, self._close, None))
        else:
            self._new.append(_New(text, example.below, example.indent))

    def insert_before(self, text: Callable[[str, bool], str], follower: Node | None) -> None:
        """Put a new member in front of another one, above the comments that belong to that; None: at the end."""
        if follower is None:
            self._new.append(_New(text, self._close, None))
            return
        start = follower.start_byte
        number = self._item_at(start)
        comma = self.items[number - 1].comma if number else None
        below = self.source.next_line((self._open if comma is None else comma) + 1)
        comment = bisect.bisect_left(self.comments, below, key=lambda each: each.start_byte) - 1
        in_comment = comment >= 0 and below < self.comments[comment].end_byte
        if self.source.begins_line(start) and not in_comment:
            self._new.append(_New(text, below, self.source.indent(start)))
        else:
            self._new.append(_New(text, start, None))

    # Where a new member goes

    def _example(self, key: str, after: int) -> Example | None:
        """The last commented-out example of the key that stands behind the offset."""
        if self._examples is None:
            self._examples = Examples(self.source, self.comments)
        found = self._examples.of(key)
        return next((example for example in reversed(found) if example.below > after), None)

    # The changes

    def changes(self) -> list[Change]:
        """All that was asked for, as text changes."""
        kept = [item for item in self.items if not item.removed]
        return [*self._commas(kept), *self._insertions(kept), *self._removals(kept)]

    def _commas(self, kept: list[_Item]) -> list[Change]:
        """The comma that the last member lacks once another one follows it."""
        if not self._new or not kept or kept[-1].comma is not None:
            return []
        if any(new.position > kept[-1].start for new in self._new):
            return [Change(kept[-1].end, kept[-1].end, ",")]
        return []

    def _insertions(self, kept: list[_Item]) -> list[Change]:
        ordered = sorted(self._new, key=lambda new: new.position)
        changes: list[Change] = []
        at_end = [new for new in ordered if new.position == self._close]
        for new in ordered:
            if new.position == self._close:
                continue
            last = new is ordered[-1] and not any(item.start >= new.position for item in kept)
            comma = "," if not last or self._ends_with_comma() else ""
            changes.append(self._insertion(new, comma))
        return changes + self._insertions_at_end(kept, at_end)

    def _ends_with_comma(self) -> bool:
        return self.items[-1].comma is not None if self.items else self.style.trailing_comma

    def _insertion(self, new: _New, comma: str) -> Change:
        """A member in front of another one or below a comment."""
        if new.indent is None:
            text = new.text(self.source.indent(new.position), True)
            return Change(new.position, new.position, f"{text}{comma} ")
        text = new.text(new.indent, False)
        number = self._item_at(new.position) - 1
        above = self.items[number] if number >= 0 else None
        if above and above.comma and above.end <= new.position <= above.comma and not above.removed:
            # The comma of the member above stands below the comment (comma-first style) and becomes ours.
            text, comma = f", {text}", ""
        return Change(new.position, new.position, f"{new.indent}{text}{comma}{self.style.end_of_line}")

    def _insertions_at_end(self, kept: list[_Item], new: list[_New]) -> list[Change]:
        if not new:
            return []
        source, eol = self.source, self.style.end_of_line
        base = source.indent(self._open)
        tail = max(
            [self._open + 1]
            + [item.end if item.comma is None else item.comma + 1 for item in self.items]
            + [comment.end_byte for comment in self.comments[-1:]]
        )
        if self.one_line and kept and tail == max(item.end if item.comma is None else item.comma + 1 for item in kept):
            inline = ", ".join(member.text(base, True) for member in new)
            line = source.line_end(self._close) - source.line_start(self._open) + len(inline)
            if "\n" not in inline and line <= WIDEST_LINE:
                trailing = "," if kept[-1].comma is not None else ""
                return [Change(tail, tail, f" {inline}{trailing}")]
        indent = self._member_indent(kept, base)
        comma = "," if self._ends_with_comma() else ""
        lines = [indent + member.text(indent, False) for member in new]
        block = f",{eol}".join(lines) + comma
        line_start = source.line_start(self._close)
        if not self.one_line and source.begins_line(self._close):
            return [Change(line_start, line_start, block + eol)]
        if self.one_line:
            return [Change(tail, self._close, f"{eol}{block}{eol}{base}")]
        return [Change(tail, tail, f"{eol}{block}")]

    def _member_indent(self, kept: list[_Item], base: str) -> str:
        for item in reversed(kept):
            if self.source.begins_line(item.start):
                return self.source.indent(item.start)
        return base + self.style.unit

    def _removals(self, kept: list[_Item]) -> list[Change]:
        changes: list[Change] = []
        for number, item in enumerate(self.items):
            if item.removed:
                changes += self._removal(number, item)
        last = kept[-1] if kept else None
        if changes and last is not None and last.comma is not None and not self._new and self.items[-1].comma is None:
            follower = self.items[self._item_at(last.start + 1)]
            between = self.source.bytes[last.comma + 1 : follower.start]
            if not between.strip() and b"\n" not in between and not self.source.ends_line(follower.end):
                changes.append(Change(last.comma, last.comma + 1, ""))
        return changes

    def _removal(self, number: int, item: _Item) -> list[Change]:
        source = self.source
        left = comments(source, item.start, item.end, item.node)
        end = item.end
        extra: list[Change] = []
        if item.comma is not None:
            if source.bytes[item.end : item.comma].strip():
                behind = self._skip_blanks(item.comma + 1)
                extra = [Change(item.comma, item.comma + 1 if behind == self._close else behind, "")]
            else:
                end = item.comma + 1
        indent = source.indent(item.start)
        if source.begins_line(item.start) and source.ends_line(end):
            start = source.line_start(item.start)
            text = "".join(f"{indent}{comment}{self.style.end_of_line}" for comment in left)
            return [Change(start, source.next_line(end), text), *extra]
        eol = self.style.end_of_line
        text = "".join(f"{comment}{eol}{indent}" for comment in left)
        start, stop = item.start, self._skip_blanks(end)
        closes = stop == self._close
        if left and (closes or source.ends_line(stop)):
            # Nothing follows on the line of the last comment, except a new member or the bracket.
            begins_line = source.begins_line(item.start)
            start = item.start if begins_line else self._blanks_before(number)
            stop = end if closes and self._new else stop
            text = "" if begins_line else f"{eol}{indent}"
            text += f"{eol}{indent}".join(left)
            text += f"{eol}{source.indent(self._open)}" if closes and not self._new else ""
        elif closes:
            start, stop = self._blanks_before(number), end
        return [Change(start, stop, text), *extra]

    def _blanks_before(self, number: int) -> int:
        """Where the white space before a member begins, unless that went with the member before it."""
        start = self.items[number].start
        if number == 0 or not self.items[number - 1].removed:
            while self.source.bytes[start - 1 : start] in (b" ", b"\t"):
                start -= 1
        return start

    def _skip_blanks(self, offset: int) -> int:
        match = _BLANKS.match(self.source.bytes, offset)
        return match.end() if match else offset
