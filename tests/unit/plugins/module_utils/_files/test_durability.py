# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a power cut takes is what the kernel has not written yet: everything that counts is on the disk before it does.

Content is safe after an fsync of the file (fsync(2)), a name after one of the folder that it is in.
"""

from __future__ import annotations

import os
import shutil

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._change import _change
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _pair

OURS = _files.Attributes(os.geteuid(), os.getegid(), 0o600, {})


class Disk:
    """Notes what a power cut would take: contents (the path of the file) and names (that of the folder)."""

    def __init__(self, monkeypatch):
        self.unsafe = set()
        self.unsafe_when_named = {}
        for name in ("open", "write", "fsync", "mkdir", "symlink", "rename", "unlink"):
            monkeypatch.setattr(os, name, self._noted(getattr(os, name), getattr(self, "_" + name)))

    @staticmethod
    def _noted(call, note):
        def noted(*arguments, **options):
            answer = call(*arguments, **options)
            note(answer, *arguments)
            return answer

        return noted

    def _open(self, _descriptor, path, flags, *_mode):
        if flags & os.O_CREAT:
            self.unsafe |= {str(path), os.path.dirname(path)}

    def _write(self, _length, descriptor, _data):
        self.unsafe.add(_path_of(descriptor))

    def _fsync(self, _nothing, descriptor):
        self.unsafe.discard(_path_of(descriptor))

    def _mkdir(self, _nothing, path, *_mode):
        self.unsafe.add(os.path.dirname(path))

    def _symlink(self, _nothing, _target, path):
        self.unsafe.add(os.path.dirname(path))

    def _rename(self, _nothing, old, new):
        self.unsafe_when_named[os.path.basename(new)] = self.unsafe - {os.path.dirname(new)}
        self.unsafe.add(os.path.dirname(new))

    def _unlink(self, _nothing, path):
        self.unsafe.add(os.path.dirname(path))


def _path_of(descriptor):
    return os.readlink(f"/proc/self/fd/{descriptor}")


@pytest.fixture
def settings(tmp_path):
    path = tmp_path / "settings.js"
    path.write_text("old")
    return path


@pytest.fixture
def disk(settings, monkeypatch):
    return Disk(monkeypatch)


def extend(settings, **options):
    _change.extend("nodered", None, str(settings), _files.read(str(settings)), _files.checksum(b"new"), **options)


def test_a_file_is_safe_before_it_gets_its_name_and_its_name_before_anything_else(disk, settings):
    _files.replace(str(settings), b"new", OURS)
    assert disk.unsafe_when_named["settings.js"] == set()
    assert disk.unsafe == set()


def test_a_file_that_was_removed_does_not_come_back(disk, settings):
    _files.remove(str(settings))
    assert disk.unsafe == set()


def test_folders_that_were_made_stay(disk, tmp_path):
    _files.make_folders(str(tmp_path / "nodered.service.d" / "further"), 0o755)
    assert disk.unsafe == set()


def test_the_way_back_is_safe_before_anything_is_changed(disk, settings):
    extend(settings)
    assert disk.unsafe_when_named["unconfirmed.json"] == set()
    assert disk.unsafe == set()


def test_what_was_undone_stays_undone(disk, settings):
    extend(settings)
    _files.replace(str(settings), b"new", OURS)
    _change.undo(_change.recorded("nodered"))
    assert settings.read_text() == "old"
    assert disk.unsafe == set()


def test_what_was_undone_on_a_full_disk_stays_undone(disk, settings, monkeypatch):
    shutil.copy(settings, f"{settings}.backup")
    extend(settings, backup=f"{settings}.backup")
    _files.replace(str(settings), b"new", OURS)

    def no_space(*_arguments):
        raise Failure("There is no space left.", "Free some.")

    monkeypatch.setattr(_files, "replace", no_space)
    _change.undo(_change.recorded("nodered"))
    assert settings.read_text() == "old"
    assert disk.unsafe == set()


def test_a_pair_is_safe_before_node_red_is_led_to_it(disk, tmp_path, monkeypatch):
    monkeypatch.setattr(_pair, "_try_out", lambda *_: None)
    monkeypatch.setattr(os, "chown", lambda *_: None)
    monkeypatch.setattr(os, "fchown", lambda *_: None)
    reader = _pair.Reader("root", "root", "node")
    folder = tmp_path / "nodered-tls" / "nodered"
    _pair.place(str(folder), _pair.Pair(b"certificate", b"key"), reader)
    assert disk.unsafe_when_named[_pair.CURRENT] == set()
    assert disk.unsafe == set()
