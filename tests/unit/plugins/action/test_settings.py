# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes to the Pi and what comes back from it: executions, arguments, difference and warnings."""

from __future__ import annotations

import base64
import hashlib
import json
import types

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.task import Task
from ansible.template import Templar
from ansible_collections.pifleet.nodered.plugins.action import settings as action
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords import _bcrypt

PATH = "/home/pi/.node-red/settings.js"
PASSWORD = "Corr3ct-horse"
OPEN = "module.exports = {\n    uiPort: 1880,\n}\n"
USERS = [{"username": "ada", "password": {"$password": PASSWORD, "$rounds": 4}, "permissions": "*"}]
LOGIN = {"adminAuth": {"type": "credentials", "users": USERS}}


def source_of(text):
    data = text.encode("utf-8", "surrogateescape")
    return {"content": base64.b64encode(data).decode(), "checksum": hashlib.sha256(data).hexdigest(), "path": PATH}


class Observed(action.ActionModule):
    """Does not connect: keeps what the module would have been given."""

    _load_name = "pifleet.nodered.settings"

    def __init__(self, arguments, *, on_the_pi=OPEN, written=None, check_mode=False, diff=True):
        loader = DataLoader()
        task = Task()
        task.args = {"path": PATH, **arguments}
        task.check_mode, task.diff = check_mode, diff
        self.seen = types.SimpleNamespace(no_log=False)
        connection = types.SimpleNamespace(_play_context=self.seen, _shell=types.SimpleNamespace(tmpdir=None))
        super().__init__(task, connection, types.SimpleNamespace(no_log=False), loader, Templar(loader=loader), None)
        self.on_the_pi = on_the_pi
        self.written = written or {"changed": True, "backup_file": PATH + ".1~"}
        self.modules = []

    def _execute_module(self, module_name, module_args, task_vars):
        self.modules.append(module_args)
        answer = self.written if "_edit" in module_args else {"changed": False, **source_of(self.on_the_pi)}
        return {**answer, "invocation": {"module_args": module_args}}


def handed_over(arguments):
    edit = json.loads(arguments["_edit"])
    return {**edit, "content": base64.b64decode(edit["content"]).decode("utf-8", "surrogateescape")}


def test_nothing_to_change_costs_one_execution():
    pi = Observed({"set": {"uiPort": 1880}})
    result = pi.run(task_vars={})
    assert (result["changed"], result["settings"], len(pi.modules)) == (False, [], 1)


def test_a_change_costs_two_executions():
    pi = Observed({"set": {"uiPort": 1881}})
    result = pi.run(task_vars={})
    assert (result["changed"], result["settings"], result["backup_file"]) == (True, ["uiPort"], PATH + ".1~")
    assert handed_over(pi.modules[1])["content"] == OPEN.replace("1880", "1881")
    assert len(pi.modules) == 2


def test_a_source_that_was_brought_along_saves_the_first_execution():
    pi = Observed({"set": {"uiPort": 1880}, "source": source_of(OPEN)})
    assert not pi.run(task_vars={})["changed"]
    assert pi.modules == []


def test_the_write_names_what_was_read_and_what_has_to_hold():
    pi = Observed({"set": {"uiPort": 1881, "https": {"$js": "null"}}, "remove": ["uiHost"], "service": "nodered"})
    pi.run(task_vars={})
    edit = handed_over(pi.modules[1])
    assert edit["checksum"] == source_of(OPEN)["checksum"]
    assert edit["changed"] == ["uiPort", "https"]
    assert {"path": ["uiHost"], "absent": True} in edit["wanted"]
    assert {"path": ["uiPort"], "value": 1881} in edit["wanted"]
    assert pi.modules[1]["service"] == "nodered"


def test_check_mode_shows_the_change_and_writes_nothing():
    pi = Observed({"set": {"uiPort": 1881}}, check_mode=True)
    result = pi.run(task_vars={})
    assert result["changed"]
    assert "1881" in result["diff"]["after"]
    assert len(pi.modules) == 1


def test_a_password_stays_on_the_controller_and_its_hash_out_of_the_result():
    pi = Observed({"set": LOGIN})
    result = pi.run(task_vars={})
    assert PASSWORD not in json.dumps([result, pi.modules])
    written = handed_over(pi.modules[1])
    assert PASSWORD not in written["content"]
    assert "$2b$04$********" in result["diff"]["after"]
    assert "invocation" not in result


def test_the_settings_can_be_the_value_of_a_variable_that_is_named():
    task_vars = {"mine": LOGIN, "admin_password": PASSWORD}
    pi = Observed({"set": {"$variable": "mine"}})
    result = pi.run(task_vars=task_vars)
    assert result["settings"] == ["adminAuth"]
    written = handed_over(pi.modules[1])
    assert "username" in written["content"]
    assert {"path": ["adminAuth"], "value": written["wanted"][0]["value"]} in written["wanted"]
    assert PASSWORD not in json.dumps([result, pi.modules, pi._task.args])


