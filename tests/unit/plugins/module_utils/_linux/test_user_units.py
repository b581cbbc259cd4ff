# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services of a user's own systemd: their names, their processes, and what its answers count for."""

from __future__ import annotations

import json
import os
import pwd
import stat
import subprocess
import time

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _supported
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _identity, _processes, _systemd, _user_units
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Unit

NOBODY = _identity.of("nobody")
UID = NOBODY.uid
only_root = pytest.mark.skipif(os.getuid() != 0, reason="only root works as other users")


# Names


def test_the_name_of_a_user_unit_has_the_user():
    assert _systemd.full_name("nobody/flows") == "nobody/flows.service"
    assert _systemd.full_name(f"{UID}/flows.service") == "nobody/flows.service"
    assert _user_units.split("nobody/flows.service") == ("nobody", "flows.service")
    assert _user_units.split("flows.service") == ("", "flows.service")


@pytest.mark.parametrize("name", ["nobody/", "/flows", "nobody/../flows", "nobody/a/b", "no such user/flows", "a/b"])
def test_other_names_with_a_slash_are_rejected(name):
    with pytest.raises(Failure):
        _systemd.full_name(name)


def test_a_user_unit_belongs_to_that_user_and_a_service_of_the_machine_to_none():
    assert _user_units.owner("nobody/flows.service") == NOBODY
    assert _user_units.owner("flows.service") is None


def test_a_user_unit_of_root_is_rejected_with_the_service_of_the_machine():
    with pytest.raises(Failure, match="move its unit file to /etc/systemd/system"):
        _user_units.owner("root/flows.service")


def test_files_of_root_have_the_number_of_the_user_in_their_names(monkeypatch):
    """A user chooses the name of a unit, and some user names have a hyphen."""
    numbers = {"a": 1001, "a-b": 1002}
    account = pwd.getpwnam("nobody")
    monkeypatch.setattr(_identity, "account", lambda name: pwd.struct_passwd((name, "x", numbers[name], *account[3:])))
    names = [_user_units.file_name(name) for name in ("a/b-c", "a-b/c", "nodered")]
    assert names == ["user-1001-b-c", "user-1002-c", "nodered"]


# Processes


@pytest.mark.parametrize(
    "group, found",
    [
        ("/user.slice/user-7.slice/user@7.service/app.slice/nr.service", (7, "nr.service")),
        ("/user.slice/user-7.slice/user@7.service/app.slice/app-x.slice/nr@1.service/inner", (7, "nr@1.service")),
        # The user can make folders in that of the unit.
        ("/user.slice/user-7.slice/user@7.service/app.slice/nr.service/other.service", (7, "nr.service")),
        ("/user.slice/user-7.slice/user@8.service/app.slice/nr.service", None),
        ("/user.slice/user-7.slice/user@7.service/init.scope", None),
        ("/user.slice/user-7.slice/session-3.scope/user@7.service/nr.service", None),
        # A service that may have groups of its own (Delegate=) can give them any name.
        ("/system.slice/own.service/user.slice/user-7.slice/user@7.service/app.slice/nr.service", None),
        ("/system.slice/nr.service", None),
        (None, None),
    ],
)
def test_the_control_group_tells_user_and_unit(monkeypatch, group, found):
    monkeypatch.setattr(_processes, "control_group", lambda _pid: group)
    assert _processes.user_unit_of(7) == found


def group_of(unit: str, uid: int = UID) -> str:
    return f"0::/user.slice/user-{uid}.slice/user@{uid}.service/app.slice/{unit}\n"


@pytest.fixture
def processes(tmp_path, monkeypatch):
    """A machine with these processes: number to user and control group."""
    monkeypatch.setattr(_processes, "PROC", str(tmp_path))

    def start(pid: int, uid: int, group: str) -> None:
        folder = tmp_path / str(pid)
        folder.mkdir()
        (folder / "cgroup").write_text(group)
        (folder / "status").write_text(f"Uid:\t{uid}\t0\t0\t0\n")
        (folder / "stat").write_text(f"{pid} (node-red) S 1 " + "0 " * 40)

    start(1, 0, "0::/init.scope\n")
    return start


