# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import stat
import struct
import subprocess
import time

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files

OLD, NEW = b"module.exports = {};\n", b"module.exports = {uiPort: 1881};\n"


@pytest.fixture
def settings(tmp_path):
    path = tmp_path / "settings.js"
    path.write_bytes(OLD)
    path.chmod(0o640)
    return path


def replace(path):
    content = _files.read(str(path))
    _files.replace(content.path, NEW, content.attributes)


def leftovers(folder):
    return [name for name in os.listdir(folder) if ".pifleet-" in name]


def test_a_file_is_replaced_as_a_whole_and_keeps_its_mode(settings):
    before = settings.stat()
    replace(settings)
    assert settings.read_bytes() == NEW
    assert stat.S_IMODE(settings.stat().st_mode) == 0o640
    assert settings.stat().st_ino != before.st_ino
    assert not leftovers(settings.parent)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_owner_and_group_stay(settings):
    os.chown(settings, 1234, 4321)
    replace(settings)
    assert (settings.stat().st_uid, settings.stat().st_gid) == (1234, 4321)


def test_extended_attributes_and_access_control_lists_stay(settings):
    entry = struct.Struct("<HHI").pack
    everybody = 0xFFFFFFFF
    # user::rw- user:33:r-- group::r-- mask::r-- other::---
    acl = struct.pack("<I", 2) + b"".join(
        [
            entry(1, 6, everybody),
            entry(2, 4, 33),
            entry(4, 4, everybody),
            entry(16, 4, everybody),
            entry(32, 0, everybody),
        ]
    )
    try:
        os.setxattr(settings, "user.note", b"keep me")
        os.setxattr(settings, "system.posix_acl_access", acl)
    except OSError as error:
        pytest.skip(f"this file system has none: {error}")
    replace(settings)
    assert os.getxattr(settings, "user.note") == b"keep me"
    assert os.getxattr(settings, "system.posix_acl_access") == acl


def test_a_link_stays_and_its_target_is_replaced(settings, tmp_path):
    link = tmp_path / "link.js"
    link.symlink_to("settings.js")
    replace(link)
    assert link.is_symlink()
    assert settings.read_bytes() == NEW


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EBUSY, errno.EPERM, errno.EIO])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(settings, monkeypatch, number):
    def fail(*_arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(_files.os, "rename", fail)
    with pytest.raises(Failure) as failure:
        replace(settings)
    assert failure.value.remedy
    assert str(settings) in str(failure.value)
    assert settings.read_bytes() == OLD
    assert os.listdir(settings.parent) == ["settings.js"]


def test_a_full_disk_is_noticed_while_the_old_file_is_still_there(settings, monkeypatch):
    def full(descriptor, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(_files.os, "write", full)
    with pytest.raises(Failure, match="no space left on .* for the new .*settings.js; the old file is untouched"):
        replace(settings)
    assert os.listdir(settings.parent) == ["settings.js"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a file immutable")
def test_an_immutable_file_is_named_with_the_remedy(settings):
    if subprocess.run(["chattr", "+i", settings], check=False, capture_output=True).returncode:
        pytest.skip("this file system has no immutable files")
    try:
        with pytest.raises(Failure, match="immutable"):
            replace(settings)
    finally:
        subprocess.run(["chattr", "-i", settings], check=True)
    assert os.listdir(settings.parent) == ["settings.js"]


def test_a_candidate_can_be_read_by_its_owner_alone_and_ends_like_the_file(settings):
    with _files.candidate(str(settings), NEW, uid=os.getuid(), gid=os.getgid()) as candidate:
        assert stat.S_IMODE(os.stat(candidate).st_mode) == 0o400
        name = os.path.basename(candidate)
        assert name.startswith(".settings.")
        assert name.endswith(".js")
    assert not leftovers(settings.parent)


def test_a_candidate_goes_when_the_process_is_told_to_end(settings):
    with contextlib.suppress(SystemExit), _files.candidate(str(settings), NEW, uid=os.getuid(), gid=os.getgid()):
        raise SystemExit(143)
    assert not leftovers(settings.parent)


def test_a_candidate_that_a_killed_run_left_goes_after_an_hour(settings):
    old, young = settings.parent / ".settings.pifleet-1.js", settings.parent / ".settings.pifleet-2.js"
    for path in (old, young):
        path.touch()
    os.utime(old, (1, 1))
    replace(settings)
    assert not old.exists()
    assert young.exists()


def test_a_backup_has_content_and_mode_of_the_file(settings):
    backup = _files.back_up(_files.read(str(settings)))
    assert backup.startswith(str(settings) + ".")
    assert backup.endswith("~")
    assert pathlib.Path(backup).read_bytes() == OLD
    assert stat.S_IMODE(os.stat(backup).st_mode) == 0o640


@pytest.mark.parametrize("size", [0, 1, 70_000])
def test_a_file_is_read_as_a_whole_up_to_the_limit(settings, size):
    settings.write_bytes(b"x" * size)
    assert _files.data(str(settings), limit=size) == b"x" * size
    settings.write_bytes(b"x" * (size + 1))
    with pytest.raises(_files.TooLarge, match="KiB"):
        _files.data(str(settings), limit=size)
    assert _files.text(str(settings), limit=size) == ""


def test_a_file_of_the_kernel_is_read_at_once():
    path = "/proc/sys/net/ipv4/ip_local_port_range"
    assert len(_files.text(path).split()) == 2
    assert _files.data("/proc/self/maps", limit=_files.LARGEST).endswith(b"\n")


def test_a_file_that_grows_while_it_is_read_is_read_within_the_limit(settings, monkeypatch):
    settings.write_bytes(b"x")
    at_first = os.stat(settings)
    settings.write_bytes(b"x" * 200_000)
    monkeypatch.setattr(_files.os, "fstat", lambda descriptor: at_first)
    assert len(_files.data(str(settings), limit=200_000)) == 200_000
    with pytest.raises(_files.TooLarge):
        _files.data(str(settings), limit=199_999)


def test_what_is_no_regular_file_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "dangling").symlink_to("nowhere")
    for name, problem in (
        ("fifo", "not a regular file"),
        (".", "not a regular file"),
        ("none", "does not exist"),
        ("dangling", "is a link to"),
    ):
        with pytest.raises(Failure, match=problem):
            _files.read(str(tmp_path / name))


@pytest.mark.parametrize(
    "path, package",
    [
        ("/usr/lib/node_modules/node-red/settings.js", "/usr/lib/node_modules/node-red"),
        ("/a/node_modules/b/node_modules/c/x/settings.js", "/a/node_modules/b/node_modules/c"),
        ("/home/pi/.node-red/settings.js", None),
        ("/home/pi/node_modules", None),
    ],
)
def test_a_file_of_an_installed_package_is_recognised(path, package):
    assert _files.below_node_modules(path) == package


def test_a_clock_that_jumps_makes_no_temporary_file_an_abandoned_one(settings, monkeypatch):
    """As on a Pi that gets the time from the network, years later than it thought."""
    now = time.time()
    with _files.candidate(str(settings), NEW, uid=os.getuid(), gid=os.getgid()) as first:
        monkeypatch.setattr(_files.time, "time", lambda: now + 56 * 365 * 86400)
        with _files.candidate(str(settings), NEW, uid=os.getuid(), gid=os.getgid()):
            assert os.path.exists(first)
    assert leftovers(settings.parent) == []
