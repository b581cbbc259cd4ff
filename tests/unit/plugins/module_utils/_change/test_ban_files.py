# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of fail2ban are written with the rest, and put back; fail2ban itself runs on a machine."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._change import _ban_files, _change
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _fail2ban
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _systemd
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Unit

FILTER, JAIL = "filter.d/pifleet-nodered.local", "jail.d/pifleet-nodered.local"
UNIT = Unit("nodered.service", {})


@pytest.fixture
def fail2ban(tmp_path, monkeypatch):
    """A fail2ban that notes what it is asked, and fails at what is in `fails`."""
    found = SimpleNamespace(folder=tmp_path / "fail2ban", asked=[], fails=())
    for name in ("filter.d", "jail.d"):
        (found.folder / name).mkdir(parents=True)

    def run(command, _seconds):
        found.asked.append(" ".join(command[1:]))
        failed = found.asked[-1] in found.fails
        return SimpleNamespace(returncode=int(failed), stdout="", stderr="first\nno such thing\n" if failed else "")

    monkeypatch.setattr(_fail2ban, "FOLDER", str(found.folder))
    monkeypatch.setattr(_systemd, "run", run)
    return found


def test_files_are_written_and_read_by_a_fail2ban_that_runs(fail2ban):
    _ban_files.write(UNIT, {FILTER: "a\n", JAIL: "b\n"})
    assert (fail2ban.folder / JAIL).read_text() == "b\n"
    assert (fail2ban.folder / JAIL).stat().st_mode & 0o777 == 0o644
    assert fail2ban.asked == ["ping", "--test", "reload", "status pifleet-nodered"]
    fail2ban.asked.clear()
    _ban_files.write(UNIT, {FILTER: "a\n", JAIL: "b\n"})
    assert fail2ban.asked == [], "nothing has changed"
    _ban_files.write(UNIT, {FILTER: None, JAIL: None})
    assert fail2ban.asked == ["ping", "--test", "reload"]
    assert not (fail2ban.folder / JAIL).exists()


def test_a_fail2ban_that_does_not_run_is_not_started(fail2ban):
    fail2ban.fails = ("ping",)
    _ban_files.write(UNIT, {FILTER: "a\n", JAIL: "b\n"})
    assert fail2ban.asked == ["ping"]


@pytest.mark.parametrize("failing", ["--test", "reload", "status pifleet-nodered"])
def test_files_that_it_rejects_are_a_failure_and_can_be_undone(fail2ban, failing):
    fail2ban.fails = (failing,)
    with pytest.raises(Failure, match="fail2ban .*: no such thing"):
        _ban_files.write(UNIT, {FILTER: "a\n", JAIL: "b\n"})
    fail2ban.asked.clear()
    change = _change.recorded("nodered")
    _change.undo(change)
    _ban_files.reload_undone(change)
    assert not list(fail2ban.folder.glob("*/*"))
    assert fail2ban.asked[:2] == ["ping", "--test"]


def test_another_change_does_not_disturb_it(fail2ban, tmp_path):
    (tmp_path / "settings.js").write_text("old")
    _change.change_file("nodered", None, str(tmp_path / "our.js"), None, b"1;\n", _change.Attributes(0, 0, 0o644, {}))
    _ban_files.reload_undone(_change.recorded("nodered"))
    assert fail2ban.asked == []


@pytest.mark.parametrize("name", ["jail.d/../../x.local", "jail.d/sshd.local", "jail.d/pifleet-a.conf", "action.d/x"])
def test_any_other_file_is_refused(fail2ban, name):
    with pytest.raises(Failure):
        _ban_files.write(UNIT, {name: "x"})
    with pytest.raises(Failure):
        _ban_files.places({name: "x"})


def test_what_is_there_is_found(fail2ban, monkeypatch):
    (fail2ban.folder / JAIL).write_text("b\n")
    (fail2ban.folder / "jail.d" / "sshd.local").write_text("b\n")
    programs = ["fail2ban-client", "iptables"]
    monkeypatch.setattr(_fail2ban.shutil, "which", lambda name, path: name if name in programs else None)
    found = _fail2ban.described()
    assert (found["installed"], found["action"], list(found["files"])) == (True, "iptables-multiport", [JAIL])
    assert not found["running"]
    monkeypatch.setattr(_fail2ban, "_SOCKET", str(fail2ban.folder))
    assert _fail2ban.described()["running"]
    programs.append("nft")
    assert _fail2ban.described()["action"] == "nftables-multiport"
    programs.remove("fail2ban-client")
    assert _fail2ban.described() == {"installed": False, "running": False, "action": None, "files": {}}
