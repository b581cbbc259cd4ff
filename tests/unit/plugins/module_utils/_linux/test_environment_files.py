# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _environment_files

# What systemd 252 makes of each text, tried with EnvironmentFile= and a service that prints its environment.
ENVIRONMENT_FILES = {
    "A=b": [("A", "b")],
    "A=b\n\n# c=d\n; e=f\nG=h": [("A", "b"), ("G", "h")],
    "A=two words  \n": [("A", "two words")],
    "A='two  words'": [("A", "two  words")],
    'A="a\\"b\\\\c"': [("A", 'a"b\\c')],
    'A="a\\nb"': [("A", "a\\nb")],
    "A=a\\\nb": [("A", "ab")],
    "A=-p 1881 -D x='y z'": [("A", "-p 1881 -D x='y z'")],
    "A=b # not a comment": [("A", "b # not a comment")],
    "A=": [("A", "")],
    "export A=b": [],
    "1A=b": [],
    "no equals sign\nB=c": [("B", "c")],
    "  A = b": [("A", "b")],
    "A=b\r\nC=d\r\n": [("A", "b"), ("C", "d")],
    "A='line one\nline two'": [("A", "line one\nline two")],
    "A=$HOME/x": [("A", "$HOME/x")],
    "A=first\nA=second": [("A", "first"), ("A", "second")],
}


@pytest.mark.parametrize("text, expected", ENVIRONMENT_FILES.items(), ids=list(ENVIRONMENT_FILES))
def test_an_environment_file_is_read_as_systemd_reads_it(text, expected):
    assert _environment_files.assignments(text) == expected


def test_environment_files_may_be_a_pattern_or_missing(tmp_path):
    (tmp_path / "b.env").touch()
    (tmp_path / "a.env").touch()
    assert _environment_files.files_of(str(tmp_path / "*.env")) == [str(tmp_path / "a.env"), str(tmp_path / "b.env")]
    assert _environment_files.files_of(str(tmp_path / "*.none")) == []
    assert _environment_files.files_of(str(tmp_path / "none")) == [str(tmp_path / "none")]


@pytest.mark.parametrize("text", ["A=" + "x" * 2**20, "A='" + "x" * 2**20, "A=\\\n" * 2**18])
def test_a_long_file_of_the_service_user_takes_no_time(text):
    begun = time.process_time()
    assert _environment_files.assignments(text)
    assert time.process_time() - begun < 4
