# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What waits for the next boot while a change waits for its restart; the boot itself is a test with machines."""

from __future__ import annotations

import os
import pathlib
import pwd
import subprocess
import sys
import time
import types

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._change import _boot, _change, _clock, _restart
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _find
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _processes, _systemd
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Unit


@pytest.fixture
def settings(tmp_path):
    path = tmp_path / "settings.js"
    path.write_text("old")
    return path


class Booted:
    """A machine after a boot: whether its Node-RED is wanted and serves, and how often it was restarted."""

    def __init__(self, monkeypatch):
        self.properties = {"LoadState": ["loaded"], "UnitFileState": ["enabled"], "ActiveState": ["active"]}
        self.serves_after = 10**6
        self.problem = None
        self.restarts = []
        monkeypatch.setattr(_processes, "boot_id", lambda: "the next boot")
        monkeypatch.setattr(_systemd, "show", lambda name: [Unit("nodered.service", self.properties)])
        monkeypatch.setattr(_find, "find", lambda service: (Unit("nodered.service", self.properties), []))
        monkeypatch.setattr(_restart, "_read_state", self.look)
        monkeypatch.setattr(_restart, "_responds", self.serves)
        monkeypatch.setattr(_restart, "restart_locked", lambda *arguments: self.restarts.append(arguments) or {})
        monkeypatch.setattr(_restart, "_result", lambda *_arguments: {})
        monkeypatch.setattr(_restart, "_refreshed", lambda state: state)
        monkeypatch.setattr(_restart, "POLL_SECONDS", 0.01)

    def look(self, name, remount):
        plan = types.SimpleNamespace(service="nodered")
        where = types.SimpleNamespace(problem=self.problem)
        return types.SimpleNamespace(
            name=name, plan=plan, loaded=types.SimpleNamespace(error=""), where=where, remount=remount
        )

    def serves(self, unit, where):
        self.serves_after -= 1
        return self.serves_after < 0, "", False

    def finish(self, remount=False):
        return _restart.finish("nodered", 0.5, remount)


@pytest.fixture
def boot(monkeypatch):
    return lambda: Booted(monkeypatch)


def record(settings, *names):
    _change.extend("nodered", None, str(settings), _files.read(str(settings)), _files.checksum(b"new"), names)


def change(settings, *names, remount=False):
    with _boot.changing("nodered", str(settings.parent), remount):
        record(settings, *names)
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


def test_the_unit_of_a_user_unit_waits_for_the_systemd_of_that_user(settings):
    uid = pwd.getpwnam("nobody").pw_uid
    with _boot.changing("nobody/flows", str(settings.parent), False):
        unit = pathlib.Path(_change.boot_unit("nobody/flows"))
        lines = unit.read_text().splitlines()
    assert unit.name == f"pifleet-user-{uid}-flows-interrupted.service"
    assert f"Wants=user@{uid}.service" in lines
    assert f"After=local-fs.target remote-fs.target user@{uid}.service" in lines
    program = _change.boot_program("nobody/flows")
    assert f"ExecStart={sys.executable} -I {program} nobody/flows" in lines


