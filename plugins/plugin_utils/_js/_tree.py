# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: JavaScript text as a syntax tree. All offsets are bytes, as tree-sitter counts them."""

from __future__ import annotations

import array
import bisect
import contextlib
import functools
import itertools
import re
import time
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from ...module_utils._core import _masking
from ...module_utils._core._masking import Span
from .._core._errors import MissingLibraryError, SettingsError

try:
    import tree_sitter
    import tree_sitter_javascript
except ImportError as error:
    _IMPORT_ERROR: ImportError | None = error
else:
    _IMPORT_ERROR = None

if TYPE_CHECKING:
    from tree_sitter import Node

    from ._layout import Change
    from ._objects import Entry
    from ._scopes import Frame

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
# What holds text that can be a secret.
TEXTS = COMMENTS | {"jsx_text", "regex", "string", "template_string"}
# The types of nodes that are looked for in a whole file.
_SOUGHT = {
    "await_expression",
    "jsx_element",
    "jsx_self_closing_element",
    "lexical_declaration",
    "try_statement",
}
# JavaScript's reserved words, and those that stand for a value.
_WORDS = """
    break case catch class const continue debugger default delete do else enum export extends false finally for
    function if import in instanceof new null return super switch this throw true try typeof var void while with
"""
RESERVED = frozenset(_WORDS.split())
# How many characters mark the beginning of each; others have one.
_MARKS = {"comment": 2, "html_comment": 4, "jsx_text": 0}
# Deeper than any settings file; Python's own recursion limit is about 1000 frames.
DEEPEST = 100
# Ten times the settings file that Node-RED 4.1 comes with, in bytes.
LARGEST = 256 * 1024
# More than a file of that size has with one setting a line. What the engine remembers takes 300 to 600 bytes for each
# node, so no file takes more than about 60 MB.
MOST_NODES = 100_000
# tree-sitter crashes at about 85000 brackets that are never closed (0.26, with a stack of 8 MiB).
MOST_BRACKETS = 20000
# Levels of the syntax tree. Minified code stays far below it, too.
DEEPEST_TREE = 1000
# Seconds of computing time for one edit, of which a run makes many. 60 KB of code take 0.15 (x86, 2 GHz), the file that
# Node-RED comes with 0.002. tree-sitter's search for a way to go on in a broken file, and following variables, can take
# minutes.
LONGEST = 1.0
# How much of the text the parser gets at once, in bytes; between two pieces the time is checked. It gets large ones as
# long as it took less time than this, in seconds: only broken code needs a check so often that it can be felt.
_PIECE = 256
_LARGE_PIECE = 4096
_QUICK = 0.01
# Longer lines, in bytes, are found by a table.
_LONG_LINE = 500
# Of a text with more changes, all is parsed again: each one costs tree-sitter a walk through what was removed before.
_FEW_CHANGES = 50
# After so many steps, the time is checked.
_STEPS = 64
# A node with so many children or more gets a list of them.
_MANY_CHILDREN = 1000

_UNDECODABLE = re.compile("[\udc80-\udcff]")
_BLANKS = re.compile(rb"[ \t\f\v]*")
_WORD = re.compile(rb"[A-Za-z_$][\w$]*")
_INDENT = re.compile(rb"[ \t]*")
# Code without white space has one of these where it has a node that is looked for, or quotes that begin no string. Some
# make it be looked into for nothing.
_SIGN = re.compile(
    rb"await|const|try|[<`]|/[/*]|[({,],|[{,](?:%s)[,}]|[\x80-\xff]" % "|".join(sorted(RESERVED)).encode()
)
# Code up to so many bytes is searched for such a sign before its tree is gone through.
_SHORT = 500
_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


@functools.cache
def _parser() -> tree_sitter.Parser:
    if _IMPORT_ERROR is not None:
        raise MissingLibraryError("tree-sitter with tree-sitter-javascript", _IMPORT_ERROR)
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_javascript.language()))


