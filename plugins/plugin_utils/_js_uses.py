# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what a program does with a variable, as far as its text shows.

`uses(source, name)` lists every place where the object that a variable holds is written to, or may be: certain writes
with their path below the variable, and doubts (a write under a condition, in a function, an unknown call that gets the
object). Reading is no use.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._js_literals import NotLiteral, literal
from ._js_tree import COMMENTS, FUNCTIONS, Source, field, members, unwrapped

if TYPE_CHECKING:
    from tree_sitter import Node

# A property path; None stands for a property whose name is not known.
Path = tuple[str | None, ...]

# Calls that only look at what they are given.
_LOOKING = re.compile(
    r"console\.\w+|JSON\.stringify|Object\.(?:keys|is|isFrozen|hasOwn)|Array\.isArray|String|Number|Boolean"
    r"|parseInt|parseFloat|(?:util\.)?inspect|path\.(?:join|resolve|dirname|basename)"
    r"|fs\.(?:existsSync|readFileSync|statSync)"
)
_LOOKING_METHODS = {"concat", "endsWith", "hasOwnProperty", "includes", "indexOf", "join", "replace", "slice", "split"}
_LOOKING_METHODS |= {"startsWith", "toLowerCase", "toString", "toUpperCase", "trim", "valueOf"}
# Methods that call a function with each element.
_VISITING_METHODS = {"every", "filter", "find", "forEach", "map", "some"}
# What can change something else than a variable of its own.
_ACTING = {
    "assignment_expression",
    "augmented_assignment_expression",
    "await_expression",
    "call_expression",
    "new_expression",
    "unary_expression",
    "update_expression",
    "yield_expression",
}
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
# Deeper than any program that a person writes; minified code stays far below it, too.
_DEEPEST = 1000
# Parents that use a value up: nothing else can change the object through them.
_READING_PARENTS = {
    "do_statement",
    "expression_statement",
    "for_statement",
    "if_statement",
    "switch_statement",
    "template_substitution",
    "unary_expression",
    "while_statement",
}


@dataclass(frozen=True)
class Write:
    """A certain write: at `path` below the variable the value now is what `value` says."""

    path: Path
    place: Node
    value: Node


@dataclass(frozen=True)
class Merge:
    """A certain `Object.assign(<path>, ...sources)`."""

    path: Path
    place: Node
    sources: tuple[Node, ...]


@dataclass(frozen=True)
class Deletion:
    """A certain `delete <path>`."""

    path: Path
    place: Node


@dataclass(frozen=True)
class Doubt:
    """The value at `path`, or below it, may become something that the text does not tell."""

    path: Path
    place: Node
    reason: str
    # Runs at a time that the text does not tell: also after everything else.
    later: bool = False


@dataclass(frozen=True)
class Alias:
    """Another variable now holds what is at `path`."""

    path: Path
    place: Node
    name: str


Use = Write | Merge | Deletion | Doubt | Alias


@dataclass(frozen=True)
class _Frame:
    """A node with its ancestors. tree-sitter's own `parent` searches from the root each time."""

    node: Node
    parent: _Frame | None
    # Whether a scope around it declares its own variable of the name that is looked for.
    hidden: bool = False
    # Whether the node runs exactly once, in its turn, when the file is loaded.
    unconditional: bool = True
    in_function: bool = False
    depth: int = 0

    def below(self, child: Node, hidden: bool) -> _Frame:
        """The frame of a child."""
        return _Frame(
            child,
            self,
            hidden,
            self.unconditional and child.type in _UNCONDITIONAL,
            self.in_function or child.type in FUNCTIONS or child.type == "class_body",
            self.depth + 1,
        )


def uses(source: Source, name: str) -> list[Use]:
    """The uses of a top-level variable (or `module`, `exports`) in the order of the text."""
    return [use for frame in _mentions(source, name) for use in _uses_of(source, frame)]


def declarations(source: Source, name: str) -> list[Node]:
    """The top-level declarators of a variable, functions and classes of that name included."""
    return [
        frame.parent.node
        for frame in _mentions(source, name)
        if frame.parent is not None and _declares(frame) and frame.parent.unconditional
    ]