def test_only_processes_of_the_user_count(processes):
    """A program of root's in that group is none of the user's service."""
    processes(20, UID, group_of("nr.service"))
    processes(21, 0, group_of("nr.service"))
    processes(22, UID, group_of("other.service"))
    processes(23, UID, group_of("nr.service", 1))
    assert _user_units.processes_in(NOBODY, "nr.service") == {20}
    names = [_user_units.of_process(pid) for pid in (20, 21, 22, 23)]
    assert names == ["nobody/nr.service", None, "nobody/other.service", None]


@pytest.mark.parametrize("unit", ["x ansible_connection=local.service", "x;reboot.service", "n" * 250 + ".service"])
def test_a_control_group_that_is_no_unit_gives_no_name(processes, unit):
    """The user can make it; its name would be part of what a person copies from a message."""
    processes(20, UID, group_of(unit))
    assert _user_units.of_process(20) is None


# What a user's systemd answers


@pytest.fixture
def answers(monkeypatch):
    """Let the user's systemd give this answer to all questions; the questions."""
    asked = []

    def give(text: str, code: int = 0, error: str = "") -> list[list[str]]:
        def run_as(user, arguments, timeout=0):
            asked.append([user.name, *arguments])
            return subprocess.CompletedProcess(arguments, code, text, error)

        monkeypatch.setattr(_systemd, "run_as", run_as)
        return asked

    monkeypatch.setattr(_systemd, "run", lambda *_: pytest.fail("the systemd of the machine is not asked"))
    return give


def shown(**properties: str) -> str:
    known = {"Id": "nr.service", "LoadState": "loaded", "ActiveState": "active", **properties}
    return "".join(f"{name}={value}\n" for name, value in known.items())


def test_a_user_unit_is_asked_of_that_users_systemd(answers, processes):
    processes(20, UID, group_of("nr.service"))
    asked = answers(shown(MainPID="20"))
    [unit] = _systemd.show("nobody/nr")
    assert (unit.name, unit.service, unit.owner) == ("nobody/nr.service", "nobody/nr", NOBODY)
    assert (unit.main_pid, unit.loaded, unit.identity()) == (20, True, NOBODY)
    assert asked[0][:4] == ["nobody", "systemctl", "--user", "show"]
    assert asked[0][-2:] == ["--", "nr.service"]


@pytest.mark.parametrize("pid", ["21", "22", "1", "-1", "999", "x", "20" * 200])
def test_a_main_process_that_is_none_of_the_unit_does_not_count(answers, processes, pid):
    processes(20, UID, group_of("nr.service"))
    processes(21, 0, group_of("nr.service"))
    processes(22, UID, group_of("other.service"))
    answers(shown(MainPID=pid))
    assert _systemd.show("nobody/nr")[0].main_pid == 0


def test_what_only_the_machine_decides_is_left_out(answers):
    answers(shown(User="root", Group="root", SupplementaryGroups="shadow", Secret="x", ActiveState="act\x1b[31m"))
    [unit] = _systemd.show("nobody/nr")
    assert [unit.text(name) for name in ("User", "Group", "SupplementaryGroups", "Secret")] == [""] * 4
    assert unit.state == "unknown"
    assert unit.identity() == NOBODY
    # Root would read it with its own rights if the unit were of the machine.
    assert unit.reader("/etc/passwd") == NOBODY


@pytest.mark.parametrize("identity", ["../x.service", "a/b.service", "nr.socket", "", "a b.service"])
def test_a_name_that_is_none_is_rejected(answers, identity):
    answers(shown(Id=identity))
    with pytest.raises(Failure, match="does not report what nobody/nr.service is"):
        _systemd.show("nobody/nr")


def test_a_systemd_that_does_not_run_is_named_with_the_remedy(answers):
    answers("", 1, "Failed to connect to bus: No such file or directory")
    with pytest.raises(Failure, match="loginctl enable-linger nobody"):
        _systemd.show("nobody/nr")


START = ["/usr/bin/node-red", ["node-red", "a b"], []]


