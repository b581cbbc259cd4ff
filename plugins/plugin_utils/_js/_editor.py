# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: turns wishes for the exported object into text changes, as small as the file's structure allows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from ._fallback import fallback
from ._layout import WIDEST_LINE, Change, Listing, style_of
from ._literals import Fallback, NotLiteral, Style, elements, literal, same, written, written_key
from ._objects import Assignment, Found, NotAnObject, Property, View, is_missing_value, made_object
from ._tree import COMMENTS, Source, comments, members, unwrapped

if TYPE_CHECKING:
    from tree_sitter import Node

    from .._core._errors import SettingsError

REMOVED = object()
# What a statement may begin with so that, without a semicolon, it goes on with the one before it.
_CONTINUING = b"([`/+-"


class Members(dict[str, object]):
    """Wanted members of an object whose other members stay as they are."""


class Editor:
    """Collects the changes for one settings file."""

    def __init__(self, source: Source, view: View) -> None:
        self._source = source
        self._listings: dict[int, Listing] = {}
        self._style = Style()
        home = self._listing(view.home) if view.home is not None else None
        self._style = style_of(source, home)
        if home is not None:
            home.style = self._style
        self._changes: list[Change] = []
        self._removed: list[Node] = []

    def changes(self) -> list[Change]:
        """All changes, in no particular order except where several begin at one place."""
        listed = [change for listing in self._listings.values() for change in listing.changes()]
        return self._changes + listed + self._semicolons()

    def fulfil(self, view: View, wanted: Members) -> None:
        """Give the object the wanted members; the others stay."""
        for key, wish in wanted.items():
            found = view.find(key)
            if wish is REMOVED:
                self._remove(found)
            elif isinstance(wish, Fallback):
                self._change_fallback(found, wish)
            elif not isinstance(wish, Members):
                self._set(view, found, wish)
            elif found.winner is None or is_missing_value(self._source, found.value):
                made = _made(wish)
                if made:
                    self._set(view, found, made)
            else:
                inner = view.inner(found)
                if inner is not None:
                    self.fulfil(inner, wish)

    # One value

    def _change_fallback(self, found: Found, wanted: Fallback) -> None:
        """Change the number that the expression ends in, and nothing else of it."""
        number = fallback(self._source, found.value)
        if number is not None:
            self._changes.append(Change(number.start_byte, number.end_byte, str(wanted.number)))

    def _set(self, view: View, found: Found, wanted: object) -> None:
        if found.winner is None:
            self._insert(view, found, wanted)
        elif found.nested:
            inner = view.inner(found)
            if inner is None or not isinstance(wanted, dict) or inner.doubts():
                raise self._source.error(
                    f"{found.key} also gets values here, so it cannot be set as a whole",
                    found.nested[0].place,
                    "Move these values into the object literal, or set them one by one.",
                )
            self._reshape(inner, wanted)
        elif not (found.value is not None and self._reshaped(found.value, wanted)):
            self._replace(found.winner, wanted)

    def _reshaped(self, node: Node, wanted: object) -> bool:
        """Change a literal from within, where its structure allows; its comments and layout survive that."""
        node = unwrapped(node)
        if not node.named_child_count:
            return False
        if isinstance(wanted, dict) and node.type == "object":
            inner = made_object(self._source, node)
            only_own = not any(member.type == "spread_element" for member in members(node))
            if only_own and all(isinstance(entry, Property) and not entry.accessor for entry in inner.entries):
                self._reshape(inner, wanted)
                return True
        if isinstance(wanted, list) and node.type == "array":
            return self._rearranged(node, wanted)
        return False

    def _reshape(self, view: View, wanted: dict[str, object]) -> None:
        """Make an object's members the wanted ones and no others."""
        for key in view.names():
            if key not in wanted:
                self._remove(view.find(key))
        for key, wish in wanted.items():
            found = view.find(key)
            if found.winner is None or found.nested or found.value is None or not same(self._source, found.value, wish):
                self._set(view, found, wish)

    def _rearranged(self, array: Node, wanted: list[object]) -> bool:
        """Make an array's elements the wanted ones; False where its order would have to change."""
        try:
            pairs = _aligned(self._source, elements(array), wanted)
        except NotLiteral:
            return False
        if pairs is None:
            return False
        listing = self._listing(array)
        style = self._style_of_elements(array)
        is_new = all(element is None or wish is REMOVED for element, wish in pairs)
        if is_new and listing.items and not listing.one_line:
            self._rewrite(array, wanted, style)
            return True
        followers: list[Node | None] = [None]
        for element, wish in reversed(pairs):
            followers.append(followers[-1] if element is None or wish is REMOVED else element)
        for (element, wish), follower in zip(pairs, reversed(followers), strict=False):
            if element is None:
                listing.insert_before(self._value_text(wish, style), follower)
            elif wish is REMOVED:
                listing.remove(element)
            elif not same(self._source, element, wish) and not self._reshaped(element, wish):
                self._exchange(element, element, wish, listing)
        return True

    def _rewrite(self, array: Node, wanted: list[object], style: Style) -> None:
        """Write all elements of an array anew, where the old ones began; comments of the old ones follow below them."""
        source, eol = self._source, self._style.end_of_line
        outer, first = source.indent(array.start_byte), members(array)[0].start_byte
        on_own_lines = source.begins_line(first)
        indent = source.indent(first) if on_own_lines else outer + style.unit
        left = comments(source, array.start_byte, array.end_byte, array)
        if on_own_lines:
            elements = [written(wish, style, indent) for wish in wanted]
            comma = "," if wanted and self._listing(array).items[-1].comma is not None else ""
            text = "".join(f"{eol}{indent}{element}," for element in elements).removesuffix(",") + comma
        else:
            text = ", ".join(written(wish, style, outer) for wish in wanted)
        text += "".join(f"{eol}{indent}{comment}" for comment in left)
        if left or (on_own_lines and wanted):
            text += eol + outer
        self._changes.append(Change(array.start_byte, array.end_byte, f"[{text}]"))

    def _style_of_elements(self, array: Node) -> Style:
        """The style that the first object in an array shows."""
        first = next((element for element in members(array) if element.type == "object"), None)
        return self._style_in(self._listing(first) if first is not None else None)

    def _replace(self, winner: Property | Assignment, wanted: object) -> None:
        """Write the value anew; the comments inside the old one stay above it."""
        if isinstance(winner, Assignment):
            self._exchange(self._statement(winner), winner.value, wanted, None)
        elif winner.node.type == "pair":
            self._exchange(winner.node, cast("Node", winner.value), wanted, self._listing(winner.owner))
        else:
            # A method, an accessor or a shorthand property.
            self._exchange(winner.node, winner.node, wanted, self._listing(winner.owner), key=winner.key)

    def _exchange(
        self, outer: Node, old: Node, wanted: object, listing: Listing | None, *, key: str | None = None
    ) -> None:
        source, style = self._source, self._style_in(listing)
        indent = source.indent(outer.start_byte)
        start = f"{written_key(key, style)}: " if key is not None else ""
        text = start + written(wanted, style, indent)
        if listing is not None and listing.one_line:
            inline = start + written(wanted, style, indent, inline=True)
            length = source.line_end(old.start_byte) - source.line_start(old.start_byte) + len(inline)
            text = inline if length <= WIDEST_LINE else text
        above = self._comments_to_keep(old, text, indent)
        if above:
            self._changes.append(Change(outer.start_byte, outer.start_byte, above))
        self._changes.append(Change(old.start_byte, old.end_byte, text))

    def _comments_to_keep(self, old: Node, text: str, indent: str) -> str:
        """The comments of the old value that the new text does not have, as lines above it."""
        lines = ""
        for comment in comments(self._source, old.start_byte, old.end_byte, old):
            if comment in text:
                text = text.replace(comment, "", 1)
            else:
                lines += f"{comment}{self._style.end_of_line}{indent}"
        return lines

    # New and gone

    def _insert(self, view: View, found: Found, wanted: object) -> None:
        if found.nested:
            raise self._source.error(
                f"{found.key} gets values here but is made nowhere", found.nested[0].place, "Correct this by hand."
            )
        if view.home is not None:
            listing = self._listing(view.home)
            after = max((doubt.place.end_byte for doubt in found.doubts if doubt.owner == view.home), default=0)
            listing.insert(self._member_text(found.key, wanted, self._style_in(listing)), key=found.key, after=after)
        else:
            self._append_statement(view, found.key, wanted)

    def _append_statement(self, view: View, key: str, wanted: object) -> None:
        """A file without an object literal (`exports.uiPort = 1880`) gets one more statement of its kind."""
        written_before = (entry for entry in reversed(view.entries) if isinstance(entry, Assignment))
        last = next((entry for entry in written_before if len(entry.path) == 1), None)
        if last is None:
            place = view.entries[0].place if view.entries and not isinstance(view.entries[0], Property) else 0
            raise self._source.error(
                f"there is no object literal that could take {key}", place, "Write module.exports = { ... }."
            )
        statement = self._statement_around(last.place)
        left = unwrapped(last.place.child_by_field_name("left") or last.place)
        target = self._source.read(left.child_by_field_name("object") or left)
        quoted = left.type == "subscript_expression"
        style = self._style
        name = written_key(key, Style(quote=style.quote, quoted_keys=quoted))
        property_text = f"[{name}]" if name[0] in "\"'" else f".{name}"
        indent = self._source.indent(statement.start_byte)
        text = f"{target}{property_text} = {written(wanted, style, indent)};"
        self._changes.append(self._behind(statement, text))

    def _behind(self, statement: Node, text: str) -> Change:
        """A new statement on the line below another one, or beside it where more follows on its line."""
        source, eol, indent = self._source, self._style.end_of_line, self._source.indent(statement.start_byte)
        end = source.line_end(statement.end_byte)
        behind = statement.end_byte
        while (beside := source.child_at(source.root, behind)) is not None and beside.start_byte < end:
            if beside.type in COMMENTS and beside.end_byte <= end:
                behind = beside.end_byte
                continue
            stop = "" if source.read(statement).endswith(";") else ";"
            return Change(statement.end_byte, statement.end_byte, f"{stop} {text}")
        below = source.next_line(end)
        return Change(below, below, f"{indent}{text}{eol}" if below > end else f"{eol}{indent}{text}")

    def _remove(self, found: Found) -> None:
        for occurrence in [*found.occurrences, *found.nested]:
            if isinstance(occurrence, Property):
                self._listing(occurrence.owner).remove(occurrence.node)
            elif (statement := self._own_statement(occurrence)) is not None:
                self._remove_statement(statement)
            elif _is_in_chain(occurrence):
                self._remove_assignment(occurrence)
            else:
                raise self._part_of_statement(occurrence)

    def _remove_assignment(self, assignment: Assignment) -> None:
        """Leave only the assigned value of an assignment that is one of several in a chain."""
        start, end = assignment.place.start_byte, assignment.value.start_byte
        kept = comments(self._source, start, end, assignment.place)
        self._changes.append(Change(start, end, "".join(f"{comment}{self._style.end_of_line}" for comment in kept)))

    def _remove_statement(self, statement: Node) -> None:
        source = self._source
        start, end = statement.start_byte, statement.end_byte
        indent, eol = source.indent(start), self._style.end_of_line
        kept = comments(source, start, end, statement)
        if source.begins_line(start) and source.ends_line(end):
            start, end = max(source.line_start(start), source.text_start), source.next_line(end)
            text = "".join(f"{indent}{comment}{eol}" for comment in kept)
        else:
            text = "".join(f"{comment}{eol}{indent}" for comment in kept)
        self._changes.append(Change(start, end, text))
        self._removed.append(statement)

    def _semicolons(self) -> list[Change]:
        """The semicolons that statements lack once one below them is gone that kept them from the next one."""
        found: list[Change] = []
        left: Node | None = None
        gap = False
        removed = {statement.id for statement in self._removed}
        for statement in members(self._source.root) if self._removed else []:
            if statement.id in removed:
                gap = True
                continue
            continues = self._source.bytes[statement.start_byte] in _CONTINUING
            if gap and left is not None and continues and not self._source.read(left).endswith(";"):
                found.append(Change(left.end_byte, left.end_byte, ";"))
            left, gap = statement, False
        return found

    def _own_statement(self, assignment: Assignment) -> Node | None:
        """The statement that is nothing but this assignment."""
        statement = self._statement_around(assignment.place)
        is_own = statement.type == "expression_statement" and members(statement)[0] == assignment.place
        return statement if is_own and unwrapped(assignment.value).type != "assignment_expression" else None

    def _statement(self, assignment: Assignment) -> Node:
        """The statement that is nothing but this assignment, or a variable's declaration with it."""
        own = self._own_statement(assignment)
        if own is not None:
            return own
        statement = self._statement_around(assignment.place)
        declared = members(statement)
        if (
            statement.type in ("lexical_declaration", "variable_declaration")
            and len(declared) == 1
            and declared[0].child_by_field_name("value") == assignment.place
            and unwrapped(assignment.value).type != "assignment_expression"
        ):
            return statement
        raise self._part_of_statement(assignment)

    def _part_of_statement(self, assignment: Assignment) -> SettingsError:
        return self._source.error(
            "this assignment is part of a larger statement, so it cannot be changed by itself",
            assignment.place,
            "Write it as a statement of its own, or move the value into the object literal.",
        )

    def _statement_around(self, node: Node) -> Node:
        """The statement of the file that holds the node."""
        self._source.go_on()
        return cast("Node", self._source.child_at(self._source.root, node.start_byte))

    # Helpers

    def _listing(self, node: Node) -> Listing:
        if node.id not in self._listings:
            self._listings[node.id] = Listing(self._source, node, self._style)
        return self._listings[node.id]

    def _style_in(self, listing: Listing | None) -> Style:
        """The file's style, with keys quoted or not as the neighbours are."""
        if listing is None or listing.quoted_keys is None or listing.quoted_keys == self._style.quoted_keys:
            return self._style
        return self._style.with_quoted_keys(listing.quoted_keys)

    def _member_text(self, key: str, wanted: object, style: Style) -> Callable[[str, bool], str]:
        name = written_key(key, style)
        return lambda indent, inline: f"{name}: {written(wanted, style, indent, inline=inline)}"

    def _value_text(self, wanted: object, style: Style) -> Callable[[str, bool], str]:
        return lambda indent, inline: written(wanted, style, indent, inline=inline)


