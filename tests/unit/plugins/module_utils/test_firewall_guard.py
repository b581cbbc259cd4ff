# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back: what is saved, who may take it away, and what the script does. systemd and ufw are played."""

from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils import (
    _background,
    _change,
    _firewall,
    _firewall_guard,
    _systemd,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._firewall import Connection

OLD = Connection("192.0.2.9", 50000, "192.0.2.1", 22)
NEW = Connection("192.0.2.9", 50001, "192.0.2.1", 22)


class Machine:
    """A machine with ufw whose files lie in a folder of the test."""

    def __init__(self, folder):
        self.folder = folder
        self.connection = OLD
        self.active = False
        self.commands = []
        self.fails = ""

    def run(self, arguments, timeout=60):
        self.commands.append(" ".join(arguments))
        failed = bool(self.fails) and self.fails in self.commands[-1]
        if self.commands[-1].startswith("systemctl start"):
            self.go_back()
        return subprocess.CompletedProcess(arguments, int(failed), "", "no" if failed else "")

    def go_back(self):
        """Run the script that is on the machine, with programs that only note down that they were called."""
        environment = {"PATH": f"{self.folder}/bin:/usr/bin:/bin"}
        command = ["sh", self.folder / "state/firewall/way-back"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    @property
    def called(self):
        path = self.folder / "called"
        return path.read_text() if path.exists() else ""

    @property
    def state(self):
        path = self.folder / "state/firewall"
        return sorted(os.listdir(path)) if path.exists() else []

    def write(self, name, text):
        (self.folder / name).write_text(text)

    def read(self, name):
        return (self.folder / name).read_text()


@pytest.fixture
def machine(tmp_path, monkeypatch):
    played = Machine(tmp_path)
    for folder in ("bin", "ufw", "run", "system"):
        (tmp_path / folder).mkdir()
    for program in ("ufw", "systemctl", "iptables", "ip6tables"):
        path = tmp_path / "bin" / program
        path.write_text(f'#!/bin/sh\necho {program} "$@" >>{tmp_path}/called\n')
        path.chmod(0o755)
    for name in _firewall.WRITTEN:
        played.write(f"ufw/{name}", f"old {name}")
    played.write("defaults", "old defaults")
    monkeypatch.setattr(_firewall, "FOLDER", str(tmp_path / "ufw"))
    monkeypatch.setattr(_firewall, "DEFAULTS", str(tmp_path / "defaults"))
    monkeypatch.setattr(_firewall, "SYSTEM_PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setattr(_firewall, "connection", lambda: played.connection)
    monkeypatch.setattr(_firewall, "active", lambda: played.active)
    monkeypatch.setattr(_firewall, "chain_policies", lambda: "iptables -P FORWARD DROP\n")
    monkeypatch.setattr(_systemd, "run", played.run)
    monkeypatch.setattr(_background, "log", lambda *_anything: None)
    state = tmp_path / "state"
    monkeypatch.setattr(_change, "STATE_FOLDER", str(state))
    monkeypatch.setattr(_change, "LOCK_FOLDER", str(tmp_path / "run"))
    folder = state / "firewall"
    names = {"FOLDER": "", "ARMED": "armed", "CONFIRMED": "confirmed", "RETURNING": "returning", "UNDONE": "undone"}
    for name, entry in {**names, "SCRIPT": "way-back"}.items():
        monkeypatch.setattr(_firewall_guard, name, str(folder / entry) if entry else str(folder))
    monkeypatch.setattr(_firewall_guard, "MARK", str(tmp_path / "run" / "mark"))
    monkeypatch.setattr(_firewall_guard, "SERVICE_PATH", str(tmp_path / "system" / "pifleet-firewall.service"))
    return played


def change(machine):
    for name in _firewall.WRITTEN:
        machine.write(f"ufw/{name}", f"new {name}")
    machine.write("defaults", "new defaults")


def assert_everything_is_old(machine):
    assert [machine.read(f"ufw/{name}") for name in _firewall.WRITTEN] == [f"old {name}" for name in _firewall.WRITTEN]
    assert machine.read("defaults") == "old defaults"


def test_the_way_back_is_there_before_anything_changes(machine):
    _firewall_guard.arm(60, None)
    assert _firewall_guard.waiting()
    order = [command.split()[0:2] for command in machine.commands]
    assert order.index(["systemctl", "enable"]) < order.index(["systemd-run", "--quiet"])
    assert any("--on-active=60s" in command for command in machine.commands)


def test_the_script_puts_everything_back_and_removes_itself(machine):
    _firewall_guard.arm(60, None)
    change(machine)
    done = machine.go_back()
    assert done.returncode == 0, done.stderr
    assert_everything_is_old(machine)
    assert machine.called.splitlines()[:2] == ["ufw --force disable", "iptables -w -P FORWARD DROP"]
    assert "ufw --force enable" not in machine.called
    assert machine.state == ["undone"]
    assert not list((machine.folder / "system").iterdir())
    assert "nobody confirmed the new rules in time." in done.stdout


def test_a_firewall_that_was_active_is_active_again(machine):
    machine.active = True
    _firewall_guard.arm(60, None)
    machine.go_back()
    assert machine.called.splitlines()[:2] == ["ufw --force disable", "ufw --force enable"]


def test_a_restart_in_between_is_told(machine):
    _firewall_guard.arm(60, None)
    (machine.folder / "run" / "mark").unlink()
    assert "the machine was restarted" in machine.go_back().stdout


def test_a_way_back_that_the_power_cut_is_taken_to_its_end(machine):
    _firewall_guard.arm(60, None)
    change(machine)
    folder = machine.folder / "state/firewall"
    (folder / "armed").rename(folder / "returning")
    machine.go_back()
    assert_everything_is_old(machine)


def test_a_script_without_anything_to_put_back_only_removes_itself(machine):
    _firewall_guard.arm(60, None)
    folder = machine.folder / "state/firewall"
    (folder / "armed").rename(folder / "confirmed")
    change(machine)
    machine.go_back()
    assert machine.read("defaults") == "new defaults"
    assert "ufw" not in machine.called.replace("pifleet", "")
    assert not list((machine.folder / "system").iterdir())


def test_a_new_connection_confirms(machine):
    _firewall_guard.arm(60, None)
    change(machine)
    machine.connection = NEW
    assert _firewall_guard.confirm()["connection"]["client_port"] == 50001
    assert machine.state == []
    assert not list((machine.folder / "system").iterdir())
    assert machine.read("defaults") == "new defaults"
    assert any(command.startswith("systemctl stop pifleet-firewall-clock") for command in machine.commands)


def test_the_old_connection_confirms_nothing(machine):
    _firewall_guard.arm(60, None)
    with pytest.raises(Failure, match="still the SSH connection from before"):
        _firewall_guard.confirm()
    assert _firewall_guard.waiting()


def test_no_connection_that_armed_counts_as_new(machine):
    _firewall_guard.arm(60, None)
    machine.connection = NEW
    _firewall_guard.arm(10, None)
    for known in (OLD, NEW):
        machine.connection = known
        with pytest.raises(Failure, match="still the SSH connection"):
            _firewall_guard.confirm()


def test_without_ssh_nobody_can_be_cut_off(machine):
    machine.connection = None
    _firewall_guard.arm(60, None)
    assert _firewall_guard.confirm()["connection"] is None
    assert not _firewall_guard.waiting()


def test_ssh_that_is_gone_confirms_nothing(machine):
    _firewall_guard.arm(60, None)
    machine.connection = None
    with pytest.raises(Failure, match="without SSH"):
        _firewall_guard.confirm()


def test_to_arm_again_keeps_what_to_go_back_to(machine):
    _firewall_guard.arm(60, None)
    change(machine)
    _firewall_guard.arm(10, None)
    assert any("--on-active=10s" in command for command in machine.commands)
    machine.go_back()
    assert_everything_is_old(machine)


def test_what_somebody_else_changed_meanwhile_is_left_alone(machine):
    read = _firewall.checksum()
    machine.write("ufw/user.rules", "somebody else's")
    with pytest.raises(Failure, match="changed by somebody else"):
        _firewall_guard.arm(60, read)
    assert not _firewall_guard.waiting()
    _firewall_guard.arm(60, _firewall.checksum())
    assert _firewall_guard.waiting()


def test_it_can_be_too_late(machine):
    _firewall_guard.arm(60, None)
    machine.go_back()
    machine.connection = NEW
    with pytest.raises(Failure, match="too late: the old firewall is back since .*nobody confirmed"):
        _firewall_guard.confirm()


def test_nothing_waits_that_was_never_armed(machine):
    with pytest.raises(Failure, match="No change of the firewall waits"):
        _firewall_guard.confirm()
    assert _firewall_guard.undo("no reason") == {"changed": False, "undone": None}


def test_it_is_undone_at_once_with_the_reason_given(machine):
    _firewall_guard.arm(60, None)
    change(machine)
    result = _firewall_guard.undo("Node-RED did not serve.")
    assert result["changed"]
    assert result["undone"].endswith("Z: Node-RED did not serve.")
    assert_everything_is_old(machine)
    again = _firewall_guard.undo("Something else.")
    assert again == {"changed": False, "undone": result["undone"]}


def test_what_was_undone_is_forgotten_by_the_next_change(machine):
    _firewall_guard.arm(60, None)
    machine.go_back()
    _firewall_guard.arm(60, None)
    assert "undone" not in machine.state


def test_where_systemd_takes_no_clock_nothing_may_be_changed(machine):
    machine.fails = "systemd-run"
    with pytest.raises(Failure, match="systemd-run"):
        _firewall_guard.arm(60, None)


def test_nothing_is_closed_after_the_way_back_was_taken(machine):
    _firewall_guard.arm(60, None)
    change(machine)
    machine.go_back()
    machine.commands.clear()
    with pytest.raises(Failure, match="the old firewall is back"):
        _firewall_guard.close(60, deny=True, enable=True)
    with pytest.raises(Failure, match="the old firewall is back"):
        _firewall_guard.arm(60, None, again=True)
    assert machine.commands == []
    assert_everything_is_old(machine)


def test_the_clock_starts_anew_right_before_what_could_cut_off(machine):
    _firewall_guard.arm(60, None)
    change(machine)
    machine.commands.clear()
    _firewall_guard.close(60, deny=True, enable=True)
    words = ("--on-active=240s", "ufw default deny incoming", "ufw --force enable", "--on-active=60s")
    at = [next(number for number, command in enumerate(machine.commands) if one in command) for one in words]
    assert at == sorted(at)


def test_a_clock_that_strikes_while_it_is_wound_up_is_not_missed(machine, monkeypatch):
    _firewall_guard.arm(60, None)
    change(machine)
    monkeypatch.setattr(_firewall_guard, "_start_clock", lambda seconds: machine.go_back())
    with pytest.raises(Failure, match="the old firewall is back"):
        _firewall_guard.close(60, deny=True, enable=True)
    assert_everything_is_old(machine)


def test_files_of_ufw_that_a_power_cut_has_emptied_are_put_back_too(machine):
    _firewall_guard.arm(60, None)
    change(machine)
    machine.write("defaults", "")
    ufw = machine.folder / "bin/ufw"
    ufw.write_text(f"#!/bin/sh\n[ -s {machine.folder}/defaults ]\n")
    sleep = machine.folder / "bin/sleep"
    sleep.write_text("#!/bin/sh\n")
    sleep.chmod(0o755)
    assert machine.go_back().returncode == 0
    assert_everything_is_old(machine)
    assert machine.state == ["undone"]
