# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the probe's requests come from, and which way a password takes."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import types

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.task import Task
from ansible.template import Templar
from ansible_collections.pifleet.nodered.plugins.action import probe as action
from ansible_collections.pifleet.nodered.plugins.module_utils._probe import _login_checks, _probe
from ansible_collections.pifleet.nodered.plugins.modules.probe import ARGUMENT_SPEC
from ansible_collections.pifleet.nodered.plugins.plugin_utils._run import _probe_program

PASSWORD = "Corr3ct-horse"
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
OUTSIDE = {"url": "http://192.0.2.7:1880", "username": "admin", "password": PASSWORD}


class Observed(action.ActionModule):
    """Does not connect: keeps what would have been run on the host."""

    # What ansible-core 2.17 names a task by in its errors.
    _load_name = "pifleet.nodered.probe"

    def __init__(self, arguments, *, transport="ssh", has_pipelining=True, delegate_to=None):
        loader = DataLoader()
        task = Task()
        task.args = arguments
        task.delegate_to = delegate_to
        connection = types.SimpleNamespace(
            transport=transport, has_pipelining=has_pipelining, become=None, _shell=types.SimpleNamespace(tmpdir=None)
        )
        super().__init__(task, connection, None, loader, Templar(loader=loader), None)
        self.executed = []
        self.modules = []
        self.outcome = answer_of(on_host())
        self.answer = {"changed": False, "checks": on_host(), "passed": True}

    def _low_level_execute_command(self, cmd, **options):
        self.executed.append({"command": cmd, **options})
        return self.outcome

    def _execute_module(self, **options):
        self.modules.append(options)
        return {**self.answer, "invocation": {"module_args": options["module_args"]}}


@pytest.fixture
def probed(monkeypatch):
    """The arguments of each probe that was made on the controller; it finds a Node-RED with a login."""
    calls = []

    def probe(target):
        calls.append(vars(target))
        two_step = action.TWO_STEP_CHECKS if target.needs_code else ()
        kinds = [check.id for check in _probe.CHECKS if check.needs is None or check.id in two_step]
        return [
            {"id": kind, "title": kind, "status": "pass", "expected": "x", "found": "outside"}
            if kind not in action.LOGIN_CHECKS
            else {"id": kind, "title": kind, "status": "skip", "expected": "x", "found": "outside"}
            for kind in kinds
        ]

    monkeypatch.setattr(_probe, "probe", probe)
    return calls


def found(result):
    return {check["id"]: check["found"] for check in result["checks"]}


def on_host(answers="pass"):
    return [
        {"id": kind, "title": kind, "status": status, "expected": "x", "found": "on the host"}
        for kind, status in (("answers", answers), ("login_works", "pass"), ("read_only_cannot_write", "skip"))
    ]


def answer_of(checks):
    return {"rc": 0, "stdout": f"Welcome!\n{_probe_program.MARK}{json.dumps({'checks': checks})}\n", "stderr": ""}


def test_without_a_password_nothing_runs_on_the_host(probed):
    module = Observed({"url": "http://192.0.2.7:1880"})
    assert module.run(task_vars={})["passed"] is True
    assert len(probed) == 1
    assert not module.executed


def test_over_plain_http_the_password_is_not_used_from_the_controller(probed):
    Observed(OUTSIDE).run(task_vars={})
    assert [call["password"] for call in probed] == [None]


def test_over_plain_http_the_login_goes_through_the_connection_in_one_execution(probed):
    module = Observed(OUTSIDE)
    result = module.run(task_vars={})
    assert len(module.executed) == 1
    assert found(result)["login_works"] == "on the host"
    assert found(result)["answers"] == "outside"


def test_the_password_is_on_standard_input_and_nowhere_else(probed):
    module = Observed(OUTSIDE)
    result = module.run(task_vars={})
    run = module.executed[0]
    assert PASSWORD.encode() in run.pop("in_data")
    assert PASSWORD not in str(run)
    assert PASSWORD not in str(result)


def test_only_the_checks_that_are_wanted_are_made_and_a_password_is_used_only_for_its_own(probed):
    module = Observed({**OUTSIDE, "only": ["login_required"]})
    module.run(task_vars={})
    assert [call["only"] for call in probed] == [["answers", "login_required"]]
    assert not module.executed


def test_a_login_that_is_wanted_alone_goes_through_the_connection(probed):
    module = Observed({**OUTSIDE, "only": ["login_works", "read_only_cannot_write"]})
    assert found(module.run(task_vars={}))["login_works"] == "on the host"


