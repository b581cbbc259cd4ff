# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: the time that a module takes at most, whatever the service user does meanwhile.

Each file access and each program has a limit of its own. The service user could make every one of them use it up.
"""

from __future__ import annotations

import contextlib
import signal
from typing import Any, Iterator, Optional

from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure

SECONDS = 50
# Raised again, should a part of the work have taken the first time for a failure of its own.
AGAIN_SECONDS = 5


@contextlib.contextmanager
def within(seconds: Optional[float]) -> Iterator[None]:
    """Raise Failure in this process where the work takes longer; None is no limit. For the main thread."""

    def expire(_number: int, _frame: Any) -> None:
        raise Failure(
            "This took longer than %d seconds on the machine, so it was stopped." % (seconds or 0),
            "Look at what the machine is busy with (top), and at what runs as the service user: processes that are "
            "stopped (state T), file systems that do not respond. Then run again.",
        )

    if seconds is None:
        yield
        return
    signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextlib.contextmanager
def paused() -> Iterator[None]:
    """The time meanwhile does not count: another run of this collection is waited for, which has limits of its own."""
    left, again = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left, again)
