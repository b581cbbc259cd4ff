# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: whether what a program reads from a variable can change what the file exports.

Reading is without effect where the value is only printed, compared for what is printed, or put into a variable of
which the same is true; also in a function that Node-RED calls after it has loaded the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._scopes import Frame, declares, is_visible, mentions
from ._tree import FUNCTIONS, Source, field, members
from ._uses import CHANGING, Read, Write, is_looking_call, is_printing, uses

if TYPE_CHECKING:
    from tree_sitter import Node

# Variables that get their value from each other.
_DEEPEST = 20
_BLOCKS = {"program", "statement_block", "switch_case", "switch_default", "class_static_block"}
# Expressions around a function that only hand it on, so that it is called later.
_KEEPING_FUNCTIONS = {"pair", "shorthand_property_identifier"}


def has_no_effect(source: Source, mention: Frame, depth: int = 0) -> bool:
    """Whether nothing that the file exports can depend on what is read at the mention of a variable."""
    function = _function_around(mention)
    frame = mention
    while frame.parent is not None and frame.parent.node.type not in _BLOCKS and frame.parent != function:
        frame = frame.parent
        if frame.node.type == "arguments" and frame.parent is not None and is_printing(source, frame.parent.node):
            return True
        if frame.node.type == "variable_declarator" and function is None:
            return _declares_without_effect(source, frame.node, mention.node, depth)
        if frame.node.type == "class_body":
            return False
    return _only_looks(source, frame.node) if function is None else _runs_later(source, function, depth)


def needs_members(source: Source, name: str) -> bool:
    """Whether code uses a member of what a variable holds."""
    return any(len(use.path) > (0 if isinstance(use, Read | Write) else 1) for use in uses(source, name) if use.path)


def assigns(source: Source, value: Node) -> bool:
    """Whether an expression, once it is gone, leaves a variable without its value (`adminAuth: auth = {}`)."""
    if "=" not in source.read(value) and "+" not in source.read(value) and "--" not in source.read(value):
        return False
    pending = [value]
    while pending:
        node = pending.pop()
        if node.type in CHANGING:
            return True
        if node.type not in FUNCTIONS:
            pending.extend(node.named_children)
    return False


def _function_around(frame: Frame) -> Frame | None:
    while frame.node.type not in FUNCTIONS:
        if frame.parent is None:
            return None
        frame = frame.parent
    return frame


def _declares_without_effect(source: Source, declarator: Node, read: Node, depth: int) -> bool:
    name, value = field(declarator, "name"), declarator.child_by_field_name("value")
    if value is not None and value == read and value.type == "assignment_expression":
        # `const a = exports.a = 1`
        value = field(value, "right")
    if depth > _DEEPEST or (value is not None and not _only_looks(source, value)):
        return False
    return all(
        is_visible(source, source.read(each), declarator)
        and all(
            declares(mention) or mention.node == each or has_no_effect(source, mention, depth + 1)
            for mention in mentions(source, source.read(each))
        )
        for each in _bound(name)
    )


def _bound(pattern: Node) -> list[Node]:
    """The names that a declaration gives a value."""
    found = []
    pending = [pattern]
    while pending:
        node = pending.pop()
        if node.type in ("identifier", "shorthand_property_identifier_pattern"):
            found.append(node)
        elif node.type in ("assignment_pattern", "object_assignment_pattern"):
            pending.append(field(node, "left"))
        elif node.type == "pair_pattern":
            pending.append(field(node, "value"))
        else:
            pending += members(node)
    return found


def _runs_later(source: Source, function: Frame, depth: int) -> bool:
    """Whether a function is certainly not called while the file is loaded."""
    node, parent = function.node, function.parent
    if depth > _DEEPEST or parent is None:
        return False
    if node.type == "method_definition":
        return all(child.type != "get" for child in node.children)
    if parent.node.type == "pair":
        return True
    if parent.node.type == "assignment_expression":
        return _is_assigned_to_a_member(parent, node)
    name = (parent.node if parent.node.type == "variable_declarator" else node).child_by_field_name("name")
    is_declared = parent.node.type == "variable_declarator" or node.type.endswith("_declaration")
    if not is_declared or name is None or not is_visible(source, source.read(name), name):
        return False
    return all(
        declares(mention) or _is_kept(source, mention, depth + 1) for mention in mentions(source, source.read(name))
    )


def _is_assigned_to_a_member(frame: Frame, value: Node) -> bool:
    node = frame.node
    is_value = node.type == "assignment_expression" and field(node, "right") == value
    return is_value and field(node, "left").type == "member_expression"


def _is_kept(source: Source, mention: Frame, depth: int) -> bool:
    """Whether the mention of a function only hands it on, or stands in a function that runs later itself."""
    if mention.node.type in _KEEPING_FUNCTIONS:
        return True
    if mention.parent is not None and mention.parent.node.type in _KEEPING_FUNCTIONS:
        return True
    if mention.parent is not None and _is_assigned_to_a_member(mention.parent, mention.node):
        return True
    around = _function_around(mention)
    return around is not None and _runs_later(source, around, depth)


def _only_looks(source: Source, node: Node) -> bool:
    """Whether code changes nothing but variables of its own."""
    pending = [node]
    while pending:
        node = pending.pop()
        if node.type in CHANGING or node.type == "variable_declaration":
            return False
        if node.type == "unary_expression" and source.read(field(node, "operator")) == "delete":
            return False
        if node.type == "call_expression" and not is_looking_call(source, node):
            return False
        pending.extend(node.named_children)
    return True
