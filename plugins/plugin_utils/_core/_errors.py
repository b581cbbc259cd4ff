# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the errors of the engine, with the place in the file and what to do about it."""

from __future__ import annotations

import pathlib
import re
import sys
from collections.abc import Sequence

from ...module_utils._core import _masking
from ...module_utils._core._text import printable, printable_line

_FRAME_WIDTH = 100
# Names and values of the file that a message quotes can be of any length.
_LONGEST_PROBLEM = 1000
_LINE_END = re.compile(r"\r\n?|\n")
_REQUIREMENTS = pathlib.Path(__file__).parents[3] / "meta" / "requirements.txt"


class SettingsError(Exception):
    """A settings file, or a wish for it, that cannot be handled with certainty.

    `str(error)` reads `settings.js:12:5: problem`, the source line with a caret, and the remedy. Line and column count
    from 1; both are None where no place in the file is meant. What the strings, comments and regular expressions in the
    source line hold is hidden: if a file is broken, nothing shows for certain what is a secret. `hidden` are
    such places that the caller knows, as characters of the text. All of it is printable.
    """

    def __init__(
        self,
        problem: str,
        *,
        remedy: str = "",
        filename: str = "settings.js",
        text: str = "",
        offset: int | None = None,
        hidden: Sequence[tuple[int, int]] = (),
    ) -> None:
        self.problem = printable(problem)
        if len(self.problem) > _LONGEST_PROBLEM:
            self.problem = self.problem[:_LONGEST_PROBLEM] + " ..."
        self.remedy = printable(remedy)
        self.filename = printable_line(filename)
        self.line: int | None = None
        self.column: int | None = None
        frame = ""
        if offset is not None:
            lines = text[:offset].replace("\r\n", "\n").replace("\r", "\n").split("\n")
            self.line, self.column = len(lines), len(lines[-1]) + 1
            frame = _code_frame(text, self.line, self.column, hidden)
        super().__init__("\n".join(part for part in (f"{self.place}: {self.problem}", frame, self.remedy) if part))

    @property
    def place(self) -> str:
        """The file with line and column, as editors and terminals link it."""
        return ":".join(str(part) for part in (self.filename, self.line, self.column) if part is not None)


class MissingLibraryError(SettingsError):
    """A Python library that the collection needs on the controller is not installed, or does not work there."""

    def __init__(self, library: str, cause: Exception, *, remedy: str = "") -> None:
        super().__init__(
            f"the Python library {library} is missing on the controller: {cause}",
            remedy=remedy
            or "Install the collection's requirements into the Python that runs Ansible: "
            f"{sys.executable} -m pip install -r {_REQUIREMENTS}",
            filename=sys.executable,
        )


def _code_frame(text: str, line: int, column: int, hidden: Sequence[tuple[int, int]]) -> str:
    """The line with its number and a caret below the column; long lines are cut to what surrounds the column."""
    # Line ends as they are count one character or two, so `hidden` fits only the text as it was given.
    starts = [0] + [match.end() for match in _LINE_END.finditer(text)]
    start = starts[line - 1]
    line_end = _LINE_END.search(text, start)
    end = line_end.start() if line_end else len(text)
    original = text[start:end]
    elsewhere = [*hidden, *_masking.secrets(text), *_masking.strings(text), *_masking.comments(text)]
    in_line = [
        (max(first - start, 0), min(last, end) - start) for first, last in elsewhere if first < end and start < last
    ]
    in_line += _masking.code_of_line(original)
    shown, column = _hidden_in(original, in_line, column)
    first = max(0, column - 1 - _FRAME_WIDTH // 2) if len(shown) > _FRAME_WIDTH else 0
    shown = shown[first : first + _FRAME_WIDTH].replace("\ufeff", "")
    before = "".join("\t" if char == "\t" else " " for char in printable(shown[: column - 1 - first]))
    return f"  {line} | {printable(shown)}\n  {' ' * len(str(line))} | {before}^"


def _hidden_in(line: str, hidden: list[tuple[int, int]], column: int) -> tuple[str, int]:
    """The line without what is hidden, and where its column is then."""
    moved = column
    for start, end in _masking.united(hidden):
        if end < column:
            moved += len(_masking.HIDDEN) - (end - start)
        elif start < column:
            moved = moved - (column - 1 - start)
    return _masking.shown(line, hidden), moved
