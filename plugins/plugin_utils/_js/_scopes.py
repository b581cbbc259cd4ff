# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: which identifiers mean a variable of the file itself, and not one of the same name in an inner scope.

`this` and `arguments` are names, too: outside functions they are the object `exports` and what holds it.
"""

from __future__ import annotations

import array
import bisect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._tree import COMMENTS, FUNCTIONS, Source, field, members

if TYPE_CHECKING:
    from tree_sitter import Node

# Nodes between a statement and the program that do not make its execution depend on anything.
_UNCONDITIONAL = {
    "arguments",
    "assignment_expression",
    "call_expression",
    "expression_statement",
    "lexical_declaration",
    "parenthesized_expression",
    "program",
    "sequence_expression",
    "statement_block",
    "variable_declaration",
    "variable_declarator",
}
_NAMES = {"identifier", "shorthand_property_identifier", "shorthand_property_identifier_pattern", "this"}
_NAMED_INSIDE = {"class", "function_expression", "generator_function"}
# `var` goes no further up than to one of these.
_HOLD_VAR = FUNCTIONS | {"class_static_block"}
# What opens a scope.
_SCOPES = (
    _HOLD_VAR
    | _NAMED_INSIDE
    | {"catch_clause", "class_body", "for_in_statement", "for_statement", "statement_block", "switch_body"}
)
# What a `var` can be in.
_HOLD_STATEMENTS = {
    "catch_clause",
    "do_statement",
    "else_clause",
    "finally_clause",
    "for_in_statement",
    "for_statement",
    "if_statement",
    "labeled_statement",
    "statement_block",
    "switch_body",
    "switch_case",
    "switch_default",
    "switch_statement",
    "try_statement",
    "while_statement",
    "with_statement",
}
# So many names are looked for in the text, and so many mentions of each are remembered. For more names, all words of
# the text are listed once; more mentions are looked for again.
FEW = 50
# What makes a word longer; other bytes may be part of an identifier or not.
_WORD_BYTES = frozenset(bytes([byte]) for byte in range(128) if re.match(r"[\w$]", chr(byte)))


# Of what a file has thousands is not frozen: that would make it take three times as long to make.
@dataclass(slots=True)
class Frame:
    """A node with its ancestors. tree-sitter's own `parent` searches from the root each time."""

    node: Node
    parent: Frame | None
    # Whether the node runs exactly once, in its turn, when the file is loaded.
    unconditional: bool = True
    in_function: bool = False

    def below(self, child: Node) -> Frame:
        """The frame of a child."""
        return Frame(
            child,
            self,
            self.unconditional and child.type in _UNCONDITIONAL and not _may_be_skipped(child),
            self.in_function or child.type in FUNCTIONS or child.type == "class_body",
        )


@dataclass(slots=True)
class Declaration:
    """A declarator of a variable, a function or a class, and whether it certainly takes effect."""

    node: Node
    unconditional: bool


def mentions(source: Source, name: str) -> Iterator[Frame]:
    """Every identifier that means the variable of the file, with its ancestors, in the order of the text."""
    known = source.mentions.get(name)
    if known is not None:
        return iter(known)
    hits = _offsets(source, name)
    if hits:
        return _remembered(source, name, hits)
    source.mentions[name] = []
    return iter(())


def _remembered(source: Source, name: str, hits: list[int]) -> Iterator[Frame]:
    found: list[Frame] = []
    for frame in _mentions(source, name, hits):
        if len(found) <= FEW:
            found.append(frame)
        yield frame
    if len(found) <= FEW:
        source.mentions[name] = found


def _mentions(source: Source, name: str, hits: list[int]) -> Iterator[Frame]:
    # Most of the tree cannot hold a mention: the plain text shows where to look.
    pending = [(Frame(source.root, None), 0, len(hits))]
    while pending:
        source.go_on()
        frame, first, last = pending.pop()
        node = frame.node
        if node.type in _NAMES:
            if source.read(node) == name:
                yield frame
            continue
        inside = _inside(source, node, hits, first, last)
        if _is_own_name(source, node, name):
            # The name of a function or method belongs to the scope around it.
            outside = node.child_by_field_name("name") if node.type in FUNCTIONS - _NAMED_INSIDE else None
            inside = [each for each in inside if each[0] == outside]
        pending += ((frame.below(child), begin, end) for child, begin, end in reversed(inside))


def _inside(source: Source, node: Node, hits: list[int], first: int, last: int) -> list[tuple[Node, int, int]]:
    """The children of a node that hold some of the hits, each with the first of these and the one behind the last."""
    found: list[tuple[Node, int, int]] = []
    while first < last and node.child_count and node.type not in COMMENTS:
        child = source.child_at(node, hits[first])
        if child is None:
            break
        begin = bisect.bisect_left(hits, child.start_byte, first, last)
        end = bisect.bisect_left(hits, child.end_byte, begin, last)
        if begin < end:
            found.append((child, begin, end))
        first = max(end, first + 1)
    return found


def _offsets(source: Source, name: str) -> list[int]:
    """Where the name stands in the text."""
    source.names_sought += 1
    if source.names_sought > FEW and name.isascii():
        return source.words.get(name.encode(), [])
    text, word = source.bytes, name.encode("utf-8", "surrogateescape")
    found: list[int] = []
    place = text.find(word)
    while place >= 0:
        end = place + len(word)
        if text[place - 1 : place] not in _WORD_BYTES and text[end : end + 1] not in _WORD_BYTES:
            found.append(place)
        place = text.find(word, end)
    # Most are words in comments, which tree-sitter finds faster than the way from node to node.
    return [place for place in found if _is_name(source, place)] if len(found) <= FEW else found


def _is_name(source: Source, place: int) -> bool:
    node = source.root.descendant_for_byte_range(place, place + 1)
    return node is not None and node.type in _NAMES


