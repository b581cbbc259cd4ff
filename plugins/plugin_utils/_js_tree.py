# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: JavaScript text as a syntax tree. All offsets are bytes, as tree-sitter counts them."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ._settings_error import MissingLibraryError, SettingsError

try:
    import tree_sitter
    import tree_sitter_javascript
except ImportError as error:
    _IMPORT_ERROR: ImportError | None = error
else:
    _IMPORT_ERROR = None

if TYPE_CHECKING:
    from tree_sitter import Node

COMMENTS = frozenset({"comment", "html_comment"})
FUNCTIONS = frozenset(
    {
        "arrow_function",
        "function_declaration",
        "function_expression",
        "generator_function",
        "generator_function_declaration",
        "method_definition",
    }
)
# Deeper than any settings file; Python's own recursion limit is about 1000 frames.
DEEPEST = 100

_UNDECODABLE = re.compile("[\udc80-\udcff]")
_INDENT = re.compile(rb"[ \t]*")
_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


@functools.cache
def _parser() -> tree_sitter.Parser:
    if _IMPORT_ERROR is not None:
        raise MissingLibraryError("tree-sitter with tree-sitter-javascript", _IMPORT_ERROR)
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_javascript.language()))


# All in one, since each query is a walk through the whole tree.
_MARKED = """
    (string) @string
    (object ["{" ","] . (comment)* . "," @comma)
    (arguments ["(" ","] . (comment)* . "," @comma)
    (await_expression) @await
    (try_statement !handler !finalizer) @try
    (jsx_element) @markup
    (jsx_self_closing_element) @markup
    (lexical_declaration kind: "const" (variable_declarator !value) @constant)
    (shorthand_property_identifier) @shorthand
"""


@functools.cache
def _marked() -> tree_sitter.Query:
    return tree_sitter.Query(tree_sitter.Language(tree_sitter_javascript.language()), _MARKED)


class Source:
    """A JavaScript text with its syntax tree.

    Bytes that are no UTF-8 come as surrogate escapes (PEP 383) and stay what they are.
    """

    def __init__(self, text: str, filename: str = "settings.js") -> None:
        self.text = text
        self.filename = filename
        try:
            self.bytes = readable = text.encode()
        except UnicodeEncodeError:
            self.bytes = _with_undecodable_bytes(text, filename)
            # The parser gets another byte for each that it could not decode, so that all offsets stay true.
            readable = _UNDECODABLE.sub("\x01", text).encode()
        self.text_start = 3 if self.bytes.startswith(b"\xef\xbb\xbf") else 0
        self.root = _parser().parse(readable).root_node

    def read(self, node: Node) -> str:
        """The node's source text."""
        return self.cut(node.start_byte, node.end_byte)

    def cut(self, start: int, end: int) -> str:
        """The source text between two offsets."""
        return self.bytes[start:end].decode("utf-8", "surrogateescape")

    def line_start(self, offset: int) -> int:
        """Where the line that holds the offset begins."""
        start = self.bytes.rfind(b"\n", 0, offset) + 1
        return max(start, self.bytes.rfind(b"\r", start, offset) + 1)

    def line_end(self, offset: int) -> int:
        """Where the line that holds the offset ends: at its line break or at the end of the text."""
        line_feed = self.bytes.find(b"\n", offset)
        end = len(self.bytes) if line_feed < 0 else line_feed
        carriage_return = self.bytes.find(b"\r", offset, end)
        return end if carriage_return < 0 else carriage_return

    def next_line(self, offset: int) -> int:
        """Where the line after the one that holds the offset begins."""
        end = self.line_end(offset)
        return end + (2 if self.bytes[end : end + 2] == b"\r\n" else 1 if end < len(self.bytes) else 0)

    def indent(self, offset: int) -> str:
        """The white space that begins the line which holds the offset."""
        match = _INDENT.match(self.bytes, max(self.line_start(offset), self.text_start))
        return match[0].decode() if match else ""

    def begins_line(self, offset: int) -> bool:
        """Whether nothing but white space stands before the offset on its line."""
        return not self.bytes[max(self.line_start(offset), self.text_start) : offset].strip()

    def ends_line(self, offset: int) -> bool:
        """Whether nothing but white space stands from the offset to the end of its line."""
        return not self.bytes[offset : self.line_end(offset)].strip()

    @functools.cached_property
    def marked(self) -> dict[str, list[Node]]:
        """The strings of the file, and what only looks like JavaScript, in the order of the text."""
        found = tree_sitter.QueryCursor(_marked()).captures(self.root)
        return {name: sorted(nodes, key=lambda node: node.start_byte) for name, nodes in found.items()}

    def usual_quote(self) -> str:
        """The quote that most strings of the file have."""
        quotes = [self.bytes[node.start_byte] for node in self.marked.get("string", [])]
        return "'" if quotes.count(ord("'")) * 2 > len(quotes) else '"'

    def error(self, problem: str, place: Node | int, remedy: str) -> SettingsError:
        """An error at a node or byte offset."""
        offset = place if isinstance(place, int) else place.start_byte
        characters = len(self.bytes[:offset].decode("utf-8", "surrogateescape"))
        return SettingsError(problem, remedy=remedy, filename=self.filename, text=self.text, offset=characters)


