# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: environment files (EnvironmentFile=), read as systemd reads them."""

from __future__ import annotations

import glob
import re
from typing import List, Tuple


def files_of(path: str) -> List[str]:
    """The files that a path in EnvironmentFile= stands for: itself, or those that match if it is a pattern.

    A file that is missing or cannot be read sets nothing. systemd does the same if the path begins with "-"; without it
    the service does not start, and systemd reports that.
    """
    return sorted(glob.glob(path)) if re.search(r"[*?\[]", path) else [path]


def assignments(text: str) -> List[Tuple[str, str]]:
    """Name and value of each assignment as systemd reads them (src/basic/env-file.c, not as a shell would).

    No `export`, no expansion; a value may start with a quoted part; a backslash continues a line; `;` and `#` start a
    comment only where a name is expected.
    """
    found: List[Tuple[str, str]] = []
    # Lists of characters: a text that gets longer one by one takes a time that grows with the square of its length.
    name: List[str] = []
    value: List[str] = []
    state, kept = "before name", 0

    def add(characters: List[str]) -> None:
        found.append(("".join(name).rstrip(), "".join(characters)))

    for char in text.replace("\r\n", "\n").replace("\r", "\n") + "\n":
        if state == "before name":
            if char in "#;":
                state = "comment"
            elif not char.isspace():
                state, name = "name", [char]
        elif state == "name":
            if char == "\n":
                state = "before name"
            elif char == "=":
                state, value, kept = "before value", [], 0
            else:
                name.append(char)
        elif state in ("before value", "value"):
            if char == "\n":
                add(value[:kept] if state == "value" else value)
                state = "before name"
            elif char == "\\":
                state = "escape"
            elif state == "before value" and char in "'\"":
                state = char
            elif state == "value" or not char.isspace():
                state = "value"
                value.append(char)
                kept = kept if char.isspace() else len(value)
        elif state == "escape":
            state = "value"
            if char != "\n":
                value.append(char)
            kept = len(value)
        elif state == "'":
            if char == "'":
                state = "before value"
            else:
                value.append(char)
        elif state == '"':
            if char == '"':
                state = "before value"
            elif char == "\\":
                state = "escape in quotes"
            else:
                value.append(char)
        elif state == "escape in quotes":
            state = '"'
            if char in '"\\`$':
                value.append(char)
            elif char != "\n":
                value += ["\\", char]
        elif state == "comment":
            state = "escape in comment" if char == "\\" else ("before name" if char == "\n" else state)
        else:
            state = "comment"
    if state in ("'", '"'):
        add(list("".join(value).rstrip("\n")))
    return [(n, v) for n, v in found if re.match(r"^[A-Za-z_][A-Za-z0-9_]*$", n)]
