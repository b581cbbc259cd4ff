# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a read-only file system is remounted, and that it is read-only afterwards, on a machine that is made up.

What is mounted how stands in a file for each mount point, as the process that remounts is another one.
"""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._change import _change
from ansible_collections.pifleet.nodered.plugins.module_utils._core import _own_folders
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files, _remount
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _background, _mounts, _systemd


class Machine:
    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.fstab = ""
        self.text = ""
        self.tries_when_busy = 10**6

    def mount(self, point: str, mode: str, line: str = "179:2 / {point} {mode},noatime - ext4 /dev/mmcblk0p2 {mode}"):
        self.text += "1 0 " + line.format(point=point, mode=mode) + "\n"
        self.set(point, mode)

    def set(self, point: str, mode: str) -> None:
        (self.folder / ("mount" + point.replace("/", "-"))).write_text(mode)

    def mode(self, point: str = "/") -> str:
        return (self.folder / ("mount" + point.replace("/", "-"))).read_text()

    def table(self) -> _mounts.Table:
        for name, text in {"proc/self/mountinfo": self.text, "etc/fstab": self.fstab, "proc/cmdline": ""}.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(text)
        return real_table(str(self.folder))

    def run(self, arguments, timeout=60):
        if arguments[0] == "mount":
            with (self.folder / "commands").open("a") as stream:
                stream.write(" ".join(arguments) + "\n")
            mode = arguments[2].split(",")[-1]
            if not (mode == "ro" and self.busy.exists()):
                self.set(arguments[-1], mode)
        return subprocess.CompletedProcess(arguments, 0, "", "it is busy")

    @property
    def busy(self) -> pathlib.Path:
        return self.folder / "busy"

    @property
    def commands(self) -> list[str]:
        path = self.folder / "commands"
        return path.read_text().splitlines() if path.exists() else []


real_table = _mounts.table


@pytest.fixture
def machine(tmp_path, monkeypatch):
    machine = Machine(tmp_path)
    monkeypatch.setattr(_mounts, "table", machine.table)
    monkeypatch.setattr(_systemd, "run", machine.run)
    monkeypatch.setattr(_remount, "_is_read_only", lambda mount: machine.mode(mount.point) == "ro")
    monkeypatch.setattr(_remount, "holders", lambda point: [f"process 7 (logger): {point}log"])
    monkeypatch.setattr(_remount, "BUSY_SECONDS", 0.2)
    monkeypatch.setattr(_remount, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(_remount, "LONGER_POLL_SECONDS", 0.1)
    monkeypatch.setattr(_remount, "LONGER_SECONDS", 5.0)
    monkeypatch.setattr(_own_folders, "LOCKS", str(tmp_path / "run"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return machine


@pytest.fixture
def warnings(monkeypatch):
    found = []
    monkeypatch.setattr(_background, "warn", found.append)
    return found


def within(seconds, condition):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def refused(paths=("/etc",), allowed=False, **options):
    with pytest.raises(Failure) as caught, _remount.writable(paths, allowed, **options):
        pytest.fail("something could have been written")
    return str(caught.value)


def test_what_is_writable_is_left_alone(machine, warnings):
    machine.mount("/", "rw")
    with _remount.writable(["/etc"], False):
        pass
    assert not machine.commands
    assert not warnings


def test_a_read_only_file_system_is_a_failure_that_names_the_remedy(machine):
    machine.mount("/", "ro")
    said = refused()
    assert "The file system / is mounted read-only" in said
    assert "Nothing was changed" in said
    assert "nodered_remount: true" in said
    assert "mount -o remount,rw /" in said


def test_what_is_meant_to_be_read_only_is_told_from_what_became_so(machine):
    machine.mount("/", "ro")
    machine.fstab = "/dev/mmcblk0p2 / ext4 ro 0 1\n"
    assert "as it is meant to be (/etc/fstab)" in refused()


def test_a_file_system_that_any_user_can_mount_is_not_remounted_even_where_that_is_allowed(machine):
    """Its type is the user's choice, and mount(8) would start a program for it as root."""
    machine.mount("/home", "ro", "0:50 / {point} {mode},nosuid - fuse./home/pi/evil evil {mode},user_id=1000")
    said = refused(["/home/pi/.node-red"], allowed=True)
    assert "FUSE" in said
    assert not machine.commands


def test_a_failing_card_is_not_remounted_even_where_that_is_allowed(machine):
    machine.mount("/", "ro", "179:2 / {point} {mode} - ext4 /dev/mmcblk0p2 {mode},emergency_ro")
    said = refused(allowed=True)
    assert "after an error" in said
    assert "dmesg" in said
    assert machine.mode() == "ro"


def test_an_overlay_in_memory_is_not_written_even_where_that_is_allowed(machine):
    machine.mount("/run", "rw", "0:9 / {point} {mode} - tmpfs tmpfs {mode}")
    machine.mount("/", "rw", "0:8 / {point} {mode} - overlay overlay {mode},upperdir=/run/upper")
    said = refused(allowed=True)
    assert "lost at the next boot" in said
    assert "raspi-config" in said


