# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one host may cost a run: what counts, and how the run ends for it."""

from __future__ import annotations

import re
import time

import pytest
from ansible.errors import AnsibleActionFail
from ansible.utils.display import Display
from ansible_collections.pifleet.nodered.plugins.module_utils._probe import _errors
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core import _budget
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._arguments import ArgumentError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._budget import Budget, counted
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._run_state import State, Store
from ansible_collections.pifleet.nodered.plugins.plugin_utils._run import _step
from ansible_collections.pifleet.nodered.plugins.plugin_utils._run._verify_step import VerifyStep
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import EMPTY, instance

VARIABLES = {"nodered_address": "pi1", "nodered_remount": False, "nodered_restart_timeout": 60}


def test_all_steps_share_what_there_is():
    budget = Budget()
    for step, seconds in (("finding Node-RED", 31.4), ("applying the changes", 20.0), ("finding Node-RED", 2.0)):
        budget.count(step, seconds)
    assert round(budget.left, 1) == 6.6 and not budget.is_over
    budget.count("verifying the result", 8)
    assert budget.left == 0 and budget.is_over


def test_the_message_names_the_host_each_step_and_a_remedy():
    message = Budget({"finding Node-RED": 31.4, "applying the changes": 29.2}).message("shed")
    assert message.startswith("shed: the 60 seconds")
    assert "finding Node-RED 31, applying the changes 29" in message
    assert "--limit '!shed'" in message


def test_a_slow_machine_can_have_more():
    budget = Budget({"finding Node-RED": 31.4}, _budget.limit({"nodered_time_limit": "90"}))
    assert round(budget.left, 1) == 58.6
    assert _budget.limit({}) == 60
    assert "the 90 seconds" in budget.message("shed") and "larger nodered_time_limit" in budget.message("shed")


@pytest.mark.parametrize("value", [29, "soon", None, 1.5, [60]], ids=str)
def test_a_limit_that_is_none_is_rejected(value):
    with pytest.raises(ArgumentError, match="nodered_time_limit"):
        _budget.limit({"nodered_time_limit": value})


def test_it_is_kept_from_step_to_step(tmp_path):
    store = Store(str(tmp_path), "play", "pi1", "")
    store.save(State({}, "", "", "", budget=Budget({"finding Node-RED": 12.0})))
    assert store.load().budget.left == 48


@pytest.mark.parametrize(
    "answer, elapsed, seconds",
    [
        ({"spent": 5, "waited": 0}, 9, 5),
        ({"spent": 5, "waited": 0}, 24, 5),
        ({"spent": 5, "waited": 0}, 35, 15),
        ({"spent": 5, "waited": 130.0}, 140, 5),
        ({"spent": 5, "waited": 130.0}, 165, 15),
        ({"failed": True, "module_stderr": "Killed"}, 35, 35),
        ({"spent": "5", "waited": 0}, 35, 35),
        ({"spent": -5, "waited": 0}, 35, 35),
        ({"spent": float("nan"), "waited": 0}, 35, 35),
        ({"spent": 5, "waited": True}, 35, 35),
    ],
    ids=str,
)
def test_what_the_machine_reports_counts_without_a_usual_start_else_the_clock(answer, elapsed, seconds):
    assert counted(answer, elapsed) == seconds


class Machine(VerifyStep):
    """A step that reaches a machine which takes `seconds`, and answers."""

    def __init__(self, answer=None, seconds=0.0, **spent):
        self.host, self.task_vars = "pi1", {}
        self.budget = Budget(spent)
        self.answer, self.seconds = answer or {}, seconds
        self.asked = []
        self._display = Display()

    def run(self, tmp=None, task_vars=None):
        pass

    def decide_origin(self, _state):
        pass

    def module(self, _name, **arguments):
        self.asked.append(arguments)
        time.sleep(self.seconds)
        return {"spent": self.seconds, "waited": 0, **self.answer}

    def action(self, _name, **options):
        self.asked.append(options)
        time.sleep(self.seconds)
        return {"checks": [{"id": "answers", "title": "It answers", "status": "pass", "expected": "", "found": ""}]}


def test_a_module_gets_what_is_left_and_what_it_reports_counts():
    machine = Machine({"spent": 9, "waited": 100}, finding=20)
    machine.counted_module("applying", "apply", request="{}")
    assert machine.asked == [{"time_limit": 40, "request": "{}"}]
    assert machine.budget.spent == {"finding": 20, "applying": 9}


def test_a_module_whose_time_was_over_ends_the_run_of_the_host_with_one_message():
    machine = Machine({"out_of_time": True, "failed": True, "msg": "own words", "spent": 40.1, "waited": 0}, finding=20)
    with pytest.raises(AnsibleActionFail, match="^pi1: the 60 seconds .*finding 20, applying 40") as caught:
        machine.counted_module("applying", "apply")
    assert "own words" not in str(caught.value)


def test_a_machine_that_never_answers_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(_step, "START_SECONDS", 0.2)
    machine = Machine(seconds=30)
    machine.budget.seconds = 1.1
    begun = time.monotonic()
    with pytest.raises(AnsibleActionFail, match="^pi1: .*finding 1"):
        machine.counted_module("finding", "instance_info")
    assert time.monotonic() - begun < 5
    with pytest.raises(AnsibleActionFail, match="^pi1: "):
        machine.counted_module("applying", "apply")
    assert len(machine.asked) == 1, "no further step is begun"


def test_a_restart_has_its_own_time(monkeypatch):
    monkeypatch.setattr(_step, "START_SECONDS", 0)
    machine = Machine({"spent": 0.1, "waited": 1.5}, seconds=1.6, finding=59)
    machine.counted_module("applying", "restart", uncounted=30)
    assert machine.budget.left > 0.5


@pytest.mark.parametrize("options, spent, seconds", [({}, 20, 30), ({}, 40, 20), ({"timeout": 5}, 20, 15)], ids=str)
def test_the_verification_gets_what_is_left_at_most(options, spent, seconds):
    machine = Machine(seconds=0.1, finding=spent)
    machine.probed(options)
    assert machine.asked == [{**options, "seconds": seconds}]
    assert machine.budget.spent["verifying the result"] >= 0.1


def test_a_probe_gets_files_in_place_of_a_pair_that_is_in_none():
    machine = Machine()
    options = {"url": "https://pi1/", "client_pair": {"certificate": "PEM", "key": "KEY"}}
    machine.probed(options)
    (asked,) = machine.asked
    assert set(asked) == {"url", "seconds", "client_cert", "client_key"}
    assert "client_pair" in options, "a later probe needs it as well"


def test_a_verification_without_time_reports_only_what_was_found():
    def probed(_options):
        machine.budget.count("verifying the result", 30)
        checks = {"Flows need a login": "200", "Comms need a login": _errors.out_of_time(5)}
        return [
            {"id": "flows_closed", "title": title, "status": "fail", "expected": "401", "found": found}
            for title, found in checks.items()
        ]

    machine = Machine(finding=35)
    machine.probed = probed
    state = State(instance(), EMPTY, "", EMPTY, variables=VARIABLES, budget=machine.budget)
    result = machine.verified(None, state, {"changed": True})
    assert result["failed"] and result["changed"]
    assert re.match("pi1: the 60 seconds .*verifying the result 30", result["msg"])
    assert "Flows need a login" in result["msg"]
    assert "Comms need a login" not in result["msg"]
    assert machine.verified(None, state, {})["failed"], "and it is not begun again"