def _with_undecodable_bytes(text: str, filename: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise SettingsError(
            "the text holds half of a surrogate pair, which no file can hold",
            remedy="Read the file as UTF-8.",
            filename=filename,
            text=text.encode("utf-8", "replace").decode(),
            offset=error.start,
        ) from None


def too_deep(source: Source, node: Node) -> SettingsError:
    """The error for a value that is nested deeper than can be followed."""
    return source.error("this value is nested too deeply", node, "Write it flatter, or set it as one {'$js': ...}.")


def unwrapped(node: Node) -> Node:
    """The expression without the parentheses around it."""
    while node.type == "parenthesized_expression":
        inner = [child for child in node.named_children if child.type not in COMMENTS]
        if len(inner) != 1:
            break
        node = inner[0]
    return node


def members(node: Node) -> list[Node]:
    """What stands in an object, array, argument list or block, without comments and punctuation."""
    return [child for child in node.named_children if child.type not in COMMENTS]


def field(node: Node, name: str) -> Node:
    """A field that the grammar promises."""
    child = node.child_by_field_name(name)
    if child is None:
        raise AssertionError(f"{node.type} without {name}")
    return child


def leaves(node: Node) -> Iterator[Node]:
    """All tokens of a node in order, comments too."""
    return (each for each in _walk(node) if not _is_inner(each) and each.end_byte > each.start_byte)


def meaning(source: Source, node: Node) -> tuple[str, ...]:
    """What decides whether two expressions are one: their tokens and how these belong together.

    White space and comments count only where they part two statements (`return` and its value on the next line).
    """
    return tuple(
        each.type if _is_inner(each) else source.read(each).replace("\r\n", "\n")
        for each in _walk(node)
        if each.type not in COMMENTS
    )


def _walk(node: Node) -> Iterator[Node]:
    """A node and all in it, in order, without what is inside comments."""
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        if _is_inner(current):
            pending.extend(reversed(current.children))


def _is_inner(node: Node) -> bool:
    return node.child_count > 0 and node.type not in COMMENTS


def comments(source: Source, start: int, end: int, within: Node) -> list[str]:
    """The comments of a node that lie between two offsets, each as it stands."""
    text = source.bytes[start:end]
    if b"//" not in text and b"/*" not in text and b"<!--" not in text:
        return []
    return [
        source.read(leaf).rstrip("\r\n")
        for leaf in leaves(within)
        if leaf.type in COMMENTS and start <= leaf.start_byte and leaf.end_byte <= end
    ]


def is_identifier(name: str) -> bool:
    """Whether a name can stand unquoted as a key."""
    return _IDENTIFIER.fullmatch(name) is not None
