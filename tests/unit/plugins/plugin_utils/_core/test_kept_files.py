# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept on the controller is whole and private, and one process at a time changes it."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core import _kept_files


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    (tmp_path / "key").write_bytes(b"whole")

    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        _kept_files.write(tmp_path / "key", b"half", 0o600)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"key": b"whole"}


def test_a_file_gets_its_mode_whatever_the_umask_is(tmp_path):
    before = os.umask(0o077)
    try:
        _kept_files.write(tmp_path / "certificate", b"", 0o644)
    finally:
        os.umask(before)
    assert (tmp_path / "certificate").stat().st_mode & 0o777 == 0o644


def count(folder, number):
    for _time in range(number):
        with _kept_files.locked(folder):
            text = (folder / "count").read_text() if (folder / "count").exists() else "0"
            _kept_files.write(folder / "count", str(int(text) + 1).encode(), 0o600)


@pytest.mark.parametrize("on_nfs", [False, True], ids=["", "on NFS"])
def test_one_process_at_a_time_works_in_a_folder(tmp_path, monkeypatch, on_nfs):
    flock = fcntl.flock

    def as_nfs(descriptor, operation):
        if not fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_RDWR:
            raise OSError(errno.EBADF, "Bad file descriptor")
        flock(descriptor, operation)

    if on_nfs:
        monkeypatch.setattr(fcntl, "flock", as_nfs)
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=count, args=(tmp_path / "new", 50)) for _worker in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (tmp_path / "new" / "count").read_text() == "150"
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_missing_folders_above_are_private_too(tmp_path):
    with _kept_files.locked(tmp_path / "passwords" / "login"):
        pass
    assert (tmp_path / "passwords").stat().st_mode & 0o777 == 0o700
