# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Node-RED that a user's own systemd runs: when it is the one that is meant, and what its unit counts for."""

from __future__ import annotations

import os
import stat
import subprocess

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import (
    _certificate,
    _description,
    _find,
    _running,
    _sandbox_paths,
    _service_ports,
    _sessions,
    _start_plan,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _identity, _processes, _systemd, _user_units
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._processes import Process
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Command, Unit

NOBODY = _identity.of("nobody")
DAEMON = _identity.of("daemon")
only_root = pytest.mark.skipif(os.getuid() != 0, reason="only root works as other users")


def unit(name: str, **properties: str) -> Unit:
    shown = {"LoadState": "loaded", "ActiveState": "active", "SubState": "running", **properties}
    return Unit(name, {key: [value] for key, value in shown.items()}, _user_units.owner(name))


# Which Node-RED is meant


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with these units, and processes in these user units (None: in none)."""

    class Machine:
        units = {
            "nobody/flows.service": unit("nobody/flows.service"),
            "daemon/flows.service": unit("daemon/flows.service"),
        }
        processes: dict[Process, str | None] = {}
        asked: list[str] = []

        def runs(self, name, uid=NOBODY.uid):
            self.processes = {**self.processes, Process(2**23 + len(self.processes), 1, 1, "node-red", (), uid): name}

        def unit_of(self, pid):
            return next((name for one, name in self.processes.items() if one.pid == pid), None)

        def lingers(self, *users):
            for user in users:
                (tmp_path / user).touch()

        def show(self, *names):
            full = list(dict.fromkeys(map(_systemd.full_name, names)))
            self.asked = [*self.asked, *full]
            return [self.units.get(name) or unit(name, LoadState="not-found", ActiveState="inactive") for name in full]

    found = Machine()
    monkeypatch.setattr(_user_units, "LINGER", str(tmp_path))
    monkeypatch.setattr(_systemd, "show", found.show)
    monkeypatch.setattr(_find, "_running", lambda: [(None, one) for one in found.processes])
    monkeypatch.setattr(_user_units, "of_process", found.unit_of)
    # These processes have no control group. In a container, they would seem to be in another one.
    monkeypatch.setattr(_processes, "in_container", lambda _pid: False)
    found.lingers("nobody", "daemon")
    return found


def test_a_user_unit_is_found_where_no_service_of_the_machine_runs_node_red(machine):
    machine.units["nodered.service"] = unit("nodered.service", ActiveState="inactive", User="nobody")
    machine.runs("nobody/flows.service")
    found, others = _find.find(None)
    assert (found.name, found.owner) == ("nobody/flows.service", NOBODY)
    assert [one.service for one in others] == ["nodered.service"]


@pytest.mark.parametrize("name", ["nobody/flows", "nobody/flows.service"])
def test_a_user_unit_can_be_named_beside_a_service_of_the_machine(machine, name):
    machine.units["nodered.service"] = unit("nodered.service", User="nobody")
    machine.runs("nobody/flows.service")
    found, others = _find.find(name)
    assert found.name == "nobody/flows.service"
    assert [one.service for one in others] == ["nodered.service"]


def test_a_systemd_of_a_user_is_not_asked_where_a_service_of_the_machine_runs(machine):
    """It could take its time."""
    machine.units["nodered.service"] = unit("nodered.service", User="daemon")
    machine.runs("nobody/flows.service")
    assert _find.find(None)[0].name == "nodered.service"
    assert not [name for name in machine.asked if "/" in name]


def test_a_user_unit_of_another_user_is_not_taken_for_a_service_that_is_stopped(machine):
    machine.units["nodered.service"] = unit("nodered.service", ActiveState="failed", User="daemon")
    machine.runs("nobody/flows.service")
    assert _find.find(None)[0].name == "nodered.service"


@pytest.mark.parametrize(
    "prepare, services",
    [
        (lambda machine: machine.runs("daemon/flows.service", DAEMON.uid), ["nobody/flows", "daemon/flows"]),
        (lambda machine: machine.runs(None), ["nobody/flows"]),
        (
            lambda machine: machine.units.update({"nodered.service": unit("nodered.service", User="nobody")}),
            ["nodered", "nobody/flows"],
        ),
    ],
    ids=["two users", "a process outside", "a service of the same user"],
)
def test_where_it_is_one_of_several_the_error_names_it_as_the_option_does(machine, prepare, services):
    machine.runs("nobody/flows.service")
    prepare(machine)
    with pytest.raises(Failure) as failure:
        _find.find(None)
    assert "More than one Node-RED was found" in str(failure.value)
    assert "\n - nobody/flows.service, a user unit (running)" in str(failure.value)
    assert failure.value.details["services"] == services


def test_a_name_without_the_user_is_answered_with_the_one_that_is_seen(machine):
    machine.runs("nobody/flows.service")
    with pytest.raises(Failure, match=r"flows.service does not exist[^/]*\n - nobody/flows.service, a user unit"):
        _find.find("flows")


def test_a_user_unit_that_ends_with_the_login_is_rejected(machine, tmp_path):
    machine.runs("nobody/flows.service")
    (tmp_path / "nobody").unlink()
    with pytest.raises(Failure, match="loginctl enable-linger nobody"):
        _find.find(None)


def test_a_user_unit_behind_a_socket_unit_is_rejected(machine):
    machine.units["nobody/flows.service"] = unit("nobody/flows.service", TriggeredBy="flows.socket")
    with pytest.raises(Failure, match="as user nobody, systemctl --user disable --now flows.socket"):
        _find.find("nobody/flows")


def test_two_node_reds_in_one_user_unit_are_rejected(machine):
    machine.runs("nobody/flows.service")
    machine.runs("nobody/flows.service")
    with pytest.raises(Failure, match="nobody/flows.service starts 2 Node-REDs"):
        _find.find(None)


# How it starts


@pytest.fixture
def plan(tmp_path, monkeypatch, open_folders):
    """The plan of a user unit with this command, whose files are in tmp_path."""
    (tmp_path / ".node-red").mkdir()
    (tmp_path / ".node-red" / "settings.js").write_text("module.exports = {}")
    (tmp_path / "node-red").write_text("#!/usr/bin/env node\n")
    (tmp_path / "node-red").chmod(0o755)
    for path in (tmp_path / ".node-red", tmp_path / ".node-red" / "settings.js"):
        path.chmod(0o755)
    monkeypatch.setattr(_systemd, "user_environment", lambda user: {"MANAGER": user.name, "PATH": str(tmp_path)})
    monkeypatch.setattr(_systemd, "manager_environment", lambda: pytest.fail("not the systemd of the machine"))
    monkeypatch.setattr(_running, "of", lambda _unit: None)

    def make(words=("node-red",), environment=(), files=(), **properties):
        command = Command(list(words), [f"HOME={tmp_path}", *environment], list(files))
        monkeypatch.setattr(_systemd, "command", lambda _unit: command)
        return _start_plan.plan(unit("nobody/flows.service", **properties))

    return make


@only_root
def test_the_identity_is_that_of_the_user_whatever_the_unit_says(plan):
    found = plan(User="root", Group="root", SupplementaryGroups="shadow")
    assert found.identity == NOBODY
    assert found.environment["MANAGER"] == "nobody"
    assert found.environment["USER"] == "nobody"
    assert found.working_directory == _identity.account("nobody").pw_dir


@only_root
@pytest.mark.parametrize("words", [["sudo", "-u", "daemon", "node-red"], ["runuser", "-u", "root", "--", "node-red"]])
def test_a_launcher_to_another_user_is_rejected(plan, words):
    with pytest.raises(Failure, match="starts Node-RED as another user"):
        plan(words)


@only_root
def test_no_path_of_a_user_unit_is_worked_on_by_root(plan, tmp_path):
    """Not even one that only root can change: the user has chosen it."""
    settings = tmp_path / "of-root.js"
    settings.write_text("")
    found = plan(["node-red", "-s", "/etc/passwd", "-u", str(tmp_path)])
    assert found.settings_file == "/etc/passwd"
    assert found.user_for("/etc/passwd") == NOBODY
    assert found.direct
    assert not found.by_root
    assert not _sandbox_paths.user_dir_by_root(found, str(tmp_path))


@only_root
def test_an_environment_file_is_read_with_the_rights_of_the_user(plan, tmp_path):
    secret, own = tmp_path / "secret.env", tmp_path / "own.env"
    secret.write_text("SECRET=hunter2\n")
    secret.chmod(stat.S_IRUSR)
    own.write_text("NODE_RED_OPTIONS=-p 1885\n")
    own.chmod(0o644)
    found = plan(["node-red", "$NODE_RED_OPTIONS"], files=[str(tmp_path / "*.env")])
    assert "SECRET" not in found.environment
    assert found.port_option == "1885"
    assert found.open_environment_files == [str(own), str(secret)]


@only_root
def test_what_belongs_to_root_is_named_by_the_number_of_the_user(plan):
    found = plan()
    assert _certificate.tls_folder(found) == f"/etc/nodered-tls/user-{NOBODY.uid}-flows"
    assert _sessions.runtime_folder(found.service) == f"/run/user/{NOBODY.uid}/flows"


# What is there


def test_the_family_of_a_user_unit_is_what_the_kernel_tells(monkeypatch):
    monkeypatch.setattr(
        _user_units, "processes_in", lambda user, name: {(user.name, name): {7, 8}}.get(("nobody", name))
    )
    assert _service_ports.family(unit("nobody/flows.service", MainPID="1")) == [7, 8]


@only_root
def test_the_environment_of_another_users_process_is_not_read(monkeypatch):
    """The number of a process that ends can become that of another one before it is looked at."""
    with subprocess.Popen(["sleep", "60"], env={"SECRET": "hunter2"}) as process:
        try:
            seen = Process(process.pid, 1, 1, "node-red", ("node-red",), NOBODY.uid)
            monkeypatch.setattr(_running, "node_red_of", lambda _unit: seen)
            monkeypatch.setattr(_running, "start_up", lambda *_: _running.StartUp())
            found = _running.of(unit("nobody/flows.service"))
            assert _processes.environment(process.pid) == {"SECRET": "hunter2"}
        finally:
            process.kill()
    assert (found.environment, found.node, found.working_directory) == ({}, None, None)


@only_root
def test_drop_ins_of_a_user_unit_are_named_below_the_home_of_the_user(tmp_path, monkeypatch, open_folders):
    folder, elsewhere = tmp_path / "flows.service.d", tmp_path / "elsewhere"
    for one in (folder, elsewhere):
        one.mkdir()
        one.chmod(0o755)
    (folder / "50-pifleet-port.conf").write_text("[Service]\n")
    (folder / "override.conf").write_text("other")
    (elsewhere / "50-pifleet-port.conf").write_text("other")
    (folder / "60-pifleet-x.conf").symlink_to("/etc/shadow")
    monkeypatch.setattr(_user_units, "drop_in_folder", lambda _user, _unit: str(folder))
    paths = " ".join(str(one) for one in [*folder.iterdir(), *elsewhere.iterdir()])
    found = _description.own_drop_ins(unit("nobody/flows.service", FragmentPath="/x", DropInPaths=paths))
    assert found == {"~nobody/.config/systemd/user/flows.service.d/50-pifleet-port.conf": "[Service]\n"}
