# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore point keeps, when it goes, and how later edits are noticed."""

from __future__ import annotations

import errno
import os
import pathlib

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._change import _points
from ansible_collections.pifleet.nodered.plugins.module_utils._change._points import Subject
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _identity


@pytest.fixture
def settings(tmp_path):
    path = tmp_path / "settings.js"
    path.write_text("0")
    return path


def run(settings, text, keep=5, summary=("settings: uiPort",)):
    """One run of the roles that writes this."""
    subjects = [Subject(_points.SETTINGS, str(settings)), Subject(_points.COMPANION, str(settings) + ".companion")]
    point = _points.begin("nodered", subjects, summary)
    settings.write_text(text)
    _points.complete(point, keep)
    return point


def numbers():
    return [point.number for point in _points.points("nodered")]


def text_of(point, index=0):
    return point.data(point.entries[index].before).decode()


def test_a_point_has_what_was_before_and_how_it_was_left(settings):
    run(settings, "1")
    (point,) = _points.points("nodered")
    assert (point.number, point.complete, list(point.summary)) == (1, True, ["settings: uiPort"])
    assert text_of(point) == "0"
    assert point.data(point.entries[0].after) == b"1"
    assert point.entries[1].before.form == _points.ABSENT


def test_points_are_for_root_alone(settings):
    run(settings, "1")
    place = pathlib.Path(_points.folder("nodered"))
    found = [place, *place.rglob("*")]
    assert {path.stat().st_mode & 0o777 for path in found if path.is_dir()} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in found if path.is_file()} == {0o600}
    assert {path.stat().st_uid for path in found} == {os.geteuid()}
    assert len(found) > 3


def test_the_newest_are_kept_and_the_first_one_in_addition(settings):
    for text in "123456":
        run(settings, text, keep=2)
    assert numbers() == [1, 5, 6]
    assert [text_of(point) for point in _points.points("nodered")] == ["0", "4", "5"]


def test_a_change_that_was_rolled_back_leaves_no_point(settings):
    run(settings, "1")
    run(settings, "2")
    settings.write_text("1")
    _points.settle("nodered")
    assert numbers() == [1]
    run(settings, "2")
    assert numbers() == [1, 2]


def test_a_point_before_its_change_is_written_goes_with_a_rollback_too(settings):
    _points.begin("nodered", [Subject(_points.SETTINGS, str(settings))], [])
    _points.settle("nodered")
    assert numbers() == []


def test_a_change_that_a_power_cut_interrupted_is_completed_later(settings):
    _points.begin("nodered", [Subject(_points.SETTINGS, str(settings))], [])
    settings.write_text("1")
    assert not _points.points("nodered")[0].complete
    _points.settle("nodered")
    (point,) = _points.points("nodered")
    assert point.complete and point.data(point.entries[0].after) == b"1"


def test_a_change_of_the_certificate_alone_keeps_its_point_and_copies_nothing(tmp_path):
    current = tmp_path / "current"
    current.symlink_to("1")
    subject = Subject(_points.CERTIFICATE, str(current))
    point = _points.begin("nodered", [subject], ["certificate: replaced"])
    current.unlink()
    current.symlink_to("2")
    _points.complete(point, 5)
    _points.settle("nodered")
    (point,) = _points.points("nodered")
    assert (point.entries[0].before.target, point.entries[0].after.target) == ("1", "2")
    assert os.listdir(point.folder) == [_points.MANIFEST]


def test_sessions_are_not_copied(tmp_path):
    (tmp_path / ".sessions.json").write_text("a token")
    point = _points.begin("nodered", [Subject(_points.SESSIONS, str(tmp_path / ".sessions.json"))], [])
    assert point.entries[0].before.form == _points.FILE
    assert os.listdir(point.folder) == [_points.MANIFEST]


def test_an_edit_between_two_runs_is_noted_and_survives_the_end_of_its_point(settings):
    run(settings, "1", keep=2)
    settings.write_text("by hand")
    run(settings, "2", keep=2)
    assert list(_points.points("nodered")[-1].edited) == [str(settings)]
    run(settings, "3", keep=2)
    run(settings, "4", keep=2)
    assert numbers() == [1, 3, 4]
    assert [list(point.edited) for point in _points.points("nodered")] == [[], [str(settings)], []]


def test_without_an_edit_none_is_noted(settings):
    run(settings, "1")
    settings.chmod(0o600)
    run(settings, "2")
    assert list(_points.points("nodered")[-1].edited) == []


def test_what_is_read_as_a_user_is_read_with_the_rights_of_that_user(tmp_path, open_folders):
    secret = tmp_path / "secret"
    secret.write_text("of root")
    secret.chmod(0o600)
    (tmp_path / "pifleet-a.js").symlink_to(secret)
    (tmp_path / "pifleet-b.js").hardlink_to(secret)
    nobody = _identity.of("nobody")
    subjects = [Subject(_points.COMPANION, str(tmp_path / name), nobody) for name in ("pifleet-a.js", "pifleet-b.js")]
    point = _points.begin("nodered", subjects, [])
    assert [entry.before.form for entry in point.entries] == [_points.LINK, _points.OTHER]
    assert os.listdir(point.folder) == [_points.MANIFEST]


def test_a_large_file_of_the_service_user_does_not_fill_the_folder_of_root(tmp_path):
    large = tmp_path / "pifleet-large.js"
    large.write_bytes(b"x" * (_points.LARGEST + 1))
    point = _points.begin("nodered", [Subject(_points.COMPANION, str(large))], [])
    assert point.entries[0].before.form == _points.OTHER
    assert os.listdir(point.folder) == [_points.MANIFEST]


def test_a_full_disk_prevents_the_change_and_leaves_the_earlier_points(settings, monkeypatch):
    run(settings, "1")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk, pytest.raises(Failure, match="no space left"):
        disk.setattr(_files, "_write_new", full)
        run(settings, "2")
    assert settings.read_text() == "1"
    assert os.listdir(_points.folder("nodered")) == ["1"]
    run(settings, "2")
    assert numbers() == [1, 2]


def test_a_damaged_point_is_left_out_and_a_damaged_copy_is_an_error(settings):
    run(settings, "1")
    run(settings, "2")
    first, second = _points.points("nodered")
    pathlib.Path(first.folder, _points.MANIFEST).write_text("{")
    assert numbers() == [2]
    pathlib.Path(second.folder, second.entries[0].before.copy).write_text("other")
    with pytest.raises(Failure, match="damaged"):
        text_of(second)
