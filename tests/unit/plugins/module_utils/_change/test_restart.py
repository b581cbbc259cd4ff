# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `restart` concludes from what it sees; the restarts themselves are tried on a machine with systemd."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import pwd
import socket
import subprocess
import sys
import time
import types

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._change import _restart, _sessions_file
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _node, _sessions
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._start_plan import StartPlan
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _identity, _processes, _systemd
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._processes import Listener
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Command, Socket, Unit

ME = pwd.getpwuid(os.getuid())


def unit(**properties):
    return Unit("nodered.service", {name: [value] for name, value in properties.items()})


def listening(listen="[::]:1885 (Stream)"):
    return Socket("nodered.socket", {"LoadState": ["loaded"], "ActiveState": ["active"], "Listen": [listen]})


def state(error="", settings=None, socket_unit=None, **properties):
    plan = StartPlan(
        unit=unit(ActiveState="active", MainPID=str(os.getpid()), **properties),
        command=Command([], [], []),
        line=None,
        identity=_identity.of(ME.pw_name),
        group=str(ME.pw_gid),
        home=ME.pw_dir,
        account_home=ME.pw_dir,
        working_directory="/",
        environment={"BROKER_PASSWORD": "hunter22"},
        origins={},
        open_environment_files=[],
        package=None,
        version=None,
        node="/usr/bin/node",
        settings_file="/home/pi/.node-red/settings.js",
        user_dir_option=None,
        default_user_dir="/home/pi/.node-red",
        socket=socket_unit,
    )
    return _restart.State(plan, _node.Loaded("20", error, (), {}, settings or {}, (), False))


@pytest.mark.parametrize(
    "properties, start, text",
    [
        ({"ActiveState": "failed", "ExecMainCode": "1", "ExecMainStatus": "1"}, 0, "with exit status 1"),
        ({"ActiveState": "inactive", "ExecMainCode": "1", "ExecMainStatus": "0"}, 0, "with exit status 0"),
        (
            {"ActiveState": "activating", "SubState": "auto-restart", "ExecMainCode": "1", "ExecMainStatus": "1"},
            0,
            "with exit status 1",
        ),
        ({"ActiveState": "failed", "ExecMainCode": "2", "ExecMainStatus": "9"}, 1, "by signal 9"),
    ],
)
def test_an_end_is_noticed_whatever_its_exit_status(properties, start, text):
    assert text in _restart._ended(unit(**properties), start).text


@pytest.mark.parametrize(
    "properties, start",
    [
        ({"ActiveState": "active", "SubState": "running"}, 0),
        ({"ActiveState": "activating", "SubState": "start-pre"}, None),
        ({"ActiveState": "inactive"}, None),
    ],
)
def test_a_start_under_way_is_no_end(properties, start):
    assert _restart._ended(unit(**properties), start) is None


def test_a_file_that_does_not_load_is_foreseen():
    trouble = _restart._foreseen(state("Error: Cannot find module 'x'"))
    assert "Cannot find module 'x'" in trouble.text
    assert "npm install" in trouble.remedy


def test_a_port_that_is_none_is_foreseen_unless_a_socket_unit_has_it(monkeypatch):
    monkeypatch.setattr(_processes, "holders", lambda host, port: [])
    assert "uiPort" in _restart._foreseen(state(settings={"uiPort": "systemd"})).text
    assert "uiPort" in _restart._foreseen(state(settings={"uiPort": "abc"}, socket_unit=listening())).text
    assert _restart._foreseen(state(settings={"uiPort": "systemd"}, socket_unit=listening())) is None


def test_a_socket_unit_without_a_tcp_port_is_foreseen():
    trouble = _restart._foreseen(
        state(settings={"uiPort": "systemd"}, socket_unit=listening("/run/nodered.sock (Stream)"))
    )
    assert "nodered.socket listens on /run/nodered.sock" in trouble.text
    assert "ListenStream=" in trouble.remedy


