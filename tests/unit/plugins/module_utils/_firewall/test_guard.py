# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back: what is saved, who may take it away, and what the script does. systemd and ufw are played."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import traceback

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core import _own_folders
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files, _remount
from ansible_collections.pifleet.nodered.plugins.module_utils._firewall import _guard, _rollback_script, _state
from ansible_collections.pifleet.nodered.plugins.module_utils._firewall._state import Connection
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _background, _mounts, _systemd

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

    def start(self):
        """Run the script that is on the machine, with programs that only note down that they were called."""
        environment = {"PATH": f"{self.folder}/bin:/usr/bin:/bin"}
        unit = _rollback_script.unit(str(self.script), "tag")
        line = re.search(r"^ExecStart=(.*)$", unit, re.MULTILINE)[1]
        return subprocess.Popen(
            [word.text for word in _systemd.expand(_systemd.split_value(line), {})],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def go_back(self):
        with self.start() as script:
            out, err = script.communicate()
        return subprocess.CompletedProcess(script.args, script.returncode, out, err)

    def strike(self):
        """The clock strikes."""
        if self.script.exists():
            assert self.go_back().returncode == 0

    def restart(self):
        """What is in /run is gone, and the service runs."""
        shutil.rmtree(self.folder / "run")
        self.write("mode", "ro")
        self.strike()

    def program(self, name, body=""):
        """A program that notes down that it was called."""
        path = self.folder / "bin" / name
        path.write_text(f'#!/bin/sh\necho {name} "$@" >>{self.folder}/called\n{body}\n')
        path.chmod(0o755)

    @property
    def script(self):
        return self.folder / "state/firewall/way-back"

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
        played.program(program)
    for program in ("iptables-restore", "ip6tables-restore"):
        played.program(program, f"cat >>{tmp_path}/loaded")
    for name in _state.WRITTEN:
        played.write(f"ufw/{name}", f"old {name}")
    played.write("defaults", "old defaults")
    monkeypatch.setattr(_state, "FOLDER", str(tmp_path / "ufw"))
    monkeypatch.setattr(_state, "DEFAULTS", str(tmp_path / "defaults"))
    monkeypatch.setattr(_systemd, "SYSTEM_PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setattr(_state, "connection", lambda: played.connection)
    monkeypatch.setattr(_state, "active", lambda: played.active)
    monkeypatch.setattr(_state, "chain_policies", lambda: "iptables -P FORWARD DROP\n")
    monkeypatch.setattr(_state, "loaded_rules", lambda: {"iptables": "old rules\n", "ip6tables": "old rules 6\n"})
    monkeypatch.setattr(_systemd, "run", played.run)
    monkeypatch.setattr(_background, "log", lambda *_anything, **_more: None)
    state = tmp_path / "state"
    monkeypatch.setattr(_own_folders, "STATE", str(state))
    monkeypatch.setattr(_own_folders, "LOCKS", str(tmp_path / "run"))
    folder = state / "firewall"
    names = {"FOLDER": "", "ARMED": "armed", "OVER": "over", "RETURNING": "returning", "UNDONE": "undone"}
    for name, entry in {**names, "SCRIPT": "way-back", "MOUNTS": "mounts"}.items():
        monkeypatch.setattr(_guard, name, str(folder / entry) if entry else str(folder))
    monkeypatch.setattr(_guard, "MARK", str(tmp_path / "run" / "mark"))
    monkeypatch.setattr(_guard, "SERVICE_PATH", str(tmp_path / "system" / "pifleet-firewall.service"))
    monkeypatch.setattr(_guard, "WANTED_PATH", str(tmp_path / "system" / "wanted"))
    resting = _rollback_script._STEPS.replace("sleep 5", "sleep 0.01")
    monkeypatch.setattr(_rollback_script, "_STEPS", resting)
    return played


def change(machine):
    for name in _state.WRITTEN:
        machine.write(f"ufw/{name}", f"new {name}")
    machine.write("defaults", "new defaults")


def within(seconds, condition):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def start_over(machine):
    for name in _state.WRITTEN:
        machine.write(f"ufw/{name}", f"old {name}")
    machine.write("defaults", "old defaults")
    machine.write("mode", "ro")


def assert_everything_is_old(machine):
    assert [machine.read(f"ufw/{name}") for name in _state.WRITTEN] == [f"old {name}" for name in _state.WRITTEN]
    assert machine.read("defaults") == "old defaults"


def test_the_way_back_is_there_before_anything_changes(machine):
    _guard.arm(60, None)
    assert _guard.waiting()
    order = [command.split()[0:2] for command in machine.commands]
    assert order.index(["systemctl", "enable"]) < order.index(["systemd-run", "--quiet"])
    assert any("--on-active=60s" in command for command in machine.commands)


def test_the_script_puts_everything_back_and_removes_itself(machine):
    _guard.arm(60, None)
    change(machine)
    done = machine.go_back()
    assert done.returncode == 0, done.stderr
    assert_everything_is_old(machine)
    assert machine.called.splitlines()[:2] == ["ufw --force disable", "iptables -w -P FORWARD DROP"]
    assert "ufw --force enable" not in machine.called
    assert machine.state == ["undone"]
    assert not list((machine.folder / "system").iterdir())
    assert "the new rules were not confirmed in time." in done.stdout


def test_a_firewall_that_was_active_stays_active_while_the_old_rules_replace_the_new_ones(machine):
    machine.active = True
    _guard.arm(60, None)
    change(machine)
    assert machine.go_back().returncode == 0
    assert machine.read("loaded") == "old rules\nold rules 6\n"
    assert "iptables-restore -w -n\nip6tables-restore -w -n\n" in machine.called
    assert "ufw" not in machine.called.replace("ufw-user-input", "").replace("pifleet", "")
    assert_everything_is_old(machine)


@pytest.mark.parametrize("program", ["iptables-restore", "ip6tables-restore"])
def test_rules_that_cannot_be_loaded_leave_the_present_ones_and_are_tried_again(machine, program):
    machine.active = True
    _guard.arm(60, None)
    change(machine)
    machine.program(program, "exit 1")
    done = machine.go_back()
    assert done.returncode == 1
    assert "the present rules stay" in done.stdout
    assert machine.called.count(f"{program} -w -n") == 12
    assert not re.search(r"^ufw|-P |-F ", machine.called, re.MULTILINE)
    # A boot loads these.
    assert_everything_is_old(machine)
    assert _guard.waiting()

    machine.program(program)
    assert machine.go_back().returncode == 0
    assert machine.state == ["undone"]


def test_a_firewall_that_was_active_and_is_not_any_more_is_enabled(machine):
    machine.active = True
    _guard.arm(60, None)
    machine.program("iptables", "exit 1")
    assert machine.go_back().returncode == 0
    assert "ufw --force enable" in machine.called
    assert "disable" not in machine.called
    assert "restore" not in machine.called, "chains that nothing leads to would look like an active firewall"


def test_a_machine_without_ipv6_has_no_rules_for_it(machine, monkeypatch):
    machine.active = True
    monkeypatch.setattr(_state, "loaded_rules", lambda: {"iptables": "old rules\n", "ip6tables": ""})
    _guard.arm(60, None)
    assert machine.go_back().returncode == 0
    assert machine.read("loaded") == "old rules\n"


def test_a_restart_in_between_is_told(machine):
    _guard.arm(60, None)
    (machine.folder / "run" / "mark").unlink()
    assert "the machine was restarted" in machine.go_back().stdout


def test_a_way_back_that_the_power_cut_is_taken_to_its_end(machine):
    _guard.arm(60, None)
    change(machine)
    folder = machine.folder / "state/firewall"
    (folder / "armed").rename(folder / "returning")
    machine.go_back()
    assert_everything_is_old(machine)


def test_a_script_without_anything_to_put_back_only_removes_itself(machine):
    _guard.arm(60, None)
    folder = machine.folder / "state/firewall"
    (folder / "armed").rename(folder / "over")
    change(machine)
    machine.go_back()
    assert machine.read("defaults") == "new defaults"
    assert "ufw" not in machine.called.replace("pifleet", "")
    assert not list((machine.folder / "system").iterdir())


def test_a_new_connection_confirms(machine):
    _guard.arm(60, None)
    change(machine)
    machine.connection = NEW
    assert _guard.confirm()["connection"]["client_port"] == 50001
    assert machine.state == []
    assert not list((machine.folder / "system").iterdir())
    assert machine.read("defaults") == "new defaults"
    assert any(command.startswith("systemctl stop pifleet-firewall-clock") for command in machine.commands)


def test_the_old_connection_confirms_nothing(machine):
    _guard.arm(60, None)
    with pytest.raises(Failure, match="still the SSH connection from before"):
        _guard.confirm()
    assert _guard.waiting()


def test_no_connection_that_armed_counts_as_new(machine):
    _guard.arm(60, None)
    machine.connection = NEW
    _guard.arm(10, None)
    for known in (OLD, NEW):
        machine.connection = known
        with pytest.raises(Failure, match="still the SSH connection"):
            _guard.confirm()


def test_without_ssh_nobody_can_be_cut_off(machine):
    machine.connection = None
    _guard.arm(60, None)
    assert _guard.confirm()["connection"] is None
    assert not _guard.waiting()


def test_ssh_that_is_gone_confirms_nothing(machine):
    _guard.arm(60, None)
    machine.connection = None
    with pytest.raises(Failure, match="does not use SSH"):
        _guard.confirm()


def test_to_arm_again_keeps_what_to_go_back_to(machine):
    _guard.arm(60, None)
    change(machine)
    _guard.arm(10, None)
    assert any("--on-active=10s" in command for command in machine.commands)
    machine.go_back()
    assert_everything_is_old(machine)


def test_what_somebody_else_changed_meanwhile_is_left_alone(machine):
    read = _state.checksum()
    machine.write("ufw/user.rules", "somebody else's")
    with pytest.raises(Failure, match="changed after they were read"):
        _guard.arm(60, read)
    assert not _guard.waiting()
    _guard.arm(60, _state.checksum())
    assert _guard.waiting()


def test_it_can_be_too_late(machine):
    _guard.arm(60, None)
    machine.go_back()
    machine.connection = NEW
    with pytest.raises(Failure, match="too late: the old firewall is back since .*not confirmed"):
        _guard.confirm()


def test_nothing_waits_that_was_never_armed(machine):
    with pytest.raises(Failure, match="No change of the firewall waits"):
        _guard.confirm()
    assert _guard.undo("no reason") == {"changed": False, "undone": None}


def test_it_is_undone_at_once_with_the_reason_given(machine):
    _guard.arm(60, None)
    change(machine)
    result = _guard.undo("Node-RED did not serve.")
    assert result["changed"]
    assert result["undone"].endswith("Z: Node-RED did not serve.")
    assert_everything_is_old(machine)
    again = _guard.undo("Something else.")
    assert again == {"changed": False, "undone": result["undone"]}


def test_nothing_is_armed_while_the_script_still_cleans_up(machine, monkeypatch):
    def run(arguments, timeout=60):
        answer = "activating\n" if arguments[1] == "is-active" else ""
        return subprocess.CompletedProcess(arguments, 0, answer, "")

    monkeypatch.setattr(_systemd, "run", run)
    with pytest.raises(Failure, match="is rolling back an earlier change"):
        _guard.arm(60, None)
    assert machine.state == []


def test_what_was_undone_is_forgotten_by_the_next_change(machine):
    _guard.arm(60, None)
    machine.go_back()
    _guard.arm(60, None)
    assert "undone" not in machine.state


@pytest.fixture
def read_only(machine, monkeypatch):
    """A function that tells whether the root of this machine, which is read-only, can be written."""
    mode = machine.folder / "mode"
    mode.write_text("ro")
    busy = f"[ -e {machine.folder}/busy ] && exit 32"
    (machine.folder / "bin/mount").write_text(f'#!/bin/sh\n{busy}\necho "$2" | sed "s/.*,//" | tr -d "\\n" >{mode}\n')
    (machine.folder / "bin/mount").chmod(0o755)
    root = _mounts.Mount("/", "ext4", "179:2", ("ro",), ("ro",))

    def run(arguments, timeout=60):
        if arguments[0] == "mount" and not (machine.folder / "busy").exists():
            mode.write_text(arguments[2].split(",")[-1])
        return Machine.run(machine, arguments, timeout)

    def table():
        options = (mode.read_text(),)
        return _mounts.Table([root._replace(options=options, super_options=options)], {"/": ["ro"]}, ())

    monkeypatch.setattr(_systemd, "run", run)
    monkeypatch.setattr(_mounts, "table", table)
    monkeypatch.setattr(_remount, "_is_read_only", lambda mount: mode.read_text() == "ro")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    # The shell asks with test(1), which knows nothing of a file system that is played.
    steps = _rollback_script._STEPS.replace('[ -w "$1" ]', f'[ "$(cat {mode})" = rw ]')
    monkeypatch.setattr(_rollback_script, "_STEPS", steps)
    return lambda: mode.read_text() == "ro"


def test_a_read_only_root_is_refused_unless_told(machine, read_only):
    with pytest.raises(Failure, match="nodered_remount: true"):
        _guard.arm(60, None)
    assert not _guard.waiting()
    assert read_only()


def test_a_read_only_root_is_writable_until_the_change_is_confirmed(machine, read_only):
    _guard.arm(60, None, remount=True)
    assert not read_only()
    _guard.arm(10, None, remount=True)
    machine.connection = NEW
    _guard.confirm()
    assert read_only()
    assert machine.state == []


def test_a_read_only_root_is_writable_while_what_did_not_count_is_not_confirmed(machine, read_only):
    _guard.arm(60, None, remount=True)
    with pytest.raises(Failure, match="still the SSH connection"):
        _guard.confirm()
    assert not read_only()


def test_the_script_makes_the_root_read_only_again(machine, read_only):
    _guard.arm(60, None, remount=True)
    change(machine)
    done = machine.go_back()
    assert (done.returncode, done.stderr) == (0, "")
    assert_everything_is_old(machine)
    assert read_only()
    assert machine.state == ["undone"]


@pytest.fixture
def somebody_who_writes(machine):
    """A function that lets somebody else have the lock without which nothing may be remounted."""
    path = os.path.join(_own_folders.LOCKS, _remount.LOCK)
    return lambda: _files.locked(path, 0, Failure("It is held."))


def test_the_old_firewall_waits_for_nobody_who_writes(machine, read_only, somebody_who_writes):
    _guard.arm(60, None, remount=True)
    change(machine)
    with somebody_who_writes():
        script = machine.start()
        within(10, lambda: not _guard.waiting())
        assert_everything_is_old(machine)
        assert not read_only()
    with script:
        assert script.wait(10) == 0
    assert read_only()


def test_after_a_restart_nobody_who_writes_is_disturbed(machine, read_only, somebody_who_writes):
    _guard.arm(60, None, remount=True)
    change(machine)
    machine.write("mode", "ro")
    shutil.rmtree(machine.folder / "run")
    with somebody_who_writes():
        script = machine.start()
        time.sleep(0.3)
        assert machine.read("defaults") == "new defaults"
    with script:
        assert script.wait(10) == 0
    assert_everything_is_old(machine)
    assert read_only()


# Put in front of a program, it ends everything when so many have run. What deletes a folder has begun by then.
CUT = """#!/bin/sh
echo >>{folder}/steps
if [ $(wc -l <{folder}/steps) = $(cat {folder}/last) ]; then
    [ "$1" != -rf ] || /bin/rm -f "$2/user.rules"
    kill -KILL 0
fi
"""


@pytest.fixture
def power_cut(machine):
    """A function that has the power fail when the script has run so many programs."""
    bin_folder = machine.folder / "bin"
    for name in ("mv", "cp", "rm", "sync", *os.listdir(bin_folder)):
        program = bin_folder / name
        rest = program.read_text() if program.exists() else f'exec /bin/{name} "$@"\n'
        program.write_text(CUT.format(folder=machine.folder) + rest)
        program.chmod(0o755)

    def cut(steps):
        machine.write("last", str(steps))
        machine.write("steps", "")

    return cut


def test_wherever_the_power_fails_on_the_way_back_the_next_boot_leads_to_its_end(machine, read_only, power_cut):
    steps = 0
    ended = False
    while not ended:
        steps += 1
        start_over(machine)
        _guard.arm(60, None, remount=True)
        change(machine)
        power_cut(steps)
        ended = machine.go_back().returncode == 0
        machine.restart()
        assert_everything_is_old(machine)
        assert read_only()
        assert machine.state == ["undone"]
        assert not list((machine.folder / "system").iterdir())
    assert steps > 15


def killed(work, steps):
    """Whether this work was killed (kill -9) before its end, after so many steps that other processes can see."""
    pid = os.fork()
    if pid == 0:
        left = iter(range(steps))

        def counted(function):
            def count(*arguments, **options):
                if os.getpid() == child and next(left, None) is None:
                    os.kill(child, signal.SIGKILL)
                return function(*arguments, **options)

            return count

        child = os.getpid()
        for place, name in ((os, "rename"), (os, "unlink"), (_systemd, "run")):
            setattr(place, name, counted(getattr(place, name)))
        try:
            work()
        finally:
            traceback.print_exc()
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("way_on", [Machine.restart, Machine.strike])
def test_a_module_that_is_killed_while_it_arms_leaves_nothing(machine, read_only, way_on):
    steps = 0
    while killed(lambda: _guard.arm(60, None, remount=True), steps):
        way_on(machine)
        assert not _guard.waiting()
        assert_everything_is_old(machine)
        assert not list((machine.folder / "system").glob("pifleet*"))
        within(10, read_only)
        steps += 1
    assert steps > 15
    assert not read_only()


@pytest.mark.parametrize("way_on", [Machine.restart, Machine.strike])
def test_a_module_that_is_killed_while_it_confirms_has_done_so_or_not(machine, read_only, way_on):
    steps, ended, kept = 0, False, []
    while not ended:
        start_over(machine)
        machine.connection = OLD
        _guard.arm(60, None, remount=True)
        change(machine)
        machine.connection = NEW
        ended = not killed(_guard.confirm, steps)
        way_on(machine)
        assert not _guard.waiting()
        assert not list((machine.folder / "system").glob("pifleet*"))
        within(10, read_only)
        kept.append(machine.read("defaults") == "new defaults")
        steps += 1
    assert kept == sorted(kept)
    assert not kept[0]
    assert steps > 8


def test_after_a_restart_the_script_makes_the_root_writable_for_itself(machine, read_only):
    _guard.arm(60, None, remount=True)
    change(machine)
    shutil.rmtree(machine.folder / "run")
    (machine.folder / "mode").write_text("ro")
    (machine.folder / "bin/ufw").write_text(f"#!/bin/sh\ncat {machine.folder}/mode >>{machine.folder}/called\n")
    assert machine.go_back().returncode == 0
    assert machine.called.startswith("rw")
    assert_everything_is_old(machine)
    assert read_only()


def test_a_root_that_is_busy_when_the_script_ends_is_told_and_tried_again(machine, read_only, monkeypatch):
    warnings = []
    monkeypatch.setattr(_background, "warn", warnings.append)
    monkeypatch.setattr(_remount, "holders", lambda point: [f"process 7 (logger): {point}log"])
    monkeypatch.setattr(_remount, "BUSY_SECONDS", 0.2)
    monkeypatch.setattr(_remount, "LONGER_POLL_SECONDS", 0.1)
    _guard.arm(60, None, remount=True)
    change(machine)
    machine.write("busy", "")
    assert _guard.undo("Node-RED did not serve.")["changed"]
    assert_everything_is_old(machine)
    assert "process 7 (logger): /log" in warnings[0]
    (machine.folder / "busy").unlink()
    within(10, read_only)


def test_what_somebody_made_writable_until_the_next_boot_stays_so_until_then(machine, read_only):
    (machine.folder / "mode").write_text("rw")
    _guard.arm(60, None)
    machine.connection = NEW
    _guard.confirm()
    assert not read_only()


@pytest.mark.parametrize("active, unknown", [(False, "active"), (False, "chain_policies"), (True, "loaded_rules")])
def test_nothing_may_be_changed_where_it_is_not_known_what_to_go_back_to(machine, monkeypatch, active, unknown):
    machine.active = active

    def fail():
        raise Failure("iptables did not answer.")

    monkeypatch.setattr(_state, unknown, fail)
    with pytest.raises(Failure, match="iptables did not answer"):
        _guard.arm(60, None)
    assert not _guard.waiting()
    assert machine.commands == [
        "systemctl stop pifleet-firewall-clock-*.timer",
        "systemctl is-active pifleet-firewall.service",
    ]


def test_where_systemd_takes_no_clock_nothing_may_be_changed(machine):
    machine.fails = "systemd-run"
    with pytest.raises(Failure, match="systemd-run"):
        _guard.arm(60, None)


def test_nothing_is_closed_after_the_way_back_was_taken(machine):
    _guard.arm(60, None)
    change(machine)
    machine.go_back()
    machine.commands.clear()
    with pytest.raises(Failure, match="the old firewall is back"):
        _guard.close(60, deny=True, enable=True)
    with pytest.raises(Failure, match="the old firewall is back"):
        _guard.arm(60, None, again=True)
    assert machine.commands == []
    assert_everything_is_old(machine)


def test_the_clock_starts_anew_right_before_what_could_cut_off(machine):
    _guard.arm(60, None)
    change(machine)
    machine.commands.clear()
    _guard.close(60, deny=True, enable=True)
    words = ("--on-active=240s", "ufw default deny incoming", "ufw --force enable", "--on-active=60s")
    at = [next(number for number, command in enumerate(machine.commands) if one in command) for one in words]
    assert at == sorted(at)


def test_a_clock_that_strikes_while_it_is_wound_up_is_not_missed(machine, read_only, monkeypatch):
    _guard.arm(60, None, remount=True)
    change(machine)
    started = []

    def strike(_seconds):
        started.append(machine.start())
        within(10, lambda: not _guard.waiting())

    monkeypatch.setattr(_guard, "_start_clock", strike)
    with pytest.raises(Failure, match="the old firewall is back"):
        _guard.close(60, deny=True, enable=True, remount=True)
    with started[0] as script:
        assert script.wait(10) == 0
    assert_everything_is_old(machine)
    assert read_only()


def test_files_of_ufw_that_a_power_cut_has_emptied_are_put_back_too(machine):
    _guard.arm(60, None)
    change(machine)
    machine.write("defaults", "")
    ufw = machine.folder / "bin/ufw"
    ufw.write_text(f"#!/bin/sh\n[ -s {machine.folder}/defaults ]\n")
    assert machine.go_back().returncode == 0
    assert_everything_is_old(machine)
    assert machine.state == ["undone"]


SSH_RULE = ["allow", "from", "any", "to", "any", "port", "22", "proto", "tcp", "comment", "pifleet.nodered SSH"]
OLD_RULE = ["allow", "from", "any", "to", "any", "port", "1880"]


def ufw_commands(machine):
    return [command.partition("/bin/")[2] for command in machine.commands if "/bin/ufw " in command]


def test_rules_are_added_after_the_rollback_is_scheduled(machine):
    result = _guard.arm(60, None, add=[SSH_RULE])
    assert result["armed"]
    words = ("systemctl enable", "--on-active=150s", "/bin/ufw allow from any to any port 22", "--on-active=60s")
    at = [next(number for number, command in enumerate(machine.commands) if one in command) for one in words]
    assert at == sorted(at)


def test_a_rule_is_given_to_ufw_word_by_word(machine, monkeypatch):
    given = []
    monkeypatch.setattr(
        _systemd, "run", lambda arguments, timeout=60: given.append(arguments) or machine.run(arguments)
    )
    _guard.arm(60, None, add=[SSH_RULE])
    assert [str(machine.folder / "bin/ufw"), *SSH_RULE] in given


def test_rules_are_added_and_deleted_before_the_rest_is_closed(machine):
    _guard.arm(60, None)
    machine.commands.clear()
    _guard.close(60, deny=True, enable=True, add=[SSH_RULE], delete=[OLD_RULE])
    assert ufw_commands(machine) == [
        f"ufw {' '.join(SSH_RULE)}",
        f"ufw delete {' '.join(OLD_RULE)}",
        "ufw default deny incoming",
        "ufw --force enable",
    ]
    clocks = [command for command in machine.commands if "--on-active" in command]
    assert ["--on-active=420s" in clocks[0], "--on-active=60s" in clocks[-1], len(clocks)] == [True, True, 2]


@pytest.mark.parametrize(
    "add, delete",
    [
        ([["--force", "disable"]], []),
        ([["reset", "now"]], []),
        ([["deny", "22"]], []),
        ([["allow"]], []),
        ([[]], []),
        ([], [["1", "2"]]),
        ([], [["--dry-run", "allow", "22"]]),
    ],
)
def test_what_is_no_rule_is_not_given_to_ufw(machine, add, delete):
    _guard.arm(60, None)
    machine.commands.clear()
    with pytest.raises(Failure, match="is not a rule"):
        _guard.close(60, deny=False, enable=False, add=add, delete=delete)
    assert machine.commands == []


def test_a_rule_that_ufw_rejects_is_a_failure_and_stays_undoable(machine):
    machine.fails = "/bin/ufw allow"
    with pytest.raises(Failure, match="ufw allow from any to any port 22 .* failed: no"):
        _guard.arm(60, None, add=[SSH_RULE])
    assert _guard.waiting()
    assert any("--on-active=150s" in command for command in machine.commands)


def test_while_the_change_of_another_owner_waits_nothing_is_done(machine):
    _guard.arm(60, None, owner="one")
    machine.commands.clear()
    assert _guard.arm(60, _state.checksum(), add=[SSH_RULE], owner="two")["armed"] is False
    assert machine.commands == []
    assert _guard.undo("Failed.", "two") == {"changed": False, "undone": None}
    machine.connection = NEW
    for work in (
        lambda: _guard.confirm("two"),
        lambda: _guard.close(60, deny=True, enable=True, owner="two"),
        lambda: _guard.arm(60, None, again=True, owner="two"),
    ):
        with pytest.raises(Failure, match="another run changes the firewall now"):
            work()
    assert _guard.confirm("one")["connection"]["client_port"] == 50001


def test_an_owner_that_waited_for_another_one_does_nothing(machine, read_only, monkeypatch):
    def slow(*arguments):
        if not _guard.waiting():
            monkeypatch.setattr(_remount, "writable", real)
            _guard.arm(60, None, remount=True, owner="one")
        return real(*arguments)

    real = _remount.writable
    monkeypatch.setattr(_remount, "writable", slow)
    assert _guard.arm(60, _state.checksum(), remount=True, owner="two")["armed"] is False
    assert _guard.current_owner() == "one"


def test_rules_that_changed_since_they_were_read_are_told_to_an_owner(machine):
    read = _state.checksum()
    machine.write("ufw/user.rules", "another run's")
    assert _guard.arm(60, read, owner="two")["armed"] is False
    assert not _guard.waiting()


def test_an_owner_continues_its_own_change(machine):
    _guard.arm(60, None, owner="one")
    change(machine)
    assert _guard.arm(10, None, owner="one")["armed"]
    assert _guard.close(60, deny=True, enable=True, owner="one")["armed"]


def test_an_owner_is_told_of_its_own_rollback_only(machine):
    _guard.arm(60, None, owner="one")
    machine.go_back()
    assert "not confirmed in time" in _guard.undo("Failed.", "one")["undone"]
    assert _guard.undo("Failed.", "two")["undone"] is None
    assert "not confirmed in time" in _guard.undo("Failed.")["undone"]


def test_a_change_of_an_owner_that_is_gone_can_be_undone(machine):
    _guard.arm(60, None, owner="one")
    change(machine)
    assert _guard.undo("The run did not end.")["undone"].endswith("The run did not end.")
    assert_everything_is_old(machine)


def test_ufw_is_started_at_boot_once(machine, monkeypatch):
    monkeypatch.setattr(_state, "starts_at_boot", lambda: False)
    assert _guard.start_at_boot() == {"changed": True}
    assert machine.commands == ["systemctl enable ufw.service"]
    monkeypatch.setattr(_state, "starts_at_boot", lambda: True)
    assert _guard.start_at_boot() == {"changed": False}
    assert len(machine.commands) == 1


def point_of(machine, *, enabled, policy="DROP", rules="### tuple ### allow tcp 4000 0.0.0.0/0 any 0.0.0.0/0 in\n"):
    """The files of ufw in a restore point, by path."""
    texts = {
        "user.rules": rules,
        "user6.rules": "",
        "ufw.conf": f"ENABLED={'yes' if enabled else 'no'}\n",
        "defaults": f'DEFAULT_INPUT_POLICY="{policy}"\nIPV6=yes\n',
    }
    return {path: texts[os.path.basename(path)].encode() for path in _state.paths()}


def used(machine):
    return [command for command in machine.commands if "ufw" in command and "iptables" not in command.split()[0]]


def test_an_inactive_firewall_of_a_restore_point_is_disabled_before_its_files_are_put(machine):
    machine.active = True
    _guard.arm(60, None, owner="me")
    _guard.restore(60, point_of(machine, enabled=False), owner="me")
    assert any(command.endswith("ufw --force disable") for command in machine.commands)
    assert "tuple" in pathlib.Path(_state.paths()[0]).read_text()
    assert _guard.waiting(), "and it is rolled back unless it is confirmed"


def test_an_active_firewall_stays_active_while_its_rules_are_exchanged(machine):
    machine.active = True
    _guard.arm(60, None, owner="me")
    _guard.restore(60, point_of(machine, enabled=True, policy="ACCEPT"), owner="me")
    loaded = [command for command in machine.commands if "iptables-restore" in command]
    assert loaded and loaded[0].endswith(_state.paths()[0])
    assert not any("disable" in command or "reload" in command.split("ufw")[-1] for command in used(machine))
    assert any(command.endswith("ufw default allow incoming") for command in machine.commands)


def test_a_firewall_is_restored_only_while_its_own_change_waits(machine):
    with pytest.raises(Failure, match="No change of the firewall waits"):
        _guard.restore(60, point_of(machine, enabled=True), owner="me")
    _guard.arm(60, None, owner="another")
    with pytest.raises(Failure, match="another run"):
        _guard.restore(60, point_of(machine, enabled=True), owner="me")


def test_a_point_without_all_files_of_ufw_changes_nothing(machine):
    _guard.arm(60, None, owner="me")
    before = [pathlib.Path(path).read_bytes() for path in _state.paths()]
    with pytest.raises(Failure, match="does not have all files"):
        _guard.restore(60, {}, owner="me")
    assert [pathlib.Path(path).read_bytes() for path in _state.paths()] == before


def test_a_change_of_ufw_after_a_confirmation_is_noticed(machine):
    assert not _guard.edited_before()
    _guard.arm(60, None, owner="me")
    machine.connection = NEW
    _guard.confirm("me")
    assert not _guard.edited_before()
    with open(_state.paths()[0], "a") as stream:
        stream.write("by hand\n")
    assert _guard.edited_before()
