# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import os
import stat

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _private_files
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._identity import Identity

OWN, OTHER = os.getuid(), 54321


@pytest.fixture
def user_dir(tmp_path):
    folder = tmp_path / ".node-red"
    folder.mkdir(mode=0o755)
    make(folder / "settings.js")
    return folder


def make(path, mode=0o644):
    path.write_text("{}")
    path.chmod(mode)
    return path


def reader(uid=OWN, gid=None, groups=()):
    gid = os.getgid() if gid is None else gid
    return Identity("pi", uid, gid, (gid, *groups))


def exposed(user_dir, who=None, settings=None):
    found = _private_files.exposed(str(user_dir), str(settings or user_dir / "settings.js"), who or reader())
    return {os.path.relpath(one.path, user_dir): one for one in found}


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    "name",
    [".sessions.json", "flows_cred.json", ".flows_cred.json.backup", ".config.runtime.json", ".config.json",
     ".config.users.json.backup", "settings.js.398.2026-11-22@07:53:55~", "settings.js.rejected", ".sessions.json.$$$"],
)  # fmt: skip
def test_files_with_secrets_are_closed(user_dir, name):
    path = make(user_dir / name)
    found = exposed(user_dir)[name]
    assert _private_files.close(found, reader())
    assert mode(path) == found.wanted == 0o600
    assert name not in exposed(user_dir)


@pytest.mark.parametrize("name", ["flows.json", "package.json", "settings.json", "my.config.js"])
def test_files_without_secrets_are_left_to_the_folder(user_dir, name):
    make(user_dir / name)
    assert set(exposed(user_dir)) == {".", "settings.js"}


def test_the_user_directory_is_closed_to_everybody_else(user_dir):
    found = exposed(user_dir)["."]
    assert found.folder
    assert _private_files.close(found, reader())
    assert mode(user_dir) == 0o700


def test_a_settings_file_elsewhere_is_closed_with_its_backups(user_dir, tmp_path):
    (tmp_path / "etc").mkdir()
    settings = make(tmp_path / "etc" / "node-red.js")
    make(tmp_path / "etc" / "node-red.js.1.2026~")
    make(tmp_path / "etc" / "other.js")
    names = {os.path.basename(name) for name in exposed(user_dir, settings=settings)}
    assert {"node-red.js", "node-red.js.1.2026~"} <= names
    assert "other.js" not in names


def test_a_group_that_somebody_gave_the_settings_file_may_go_on_reading_it(user_dir):
    (user_dir / "settings.js").chmod(0o644)
    found = exposed(user_dir, reader(gid=OTHER))["settings.js"]
    assert found.wanted == 0o640
    (user_dir / "settings.js").chmod(0o640)
    assert "settings.js" not in exposed(user_dir, reader(gid=OTHER))


def test_an_access_control_list_of_the_settings_file_stays_in_effect(user_dir, monkeypatch):
    monkeypatch.setattr(os, "listxattr", lambda path, follow_symlinks: ["system.posix_acl_access"])
    assert exposed(user_dir)["settings.js"].wanted == 0o640


def test_what_belongs_to_another_user_is_left_alone_and_reported(user_dir):
    make(user_dir / ".sessions.json")
    found = exposed(user_dir, reader(uid=OTHER, gid=OTHER))
    assert {name: one.wanted for name, one in found.items()} == {".": None, ".sessions.json": None, "settings.js": None}
    assert "only files of pi are changed" in found["settings.js"].problem
    with pytest.raises(Failure, match="user pi"):
        _private_files.close(found["."], reader(uid=OTHER, gid=OTHER))
    assert mode(user_dir) == 0o755


def test_what_another_node_red_uses_as_another_user_stays_open(user_dir):
    make(user_dir / ".sessions.json")
    settings = str(user_dir / "settings.js")
    needed = [str(user_dir / "b"), settings]
    found = _private_files.exposed(str(user_dir), settings, reader(), needed)
    wanted = {os.path.relpath(one.path, user_dir): one.wanted for one in found}
    assert wanted == {".": None, ".sessions.json": 0o600, "settings.js": None}
    assert f"Another Node-RED uses {needed[0]} as another user." in found[0].problem


def test_of_a_folder_with_very_many_files_only_some_are_looked_at(user_dir, monkeypatch):
    monkeypatch.setattr(_private_files, "MOST_NAMES", 3)
    for number in range(9):
        make(user_dir / f"settings.js.{number}")
    assert len(exposed(user_dir)) <= 2 + 3