def test_what_systemd_holds_for_the_service_is_its_own(monkeypatch):
    held_by(monkeypatch, 1, "::")
    assert _restart._foreseen(state(settings={"uiPort": "systemd"}, socket_unit=listening())) is None
    # A number makes Node-RED open a port of its own, which systemd holds already.
    trouble = _restart._foreseen(state(settings={"uiPort": 1885}, socket_unit=listening()))
    assert "Port 1885 is already held by process 1 (" in trouble.text


class Systemctl:
    """Takes down what is asked of systemd; what begins with `failing` fails."""

    def __init__(self, failing=()):
        self.asked = []
        self.failing = list(failing)

    def __call__(self, arguments, timeout=60):
        self.asked.append(" ".join(arguments))

        class Answer:
            returncode = 1 if arguments[: len(self.failing)] == self.failing != [] else 0
            stdout = ""
            stderr = "Job failed."

        return Answer


def test_a_service_is_stopped_with_the_socket_that_would_start_it_again(monkeypatch):
    systemctl = Systemctl()
    monkeypatch.setattr(_systemd, "run", systemctl)
    _restart._stop(state(socket_unit=listening()), 60)
    _restart._stop(state(), 60)
    assert systemctl.asked == ["systemctl stop -- nodered.socket nodered.service", "systemctl stop -- nodered.service"]


def test_systemd_listens_before_the_service_starts(monkeypatch):
    systemctl = Systemctl()
    monkeypatch.setattr(_systemd, "run", systemctl)
    assert _restart._start_socket(state(socket_unit=listening())) is None
    assert _restart._start_socket(state()) is None
    assert systemctl.asked == ["systemctl start -- nodered.socket"]


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::"])
def test_a_socket_that_cannot_listen_is_told_with_its_reason(monkeypatch, address):
    monkeypatch.setattr(_systemd, "run", Systemctl(["systemctl", "start"]))
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    stream = ("[%s]:%d" if ":" in address else "%s:%d") % (address, 0)
    with socket.create_server((address, 0), family=family, dualstack_ipv6=address == "::") as taken:
        stream = stream[:-1] + str(taken.getsockname()[1])
        trouble = _restart._start_socket(state(socket_unit=listening(stream + " (Stream)")))
    assert trouble.text == f"nodered.socket cannot listen on {stream}: Address already in use"


def test_a_socket_that_could_listen_by_now_is_told_as_systemd_does(monkeypatch):
    monkeypatch.setattr(_systemd, "run", Systemctl(["systemctl", "start"]))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    trouble = _restart._start_socket(state(socket_unit=listening(f"127.0.0.1:{port} (Stream)")))
    assert trouble.text.endswith(": Job failed.")


def held_by(monkeypatch, pid, address="0.0.0.0"):
    monkeypatch.setattr(_processes, "holders", lambda host, port: [(pid, Listener(address, port, 12345))])


def test_a_port_that_another_process_holds_is_foreseen_with_its_name(monkeypatch):
    held_by(monkeypatch, 1)
    trouble = _restart._foreseen(state(settings={"uiPort": 1885}))
    assert "Port 1885 is already held by process 1 (" in trouble.text
    assert "another port" in trouble.remedy


def test_the_own_port_is_no_trouble(monkeypatch):
    held_by(monkeypatch, os.getpid())
    assert _restart._foreseen(state(settings={"uiPort": 1880})) is None


def test_a_holder_that_cannot_be_seen_is_told_by_its_user(monkeypatch):
    held_by(monkeypatch, None)
    assert "user with number 12345" in _restart._foreseen(state(settings={"uiPort": 1880})).text


def journal(monkeypatch, *lines):
    class Answer:
        stdout = "\n".join(lines)

    monkeypatch.setattr(_systemd, "run", lambda arguments, timeout=60: Answer)
    return _restart._journal_since("cursor", state())


def test_of_the_journal_the_complaint_is_shown(monkeypatch):
    shown = journal(
        monkeypatch, *["[info] hello"] * 50, "nodered.service: Started", "[error] listen EACCES", *["    at x"] * 5
    )
    assert shown.startswith("  [error] listen EACCES")
    assert "hello" not in shown


