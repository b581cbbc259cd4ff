# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action restore asks of a host, sends to it, and shows."""

from __future__ import annotations

import hashlib
import json
import types

import pytest
from ansible_collections.pifleet.nodered.plugins.action import restore, restore_points_info
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import Plan
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._run_state import State
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import EMPTY, instance
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._restore.test_restore_plan import (
    HASH,
    MOVED,
    SECURED,
    SETTINGS_FILE,
    TWO_RUNS,
    host,
    with_certificate,
)

LATER = {
    "nodered_address": "pi1",
    "nodered_remount": False,
    "nodered_restart_timeout": 60,
    "nodered_restore_points": 5,
}
ANSWERS = {
    "id": "answers",
    "title": "Node-RED answers at its URL",
    "status": "pass",
    "expected": "",
    "found": "it does",
}
OPEN = {
    "id": "flows_closed",
    "title": "Reading the flows requires a login",
    "status": "fail",
    "expected": "",
    "found": "open: anyone can read the flows",
}


class Observed(restore.ActionModule):
    """Does not connect: `asked` has what would have been sent to the host."""

    def __init__(self, listed=None, *, check_mode=False, diff=False, checks=(ANSWERS, OPEN), pending=False):
        self.host, self.variables = "pi1", LATER
        self._task = types.SimpleNamespace(check_mode=check_mode, diff=diff)
        self.host_lists, self.checks, self.asked = listed or TWO_RUNS, list(checks), []
        plans = {"login": Plan(restart="pending")} if pending else {}
        checksum = hashlib.sha256(MOVED.encode()).hexdigest()
        self.state = State(instance(port=1885), MOVED, checksum, MOVED, plans=plans, variables=LATER)

    def begin_with_role_defaults(self, _task_vars):
        pass

    def validate_argument_spec(self, argument_spec):
        given = {name: option.get("default") for name, option in argument_spec.items()}
        return None, {**given, **self.given}

    def discovered(self):
        self.found = {"restore_points": self.host_lists}
        self.asked.append(("instance_info", dict(self.more_to_find)))
        return self.state

    def store(self):
        return types.SimpleNamespace(save=lambda _state: None)

    def counted_module(self, _step, name, *, uncounted=0, **arguments):
        self.asked.append((name, json.loads(arguments["request"])))
        return {"changed": True, "instance": instance(), "restore_point": 3, "spent": 1.0}

    def decide_origin(self, state):
        state.origin = {"place": "controller", "note": ""}

    def probed(self, _options):
        return self.checks

    def go(self, monkeypatch, **given):
        self.given = given
        monkeypatch.setattr("ansible.plugins.action.ActionBase.run", lambda *_: {})
        return self.run(None, {})


class Listing(Observed, restore_points_info.ActionModule):
    """Lists, and does not connect."""


def test_the_list_needs_one_execution_and_no_text(monkeypatch):
    action = Listing()
    result = action.go(monkeypatch)
    assert action.asked == [("instance_info", {"restore_points": "list"})]
    assert not result["changed"]
    assert result["msg"][1] == "pi1: 1  2026-11-29T00:00:01Z  before: settings: adminAuth (original)"
    assert "restore_points" not in result, "that would be printed as well"


def test_a_restore_is_one_transaction_and_reports_what_is_open(monkeypatch):
    action = Observed()
    result = action.go(monkeypatch, point="original")
    (_info, (name, request)) = action.asked
    assert (name, request["restore"], request["restart"]) == ("apply", 1, True)
    assert request["edit"]["changed"] == ["adminAuth", "uiPort"], "logins end"
    assert result["msg"] == [
        "pi1: restored, as before the run of 2026-11-29T00:00:01Z (restore point 1); Node-RED responds at "
        "http://pi1:1880/",
        "pi1: open: reading the flows (anyone can read the flows)",
        "pi1: open: passwords and flows are sent without TLS",
    ]
    assert (result["changed"], result["restore_point"]) == (True, 3)
    assert "instance" not in result


def test_after_a_run_that_replaced_only_the_certificate_nothing_is_restored_and_that_is_reported(monkeypatch):
    listed = with_certificate("a", "b")
    listed["points"][1]["entries"][0]["before"] = listed["now"][0]["before"]
    result = Observed(listed).go(monkeypatch, point="last")
    assert not result["changed"]
    assert result["msg"] == [
        "pi1: nothing to restore: all but the certificate is as before the run of 2026-11-29T00:00:02Z (restore point "
        "2). For an earlier state, set nodered_restore to a number of the list",
        "pi1: the certificate stays as it is now: no restore brings back an earlier one",
    ]


def test_no_hash_is_in_a_result(monkeypatch):
    shown = [
        Observed(diff=True).go(monkeypatch, point="last"),
        Observed(host((EMPTY, False), (SECURED, True), now={SETTINGS_FILE: MOVED})).go(monkeypatch, point="last"),
    ]
    assert shown[1]["failed"] and "uiPort" in shown[1]["msg"]
    assert HASH[7:] not in json.dumps(shown)


@pytest.mark.parametrize("point", ["last", "original"])
def test_in_check_mode_nothing_is_sent(monkeypatch, point):
    action = Observed(check_mode=True, diff=True)
    result = action.go(monkeypatch, point=point)
    assert result["changed"] and result["diff"]
    assert [name for name, _arguments in action.asked] == ["instance_info"]


def test_a_node_red_that_does_not_answer_from_outside_is_a_failure(monkeypatch):
    silent = {**ANSWERS, "status": "fail", "found": "nothing"}
    result = Observed(checks=[silent]).go(monkeypatch, point="last")
    assert result["failed"] and result["msg"].startswith("pi1: Node-RED answers at its URL: not so")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"nodered_restart_timeout": 0}, "nodered_restart_timeout"),
        ({"nodered_restore_points": "many"}, "nodered_restore_points"),
        ({"nodered_restore_focre": True}, "Did you mean nodered_restore_force"),
    ],
)
def test_variables_that_cannot_be_used_stop_it_before_the_host_is_asked(monkeypatch, variables, message):
    action = Observed()
    action.variables = {**LATER, **variables}
    result = action.go(monkeypatch, point="last")
    assert result["failed"] and result["msg"].startswith("pi1: ") and message in result["msg"]
    assert action.asked == []


def test_plans_that_wait_are_not_mixed_with_a_restore(monkeypatch):
    result = Observed(pending=True).go(monkeypatch, point="last")
    assert result["failed"] and "play of its own" in result["msg"]


def test_an_unknown_point_is_rejected_and_names_the_host(monkeypatch):
    result = Observed().go(monkeypatch, point="9")
    assert result["failed"] and result["msg"] == (
        "pi1: There is no restore point 9. Set nodered_restore to one of: 1, 2."
    )
