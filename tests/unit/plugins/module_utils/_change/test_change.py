# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._change import _change
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _identity

NOBODY = _identity.of("nobody")


@pytest.fixture
def settings(tmp_path):
    path = tmp_path / "settings.js"
    path.write_text("old")
    path.chmod(0o640)
    return path


@pytest.fixture
def process():
    """Stands for Node-RED's main process."""
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        yield process


@pytest.fixture
def serving():
    """Makes this process one that stands for a Node-RED which serves."""
    with socket.create_server(("127.0.0.1", 0)):
        yield


def change(path, text, pid=None, names=("uiPort",), backup=None):
    """Record a change and make it, as the settings module does."""
    old = _files.read(str(path)) if os.path.exists(path) else None
    checksum = _files.checksum(text.encode()) if text is not None else None
    _change.extend("nodered", pid, str(path), old, checksum, names, backup)
    if text is None:
        os.unlink(path)
    else:
        path.write_text(text)


def test_a_recorded_change_can_be_undone(settings, process):
    change(settings, "new", process.pid)
    assert _change.waiting("nodered", process.pid)
    assert _change.undo(_change.recorded("nodered")) == [str(settings)]
    assert settings.read_text() == "old"
    assert settings.stat().st_mode & 0o777 == 0o640


def test_the_record_is_for_root_alone(settings):
    change(settings, "new")
    folder = _change.folder("nodered")
    assert os.stat(folder).st_mode & 0o777 == 0o700
    assert {os.stat(os.path.join(folder, name)).st_mode & 0o777 for name in os.listdir(folder)} == {0o600}


def test_a_record_whose_file_was_never_replaced_is_harmless(settings, process):
    _change.extend("nodered", process.pid, str(settings), _files.read(str(settings)), _files.checksum(b"new"))
    assert not _change.waiting("nodered", process.pid)
    assert _change.undo(_change.recorded("nodered")) == []
    assert settings.read_text() == "old"


def test_a_second_change_goes_back_to_the_first_copy(settings, process):
    change(settings, "new", process.pid, ["uiPort"], backup="/first~")
    change(settings, "newer", process.pid, ["adminAuth.users"])
    record = _change.recorded("nodered")
    assert record.settings == ["adminAuth.users", "uiPort"]
    assert record.backup_of(str(settings)) == "/first~"
    assert record.touches("adminAuth")
    assert not record.touches("admin")
    _change.undo(record)
    assert settings.read_text() == "old"


def test_after_a_restart_by_somebody_else_a_change_no_longer_waits(settings, process, serving):
    change(settings, "new", process.pid)
    assert not _change.waiting("nodered", os.getpid())
    change(settings, "newer", os.getpid())
    _change.undo(_change.recorded("nodered"))
    assert settings.read_text() == "new"


def test_a_service_that_did_not_run_and_does_not_run_waits_for_its_start(settings, serving):
    change(settings, "new", None)
    assert _change.waiting("nodered", None)
    assert not _change.waiting("nodered", os.getpid())


def test_a_power_cut_leaves_the_change_waiting_while_nothing_runs(settings, process):
    change(settings, "new", process.pid)
    assert _change.waiting("nodered", None)


def test_a_change_that_serves_nothing_after_a_power_cut_waits(settings, process):
    change(settings, "new", process.pid)
    assert _change.waiting("nodered", os.getpid())
    change(settings, "newer", os.getpid())
    _change.undo(_change.recorded("nodered"))
    assert settings.read_text() == "old"


def test_a_process_that_was_started_with_a_change_does_not_go_on_with_the_old_files(settings, process):
    change(settings, "new", process.pid)
    assert _change.recorded("nodered").runs_old(process.pid)
    change(settings, "newer", os.getpid())
    assert not _change.recorded("nodered").runs_old(os.getpid())
    assert _change.recorded("nodered").counts(os.getpid())
    change(settings, "newest", os.getpid())
    assert not _change.recorded("nodered").runs_old(os.getpid())


def test_a_change_of_logins_waits_until_sessions_have_ended_whoever_restarts(settings, process, serving):
    change(settings, "new", process.pid, ["adminAuth"])
    assert _change.waiting("nodered", os.getpid())
    change(settings, "newer", os.getpid(), ["uiPort"])
    assert _change.recorded("nodered").ends_sessions()
    _change.forget("nodered")
    change(settings, "newest", os.getpid(), ["uiPort"])
    assert not _change.recorded("nodered").ends_sessions()