def test_the_secret_of_a_two_step_login_takes_the_way_of_the_password(probed):
    module = Observed({**OUTSIDE, "totp_secret": SECRET})
    module.outcome = answer_of(
        [*on_host(), *({**on_host()[1], "id": kind} for kind in ("code_required", "code_used_once"))]
    )
    result = module.run(task_vars={})
    assert [call["totp_secret"] for call in probed] == [None]
    assert [call["two_step"] for call in probed] == [True], "the checks keep their places"
    run = module.executed[0]
    given = json.loads(run.pop("in_data"))["target"]
    assert given["totp_secret"] == SECRET
    assert set(given["only"]) == {"answers", *action.LOGIN_CHECKS, *action.TWO_STEP_CHECKS}
    assert SECRET not in str(run) + str(result)


def test_without_standard_input_no_secret_goes_to_the_host(probed):
    module = Observed({**OUTSIDE, "totp_secret": SECRET, "run_on": "host"}, has_pipelining=False)
    module.run(task_vars={})
    given = module.modules[0]["module_args"]
    assert given["totp_secret"] is None
    assert set(given) <= set(ARGUMENT_SPEC)


def test_an_answer_that_repeats_the_secret_is_not_shown(probed):
    module = Observed({**OUTSIDE, "totp_secret": SECRET, "run_on": "host"})
    checks = [{**each, "found": f"it was {SECRET}"} for each in on_host()]
    module.outcome = answer_of(checks)
    assert SECRET not in str(module.run(task_vars={}))


def test_the_login_never_asks_for_become(probed):
    module = Observed(OUTSIDE)
    module.run(task_vars={})
    assert module.executed[0]["sudoable"] is False


def test_on_the_host_it_talks_to_the_host_itself(probed):
    module = Observed({**OUTSIDE, "url": "http://192.0.2.7:1880/admin"})
    module.run(task_vars={})
    given = json.loads(module.executed[0]["in_data"])
    assert given["urls"] == ["http://127.0.0.1:1880/admin", "http://192.0.2.7:1880/admin"]
    assert tuple(given["target"]["only"]) == ("answers", *action.LOGIN_CHECKS)


def test_on_the_host_a_name_is_not_tried(probed):
    module = Observed({**OUTSIDE, "url": "http://raspberrypi.local:1880"})
    module.run(task_vars={})
    assert json.loads(module.executed[0]["in_data"])["urls"] == ["http://127.0.0.1:1880"]


def test_a_node_red_that_the_host_does_not_reach_leaves_the_login_out(probed):
    module = Observed(OUTSIDE)
    module.outcome = answer_of(on_host(answers="fail"))
    result = module.run(task_vars={})
    assert found(result)["answers"] == "outside"
    assert "local_url" in found(result)["login_works"]
    assert result["passed"] is True


def test_another_local_address_can_be_given(probed):
    module = Observed({**OUTSIDE, "local_url": "http://192.0.2.7:1881"})
    module.run(task_vars={})
    assert json.loads(module.executed[0]["in_data"])["urls"] == ["http://192.0.2.7:1881"]


def test_over_verified_tls_the_login_comes_from_the_controller(probed):
    module = Observed({**OUTSIDE, "url": "https://192.0.2.7:1880"})
    module.run(task_vars={})
    assert probed[0]["password"] == PASSWORD
    assert not module.executed


def test_without_a_verified_certificate_the_login_goes_through_the_connection(probed):
    module = Observed({**OUTSIDE, "url": "https://192.0.2.7:1880", "validate_certs": False})
    module.run(task_vars={})
    assert probed[0]["password"] is None
    assert len(module.executed) == 1


def test_a_client_key_stays_on_the_controller(probed):
    tls = {"url": "https://192.0.2.7:1880", "validate_certs": False, "client_cert": "/c.pem", "client_key": "/k.pem"}
    module = Observed({**OUTSIDE, **tls})
    assert "client's key" in found(module.run(task_vars={}))["login_works"]
    assert not module.executed


def test_a_local_connection_needs_no_execution(probed):
    module = Observed(OUTSIDE, transport="ansible.builtin.local")
    module.run(task_vars={})
    assert not module.executed
    assert len(probed) == 1


def test_a_connection_without_standard_input_leaves_the_login_out(probed):
    module = Observed(OUTSIDE, transport="paramiko_ssh", has_pipelining=False)
    assert "paramiko_ssh" in found(module.run(task_vars={}))["login_works"]
    assert not module.executed


