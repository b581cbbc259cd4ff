# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge many programs (`make fuzz`): FUZZ_PROGRAMS (100,000) of them, with the seed FUZZ_SEED.

Prints how many ran, how many edits were rejected by shape of the program, and the faults. Each fault is reduced to a
small program, which is written into build/fuzz.
"""

from __future__ import annotations

import os
import pathlib
import re
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace

from .choices import Choices, Reducer, without_pieces
from .judge import Judge, Verdict
from .programs import Program, program

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = CHECKOUT / "build" / "fuzz"
# Programs of one task of a process, and between two lines of progress.
BATCH = 250
PART = 5000
# How often a program is made simpler at most.
ATTEMPTS = 1000


@dataclass
class Outcome:
    """What became of many programs; faults by kind with the choices of the programs."""

    programs: int = 0
    ran: int = 0
    edited: int = 0
    by_shape: Counter[str] = field(default_factory=Counter)
    rejected_by_shape: Counter[str] = field(default_factory=Counter)
    faults: dict[str, list[list[int]]] = field(default_factory=dict)

    def add(self, other: Outcome) -> None:
        self.programs += other.programs
        self.ran += other.ran
        self.edited += other.edited
        self.by_shape += other.by_shape
        self.rejected_by_shape += other.rejected_by_shape
        for kind, found in other.faults.items():
            self.faults.setdefault(kind, []).extend(found)


def kind_of(fault: str) -> str:
    """The fault without what differs from program to program."""
    return re.sub(r"'.*'|\".*\"|\d+|[\w-]+\.[\w.-]+", "_", fault)[:100]


def judged(judge: Judge, seeds: range) -> Outcome:
    """The outcome of the programs of the seeds."""
    outcome = Outcome()
    for seed in seeds:
        draw = Choices(seed)
        made = program(draw)
        verdict = judge.verdict(made)
        outcome.programs += 1
        outcome.ran += verdict.ran > 0
        outcome.edited += verdict.ran > 0 and not verdict.rejection
        # A rejection is to be explained by the shapes, so it counts where there is but one.
        if verdict.ran and len(made.shapes) < 2:
            shape = next(iter(made.shapes), "nothing unusual")
            outcome.by_shape[shape] += 1
            outcome.rejected_by_shape[shape] += bool(verdict.rejection)
        for fault in verdict.faults[:1]:
            outcome.faults.setdefault(kind_of(fault), []).append(draw.drawn)
    return outcome


def simplest(judge: Judge, kind: str, drawn: list[int]) -> tuple[Program, Verdict]:
    """The smallest program found that has a fault of the kind: with few choices, then with few lines."""

    def fails(candidate: Program) -> bool:
        return kind in map(kind_of, judge.verdict(candidate).faults[:1])

    def repeat(numbers: list[int]) -> Choices | None:
        choices = Choices(numbers)
        return choices if fails(program(choices)) else None

    small = program(Choices(Reducer(drawn, repeat).run(ATTEMPTS)))
    lines = without_pieces(
        small.text.splitlines(keepends=True), lambda lines: fails(replace(small, text="".join(lines)))
    )
    small = replace(small, text="".join(lines))
    return small, judge.verdict(small)


def shown(small: Program, verdict: Verdict) -> str:
    """A reduced program as a text for people."""
    files = "".join(f"// {name}.js:\n{text}" for name, text in small.files.items())
    wishes = f"// set={small.wanted!r} remove={small.removed!r}\n"
    faults = "".join(f"// {fault}\n" for fault in verdict.faults)
    return f"{faults}{wishes}{small.text.rstrip()}\n{files}// after:\n{verdict.text}"


def seeds_of(seed: int, number: int) -> range:
    """The seeds of so many programs; those of different seeds have none in common."""
    return range(seed * 1_000_000, seed * 1_000_000 + number)


def outcome_of(seeds: range) -> Outcome:
    """The outcome of the programs of the seeds, judged by as many processes as there are processors."""
    outcome = Outcome()
    with ProcessPoolExecutor() as pool:
        for part in pool.map(_batch, [seeds[start : start + BATCH] for start in range(0, len(seeds), BATCH)]):
            outcome.add(part)
    return outcome


def _batch(seeds: range) -> Outcome:
    with Judge() as judge:
        return judged(judge, seeds)


def write_reduced(kind: str, drawn: list[int]) -> pathlib.Path:
    """Reduce a program that has a fault of the kind, and write it into the folder."""
    with Judge() as judge:
        text = shown(*simplest(judge, kind, drawn))
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{re.sub(r'[^a-z]+', '-', kind.lower())[:60].strip('-')}.js"
    path.write_text(text, encoding="utf-8", newline="")
    return path


def main() -> int:
    seed = int(os.environ.get("FUZZ_SEED") or time.time())
    number = int(os.environ.get("FUZZ_PROGRAMS") or 100_000)
    print(f"{number} programs, FUZZ_SEED={seed}", flush=True)
    outcome, reported = Outcome(), set[str]()
    seeds = seeds_of(seed, number)
    for start in range(0, number, PART):
        outcome.add(outcome_of(seeds[start : start + PART]))
        faults = sum(map(len, outcome.faults.values()))
        print(
            f"{outcome.programs} judged, {outcome.ran} of them run, {outcome.edited} of these edited, {faults} faults",
            flush=True,
        )
        for kind in outcome.faults.keys() - reported:
            path = write_reduced(kind, min(outcome.faults[kind], key=len))
            print(f"{kind}\n    {path.relative_to(CHECKOUT)}", flush=True)
            reported.add(kind)
    for shape, count in sorted(outcome.by_shape.items()):
        print(f"{outcome.rejected_by_shape[shape] / count:6.1%} of {count:6} rejected: {shape}")
    for kind, found in outcome.faults.items():
        print(f"{len(found):6} faults: {kind}")
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