def test_without_a_complaint_the_last_lines_are_shown(monkeypatch):
    shown = journal(monkeypatch, *[f"[info] line {number}" for number in range(50)], "nodered.service: Stopped")
    assert shown.splitlines()[-1] == "  [info] line 49"
    assert len(shown.splitlines()) == _restart.QUIET_LINES


def test_no_secret_gets_from_the_journal_into_the_result(monkeypatch):
    shown = journal(monkeypatch, "Error: broker refused hunter22", "password: letmein", "x" * 5000)
    assert "hunter22" not in shown
    assert "letmein" not in shown
    assert max(len(line) for line in shown.splitlines()) <= _restart.JOURNAL_WIDTH + 2


def test_the_journal_cannot_control_the_terminal(monkeypatch):
    shown = journal(monkeypatch, "[error] \x1b]0;title\x07 \u202e", "pass\x1b[0mword: letmein")
    assert shown.splitlines()[0] == "  [error] \\x1b]0;title\\x07 \\u202e"
    assert "\x1b" not in shown


@pytest.fixture(autouse=True)
def runtime(tmp_path_factory, monkeypatch):
    """What is /run on a Pi."""
    folder = tmp_path_factory.mktemp("run")
    monkeypatch.setattr(_sessions, "RUNTIME", str(folder))
    (folder / "nodered").mkdir()
    return folder / "nodered"


def end_sessions(user_dir, plan=None):
    plan = plan or state().plan
    _sessions_file.end(_sessions.place_of(plan, str(user_dir)), plan.service)


def test_sessions_end_with_their_file(tmp_path):
    (tmp_path / ".sessions.json").write_text("{}")
    end_sessions(tmp_path)
    end_sessions(tmp_path)
    assert not (tmp_path / ".sessions.json").exists()


def test_sessions_end_where_a_link_leads_too(tmp_path):
    target = tmp_path / "elsewhere.json"
    target.write_text('{"token": 1}')
    (tmp_path / ".sessions.json").symlink_to(target)
    end_sessions(tmp_path)
    assert not os.path.lexists(tmp_path / ".sessions.json")
    assert not target.exists()


def test_sessions_end_in_the_runtime_directory_too(tmp_path, runtime):
    for name in ("sessions.json", ".sessions.json"):
        (runtime / name).write_text("{}")
    end_sessions(tmp_path)
    assert os.listdir(runtime) == []


def test_a_link_into_the_runtime_directory_outlives_its_sessions(tmp_path, runtime):
    (runtime / ".sessions.json").write_text("{}")
    (tmp_path / ".sessions.json").symlink_to(runtime / ".sessions.json")
    end_sessions(tmp_path)
    assert os.listdir(runtime) == []
    assert os.path.islink(tmp_path / ".sessions.json")


@pytest.mark.skipif(os.getuid() != 0, reason="only root could delete too much")
def test_a_link_of_the_service_user_deletes_nothing_of_root(tmp_path, open_folders):
    os.chown(tmp_path, pwd.getpwnam("nobody").pw_uid, -1)
    target = tmp_path / "precious"
    target.write_text("of root")
    target.chmod(0o600)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    target.rename(elsewhere / "precious")
    (tmp_path / ".sessions.json").symlink_to(elsewhere / "precious")
    end_sessions(tmp_path, dataclasses.replace(state().plan, identity=_identity.of("nobody")))
    assert (elsewhere / "precious").read_text() == "of root"
    assert not os.path.lexists(tmp_path / ".sessions.json")


def test_sessions_that_cannot_be_ended_are_said(tmp_path):
    pathlib.Path(tmp_path / ".sessions.json").mkdir()
    with pytest.raises(Failure, match="cannot be deleted"):
        end_sessions(tmp_path)


