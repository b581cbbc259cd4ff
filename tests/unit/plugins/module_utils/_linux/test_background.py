# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import signal
import time

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core import _deadline
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _background, _systemd


@pytest.fixture(autouse=True)
def without_systemd(monkeypatch):
    def nothing(arguments, timeout=60):
        raise Failure("busctl is not installed on this machine.")

    monkeypatch.setattr(_systemd, "run", nothing)


def test_the_result_of_the_work_comes_back():
    assert _background.finish(lambda: {"changed": True, "text": "ü" * 100000}, "Test")["text"] == "ü" * 100000


def test_a_failure_of_the_work_comes_back_as_one():
    def work():
        raise Failure("It is broken.", "Mend it.")

    result = _background.finish(work, "Test")
    assert (result["failed"], result["msg"]) == (True, "It is broken.\nMend it.")
    assert "out_of_time" not in result


def test_the_end_of_its_time_comes_back_as_one_with_the_time():
    def work():
        with _deadline.within(0.2):
            time.sleep(5)

    result = _background.finish(work, "Test")
    assert result["failed"] and result["out_of_time"] and result["spent"] >= 0.2


def test_an_error_of_the_system_comes_back_as_a_failure(tmp_path):
    """The service user can remove a file between two looks at it."""
    gone = tmp_path / "gone"
    result = _background.finish(lambda: {"text": gone.read_text()}, "Test")
    assert result["failed"]
    assert result["msg"].startswith(f"{gone}: No such file or directory.\nA file changed during the run")


def test_work_that_ends_without_a_word_is_a_failure():
    with pytest.raises(Failure, match="Test ended without a result"):
        _background.finish(lambda: os._exit(1), "Test")


def test_what_is_logged_is_printable(monkeypatch):
    lines = []
    monkeypatch.setattr(_background.syslog, "syslog", lambda _level, line: lines.append(line))
    _background.log("a\x1b[31m\nb\u202e")
    monkeypatch.setattr(_background, "ansible_warnings", None)
    _background.warn("c\x07")
    assert lines == ["a\\x1b[31m", "b\\u202e", "c\\x07"]


def test_the_work_has_its_own_session_and_ignores_a_hang_up():
    def work():
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)
        return {"session": os.getsid(0), "pid": os.getpid()}

    result = _background.finish(work, "Test")
    assert result["session"] == result["pid"] != os.getsid(0)


def test_the_work_goes_on_when_whoever_waits_is_killed(tmp_path):
    done = tmp_path / "done"

    def work():
        time.sleep(0.5)
        done.write_text("yes")
        return {}

    waiting = os.fork()
    if waiting == 0:
        try:
            _background.finish(work, "Test")
        finally:
            os._exit(0)
    time.sleep(0.2)
    os.kill(waiting, signal.SIGKILL)
    os.waitpid(waiting, 0)
    end = time.monotonic() + 10
    while not done.exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert done.exists()
