# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: JavaScript text with its secrets made unreadable, for diffs, errors and logs.

Used on the controller and on the target. What is hidden is found as spans (start, end) of the text, so that a place in
the text can be followed into what is shown. The text may come from an attacker: everything here takes time in
proportion to its length.
"""

from __future__ import annotations

import bisect
import re
from typing import Dict, List, Optional, Sequence, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils._core._pattern import LatePattern

Span = Tuple[int, int]

HIDDEN = "********"
# Names that hold a secret in Node-RED, its nodes and dashboards, also as the end of a longer name (mqttPassword).
SECRET_NAME = r"""(?:pass(?:word|wd|phrase|code)?|pwd|psk|secret|token|bearer|authori[sz]ation|credential
    |(?:access|account|aes|api|auth|cipher|cookie|crypto|encrypt(?:ion)?|hmac|jwt|master|private|secret|session
    |(?:pre_?)?shared|signing|wpa)[_-]?key)s?(?:[_-]?(?:base64|hash|hex|key|text|value|\d{1,9})){0,3}"""

_HASH = LatePattern(r"(\$2[abxy]?\$\d\d\$)[./A-Za-z0-9]+")
_MASKED_HASH = LatePattern(r"(\$2[abxy]?\$\d\d\$)\*+$")
_PEM = LatePattern(r"-----BEGIN [A-Z ]*PRIVATE KEY-----(.*?)(?:-----END|\Z)", re.DOTALL)
# What decides where the password of a URL begins and ends.
_URL_PART = LatePattern(
    r"""\\.|(?P<user>://[^\s/:@'"`\\]*:)|(?P<quote>['"`])|(?P<at>@)|(?P<line>[\r\n])|(?P<space>\s)"""
)
# https://host/?token=x, and headers.
_QUERY = LatePattern(r"[?&][\w.-]*%s=([^\s&#'\"`]+)" % SECRET_NAME, re.IGNORECASE | re.VERBOSE)
_SCHEME = LatePattern(r"""["'`](?:Basic|Bearer|Token)[ ]{1,9}([^\s"'`]+)""", re.IGNORECASE)
# `name:`, `"name" =`, `['name'] ||=`, `name ===`, `name() {`, with comments between, but no arrow function's parameter;
# and the call `setName(`, whose arguments are the value.
_NAMED = LatePattern(
    r"""(?<![\w$-])[\w$-]*%s["']?(?:(?P<call>\((?![^()]*\)\s*\{))|(?:[ \t]{0,9}\])?(?:\s|/\*[^*]*\*/){0,99}
    (?::|(?:\|\||&&|\?\?|\+)?=(?!>)(?:==?)?|!==?|\([^()]*\)\s*(?=\{)))"""
    % SECRET_NAME,
    re.IGNORECASE | re.VERBOSE,
)
# auth: 'user:password'
_AUTH = LatePattern(
    r"""(?<![\w$-])[\w$-]*auth["']?\s{0,9}[:=]\s{0,9}(["'`])(?:(?!\1)[^\\\r\n:]|\\.)*:((?:(?!\1)[^\\\r\n]|\\.)*)""",
    re.IGNORECASE,
)
# In a string: 'HostName=x;SharedAccessKey=y', 'mosquitto_pub --password y'.
_IN_STRING = LatePattern(
    r"""(?<![\w-])(?:[\w-]*%s\s{0,9}=\s{0,9}([^;&\r\n]+)|--?[\w-]*%s[ \t]+([^\r\n]+))""" % (SECRET_NAME, SECRET_NAME),
    re.IGNORECASE | re.VERBOSE,
)
# What a value is made of, up to where it ends.
_VALUE_PART = LatePattern(
    r"""(?P<string>"(?:\\.|[^"\\\r\n])*"?|'(?:\\.|[^'\\\r\n])*'?|`(?:\\.|[^`\\])*`?)
    |(?P<comment>//[^\r\n]*|/\*.*?(?:\*/|\Z))|(?P<stop>\*/)|(?P<number>\b\d[\w.]*)
    |(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<end>[,;])|(?P<line>\r?\n|\r)|(?P<space>[ \t\f\v]+)
    |(?P<arrow>=>)|(?P<hidden>\*{8})|(?P<operator>[-+*/%<>=!&|?:.^~])|(?P<text>[\w$]+|.)""",
    re.VERBOSE | re.DOTALL,
)
# How far ahead an operator is looked for that makes a value go on, in blank lines, comments and the like.
_FARTHEST_OPERATOR = 200
_LINE_START = LatePattern(r"\r\n?|\n")
# With the comment marks in front of it, a line that has been commented out reads like code.
_COMMENTED = LatePattern(r"[ \t+-]*//")
_QUOTED = LatePattern(r""""(?:\\.|[^"\\\r\n])*"?|'(?:\\.|[^'\\\r\n])*'?|`(?:\\.|[^`\\\r\n])*`?""")
_LONG = LatePattern(r"[A-Za-z0-9+/=_-]{40,}")
# A line that continues a comment from above, or that looks like a comment in another language.
_REST_OF_COMMENT = LatePattern(r"^((?:(?!/\*).)*?(?=\*/))|^[ \t]*(?:[*#]|<!--)(.*)")
# A slash behind these begins no division.
_REGEX = LatePattern(r"(?<=[(,=:\[!&|?{};])[ \t]*/((?![/*])(?:\\.|\[(?:\\.|[^\]\\])*\]?|[^/\\\[])+)")
# A value that has lost a quote.
_UNQUOTED = LatePattern(
    r"""(?<![\w$-])[\w$-]*%s["']?\s{0,9}[:=]\s{0,9}
    ((?!(?:async|false|function|null|process|require|true|undefined)\b)[^\s,;'"`(){}[\]]+)"""
    % SECRET_NAME,
    re.IGNORECASE | re.VERBOSE,
)
_TOKEN = LatePattern(
    r"""//[^\r\n]*|/\*.*?(?:\*/|\Z)
    |(?P<string>"(?:\\.|[^"\\\r\n])*"?|'(?:\\.|[^'\\\r\n])*'?|`(?:\\.|[^`\\])*`?)""",
    re.VERBOSE | re.DOTALL,
)


