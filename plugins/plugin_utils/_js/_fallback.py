# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the number that an expression comes to where the environment says nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._scopes import declarations
from ._tree import Source, field, unwrapped
from ._uses import Doubt, Write, uses

if TYPE_CHECKING:
    from tree_sitter import Node

# How many variables may stand for each other.
_DEEPEST = 5


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
            case "identifier" if variables < _DEEPEST:
                variables += 1
                node = _made(source, source.read(node))
            case _:
                return None
    return None


def _reads_environment(source: Source, node: Node) -> bool:
    return "process.env" in source.read(node)


def _made(source: Source, variable: str) -> Node | None:
    """The value that a variable is declared with; None where it may get another one."""
    found = declarations(source, variable)
    if len(found) != 1 or not found[0].unconditional or found[0].node.type != "variable_declarator":
        return None
    if any(isinstance(use, Write | Doubt) and not use.path for use in uses(source, variable)):
        return None
    return found[0].node.child_by_field_name("value")