def test_an_edit_by_hand_on_top_still_leads_back_to_what_served(settings, process):
    change(settings, "new", process.pid)
    settings.write_text("new and by hand")
    assert _change.waiting("nodered", process.pid)
    record = _change.recorded("nodered")
    assert record.backup_of(str(settings)) is None
    rejected = _change.rejected_texts(record)
    _change.undo(record)
    kept = _change.keep(rejected)
    assert settings.read_text() == "old"
    assert kept == [str(settings) + ".rejected"]
    assert pathlib.Path(kept[0]).read_text() == "new and by hand"
    assert os.stat(kept[0]).st_mode & 0o777 == 0o600


def test_an_edit_by_hand_without_a_process_from_before_is_not_ours_to_undo(settings, process):
    change(settings, "new", process.pid)
    settings.write_text("by hand")
    assert not _change.recorded("nodered").counts(None)
    assert not _change.recorded("nodered").counts(os.getpid())


def test_a_file_that_was_new_is_deleted_with_its_empty_folder(tmp_path, process):
    folder = tmp_path / "nodered.service.d"
    folder.mkdir()
    change(folder / "50-port.conf", "[Service]\n", process.pid, [])
    record = _change.recorded("nodered")
    assert record.touches_unit()
    assert _change.rejected_texts(record) == []
    _change.undo(record)
    assert not folder.exists()


def test_a_file_that_was_deleted_comes_back(tmp_path, process):
    path = tmp_path / "50-port.conf"
    path.write_text("[Service]\n")
    change(path, None, process.pid, [])
    assert _change.waiting("nodered", process.pid)
    _change.undo(_change.recorded("nodered"))
    assert path.read_text() == "[Service]\n"


def test_a_confirmed_change_leaves_nothing_behind(settings, process):
    change(settings, "new", process.pid)
    _change.forget("nodered")
    assert os.listdir(_change.folder("nodered")) == []
    assert _change.recorded("nodered") is None
    _change.forget("nodered")


def test_a_record_that_cannot_be_read_is_none(settings):
    change(settings, "new")
    record = os.path.join(_change.folder("nodered"), "unconfirmed.json")
    for text in ("", "{", "[]", json.dumps({"boot": "x"})):
        pathlib.Path(record).write_text(text)
        assert _change.recorded("nodered") is None


def as_in_0_2_0(record):
    """Rewrite the record with the members that version 0.2.0 gave a file."""
    path = pathlib.Path(record)
    found = json.loads(path.read_text())
    for file in found["files"]:
        state = os.stat(os.path.dirname(file["path"]))
        file["folder"] = [state.st_dev, state.st_ino]
        del file["user"], file["second_name"]
    path.write_text(json.dumps(found))


def test_a_record_of_version_0_2_0_can_be_undone_as_the_owner_of_the_folder(settings, process, monkeypatch):
    change(settings, "new", process.pid)
    as_in_0_2_0(_change.record_file("nodered"))
    assert _change.waiting("nodered", process.pid)
    recorded = _change.recorded("nodered")
    assert recorded.files[0].user is None
    assert _change.undo(recorded) == [str(settings)]
    assert settings.read_text() == "old"

    monkeypatch.setattr(_identity, "owner", lambda path: NOBODY)
    assert _change.recorded("nodered").files[0].user == NOBODY


def test_on_a_full_disk_the_backup_takes_the_place_of_the_file(settings, tmp_path, monkeypatch, process):
    backup = tmp_path / "settings.js.1~"
    backup.write_text("old")
    change(settings, "new", process.pid, backup=str(backup))

    def full(*_arguments):
        raise Failure("There is no space left.")

    monkeypatch.setattr(_files, "replace", full)
    _change.undo(_change.recorded("nodered"))
    assert settings.read_text() == "old"


def test_only_one_at_a_time_may_change_a_service():
    with _change.locked("nodered", 1), pytest.raises(Failure, match="still going on"), _change.locked("nodered", 0):
        pass
    with _change.locked("nodered", 0), _change.locked("node-red", 0):
        pass


def test_whoever_waits_for_the_lock_gets_it():
    order = []

    def first():
        with _change.locked("nodered", 1):
            order.append("first")
            time.sleep(0.3)

    thread = threading.Thread(target=first)
    thread.start()
    while not order:
        time.sleep(0.01)
    with _change.locked("nodered", 10):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_a_link_put_in_the_place_of_a_file_lends_it_no_rights(settings, tmp_path):
    os.chown(settings, 65534, 65534)
    change(settings, "new")
    program = tmp_path / "program-of-root"
    program.write_text("root's")
    program.chmod(0o4755)
    settings.unlink()
    settings.symlink_to(program)
    _change.undo(_change.recorded("nodered"))
    state = os.lstat(settings)
    assert (state.st_uid, state.st_mode & 0o7777) == (65534, 0o640)
    assert program.read_text() == "root's"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can work as another user")