def test_a_node_red_that_does_not_answer_is_not_asked_for_a_login(monkeypatch):
    module = Observed({**OUTSIDE, "url": "http://no-such-host.invalid:1880"})
    result = module.run(task_vars={})
    assert result["passed"] is False
    assert not module.executed


def test_everything_can_run_on_the_host(probed):
    module = Observed({"url": "http://127.0.0.1:1880", "run_on": "host"})
    module.run(task_vars={})
    assert not probed
    assert json.loads(module.executed[0]["in_data"])["target"].get("only") is None


def test_a_password_for_a_delegated_probe_is_refused(probed):
    module = Observed(OUTSIDE, delegate_to="watcher")
    with pytest.raises(AnsibleActionFail, match="watcher") as refused:
        module.run(task_vars={})
    assert PASSWORD not in str(refused.value)
    assert not module.modules


CREDENTIALS = {"username": "admin", "password": PASSWORD, "http_username": "web", "http_password": "pages"}


def test_credentials_can_be_in_a_variable_that_is_named(probed):
    module = Observed({"url": "https://192.0.2.7:1880", "credentials_from": "mine"})
    result = module.run(task_vars={"mine": CREDENTIALS})
    assert {name: probed[0][name] for name in CREDENTIALS} == CREDENTIALS
    assert PASSWORD not in json.dumps([result, module._task.args])


def test_a_variable_without_credentials_leaves_the_login_out(probed):
    Observed({"url": "https://192.0.2.7:1880", "credentials_from": "mine"}).run(task_vars={"mine": {}})
    assert probed[0]["password"] is None


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (PASSWORD, "mine must be a dictionary"),
        ({"passwort": PASSWORD}, "mine has an unknown key"),
        ({"username": "admin", "password": [PASSWORD]}, "mine.password must be text"),
    ],
)
def test_credentials_of_the_wrong_kind_are_refused_and_not_shown(probed, value, named):
    with pytest.raises(AnsibleActionFail, match=named) as refused:
        Observed({"url": "https://192.0.2.7:1880", "credentials_from": "mine"}).run(task_vars={"mine": value})
    assert PASSWORD not in str(refused.value)
    assert not probed


def test_credentials_are_given_in_one_way_only(probed):
    with pytest.raises(AnsibleActionFail, match="mutually exclusive"):
        Observed({**OUTSIDE, "credentials_from": "mine"}).run(task_vars={"mine": CREDENTIALS})


def test_named_credentials_for_a_delegated_probe_are_refused(probed):
    module = Observed({"url": "http://192.0.2.7:1880", "credentials_from": "mine"}, delegate_to="watcher")
    with pytest.raises(AnsibleActionFail, match="watcher"):
        module.run(task_vars={"mine": CREDENTIALS})
    assert not module.modules


def test_a_delegated_probe_runs_as_a_module(probed):
    module = Observed({"url": "http://192.0.2.7:1880"}, delegate_to="watcher")
    assert "invocation" not in module.run(task_vars={})
    assert len(module.modules) == 1
    assert not probed


def test_a_probe_delegated_to_the_controller_runs_there(probed):
    module = Observed({"url": "http://192.0.2.7:1880"}, transport="local", delegate_to="localhost")
    module.run(task_vars={})
    assert len(probed) == 1
    assert not module.modules


def test_a_host_without_python_is_an_error_that_says_so(probed):
    module = Observed(OUTSIDE)
    module.outcome = {"rc": 127, "stdout": "", "stderr": "sh: 1: python3: not found\n"}
    with pytest.raises(AnsibleActionFail, match="python3: not found.*ansible_python_interpreter"):
        module.run(task_vars={})


def test_a_shell_that_repeats_its_input_does_not_get_the_password_into_an_error(probed):
    module = Observed(OUTSIDE)
    module.outcome = {"rc": 1, "stdout": f'"{PASSWORD}"', "stderr": f"what is {PASSWORD}?"}
    with pytest.raises(AnsibleActionFail) as failed:
        module.run(task_vars={})
    assert PASSWORD not in str(failed.value)