def test_it_is_writable_meanwhile_and_read_only_afterwards(machine):
    machine.mount("/", "ro")
    with _remount.writable(["/etc", "/var"], True):
        assert machine.mode() == "rw"
    assert machine.mode() == "ro"
    assert machine.commands == ["mount -o remount,rw -i /", "mount -o remount,ro -i /"]


def test_it_is_read_only_after_a_failure_too(machine):
    machine.mount("/", "ro")
    with pytest.raises(Failure, match="Nothing works"), _remount.writable(["/etc"], True):
        raise Failure("Nothing works.")
    assert machine.mode() == "ro"


def test_it_is_read_only_after_its_writer_was_killed(machine):
    machine.mount("/", "ro")
    writer = os.fork()
    if writer == 0:
        with _remount.writable(["/etc"], True):
            machine.set("/wrote", machine.mode())
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(writer, 0)
    assert machine.mode("/wrote") == "rw"
    within(5, lambda: machine.mode() == "ro")


def test_nobody_else_writes_before_what_a_killed_writer_left_open_is_read_only(machine, monkeypatch):
    machine.mount("/", "ro")
    monkeypatch.setattr(_remount, "BUSY_SECONDS", 2.0)
    writer = os.fork()
    if writer == 0:
        with _remount.writable(["/etc"], True):
            machine.busy.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(writer, 0)
    path, held = os.path.join(_own_folders.LOCKS, _remount.LOCK), Failure("It is held.")
    with pytest.raises(Failure, match="It is held"), _files.locked(path, 0, held):
        pytest.fail("another one could write")
    machine.busy.unlink()
    with _files.locked(path, 5, held):
        assert machine.mode() == "ro"


def test_what_is_held_stays_writable_until_it_is_released(machine):
    machine.mount("/", "ro")
    with _remount.writable(["/etc"], True) as opened:
        _remount.hold(opened)
    assert machine.mode() == "rw"
    assert [mount.point for mount in _remount.held()] == ["/"]
    machine.text = machine.text.replace("ro", "rw")
    with _remount.writable(["/etc"], False):
        pass
    assert machine.mode() == "rw", "whoever writes in between sets back only what he remounted"
    with _remount.released():
        assert machine.mode() == "rw"
    assert machine.mode() == "ro"
    assert machine.commands == ["mount -o remount,rw -i /", "mount -o remount,ro -i /"]
    assert _remount.held() == []


def test_what_is_mounted_elsewhere_too_is_held_and_released_only_here(machine):
    machine.mount("/", "rw")
    machine.mount("/etc", "ro", "179:2 /etc {point} ro - ext4 /dev/mmcblk0p2 rw")
    with _remount.writable(["/etc/x"], True) as opened:
        _remount.hold(opened)
    with _remount.released():
        pass
    assert machine.commands == ["mount -o remount,bind,rw -i /etc", "mount -o remount,bind,ro -i /etc"]


def test_whoever_is_killed_while_releasing_leaves_it_read_only(machine):
    machine.mount("/", "ro")
    with _remount.writable(["/etc"], True) as opened:
        _remount.hold(opened)
    pid = os.fork()
    if pid == 0:
        with _remount.released():
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    within(5, lambda: machine.mode() == "ro")


def test_what_was_busy_is_not_made_read_only_while_somebody_needs_it(machine, warnings):
    machine.mount("/", "ro")
    machine.busy.touch()
    with _remount.writable(["/etc"], True):
        pass
    machine.text = machine.text.replace("ro", "rw")
    with _remount.writable(["/etc"], True) as opened:
        _remount.hold(opened)
    machine.busy.unlink()
    time.sleep(0.5)
    assert machine.mode() == "rw"
    with _remount.released():
        pass
    within(5, lambda: machine.mode() == "ro")


def test_of_several_only_those_that_are_written_to_are_remounted(machine):
    machine.mount("/", "ro")
    machine.mount("/home", "ro")
    machine.mount("/var", "rw")
    with _remount.writable(["/home/pi", "/var/lib"], True):
        assert [machine.mode(point) for point in ("/", "/home", "/var")] == ["ro", "rw", "rw"]
    assert [machine.mode(point) for point in ("/", "/home", "/var")] == ["ro", "ro", "rw"]


def test_a_run_stops_before_its_first_write_where_a_later_one_could_not_be_done(machine):
    machine.mount("/", "ro")
    machine.mount("/home", "rw")
    assert "The file system / is" in refused(["/home/pi"])
    with _remount.writable(["/home/pi"], False, whole_run=False):
        assert machine.mode() == "ro"