def declarations(source: Source, name: str) -> list[Declaration]:
    """What declares the variable of the file; a `var` in a block counts, for it is the same variable."""
    return [
        Declaration(frame.parent.node, frame.parent.unconditional)
        for frame in mentions(source, name)
        if frame.parent is not None and declares(frame)
    ]


def text_with_variables(source: Source, nodes: list[Node]) -> str:
    """Code, and that of the variables and functions that are mentioned in it, with a brace between each two."""
    texts: list[str] = []
    pending = [*nodes]
    known: set[str] = set()
    while pending:
        made = pending.pop()
        texts.append(source.read(made))
        inside = [made]
        while inside:
            source.go_on()
            node = inside.pop()
            if node.type in ("identifier", "shorthand_property_identifier") and len(known) < FEW:
                name = source.read(node)
                if name not in known:
                    known.add(name)
                    pending += [declared.node for declared in declarations(source, name)]
            inside.extend(node.named_children)
    return "}".join(texts)


def places(source: Source, name: str) -> Sequence[int]:
    """Where the mentions of a variable of the file begin."""
    found = source.places.get(name)
    if found is None:
        found = array.array("L", (frame.node.start_byte for frame in mentions(source, name)))
        if len(found) > FEW:
            source.places[name] = found
    return found


def is_visible(source: Source, name: str, place: Node) -> bool:
    """Whether a name in the place means a variable of the file, so that all its uses can be found."""
    found = places(source, name)
    first = bisect.bisect_left(found, place.start_byte)
    return first < len(found) and found[first] < place.end_byte


def declares(frame: Frame) -> bool:
    """Whether the identifier is the name in a declaration."""
    parent = frame.parent
    if parent is None:
        return False
    if parent.node.type == "variable_declarator" or parent.node.type.endswith("_declaration"):
        return parent.node.child_by_field_name("name") == frame.node
    return parent.node.type in ("import_specifier", "import_clause", "namespace_import")


def _bound_by(source: Source, pattern: Node | None) -> Iterator[str]:
    """The names that a parameter list, a declarator's name or a destructuring pattern declares."""
    pending = [pattern] if pattern is not None else []
    while pending:
        node = pending.pop()
        match node.type:
            case "identifier" | "shorthand_property_identifier_pattern":
                yield source.read(node)
            case "assignment_pattern" | "object_assignment_pattern":
                pending.append(field(node, "left"))
            case "pair_pattern":
                pending.append(field(node, "value"))
            case "formal_parameters" | "array_pattern" | "object_pattern" | "rest_pattern":
                pending += members(node)


def _may_be_skipped(node: Node) -> bool:
    """Whether an optional chain around the call's arguments may leave them out (`a?.b(c)`)."""
    if node.type != "call_expression":
        return False
    link: Node | None = node
    while link is not None and link.type in ("call_expression", "member_expression", "subscript_expression"):
        if link.child_by_field_name("optional_chain") is not None:
            return True
        link = link.child_by_field_name("function") or link.child_by_field_name("object")
    return False


def _is_own_name(source: Source, node: Node, name: str) -> bool:
    """Whether the node opens a scope in which the name means something of its own."""
    kind = node.type
    if kind not in _SCOPES:
        return False
    if name in ("this", "arguments") and (kind == "class_body" or (kind in _HOLD_VAR and kind != "arrow_function")):
        return True
    if node.id not in source.own_names:
        source.own_names[node.id] = frozenset(_own_names(source, node))
    return name in source.own_names[node.id]


def _own_names(source: Source, node: Node) -> Iterator[str]:
    """The names that mean something of their own in the scope that the node opens."""
    if node.type in _NAMED_INSIDE and (own := node.child_by_field_name("name")) is not None:
        yield source.read(own)
    match node.type:
        case "catch_clause":
            yield from _bound_by(source, node.child_by_field_name("parameter"))
        case "for_in_statement":
            kind = node.child_by_field_name("kind")
            if kind is not None and kind.type != "var":
                yield from _bound_by(source, field(node, "left"))
        case "for_statement":
            yield from _declared_lexically(source, node.child_by_field_name("initializer"))
        case "statement_block":
            for statement in members(node):
                yield from _declared_lexically(source, statement)
        case "switch_body":
            for case in members(node):
                for statement in members(case):
                    yield from _declared_lexically(source, statement)
    if node.type in _HOLD_VAR:
        yield from _bound_by(source, node.child_by_field_name("parameters") or node.child_by_field_name("parameter"))
        yield from _declared_in_function(source, node)


def _declared_in_function(source: Source, function: Node) -> Iterator[str]:
    """What `var` and functions declare up to the function around them, also in blocks."""
    pending = [function.child_by_field_name("body") or function]
    while pending:
        source.go_on()
        for child in pending.pop().named_children:
            match child.type:
                case "function_declaration" | "generator_function_declaration":
                    yield source.read(field(child, "name"))
                case "variable_declaration":
                    yield from _bound_by_declarators(source, child)
                case "for_in_statement":
                    kind = child.child_by_field_name("kind")
                    if kind is not None and kind.type == "var":
                        yield from _bound_by(source, field(child, "left"))
            if child.type in _HOLD_STATEMENTS:
                pending.append(child)


def _declared_lexically(source: Source, statement: Node | None) -> Iterator[str]:
    if statement is not None and statement.type == "class_declaration":
        yield source.read(field(statement, "name"))
    elif statement is not None and statement.type == "lexical_declaration":
        yield from _bound_by_declarators(source, statement)


def _bound_by_declarators(source: Source, declaration: Node) -> Iterator[str]:
    for declarator in members(declaration):
        yield from _bound_by(source, declarator.child_by_field_name("name"))
