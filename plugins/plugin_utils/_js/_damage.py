# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: why a file is not JavaScript, in words that help to correct it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .._core._errors import SettingsError
from ._tree import COMMENTS, FUNCTIONS, RESERVED, Source, field, leaves, members

if TYPE_CHECKING:
    from tree_sitter import Node

_CHECK = "Correct the file (node --check shows what Node.js reports), then run again."
_CONFLICT = re.compile(rb"^(?:<{7}|>{7})[ \t]", re.MULTILINE)
# How far above the first error of the parser the missing comma is looked for, in tokens, and in files up to which
# size, in bytes: each place costs a parse.
_TOKENS_BEFORE = 12
_LARGEST_TO_MEND = 64 * 1024

# From a web page or a word processor: quotes, dashes and dots, and what cannot be seen.
_TYPOGRAPHIC = re.compile("[\u00ab\u00ad\u00bb\u2013\u2014\u2018-\u201f\u2026\u2039\u203a\u200b\u2060]")
_INVISIBLE = "\u00ad\u200b\u2060"
# Node.js gives them to each module.
_GIVEN = ("__dirname", "__filename", "exports", "module", "require")


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


def refused_by_node(source: Source) -> SettingsError | None:
    """The error for what the parser takes for JavaScript, and Node.js does not.

    Only what people happen to write; for all else the file is loaded on the machine before it replaces the old one.
    """
    found = min(_refused(source), key=lambda each: each[0], default=None)
    return source.error(found[1], found[0], f"{found[2]} {_CHECK}") if found is not None else None


def _refused(source: Source) -> Iterator[tuple[int, str, str]]:
    """Place, problem and remedy of each."""
    for comma in source.all(","):
        yield comma.start_byte, "this comma follows another one, or nothing", "Take it out."
    for each in source.all("await_expression"):
        source.go_on()
        if not _in_async_function(source, each):
            yield each.start_byte, "await is only allowed in an async function", "Write async in front of the function."
    for each in source.all("try_statement"):
        if each.child_by_field_name("handler") is None and each.child_by_field_name("finalizer") is None:
            yield each.start_byte, "this try has no catch and no finally", "Add catch (error) { ... }."
    for each in source.all("jsx_element") + source.all("jsx_self_closing_element"):
        yield each.start_byte, "this is HTML, not JavaScript", "Put it in quotes, or take it out."
    for each in source.all("lexical_declaration"):
        for declarator in members(each) if field(each, "kind").type == "const" else []:
            if declarator.child_by_field_name("value") is None:
                place = declarator.start_byte
                yield place, "a const needs a value where it is declared", "Give it one, or write let."
    for each in source.all("shorthand_property_identifier"):
        if source.read(each) in RESERVED:
            yield each.start_byte, f"{source.read(each)} is no name of a variable", "Add : and the value."
    yield from _typographic(source)
    yield from _declared_again(source)


def _in_async_function(source: Source, node: Node) -> bool:
    functions = [each for each in source.ancestors(node) if each.type in FUNCTIONS]
    return bool(functions) and any(child.type == "async" for child in functions[-1].children)


def _typographic(source: Source) -> Iterator[tuple[int, str, str]]:
    place = done = 0
    for match in _TYPOGRAPHIC.finditer(source.text) if not source.text.isascii() else ():
        source.go_on()
        place += len(source.text[done : match.start()].encode("utf-8", "surrogateescape"))
        done = match.start()
        node = source.node_at(place)
        if node.child_count == 0 and not node.type.endswith("identifier"):
            # In a string or a comment.
            continue
        if match[0] in _INVISIBLE:
            yield place, f"here is an invisible character (U+{ord(match[0]):04X})", "Delete it."
        else:
            yield place, f"{match[0]} is no character of JavaScript", "Write plain quotes, dashes and dots."
        return


def _declared_again(source: Source) -> Iterator[tuple[int, str, str]]:
    """Variables of the file that are declared twice, which only those of `var` and functions may be."""
    known = dict.fromkeys(_GIVEN, False)
    for statement in members(source.root):
        only_once = statement.type in ("lexical_declaration", "class_declaration")
        listed = statement.type in ("lexical_declaration", "variable_declaration")
        if not (only_once or listed or statement.type == "function_declaration"):
            continue
        for declarator in members(statement) if listed else [statement]:
            name = source.read(field(declarator, "name"))
            if name in known and (only_once or known[name]):
                yield declarator.start_byte, f"the variable {name} is there already", "Take one declaration out."
            known[name] = only_once


def _first_error(source: Source) -> Node:
    """The first error of the parser."""
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
    place = source.bytes.find(b"#")
    while place >= 0:
        source.go_on()
        start = place
        while source.bytes[start - 1 : start] in (b" ", b"\t"):
            start -= 1
        if start <= source.text_start or source.bytes[start - 1] in b"\r\n":
            node = source.node_at(place)
            # The parser takes #name for a private member anywhere, Node.js only in classes.
            while node.type in ("#", "private_property_identifier") and node.parent is not None:
                node = node.parent
            if node.type in ("pair", "object", "ERROR"):
                return place
        place = source.bytes.find(b"#", place + 1)
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
    if len(source.bytes) > _LARGEST_TO_MEND:
        return None
    before: list[Node] = []
    for leaf in leaves(source.root):
        if leaf.start_byte > node.end_byte:
            break
        if leaf.type not in COMMENTS:
            before.append(leaf)
    for leaf in reversed(before[-_TOKENS_BEFORE:]):
        end = leaf.end_byte
        candidate = source.bytes[:end] + b"," + source.bytes[end:]
        mended = Source(candidate.decode("utf-8", "surrogateescape"), source.filename, source.patience)
        if not mended.root.has_error:
            return end
    return None