def test_a_folder_that_the_user_exchanged_is_written_to_with_the_users_rights_alone(tmp_path, open_folders):
    folder, elsewhere = tmp_path / "user", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    path = folder / "settings.js"
    path.write_text("old")
    for owned in (tmp_path, folder, path):
        os.chown(owned, NOBODY.uid, NOBODY.gid)
    old = _files.read(str(path), NOBODY)
    _change.extend("nodered", None, str(path), old, _files.checksum(b"new"), user=NOBODY)
    _files.replace(str(path), b"new", old.attributes, NOBODY)
    folder.rename(tmp_path / "moved")
    folder.symlink_to(elsewhere)
    with pytest.raises(Failure, match="user nobody"):
        _change.undo(_change.recorded("nodered"))
    assert os.listdir(elsewhere) == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can work as another user")
def test_on_a_full_disk_the_old_file_comes_back_by_its_second_name(tmp_path, open_folders, monkeypatch):
    path = tmp_path / "settings.js"
    path.write_text("old")
    for owned in (tmp_path, path):
        os.chown(owned, NOBODY.uid, NOBODY.gid)
    old = _files.read(str(path), NOBODY)
    _change.extend("nodered", None, str(path), old, _files.checksum(b"new"), user=NOBODY)
    _files.replace(str(path), b"new", old.attributes, NOBODY)

    def full(*_arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(_files, "_write_new", full)
    _change.undo(_change.recorded("nodered"))
    assert path.read_text() == "old"
    assert path.owner() == "nobody"


def test_a_confirmed_change_leaves_no_second_name(settings):
    change(settings, "new")
    assert len(os.listdir(settings.parent)) == 2
    _change.forget("nodered")
    assert os.listdir(settings.parent) == ["settings.js"]


def test_rights_that_a_file_lends_are_not_given_on(settings, tmp_path):
    settings.chmod(0o6755)
    _files.replace(str(settings), b"new", _files.read(str(settings)).attributes)
    assert settings.stat().st_mode & 0o7777 == 0o755


def test_a_link_that_was_made_is_undone_whether_or_not_it_leads_anywhere(tmp_path, process):
    link, target = tmp_path / ".sessions.json", tmp_path / "target"
    for exists in (False, True):
        target.write_text("{}") if exists else None
        _change.extend("nodered", process.pid, str(link), None, _change.checksum_of_link(str(target)))
        link.symlink_to(target)
        change = _change.recorded("nodered")
        assert change.in_place()
        assert _change.waiting("nodered", process.pid)
        assert _change.undo(change) == [str(link)]
        assert not os.path.lexists(link)
        assert target.exists() == exists


def test_a_change_that_waits_for_its_confirmation_waits_under_the_node_red_that_responds_with_it(
    settings, process, serving
):
    change(settings, "new", process.pid)
    _change.await_confirmation("nodered", "c0ffee", ["login"])
    waits = {"unconfirmed": True, "confirmation": "c0ffee", "rotated": ["login"]}
    assert _change.described("nodered", os.getpid()) == waits
    assert _change.unconfirmed("nodered", "c0ffee").counts(os.getpid())
    assert _change.unconfirmed("nodered", "another") is _change.unconfirmed("nodered", "") is None
    _change.await_confirmation("nodered", "")
    assert _change.described("nodered", os.getpid()) == {"unconfirmed": False, "confirmation": "", "rotated": []}


def test_one_more_change_leads_back_to_before_the_one_that_waits_and_waits_with_it(settings, process, serving):
    change(settings, "new", process.pid)
    _change.await_confirmation("nodered", "c0ffee")
    change(settings, "newer", os.getpid())
    record = _change.recorded("nodered")
    assert record.confirmation == "c0ffee"
    _change.undo(record)
    assert settings.read_text() == "old"


def test_one_more_change_needs_a_login_with_the_new_passwords_of_both(settings, process, serving):
    change(settings, "new", process.pid)
    _change.await_confirmation("nodered", "c0ffee", ["login"])
    change(settings, "newer", os.getpid())
    assert _change.recorded("nodered").rotated == ["login"]
    _change.await_confirmation("nodered", "beef", ["http_auth"])
    assert _change.recorded("nodered").rotated == ["http_auth", "login"]


def test_only_a_node_red_that_was_started_with_a_change_that_waits_runs_with_it(settings, process):
    change(settings, "new", process.pid)
    assert not _change.recorded("nodered").runs_unconfirmed(os.getpid()), "it waits for no confirmation"
    _change.await_confirmation("nodered", "c0ffee")
    waits = _change.recorded("nodered")
    assert [waits.runs_unconfirmed(pid) for pid in (process.pid, os.getpid(), None)] == [False, True, False]


def test_nothing_waits_for_a_confirmation_without_a_change():
    with pytest.raises(Failure):
        _change.await_confirmation("nodered", "c0ffee")
