# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: regular expressions that many runs do not need."""

from __future__ import annotations

import functools
import re
import sys
from typing import Callable, Iterator, Optional, Union


class LatePattern:
    """As re.Pattern, but compiled when it is first used: on a Pi, that takes longer than most searches."""

    def __init__(self, pattern: str, flags: int = 0) -> None:
        self.pattern = pattern
        self._flags = flags

    @functools.cached_property
    def compiled(self) -> "re.Pattern[str]":
        return re.compile(self.pattern, self._flags)

    def search(self, text: str) -> "Optional[re.Match[str]]":
        return self.compiled.search(text)

    def match(self, text: str, start: int = 0, end: int = sys.maxsize) -> "Optional[re.Match[str]]":
        return self.compiled.match(text, start, end)

    def finditer(self, text: str, start: int = 0, end: int = sys.maxsize) -> "Iterator[re.Match[str]]":
        return self.compiled.finditer(text, start, end)

    def sub(self, new: Union[str, "Callable[[re.Match[str]], str]"], text: str) -> str:
        return self.compiled.sub(new, text)
