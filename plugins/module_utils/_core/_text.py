# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: text from a machine that is safe to print on a terminal.

Used on the controller and on the target. File names, process names, the journal and settings.js can hold anything, also
sequences that move the cursor, set the window's title or reverse the reading direction.
"""

from __future__ import annotations

import re
from typing import Any, Sequence

# Deeper than any result of a module; Python's own recursion limit is about 1000 frames.
DEEPEST = 100

# C0 but tab and line feed, DEL and C1, the marks and overrides of the reading direction, the line and paragraph
# separators, and lone surrogates, which stand for bytes that are no UTF-8.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_LINE_OR_TAB = re.compile("[\t\n]")


def printable(text: str) -> str:
    """The text with visible escapes (`\\x1b`) in place of what controls a terminal; tabs and line ends stay.

    CR LF becomes LF. Printable text comes back as it is.
    """
    return _UNPRINTABLE.sub(_escape, text.replace("\r\n", "\n"))


def printable_line(text: str) -> str:
    """As `printable`, on one line: for names of files, processes and units, which cannot hold a line end honestly."""
    return _LINE_OR_TAB.sub(_escape, printable(text))


def short_line(text: str, limit: int = 200) -> str:
    """As `printable_line`, cut after `limit` characters."""
    return printable_line(text if len(text) <= limit else text[:limit] + "...")


def listed(names: Sequence[str], most: int = 5) -> str:
    """The first of these names, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (" and %d more" % more if more > 0 else "")


def printable_result(result: Any) -> Any:
    """A module's result with every text in it printable, keys too.

    Line ends stay, also CR LF, as the text of a certificate is compared with another.
    What is used as a path or a command afterwards must be checked before: an escape in it makes another path of it.
    """
    return _printable_part(result, 0)


def _printable_part(part: Any, depth: int) -> Any:
    if isinstance(part, str):
        return "\r\n".join(printable(lines) for lines in part.split("\r\n"))
    if not isinstance(part, (dict, list, tuple)):
        return part
    if depth > DEEPEST:
        return "(nested too deeply to be shown)"
    if isinstance(part, dict):
        return {_printable_part(key, depth): _printable_part(value, depth + 1) for key, value in part.items()}
    return [_printable_part(each, depth + 1) for each in part]


def _escape(match: "re.Match[str]") -> str:
    point = ord(match[0])
    if 0xDC80 <= point <= 0xDCFF:
        # Python's stand-in for the byte (PEP 383).
        point -= 0xDC00
    return "\\x%02x" % point if point < 0x100 else "\\u%04x" % point