def test_a_node_red_that_has_to_write_to_a_read_only_file_system_is_told_from_one_that_fails():
    trouble = _restart.Trouble("Node-RED ended with exit status 0.")
    said = "  [error] Error: EROFS: read-only file system, open '/home/pi/.node-red/.config.nodes.json.$$$'"
    told = _restart._with_messages(trouble, said)
    assert told.text == f"Node-RED ended with exit status 0.\nIts last messages:\n{said}"
    assert told.remedy == _restart.READ_ONLY_REMEDY
    assert not _restart._with_messages(trouble, "  [error] Error: listen EACCES").remedy
    assert _restart._with_messages(trouble, "") == trouble


class Undoable:
    """Stands for a change, made before or after this process was started."""

    def __init__(self, runs_old):
        self.old = runs_old

    def in_place(self):
        return True

    def runs_old(self, _pid):
        return self.old


@pytest.mark.parametrize("runs_old", [True, False], ids=["old", "new"])
def test_only_a_node_red_that_runs_with_the_old_files_is_left_alone(monkeypatch, runs_old):
    monkeypatch.setattr(_restart, "_undo", lambda *_: [])
    monkeypatch.setattr(_restart, "_read_state", lambda *_: state())
    monkeypatch.setattr(_restart, "_failed", lambda *_, **__: "left alone")
    monkeypatch.setattr(_restart, "_roll_back", lambda *_: "restarted")
    done = _restart._refuse(state(), Undoable(runs_old), (), _restart.Trouble("uiPort is 'abc'"), 60)
    assert done == ("left alone" if runs_old else "restarted")


@pytest.mark.parametrize("starts", [True, False])
def test_after_a_boot_the_process_is_waited_for_that_shows_the_start(monkeypatch, starts):
    looks = iter([Failure("a login shell", ""), Failure("a login shell", ""), state()])

    def look(_name, _remount):
        found = next(looks)
        if isinstance(found, Failure):
            raise found
        return found

    unit = Unit("nodered.service", {"ActiveState": ["activating" if starts else "inactive"]})
    monkeypatch.setattr(_restart, "_read_state", look)
    monkeypatch.setattr(_systemd, "show", lambda _name: [unit])
    monkeypatch.setattr(_restart.time, "sleep", lambda _seconds: None)
    if starts:
        assert _restart._read_state_after_start("nodered.service", False, 60).name == "nodered.service"
    else:
        with pytest.raises(Failure, match="login shell"):
            _restart._read_state_after_start("nodered.service", False, 60)


# Let any process of the user trace this one, also where only a parent can (Yama), and never end.
TRACED = """#!{python}
import ctypes, pathlib, time
ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)
pathlib.Path({ready!r}).touch()
time.sleep(60)
"""
# PTRACE_SEIZE: until the tracer ends, no other process learns of the end of that one.
TRACER = """
import ctypes, os, sys, time
if ctypes.CDLL(None, use_errno=True).ptrace(0x4206, int(sys.argv[1]), 0, 0) != 0:
    sys.exit(os.strerror(ctypes.get_errno()))
print("traced", flush=True)
time.sleep(60)
"""


def test_a_user_who_hides_the_end_of_systemctl_does_not_stop_the_rollback(monkeypatch, tmp_path):
    script, ready = tmp_path / "systemctl", tmp_path / "ready"
    script.write_text(TRACED.format(python=sys.executable, ready=str(ready)))
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    tracers = []

    def wait_until_traced(_state, starting, _deadline, _timeout):
        while not ready.exists():
            time.sleep(0.01)
        command = [sys.executable, "-c", TRACER, str(starting.pid)]
        tracers.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert tracers[0].stdout.readline() == "traced\n"
        return _restart.Trouble("It does not respond.")

    monkeypatch.setattr(_restart, "_wait", wait_until_traced)
    monkeypatch.setattr(_systemd, "run", lambda *_, **__: types.SimpleNamespace(returncode=0, stdout="", stderr=""))
    begun = time.monotonic()
    try:
        assert _restart._start_and_wait(state(), 60) == _restart.Trouble("It does not respond.")
        assert time.monotonic() - begun < 30
    finally:
        for tracer in tracers:
            tracer.kill()
            tracer.communicate()
