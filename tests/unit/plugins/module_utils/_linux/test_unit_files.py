# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of unit files; that systemd reads it the same way is a test with machines (test_hardening)."""

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _unit_files
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._unit_files import Directive

EVIL = "/home/pi/x\nExecStartPre=+/home/pi/evil.sh"


def line(name, *words, **more):
    (_header, found) = _unit_files.text({"Service": [Directive(name, words, **more)]}).splitlines()
    return found


def test_sections_keep_their_order_and_are_separated():
    sections = {"Unit": [Directive("After", ["a.target", "b.target"])], "Service": [Directive("UMask", ["0077"])]}
    expected = "# Why.\n[Unit]\nAfter=a.target b.target\n\n[Service]\nUMask=0077\n"
    assert _unit_files.text(sections, "Why.") == expected


def test_a_directive_without_words_resets():
    assert line("ExecStart") == "ExecStart="


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("-/home/pi", "-/home/pi"),
        ("/a b", '"/a b"'),
        ("/a%h", "/a%%h"),
        ("/a\\b", "/a\\\\b"),
        ("/a\\ b", '"/a\\\\ b"'),
        ("/a:b", '"/a:b"'),
        ("/a'b", '"/a\'b"'),
        ('/a"b', '"/a\\"b"'),
        (";", '";"'),
        ("", '""'),
        ("/caf\u00e9", "/caf\u00e9"),
    ],
)
def test_a_word_is_quoted_where_systemd_needs_it(word, written):
    assert line("ReadWritePaths", word) == "ReadWritePaths=" + written


def test_a_dollar_is_a_character_unless_the_command_has_variables():
    assert line("ExecStart", "/bin/$x", "$HOME", "a${b}") == "ExecStart=/bin/$x $$HOME a$${b}"
    assert line("ExecStart", "/bin/x", "$HOME", keep_dollar=True) == "ExecStart=/bin/x $HOME"
    assert line("ReadWritePaths", "/a$b") == "ReadWritePaths=/a$b"


def test_a_value_that_systemd_takes_as_a_whole_is_not_quoted():
    assert line("PathChanged", '/a "b" %h\\c') == 'PathChanged=/a "b" %%h\\c'


@pytest.mark.parametrize("value", [" /a", "/a ", "/a\\"])
def test_a_value_that_systemd_would_cut_or_continue_is_rejected(value):
    with pytest.raises(Failure, match="space"):
        line("PathChanged", value)


def test_a_value_that_systemd_takes_as_a_whole_is_only_one():
    with pytest.raises(Failure, match="one value, not 2"):
        line("PathChanged", "/a", "/b")


@pytest.mark.parametrize("character", [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))])
@pytest.mark.parametrize("name", ["ReadWritePaths", "ExecStart", "Description"])
def test_no_value_holds_a_control_character(name, character):
    with pytest.raises(Failure, match="control character"):
        line(name, f"/a{character}b")


def test_a_value_that_is_no_text_is_rejected():
    with pytest.raises(Failure, match="not UTF-8"):
        line("ReadWritePaths", "/a\udcffb")


def test_names_and_comments_add_no_lines_either():
    for sections, about in (
        ({"Service]\nExecStart=x": []}, ""),
        ({"Service": [Directive("UMask=0077\nExecStart", ["x"])]}, ""),
        ({"Service\n": []}, ""),
        ({}, "why\nExecStart=x"),
    ):
        with pytest.raises(Failure):
            _unit_files.text(sections, about)


def test_the_error_is_one_short_line_about_the_value():
    with pytest.raises(Failure) as error:
        line("ReadWritePaths", EVIL + "x" * 5000)
    assert "/home/pi/x\\x0aExecStartPre=+/home/pi/evil.sh" in error.value.problem
    assert "\n" not in error.value.problem
    assert len(error.value.problem) < 400


def test_data_from_a_playbook_becomes_directives():
    data = {"Service": [{"UMask": "0077"}, {"ReadWritePaths": ["/a", "/b c"]}, {"ExecStart": ""}, {"ExecStart": []}]}
    expected = '[Service]\nUMask=0077\nReadWritePaths=/a "/b c"\nExecStart=\nExecStart=\n'
    assert _unit_files.text(_unit_files.from_data(data)) == expected


@pytest.mark.parametrize(
    "data",
    [
        {"Service": "UMask=0077"},
        {"Service": {"UMask": "0077"}},
        {"Service": ["UMask=0077"]},
        {"Service": [{"UMask": 63}]},
        {"Service": [{"UMask": None}]},
        {"Service": [{"ReadWritePaths": ["/a", 1]}]},
        {"Service": [{"UMask": "0077", "User": "pi"}]},
        {"Service": [{1: "0077"}]},
        {"Service": [{}]},
    ],
)
def test_data_of_another_form_is_rejected(data):
    with pytest.raises(Failure, match="expected form"):
        _unit_files.from_data(data)
