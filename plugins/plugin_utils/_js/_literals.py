# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: JavaScript literals read as Python values, and Python values written as JavaScript."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .._core._errors import SettingsError
from ._tree import DEEPEST, Source, all_children, field, is_identifier, meaning, members, too_deep, unwrapped

if TYPE_CHECKING:
    from tree_sitter import Node

_WIDEST_LINE = 100

_ESCAPE = re.compile(
    r"\\(?:u\{(?P<point>[0-9a-fA-F]+)\}|u(?P<unit>[0-9a-fA-F]{4})|x(?P<byte>[0-9a-fA-F]{2})"
    r"|(?P<octal>[0-3][0-7]{0,2}|[4-7][0-7]?)|(?P<line>\r\n|[\r\n\u2028\u2029])|(?P<char>.))",
    re.DOTALL,
)
_ESCAPED_CHARS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_WRITTEN_ESCAPES = {value: f"\\{char}" for char, value in _ESCAPED_CHARS.items()} | {"\\": "\\\\"}
_MUST_ESCAPE = re.compile("[\\x00-\\x1f\\x7f\\\\\u2028\u2029]")


class NotLiteral(Exception):
    """The expression's value is not written down in it: it has to be computed."""


class Undefined:
    """The value of a setting that is not there."""

    def __repr__(self) -> str:
        return "UNDEFINED"

    def __bool__(self) -> bool:
        return False


UNDEFINED = Undefined()


@dataclass(frozen=True)
class Code:
    """A JavaScript expression that is to be written as it stands."""

    text: str
    meaning: tuple[str, ...]


@dataclass(frozen=True)
class Style:
    """How the file writes JavaScript."""

    end_of_line: str = "\n"
    unit: str = "    "
    quote: str = '"'
    quoted_keys: bool = False
    trailing_comma: bool = True

    def with_quoted_keys(self, quoted: bool) -> Style:
        """The same style, with keys in quotes or not."""
        return replace(self, quoted_keys=quoted)


# Reading


def literal(source: Source, node: Node, depth: int = 0) -> object:
    """The Python value of a literal, as JSON would give it (UNDEFINED for `undefined`); else NotLiteral is raised."""
    node = unwrapped(node)
    if depth > DEEPEST:
        raise too_deep(source, node)
    match node.type:
        case "true" | "false":
            return node.type == "true"
        case "null":
            return None
        case "undefined":
            return UNDEFINED
        case "number":
            return number(source.read(node))
        case "string":
            return unescaped(source.read(node)[1:-1])
        case "template_string" if all(child.type != "template_substitution" for child in node.children):
            return unescaped(re.sub("\r\n?", "\n", source.read(node)[1:-1]))
        case "unary_expression":
            return _signed(source, node)
        case "array":
            return [literal(source, element, depth + 1) for element in elements(node)]
        case "object":
            return {key: literal(source, value, depth + 1) for key, value in properties(source, node).items()}
    raise NotLiteral


def elements(array: Node) -> list[Node]:
    """The elements of an array literal; NotLiteral where it has holes or takes over other arrays."""
    found: list[Node] = []
    before = ""
    for child in all_children(array):
        if child.is_extra:
            continue
        kind = child.type
        # A comma that stands behind no element makes a hole: [, 1] and [1, , 2].
        if kind == "spread_element" or (kind == "," and before in ("[", ",")):
            raise NotLiteral
        if child.is_named:
            found.append(child)
        before = kind
    return found


def properties(source: Source, literal_object: Node) -> dict[str, Node]:
    """The value expression of each key, the last one where a key is given twice; NotLiteral where some are unknown."""
    found: dict[str, Node] = {}
    for member in members(literal_object):
        if member.type == "shorthand_property_identifier":
            key, value = source.read(member), member
        elif member.type == "pair":
            name, value = key_of(source, field(member, "key")), field(member, "value")
            if name is None or name == "__proto__":
                raise NotLiteral
            key = name
        else:
            raise NotLiteral
        found.pop(key, None)
        found[key] = value
    return found


