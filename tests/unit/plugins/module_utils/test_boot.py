# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What waits for the next boot while a change waits for its restart; the boot itself is a test with machines."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils import _boot, _change, _files, _restart
from ansible_collections.pifleet.nodered.plugins.module_utils._failure import Failure


@pytest.fixture
def settings(tmp_path):
    path = tmp_path / "settings.js"
    path.write_text("old")
    return path


@pytest.fixture
def restarts(monkeypatch):
    made = []
    monkeypatch.setattr(_restart, "restart", lambda *arguments: made.append(arguments))
    return made


def record(settings):
    _change.extend("nodered", None, str(settings), _files.read(str(settings)), _files.checksum(b"new"))


def change(settings, remount=False):
    with _boot.changing("nodered", str(settings.parent), remount):
        record(settings)
        settings.write_text("new")


def what_waits():
    files = (_change.boot_program("nodered"), _change.boot_unit("nodered"), _change.boot_link("nodered"))
    return [os.path.lexists(path) for path in files]


def test_a_change_is_finished_at_the_next_boot_unless_it_is_confirmed_before(settings):
    change(settings)
    assert what_waits() == [True, True, True]
    assert os.path.samefile(_change.boot_link("nodered"), _change.boot_unit("nodered"))
    _change.forget("nodered")
    assert what_waits() == [False, False, False]


def test_everything_waits_before_anything_is_recorded(settings):
    with _boot.changing("nodered", str(settings.parent), False):
        assert what_waits() == [True, True, True]


def test_nothing_waits_after_a_change_that_was_not_made(settings):
    with pytest.raises(Failure), _boot.changing("nodered", str(settings.parent), False):
        raise Failure("It cannot be loaded.", "Correct it.")
    assert what_waits() == [False, False, False]


def test_a_change_that_fails_later_leaves_the_way_back_of_the_one_before(settings):
    change(settings)
    with pytest.raises(Failure), _boot.changing("nodered", str(settings.parent), False):
        raise Failure("It cannot be loaded.", "Correct it.")
    assert what_waits() == [True, True, True]


def test_the_unit_runs_only_while_the_change_is_recorded(settings):
    change(settings, remount=True)
    lines = pathlib.Path(_change.boot_unit("nodered")).read_text().splitlines()
    assert f"ConditionPathExists={_change.record_file('nodered')}" in lines
    assert f"ExecStart={sys.executable} -I {_change.boot_program('nodered')} nodered --remount" in lines


def test_the_program_needs_nothing_but_python(settings):
    """It is run where it finds no package at all, and no change of its own machine, which this one is not."""
    change(settings)
    done = subprocess.run(
        [sys.executable, "-I", "-S", _change.boot_program("nodered"), "no-such-service"],
        capture_output=True, text=True, timeout=60, check=False, env={},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_the_same_code_is_the_same_file(settings):
    change(settings)
    state = os.stat(_change.boot_program("nodered"))
    change(settings)
    assert os.stat(_change.boot_program("nodered")).st_ino == state.st_ino


def test_a_change_in_place_is_finished(settings, restarts):
    change(settings)
    _boot.finish("nodered", True)
    assert restarts == [("nodered", _boot.SECONDS, True)]


def test_what_was_only_recorded_is_no_reason_to_restart(settings, restarts):
    record(settings)
    _boot.finish("nodered", False)
    assert restarts == []
    _change.forget("nodered")
    _boot.finish("nodered", False)
    assert restarts == []
