# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: text of settings.js with its secrets made unreadable, for diffs, errors and logs."""

from __future__ import annotations

import re

_HIDDEN = "********"
_HASH = re.compile(r"(\$2[abxy]?\$\d\d\$)[./A-Za-z0-9]+")
_PEM = re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----)(.*?)(-----END|\Z)", re.DOTALL)
_URL_PASSWORD = re.compile(r"(://[^\s/:@'\"`]*:)([^\s/@'\"`]+)(@)")
# Names that hold a secret in Node-RED, its nodes and dashboards, also as the end of a longer name (mqttPassword).
_SECRET_NAME = re.compile(
    r"""(?<![\w$])[\w$-]*
    (?:pass(?:word|wd|phrase|code)?|pwd|secret|token|api_?-?key|private_?-?key|access_?-?key)s?
    (?:_?hash)?["']?[ \t]*\]?\s*[:=](?![=>])""",
    re.IGNORECASE | re.VERBOSE,
)
# What a value is made of, up to where it ends: its strings, comments that may hide them, brackets, the end.
_VALUE_PART = re.compile(
    r"""(?P<string>"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?|`(?:\\.|[^`\\])*`?)
    |(?P<number>\b\d[\w.]*)|(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<end>[,;])|(?P<line>\r?\n)|(?P<function>=>|\bfunction\b)
    |(?P<text>[\w$]+|.)""",
    re.VERBOSE | re.DOTALL,
)


def masked(text: str) -> str:
    """The text with secrets hidden; line count and line ends stay, masking twice changes nothing more.

    Hidden are bcrypt hashes anywhere (`$2b$08$********`: kind and cost stay readable), private keys, passwords in URLs,
    and strings and numbers given to a name that holds a secret (`password`, `credentialSecret`, `token` ...),
    in comments too.
    """
    text = _PEM.sub(lambda match: match[1] + _hide_lines(match[2]) + match[3], text)
    text = _hide_named(text)
    text = _HASH.sub(rf"\g<1>{_HIDDEN}", text)
    return _URL_PASSWORD.sub(rf"\g<1>{_HIDDEN}\g<3>", text)


def _hide_named(text: str) -> str:
    pieces: list[str] = []
    done = 0
    for name in _SECRET_NAME.finditer(text):
        if name.end() < done:
            continue
        pieces.append(text[done : name.end()])
        hidden, done = _hide_value(text, name.end())
        pieces.append(hidden)
    pieces.append(text[done:])
    return "".join(pieces)


def _hide_value(text: str, start: int) -> tuple[str, int]:
    """The value that begins at start with its strings and numbers hidden, and where it ends."""
    pieces: list[str] = []
    position, depth, seen = start, 0, False
    for part in _VALUE_PART.finditer(text, start):
        kind = part.lastgroup
        if kind == "function" or (kind == "end" and depth == 0) or (kind == "line" and seen and depth == 0):
            break
        if kind == "open":
            if part[0] == "{":
                break
            depth += 1
        if kind == "close":
            if depth == 0:
                break
            depth -= 1
        hides = kind in ("string", "number")
        pieces.append(_hide_string(part[0]) if hides else part[0])
        seen = seen or not part[0].isspace()
        position = part.end()
    return "".join(pieces), position


def _hide_string(literal: str) -> str:
    quote = literal[0]
    if quote not in "\"'`":
        return _HIDDEN
    closed = len(literal) > 1 and literal.endswith(quote)
    content = literal[1:-1] if closed else literal[1:]
    if not content:
        return literal
    kept = _HASH.match(content) or re.match(r"(\$2[abxy]?\$\d\d\$)\*+$", content)
    hidden = f"{kept[1]}{_HIDDEN}" if kept else _hide_lines(content)
    return quote + hidden + (quote if closed else "")


def _hide_lines(content: str) -> str:
    """As many lines as before, so that a diff of masked texts still lines up."""
    return re.sub(r"[^\r\n]+", _HIDDEN, content)