@pytest.mark.parametrize(
    "start, exact",
    [
        ([START], True),
        ([["x", 7, []]], False),
        ([["x", [7], []]], False),
        ([["x"]], False),
        ({"a": "b"}, False),
        ([[]], False),
    ],
)
def test_a_command_of_other_types_does_not_count(answers, start, exact):
    answers("\n".join(json.dumps({"data": data}) for data in (start, [], [])))
    unit = Unit("nobody/nr.service", {"ExecStart": ["{ path=/x ; argv[]=/x b ; flags= ; }"]}, NOBODY)
    command = _systemd.command(unit)
    assert (command.exact, command.words) == (exact, ["node-red", "a b"] if exact else ["/x", "b"])


@pytest.mark.parametrize("text", ["[" * 100000, '{"data": 1}\n' * 3, "7\n7\n7\n", "null\n" * 3])
def test_an_answer_that_is_no_command_leaves_the_text(answers, text):
    answers(text)
    unit = Unit("nobody/nr.service", {"ExecStart": ["{ path=/x ; argv[]=/x b ; flags= ; }"]}, NOBODY)
    assert _systemd.command(unit).words == ["/x", "b"]


@only_root
def test_a_tool_for_a_users_systemd_runs_as_that_user():
    done = _systemd.run_as(NOBODY, ["sh", "-c", "id -u; id -G; echo $XDG_RUNTIME_DIR $HOME; umask; pwd"])
    groups = " ".join(map(str, dict.fromkeys([NOBODY.gid, *NOBODY.groups])))
    assert done.stdout.splitlines() == [str(UID), groups, f"/run/user/{UID}", "0077", "/"]


@only_root
@pytest.mark.parametrize("script", ["sleep 30", "exec cat /dev/zero"])
def test_an_answer_has_limits(monkeypatch, script):
    monkeypatch.setattr(_systemd, "USER_LIMIT", 1000)
    with pytest.raises(Failure):
        _systemd.run_as(NOBODY, ["bash", "-c", script], 0.5)


@only_root
def test_files_of_a_user_unit_are_read_with_the_rights_of_that_user(tmp_path, open_folders):
    secret, pipe, own = tmp_path / "secret.conf", tmp_path / "pipe.conf", tmp_path / "own.conf"
    secret.write_text("ExecStart=/x\n")
    secret.chmod(stat.S_IRUSR)
    os.mkfifo(pipe)
    own.write_text("ExecStart=/y\n" + "#" * 10**6)
    own.chmod(0o644)
    paths = " ".join(map(str, (secret, pipe, own)))
    unit = Unit("nobody/nr.service", {"FragmentPath": ["/none"], "DropInPaths": [paths]}, NOBODY)
    texts = unit.texts(unit.files)
    assert str(secret) not in texts
    assert len(texts[str(own)]) == _systemd.FILE_LIMIT
    assert unit.file_with("ExecStart=/x") == "/none"
    assert unit.file_with("ExecStart=/y") == str(own)


def test_a_file_of_line_ends_costs_no_time(tmp_path, monkeypatch):
    found = Unit("nobody/nr.service", {"FragmentPath": ["/x"]}, NOBODY)
    monkeypatch.setattr(Unit, "texts", lambda _self, _paths: {"/x": "\n" * _systemd.FILE_LIMIT + "x"})
    begun = time.monotonic()
    assert _supported.facts_of(found, ()).file == "/x"
    assert time.monotonic() - begun < 2


def test_commands_for_people_name_the_user():
    assert _user_units.by_hand("nodered", "restart") == "systemctl restart nodered"
    assert _user_units.by_hand("pi/nodered", "restart") == "systemctl --user restart nodered as user pi"
    assert _user_units.journal_by_hand("nodered") == "journalctl -u nodered"
    assert _user_units.journal_by_hand("pi/nodered") == "journalctl --user-unit nodered as user pi"
    assert _user_units.journal_fields("nodered.service") == ["-u", "nodered.service"]
    assert _user_units.journal_fields("nobody/nr.service") == ["_SYSTEMD_USER_UNIT=nr.service", f"_UID={UID}"]
