# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import pwd

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._change import _change, _drop_in
from ansible_collections.pifleet.nodered.plugins.module_utils._change._drop_in import DropIn
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _identity, _systemd
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Command, Unit

UNIT = Unit("nodered.service", {})


def port(*options: str, **sections: object) -> DropIn:
    return DropIn("nodered.service", "50-pifleet-port", sections, options)


@pytest.fixture
def runs(monkeypatch):
    """Set what systemd starts now."""

    def start(*words: str, expand: bool = True) -> None:
        monkeypatch.setattr(_systemd, "command", lambda _unit: Command(list(words), [], [], expand))

    start("/usr/bin/node-red")
    return start


def written() -> list[str]:
    with open(port().path, encoding="utf-8") as stream:
        return [line for line in stream.read().splitlines() if line.startswith("ExecStart=")]


@pytest.mark.parametrize(
    ("expand", "line"),
    [
        (True, 'ExecStart=/usr/bin/env $OPTIONS "a b" -p 1885'),
        (False, 'ExecStart=:/usr/bin/env $OPTIONS "a b" -p 1885'),
    ],
)
def test_the_command_line_keeps_its_variables_and_ends_with_the_options(runs, expand, line):
    runs("/usr/bin/env", "$OPTIONS", "a b", expand=expand)
    assert _drop_in.write(UNIT, port("-p", "1885"))
    assert written() == ["ExecStart=", line]


def test_as_many_words_are_replaced_as_were_added_then(runs):
    _drop_in.write(UNIT, port("-p", "1885", "-v"))
    runs("/usr/bin/node-red", "-p", "1885", "-v")
    _drop_in.write(UNIT, port("-p", "1886"))
    assert written() == ["ExecStart=", "ExecStart=/usr/bin/node-red -p 1886"]


def test_the_words_of_a_later_file_stay(runs):
    _drop_in.write(UNIT, port("-p", "1885"))
    runs("/usr/bin/node-red", "-D", "uiPort=1900")
    _drop_in.write(UNIT, port("-p", "1886"))
    assert written() == ["ExecStart=", "ExecStart=/usr/bin/node-red -D uiPort=1900 -p 1886"]


def test_a_file_of_an_earlier_release_is_understood(runs):
    os.makedirs(os.path.dirname(port().path))
    with open(port().path, "w", encoding="utf-8") as stream:
        stream.write("[Service]\nExecStart=\nExecStart=/usr/bin/node-red -p 1885\n")
    runs("/usr/bin/node-red", "-p", "1885")
    _drop_in.write(UNIT, port("-p", "1886"))
    assert written() == ["ExecStart=", "ExecStart=/usr/bin/node-red -p 1886"]


def test_a_second_time_changes_nothing(runs):
    wanted = port("-p", "1885", Service=[{"AmbientCapabilities": "CAP_NET_BIND_SERVICE"}])
    assert _drop_in.write(UNIT, wanted)
    runs("/usr/bin/node-red", "-p", "1885")
    assert not _drop_in.write(UNIT, wanted)


def test_without_sections_and_options_the_file_goes_and_can_be_put_back():
    _drop_in.write(UNIT, port(Service=[{"UMask": "0077"}]))
    _change.forget("nodered")
    assert _drop_in.write(UNIT, port())
    assert not os.path.exists(port().path)
    _change.undo(_change.recorded("nodered"))
    assert os.path.exists(port().path)
    assert not _drop_in.write(UNIT, DropIn("nodered.service", "other", {}, ()))


# A user unit

NOBODY = _identity.of("nobody")
USER_UNIT = Unit("nobody/flows.service", {}, NOBODY)
only_root = pytest.mark.skipif(os.getuid() != 0, reason="only root works as other users")


@pytest.fixture
def home(tmp_path, monkeypatch, open_folders):
    """The home directory of nobody."""
    path = tmp_path / "home"
    path.mkdir()
    os.chown(path, NOBODY.uid, NOBODY.gid)
    account = pwd.struct_passwd((*pwd.getpwnam("nobody")[:5], str(path), "/bin/sh"))
    monkeypatch.setattr(_identity, "account", lambda _name: account)
    return path


def of_user(**sections: object) -> DropIn:
    return DropIn("nobody/flows.service", "50-pifleet-port", sections, ())


@only_root
def test_a_drop_in_of_a_user_unit_belongs_to_that_user_and_can_be_undone(home):
    wanted = of_user(Service=[{"UMask": "0077"}])
    assert wanted.path == f"{home}/.config/systemd/user/flows.service.d/50-pifleet-port.conf"
    assert _drop_in.write(USER_UNIT, wanted)
    for path in (wanted.path, wanted.folder, home / ".config"):
        assert (os.stat(path).st_uid, os.stat(path).st_gid) == (NOBODY.uid, NOBODY.gid)
    assert not _drop_in.write(USER_UNIT, wanted)
    change = _change.recorded("nobody/flows")
    assert [file.user for file in change.files] == [NOBODY]
    assert change.touches_unit()
    _change.undo(change)
    assert not os.path.exists(wanted.folder)


@only_root
def test_a_drop_in_of_a_user_unit_is_not_written_where_a_link_leads(home, tmp_path):
    elsewhere = tmp_path / "of-root"
    elsewhere.mkdir()
    home.joinpath(".config").symlink_to(elsewhere)
    with pytest.raises(Failure, match="Permission denied"):
        _drop_in.write(USER_UNIT, of_user(Service=[{"UMask": "0077"}]))
    assert list(elsewhere.iterdir()) == []


@only_root
def test_a_folder_of_root_is_not_removed_through_a_link(home, tmp_path):
    wanted = of_user(Service=[{"UMask": "0077"}])
    _drop_in.write(USER_UNIT, wanted)
    units, elsewhere = home / ".config/systemd/user", tmp_path / "of-root"
    (elsewhere / "flows.service.d").mkdir(parents=True)
    units.rename(home / "units")
    units.symlink_to(elsewhere)
    _change.undo(_change.recorded("nobody/flows"))
    assert (elsewhere / "flows.service.d").is_dir()


@only_root
def test_a_link_in_the_place_of_the_drop_in_is_rejected(home):
    wanted = of_user(Service=[{"UMask": "0077"}])
    os.makedirs(wanted.folder)
    os.symlink("/etc/passwd", wanted.path)
    with pytest.raises(Failure, match="is a link"):
        _drop_in.write(USER_UNIT, wanted)


@only_root
def test_a_systemd_that_reads_another_folder_is_named_with_the_remedy(home):
    wanted = of_user(Service=[{"UMask": "0077"}])
    _drop_in.write(USER_UNIT, wanted)
    with pytest.raises(Failure, match=r"user nobody does not read (?s:.*)XDG_CONFIG_HOME"):
        _drop_in.require_read(USER_UNIT, [wanted])
    _drop_in.require_read(Unit(USER_UNIT.name, {"DropInPaths": [wanted.path]}, NOBODY), [wanted])
