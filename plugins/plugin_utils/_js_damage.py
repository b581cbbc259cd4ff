# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: why a file does not parse, in words that help to mend it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ._js_tree import COMMENTS, Source, leaves
from ._settings_error import SettingsError

if TYPE_CHECKING:
    from tree_sitter import Node

_CHECK = "Mend the file (node --check shows Node.js's view of it), then run again."
_CONFLICT = re.compile(rb"^(?:<{7}|>{7})[ \t]", re.MULTILINE)
_NUMBER_SIGN = re.compile(rb"^[ \t]*#", re.MULTILINE)
# How far above the place where the parser stumbles the missing comma is looked for, in tokens.
_TOKENS_BEFORE = 12


def damage(source: Source) -> SettingsError | None:
    """The error for a file that is not JavaScript; None where it is."""
    number_sign = _number_sign(source)
    if number_sign is not None:
        return source.error("# begins no comment in JavaScript", number_sign, f"Write // instead. {_CHECK}")
    if not source.root.has_error:
        return None
    node = _first_error(source)
    comma = _missing_comma(source, node)
    if comma is not None:
        return source.error("a comma is missing here, so this is not JavaScript", comma, f"Add the comma. {_CHECK}")
    conflict = _CONFLICT.search(source.bytes)
    if conflict is not None:
        place = conflict.start()
        return source.error("a merge conflict is left in the file", place, f"Choose one of the two versions. {_CHECK}")
    bracket = _unclosed_bracket(source)
    if bracket is not None:
        problem = f"this {source.read(bracket)} is never closed, or something inside it is not"
        return source.error(problem, bracket, _CHECK)
    if node.is_missing:
        return source.error(f"a {node.type} is missing here, so this is not JavaScript", node, _CHECK)
    return source.error("this is not JavaScript", node, _CHECK)


def _first_error(source: Source) -> Node:
    """The first place where the parser stumbled."""
    pending = [source.root]
    while pending:
        node = pending.pop()
        if node.is_missing or (node.is_error and not any(child.has_error for child in node.children)):
            return node
        if node.has_error:
            pending.extend(child for child in reversed(node.children) if child.has_error or child.is_missing)
    return source.root


def _number_sign(source: Source) -> int | None:
    """A line that begins with # as if that made it a comment."""
    for match in _NUMBER_SIGN.finditer(source.bytes, source.text_start):
        node = source.root.descendant_for_byte_range(match.end() - 1, match.end())
        # The parser takes #name for a private member anywhere, Node.js only in classes.
        while node is not None and node.type in ("#", "private_property_identifier"):
            node = node.parent
        if node is not None and node.type in ("pair", "object", "ERROR"):
            return match.end() - 1
    return None


def _unclosed_bracket(source: Source) -> Node | None:
    """The innermost bracket that is still open at the end of the text."""
    opened: list[Node] = []
    for leaf in leaves(source.root):
        if leaf.type in ("(", "[", "{", "${"):
            opened.append(leaf)
        elif leaf.type in (")", "]", "}") and opened:
            opened.pop()
    return opened[-1] if opened else None


def _missing_comma(source: Source, node: Node) -> int | None:
    """Where one more comma makes the file parse."""
    before: list[Node] = []
    for leaf in leaves(source.root):
        if leaf.start_byte > node.end_byte:
            break
        if leaf.type not in COMMENTS:
            before.append(leaf)
    for leaf in reversed(before[-_TOKENS_BEFORE:]):
        end = leaf.end_byte
        candidate = source.bytes[:end] + b"," + source.bytes[end:]
        if not Source(candidate.decode("utf-8", "surrogateescape"), source.filename).root.has_error:
            return end
    return None
