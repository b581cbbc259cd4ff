# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: the open file descriptors of a process."""

from __future__ import annotations

import contextlib
import os

STANDARD_STREAMS = (0, 1, 2)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of the data, as one write can take a part of it. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def redirect_streams_to_null() -> None:
    """Disconnect the standard streams: nothing is read from them, and what is printed is discarded."""
    null = os.open(os.devnull, os.O_RDWR)
    for stream in STANDARD_STREAMS:
        os.dup2(null, stream)
    if null not in STANDARD_STREAMS:
        os.close(null)


def close_all_but(*kept: int) -> None:
    """Close what a new process has inherited (locks, pipes), except for these descriptors and the standard streams."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in (*STANDARD_STREAMS, *kept):
            # The folder itself was one of them.
            with contextlib.suppress(OSError):
                os.close(int(name))
