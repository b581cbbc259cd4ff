# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: the limit on the time of a module, which the service user cannot exceed.

Each file access and each program has a limit of its own. The service user could make every one of them use it up.
"""

from __future__ import annotations

import contextlib
import signal
import time
from typing import Any, Dict, Iterator, Optional

from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure

# What one Node-RED may cost a run, all its modules and the verification together, see `plugin_utils/_core/_budget`.
SECONDS = 60
OPTION: Dict[str, Any] = {"type": "float", "default": SECONDS}
"""The option `time_limit` of a module."""


class OutOfTime(Failure):
    """The time of this module is over."""


class _Expired(BaseException):
    """No Failure: no part of the work takes it for one of its own. Raised once, so it does not stop what cleans up."""


class _Pauses:
    """Those of this process."""

    depth = 0
    seconds = 0.0


class Watch:
    """How long the work takes in this process."""

    def __init__(self) -> None:
        self._begun, self._waited = time.monotonic(), _Pauses.seconds

    def times(self) -> Dict[str, float]:
        """In seconds: `spent` counts, `waited` is what was `paused`."""
        waited = _Pauses.seconds - self._waited
        return {"spent": round(time.monotonic() - self._begun - waited, 1), "waited": round(waited, 1)}


@contextlib.contextmanager
def within(seconds: Optional[float]) -> Iterator[None]:
    """Raise OutOfTime in this process if the work takes longer; None is no limit. For the main thread."""

    def expire(_number: int, _frame: Any) -> None:
        raise _Expired

    if seconds is None:
        yield
        return
    signal.signal(signal.SIGALRM, expire)
    try:
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except _Expired:
        raise OutOfTime(
            "This took longer than %.0f seconds on the machine, so it was stopped." % seconds,
            "Look at what the machine is busy with (top), and at what runs as the service user: processes that are "
            "stopped (state T), file systems that do not respond. What was done is in journalctl -t pifleet.nodered. "
            "Then run again.",
        ) from None


@contextlib.contextmanager
def paused() -> Iterator[None]:
    """The time meanwhile does not count, and nothing is stopped: what is done or waited for has limits of its own."""
    left = signal.setitimer(signal.ITIMER_REAL, 0)[0]
    begun = time.monotonic()
    _Pauses.depth += 1
    try:
        yield
    finally:
        _Pauses.depth -= 1
        if not _Pauses.depth:
            _Pauses.seconds += time.monotonic() - begun
        if left:
            signal.setitimer(signal.ITIMER_REAL, left)