@pytest.mark.parametrize(
    "wanted",
    [
        {"adminAuth": {"$variable": "secret"}},
        {"adminAuth": {"a": "{{ secret }}"}, "$variable": "secret"},
        {"$variable": "mine"},
    ],
    ids=["in a setting", "beside a setting", "in a variable"],
)
def test_a_variable_is_named_for_all_settings_and_not_within_one(wanted):
    """Else the Pi could name one: what is kept of its settings file is a part of what is set."""
    pi = Observed({"set": wanted})
    result = pi.run(task_vars={"secret": {"a": PASSWORD}, "mine": {"adminAuth": {"$variable": "secret"}}})
    assert PASSWORD not in json.dumps([result, [handed_over(given) for given in pi.modules[1:]]])


def test_a_variable_that_is_not_there_is_named_before_anything_is_read():
    pi = Observed({"set": {"$variable": "mine"}})
    with pytest.raises(AnsibleActionFail, match="mine, which is not defined"):
        pi.run(task_vars={})
    assert pi.modules == []


def test_a_hash_that_changes_is_shown_as_a_change():
    old = _bcrypt.hash_password("old", rounds=4)
    before = OPEN.replace("}\n", f"    httpNodeAuth: {{ user: 'a', pass: '{old}' }},\n}}\n")
    pi = Observed({"set": {"httpNodeAuth.pass": {"$password": "new", "$rounds": 4}}}, on_the_pi=before)
    result = pi.run(task_vars={})
    assert result["changed"]
    assert "httpNodeAuth.pass" in result["diff"]["prepared"]


def test_the_difference_hides_strings_and_comments_beside_the_change():
    text = OPEN.replace(
        "1880,", "1880, // hunter2\n    mine: f('hunter2'), \x1b[2J: 1,".replace("\x1b[2J: 1,", "/* \x1b[2J */")
    )
    result = Observed({"set": {"uiPort": 1881}}, on_the_pi=text).run(task_vars={})
    assert "hunter2" not in json.dumps(result)
    assert "\x1b" not in result["diff"]["before"] + result["diff"]["after"]


@pytest.mark.parametrize("verbosity, log_verbosity, hidden", [(3, 0, True), (0, 3, True), (2, 2, False)])
def test_what_travels_is_not_printed_by_the_connection(verbosity, log_verbosity, hidden):
    pi = Observed({"set": {"uiPort": 1881}})
    pi._display = types.SimpleNamespace(verbosity=verbosity, log_verbosity=log_verbosity)
    pi.run(task_vars={})
    assert pi.seen.no_log == hidden, "the connection prints it at -vvv"


@pytest.mark.parametrize("verbosity, remedy", [(0, ""), (3, " Run again with -vv at most: ssh shows the error then.")])
def test_a_host_that_cannot_be_reached_cannot_control_the_terminal(monkeypatch, verbosity, remedy):
    def refused(**_arguments):
        raise AnsibleConnectionFailure("Failed to connect to the host via ssh: \x1b[2JNo route to host")

    pi = Observed({"set": {"uiPort": 1881}})
    pi._display = types.SimpleNamespace(verbosity=verbosity, log_verbosity=0)
    monkeypatch.setattr(pi, "_execute_module", refused)
    with pytest.raises(AnsibleConnectionFailure) as error:
        pi.run(task_vars={})
    assert str(error.value) == "Failed to connect to the host via ssh: \\x1b[2JNo route to host" + remedy


def test_a_file_that_cannot_be_edited_is_refused_with_its_place():
    pi = Observed({"set": LOGIN}, on_the_pi="module.exports = {\n    uiPort: 1880\n    flowFile: 'x'\n}\n")
    result = pi.run(task_vars={})
    assert result["failed"]
    assert result["msg"].startswith(PATH + ":")
    assert PASSWORD not in result["msg"]
    assert len(pi.modules) == 1


@pytest.mark.parametrize("password", ["", "x" * 73])
def test_a_password_that_cannot_be_used_is_refused_before_anything_is_written(password):
    pi = Observed({"set": {"httpNodeAuth.pass": {"$password": password}}})
    result = pi.run(task_vars={})
    assert result["failed"]
    assert len(pi.modules) == 1


def test_a_failed_write_is_the_result():
    pi = Observed({"set": {"uiPort": 1881}}, written={"failed": True, "msg": "no space"})
    assert pi.run(task_vars={})["msg"] == "no space"


def test_a_name_that_no_release_knows_gets_a_warning_with_the_nearest_one():
    warnings = Observed({"set": {"uiport": 1881}}).run(task_vars={})["warnings"]
    assert "uiPort" in warnings[0]


def test_bytes_that_are_no_utf_8_survive():
    strange = OPEN.replace("1880,", "1880, // caf\udce9")
    pi = Observed({"set": {"uiPort": 1881}}, on_the_pi=strange)
    pi.run(task_vars={})
    assert handed_over(pi.modules[1])["content"] == strange.replace("1880", "1881")


def test_unknown_options_fail():
    with pytest.raises(AnsibleActionFail):
        Observed({"sett": {}}).run(task_vars={})