@pytest.mark.parametrize(
    ("task_vars", "interpreter"),
    [
        ({}, "python3"),
        ({"ansible_python_interpreter": "/opt/python/bin/python3"}, "/opt/python/bin/python3"),
        ({"ansible_python_interpreter": "/usr/bin/env python3.11"}, "/usr/bin/env python3.11"),
        ({"ansible_python_interpreter": "auto_silent"}, "python3"),
        (
            {
                "ansible_python_interpreter": "auto",
                "ansible_facts": {"discovered_interpreter_python": "/usr/bin/python3.11"},
            },
            "/usr/bin/python3.11",
        ),
    ],
)
def test_the_host_s_own_python_is_used(probed, task_vars, interpreter):
    module = Observed(OUTSIDE)
    module.run(task_vars=task_vars)
    assert module.executed[0]["command"].startswith(interpreter + " -I -c ")


@pytest.mark.parametrize(
    "arguments", [{}, {"url": "http://pi:1880", "usrname": "x"}, {"url": "http://pi:1880", "username": "admin"}]
)
def test_arguments_are_validated(probed, arguments):
    with pytest.raises(AnsibleActionFail):
        Observed(arguments).run(task_vars={})
    assert not probed


def test_a_wrong_url_is_an_error(monkeypatch):
    with pytest.raises(AnsibleActionFail, match="not the URL"):
        Observed({"url": "raspberrypi"}).run(task_vars={})


class RunsHere(Observed):
    """What would run on the host runs in a shell here."""

    def _low_level_execute_command(self, cmd, in_data=None, **options):
        done = subprocess.run(["/bin/sh", "-c", cmd], input=in_data, capture_output=True, timeout=20, check=False)
        self.outcome = {"rc": done.returncode, "stdout": done.stdout.decode(), "stderr": done.stderr.decode()}
        return super()._low_level_execute_command(cmd, in_data=in_data, **options)


def test_the_program_runs_from_standard_input_without_the_collection():
    module = RunsHere({"url": "http://127.0.0.1:1", "run_on": "host", "username": "admin", "password": PASSWORD})
    result = module.run(task_vars={})
    assert module.outcome["stderr"] == ""
    assert "refuses the connection" in found(result)["answers"]
    assert [check["id"] for check in result["checks"]] == [check.id for check in _probe.CHECKS if check.needs is None]


def test_what_the_program_cannot_do_is_an_error():
    with pytest.raises(AnsibleActionFail, match="on the host: .*not the URL"):
        RunsHere({"url": "http://pi", "local_url": "ftp://y", "run_on": "host"}).run(task_vars={})


# From another machine


@pytest.fixture
def watcher(monkeypatch):
    """Another machine of the inventory, and what is run there."""
    other = Observed({})
    other.outcome = answer_of(
        [
            {"id": check.id, "title": "x", "status": "skip" if check.id in action.LOGIN_CHECKS else "pass"}
            | {"expected": "x", "found": "from the watcher"}
            for check in _probe.CHECKS
            if check.needs is None
        ]
    )
    other._connection.close = lambda: None
    monkeypatch.setattr(action, "on_other_host", lambda *_arguments: (other, {"ansible_python_interpreter": "/opt/py"}))
    return other


ON_WATCHER = {**OUTSIDE, "run_on": "watcher"}
INVENTORY = {"inventory_hostname": "pi1", "groups": {"all": ["pi1", "watcher"]}}


def test_another_machine_asks_and_gets_no_password(probed, watcher):
    module = Observed({**ON_WATCHER, "url": "https://192.0.2.7:1880", "authorities": "PEM"})
    result = module.run(task_vars=INVENTORY)
    assert not probed
    (run,) = watcher.executed
    assert PASSWORD not in str(run)
    assert run["command"].startswith("/opt/py -I -c ")
    given = json.loads(run["in_data"])
    assert given["urls"] == ["https://192.0.2.7:1880"]
    assert (given["target"]["authorities"], given["target"]["validate_certs"]) == ("PEM", True)
    assert found(result)["flows_closed"] == "from the watcher"
    assert found(result)["login_works"] == "on the host"
    assert len(module.executed) == 1


def test_a_client_certificate_does_not_leave_the_controller(probed, watcher):
    tls = {"url": "https://192.0.2.7:1880", "client_cert": "/c.pem", "client_key": "/k.pem"}
    module = Observed({**ON_WATCHER, **tls})
    checks = [check for check in _probe.CHECKS if check.needs is None]
    assert "client's key" in found(module.run(task_vars=INVENTORY))["login_works"]
    given = json.loads(watcher.executed[0]["in_data"])["target"]
    assert (given["client_cert"], given["client_key"], given["lacks_client_cert"]) == (None, None, True)
    assert checks and not module.executed


