# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Node-RED is meant and which files it uses, with a systemd that answers from a dictionary."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import time

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import (
    _description,
    _endpoint,
    _find,
    _node,
    _overrides,
    _sandbox_paths,
    _service_ports,
    _start_plan,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _identity, _processes, _systemd
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._processes import Listener, Process
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Command, Socket, Unit

ME = pwd.getpwuid(os.getuid())
NOBODY = _identity.of("nobody")
# Larger than the kernel gives out (proc(5), pid_max), so that no process of this machine has it.
NO_PID = 2**23


def unit(name="nodered.service", **properties):
    shown = {"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "User": ME.pw_name, **properties}
    return Unit(name, {key: [value] for key, value in shown.items()})


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with Node-RED installed below tmp_path and this home directory."""

    class Machine:
        units = {"nodered.service": unit()}
        running = []
        command = Command(["/usr/bin/env", "node-red-pi", "$NODE_OPTIONS", "--", "$NODE_RED_OPTIONS"], [], [])
        home = tmp_path / "home"
        package = tmp_path / "lib" / "node_modules" / "node-red"

        def plan(self, words=None, environment=(), files=(), **properties):
            if words is not None or environment or files:
                self.command = Command(words or self.command.words, [f"HOME={self.home}", *environment], files)
            return _start_plan.plan(unit(**properties))

    machine = Machine()
    machine.command = Command(machine.command.words, [f"HOME={machine.home}"], [])
    user_dir = machine.home / ".node-red"
    user_dir.mkdir(parents=True)
    (user_dir / "settings.js").write_text("module.exports = {}")
    (machine.package / "bin").mkdir(parents=True)
    (machine.package / "package.json").write_text(json.dumps({"name": "node-red", "version": "4.1.15"}))
    for name in ("red.js", "bin/node-red-pi", "settings.js"):
        (machine.package / name).write_text("#!/bin/sh\n")
        (machine.package / name).chmod(0o755)
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "node-red-pi").symlink_to(machine.package / "bin" / "node-red-pi")
    (bin_folder / "node-red").symlink_to(machine.package / "red.js")
    (bin_folder / "node").write_text("#!/bin/sh\n")
    (bin_folder / "node").chmod(0o755)

    def show(*names):
        missing = {"LoadState": ["not-found"], "ActiveState": ["inactive"]}
        full = dict.fromkeys(_systemd.full_name(name) for name in names)
        return [machine.units.get(name) or Unit(name, missing) for name in full]

    monkeypatch.setattr(_systemd, "show", show)
    monkeypatch.setattr(_systemd, "command", lambda _unit: machine.command)
    monkeypatch.setattr(_systemd, "manager_environment", lambda: {"PATH": str(bin_folder)})
    monkeypatch.setattr(_find, "_running", lambda: machine.running)
    return machine


def process(pid, name="node-red"):
    return Process(pid, 1, 1, name, (name,), os.getuid())


def test_the_one_service_is_found(machine):
    found, others = _find.find(None)
    assert found.name == "nodered.service"
    assert others == []


def test_a_service_that_runs_wins_over_one_that_does_not(machine):
    machine.units["node-red.service"] = unit("node-red.service")
    machine.units["nodered.service"] = unit(ActiveState="inactive", SubState="dead")
    found, others = _find.find(None)
    assert found.name == "node-red.service"
    assert [str(one) for one in others] == ["nodered.service (inactive, dead)"]


def test_a_service_in_a_crash_loop_counts_as_running(machine):
    machine.units["nodered.service"] = unit(ActiveState="activating", SubState="auto-restart")
    machine.units["node-red.service"] = unit("node-red.service", ActiveState="inactive", SubState="dead")
    assert _find.find(None)[0].name == "nodered.service"


def test_a_service_of_another_name_is_found_by_its_process(machine):
    machine.units = {"flows.service": unit("flows.service")}
    machine.running = [("flows.service", process(os.getpid()))]
    assert _find.find(None)[0].name == "flows.service"


def test_two_that_run_are_listed_with_the_remedy(machine):
    machine.units["node-red.service"] = unit("node-red.service")
    with pytest.raises(Failure) as failure:
        _find.find(None)
    for part in ("More than one", "nodered.service (active", "node-red.service (active", "nodered_service"):
        assert part in str(failure.value)


def test_of_two_the_given_one_is_taken_and_the_other_told(machine):
    machine.units["node-red.service"] = unit("node-red.service")
    found, others = _find.find("node-red")
    assert found.name == "node-red.service"
    assert [one.service for one in others] == ["nodered.service"]


def test_a_process_outside_of_the_service_is_listed(machine):
    machine.running = [("nodered.service", process(NO_PID)), (None, process(os.getpid()))]
    with pytest.raises(Failure) as failure:
        _find.find(None)
    assert "outside of any system service" in str(failure.value)
    assert f"pid {os.getpid()}" in str(failure.value)
    assert ME.pw_name in str(failure.value)


def test_without_any_service_the_error_says_how_to_get_one(machine):
    machine.units = {}
    with pytest.raises(Failure, match="No Node-RED was found"):
        _find.find(None)


def test_a_node_red_in_a_container_is_explained(machine, monkeypatch):
    machine.units = {}
    machine.running = [(None, process(os.getpid()))]
    monkeypatch.setattr(_processes, "in_container", lambda pid: True)
    with pytest.raises(Failure, match="container"):
        _find.find(None)


def test_a_service_that_does_not_exist_is_named_with_what_was_seen(machine):
    with pytest.raises(Failure) as failure:
        _find.find("node-red")
    assert "node-red.service does not exist" in str(failure.value)
    assert "nodered.service (active" in str(failure.value)


def test_the_stock_unit_uses_the_settings_below_home(machine):
    plan = machine.plan()
    assert plan.settings_file == str(machine.home / ".node-red" / "settings.js")
    assert plan.package == str(machine.package)
    assert plan.node.endswith("/bin/node")
    assert (plan.user, plan.service) == (ME.pw_name, "nodered")


def test_options_in_the_environment_file_count(machine, tmp_path):
    settings = tmp_path / "s.js"
    (tmp_path / "environment").write_text(f"NODE_RED_OPTIONS=-p 1881 -s {settings}\n")
    plan = machine.plan(files=[str(tmp_path / "environment")])
    assert plan.port_option == "1881"
    assert plan.settings_file == str(settings)
    assert plan.origins["NODE_RED_OPTIONS"] == str(tmp_path / "environment")


def test_a_user_directory_with_settings_wins_over_home(machine, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    words = ["node-red", "--userDir", str(data)]
    assert machine.plan(words).settings_file == str(data / "settings.js"), "where Node-RED will copy its default to"
    (data / "settings.js").touch()
    plan = machine.plan(words)
    assert plan.settings_file == str(data / "settings.js")
    assert _start_plan.user_dir(plan, {"userDir": "/elsewhere"}) == str(data)


def test_relative_paths_count_from_the_working_directory(machine, tmp_path):
    plan = machine.plan(["node-red", "-s", "my/settings.js"], WorkingDirectory=str(tmp_path))
    assert plan.settings_file == str(tmp_path / "my" / "settings.js")


def test_a_config_file_in_node_red_home_makes_that_the_place(machine, tmp_path):
    (tmp_path / ".config.json").touch()
    plan = machine.plan(environment=[f"NODE_RED_HOME={tmp_path}"])
    assert plan.settings_file == str(tmp_path / "settings.js")
    assert _start_plan.user_dir(plan, {}) == str(tmp_path)


def test_the_user_directory_may_be_set_in_the_settings(machine):
    assert _start_plan.user_dir(machine.plan(), {"userDir": "/data"}) == "/data"
    assert _start_plan.user_dir(machine.plan(), {}) == str(machine.home / ".node-red")


def test_variables_that_env_sets_count(machine):
    assert machine.plan(["/usr/bin/env", "PORT=1881", "node-red"]).environment["PORT"] == "1881"


def test_environment_files_win_over_the_unit_and_unset_over_both(machine, tmp_path):
    (tmp_path / "environment").write_text("A=file\nB=file\n")
    plan = machine.plan(environment=["A=unit", "C=unit"], files=[str(tmp_path / "environment")], UnsetEnvironment="B")
    assert (plan.environment["A"], plan.environment["C"]) == ("file", "unit")
    assert "B" not in plan.environment


def test_a_wrapper_script_is_followed_by_the_journal(machine, monkeypatch, open_folders):
    class Answer:
        stdout = "22 Nov 07:21:21 - [info] Settings file  : /srv/nr/settings.js\nUser directory : /srv/nr\n"

    monkeypatch.setattr(_systemd, "run", lambda arguments, timeout=60: Answer)
    plan = machine.plan(["/home/pi/start.sh"], User="nobody")
    assert (plan.settings_file, plan.user_dir_option) == ("/srv/nr/settings.js", "/srv/nr")
    assert plan.package == str(machine.package)
    Answer.stdout = ""
    with pytest.raises(Failure, match="cannot be|can be followed"):
        machine.plan(["/home/pi/start.sh"], User="nobody")


def loaded(from_file=None, in_effect=None, defined=(), reads_port=False):
    return _node.Loaded("20.0.0", "", (), from_file or {}, in_effect or {}, defined, reads_port)


def test_overrides_are_told_with_their_place_and_only_harmless_values(machine, tmp_path):
    file = str(tmp_path / "environment")
    (tmp_path / "environment").write_text("NODE_RED_OPTIONS=-p 1881 -D credentialSecret=hunter2\nPORT=1999\n")
    plan = machine.plan(files=[file])
    overrides = _overrides.overrides(
        plan, loaded({"uiPort": "1999"}, {"credentialSecret": "hunter2"}, [["credentialSecret"]], reads_port=True)
    )
    assert [(one["setting"], one["channel"], one["value"]) for one in overrides] == [
        ("uiPort", "PORT", "1999"),
        ("credentialSecret", "-D", None),
        ("uiPort", "-p", "1881"),
    ]
    assert {one["where"] for one in overrides} == {file}


def test_a_port_variable_that_the_file_does_not_read_is_no_override(machine):
    plan = machine.plan(environment=["PORT=1999"])
    assert _overrides.overrides(plan, loaded({"uiPort": 1880})) == []


def test_an_option_in_the_unit_is_told_with_the_file_that_has_it(machine, tmp_path):
    drop_in = tmp_path / "50.conf"
    drop_in.write_text("[Service]\nExecStart=\nExecStart=/usr/bin/node-red -p 1881\n")
    plan = machine.plan(["node-red", "-p", "1881"], FragmentPath="/lib/x.service", DropInPaths=str(drop_in))
    assert _overrides.overrides(plan, loaded())[0]["where"] == str(drop_in)


def test_a_missing_settings_file_is_said_with_the_remedy(machine):
    os.unlink(machine.home / ".node-red" / "settings.js")
    with pytest.raises(Failure, match="systemctl start nodered"):
        _start_plan.require_settings_file(machine.plan())


def test_only_the_drop_ins_of_this_collection_are_brought_along(tmp_path):
    texts = {"50-pifleet-port.conf": "[Service]\n", "override.conf": "[Service]\nEnvironment=SECRET=1\n"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    found = _description.own_drop_ins(
        unit(DropInPaths=" ".join(str(tmp_path / name) for name in [*texts, "60-pifleet-x.conf"]))
    )
    assert found == {str(tmp_path / "50-pifleet-port.conf"): "[Service]\n"}


# Where systemd holds the port


@pytest.fixture
def with_socket(machine, monkeypatch):
    properties = {"LoadState": ["loaded"], "ActiveState": ["active"], "Listen": ["127.0.0.1:1885 (Stream)"]}
    monkeypatch.setattr(_systemd, "socket_of", lambda _unit: Socket("nodered.socket", properties))
    return machine


def test_the_settings_file_is_shown_what_systemd_shows_it(with_socket):
    environment = with_socket.plan(MainPID=str(NO_PID)).environment
    assert (environment["LISTEN_PID"], environment["LISTEN_FDS"]) == (str(NO_PID), "1")


def test_without_a_socket_unit_nobody_claims_to_listen(machine):
    assert "LISTEN_PID" not in machine.plan().environment


def test_where_systemd_listens_its_address_counts_and_not_the_settings(with_socket):
    where = _endpoint.expected(with_socket.plan(), loaded(in_effect={"uiPort": "systemd", "uiHost": "10.0.0.1"}))
    assert (where.host, where.port, where.problem) == ("127.0.0.1", 1885, "")


@pytest.mark.parametrize(
    ("in_effect", "words", "port"),
    [({"uiPort": 1880}, None, 1880), ({"uiPort": "systemd"}, ["node-red", "-p", "1890"], 1890)],
    ids=["a number in the settings", "-p"],
)
def test_a_node_red_that_opens_its_own_port_takes_no_socket(with_socket, in_effect, words, port):
    plan = with_socket.plan(words=words)
    assert not _endpoint.takes_socket(plan, loaded(in_effect=in_effect))
    assert _endpoint.expected(plan, loaded(in_effect=in_effect)).port == port
    assert _description._socket(plan, loaded(in_effect=in_effect))["socket_port"] is None


def test_the_port_that_systemd_holds_for_the_service_is_not_held_by_another(with_socket, monkeypatch):
    monkeypatch.setattr(_service_ports, "family", lambda _unit: [])
    everybody = [(1, Listener("127.0.0.1", 1885)), (7, Listener("127.0.0.1", 1886))]
    monkeypatch.setattr(_processes, "with_owners", lambda _sockets: everybody)
    plan = with_socket.plan()
    assert [one["port"] for one in _service_ports.held_ports(plan.unit, plan.socket)] == [1886]
    assert [one["port"] for one in _service_ports.held_ports(plan.unit)] == [1885, 1886]


def test_a_process_in_the_control_group_of_a_service_does_not_make_it_node_red(machine):
    """As a cron job of the service user does: it is in that of cron.service, which runs as root."""
    machine.command = Command(["/usr/sbin/cron", "-f"], [], [])
    machine.units["cron.service"] = unit("cron.service", User="", MainPID="1")
    machine.running = [("cron.service", Process(NO_PID, 1, 1, "node-red", ("node-red",), 1000))]
    found, others = _find.find(None)
    assert found.name == "nodered.service"
    assert [one.service for one in others] == [None]
    machine.units.pop("nodered.service")
    with pytest.raises(Failure, match="cron.service does not start node-red in a way that can be followed"):
        _find.find(None)


def test_the_processes_of_a_service_belong_to_it_where_they_run_as_its_user(machine):
    machine.command = Command(["/srv/start.sh"], [], [])
    machine.units = {"flows.service": unit("flows.service", MainPID=str(os.getpid()))}
    machine.running = [("flows.service", process(os.getpid()))]
    assert _find.find(None)[0].name == "flows.service"
    machine.units = {"flows.service": unit("flows.service", MainPID=str(os.getpid()), User="nobody")}
    with pytest.raises(Failure, match="flows.service does not start node-red in a way that can be followed"):
        _find.find(None)


def test_a_process_of_another_user_with_this_name_hinders_nothing(machine):
    machine.running = [(None, Process(NO_PID, 1, 1, "node-red", ("node-red",), 54321))]
    machine.units["nodered.service"] = unit(User="nobody")
    assert _find.find(None)[0].name == "nodered.service"


def test_only_lines_of_the_services_own_processes_count_in_the_journal(machine, monkeypatch, open_folders):
    asked = []

    def run(arguments, timeout=60):
        asked.extend(arguments)
        return subprocess.CompletedProcess(arguments, 0, "Settings file  : /srv/nr/settings.js\n", "")

    monkeypatch.setattr(_systemd, "run", run)
    plan = machine.plan(["/home/pi/start.sh"], User="nobody")
    assert {"_SYSTEMD_UNIT=nodered.service", f"_UID={NOBODY.uid}"} <= set(asked)
    assert plan.user_for("/etc/nodered/settings.js") is plan.identity, "Node-RED chose that path"


def test_a_path_that_the_unit_names_is_worked_on_by_root_where_only_root_can_exchange_it(machine, tmp_path):
    assert machine.plan(["node-red", "-s", "/etc/nodered/s.js"]).user_for("/etc/nodered/s.js") is None
    other = machine.plan(["node-red", "-s", "/etc/nodered/s.js"])
    assert other.user_for("/usr/share/nodejs/x/index.js") is other.identity, "a path that was chosen earlier"
    assert machine.plan(["node-red", "-s", "/tmp/missing/s.js"]).user_for("/tmp/missing/s.js") is not None


def test_a_path_in_a_file_that_others_can_change_is_never_worked_on_by_root(machine, tmp_path, monkeypatch):
    (tmp_path / "environment").write_text("NODE_RED_OPTIONS=-s /etc/shadow\n")
    os.chown(tmp_path / "environment", NOBODY.uid, -1)
    monkeypatch.setattr(_identity, "of", lambda *_who: NOBODY)
    monkeypatch.setattr(_start_plan.Identity, "run", lambda _self, work, *arguments: work(*arguments))
    plan = machine.plan(files=[str(tmp_path / "environment")])
    assert plan.settings_file == "/etc/shadow"
    assert plan.user_for("/etc/shadow") == NOBODY


@pytest.mark.skipif(os.getuid() != 0, reason="only root runs Node-RED as root")
def test_an_environment_file_that_others_can_change_is_not_taken_for_a_service_of_root(machine, tmp_path):
    file = tmp_path / "environment"
    file.write_text("NODE_OPTIONS=--require /home/pi/evil.js\n")
    os.chown(file, NOBODY.uid, -1)
    with pytest.raises(Failure, match="runs as root here"):
        machine.plan(files=[str(file)])


@pytest.mark.skipif(os.getuid() != 0, reason="only root runs Node-RED as root")
def test_an_environment_file_of_others_that_is_missing_is_not_read_a_moment_later(machine, tmp_path, monkeypatch):
    file = tmp_path / "environment"
    os.chown(tmp_path, NOBODY.uid, -1)
    missing = os.path.lexists

    def missing_for_the_moment(path):
        found = missing(path)
        if path == str(file):
            file.write_text("NODE_OPTIONS=--require /home/pi/evil.js\n")
        return found

    monkeypatch.setattr(_start_plan.os.path, "lexists", missing_for_the_moment)
    assert "NODE_OPTIONS" not in machine.plan(files=[str(file)]).environment


def test_the_journal_names_no_file_for_a_service_of_root(machine, monkeypatch):
    answer = subprocess.CompletedProcess([], 0, "Settings file  : /home/pi/evil/settings.js\n", "")
    monkeypatch.setattr(_systemd, "run", lambda arguments, timeout=60: answer)
    with pytest.raises(Failure, match="cannot be followed|can be followed"):
        machine.plan(["/srv/start.sh"], User="root")


def test_a_process_that_only_says_that_it_is_node_red_is_none(monkeypatch):
    with subprocess.Popen(["bash", "-c", "exec -a node-red sleep 30"]) as process:
        try:
            monkeypatch.undo()
            time.sleep(0.3)
            assert process.pid not in [one.pid for _unit, one in _find._running()]
        finally:
            process.kill()


@pytest.mark.parametrize("name", ["x\nExecStartPre=+/home/pi/evil.sh", "\x1b]0;title\x07", "x\x7f"])
def test_a_path_with_a_control_character_is_rejected(machine, name):
    with pytest.raises(Failure, match="control character"):
        _start_plan.user_dir(machine.plan(), {"userDir": "/home/pi/" + name})
    with pytest.raises(Failure, match="control character"):
        machine.plan(environment=["HOME=/home/pi/" + name])


@pytest.mark.parametrize("version", ["4.1.15", "5.0.0-beta.1", "\x1b[2J", "1" * 300, ["4"], None])
def test_a_version_is_a_version_or_unknown(machine, version):
    (machine.package / "package.json").write_text(json.dumps({"name": "node-red", "version": version}))
    found = machine.plan().version
    assert found == version if version in ("4.1.15", "5.0.0-beta.1") else found is None


@pytest.mark.parametrize(
    ("words", "variables", "settings", "by_root"),
    [
        (["node-red", "-u", "/srv/nodered"], "", {}, True),
        (["node-red", "--userDir=/srv/nodered"], "", {"userDir": "/"}, True),
        (["node-red", "-u", "~/x"], "", {}, True),
        (["node-red", "-u", "~/x"], "HOME=/evil", {}, False),
        (["node-red", "$OPTIONS"], "OPTIONS=-u /", {}, False),
        (["node-red", "-u", "/srv/nodered", "$OPTIONS"], "OPTIONS=-u /", {}, False),
        (["node-red"], "", {}, True),
        (["node-red"], "HOME=/evil", {}, False),
        (["node-red"], "", {"userDir": "/evil"}, False),
        (["env", "HOME=/evil", "node-red"], "", {}, False),
        (["/usr/bin/start-it"], "", {}, False),
    ],
)
def test_only_the_unit_names_a_user_directory_for_root(
    machine, tmp_path, words, variables, settings, by_root, monkeypatch
):
    monkeypatch.setattr(_start_plan, "from_journal", lambda *_who: (str(tmp_path / "settings.js"), "/srv/nodered"))
    unit_file = tmp_path / "nodered.service"
    unit_file.write_text(f'[Service]\nEnvironment="HOME={machine.home}"\n')
    variables_file = tmp_path / "environment"
    variables_file.write_text(variables + "\n")
    plan = machine.plan(words, files=[str(variables_file)], FragmentPath=str(unit_file))
    assert _sandbox_paths.user_dir_by_root(plan, _start_plan.user_dir(plan, settings)) is by_root


def test_the_paths_of_a_sandbox_are_those_that_links_lead_to(machine, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    plan = machine.plan(["node-red", "-u", str(tmp_path / "link")])
    paths = _sandbox_paths.sandbox(plan, {"flowFile": "/srv/f.json"}, str(tmp_path / "link"))
    assert paths == {
        "account_home": os.path.realpath(ME.pw_dir),
        "user_dir": str(tmp_path / "elsewhere"),
        "user_dir_by_root": False,
        "flow_file": "/srv/f.json",
        "known_hosts": os.path.isfile(os.path.join(ME.pw_dir, ".ssh", "known_hosts")),
    }
    for flow_file in ("f.json", "/f\0", 1, None):
        assert _sandbox_paths.sandbox(plan, {"flowFile": flow_file}, str(tmp_path))["flow_file"] is None


@pytest.mark.parametrize(
    "text, name",
    [
        ('NAME="x"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n', "Debian GNU/Linux 12 (bookworm)"),
        ("PRETTY_NAME=Raspbian\n", "Raspbian"),
        ("PRETTY_NAME='a\x1b[2Jb'\n", "a\\x1b[2Jb"),
        ("NAME=x\n", None),
        ("", None),
    ],
)
def test_the_operating_system_is_called_as_it_calls_itself(tmp_path, monkeypatch, text, name):
    (tmp_path / "real").write_text(text)
    (tmp_path / "os-release").symlink_to("real")
    monkeypatch.setattr(_description, "OS_RELEASE", str(tmp_path / "os-release"))
    assert _description.system() == name
