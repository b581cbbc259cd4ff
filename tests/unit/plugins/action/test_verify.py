# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A verification in a play in which no role has planned. What it asks is tested with the plans and on machines."""

from __future__ import annotations

import base64
import types

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.loader import connection_loader
from ansible.template import Templar
from ansible_collections.pifleet.nodered.plugins.action import plan, verify
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._errors import why_unreachable
from ansible_collections.pifleet.nodered.plugins.modules import plan as plan_module
from ansible_collections.pifleet.nodered.plugins.modules import verify as verify_module
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import Plan
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._run_state import State, Store
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import EMPTY, HOST, instance


# ansible-test compares only the modules that run on the host.
@pytest.mark.parametrize("action, module", [(plan, plan_module), (verify, verify_module)])
def test_the_documentation_has_the_options_that_the_action_takes(action, module):
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    for option in documented.values():
        del option["description"]
    assert documented == action.ARGUMENT_SPEC


VARIABLES = {
    "inventory_hostname": HOST,
    "nodered_address": "pi1.example.org",
    "nodered_remount": False,
    "nodered_restart_timeout": 60,
}


def step_with(connection):
    task, loader = Task(), DataLoader()
    task.args, task.check_mode = {}, False
    step = verify.ActionModule(task, connection, None, loader, Templar(loader=loader), None)
    step._load_name = "pifleet.nodered.verify"
    return step


@pytest.mark.parametrize(
    "variables, place",
    [
        ({}, "controller"),
        ({"ansible_ssh_common_args": "-F none -o ProxyJump=first"}, "host"),
        ({"ansible_ssh_extra_args": "-F none -o 'ProxyCommand=nc %h %p'"}, "host"),
        ({"ansible_ssh_args": "-F none -J first"}, "host"),
        ({"ansible_ssh_args": "-F none -o ProxyJump=none -J first"}, "controller"),
        ({"ansible_ssh_args": "-F none 'unclosed"}, "controller"),
        ({"ansible_ssh_executable": "/no/such/ssh"}, "controller"),
        ({"ansible_ssh_common_args": "-F none -J first", "nodered_verify_from": "controller"}, "controller"),
    ],
)
def test_the_arguments_of_the_ssh_connection_decide_from_where_is_verified(variables, place):
    connection = connection_loader.get("ssh", PlayContext())
    connection.set_options(var_options={"ansible_ssh_args": "-F none", "ansible_host": "192.0.2.7", **variables})
    step = step_with(connection)
    step.begin(VARIABLES)
    state = State(instance(), EMPTY, "", EMPTY, variables={"nodered_address": "192.0.2.7", **variables})
    step.decide_origin(state)
    assert state.origin["place"] == place
    state.variables["nodered_verify_from"] = "host"
    step.decide_origin(state)
    assert state.origin["place"] == place, "it is decided once"


def test_a_place_that_is_not_in_the_inventory_is_an_error_that_names_the_host():
    step = step_with(types.SimpleNamespace(transport="local", _shell=types.SimpleNamespace(tmpdir=None)))
    step.begin({**VARIABLES, "groups": {"all": [HOST]}})
    state = State(instance(), EMPTY, "", EMPTY, variables={"nodered_address": "x", "nodered_verify_from": "watchr"})
    with pytest.raises(AnsibleActionFail, match=f"^{HOST}: nodered_verify_from is 'watchr'"):
        step.decide_origin(state)


def test_without_a_plan_it_finds_node_red_and_asks_it_where_the_variables_say(tmp_path):
    asked = []
    step = step_with(types.SimpleNamespace(transport="local", _shell=types.SimpleNamespace(tmpdir=None)))
    store = Store(str(tmp_path), "play", HOST, "")
    source = {"content": base64.b64encode(EMPTY.encode()).decode(), "checksum": "0" * 64}
    step.store = lambda: store
    step.module = lambda _name, **_arguments: {"instance": instance(), "source": source}
    step.probed = lambda options: asked.append(options["url"]) or []

    result = step.run(task_vars=VARIABLES)

    assert asked == ["http://pi1.example.org:1880/"]
    assert result["msg"][0].startswith(f"{HOST}: verified at http://pi1.example.org:1880/")
    assert store.load().variables == {name: VARIABLES[name] for name in VARIABLES if name.startswith("nodered_")}