def test_a_link_in_the_place_of_a_file_is_not_followed(user_dir, tmp_path):
    victim = make(tmp_path / "victim")
    path = make(user_dir / ".sessions.json")
    found = exposed(user_dir)[".sessions.json"]
    path.unlink()
    path.symlink_to(victim)
    assert ".sessions.json" not in exposed(user_dir)
    with pytest.raises(Exception, match="sessions.json"):
        _private_files.close(found, reader())
    assert mode(victim) == 0o644


def test_another_name_of_a_file_of_somebody_else_is_left_alone(user_dir, tmp_path):
    os.link(make(tmp_path / "victim"), user_dir / "settings.js.backup")
    assert "settings.js.backup" in exposed(user_dir)
    assert "settings.js.backup" not in exposed(user_dir, reader(uid=OTHER, gid=OTHER))


def test_a_file_that_is_gone_meanwhile_is_no_matter(user_dir):
    path = make(user_dir / ".sessions.json")
    found = exposed(user_dir)[".sessions.json"]
    path.unlink()
    assert not _private_files.close(found, reader())


def test_an_installed_package_is_never_closed(tmp_path):
    folder = tmp_path / "node_modules" / "node-red"
    folder.mkdir(parents=True)
    make(folder / "settings.js")
    assert exposed(folder) == {}


@pytest.mark.parametrize("uid, gid, writable", [(OWN, None, True), (OTHER, OTHER, False), (OTHER, None, False)])
def test_whether_the_user_directory_can_be_written_is_told_by_owner_and_mode(user_dir, uid, gid, writable):
    assert _private_files.folder_writable(str(user_dir), reader(uid=uid, gid=gid)) is writable


def test_a_user_directory_of_ones_group_can_be_written(user_dir):
    user_dir.chmod(0o775)
    assert _private_files.folder_writable(str(user_dir), reader(uid=OTHER))


def test_a_user_directory_that_is_not_there_yet_counts_as_writable(tmp_path):
    assert _private_files.folder_writable(str(tmp_path / "none"), reader())
    assert _private_files.folder_owner(str(tmp_path / "none")) is None


def test_what_is_shown_of_a_file_stays_on_its_line():
    shown = _private_files.Exposed("/home/pi/a\nb\x1b[1A", False, "own", 0o644, None, "It is not a file.").described()
    assert shown["path"] == "/home/pi/a\\x0ab\\x1b[1A"


def test_own_files_are_told_by_their_digest_unless_others_can_read_them(user_dir):
    make(user_dir / ".pifleet-two-step-nodered.json", 0o600)
    make(user_dir / ".pifleet-two-step-open.json", 0o640)
    make(user_dir / ".pifleet-two-step-nodered-used.json", 0o600)
    make(user_dir / ".pifleet-two-step-nodered.json.new", 0o600)
    (user_dir / ".pifleet-link.json").symlink_to(user_dir / ".pifleet-two-step-nodered.json")
    (user_dir / ".pifleet-folder.json").mkdir(mode=0o600)
    os.mkfifo(user_dir / ".pifleet-pipe.json", 0o600)
    digest = hashlib.sha256(b"{}").hexdigest()
    assert _private_files.own(str(user_dir), reader()) == {".pifleet-two-step-nodered.json": digest}
    assert _private_files.own(str(user_dir), reader(uid=OTHER)) == {}
    assert _private_files.own(str(user_dir / "none"), reader()) == {}


def test_of_own_files_only_some_of_a_limited_size_are_read(user_dir):
    for number in range(30):
        make(user_dir / f".pifleet-{number}.json", 0o600)
    assert len(_private_files.own(str(user_dir), reader())) == _private_files.MOST_OWN
    large = user_dir / ".pifleet-0.json"
    os.truncate(large, _private_files.OWN_LIMIT + 1)
    assert large.name not in _private_files.own(str(user_dir), reader())


def test_own_files_that_are_open_are_closed_like_others_with_secrets(user_dir):
    make(user_dir / ".pifleet-two-step-nodered.json", 0o644)
    make(user_dir / ".pifleet-two-step-nodered-used.json", 0o644)
    assert {".pifleet-two-step-nodered.json", ".pifleet-two-step-nodered-used.json"} <= set(exposed(user_dir))


def test_copies_of_the_settings_file_are_listed_and_nothing_else(user_dir):
    copy = "settings.js.335.2026-11-30@08:59:09~"
    for name in (copy, "settings.js.rejected", "settings.js~", "other.js.335.2026-11-30@08:59:09~", f"{copy}\n"):
        make(user_dir / name)
    assert _private_files.backups(str(user_dir / "settings.js")) == [copy]