def bound_names(pattern: Node, source: Source) -> set[str]:
    """The variables that a parameter list, a declarator's name or a destructuring pattern declares."""
    match pattern.type:
        case "identifier" | "shorthand_property_identifier_pattern":
            return {source.read(pattern)}
        case "assignment_pattern" | "object_assignment_pattern":
            return bound_names(field(pattern, "left"), source)
        case "pair_pattern":
            return bound_names(field(pattern, "value"), source)
        case "formal_parameters" | "array_pattern" | "object_pattern" | "rest_pattern":
            return {name for child in members(pattern) for name in bound_names(child, source)}
    return set()


def _mentions(source: Source, name: str) -> Iterator[_Frame]:
    """Every identifier that means the top-level variable, with its ancestors, in the order of the text."""
    # Most of the tree cannot hold a mention: the plain text tells where to look.
    hits = [match.start() for match in re.finditer(re.escape(name.encode("utf-8", "surrogateescape")), source.bytes)]
    pending = [_Frame(source.root, None)]
    while pending:
        frame = pending.pop()
        node = frame.node
        first = bisect.bisect_left(hits, node.start_byte)
        if first == len(hits) or hits[first] >= node.end_byte or node.type in COMMENTS:
            continue
        if node.type in ("identifier", "shorthand_property_identifier", "shorthand_property_identifier_pattern"):
            if source.read(node) == name and not frame.hidden:
                yield frame
            continue
        if frame.depth > _DEEPEST:
            raise source.error("the code here is nested too deeply to be followed", node, "Write it flatter.")
        hidden = frame.hidden or _declares_inside(source, node, name)
        pending.extend(frame.below(child, hidden) for child in reversed(node.children))


def _declares_inside(source: Source, node: Node, name: str) -> bool:
    """Whether the node opens a scope that declares its own variable of that name."""
    if node.type in FUNCTIONS:
        parameters = node.child_by_field_name("parameters") or node.child_by_field_name("parameter")
        if parameters is not None and name in bound_names(parameters, source):
            return True
    if node.type == "for_in_statement" and node.child_by_field_name("kind") is not None:
        return name in bound_names(field(node, "left"), source)
    if node.type == "statement_block":
        for statement in members(node):
            if statement.type in ("lexical_declaration", "variable_declaration"):
                names = [child.child_by_field_name("name") for child in members(statement)]
            else:
                names = [statement.child_by_field_name("name")] if statement.type.endswith("_declaration") else []
            if any(declared is not None and name in bound_names(declared, source) for declared in names):
                return True
    return False


def _declares(frame: _Frame) -> bool:
    parent = frame.parent
    if parent is None:
        return False
    if parent.node.type in ("variable_declarator", "function_declaration", "class_declaration"):
        return parent.node.child_by_field_name("name") == frame.node
    return parent.node.type in ("import_specifier", "import_clause", "namespace_import")


