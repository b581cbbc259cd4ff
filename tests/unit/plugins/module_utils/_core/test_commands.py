# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
import time

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core import _commands


def shell(script, seconds=10, **options):
    return _commands.run(["/bin/sh", "-c", script], seconds, **options)


def test_status_and_both_outputs_are_returned():
    output = shell("echo out; echo error >&2; exit 3")
    assert (output.returncode, output.stdout, output.stderr) == (3, b"out\n", b"error\n")


def test_a_program_without_end_is_killed_in_time():
    started = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        shell("while :; do sleep 60; done", seconds=0.5)
    assert time.monotonic() - started < 5


def test_a_program_that_prints_without_end_is_killed_at_the_limit():
    started = time.monotonic()
    with pytest.raises(_commands.TooMuch, match="1000 bytes"):
        shell("while :; do echo yes; done", limit=1000)
    assert time.monotonic() - started < 5


def test_a_process_that_keeps_the_output_open_is_not_waited_for():
    started = time.monotonic()
    assert shell("sleep 60 & echo done").stdout == b"done\n"
    assert time.monotonic() - started < 5


def test_a_program_that_stops_itself_ends_at_the_deadline():
    with pytest.raises(subprocess.TimeoutExpired):
        shell("kill -STOP $$", seconds=0.5)


def test_a_program_that_closes_its_output_and_goes_on_ends_at_the_deadline():
    with pytest.raises(subprocess.TimeoutExpired):
        shell("exec >&- 2>&-; sleep 60", seconds=0.5)


def test_only_the_given_variables_are_passed_on():
    assert shell("echo $A$HOME", environment={"A": "1"}).stdout == b"1\n"


@pytest.mark.parametrize("variables", [{"A": "a\0secret"}, {"A": "\ud800secret"}, {"A=secret": "a"}])
def test_a_variable_that_no_program_can_have_is_an_error_of_the_system(variables):
    with pytest.raises(OSError, match="characters that none can have") as caught:
        shell("true", environment=variables)
    assert "secret" not in str(caught.value)
