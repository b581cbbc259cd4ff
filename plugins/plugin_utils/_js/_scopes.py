# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: which identifiers mean a variable of the file itself, and not one of the same name in an inner scope.

`this` and `arguments` are names, too: outside functions they are the object `exports` and what holds it.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Iterator
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
# So many words are looked up one by one; each costs as much as its object has members.
_FEW = 50


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class Declaration:
    """A declarator of a variable, a function or a class, and whether it certainly takes effect."""

    node: Node
    unconditional: bool


def mentions(source: Source, name: str) -> Iterator[Frame]:
    """Every identifier that means the variable of the file, with its ancestors, in the order of the text."""
    # Most of the tree cannot hold a mention: the plain text tells where to look.
    hits = _offsets(source, name)

    def may_mention(node: Node) -> bool:
        first = bisect.bisect_left(hits, node.start_byte)
        return first < len(hits) and hits[first] < node.end_byte

    pending = [Frame(source.root, None)]
    while pending:
        source.go_on()
        frame = pending.pop()
        node = frame.node
        if not may_mention(node) or node.type in COMMENTS:
            continue
        if node.type in _NAMES:
            if source.read(node) == name:
                yield frame
            continue
        children = node.children
        if _is_own_name(source, node, name, may_mention):
            # The name of a function or method belongs to the scope around it.
            outside = node.child_by_field_name("name") if node.type in FUNCTIONS - _NAMED_INSIDE else None
            children = [outside] if outside is not None else []
        pending.extend(map(frame.below, reversed(children)))


def _offsets(source: Source, name: str) -> list[int]:
    """Where the name stands in the text; a few are looked at, lest a word in comments costs a walk through the file."""
    word = re.escape(name.encode("utf-8", "surrogateescape"))
    # The word comes first in the pattern: what begins with a look-behind takes ten times as long.
    found = [match.start() for match in re.finditer(word + rb"(?<![\w$]" + word + rb")(?![\w$])", source.bytes)]
    if len(found) > _FEW:
        return found
    nodes = [source.root.descendant_for_byte_range(start, start + 1) for start in found]
    return [start for start, node in zip(found, nodes, strict=True) if node is not None and node.type in _NAMES]


def declarations(source: Source, name: str) -> list[Declaration]:
    """What declares the variable of the file; a `var` in a block counts, for it is the same variable."""
    return [
        Declaration(frame.parent.node, frame.parent.unconditional)
        for frame in mentions(source, name)
        if frame.parent is not None and declares(frame)
    ]


def is_visible(source: Source, name: str, place: Node) -> bool:
    """Whether a name in the place means a variable of the file, so that all its uses can be found."""
    return any(place.start_byte <= frame.node.start_byte < place.end_byte for frame in mentions(source, name))


def declares(frame: Frame) -> bool:
    """Whether the identifier is the name in a declaration."""
    parent = frame.parent
    if parent is None:
        return False
    if parent.node.type == "variable_declarator" or parent.node.type.endswith("_declaration"):
        return parent.node.child_by_field_name("name") == frame.node
    return parent.node.type in ("import_specifier", "import_clause", "namespace_import")


def _binds(source: Source, pattern: Node | None, name: str) -> bool:
    """Whether a parameter list, a declarator's name or a destructuring pattern declares the name."""
    pending = [pattern] if pattern is not None else []
    while pending:
        node = pending.pop()
        match node.type:
            case "identifier" | "shorthand_property_identifier_pattern":
                if source.read(node) == name:
                    return True
            case "assignment_pattern" | "object_assignment_pattern":
                pending.append(field(node, "left"))
            case "pair_pattern":
                pending.append(field(node, "value"))
            case "formal_parameters" | "array_pattern" | "object_pattern" | "rest_pattern":
                pending += members(node)
    return False


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


def _is_own_name(source: Source, node: Node, name: str, may_mention: Callable[[Node], bool]) -> bool:
    """Whether the node opens a scope in which the name means something of its own."""
    if (
        node.type in _NAMED_INSIDE
        and (own := node.child_by_field_name("name")) is not None
        and source.read(own) == name
    ):
        return True
    match node.type:
        case "class_body":
            return name in ("this", "arguments")
        case "catch_clause":
            return _binds(source, node.child_by_field_name("parameter"), name)
        case "for_in_statement":
            kind = node.child_by_field_name("kind")
            return kind is not None and kind.type != "var" and _binds(source, field(node, "left"), name)
        case "for_statement":
            return _declares_lexically(source, node.child_by_field_name("initializer"), name)
        case "statement_block":
            return any(_declares_lexically(source, statement, name) for statement in members(node))
        case "switch_body":
            return any(_declares_lexically(source, each, name) for case in members(node) for each in members(case))
    return node.type in _HOLD_VAR and _function_declares(source, node, name, may_mention)


def _function_declares(source: Source, function: Node, name: str, may_mention: Callable[[Node], bool]) -> bool:
    if name in ("this", "arguments"):
        return function.type != "arrow_function"
    parameters = function.child_by_field_name("parameters") or function.child_by_field_name("parameter")
    if _binds(source, parameters, name):
        return True
    pending = [function.child_by_field_name("body") or function]
    while pending:
        source.go_on()
        node = pending.pop()
        for child in node.named_children:
            if _declares_for_function(source, child, name):
                return True
            if may_mention(child) and child.type not in _HOLD_VAR:
                pending.append(child)
    return False


def _declares_for_function(source: Source, node: Node, name: str) -> bool:
    """Whether it declares the name up to the function around it: `var` and functions do, also in blocks."""
    if node.type in ("function_declaration", "generator_function_declaration"):
        return source.read(field(node, "name")) == name
    if node.type == "for_in_statement":
        kind = node.child_by_field_name("kind")
        return kind is not None and kind.type == "var" and _binds(source, field(node, "left"), name)
    return node.type == "variable_declaration" and _declarators_bind(source, node, name)


def _declares_lexically(source: Source, statement: Node | None, name: str) -> bool:
    if statement is None:
        return False
    if statement.type == "class_declaration":
        return source.read(field(statement, "name")) == name
    return statement.type == "lexical_declaration" and _declarators_bind(source, statement, name)


def _declarators_bind(source: Source, declaration: Node, name: str) -> bool:
    return any(_binds(source, child.child_by_field_name("name"), name) for child in members(declaration))
