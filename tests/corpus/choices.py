# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random choices that can be repeated and reduced.

A generator that takes all its chance from `Choices` is a function of the numbers drawn. The same numbers give the same
result again, and fewer or smaller numbers give a simpler one, so a failure is reduced without knowing what it is.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

Option = TypeVar("Option")


class Choices:
    """Draws numbers at random, or repeats given ones; past their end it draws 0, the simplest choice."""

    def __init__(self, given: int | Sequence[int]) -> None:
        self._random = random.Random(given) if isinstance(given, int) else None
        self._given = () if isinstance(given, int) else given
        self.drawn: list[int] = []
        # Where in `drawn` the options that were taken begin and end.
        self.spans: list[tuple[int, int]] = []

    def below(self, limit: int) -> int:
        """A number from 0 to limit - 1."""
        if self._random is not None:
            number = self._random.randrange(limit)
        else:
            position = len(self.drawn)
            number = min(self._given[position], limit - 1) if position < len(self._given) else 0
        self.drawn.append(number)
        return number

    def one_of(self, options: Sequence[Option]) -> Option:
        """One of the options; the first is the simplest."""
        return options[self.below(len(options))]

    def chance(self, percent: int) -> bool:
        """True in so many of 100 cases; False is the simpler answer."""
        return self.below(100) >= 100 - percent

    def some(self, options: Iterable[Option], percent: int = 45) -> Iterator[Option]:
        """Each option in so many of 100 cases. What is drawn for one until the next is asked for goes with it."""
        for option in options:
            start = len(self.drawn)
            if self.chance(percent):
                yield option
                self.spans.append((start, len(self.drawn)))


class Reducer:
    """Looks for fewer and smaller numbers with which it still fails.

    `repeat` makes what given numbers make, and returns its choices if that fails, else None.
    """

    def __init__(self, drawn: Sequence[int], repeat: Callable[[list[int]], Choices | None]) -> None:
        self._repeat = repeat
        self._attempts = 0
        self.best = Choices(drawn)
        self._improves(list(drawn))

    def run(self, attempts: int) -> list[int]:
        """The best numbers after at most so many attempts."""
        before: list[int] = []
        while self.best.drawn != before and self._attempts < attempts:
            before = self.best.drawn
            self._leave_out_options()
            without_pieces(self.best.drawn, self._improves)
            self._lower()
        return self.best.drawn

    def _improves(self, candidate: list[int]) -> bool:
        self._attempts += 1
        choices = self._repeat(candidate)
        if choices is None or (self._attempts > 1 and not _is_simpler(choices.drawn, self.best.drawn)):
            return False
        self.best = choices
        return True

    def _leave_out_options(self) -> None:
        """Without each option that is not needed, with all that was drawn for it."""
        index = 0
        while index < len(self.best.spans):
            # The outer ones stand last.
            start, end = self.best.spans[-1 - index]
            if not self._improves([*self.best.drawn[:start], 0, *self.best.drawn[end:]]):
                index += 1

    def _lower(self) -> None:
        """With each number as small as it can be."""
        position = 0
        while position < len(self.best.drawn):
            before, number, after = (
                self.best.drawn[:position],
                self.best.drawn[position],
                self.best.drawn[position + 1 :],
            )
            smaller = sorted({0, number // 2, number * 3 // 4, number - 1} - {-1, number})
            if not any(self._improves([*before, each, *after]) for each in smaller):
                position += 1


def without_pieces(items: list[Option], fails: Callable[[list[Option]], bool]) -> list[Option]:
    """The items without all pieces that it fails without, large pieces first."""
    size = max(len(items) // 2, 1)
    while size:
        start = len(items) - size
        while start >= 0:
            candidate = items[:start] + items[start + size :]
            if fails(candidate):
                items = candidate
            start -= size
        size //= 2
    return items


def _is_simpler(one: list[int], other: list[int]) -> bool:
    return (len(one), one) < (len(other), other)