def test_the_authority_is_read_on_the_controller(probed, watcher, tmp_path):
    (tmp_path / "ca.pem").write_text("PEM")
    Observed({"url": "https://192.0.2.7", "run_on": "watcher", "ca": str(tmp_path / "ca.pem")}).run(task_vars=INVENTORY)
    given = json.loads(watcher.executed[0]["in_data"])["target"]
    assert (given["ca"], given["authorities"]) == (None, "PEM")


def test_a_machine_that_is_not_in_the_inventory_is_an_error(probed):
    module = Observed({**ON_WATCHER, "run_on": "watchr"})
    with pytest.raises(AnsibleActionFail, match="watchr.*inventory.*run again"):
        module.run(task_vars=INVENTORY)
    assert not module.executed and not probed


def test_a_machine_that_cannot_be_reached_is_no_unreachable_host(probed, watcher):
    def unreachable(*_arguments, **_options):
        raise AnsibleConnectionFailure("no route")

    watcher._low_level_execute_command = unreachable
    with pytest.raises(AnsibleActionFail, match="^watcher, from where pi1 is verified, cannot be reached: no route"):
        Observed(ON_WATCHER).run(task_vars=INVENTORY)


def test_a_machine_whose_connection_passes_no_standard_input_is_an_error(probed, watcher):
    watcher._connection.has_pipelining = False
    with pytest.raises(AnsibleActionFail, match="^pi1 cannot be verified from watcher.*run again"):
        Observed(ON_WATCHER).run(task_vars=INVENTORY)
    assert not watcher.executed


def test_the_answer_of_another_machine_is_not_trusted_either(probed, watcher):
    watcher.outcome = {"rc": 0, "stdout": f"{_probe_program.MARK}[]", "stderr": ""}
    with pytest.raises(AnsibleActionFail, match="^watcher gave an answer"):
        Observed(ON_WATCHER).run(task_vars=INVENTORY)


def test_the_own_name_is_the_host(probed):
    module = Observed({**OUTSIDE, "run_on": "pi1"})
    module.run(task_vars=INVENTORY)
    assert len(module.executed) == 1 and not probed


def test_without_standard_input_the_host_checks_as_a_module_without_a_password(probed):
    module = Observed({**OUTSIDE, "run_on": "host"}, transport="paramiko_ssh", has_pipelining=False)
    result = module.run(task_vars={})
    assert not module.executed and not probed
    (run,) = module.modules
    assert PASSWORD not in str(run)
    assert run["module_args"]["url"] == "http://127.0.0.1:1880"
    assert "paramiko_ssh" in found(result)["login_works"]


def forged(text):
    return {"rc": 0, "stdout": f"{_probe_program.MARK}{text}\n", "stderr": ""}


NESTED = "[" * 100000
FORGED = {
    "no JSON": "{",
    "nested JSON": '{"checks": ' + NESTED,
    "a long number": '{"checks": %s}' % ("9" * 5000),
    "no object": "[]",
    "no checks": "{}",
    "checks of another type": '{"checks": 7}',
    "an error of another type": '{"error": {"a": 1}}',
    "empty checks": '{"checks": []}',
    "a check of another type": '{"checks": [7]}',
    "an identifier of another type": '{"checks": [{"id": ["answers"], "status": "pass", "found": "x"}]}',
    "an unknown check": '{"checks": [{"id": "answers", "status": "pass", "found": "x"}, {"id": "x"}]}',
    "an unknown status": '{"checks": [{"id": "answers", "status": "good", "found": "x"}]}',
    "a check twice": '{"checks": [%s, %s]}' % (('{"id": "answers", "status": "pass", "found": "x"}',) * 2),
    "a missing check": '{"checks": [{"id": "answers", "status": "pass", "found": "x"}]}',
    "a check that the outside makes": json.dumps(
        {"checks": [*on_host(), {"id": "flows_closed", "status": "pass", "found": "x"}]}
    ),
    "half a character": '{"checks": "\ud800"}',
    "too much": "[" * (_probe_program.OUTPUT_LIMIT + 1),
}


@pytest.mark.parametrize("text", FORGED.values(), ids=FORGED)
def test_a_forged_answer_is_an_error_that_names_the_host(probed, text):
    module = Observed(OUTSIDE)
    module.outcome = forged(text)
    with pytest.raises(AnsibleActionFail, match="^shed-pi .*Log in there and look") as failed:
        module.run(task_vars={"inventory_hostname": "shed-pi"})
    assert len(str(failed.value)) < 1000