class Patience:
    """How much longer to work on a file. Counts the computing time of this thread, so a busy machine costs nothing."""

    def __init__(self, seconds: float | None = None) -> None:
        self._begun = time.thread_time()
        self.limit = LONGEST if seconds is None else seconds

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Work meanwhile is not work on the file: a bcrypt hash with a cost of 14 takes seconds."""
        begun = time.thread_time()
        yield
        self._begun += time.thread_time() - begun

    def restart(self) -> None:
        """Begin to count again, for other work."""
        self._begun = time.thread_time()

    def used(self) -> float:
        """The seconds that the work took so far."""
        return time.thread_time() - self._begun

    def is_over(self) -> bool:
        """Whether the time is used up."""
        return self.used() > self.limit


class Source:
    """A JavaScript text with its syntax tree.

    Bytes that are no UTF-8 come as surrogate escapes (PEP 383) and stay what they are. A text that is too large, too
    deeply nested or too confusing to be read in time is refused. `like` is the tree of another text with the edits that
    lead from that to this one: what it has outside of them is not parsed again.
    """

    def __init__(
        self,
        text: str,
        filename: str = "settings.js",
        patience: Patience | None = None,
        like: tree_sitter.Tree | None = None,
    ) -> None:
        self.text = text
        self.filename = filename
        self.patience = patience or Patience()
        if len(text) > LARGEST:
            raise self._too_large()
        try:
            self.bytes = readable = text.encode()
        except UnicodeEncodeError:
            self.bytes = _with_undecodable_bytes(text, filename)
            # The parser gets another byte for each that it could not decode, so that all offsets stay true.
            readable = _UNDECODABLE.sub("\x01", text).encode()
        self._refuse_brackets()
        self.text_start = 3 if self.bytes.startswith(b"\xef\xbb\xbf") else 0
        self._tree = self._parsed(readable, like)
        # What `_scopes` has found out about names.
        self.mentions: dict[str, list[Frame]] = {}
        self.places: dict[str, array.array[int]] = {}
        self.own_names: dict[int, frozenset[str]] = {}
        self.names_sought = 0
        # What `_objects` has found out about object literals, by their id and the depth of the question.
        self.entries: dict[tuple[int, int], list[Entry]] = {}
        # The keys that the objects in often mentioned variables can have, by the name and the depth of the question.
        self.possible_keys: dict[tuple[str, int], list[str] | None] = {}
        # The variables whose objects are being found out just now.
        self.in_question: set[str] = set()
        self._steps = 0
        self._children: dict[int, list[Node] | None] = {}
        self._quotes = Counter[int]()
        self._last_margin: tuple[int, bytes] | None = None
        self._refuse_nodes()
        self._refuse_depth()

    def _too_large(self) -> SettingsError:
        return SettingsError(
            f"the file has more than {LARGEST // 1024} KiB, so it is not edited",
            remedy="Move data and functions into files of their own and load them with require().",
            filename=self.filename,
        )

    def _refuse_brackets(self) -> None:
        if len(self.bytes) - len(self.bytes.translate(None, b"({[")) > MOST_BRACKETS:
            raise SettingsError(
                f"the file has more than {MOST_BRACKETS} opening brackets, so it may be nested too deeply",
                remedy="Move data and functions into files of their own and load them with require().",
                filename=self.filename,
            )

    def edited(self, text: str, changes: list[Change]) -> Source:
        """The text that the changes made of this one, which are in its order, as a source."""
        if len(changes) > _FEW_CHANGES:
            return Source(text, self.filename, self.patience)
        tree = self._tree.copy()
        for change in reversed(changes):
            end = change.start + len(change.text.encode("utf-8", "surrogateescape"))
            # Only offsets are used of the tree, no lines and columns.
            tree.edit(change.start, change.end, end, (0, 0), (0, 0), (0, 0))
        return Source(text, self.filename, self.patience, tree)

    def _parsed(self, readable: bytes, like: tree_sitter.Tree | None) -> tree_sitter.Tree:
        # The tree keeps this function for as long as it lives. Over `self` that would be a cycle that is never freed.
        patience = self.patience

        def piece(offset: int, _point: object) -> bytes:
            used = patience.used()
            if used > patience.limit:
                # Nothing more comes when the time is over, and the parser gives up at the next token.
                return b""
            return readable[offset : offset + (_LARGE_PIECE if used < _QUICK else _PIECE)]

        tree = _parser().parse(piece, like) if like is not None else _parser().parse(piece)
        self._refuse_time()
        return tree

    def _refuse_nodes(self) -> None:
        if self.root.descendant_count > MOST_NODES:
            raise SettingsError(
                f"the file has more than {MOST_NODES} names, values and signs, so it is not edited",
                remedy="Move data and functions into files of their own and load them with require().",
                filename=self.filename,
            )

    def _refuse_depth(self) -> None:
        """Refuse a tree that is too deep. What has too few nodes for that is not looked into."""
        root = self.root
        pending = [(root, 0)] if root.descendant_count > DEEPEST_TREE else []
        while pending:
            node, depth = pending.pop()
            if depth > DEEPEST_TREE:
                problem = f"the code here is nested too deeply to be followed (more than {DEEPEST_TREE} levels)"
                raise self.error(problem, node, "Write it flatter.")
            left = DEEPEST_TREE - depth
            deep = [child for child in all_children(node) if child.descendant_count > left]
            pending += [(child, depth + 1) for child in reversed(deep)]

    def _walk_through(self) -> dict[str, list[Node]]:
        """The nodes that are looked for by their type, in no particular order, and the commas behind no member.

        A tree-sitter query would do, but on a node with many children its time grows with the square of their number.
        """
        found: dict[str, list[Node]] = {",": [], "shorthand_property_identifier": []}
        pending = [self.root]
        while pending:
            node = pending.pop()
            kind = node.type
            if kind == "string":
                self._quotes[self.bytes[node.start_byte]] += 1
                continue
            children = all_children(node)
            if kind in _SOUGHT:
                found.setdefault(kind, []).append(node)
            elif kind in ("arguments", "object"):
                _look_into_list(children, found)
            # Most nodes are comments and have nothing in them.
            pending += [child for child in children if child.child_count and self._may_hold_sought(child)]
        return found

    def _may_hold_sought(self, node: Node) -> bool:
        """Whether to look into a node; the quotes of one that is left out are counted here."""
        start, end = node.start_byte, node.end_byte
        if end - start > _SHORT:
            return True
        text = self.bytes[start:end]
        single, double = text.count(b"'"), text.count(b'"')
        # Where there are both, some may stand inside a string.
        if (single and double) or _SIGN.search(text.translate(None, b" \t\f\v\r\n")):
            return True
        self._quotes[ord("'")] += single // 2
        self._quotes[ord('"')] += double // 2
        return False

    @property
    def root(self) -> Node:
        """The whole program. A node keeps its children, and they theirs, so this is a new one each time."""
        return self._tree.root_node

    @functools.cached_property
    def _sought(self) -> dict[str, list[Node]]:
        return self._walk_through()

    def go_on(self) -> None:
        """Refuse the file if working on it takes too long. To ask for the time takes as long as some steps of work."""
        self._steps += 1
        if self._steps % _STEPS == 0:
            self._refuse_time()

    def _refuse_time(self) -> None:
        if self.patience.is_over():
            raise SettingsError(
                f"to understand this file takes more than {LONGEST:g} s of computing time",
                remedy="Take out what is no setting, or write it simpler. Node-RED's own file takes a moment.",
                filename=self.filename,
            )

    def read(self, node: Node) -> str:
        """The node's source text."""
        return self.cut(node.start_byte, node.end_byte)

    def cut(self, start: int, end: int) -> str:
        """The source text between two offsets."""
        return self.bytes[start:end].decode("utf-8", "surrogateescape")

    @functools.cached_property
    def _lines(self) -> array.array[int]:
        """Where each line begins, and where the text ends."""
        ends = itertools.accumulate(map(len, self.bytes.splitlines(keepends=True)), initial=0)
        return array.array("L", ends)

    def line_start(self, offset: int) -> int:
        """Where the line that holds the offset begins. A line break belongs to the line that it ends."""
        near = max(0, offset - _LONG_LINE)
        start = self.bytes.rfind(b"\n", near, offset) + 1
        if start or near == 0:
            return max(start, self.bytes.rfind(b"\r", start, offset) + 1)
        lines = self._lines
        number = bisect.bisect_right(lines, offset) - 1
        # At the end of the text a line begins only behind a line break.
        at_end = number == len(lines) - 1 and number > 0 and self.bytes[-1:] not in (b"\n", b"\r")
        return lines[number - at_end]

    def line_end(self, offset: int) -> int:
        """Where the line that holds the offset ends: at its line break or at the end of the text."""
        far = offset + _LONG_LINE
        end = self.bytes.find(b"\n", offset, far)
        if end >= 0 or far >= len(self.bytes):
            end = len(self.bytes) if end < 0 else end
            carriage_return = self.bytes.find(b"\r", offset, end)
            return end if carriage_return < 0 else carriage_return
        end = self._next_line(offset)
        if self.bytes[end - 1 : end] == b"\n" and end > offset:
            end -= 1
        return end - 1 if self.bytes[end - 1 : end] == b"\r" and end > offset else end

    def next_line(self, offset: int) -> int:
        """Where the line after the one that holds the offset begins."""
        end = self.line_end(offset)
        return end + (2 if self.bytes[end : end + 2] == b"\r\n" else 1 if end < len(self.bytes) else 0)

    def _next_line(self, offset: int) -> int:
        lines = self._lines
        return lines[min(bisect.bisect_right(lines, offset), len(lines) - 1)]

    def _margin(self, offset: int) -> bytes:
        """All white space that begins the line which holds the offset."""
        start = max(self.line_start(offset), self.text_start)
        # What stands on one line is mostly looked at together, and a line may begin with any number of blanks.
        if self._last_margin is None or self._last_margin[0] != start:
            self._last_margin = start, cast("re.Match[bytes]", _BLANKS.match(self.bytes, start))[0]
        return self._last_margin[1]

    def indent(self, offset: int) -> str:
        """The blanks and tabs that begin the line which holds the offset."""
        margin = self._margin(offset)
        return cast("re.Match[bytes]", _INDENT.match(margin))[0].decode()

    def begins_line(self, offset: int) -> bool:
        """Whether nothing but white space stands before the offset on its line."""
        near = max(self.text_start, offset - _LONG_LINE)
        start = offset
        while start > near and self.bytes[start - 1] in b" \t\f\v":
            start -= 1
        if start > near or near == self.text_start:
            return start <= self.text_start or self.bytes[start - 1] in b"\r\n"
        return offset <= max(self.line_start(offset), self.text_start) + len(self._margin(offset))

    def ends_line(self, offset: int) -> bool:
        """Whether nothing but white space stands from the offset to the end of its line."""
        return cast("re.Match[bytes]", _BLANKS.match(self.bytes, offset)).end() >= self.line_end(offset)

    def all(self, kind: str) -> list[Node]:
        """The nodes of one of the types that are sought, in no particular order; for "," those behind no member."""
        return self._sought.get(kind, [])

    @functools.cached_property
    def words(self) -> dict[bytes, list[int]]:
        """Where each word stands, also in strings and comments."""
        found: dict[bytes, list[int]] = {}
        for match in _WORD.finditer(self.bytes):
            found.setdefault(match[0], []).append(match.start())
        return found

    def child_at(self, node: Node, offset: int) -> Node | None:
        """The first child of a node that ends behind an offset."""
        children = self._listed_children(node) if node.child_count >= _MANY_CHILDREN else None
        if children is None:
            # Node.first_child_for_byte() returns a node that crashes Python where there is none (tree-sitter 0.26).
            cursor = node.walk()
            return cursor.node if cursor.goto_first_child_for_byte(offset) is not None else None
        place = bisect.bisect_right(children, offset, key=lambda child: child.end_byte)
        return children[place] if place < len(children) else None

    def is_last_member(self, node: Node, child: Node) -> bool:
        """Whether a child of a node is the last of what members() lists."""
        follower = self.child_at(node, child.end_byte)
        while follower is not None and (follower.is_extra or not follower.is_named):
            follower = self.child_at(node, follower.end_byte)
        return follower is None

    def _listed_children(self, node: Node) -> list[Node] | None:
        """The children of a node that holds many comments: tree-sitter goes through these one by one."""
        if node.id not in self._children:
            begin, end = node.start_byte, node.end_byte
            comments = self.bytes.count(b"//", begin, end) + self.bytes.count(b"/*", begin, end)
            self._children[node.id] = node.children if comments >= _MANY_CHILDREN else None
        return self._children[node.id]

    def node_at(self, offset: int) -> Node:
        """The smallest node that holds the byte at an offset."""
        node = self.root
        while (child := self.child_at(node, offset)) is not None and child.start_byte <= offset < child.end_byte:
            node = child
        return node

    def ancestors(self, node: Node) -> list[Node]:
        """What holds the node, from the root on. tree-sitter's own `parent` searches from the root for each."""
        found: list[Node] = []
        above: Node | None = self.root
        while above is not None and above != node:
            found.append(above)
            above = self.child_at(above, node.start_byte)
        return found

    def usual_quote(self) -> str:
        """The quote that most strings of the file have."""
        return "'" if self._sought and self._quotes[ord("'")] > self._quotes[ord('"')] else '"'

    def error(self, problem: str, place: Node | int, remedy: str) -> SettingsError:
        """An error at a node or byte offset."""
        offset = place if isinstance(place, int) else place.start_byte
        characters = len(self.cut(0, offset))
        hidden = [span for span, _node in self.texts(self.line_start(offset), self.line_end(offset))]
        return SettingsError(
            problem, remedy=remedy, filename=self.filename, text=self.text, offset=characters, hidden=hidden
        )

    def texts(self, start: int, end: int) -> list[tuple[Span, Node]]:
        """The strings, comments and the like that lie between two offsets or across these, in the order of the text.

        With each comes the place of its content, in characters of the text.
        """
        nodes: list[Node] = []
        pending = [self.root]
        while pending:
            node = pending.pop()
            if node.end_byte <= start or node.start_byte >= max(end, start + 1):
                continue
            if node.type in TEXTS:
                nodes.append(node)
            else:
                pending += reversed(node.children)
        spans = self.characters([(node.start_byte, node.end_byte) for node in nodes])
        return [(_content(self.text, span, node.type), node) for span, node in zip(spans, nodes, strict=True)]

    def characters(self, spans: list[Span]) -> list[Span]:
        """Offsets in order as places in the text, which counts characters."""
        places: dict[int, int] = {}
        done = counted = 0
        for offset in sorted({offset for span in spans for offset in span}):
            counted += len(self.cut(done, offset))
            done = offset
            places[offset] = counted
        return [(places[start], places[end]) for start, end in spans]


