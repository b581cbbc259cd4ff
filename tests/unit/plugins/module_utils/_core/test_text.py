# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine reports cannot control the operator's terminal."""

from __future__ import annotations

import unicodedata

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._core._text import (
    printable,
    printable_line,
    printable_result,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\rb", "a\\x0db"),
        ("a\x7f\x08", "a\\x7f\\x08"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\u2066a\u2069", "\\u2066a\\u2069"),
        ("a\u2028b\u2029c", "a\\u2028b\\u2029c"),
        ("caf\udce9", "caf\\xe9"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_controls_a_terminal_becomes_visible(text: str, expected: str) -> None:
    assert printable(text) == expected
    assert printable(expected) == expected


@pytest.mark.parametrize("text", ["", "plain", "a\n\tb\n", "caf\u00e9 \u00fc \u4e2d \U0001f600", "C:\\x1b", "\u05d0"])
def test_honest_text_stays(text: str) -> None:
    assert printable(text) == text


def test_windows_line_ends_become_plain_ones() -> None:
    assert printable("a\r\nb\r\n") == "a\nb\n"


def test_a_name_stays_on_its_line() -> None:
    assert printable_line("node-red\nFATAL: run this\x1b[0m") == "node-red\\x0aFATAL: run this\\x1b[0m"


def test_no_control_character_of_unicode_is_left() -> None:
    everything = "".join(map(chr, range(0x110000)))
    left = {char for char in printable(everything) if unicodedata.category(char) in ("Cc", "Zl", "Zp", "Cs")}
    left |= {char for char in printable(everything) if unicodedata.bidirectional(char) in BIDI_CONTROLS}
    assert left == {"\t", "\n"}


BIDI_CONTROLS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def test_a_result_is_cleaned_at_every_depth() -> None:
    result = {"a\x1b": ["b\x1b", {"c": ("d\x1b", 1, None, True, 1.5)}], "bytes": b"\x1b"}
    assert printable_result(result) == {
        "a\\x1b": ["b\\x1b", {"c": ["d\\x1b", 1, None, True, 1.5]}],
        "bytes": b"\x1b",
    }


def test_line_ends_of_a_result_stay_and_a_lone_carriage_return_does_not() -> None:
    assert printable_result(["a\r\nb\nc\rd\x1b\r\n"]) == ["a\r\nb\nc\\x0dd\\x1b\r\n"]


def test_a_result_without_end_is_cut() -> None:
    nested: list[object] = ["\x1b"]
    for _level in range(5000):
        nested = [nested]
    assert "nested too deeply" in str(printable_result(nested))


def test_the_text_of_a_failure_is_printable() -> None:
    failure = Failure("The file /home/pi/\x1b]0;x\x07 is a link.", "Remove \u202eit.")
    assert str(failure) == "The file /home/pi/\\x1b]0;x\\x07 is a link.\nRemove \\u202eit."
    assert (failure.problem, failure.remedy) == ("The file /home/pi/\\x1b]0;x\\x07 is a link.", "Remove \\u202eit.")
