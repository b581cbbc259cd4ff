# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The other Node-REDs of a machine, with unit files in a folder and a systemd that answers from a dictionary."""

from __future__ import annotations

import dataclasses
import os
import pwd
from typing import Any

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import (
    _command_line,
    _node,
    _others,
    _start_plan,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._find import Seen
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _systemd
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._identity import Identity
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Command, Unit, Word

ME = pwd.getpwuid(os.getuid())
PI = Identity(ME.pw_name, 1000, ME.pw_gid, ())
ALEX = Identity("alex", 1001, ME.pw_gid, ())
ROOT = Identity("root", 0, 0, ())
LOADED = _node.Loaded(None, "", (), {}, {"uiPort": 1890}, (), False)


def unit(name, **properties):
    shown = {"LoadState": "loaded", "ActiveState": "inactive", "SubState": "dead", "UnitFileState": "enabled"}
    return Unit(name, {key: [value] for key, value in {**shown, **properties}.items()})


@pytest.fixture
def machine(tmp_path, monkeypatch):
    class Machine:
        units: dict[str, Unit] = {}
        plans: dict[str, Any] = {}
        loads: list[str] = []
        loaded = LOADED

        def enable(self, name, exec_start, target="multi-user.target", **properties):
            (tmp_path / name).write_text(f"[Service]\nExecStart={exec_start}\n")
            (tmp_path / f"{target}.wants").mkdir(exist_ok=True)
            (tmp_path / f"{target}.wants" / name).symlink_to(tmp_path / name)
            self.units[name] = unit(name, **properties)

        def plan(self, name, words=("node-red",), identity=PI, by_unit=True, **different):
            """Where the words are in an environment file of the user, they are not `by_unit`."""
            line = _command_line.parse([Word(word, None if by_unit else "NODE_RED_OPTIONS") for word in words])
            folder = line.user_dir.value if line and line.user_dir else None
            named = line.settings.value if line and line.settings else None
            made = _start_plan.StartPlan(
                unit=self.units[name],
                command=Command(words, [], []),
                line=line,
                identity=identity,
                group="pi",
                home="/home/pi",
                account_home="/home/pi",
                working_directory="/home/pi",
                environment={} if by_unit else {"NODE_RED_OPTIONS": " ".join(words)},
                origins={} if by_unit else {"NODE_RED_OPTIONS": "/home/pi/.node-red/environment"},
                open_environment_files=[],
                package="/usr/lib/node_modules/node-red",
                version="4.1.15",
                node="/usr/bin/node",
                settings_file=named or f"{folder or '/home/pi/.node-red'}/settings.js",
                user_dir_option=folder,
                default_user_dir="/home/pi/.node-red",
            )
            self.plans[name] = dataclasses.replace(made, **different)
            return self.plans[name]

        def others(self, *seen, user_dir="/home/pi/.node-red"):
            own = self.plans["nodered.service"]
            return _others.described(own, user_dir, _others.services(own, seen), seen)

    machine = Machine()
    machine.units, machine.plans, machine.loads = {}, {}, []

    def plan(asked):
        if asked.name not in machine.plans:
            raise Failure("It cannot be told how it is started.")
        return machine.plans[asked.name]

    def load(settings_file, _runtime, timeout):
        assert timeout == _others.LOAD_SECONDS
        machine.loads.append(settings_file)
        return machine.loaded

    monkeypatch.setattr(_others, "UNIT_FOLDERS", [str(tmp_path)])
    monkeypatch.setattr(_systemd, "show", lambda *names: [machine.units[name] for name in names])
    monkeypatch.setattr(_start_plan, "plan", plan)
    monkeypatch.setattr(_node, "load", load)
    monkeypatch.setattr(_others, "listeners", lambda _unit: [])
    monkeypatch.setattr(Identity, "run", lambda _self, work, *arguments: work(*arguments))
    machine.enable("nodered.service", "/usr/bin/env node-red-pi $NODE_OPTIONS", ActiveState="active")
    machine.plan("nodered.service")
    return machine


def test_one_node_red_alone_costs_no_question_to_systemd(machine, monkeypatch):
    monkeypatch.setattr(_systemd, "show", None)
    machine.enable("ssh.service", "/usr/sbin/sshd -D $SSHD_OPTS")
    assert machine.others() == []


def test_a_service_that_only_starts_at_boot_is_found_with_its_port(machine):
    machine.enable("node-red-b.service", "/usr/bin/env \\\n  node-red-pi -u /home/pi/b")
    machine.plan("node-red-b.service", ["node-red-pi", "-u", "/home/pi/b"])
    (other,) = machine.others()
    assert (other["service"], other["state"], other["in_use"]) == ("node-red-b.service", "inactive, dead", True)
    assert (other["ports"], other["expected_ports"], other["shares"]) == ([], [1890], [])
    assert machine.loads == ["/home/pi/b/settings.js"]


def test_a_service_whose_socket_is_opened_at_boot_is_found(machine, tmp_path):
    machine.enable("b.socket", "-", target="sockets.target")
    (tmp_path / "b.service").write_text("[Service]\nExecStart=/usr/bin/node /opt/red.js\n")
    machine.units["b.service"] = unit("b.service")
    machine.plan("b.service")
    assert [one["service"] for one in machine.others()] == ["b.service"]


def test_an_enabled_service_that_starts_something_else_is_none(machine):
    machine.enable("zigbee2mqtt.service", "/usr/bin/node index.js")
    machine.units.pop("zigbee2mqtt.service")
    machine.enable("unknown.service", "/usr/local/bin/watch-node-red")
    assert machine.others() == []


def test_the_port_of_the_command_line_needs_no_settings(machine):
    machine.enable("b.service", "node-red -p 1895")
    machine.plan("b.service", ["node-red", "-p", "1895"], identity=ROOT)
    assert machine.others()[0]["expected_ports"] == [1895]
    assert machine.loads == []


def test_the_settings_of_another_service_are_not_loaded_as_root(machine):
    machine.enable("b.service", "node-red")
    machine.plan("b.service", identity=ROOT)
    assert machine.others()[0]["expected_ports"] is None
    assert machine.loads == []


@pytest.mark.parametrize(
    "loaded, expected",
    [
        ({"error": "SyntaxError"}, None),
        ({"in_effect": {"uiPort": 0}}, None),
        ({"in_effect": {"uiPort": 1890, "uiHost": "127.0.0.1"}}, []),
    ],
)
def test_a_port_is_only_named_where_it_is_certain(machine, loaded, expected):
    machine.enable("b.service", "node-red")
    machine.plan("b.service")
    machine.loaded = LOADED._replace(**loaded)
    assert machine.others()[0]["expected_ports"] == expected


def test_a_service_that_listens_is_not_loaded(machine):
    machine.units["b.service"] = unit("b.service", ActiveState="active", UnitFileState="disabled")
    machine.plan("b.service")
    seen = Seen("b.service", "active, running", 7, "pi", "/home/pi", [1890], "b.service")
    (other,) = machine.others(seen)
    assert (other["ports"], other["expected_ports"], other["in_use"]) == ([1890], None, True)
    assert machine.loads == []


def test_a_service_that_nothing_starts_is_told_and_not_in_use(machine):
    machine.units["b.service"] = unit("b.service", UnitFileState="disabled")
    (other,) = machine.others(Seen("b.service", "inactive, dead", None, None, None, (), "b.service"))
    assert (other["in_use"], other["expected_ports"], other["shares"]) == (False, None, [])


def test_a_process_outside_of_a_service_is_told(machine):
    (other,) = machine.others(Seen(None, "running", 9, "eve", "/", (1999,), "a process outside of any system service"))
    assert (other["service"], other["ports"]) == (None, [1999])


@pytest.mark.parametrize(
    "words, shares",
    [
        (["node-red"], ["settings_file", "settings_folder", "user_dir"]),
        (["node-red", "-s", "/home/pi/.node-red/b.js"], ["settings_folder", "user_dir"]),
        (["node-red", "-u", "/home/pi/b"], []),
    ],
)
def test_what_two_services_share_is_told(machine, words, shares):
    machine.enable("b.service", "node-red")
    machine.plan("b.service", words)
    assert machine.others()[0]["shares"] == shares


@pytest.mark.parametrize("by_unit, shares", [(True, ["settings_file", "settings_folder", "user_dir"]), (False, [])])
def test_another_user_shares_only_what_root_has_named(machine, by_unit, shares):
    machine.enable("b.service", "node-red")
    words = ["node-red", "-s", "/home/pi/.node-red/settings.js"]
    machine.plan("b.service", words, identity=ALEX, by_unit=by_unit)
    assert machine.others()[0]["shares"] == shares


def test_a_link_of_another_user_neither_shares_nor_needs_anything(machine, tmp_path):
    """It could keep files of this one open, or block its runs."""
    (tmp_path / "pi").mkdir()
    (tmp_path / "alex").symlink_to(tmp_path / "pi")
    own = machine.plan("nodered.service", ["node-red", "-u", str(tmp_path / "pi")])
    machine.enable("b.service", "node-red")
    machine.plan("b.service", ["node-red", "-u", str(tmp_path / "alex")], identity=ALEX)
    assert machine.others(user_dir=str(tmp_path / "pi"))[0]["shares"] == []
    assert _others.needed_paths(own, _others.services(own, [])) == []
    machine.plan("b.service", ["node-red", "-u", str(tmp_path / "alex")])
    assert machine.others(user_dir=str(tmp_path / "pi"))[0]["shares"] == [
        "settings_file",
        "settings_folder",
        "user_dir",
    ]


@pytest.mark.parametrize(
    "different, needed",
    [
        ({"identity": ALEX}, ["/home/pi/.node-red/b"]),
        ({"identity": ALEX, "by_unit": False}, []),
        ({"identity": PI}, []),
        ({"identity": ROOT}, []),
    ],
)
def test_only_what_root_gave_to_another_user_is_needed(machine, different, needed):
    machine.enable("b.service", "node-red")
    machine.plan("b.service", ["node-red", "-u", "/home/pi/.node-red/b"], **different)
    own = machine.plans["nodered.service"]
    assert _others.needed_paths(own, _others.services(own, [])) == needed
