# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the number that an expression comes to where the environment says nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._effects import has_no_effect
from ._scopes import Frame, declarations, is_visible, mentions
from ._tree import FUNCTIONS, Source, field, unwrapped
from ._uses import Alias, Doubt, Read, Write, uses

if TYPE_CHECKING:
    from tree_sitter import Node

# How many variables may stand for each other.
_DEEPEST = 5
_PROCESS = re.compile(r"""process|require\((["'])(?:node:)?process\1\)""")
_PATTERNS = {"assignment_pattern", "object_assignment_pattern", "object_pattern", "pair_pattern"}


def fallback(source: Source, node: Node | None) -> Node | None:
    """The number literal in `process.env.PORT || 1880`, in a variable and behind a condition too; None if unsure.

    BeagleBone's settings file has `var port = process.env.LISTEN_PID > 0 ? 'systemd' : 1880;` above its object, and
    `uiPort: process.env.PORT || port` in it.
    """
    variables = 0
    while node is not None:
        node = unwrapped(node)
        match node.type:
            case "number":
                return node
            case "binary_expression" if source.read(field(node, "operator")) in ("||", "??"):
                node = field(node, "right") if _reads_environment(source, field(node, "left")) else None
            case "ternary_expression":
                node = field(node, "alternative") if _reads_environment(source, field(node, "condition")) else None
            case "identifier" | "shorthand_property_identifier" if variables < _DEEPEST:
                variables += 1
                node = _made(source, node)
            case _:
                return None
    return None


def _reads_environment(source: Source, node: Node, depth: int = 0) -> bool:
    """Whether an expression has to do with the environment, itself or through a variable."""
    if "process.env" in source.read(node):
        return True
    pending = [node] if depth <= _DEEPEST else []
    while pending:
        node = pending.pop()
        if node.type == "identifier" and (binding := _binding(source, node)) is not None and binding.default is None:
            is_environment = binding.is_member and _PROCESS.fullmatch(source.read(binding.value))
            if is_environment or _reads_environment(source, binding.value, depth + 1):
                return True
        if node.type not in FUNCTIONS:
            pending.extend(node.named_children)
    return False


@dataclass(frozen=True)
class _Binding:
    """What a variable is declared with: `value`, or a member of it that is `default` where it is missing."""

    name: Node
    value: Node
    is_member: bool = False
    default: Node | None = None


def _made(source: Source, variable: Node) -> Node | None:
    """The value that a variable is declared with; None where it is not certain, or other settings depend on it."""
    binding = _binding(source, variable)
    if binding is None:
        return None
    for use in uses(source, source.read(variable), variable):
        flow = use.flow if isinstance(use, Read) else use.mention if isinstance(use, Alias) else None
        if flow is not None and flow.node != binding.name and not has_no_effect(source, flow):
            return None
    if not binding.is_member:
        return binding.value
    return binding.default if _reads_environment(source, binding.value) else None


def _binding(source: Source, variable: Node) -> _Binding | None:
    """The only declaration of the variable that a node mentions, if nothing else gives it a value."""
    name = source.read(variable)
    if not is_visible(source, name, variable):
        return None
    found = {frame.node: binding for frame in mentions(source, name) if (binding := _declared(frame)) is not None}
    if len(found) != 1:
        return None
    node, binding = next(iter(found.items()))
    changes = (use for use in uses(source, name, node) if isinstance(use, Write | Doubt) and not use.path)
    others = any(declared.node.child_by_field_name("name") != node for declared in declarations(source, name))
    return None if others or any(changes) else binding


def _declared(frame: Frame) -> _Binding | None:
    """What the name in a declaration gets: `x = value`, `{ x } = value`, `{ key: x = default } = value`."""
    default: Node | None = None
    is_member = False
    name, parent = frame.node, frame.parent
    while parent is not None and parent.node.type in _PATTERNS:
        if parent.node.type in ("assignment_pattern", "object_assignment_pattern"):
            if field(parent.node, "left") != frame.node:
                return None
            default = field(parent.node, "right")
        is_member = is_member or parent.node.type == "object_pattern"
        frame, parent = parent, parent.parent
    if parent is None or parent.node.type != "variable_declarator" or not parent.unconditional:
        return None
    value = parent.node.child_by_field_name("value")
    if value is None or field(parent.node, "name") != frame.node:
        return None
    return _Binding(name, value, is_member, default)