@pytest.mark.parametrize("found", [7, ["x"], {"a": 1}, None, "\x1b]0;title\x07\nok", "x" * 100000])
def test_what_a_host_found_is_a_short_text_without_control_characters(probed, found):
    module = Observed(OUTSIDE)
    checks = on_host()
    checks[1].update(found=found, title="\x1b[2J", expected=["x"])
    module.outcome = answer_of(checks)
    check = next(one for one in module.run(task_vars={})["checks"] if one["id"] == "login_works")
    assert check["found"].isprintable() and len(check["found"]) <= 2000
    assert check["expected"] == next(one.expected for one in _probe.CHECKS if one.id == "login_works")
    assert "\x1b" not in str(check)


def test_a_host_that_repeats_the_password_does_not_get_it_into_the_result(probed):
    module = Observed(OUTSIDE)
    checks = on_host()
    checks[1]["found"] = f"look: {PASSWORD}"
    module.outcome = answer_of(checks)
    assert PASSWORD not in str(module.run(task_vars={}))


def test_an_error_of_the_host_is_short_and_printable(probed):
    module = Observed(OUTSIDE)
    module.outcome = {"rc": 1, "stdout": "", "stderr": "\x1b[31m" + "x" * 100000}
    with pytest.raises(AnsibleActionFail, match="shed-pi") as failed:
        module.run(task_vars={"inventory_hostname": "shed-pi"})
    assert "\x1b" not in str(failed.value) and len(str(failed.value)) < 5000


@pytest.mark.parametrize("checks", [None, 7, [], [{"id": "x"}]])
def test_a_delegated_host_is_not_trusted_either(probed, checks):
    module = Observed({"url": "http://192.0.2.7:1880"}, delegate_to="watcher")
    module.answer = {"changed": True, "checks": checks, "passed": True}
    with pytest.raises(AnsibleActionFail, match="^watcher "):
        module.run(task_vars={})


def test_a_delegated_host_does_not_judge(probed):
    module = Observed({"url": "http://192.0.2.7:1880"}, delegate_to="watcher")
    module.answer = {"changed": True, "checks": on_host("fail"), "passed": True}
    result = module.run(task_vars={})
    assert (result["changed"], result["passed"]) == (False, False)


class Stalls(Observed):
    """The SSH session stays open, and the connection tries again after every error."""

    def _low_level_execute_command(self, cmd, **options):
        for _attempt in range(3):
            try:
                time.sleep(5)
            except Exception:
                continue
        return self.outcome


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(action, "START_SECONDS", 0.1)
    monkeypatch.setattr(_login_checks, "REVOKE_LIMIT", 0.1)
    # `_probe_on_host` gives the program a second at least.
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < 4


def test_a_host_that_stalls_is_an_error_that_names_it(probed, impatient):
    with pytest.raises(AnsibleActionFail, match="^shed-pi did not finish the probe within 1.2 seconds"):
        Stalls({**OUTSIDE, "timeout": 0.1}).run(task_vars={"inventory_hostname": "shed-pi"})
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_the_limit_of_the_task_itself_stays(probed, impatient):
    class Ended(BaseException):
        pass

    def end(*_arguments):
        raise Ended

    before = signal.signal(signal.SIGALRM, end)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(Ended):
            Stalls({**OUTSIDE, "timeout": 0.1}).run(task_vars={})
        signal.setitimer(signal.ITIMER_REAL, 100)
        with pytest.raises(AnsibleActionFail):
            Stalls({**OUTSIDE, "timeout": 0.1}).run(task_vars={})
        assert 50 < signal.getitimer(signal.ITIMER_REAL)[0] < 100
        assert signal.getsignal(signal.SIGALRM) is end
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_probe_that_used_up_its_time_outside_is_not_made_on_the_host(monkeypatch):
    outside = [{**check, "found": "outside"} for check in on_host()] + [
        {"id": "login_offered", "title": "x", "status": "pass", "expected": "x", "found": "outside"}
    ]

    def slow(_target):
        time.sleep(0.3)
        return outside

    monkeypatch.setattr(_probe, "probe", slow)
    module = Observed({**OUTSIDE, "timeout": 0.05})
    result = module.run(task_vars={})
    assert not module.executed
    assert not result["passed"]
    assert "no answer within 0.15 seconds" in found(result)["login_works"]
