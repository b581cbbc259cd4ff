# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import threading

from ansible_collections.pifleet.nodered.plugins.module_utils._core import _descriptors


def in_child(work):
    """What `work` writes to the descriptor that it is given, in a new process."""
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            work(writable)
        finally:
            os._exit(0)
    os.close(writable)
    with os.fdopen(readable, "rb") as stream:
        answer = stream.read()
    os.waitpid(child, 0)
    return answer


def test_data_that_is_larger_than_a_pipe_is_written_completely():
    readable, writable = os.pipe()
    data = b"x" * 1_000_000

    def write():
        _descriptors.write_all(writable, data)
        os.close(writable)

    writer = threading.Thread(target=write)
    writer.start()
    with os.fdopen(readable, "rb") as stream:
        assert stream.read() == data
    writer.join()


def test_a_new_process_keeps_only_the_descriptors_that_are_named():
    inherited = os.pipe()

    def report(writable):
        _descriptors.close_all_but(writable)
        kept = [number for number in range(64) if os.path.exists(f"/proc/self/fd/{number}")]
        os.write(writable, repr(kept == sorted({0, 1, 2, writable})).encode())

    try:
        assert in_child(report) == b"True"
    finally:
        for descriptor in inherited:
            os.close(descriptor)


def test_what_is_printed_without_streams_is_discarded():
    def report(writable):
        _descriptors.redirect_streams_to_null()
        os.write(1, b"discarded")
        links = {os.readlink(f"/proc/self/fd/{stream}") for stream in (0, 1, 2)}
        os.write(writable, repr((links, os.read(0, 1))).encode())

    assert in_child(report) == b"({'/dev/null'}, b'')"
