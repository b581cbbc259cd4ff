# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import pwd
import types

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._change import _change, _sessions_file
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _sessions
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._sessions import (
    ABSENT,
    FILE,
    LINK,
    STATES,
    Place,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _identity

ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture(autouse=True)
def tables(tmp_path, monkeypatch):
    monkeypatch.setattr(_sessions, "FSTAB", str(tmp_path / "fstab"))
    monkeypatch.setattr(_sessions, "BOOT_SCRIPT", str(tmp_path / "rc.local"))


@pytest.fixture
def place(tmp_path):
    (tmp_path / "user").mkdir()
    return Place(str(tmp_path / "user"), _identity.of(ME), str(tmp_path / "run"), links_work=True)


@pytest.fixture
def later(place):
    """The same with a release that replaces links."""
    return place._replace(links_work=False)


@pytest.fixture
def sessions(tmp_path, place):
    return tmp_path / "user" / ".sessions.json"


def repairs(place, wanted, mounts=()):
    return _sessions.repairs(place, wanted, [types.SimpleNamespace(point=point) for point in mounts])


def repair(place, wanted):
    """Repair, and see that nothing is left to repair."""
    found = repairs(place, wanted)
    _sessions_file.repair(place, wanted, "nodered", None, found)
    assert repairs(place, wanted) == []
    return [(one.before, one.after) for one in found]


@pytest.mark.parametrize(
    "service, folder",
    [
        ("nodered", "/run/nodered"),
        ("node-red", "/run/node-red"),
        ("nobody/nodered", f"/run/user/{pwd.getpwnam('nobody').pw_uid}/nodered"),
    ],
)
def test_two_instances_share_no_folder(service, folder):
    assert _sessions.runtime_folder(service) == folder


@pytest.mark.parametrize(
    "version, through", [("0.20.8", True), ("1.1.3", True), ("1.2.0", False), ("10.0.0", False), (None, False)]
)
def test_a_release_before_1_2_writes_through_links(version, through):
    assert _sessions.writes_through_links(version) is through


def test_the_file_in_use_is_the_one_that_is_written(place, later, sessions, tmp_path):
    sessions.symlink_to(tmp_path / "elsewhere")
    assert _sessions.file_in_use(place, {"storageModule": "none"}) == str(tmp_path / "elsewhere")
    assert _sessions.file_in_use(later, {"storageModule": "none"}) == str(sessions)
    ours = {"storageModule": "pifleet", "sessionsFile": "/run/nodered/sessions.json"}
    assert _sessions.file_in_use(later, ours) == "/run/nodered/sessions.json"
    assert _sessions.file_in_use(later, {"storageModule": "other", "sessionsFile": None}) is None


def test_a_fresh_user_directory_needs_no_repair_but_the_link(place):
    assert repairs(place, FILE) == repairs(place, ABSENT) == []
    assert [one.before for one in repairs(place, LINK)] == ["nothing"]


def test_the_sessions_file_of_node_reds_user_stays_where_it_belongs(place, sessions):
    sessions.write_text("{}")
    assert repairs(place, FILE) == []
    assert repair(place, ABSENT) == [("a file", "nothing")]
    assert not sessions.exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_goes(place, sessions):
    sessions.write_text("{}")
    os.chown(sessions, 12345, 12345)
    assert repair(place, FILE) == [("a file of the user with number 12345", "nothing")]


@pytest.mark.parametrize("target", ["/run/nodered-gone/.sessions.json", "/nowhere/at/all"])
def test_a_dangling_link_goes(place, sessions, target):
    sessions.symlink_to(target)
    assert repair(place, FILE) == [("a link to " + target, "nothing")]


def test_a_link_to_another_disk_is_somebodys_choice(place, sessions, tmp_path):
    (tmp_path / "disk").write_text("{}")
    sessions.symlink_to(tmp_path / "disk")
    assert repairs(place, FILE) == []
    assert repair(place, ABSENT) == [(f"a link to {tmp_path}/disk", "nothing")]
    assert (tmp_path / "disk").exists()


@pytest.mark.parametrize("state", STATES)
def test_an_empty_folder_and_the_backup_of_the_recipe_go(place, sessions, state):
    sessions.mkdir()
    sessions.with_name(".sessions.json_bak").write_text('{"a-live-token": {}}')
    assert [before for before, _after in repair(place, state)] == ["a folder", "an old sessions file"]
    assert not sessions.with_name(".sessions.json_bak").exists()


def test_a_folder_with_files_is_refused(place, sessions):
    sessions.mkdir()
    (sessions / "precious").write_text("")
    assert "a folder with files in it" in repairs(place, FILE)[0].refusal


def test_a_replaced_link_is_made_again_and_can_be_undone(place, sessions, tmp_path):
    sessions.write_text('{"a-live-token": {}}')
    assert repair(place, LINK) == [("a file", f"a link to {tmp_path}/run/.sessions.json")]
    assert os.readlink(sessions) == f"{tmp_path}/run/.sessions.json"
    assert os.listdir(sessions.parent) == [".sessions.json"]
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700
    change = _change.recorded("nodered")
    assert "a-live-token" not in str(change)
    _change.undo(change)
    assert not os.path.lexists(sessions)


@pytest.mark.parametrize("state", [FILE, ABSENT])
def test_our_link_comes_back_where_its_removal_is_undone(place, sessions, tmp_path, state):
    sessions.symlink_to(place.link_target)
    assert repair(place, state) == [("a link to " + place.link_target, "nothing")]
    _change.undo(_change.recorded("nodered"))
    assert os.readlink(sessions) == place.link_target


def test_a_link_that_is_not_in_use_waits_for_no_restart(later, sessions):
    sessions.symlink_to(later.link_target)
    assert repair(later, FILE) == [("a link to " + later.link_target, "nothing")]
    assert _change.recorded("nodered") is None


def test_the_link_of_the_recipe_will_do(place, sessions, tmp_path):
    (tmp_path / "var").symlink_to(tmp_path)
    sessions.symlink_to(tmp_path / "var" / "run" / ".sessions.json")
    assert repairs(place, LINK) == []


@pytest.mark.parametrize("mounted", [True, False])
@pytest.mark.parametrize("state", STATES)
def test_a_mount_that_comes_back_at_boot_is_refused_with_its_line(place, sessions, state, mounted):
    with open(_sessions.FSTAB, "w") as stream:
        stream.write(f"# /x {sessions} none bind 0 0\nproc /proc proc defaults 0 0\n/x {sessions} none bind 0 0\n")
    (found,) = repairs(place, state, [str(sessions)] if mounted else [])
    assert f"{_sessions.FSTAB}:3: /x {sessions} none bind 0 0" in found.refusal
    assert f"Take that line out, then: umount {sessions}" in found.refusal


def test_a_mount_that_a_script_makes_at_boot_is_refused_with_its_line(place, sessions):
    with open(_sessions.BOOT_SCRIPT, "w") as stream:
        stream.write(
            "#!/bin/sh\n# mount --bind x ~/.sessions.json\nmount --bind /tmp/s /home/pi/.node-red/.sessions.json\n"
        )
    assert "rc.local:3: mount --bind" in repairs(place, FILE)[0].refusal


def test_a_mount_that_a_unit_makes_is_refused_with_the_unit(place, sessions, monkeypatch):
    def show(words):
        return types.SimpleNamespace(stdout="FragmentPath=/etc/systemd/system/s.mount\n")

    monkeypatch.setattr(_sessions._systemd, "run", show)
    assert "/etc/systemd/system/s.mount" in repairs(place, FILE, [str(sessions)])[0].refusal


def test_a_mount_of_the_moment_is_no_reason_to_refuse(place, sessions, monkeypatch):
    monkeypatch.setattr(_sessions._systemd, "run", lambda words: types.SimpleNamespace(stdout="FragmentPath=\n"))
    (found,) = repairs(place, FILE, [str(sessions)])
    assert (found.before, found.refusal) == ("a mount of its own", None)


def test_where_it_cannot_be_repaired_the_reason_is_said(place, sessions, monkeypatch):
    sessions.symlink_to("/nowhere/at/all")
    found = repairs(place, FILE)

    def refuse(*_arguments, **_named):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(_sessions_file.os, "unlink", refuse)
    with pytest.raises(_files.Failure, match="read-only"):
        _sessions_file.repair(place, FILE, "nodered", None, found)
