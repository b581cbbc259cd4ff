# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences of texts that a hostile host has chosen."""

from __future__ import annotations

import time

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._restore import _restore_edits

NUMBERS = "".join(f"{number}\n" for number in range(1, 10))


def seconds_for(call, *arguments):
    begun = time.process_time()
    call(*arguments)
    return time.process_time() - begun


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        (NUMBERS, NUMBERS, []),
        ("", "", []),
        ("", "a\nb\n", ["@@ -0,0 +1,2 @@", "+a", "+b"]),
        ("a\n", "", ["@@ -1 +0,0 @@", "-a"]),
        (NUMBERS, NUMBERS.replace("5\n", ""), ["@@ -4,3 +4,2 @@", " 4", "-5", " 6"]),
        (NUMBERS, NUMBERS.replace("2", "x").replace("8", "y\nz"), [
            *("@@ -1,3 +1,3 @@", " 1", "-2", "+x", " 3"),
            *("@@ -7,3 +7,4 @@", " 7", "-8", "+y", "+z", " 9"),
        ]),
    ],
)  # fmt: skip
def test_the_lines_that_differ_are_shown_with_one_around_them(before, after, lines):
    assert _restore_edits.unified(before, after) == lines


def test_where_too_much_differs_it_is_one_block():
    before, after = ["a\n", *["b\n", "c\n"] * 500, "z\n"], ["a\n", *["b\n", "d\n"] * 500, "z\n"]
    shown = _restore_edits.unified("".join(before), "".join(after))
    assert shown[:4] == ["@@ -2,1001 +2,1001 @@", " b", "-c", "-b"]
    assert shown[-3:] == ["+b", "+d", " z"]


def periodic(length):
    return "".join(f"{number % length}\n" for number in range(10**5))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("\n" * 10**5, "\n" * 10**5 + "x\n" + "\n" * 10**5),
        ("a\nb\n" * 50_000, "a\nc\n" * 50_000),
        (periodic(150), periodic(140)),
    ],
    ids=["equal", "alternating", "periodic"],
)
def test_a_host_cannot_occupy_the_controller(before, after):
    """All hosts of the batch wait for it."""
    assert seconds_for(_restore_edits.unified, before, after) < 5
    assert seconds_for(_restore_edits.settings_difference, before, after) < 5
