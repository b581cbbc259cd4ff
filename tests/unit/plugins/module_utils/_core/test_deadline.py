# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core import _deadline
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _identity


def test_work_that_takes_longer_is_stopped():
    with pytest.raises(Failure, match="took longer"), _deadline.within(0.1):
        time.sleep(5)


def test_work_that_ends_in_time_is_not_stopped_later():
    with _deadline.within(0.2):
        pass
    time.sleep(0.4)


def test_no_part_of_the_work_takes_the_end_for_a_failure_of_its_own():
    with pytest.raises(Failure, match="took longer"), _deadline.within(0.1), contextlib.suppress(Failure, OSError):
        time.sleep(5)


def test_cleaning_up_is_not_stopped():
    cleaned = []
    with pytest.raises(Failure, match="took longer"), _deadline.within(0.1):
        try:
            time.sleep(5)
        finally:
            time.sleep(0.3)
            cleaned.append(True)
    assert cleaned


def test_no_time_left_is_a_limit_too():
    with pytest.raises(Failure, match="took longer"), _deadline.within(0):
        time.sleep(5)


def test_what_is_paused_is_not_stopped_and_counts_apart():
    watch = _deadline.Watch()
    with _deadline.within(0.5):
        with _deadline.paused(), _deadline.paused():
            time.sleep(0.7)
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    times = watch.times()
    assert times["spent"] < 0.5 < times["waited"] < 1.2


def test_a_child_process_that_the_user_stopped_is_not_waited_for():
    started = time.monotonic()
    with pytest.raises(Failure, match="took longer"), _deadline.within(0.2):
        _identity.of(str(os.getuid())).run(_stop_oneself)
    assert time.monotonic() - started < 5


def _stop_oneself():
    os.kill(os.getpid(), signal.SIGSTOP)


def test_waiting_for_another_run_does_not_count(tmp_path):
    path, held = str(tmp_path / "lock"), Failure("held")
    taken = threading.Event()

    def hold():
        with _files.locked(path, 1, held):
            taken.set()
            time.sleep(1)

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait(5)
    with _deadline.within(0.5), _files.locked(path, 5, held):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    thread.join()