def key_of(source: Source, node: Node) -> str | None:
    """The name that a property key stands for; None where it is computed."""
    text = source.read(node)
    match node.type:
        case "property_identifier":
            return unescaped(text)
        case "computed_property_name":
            inner = members(node)
            expression = unwrapped(inner[0]) if len(inner) == 1 else node
            if expression.type in ("string", "number", "template_string"):
                try:
                    return _as_key(literal(source, expression))
                except NotLiteral:
                    return None
            return None
        case "string":
            return unescaped(text[1:-1])
        case "number":
            try:
                return _as_key(number(text))
            except NotLiteral:
                return None
    return unescaped(text) if "\\" in text else text


def _as_key(value: object) -> str:
    if isinstance(value, float):
        if not 1e-6 <= abs(value) < 1e15:
            raise NotLiteral
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value)


def _signed(source: Source, node: Node) -> object:
    operator = source.read(field(node, "operator"))
    argument = unwrapped(field(node, "argument"))
    if operator == "void" and argument.type == "number":
        return UNDEFINED
    if operator in "+-" and argument.type == "number":
        value = number(source.read(argument))
        return -value if operator == "-" else value
    raise NotLiteral


def number(text: str) -> int | float:
    """The value of a JavaScript number literal: a double, whole ones as int."""
    digits = text.replace("_", "").lower()
    if digits.endswith("n"):
        raise NotLiteral
    if re.fullmatch(r"0[0-7]+", digits):
        return _whole(int(digits, 8))
    if digits[:2] in ("0x", "0o", "0b"):
        return _whole(int(digits, 0))
    value = float(digits)
    return int(value) if value.is_integer() and re.fullmatch(r"\d+", digits) else value


def _whole(value: int) -> int | float:
    double = _double(value)
    return int(double) if math.isfinite(double) else double


