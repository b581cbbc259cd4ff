# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a wait for a host. Private.

ansible-core waits for the end of a remote command forever.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator


class Stalled(BaseException):
    """The host did not finish in time. No Exception: after those, connections try again."""


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise `Stalled` after some seconds. A limit of the task itself (its keyword `timeout`) stays."""

    def stop(_signal: int, _frame: object) -> None:
        raise Stalled

    armed = signal.getitimer(signal.ITIMER_REAL)[0]
    if 0 < armed <= seconds or threading.current_thread() is not threading.main_thread():
        yield
        return
    begun = time.monotonic()
    handler = signal.signal(signal.SIGALRM, stop)
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, handler or signal.SIG_DFL)
        if armed:
            signal.setitimer(signal.ITIMER_REAL, max(0.001, armed - (time.monotonic() - begun)))