def test_a_read_only_bind_mount_is_changed_alone_and_not_its_whole_file_system(machine):
    machine.mount("/", "rw")
    machine.mount("/etc", "ro", "179:2 /etc {point} {mode} - ext4 /dev/mmcblk0p2 rw")
    with _remount.writable(["/etc/x"], True):
        assert machine.mode("/etc") == "rw"
    assert machine.commands == ["mount -o remount,bind,rw -i /etc", "mount -o remount,bind,ro -i /etc"]


def test_the_commands_of_the_machine_come_first(machine, monkeypatch):
    machine.mount("/", "ro")
    monkeypatch.setattr(_remount.shutil, "which", lambda name, path: "/usr/bin/" + name)
    assert "(/usr/bin/rpi-rw)" in refused()
    run = machine.run

    def own(arguments, timeout=60):
        if arguments[0].startswith("/usr/bin/rpi-"):
            machine.set("/", arguments[0][-2:])
        return run(arguments)

    monkeypatch.setattr(_systemd, "run", own)
    with _remount.writable(["/etc"], True):
        assert machine.mode() == "rw"
    assert machine.mode() == "ro"
    assert not machine.commands


def test_a_file_system_that_cannot_be_remounted_is_a_failure(machine, monkeypatch):
    machine.mount("/", "ro")
    denied = subprocess.CompletedProcess([], 32, "", "mount: /: write-protected\n")
    monkeypatch.setattr(_systemd, "run", lambda arguments, timeout=60: denied)
    said = refused(allowed=True)
    assert "write-protected" in said
    assert "dmesg" in said


def test_what_stays_busy_is_a_warning_that_names_the_holder_and_is_tried_on(machine, warnings):
    machine.mount("/", "ro")
    with _change.locked("nodered"), _remount.writable(["/etc"], True):
        machine.busy.touch()
    assert machine.mode() == "rw"
    assert len(warnings) == 1
    assert "process 7 (logger): /log" in warnings[0]
    assert "mount -o remount,ro /" in warnings[0]
    with _change.locked("nodered", 0):
        machine.busy.unlink()
    within(5, lambda: machine.mode() == "ro")


def test_of_two_writers_one_waits_for_the_other(machine):
    machine.mount("/", "ro")
    first = os.fork()
    if first == 0:
        with _remount.writable(["/etc"], True):
            machine.set("/first", "writes")
            time.sleep(0.3)
            machine.set("/first", machine.mode())
        os._exit(0)
    within(5, (machine.folder / "mount-first").exists)
    with _remount.writable(["/etc"], True):
        assert machine.mode("/first") == "rw", "nobody made it read-only meanwhile"
        assert machine.mode() == "rw"
    os.waitpid(first, 0)
    assert machine.mode() == "ro"


def test_who_looks_sees_what_is_read_only_when_nobody_writes(machine, monkeypatch):
    machine.mount("/", "ro")
    with _remount.undisturbed():
        assert not os.path.exists(_own_folders.LOCKS), "to look leaves nothing"
    writer = os.fork()
    if writer == 0:
        with _remount.writable(["/"], allowed=True):
            time.sleep(0.5)
        os._exit(0)
    within(2, lambda: machine.mode() == "rw")
    with _remount.undisturbed():
        assert machine.mode() == "ro"
    os.waitpid(writer, 0)
    monkeypatch.setattr(_remount, "UNDISTURBED_SECONDS", 0)
    with _remount.writable(["/"], allowed=True), _remount.undisturbed():
        assert machine.mode() == "rw", "a writer that takes long is not waited for"


def test_without_the_rights_to_remount_the_write_itself_says_what_is_wrong(machine, monkeypatch):
    machine.mount("/", "ro")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with _remount.writable(["/etc"], True):
        assert machine.mode() == "ro"


@pytest.mark.parametrize("mode", ["w", "r"])
def test_who_has_a_file_open_for_writing_is_found(tmp_path, mode):
    held = tmp_path / "held"
    held.touch()
    script = f"import sys; held = open({str(held)!r}, {mode!r}); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        found = [one for one in _remount.holders(str(tmp_path)) if str(held) in one]
        assert bool(found) is (mode == "w")
        assert all(f"process {holder.pid} (" in one for one in found)
        held.unlink()
        assert any(f"{held} (deleted)" in one for one in _remount.holders(str(tmp_path)))
        holder.stdin.close()


def test_a_file_that_is_held_cannot_control_the_terminal(tmp_path):
    held = tmp_path / "a\x1b[31m\nprocess 1 (init)"
    with held.open("w"):
        found = [one for one in _remount.holders(str(tmp_path)) if str(tmp_path) in one]
    assert found[0].endswith("a\\x1b[31m\\x0aprocess 1 (init)")


def test_a_lock_is_waited_for_and_then_a_failure(tmp_path):
    path, held = str(tmp_path / "folder" / "lock"), Failure("It is held.")
    with _files.locked(path, 0, held), pytest.raises(Failure, match="It is held"), _files.locked(path, 0, held):
        pytest.fail("two have the lock")