def _is_in_chain(assignment: Assignment) -> bool:
    """Whether it is one of `a = b = value`, so that the others can get the value without it."""
    parent = assignment.place.parent
    is_given_on = parent is not None and parent.type in ("assignment_expression", "variable_declarator")
    return is_given_on or assignment.value.type == "assignment_expression"


def _made(wanted: Members) -> dict[str, object]:
    """The members as a new object; what is to be removed is not in it."""
    made: dict[str, object] = {}
    for key, wish in wanted.items():
        if isinstance(wish, Members):
            inner = _made(wish)
            if inner:
                made[key] = inner
        elif wish is not REMOVED:
            made[key] = wish
    return made


def _aligned(source: Source, found: list[Node], wanted: list[object]) -> list[tuple[Node | None, object]] | None:
    """Which element becomes which: pairs of the old element (None: new) and the wanted value (REMOVED: gone)."""
    names = [_username(source, element) for element in found]
    wanted_names = [wish.get("username") if isinstance(wish, dict) else None for wish in wanted]
    if _are_users(names) and _are_users(wanted_names):
        return _aligned_by_name(found, names, wanted, wanted_names)
    head = 0
    while head < min(len(found), len(wanted)) and same(source, found[head], wanted[head]):
        head += 1
    tail = 0
    while tail < min(len(found), len(wanted)) - head and same(source, found[-1 - tail], wanted[-1 - tail]):
        tail += 1
    pairs: list[tuple[Node | None, object]] = list(zip(found[:head], wanted[:head], strict=True))
    old, new = found[head : len(found) - tail], wanted[head : len(wanted) - tail]
    for index in range(max(len(old), len(new))):
        pairs.append((old[index] if index < len(old) else None, new[index] if index < len(new) else REMOVED))
    return pairs + list(zip(found[len(found) - tail :], wanted[len(wanted) - tail :], strict=True))


def _aligned_by_name(
    found: list[Node], names: list[object], wanted: list[object], wanted_names: list[object]
) -> list[tuple[Node | None, object]] | None:
    known, kept = set(names), set(names) & set(wanted_names)
    if [name for name in names if name in kept] != [name for name in wanted_names if name in kept]:
        return None
    pairs: list[tuple[Node | None, object]] = []
    position = 0
    for name, wish in zip(wanted_names, wanted, strict=True):
        if name not in known:
            pairs.append((None, wish))
            continue
        while names[position] != name:
            pairs.append((found[position], REMOVED))
            position += 1
        pairs.append((found[position], wish))
        position += 1
    return pairs + [(element, REMOVED) for element in found[position:]]


def _are_users(names: list[object]) -> bool:
    return bool(names) and all(isinstance(name, str) for name in names) and len(names) == len({*names})


def _username(source: Source, element: Node) -> object:
    try:
        view = made_object(source, element)
        value = view.find("username").value
        return literal(source, value) if value is not None else None
    except (NotAnObject, NotLiteral):
        return None
