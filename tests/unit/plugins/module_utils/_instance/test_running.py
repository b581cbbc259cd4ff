# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the process of Node-RED shows, and what it counts for beside the unit."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import time

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import (
    _node,
    _overrides,
    _running,
    _service_ports,
    _start_plan,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._running import Running, StartUp
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _processes, _systemd
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._processes import Process
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Command, Unit, Word

ME = pwd.getpwuid(os.getuid())
OTHER = next(one for one in pwd.getpwall() if one.pw_uid not in (0, os.getuid()))
NOTHING = _node.Loaded(None, "", (), {}, {}, (), False)
only_root = pytest.mark.skipif(os.getuid() != 0, reason="only root works as other users")


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A unit whose Node-RED runs, with its files in tmp_path."""
    tmp_path.chmod(0o755)
    for parent in list(tmp_path.parents)[:3]:
        parent.chmod(parent.stat().st_mode | 0o055)
    (tmp_path / ".node-red").mkdir()
    for name in (".node-red/settings.js", "other.js"):
        (tmp_path / name).write_text("module.exports = {}")
    (tmp_path / "node-red").write_text("#!/usr/bin/env node\n")
    (tmp_path / "node-red").chmod(0o755)
    unit_file = tmp_path / "nodered.service"
    unit_file.write_text("[Service]\n")
    os.utime(unit_file, (1, 1))
    os.utime(tmp_path, (1, 1))

    class Machine:
        running = None
        unit_file_path = unit_file

        def plan(self, words, last=None, **properties):
            shown = {"LoadState": "loaded", "ActiveState": "active", "User": ME.pw_name, **properties}
            unit = Unit("nodered.service", {k: [v] for k, v in {**shown, "FragmentPath": str(unit_file)}.items()})
            environment = [f"HOME={tmp_path}", f"PATH={tmp_path}"]
            monkeypatch.setattr(_systemd, "command", lambda _unit: Command(words, environment, []))
            monkeypatch.setattr(_systemd, "shown_command", lambda _unit: Command(words, environment, []), raising=False)
            return _start_plan.plan(unit, last)

        def runs(self, uid=None, start_up=None, **different):
            found = {
                **{"pid": os.getpid(), "uid": os.getuid() if uid is None else uid, "gid": os.getgid()},
                **{"started": time.time() - 60, "node": "/opt/nvm/bin/node", "working_directory": str(tmp_path)},
                "environment": {"HOME": str(tmp_path), "PATH": f"{tmp_path}:/opt/nvm/bin", "SEEN": "1"},
                "start_up": start_up or StartUp(),
            }
            self.running = Running(**{**found, **different})
            return self.running

    found = Machine()
    monkeypatch.setattr(_systemd, "manager_environment", dict)
    monkeypatch.setattr(_running, "of", lambda _unit: found.running)
    monkeypatch.setattr(_processes, "unit_of", lambda _pid: "nodered.service")
    return found


def test_a_launcher_gives_what_the_process_shows(machine, tmp_path):
    machine.runs()
    plan = machine.plan(["/bin/bash", "-c", ". /opt/nvm/nvm.sh && node-red -u /data"])
    assert (plan.node, plan.environment["SEEN"], plan.working_directory) == ("/opt/nvm/bin/node", "1", str(tmp_path))
    assert (plan.user_dir_option, plan.takes_options, plan.direct) == ("/data", False, False)


def test_a_plain_unit_gives_what_the_next_start_will_be(machine):
    machine.runs()
    plan = machine.plan(["/usr/bin/node20", str(machine.unit_file_path.parent / "red.js")])
    assert (plan.node, plan.direct, "SEEN" in plan.environment) == ("/usr/bin/node20", True, False)


def test_the_node_red_that_ran_a_moment_ago_counts_while_none_runs(machine):
    last = machine.runs()
    machine.running = None
    assert machine.plan(["bash", "-lc", "node-red"], last).node == "/opt/nvm/bin/node"
    with pytest.raises(Failure, match="login shell"):
        machine.plan(["bash", "-lc", "node-red"])


def test_a_script_is_followed_by_what_journald_noted_down(machine, tmp_path):
    words = [Word(word) for word in ["node", str(tmp_path / "node-red"), "-p", "1881", "-D", "credentialSecret=x"]]
    machine.runs(start_up=StartUp(words, str(tmp_path / ".node-red/settings.js"), str(tmp_path), "4.1.15"))
    plan = machine.plan(["/opt/start.sh", "--all"])
    assert (plan.settings_file, plan.version) == (str(tmp_path / ".node-red/settings.js"), "4.1.15")
    assert not plan.takes_options
    found = _overrides.overrides(plan, NOTHING)
    assert [(one["setting"], one["where"]) for one in found] == [
        ("credentialSecret", "/opt/start.sh"),
        ("uiPort", "/opt/start.sh"),
    ]


def test_what_cannot_be_followed_is_named_with_its_processes(machine):
    machine.runs()
    with pytest.raises(Failure) as failure:
        machine.plan(["/opt/start.sh", "--all"], User="root" if os.getuid() == 0 else ME.pw_name)
    for part in ("nodered.service", "/opt/start.sh --all", "journal does not name"):
        assert part in str(failure.value)


@only_root
def test_another_user_than_that_of_a_plain_unit_is_a_contradiction(machine):
    machine.runs(uid=OTHER.pw_uid)
    with pytest.raises(Failure, match=f"has the user {OTHER.pw_name}, but its start leads to user root"):
        machine.plan(["node-red"], User="root")


@only_root
def test_a_script_of_root_that_starts_node_red_as_another_user_is_worked_on_as_that_user(machine, tmp_path):
    start_up = StartUp(settings_file=str(tmp_path / "other.js"), user_dir="/data")
    machine.runs(uid=OTHER.pw_uid, gid=OTHER.pw_gid, start_up=start_up)
    plan = machine.plan(["/opt/start.sh"], User="root")
    assert (plan.user, plan.identity.uid) == (OTHER.pw_name, OTHER.pw_uid)
    assert plan.user_for(plan.settings_file) == plan.identity
    assert (plan.settings_file, plan.user_dir_option) == (str(tmp_path / "other.js"), "/data")


@only_root
@pytest.mark.parametrize("command", ["runuser -u {} -- node-red", "sudo -u {} node-red", "su {} -c node-red"])
def test_a_launcher_that_changes_the_user_is_followed_without_a_process(machine, tmp_path, command):
    plan = machine.plan(command.format(OTHER.pw_name).split(), User="root")
    assert (plan.user, plan.home, plan.environment["USER"]) == (OTHER.pw_name, OTHER.pw_dir, OTHER.pw_name)
    assert ("SEEN" in plan.environment, plan.direct) == (False, False)


def test_another_settings_file_is_a_contradiction_as_long_as_nothing_was_changed(machine, tmp_path):
    machine.runs(start_up=StartUp(settings_file=str(tmp_path / "other.js")))
    with pytest.raises(Failure) as failure:
        machine.plan(["node-red"])
    for part in (str(os.getpid()), f"{tmp_path}/other.js", f"{tmp_path}/.node-red/settings.js", "systemctl restart"):
        assert part in str(failure.value)
    os.utime(machine.unit_file_path)
    assert machine.plan(["node-red"]).settings_file == f"{tmp_path}/.node-red/settings.js", "what the next start loads"


def test_a_link_to_the_same_settings_file_is_no_contradiction(machine, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / ".node-red")
    machine.runs(start_up=StartUp(settings_file=str(tmp_path / "link" / "settings.js")))
    assert machine.plan(["node-red"]).settings_file == f"{tmp_path}/.node-red/settings.js"


def test_a_node_red_that_su_puts_into_a_session_must_get_the_signal(machine, monkeypatch):
    machine.runs()
    monkeypatch.setattr(_processes, "unit_of", lambda _pid: None)
    assert machine.plan(["node-red"], KillSignal="15")
    with pytest.raises(Failure, match="KillSignal=2"):
        machine.plan(["node-red"], KillSignal="2")


# What the process and the journal show


def entries(*messages, line="node --x /usr/bin/node-red -p 1881", older=0.0):
    now = int((time.clock_gettime(time.CLOCK_MONOTONIC) - older) * 1e6)
    return [{"MESSAGE": one, "_CMDLINE": line, "__MONOTONIC_TIMESTAMP": str(now)} for one in messages]


MESSAGES = [
    "29 Nov 19:54:49 - [info] Node-RED version: v4.1.15",
    "29 Nov 19:54:50 - [info] Settings file  : /home/pi/.node-red/settings.js",
    "29 Nov 19:54:50 - [info] User directory : /home/pi/.node-red",
]
FORGED = [message.replace("/home/pi", "/evil") for message in MESSAGES]


def started(monkeypatch, found):
    unit = Unit("nodered.service", {})
    process = _processes.process(os.getpid())
    monkeypatch.setattr(_running, "_entries", lambda _command: iter(found))
    return _running.start_up(unit, process)


def test_the_first_messages_of_the_process_count(monkeypatch):
    found = started(monkeypatch, [*entries([1, 2], *MESSAGES), *entries(*FORGED, line="evil")])
    assert (found.settings_file, found.user_dir, found.version) == (
        "/home/pi/.node-red/settings.js",
        "/home/pi/.node-red",
        "4.1.15",
    )
    assert [word.text for word in found.words] == ["node", "--x", "/usr/bin/node-red", "-p", "1881"]


def test_messages_of_an_earlier_process_of_the_same_number_do_not_count(monkeypatch):
    monkeypatch.setattr(_processes, "age", lambda _start: 60.0)
    found = started(monkeypatch, [*entries(*FORGED, older=90), *entries(*MESSAGES, older=30)])
    assert found.settings_file == "/home/pi/.node-red/settings.js"


def test_what_the_journal_does_not_say_is_unknown(monkeypatch):
    assert started(monkeypatch, [{}, {"MESSAGE": None}, *entries("x", line="python3 x")]) == StartUp()


def test_the_title_of_the_process_is_no_command_line_without_options(monkeypatch):
    """After weeks, the journal may only have messages of a Node-RED that has long been listening."""
    titled = Process(2**23, 1, 0, "node-red", ("node-red",), os.getuid())
    monkeypatch.setattr(_running, "_entries", lambda _command: iter(entries("x", line="node-red")))
    assert _running.start_up(Unit("nodered.service", {}), titled) == StartUp()


def test_the_journal_is_read_up_to_a_limit(monkeypatch, tmp_path):
    program = tmp_path / "journalctl"
    program.write_text("#!/bin/sh\nwhile :; do echo '{\"MESSAGE\": \"x\"}'; echo '['; done\n")
    program.chmod(0o755)
    found = list(_running._entries([str(program)]))
    assert 10 < len(found) < _running.JOURNAL_LIMIT
    assert list(_running._entries(["/nonexistent"])) == []


def test_node_red_is_the_topmost_that_has_its_name(monkeypatch):
    unit = Unit("nodered.service", {"MainPID": ["1"]})
    family = {
        **{1: Process(1, 0, 0, "npm start", ("npm start",), 0), 2: Process(2, 1, 0, "sh", ("sh", "-c", "node-red"), 0)},
        **{3: Process(3, 2, 0, "node-red", ("node-red",), 0), 4: Process(4, 3, 0, "node-red", ("node-red",), 0)},
    }
    monkeypatch.setattr(_service_ports, "family", lambda _unit: [4, 1, 2, 3])
    monkeypatch.setattr(_processes, "process", family.get)
    monkeypatch.setattr(_running, "runs_node", lambda pid: pid != 2)
    monkeypatch.setattr(_processes, "listeners", lambda _pid: [])
    assert _running.node_red_of(unit).pid == 3
    family[3] = family[4] = None
    assert _running.node_red_of(unit) is None, "npm is not yet Node-RED"
    family[1] = family[2] = None
    family[1] = Process(1, 0, 0, "kitchen", ("kitchen",), 0)
    assert _running.node_red_of(unit) is None, "it may be anything"
    monkeypatch.setattr(_processes, "listeners", lambda pid: ["port"])
    assert _running.node_red_of(unit).pid == 1, "the option --title"


def test_a_process_shows_itself(monkeypatch, tmp_path):
    program = ["sh", "-c", "echo started; exec sleep 30"]
    with subprocess.Popen(program, cwd=tmp_path, env={"HOME": "/x"}, stdout=subprocess.PIPE) as process:
        try:
            # Before, it is a copy of this process.
            process.stdout.readline()
            monkeypatch.setattr(_running, "node_red_of", lambda _unit: _processes.process(process.pid))
            monkeypatch.setattr(_running, "_entries", lambda _command: iter([]))
            found = _running.of(Unit("nodered.service", {}))
        finally:
            process.kill()
    assert (found.uid, found.gid, found.working_directory) == (os.getuid(), os.getgid(), str(tmp_path))
    assert found.environment["HOME"] == "/x"
    assert abs(found.started - time.time()) < 20


def test_json_is_all_that_followed_returns(machine):
    """It comes from a child process, as text."""
    machine.runs()
    assert json.dumps(machine.plan(["/bin/sh", "-c", "cd / && node-red"]).working_directory)