def _uses_of(source: Source, frame: _Frame) -> list[Use]:
    """What the mention of a variable means for the object that it holds."""
    if _declares(frame):
        return []
    found: list[Use] = []
    path: Path = ()
    later = frame.in_function
    if frame.node.type == "shorthand_property_identifier":
        return [Doubt((None,), frame.node, "the object is handed on here", later)]
    if frame.node.type == "shorthand_property_identifier_pattern":
        return [Doubt((), frame.node, "the variable is assigned here by destructuring", later)]
    while (parent_frame := frame.parent) is not None:
        node, parent = frame.node, parent_frame.node

        def doubt(at: Path, reason: str, place: Node = parent) -> list[Use]:
            return [*found, Doubt(at, place, reason, later)]

        match parent.type:
            case "member_expression" if parent.child_by_field_name("object") == node:
                path = (*path, source.read(field(parent, "property")))
            case "subscript_expression" if parent.child_by_field_name("object") == node:
                path = (*path, _index(source, field(parent, "index")))
            case "subscript_expression":
                return found
            case "parenthesized_expression":
                pass
            case "assignment_expression" if parent.child_by_field_name("left") == node:
                if not parent_frame.unconditional:
                    return doubt(path, "it depends on the program's course whether this assignment happens")
                return [*found, Write(path, parent, field(parent, "right"))]
            case "assignment_expression":
                target = unwrapped(field(parent, "left"))
                if target.type == "identifier" and parent_frame.unconditional:
                    found.append(Alias(path, parent, source.read(target)))
                elif _text(source, target) != "module.exports":
                    found.append(Doubt((*path, None), parent, "the object is also kept here", later))
            case "augmented_assignment_expression" | "update_expression":
                if parent.child_by_field_name("left") == node or parent.type == "update_expression":
                    return doubt(path, "this changes the value by computing")
                return doubt((*path, None), "the object is handed on here")
            case "unary_expression" if source.read(field(parent, "operator")) == "delete":
                if parent_frame.parent is None or not parent_frame.parent.unconditional:
                    return doubt(path, "it depends on the program's course whether this is deleted")
                return [*found, Deletion(path, parent)]
            case "variable_declarator":
                name = field(parent, "name")
                if name.type == "identifier" and not parent_frame.unconditional:
                    return doubt((*path, None), "the object is also kept here")
                if name.type == "identifier":
                    return [*found, Alias(path, parent, source.read(name))]
                return [*found, *_destructured(source, name, path, later)]
            case "call_expression" | "new_expression":
                if path and path[-1] in _LOOKING_METHODS | _VISITING_METHODS and _only_reads(source, parent, path[-1]):
                    return found
                return doubt((*path[:-1], None), "a method that is called on the object may change it")
            case "arguments" if parent_frame.parent is not None:
                call = parent_frame.parent.node
                callee = call.child_by_field_name("function")
                called = _text(source, callee) if callee is not None else ""
                if _LOOKING.fullmatch(called):
                    return found
                given = members(parent)
                if called == "Object.assign" and given[0] == node:
                    if not parent_frame.unconditional:
                        return doubt((*path, None), "it depends on the program's course whether this happens")
                    found.append(Merge(path, call, tuple(given[1:])))
                    frame = parent_frame.parent
                    continue
                if called in ("Object.assign", "Object.entries", "Object.values"):
                    return doubt((*path, None, None), "the values are also handed on here", call)
                return doubt((*path, None), "the call gets the object and may change it", call)
            case "ternary_expression" if parent.child_by_field_name("condition") == node:
                return found
            case "binary_expression" if source.read(field(parent, "operator")) not in ("||", "&&", "??"):
                return found
            case "ternary_expression" | "binary_expression" | "await_expression" | "sequence_expression":
                pass
            case "for_in_statement":
                if parent.child_by_field_name("left") == node:
                    return doubt(path, "a loop assigns to this")
                if source.read(field(parent, "operator")) == "in":
                    return found
                return doubt((*path, None, None), "a loop gets the values")
            case "spread_element":
                return doubt((*path, None, None), "the values are also kept in another object")
            case reading if reading in _READING_PARENTS:
                return found
            case "pair" | "array" | "return_statement" | "arrow_function" | "throw_statement" | "yield_expression":
                return doubt((*path, None), "the object is handed on here")
            case _:
                return doubt(path, "what happens to the object here is not certain")
        frame = parent_frame
    return found


def _only_reads(source: Source, call: Node, method: str | None) -> bool:
    """Whether a method that hands the elements to a function gets one that only reads them (`u => u.username`)."""
    if method in _LOOKING_METHODS:
        return True
    pending = members(field(call, "arguments")) if call.type == "call_expression" else []
    if len(pending) != 1 or pending[0].type != "arrow_function":
        return False
    while pending:
        node = pending.pop()
        if node.type in _ACTING:
            return False
        pending.extend(node.named_children)
    return True


def _index(source: Source, node: Node) -> str | None:
    try:
        value = literal(source, node)
    except NotLiteral:
        return None
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None


def _destructured(source: Source, pattern: Node, path: Path, later: bool) -> list[Use]:
    """`const { a, b: c } = object` hands on single values; anything richer may hand on all of them."""
    found: list[Use] = []
    for member in members(pattern):
        name: Path = (None,)
        if member.type == "shorthand_property_identifier_pattern":
            name = (source.read(member),)
        elif member.type == "pair_pattern":
            name = (source.read(field(member, "key")),)
        found.append(Doubt((*path, *name, None), pattern, "the value is handed on here", later))
    return found


def _text(source: Source, node: Node) -> str:
    return "".join(source.read(node).split())
