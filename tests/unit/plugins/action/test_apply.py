# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is applied, and when. What a transaction does is tried on a machine."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import types

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.pifleet.nodered.plugins.action import apply
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._authority_change import ONE, STAY, Change
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import Plan
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._run_state import APPLY, State
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import EMPTY, instance

COLLECTIONS = pathlib.Path(apply.__file__).parents[5]
MADE = {"made_by": "selfsigned", "names": ["pi1"], "called": "pi1", "days": 397}
LATER = {
    "nodered_address": "pi1",
    "nodered_remount": False,
    "nodered_restart_timeout": 60,
    "nodered_restore_points": 5,
}


class Observed(apply.ActionModule):
    """Does not connect: keeps what would have been sent, and verified."""

    def __init__(self):
        self.host = "pi1"
        self.sent = []

    def counted_module(self, _step, name, *, uncounted, **arguments):
        self.sent.append((name, json.loads(arguments["request"])))
        return {"changed": True, "instance": instance()}

    def verified(self, _store, state, result, **_options):
        self.trusted = state.checks("tls")["authorities"]
        return result


def applied(certificate):
    action = Observed()
    planned = {"authority": {}, "client_authority": "", "trusted": "the one before", **certificate}
    plan = Plan(certificate=planned, checks={"authorities": "the one before"})
    state = State(instance(), EMPTY, "", EMPTY, plans={"tls": plan}, variables=LATER)
    return action, state, action._transaction(types.SimpleNamespace(save=lambda _state: None), state)


def test_a_certificate_is_made_sent_and_trusted_and_its_key_is_in_no_result():
    action, state, result = applied({"pair": MADE})
    (_name, request) = action.sent[0]
    assert "PRIVATE KEY" in request["certificate"]["key"]
    assert action.trusted == f"the one before\n{request['certificate']['certificate'].strip()}"
    assert "PRIVATE KEY" not in str(result)
    assert state.plans["tls"].certificate == {}, "it is sent once"


@pytest.mark.parametrize("written", [False, True], ids=["missing", "of another run"])
def test_an_authority_that_cannot_be_used_prevents_the_change_and_names_the_host(tmp_path, written):
    if written:
        (tmp_path / "authority.pem").write_text("another one")
    authority = {"folder": str(tmp_path), "before": "", "new": None, "passphrase": "secret", "clients": {}, "key": ""}
    authority["change"] = Change(STAY, ONE, "", "")._asdict()
    action, state, result = applied({"pair": {}, "authority": authority})
    assert result["failed"]
    assert result["msg"].startswith(f"pi1: {tmp_path}/authority")
    assert "secret" not in str(result)
    assert action.sent == []
    assert state.failed == [APPLY]


def test_nothing_is_sent_if_only_the_controller_keeps_something():
    action, _state, _result = applied({"pair": {}})
    assert action.sent == []


NEW = EMPTY.replace("1880", "1885")


class Handler(apply.ActionModule):
    """The handlers of one play for one host, which do not connect: `sent` has the modules that would have run."""

    def __init__(self, state, *, check_mode=False, fails=False, late=False):
        self.host = "pi1"
        self.state, self.fails, self.late = state, fails, late
        self.sent = []
        self._task = types.SimpleNamespace(check_mode=check_mode)

    def save(self, state):
        self.state = state

    def counted_module(self, _step, name, **_arguments):
        self.sent.append(name)
        if self.late:
            raise AnsibleActionFail("The time is over.")
        return {"failed": True, "msg": "no"} if self.fails else {"changed": True, "instance": instance()}

    def verified(self, _store, _state, result, **_options):
        self.sent.append("verify")
        return result

    def apply(self):
        return self._apply(self, self.state)

    def restart(self):
        return self._restart(self, self.state)


def planned(**given):
    return State(instance(), EMPTY, "", given.pop("text", NEW), variables=LATER, **given)


def test_plans_are_applied_once_and_verified():
    handler = Handler(planned())
    assert handler.apply()["changed"]
    assert handler.sent == ["apply", "verify"]
    assert handler.apply() == {"changed": False}
    assert handler.sent == ["apply", "verify"]


@pytest.mark.parametrize("given", [{"failed": ["tls"]}, {"failed": [APPLY]}], ids=str)
def test_nothing_is_applied_after_a_failed_plan(given):
    handler = Handler(planned(**given))
    result = handler.apply()
    assert result["failed"] and "nothing was applied" in result["msg"]
    assert handler.sent == []


@pytest.mark.parametrize("given", [{"check_mode": True}, {}], ids=["plan", "handler"])
def test_nothing_is_applied_in_check_mode(given):
    handler = Handler(planned(**given), check_mode=not given)
    assert handler.apply() == {"changed": False}
    assert handler.sent == []


def test_a_change_of_the_firewall_alone_leaves_a_restore_point_and_needs_no_verification_of_node_red():
    handler = Handler(planned(text=EMPTY, plans={"ufw": Plan(firewall={"lines": []})}))
    handler._transaction(handler, handler.state, firewall_waits=True)
    assert handler.sent == ["apply"]


def test_a_restart_that_a_user_asks_for_is_part_of_the_transaction_if_plans_wait():
    handler = Handler(planned(text=EMPTY, plans={"ufw": Plan(close_files="private")}))
    handler.restart()
    assert handler.sent == []
    handler.apply()
    assert handler.sent == ["apply", "verify"]
    assert not handler.state.restart_requested


def test_a_restart_that_a_user_asks_for_is_done_at_once_if_no_plan_waits():
    handler = Handler(planned(text=EMPTY))
    handler.restart()
    assert handler.sent == ["restart", "verify"]


def test_a_transaction_that_failed_is_not_repeated_in_the_same_play():
    handler = Handler(planned(), fails=True)
    assert handler.apply()["failed"]
    assert handler.apply()["failed"]
    assert handler.sent == ["apply"]


def test_a_transaction_without_time_has_failed_and_is_not_repeated_either():
    handler = Handler(planned(), late=True)
    result = handler.apply()
    assert (result["failed"], result["msg"]) == (True, "The time is over.")
    assert handler.state.failed == [APPLY]


def test_a_password_file_of_another_run_prevents_the_change(tmp_path):
    (tmp_path / "pi1").write_text("another\n")
    handler = Handler(planned(plans={"login": Plan(passwords={str(tmp_path / "pi1"): "secret"})}))
    result = handler.apply()
    assert result["failed"] and result["msg"].startswith("pi1: ")
    assert "secret" not in str(result)
    assert handler.sent == []


def test_everything_that_planning_needs_is_imported_with_the_action():
    """Ansible loads the class of an action before it forks; what is imported later is imported for each host again."""
    code = (
        "import sys; from ansible_collections.pifleet.nodered.plugins.action import plan; "
        "before = set(sys.modules); import tree_sitter_javascript, bcrypt, cryptography.x509, passlib.hash; "
        "print(sorted(name for name in set(sys.modules) - before))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(COLLECTIONS), *sys.path])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