def unescaped(content: str) -> str:
    """The text that a string literal's content stands for."""
    if "\\" not in content:
        return content
    plain = _ESCAPE.sub(_unescape, content)
    # "\ud83d\ude00" is one character, written as the two halves that JavaScript counts.
    return re.sub(
        "[\ud800-\udbff][\udc00-\udfff]",
        lambda pair: pair[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le"),
        plain,
    )


def _unescape(match: re.Match[str]) -> str:
    if match["line"]:
        return ""
    if match["octal"]:
        return chr(int(match["octal"], 8))
    digits = match["point"] or match["unit"] or match["byte"]
    if digits:
        point = int(digits, 16)
        return chr(point) if point <= 0x10FFFF else match[0]
    return _ESCAPED_CHARS.get(match["char"], match["char"])


def same(source: Source, node: Node, wanted: object, depth: int = 0) -> bool:
    """Whether an expression is, by meaning, the wanted value."""
    node = unwrapped(node)
    if depth > DEEPEST:
        raise too_deep(source, node)
    try:
        if isinstance(wanted, Code):
            return source.read(node) == wanted.text or meaning(source, node) == wanted.meaning
        if isinstance(wanted, dict):
            if node.type != "object":
                return False
            found = properties(source, node)
            return found.keys() == wanted.keys() and all(
                same(source, value, wanted[key], depth + 1) for key, value in found.items()
            )
        if isinstance(wanted, list):
            if node.type != "array":
                return False
            listed = elements(node)
            return len(listed) == len(wanted) and all(
                same(source, element, want, depth + 1) for element, want in zip(listed, wanted, strict=True)
            )
        if node.type in ("object", "array"):
            return False
        return same_scalar(literal(source, node), wanted)
    except NotLiteral:
        return False


def same_scalar(found: object, wanted: object) -> bool:
    """Equality as JavaScript's === has it: 1 is 1.0 but not true."""
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    if isinstance(found, int | float) and isinstance(wanted, int | float):
        return _double(found) == _double(wanted)
    return type(found) is type(wanted) and found == wanted


def _double(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


# Writing


@functools.lru_cache(maxsize=100)
def expression(text: str, name: str) -> Code:
    """Code for a `$js` value, checked to be exactly one expression."""
    problem = f"{name}: the $js value is not exactly one JavaScript expression"
    remedy = "Give one expression, for instance a function or a call, without a statement, a comment at its end or a ;."
    text = text.strip()
    # As the only argument of a call: what closes the parenthesis, adds an argument or hides the end shows up.
    source = Source(f"({text})", filename=f"$js of {name}")
    outer = source.root.children
    inner = members(outer[0]) if len(outer) == 1 and outer[0].type == "expression_statement" else []
    wrapped = members(inner[0]) if len(inner) == 1 and inner[0].type == "parenthesized_expression" else []
    if (
        source.root.has_error
        or len(wrapped) != 1
        or inner[0].end_byte != len(source.bytes)
        or wrapped[0].type in ("sequence_expression", "await_expression", "yield_expression", "spread_element")
    ):
        raise SettingsError(problem, remedy=remedy)
    return Code(text, meaning(source, unwrapped(wrapped[0])))


def written(value: object, style: Style, indent: str, *, inline: bool = False) -> str:
    """A prepared value as JavaScript; lines after the first begin with the indent."""
    if isinstance(value, Code):
        return value.text if style.end_of_line == "\n" else re.sub("\r\n|\n", style.end_of_line, value.text)
    if isinstance(value, dict):
        entries = [f"{written_key(key, style)}: " for key in value]
        return _listed("{}", entries, list(value.values()), style, indent, inline)
    if isinstance(value, list):
        scalars = not any(isinstance(element, dict | list | Code) for element in value)
        fits = scalars and len(written_list := _listed("[]", [""] * len(value), value, style, indent, True))
        if fits and len(indent) + len(written_list) <= _WIDEST_LINE:
            return written_list
        return _listed("[]", [""] * len(value), value, style, indent, inline)
    if isinstance(value, str):
        return written_string(value, style.quote)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return _written_number(value)


def _listed(brackets: str, starts: list[str], values: list[object], style: Style, indent: str, inline: bool) -> str:
    opening, closing = brackets[0], brackets[1]
    if not values:
        return brackets
    if inline:
        inside = ", ".join(
            start + written(value, style, indent, inline=True) for start, value in zip(starts, values, strict=True)
        )
        return f"{opening}{inside}{closing}" if opening == "[" else f"{opening} {inside} {closing}"
    deeper = indent + style.unit
    lines = [start + written(value, style, deeper) for start, value in zip(starts, values, strict=True)]
    inside = f",{style.end_of_line}{deeper}".join(lines) + ("," if style.trailing_comma else "")
    return f"{opening}{style.end_of_line}{deeper}{inside}{style.end_of_line}{indent}{closing}"


def written_key(key: str, style: Style) -> str:
    """A property name, quoted where it has to be or where the file does so."""
    return key if is_identifier(key) and not style.quoted_keys else written_string(key, style.quote)


def written_string(text: str, quote: str) -> str:
    """A string literal."""
    escaped = _MUST_ESCAPE.sub(_escape, text)
    return quote + escaped.replace(quote, f"\\{quote}") + quote


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    known = _WRITTEN_ESCAPES.get(char)
    if known is not None:
        return known
    return f"\\x{ord(char):02x}" if ord(char) < 0x100 else f"\\u{ord(char):04x}"


def _written_number(value: object) -> str:
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() and abs(value) < 1e16 else repr(value)
    return str(value)


def prepared(value: object, name: str, depth: int = 0) -> object:
    """A wanted value with Ansible's own types made plain, `$js` as Code, and everything else refused by name.

    `{"$password": ...}` stays a mapping of plain values: what becomes of it depends on the file.
    """
    if depth > DEEPEST:
        raise SettingsError(
            f"{name}: the value is nested too deeply (more than {DEEPEST} levels)", remedy="Write it flatter."
        )
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _plain_text(value, name)
    if isinstance(value, int):
        if not _is_exact(value):
            raise SettingsError(
                f"{name}: JavaScript has no such whole number and would take the nearest one",
                remedy="Give it as text, or as a number below 9007199254740992.",
            )
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise SettingsError(f"{name}: {value} has no JSON form", remedy="Give a finite number.")
        return float(value)
    # To ask for the abstract types takes long, so the usual ones come first.
    if isinstance(value, dict | Mapping):
        return _prepared_mapping(value, name, depth)
    if isinstance(value, list | Sequence) and not isinstance(value, bytes | bytearray):
        # A vaulted string of ansible-core 2.18 and older is no str, but a sequence that can be encoded.
        if hasattr(value, "encode"):
            return _plain_text(value, name)
        return [prepared(element, f"{name}[{index}]", depth + 1) for index, element in enumerate(value)]
    raise SettingsError(
        f"{name}: a {type(value).__name__} has no JavaScript form",
        remedy="Give text, a number, true, false, null, a list or a dictionary.",
    )


def _is_exact(value: int) -> bool:
    """Whether a double, which is what all numbers of JavaScript are, can hold the whole number."""
    return math.isfinite(_double(value)) and int(_double(value)) == value


def _plain_text(value: object, name: str) -> str:
    # str.__str__ of a subclass copies it into an exact str, without Ansible's tags.
    text = str.__str__(value) if isinstance(value, str) else str.__str__(str(value))
    try:
        text.encode()
    except UnicodeEncodeError:
        raise SettingsError(
            f"{name}: the text holds a byte or half a surrogate pair that is no Unicode", remedy="Give valid UTF-8."
        ) from None
    return text


def _prepared_mapping(value: Mapping[object, object], name: str, depth: int) -> object:
    special = {str(key) for key in value if isinstance(key, str) and key.startswith("$")}
    if not special:
        found: dict[str, object] = {}
        for key, member in value.items():
            if not isinstance(key, str):
                raise SettingsError(
                    f"{name}: a key is a {type(key).__name__}, no text", remedy="Put the key in quotes."
                )
            text = _plain_text(key, name)
            if text == "__proto__":
                raise SettingsError(f"{name}: __proto__ is not a name that a value can have", remedy="Leave it out.")
            found[text] = prepared(member, f"{name}.{text}", depth + 1)
        return found
    if special == {"$js"} and len(value) == 1 and isinstance(value["$js"], str):
        return expression(_plain_text(value["$js"], name), name)
    if "$password" in special and special <= {"$password", "$rounds", "$ident"} and len(special) == len(value):
        password, rounds, ident = value["$password"], value.get("$rounds", 8), value.get("$ident", "2b")
        if isinstance(rounds, str) and rounds.isdecimal():
            rounds = int(rounds)
        if isinstance(rounds, int) and not isinstance(rounds, bool) and isinstance(ident, str):
            plaintext = prepared(password, name, depth + 1)
            if isinstance(plaintext, str):
                wanted_ident = _plain_text(ident, name).strip("$") if "$ident" in special else ""
                return Password(plaintext, int(rounds), wanted_ident)
    if special == {"$fallback"} and len(value) == 1 and depth == 0:
        number = prepared(value["$fallback"], name, depth + 1)
        if isinstance(number, int) and not isinstance(number, bool) and number >= 0:
            return Fallback(number)
    raise SettingsError(
        f"{name}: {', '.join(sorted(special))} is not a special value that can be written",
        remedy="There are {'$js': '<expression>'}, {'$password': '<plaintext>', '$rounds': 8, '$ident': '2b'} and, as "
        "a whole setting, {'$fallback': 1885}.",
    )


@dataclass(frozen=True)
class Fallback:
    """The number that a setting's own expression comes to where the environment says nothing else."""

    number: int


@dataclass(frozen=True, repr=False)
class Password:
    """A plaintext password that becomes a bcrypt hash in the file. It has no readable form, lest it end up in a log."""

    plaintext: str
    rounds: int
    ident: str

    def __repr__(self) -> str:
        return "Password(********)"