def _look_into_list(children: list[Node], found: dict[str, list[Node]]) -> None:
    """Add the commas in an object or in arguments that stand behind no member, and its shorthand properties."""
    before = ""
    for child in children:
        if not child.is_extra:
            kind = child.type
            if kind == "shorthand_property_identifier" or (kind == "," and before in ("{", "(", ",")):
                found[kind].append(child)
            before = kind


def _content(text: str, span: Span, kind: str) -> Span:
    """What stands between the marks of a string, comment or the like; of a hash what is secret."""
    if kind in ("string", "template_string"):
        return _masking.content(text, *span)
    start = span[0] + _MARKS.get(kind, 1)
    return start, max(start, span[1] - 2 * (kind == "comment" and text.startswith("/*", span[0])))


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
    problem = f"this value is nested too deeply (more than {DEEPEST} levels)"
    return source.error(problem, node, "Write it flatter, or set it as one {'$js': ...}.")


def unwrapped(node: Node) -> Node:
    """The expression without the parentheses around it."""
    while node.type == "parenthesized_expression":
        inner = members(node)
        if len(inner) != 1:
            break
        node = inner[0]
    return node


def members(node: Node) -> list[Node]:
    """What stands in an object, array, argument list or block, without comments and punctuation."""
    # The grammar's only named extras are comments, and to ask for that is cheaper than to ask for the type.
    return [child for child in _unkept(node).named_children if not child.is_extra]


def all_children(node: Node) -> list[Node]:
    """What stands in a node, with comments and punctuation."""
    return _unkept(node).children


def _unkept(node: Node) -> Node:
    """Another object for the same node where that has many children, lest the node keep all of them."""
    return cast("Node", node.walk().node) if node.child_count > _MANY_CHILDREN else node


def first_member(node: Node) -> Node | None:
    """The first of what members() lists, without a list of all."""
    cursor = node.walk()
    found = cursor.goto_first_child()
    while found and cursor.node is not None and (cursor.node.is_extra or not cursor.node.is_named):
        found = cursor.goto_next_sibling()
    return cursor.node if found else None


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