def masked(text: str) -> str:
    """The text with secrets hidden; line count and line ends stay, masking twice changes nothing more.

    Hidden are bcrypt hashes anywhere (`$2b$08$********`: kind and cost stay readable), private keys, passwords in URLs,
    and strings and numbers given to a name that holds a secret (`password`, `credentialSecret`, `token` ...), also
    within an object, list or function, and in comments.
    """
    return shown(text, secrets(text))


def shown(text: str, spans: Sequence[Span]) -> str:
    """The text with stars in place of the spans, on each line of its own."""
    pieces = []
    done = 0
    for start, end in united(spans):
        pieces += [text[done:start], re.sub(r"[^\r\n]+", HIDDEN, text[start:end])]
        done = end
    return "".join(pieces) + text[done:]


def united(spans: Sequence[Span]) -> List[Span]:
    """The spans in order; those that overlap or touch are one."""
    found: List[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        elif start < end:
            found.append((start, end))
    return found


def secrets(text: str) -> List[Span]:
    """Where the text holds secrets."""
    found = [match.span(1) for pattern in (_PEM, _QUERY, _SCHEME) for match in pattern.finditer(text)]
    found += [match.span(2) for match in _AUTH.finditer(text)]
    found += [(match.end(1), match.end()) for match in _HASH.finditer(text)]
    found += _passwords_of_urls(text)
    for start, end in strings(text):
        found += [match.span(match.lastindex or 0) for match in _IN_STRING.finditer(text, start, end)]
    lines = [0] + [match.end() for match in _LINE_START.finditer(text)]
    done = 0
    for name in _NAMED.finditer(text):
        if name.end() >= done:
            line = lines[bisect.bisect_right(lines, name.start()) - 1]
            commented = _COMMENTED.match(text, line, name.start()) is not None
            spans, done = _value(text, name, commented)
            found += spans
    return found


def _passwords_of_urls(text: str) -> List[Span]:
    """The passwords in `://user:password@host`.

    A password may hold / and @, so the last @ ends it; without quotes around the URL, white space does, too.
    """
    found: List[Span] = []
    line: List["re.Match[str]"] = []
    for part in _URL_PART.finditer(text):
        if part.lastgroup == "line":
            found += _passwords_of_line(line)
            line = []
        elif part.lastgroup:
            line.append(part)
    return found + _passwords_of_line(line)


def _passwords_of_line(line: Sequence["re.Match[str]"]) -> List[Span]:
    opened: Dict[str, int] = {}
    for part in line:
        if part.lastgroup == "quote":
            opened.setdefault(part[0], part.start())
    found: List[Span] = []
    # From right to left: where the last @ stands that a quote of each kind, or a blank, leaves to a URL here.
    last: Dict[str, Optional[int]] = dict.fromkeys(["bare", *opened])
    for part in reversed(line):
        if part.lastgroup == "at":
            last = {kind: part.start() if place is None else place for kind, place in last.items()}
        elif part.lastgroup == "user":
            inside = [kind for kind in last if kind == "bare" or opened[kind] < part.start()]
            end = max(last[kind] or 0 for kind in inside)
            if end > part.end():
                found.append((part.end(), end))
        else:
            last["bare"] = None
            if part.lastgroup == "quote":
                last[part[0]] = None
    return found


def strings(text: str) -> List[Span]:
    """The contents of all strings and templates; those in comments only where they begin and end on one line."""
    found = []
    for token in _TOKEN.finditer(text):
        if token["string"]:
            found.append(content(text, *token.span()))
        else:
            found += _quoted_in_comment(text, *token.span())
    return found


def comments(text: str) -> List[Span]:
    """What stands in comments, without the marks that begin and end them."""
    return [
        (token.start() + 2, token.end() - 2 * (token[0].startswith("/*") and token[0].endswith("*/")))
        for token in _TOKEN.finditer(text)
        if not token["string"]
    ]


def code_of_line(line: str) -> List[Span]:
    """What may hold a secret in a line of code that stands alone: strings, comments, regular expressions, and words
    that follow the name of a secret. Where a mark is broken, all from there on.
    """
    found = strings_of_line(line) + comments(line)
    for pattern in (_REST_OF_COMMENT, _REGEX, _UNQUOTED):
        found += [match.span(match.lastindex or 0) for match in pattern.finditer(line)]
    return found


def strings_of_line(line: str) -> List[Span]:
    """The contents of the strings of a line that stands alone; where a quote is broken, all from the first quote on.

    A line from the middle of a template shows no quote, so what could be a key there counts, too.
    """
    found = list(_QUOTED.finditer(line))
    for string in found:
        closed = len(string[0]) > 1 and string[0][-1] == string[0][0]
        if not closed or line[string.end() : string.end() + 1].isalnum():
            return [(found[0].start() + 1, len(line))]
    return [content(line, *string.span()) for string in found] + [word.span() for word in _LONG.finditer(line)]


def _value(text: str, name: "re.Match[str]", commented: bool) -> Tuple[List[Span], int]:
    """The strings and numbers of the value that follows a name, and where the value ends."""
    found: List[Span] = []
    called = name["call"] is not None
    depth, unfinished = int(called), True
    position = name.end()
    while True:
        part = _VALUE_PART.match(text, position)
        kind = part.lastgroup if part else "stop"
        if part is None or kind == "stop" or (depth == 0 and kind in ("end", "close")):
            return found, position
        if kind == "line":
            if not _goes_on(text, part.end(), depth > 0 or unfinished, commented):
                return found, position
            # Lest each blank line looks for the operator again.
            unfinished = True
        if kind == "comment" and commented and part[0].startswith("//"):
            position += 2
            continue
        if kind in ("string", "number"):
            found.append(content(text, *part.span()) if kind == "string" else part.span())
        elif kind == "comment":
            found += _quoted_in_comment(text, *part.span())
        depth += (kind == "open") - (kind == "close")
        if called and depth == 0:
            return found, part.end()
        if kind not in ("space", "line", "comment"):
            unfinished = kind in ("operator", "arrow", "end")
        position = part.end()


def _goes_on(text: str, below: int, unfinished: bool, commented: bool) -> bool:
    """Whether a value goes on on the next line."""
    if commented:
        marks = _COMMENTED.match(text, below)
        return marks is not None and (unfinished or _begins_with_operator(text, marks.end()))
    return unfinished or _begins_with_operator(text, below)


def _begins_with_operator(text: str, position: int) -> bool:
    for _part in range(_FARTHEST_OPERATOR):
        part = _VALUE_PART.match(text, position)
        if part is None or part.lastgroup not in ("space", "line", "comment"):
            return part is not None and part.lastgroup in ("operator", "arrow")
        position = part.end()
    return False


def _quoted_in_comment(text: str, start: int, end: int) -> List[Span]:
    """The contents of what is in quotes on one line of a comment; a quote alone there is an apostrophe."""
    found = [each.span() for each in _QUOTED.finditer(text, start, end)]
    return [content(text, *span) for span in found if span[1] - span[0] > 1 and text[span[1] - 1] == text[span[0]]]


def content(text: str, start: int, end: int) -> Span:
    """The span of a string without its quotes, and without the readable part of a hash."""
    closed = end - start > 1 and text[end - 1] == text[start]
    inside = (start + 1, end - 1 if closed else end)
    kept = _HASH.match(text, *inside) or _MASKED_HASH.match(text, *inside)
    return (kept.end(1), inside[1]) if kept else inside