@pytest.mark.parametrize("changed", [True, False])
def test_what_the_play_leaves_unverified_is_reported_after_a_change_only(tmp_path, changed):
    step = step_with(types.SimpleNamespace(transport="local", _shell=types.SimpleNamespace(tmpdir=None)))
    step.begin(VARIABLES)
    step.probed = lambda _options: []
    state = State(instance(), EMPTY, "", EMPTY, variables={"nodered_address": "pi1.example.org"})
    result = step.verified(Store(str(tmp_path), "play", HOST, ""), state, {"changed": changed})
    unverified = [line for line in result["msg"] if line.startswith(f"{HOST}: not verified: pages and dashboards")]
    assert len(unverified) == changed


def test_a_new_port_that_no_other_machine_reaches_fails_with_the_remedy(tmp_path):
    step = step_with(types.SimpleNamespace(transport="local", _shell=types.SimpleNamespace(tmpdir=None)))
    step.begin(VARIABLES)
    found = why_unreachable(TimeoutError(), "http://pi1.example.org:1885/")
    step.probed = lambda _options: [
        {"id": "answers", "title": "It answers", "status": "fail", "expected": "", "found": found}
    ]
    state = State(instance(port=1885), EMPTY, "", EMPTY, variables=VARIABLES, earlier=instance())
    result = step.verified(Store(str(tmp_path), "play", HOST, ""), state, {"changed": True})
    assert result["failed"]
    assert "ufw allow 1885/tcp" in result["msg"]


NOT_LOADED = {"settings_error": "Error: Cannot find module './does-not-exist'"}


def verified(tmp_path, plans=None, *, changed=False, earlier=None, **different):
    step = step_with(types.SimpleNamespace(transport="local", _shell=types.SimpleNamespace(tmpdir=None)))
    step.begin(VARIABLES)
    step.probed = lambda _options: [
        {"id": "answers", "title": "It answers", "status": "pass", "expected": "", "found": ""}
    ]
    state = State(instance(**different), EMPTY, "", EMPTY, plans or {}, variables=VARIABLES, earlier=earlier)
    return step.verified(Store(str(tmp_path), "play", HOST, ""), state, {"changed": changed})


def test_a_node_red_that_would_not_start_again_is_no_success(tmp_path):
    result = verified(tmp_path, **NOT_LOADED)
    assert result["failed"]
    assert "does-not-exist" in result["msg"] and "Node-RED does not start again" in result["msg"]
    assert "were not verified" not in result["msg"], "the role http_auth is not in this play"


def test_checks_whose_paths_are_not_known_are_named(tmp_path):
    result = verified(tmp_path, {"http_auth": Plan(checks={"managed": True, "open_paths": []})}, **NOT_LOADED)
    assert f'{HOST}: Static files, dashboards and "websocket in" nodes were not verified' in result["msg"]


@pytest.mark.parametrize(
    "different, remedy",
    [
        (
            {"state": "inactive"},
            "Run systemctl start nodered there (if it does not stay active, look at journalctl -u nodered), then",
        ),
        ({"state": "inactive", "service": "pi/flows"}, "Run systemctl --user start flows as user pi there (if"),
        ({"state": "failed"}, "Look at journalctl -u nodered there, then run again."),
        ({"state": "activating"}, "Look at journalctl -u nodered there, then run again."),
    ],
)
def test_the_remedy_for_a_node_red_that_does_not_respond_is_that_of_its_state(tmp_path, different, remedy):
    result = verified(tmp_path, url=None, **different)
    assert result["failed"]
    assert remedy in result["msg"]


def test_a_node_red_that_cannot_start_is_not_to_be_started(tmp_path):
    message = verified(tmp_path, url=None, state="inactive", **NOT_LOADED)["msg"]
    assert "(systemd reports inactive)" in message and "does-not-exist" in message
    assert "systemctl start" not in message


@pytest.mark.parametrize(
    "changed, before, count",
    [
        (True, {"state": "inactive", "url": None}, 1),
        (False, {"state": "inactive", "url": None}, 0),
        (True, {"state": "failed", "url": None}, 0),
        (True, {}, 0),
        (True, {"state": "inactive", "url": None, "socket": "nodered.socket"}, 0),
    ],
)
def test_a_service_that_a_change_has_started_is_reported(tmp_path, changed, before, count):
    result = verified(tmp_path, changed=changed, earlier=instance(**before))
    started = f"{HOST}: nodered was stopped before this run, and is started by it"
    assert result["msg"].count(started) == count