def test_the_program_needs_nothing_but_python(settings):
    change(settings)
    done = subprocess.run(
        [sys.executable, "-I", "-S", _change.boot_program("nodered"), "--help"],
        capture_output=True, text=True, timeout=60, check=False, env={},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "--remount" in done.stdout


def test_the_same_code_is_the_same_file(settings):
    change(settings)
    state = os.stat(_change.boot_program("nodered"))
    change(settings)
    assert os.stat(_change.boot_program("nodered")).st_ino == state.st_ino


def test_a_full_disk_leaves_nothing(settings, monkeypatch):
    replace = _files.replace

    def full(path, *arguments):
        if path == _change.boot_unit("nodered"):
            raise Failure("There is no space left.", "Free some.")
        replace(path, *arguments)

    monkeypatch.setattr(_files, "replace", full)
    with pytest.raises(Failure), _boot.changing("nodered", str(settings.parent), False):
        pass
    assert what_waits() == [False, False, False]


def test_whoever_masks_the_unit_does_not_want_it(settings):
    os.makedirs(os.path.dirname(_change.boot_unit("nodered")))
    os.symlink(os.devnull, _change.boot_unit("nodered"))
    change(settings)
    assert not os.path.lexists(_change.boot_link("nodered"))


def test_what_serves_nothing_after_the_boot_is_restarted_or_undone(settings, boot):
    change(settings)
    booted = boot()
    booted.finish(remount=True)
    assert booted.restarts == [("nodered.service", [], 0.5, True)]


def test_what_certainly_cannot_serve_is_not_waited_for(settings, boot):
    change(settings)
    booted = boot()
    booted.problem = "uiPort is no port."
    booted.serves_after = 0
    booted.finish()
    assert len(booted.restarts) == 1


def test_what_comes_to_serve_late_needs_no_restart(settings, boot):
    """Its network may have come late: the first starts of a good configuration fail then."""
    change(settings)
    booted = boot()
    booted.serves_after = 5
    booted.finish()
    assert booted.restarts == []
    assert _change.recorded("nodered") is None
    assert what_waits() == [False, False, False]


def test_where_logins_changed_old_sessions_have_to_be_ended(settings, boot):
    change(settings, "adminAuth")
    booted = boot()
    booted.serves_after = 0
    booted.finish()
    assert len(booted.restarts) == 1


def test_what_was_only_recorded_is_no_reason_to_restart(settings, boot):
    record(settings)
    assert boot().finish() is None
    _change.forget("nodered")
    assert boot().finish() is None


def test_a_run_that_is_under_way_finishes_by_itself(settings, boot, monkeypatch):
    change(settings)
    booted = boot()
    monkeypatch.setattr(_processes, "boot_id", lambda: _change.recorded("nodered").boot)
    assert booted.finish() is None
    assert booted.restarts == []


def test_what_somebody_else_put_to_use_long_ago_is_not_undone(settings, boot):
    change(settings)
    long_ago = time.time() - _change.INTERRUPTED_SECONDS - 1
    os.utime(_change.record_file("nodered"), (long_ago, long_ago))
    booted = boot()
    assert booted.finish() is None
    assert booted.restarts == []


def test_a_service_that_is_switched_off_stays_so(settings, boot):
    change(settings)
    booted = boot()
    booted.properties |= {"UnitFileState": ["disabled"], "ActiveState": ["inactive"]}
    assert booted.finish() is None
    assert booted.restarts == []


def test_a_change_that_waits_for_its_confirmation_is_rolled_back_at_a_boot_however_late(settings, boot, monkeypatch):
    change(settings, "adminAuth")
    _change.await_confirmation("nodered", "c0ffee")
    os.utime(_change.record_file("nodered"), (0, 0))
    rolled_back = []
    monkeypatch.setattr(_restart, "roll_back_locked", lambda *arguments: rolled_back.append(arguments[-1]) or {})
    machine = boot()
    machine.serves_after = 0
    machine.finish()
    assert rolled_back == ["It was not confirmed before the machine was started again."]
    assert machine.restarts == []


def test_the_clock_rolls_back_the_change_that_waits_for_that_confirmation_only(settings, boot, monkeypatch):
    change(settings, "adminAuth")
    _change.await_confirmation("nodered", "c0ffee")
    rolled_back = []
    monkeypatch.setattr(_restart, "roll_back_locked", lambda *arguments: rolled_back.append(arguments[-1]) or {})
    boot()
    assert _restart.roll_back_unconfirmed("nodered", "another", 0.5, False) is None
    assert rolled_back == []
    assert _restart.roll_back_unconfirmed("nodered", "c0ffee", 0.5, False) == {}
    assert rolled_back == ["It was not confirmed in time."]


def test_the_clock_runs_the_program_of_the_next_boot(settings, monkeypatch):
    commands = []
    answer = types.SimpleNamespace(returncode=0)
    monkeypatch.setattr(_systemd, "run", lambda command, _seconds: commands.append(command) or answer)
    _clock.start("nodered", "c0ffee", 90, True)
    program = _change.boot_command("nodered", True)
    assert commands[0][:5] == ["systemd-run", "--quiet", "--collect", commands[0][3], "--on-active=90s"]
    assert commands[0][-len(program) - 1 :] == [*program, "--unconfirmed=c0ffee"]
    _clock.stop("nodered", "c0ffee")
    assert commands[1] == ["systemctl", "stop", commands[0][3].removeprefix("--unit=") + ".timer"]
    answer.returncode, answer.stderr = 1, "no bus"
    with pytest.raises(Failure, match="no bus"):
        _clock.start("nodered", "c0ffee", 90, False)


def test_an_administrator_who_masks_the_unit_still_leaves_the_program_for_the_clock(settings):
    _files.make_folders(os.path.dirname(_change.boot_unit("nodered")), 0o755)
    os.symlink("/dev/null", _change.boot_unit("nodered"))
    change(settings)
    assert os.path.exists(_change.boot_program("nodered"))
    assert os.readlink(_change.boot_unit("nodered")) == "/dev/null"
