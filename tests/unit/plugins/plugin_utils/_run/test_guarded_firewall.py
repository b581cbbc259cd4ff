# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order in which firewall and Node-RED change, and that every failure leads back to the old firewall."""

from __future__ import annotations

import copy
import re
import types
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.playbook.play_context import PlayContext
from ansible.plugins.connection import ConnectionBase
from ansible.plugins.loader import connection_loader
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core import _time_limit
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan import _verification, ufw
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import Plan
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._run_state import State
from ansible_collections.pifleet.nodered.plugins.plugin_utils._run import _guarded_firewall
from ansible_collections.pifleet.nodered.plugins.plugin_utils._run._guarded_firewall import (
    GuardedFirewall,
    RestoredFirewall,
)
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import EMPTY, found, instance
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.firewalls import allowed, firewall

UNDONE = "2026-11-22T10:44:04Z: "
# What a run asks of the host, in this order. Its change of Node-RED and its probe are noted, too.
ORDER = ["armed", "change", "closed", "firewall_info", "probe", "confirmed"]


class Connection(ConnectionBase):
    """An SSH connection that notes down what is done to it."""

    transport = "ssh"

    def __init__(self, folder):
        self.resets = 0
        self.options = {"control_path_dir": str(folder / "cp"), "ssh_args": "-C -o ControlMaster=auto"}

    def _connect(self):
        pass

    def exec_command(self, *_arguments, **_options):
        pass

    def put_file(self, *_arguments):
        pass

    def fetch_file(self, *_arguments):
        pass

    def close(self):
        pass

    def reset(self):
        self.resets += 1

    def get_option(self, option, hostvars=None):
        return self.options[option]

    def set_option(self, option, value):
        self.options[option] = value


class Host:
    """A host with ufw and its guard, and the step that talks to it."""

    host = "pi1"

    def __init__(self, folder, before):
        self._connection = Connection(folder)
        self.origin = "controller"
        self.now = before
        self.before: dict[str, Any] = {}
        self.owner = ""
        self.undone: dict[str, str] = {}
        self.calls: list[str] = []
        self.arguments: list[dict[str, Any]] = []
        self.fail: dict[int, str] = {}
        """What happens with the call of this number: `failed`, `lost` before it, `answer lost` or `no end` after it."""
        self.lost = 0
        """How many calls more are lost."""
        self.meanwhile: dict[str, Any] = {}
        self.probe_fails: tuple[str, ...] = ()
        self.warnings: list[str] = []

    def module(self, name, **arguments):
        state = arguments.get("state", name)
        return self._noted(state, arguments, lambda: getattr(self, "_" + state)(**arguments))

    def decide_origin(self, state):
        state.origin = {"place": self.origin, "note": ""}

    def probed(self, options):
        def answer():
            checks = ("answers", "old_port_closed", "login_required")
            return [
                {"id": one, "title": one, "status": "fail" if one in self.probe_fails else "pass"}
                | {"expected": "this", "found": "that"}
                for one in checks
            ]

        return self._noted("probe", options, answer)

    def _noted(self, call, arguments, work):
        self.calls.append(call)
        self.arguments.append(arguments)
        failure = self.fail.get(len(self.calls) - 1, "")
        if self.lost:
            self.lost -= 1
            failure = "lost"
        if failure == "lost":
            raise AnsibleConnectionFailure("no route")
        if failure == "failed":
            if call == "probe":
                raise AnsibleActionFail("broken probe")
            return {"failed": True, "msg": f"broken {call}"}
        answer = work()
        if failure == "no end" and call not in ("change", "probe"):
            raise _time_limit.Stalled
        if failure in ("answer lost", "no end"):
            raise AnsibleConnectionFailure("no answer")
        return answer

    def _firewall_info(self):
        seen = {**copy.deepcopy(self.now), "unconfirmed": bool(self.before), "owner": self.owner if self.before else ""}
        if self.meanwhile:
            self.end_of_another_run()
        return {"firewall": seen}

    def another_run(self, **after):
        """A change of another run waits; after it, the firewall is so."""
        self.before, self.owner, self.meanwhile = self.now, "another", after or self.now

    def end_of_another_run(self):
        self.now, self.before, self.meanwhile = self.meanwhile, {}, {}

    def _restored(self, service, restore_point, owner, **_state):
        assert (self.owner, bool(self.before), service) == (owner, True, "nodered")
        self.now["rules"] = [allowed(22), allowed(1880)]
        self.restored = restore_point
        return {"armed": True}

    def _armed(self, seconds, owner, remount, add=(), checksum=None, **_state):
        if self.before and self.owner != owner or not self.before and checksum not in (None, self.now["checksum"]):
            return {"armed": False}
        self.before, self.owner = self.before or copy.deepcopy(self.now), owner
        self._add(add)
        return {"armed": True}

    def _closed(self, add, delete, deny, enable, owner, **_state):
        assert self.owner == owner
        if not self.before:
            return {"failed": True, "msg": "It is too late."}
        self._add(add)
        for rule in delete:
            self.now["rules"] = [one for one in self.now["rules"] if words(one) != rule]
        if deny:
            self.now["policies"]["incoming"] = "deny"
        if enable:
            self.now |= {"active": True, "enabled": True}
        self.now["checksum"] += "+"
        return {"armed": True}

    def _add(self, rules):
        for rule in rules:
            assert rule[-2] == "comment"
            port, source = rule[rule.index("port") + 1], rule[rule.index("from") + 1]
            self.now["rules"].append(allowed(port, rule[-1], action=rule[0], from_address=source))

    def _confirmed(self, owner, **_state):
        assert self.owner == owner
        if not self.before:
            return {"failed": True, "msg": "It is too late."}
        self.before = {}
        return {"warnings": self.warnings} if self.warnings else {}

    def roll_back(self, reason):
        self.now, self.before = self.before, {}
        self.undone = {"owner": self.owner, "text": UNDONE + reason}

    def _undone(self, reason, owner="", **_state):
        if self.before and owner in ("", self.owner):
            self.roll_back(reason)
        return {"undone": self.undone.get("text") if owner in ("", self.undone.get("owner")) else None}

    def _at_boot(self, **_state):
        self.now["starts_at_boot"] = True
        return {}


def words(rule):
    return ["allow", "from", rule["from_address"], "to", "any", "port", rule["to_port"], "proto", "tcp"]


def without_checksum(one):
    return {**one, "checksum": ""}


class Run:
    """One run of the role on a Node-RED that moves from port 1880 to 1885."""

    def __init__(self, folder, seen=None, wanted=None, port=1885):
        self.seen = seen or firewall(allowed(1880))
        self.host = Host(folder, copy.deepcopy(self.seen))
        planned = {"port": Plan(details={"port": port})}
        controller = {"firewall": self.seen, "remote": True}
        plan = ufw.plan(found(planned=planned, controller=controller), wanted or {})
        assert plan.errors == []
        variables = {"nodered_remount": False, "nodered_restart_timeout": 100, "nodered_address": "192.0.2.7"}
        self.state = State(instance(), EMPTY, "", EMPTY, {"ufw": plan}, variables=variables)
        self.port = port
        self.answer = {"changed": True}
        self.saved = []
        self.waits = []
        self.time = 0.0

    def go(self):
        def change(firewall_waits):
            self.waits.append(firewall_waits)
            self.state.instance = instance(port=self.port)
            return self.host._noted("change", {}, lambda: dict(self.answer))

        def sleep(seconds):
            self.time += seconds

        store = types.SimpleNamespace(save=lambda state: self.saved.append(copy.deepcopy(state)))
        guarded = GuardedFirewall(
            self.host, store, self.state, self.state.plans["ufw"].firewall, sleep=sleep, clock=lambda: self.time
        )
        return guarded.run(change)

    @property
    def rules(self):
        return sorted(str(rule["to_port"]) for rule in self.host.now["rules"])


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def test_it_is_guarded_in_this_order(run):
    result = run.go()
    assert run.host.calls == ORDER
    assert (result["changed"], run.rules) == (True, ["1885", "22"])
    assert result["msg"] == ["pi1: the firewall is changed, and a new connection has confirmed it"]
    assert run.waits == [True]
    assert not run.host.before


def test_what_is_new_is_allowed_while_the_clock_gives_time_for_two_restarts(run):
    run.go()
    armed, closed = run.host.arguments[0], run.host.arguments[2]
    assert (armed["seconds"], closed["seconds"]) == (120 + 2 * 100, 120)
    assert [rule[6] for rule in armed["add"]] == ["1885"]
    assert armed["checksum"] == run.seen["checksum"]
    assert (closed["add"], [rule[6] for rule in closed["delete"]]) == ([], ["1880"])


def test_the_state_knows_that_nothing_is_left_to_do(run):
    run.go()
    plan = run.saved[-1].plans["ufw"]
    assert plan.firewall == {}
    assert plan.checks["settled"]
    assert run.saved[-1].failed == []


def test_until_the_confirmation_no_port_is_expected_to_be_closed_by_the_firewall(tmp_path):
    run = Run(tmp_path, wanted={"nodered_ufw_sources": ["10.0.0.0/8"]})
    assert _verification.outside_request(run.state) is None
    run.go()
    assert _verification.outside_request(run.state)["closed_ports"] == [1885]


@pytest.mark.parametrize("origin", ["host", "watcher"])
def test_what_the_controller_does_not_reach_is_asked_from_elsewhere(run, origin):
    run.host.origin = origin
    assert "failed" not in run.go()
    assert run.host.arguments[run.host.calls.index("probe")]["run_on"] == origin


def test_what_the_change_reports_stays(run):
    run.answer = {"changed": True, "msg": ["pi1: verified"], "backup_file": "old"}
    result = run.go()
    assert (result["msg"][0], len(result["msg"]), result["backup_file"]) == ("pi1: verified", 2, "old")


def test_the_confirmation_comes_over_a_connection_of_its_own(run):
    run.go()
    connection = run.host._connection
    assert connection.resets == 1
    assert connection.options["ssh_args"].startswith("-o 'ControlPath=\"")
    assert connection.options["ssh_args"].endswith(" -C -o ControlMaster=auto")


def test_a_connection_that_cannot_be_reset_is_left_alone(run):
    run.host._connection.transport = "container"
    run.go()
    assert run.host._connection.options["ssh_args"] == "-C -o ControlMaster=auto"


def test_the_probe_checks_the_new_and_the_old_port(run):
    run.go()
    probe = run.host.arguments[ORDER.index("probe")]
    assert (probe["url"], probe["closed_ports"], probe["timeout"]) == ("http://192.0.2.7:1885/", [], 5)


@pytest.mark.parametrize("kind", ["failed", "lost", "answer lost", "no end"])
@pytest.mark.parametrize("at", range(len(ORDER)))
def test_every_failure_leads_to_the_old_firewall_and_names_its_cause(run, at, kind):
    run.host.fail[at] = kind
    result = run.go()
    kind = kind.replace("no end", "answer lost")
    expected = {"failed": f"broken {ORDER[at]}", "lost": "no route", "answer lost": "no answer"}[kind]
    if ORDER[at] == "probe" and kind == "failed":
        expected = "broken probe"
    if (ORDER[at], kind) == ("closed", "answer lost"):
        # The new connection shows that everything is as it should be.
        assert (result.get("failed"), run.rules) == (None, ["1885", "22"])
        return
    if ORDER[at] == "closed" and kind == "lost":
        expected = "ufw does not have the rules that it was given. Missing: - allow from any to any port 1880 proto tcp"
    if ORDER[at] == "firewall_info" and kind != "failed":
        expected = "The new rules let no new SSH connection in."
    assert result["failed"]
    assert result["msg"].startswith("pi1: ")
    assert expected in result["msg"]
    assert run.saved[-1].failed == ["apply"]
    if (ORDER[at], kind) == ("confirmed", "answer lost"):
        assert "its new firewall is confirmed" in result["msg"]
        return
    if ORDER[at] in ("armed", "change"):
        assert run.host.calls.count("change") == (ORDER[at] == "change")
    else:
        assert "The other changes are applied." in result["msg"]
    if ORDER[at] == "armed" and kind != "answer lost":
        assert "The host is reachable, and its firewall was not changed." in result["msg"]
    else:
        assert f"The host is reachable, and has its old firewall since {UNDONE}" in result["msg"]
    # With the port that Node-RED has moved to, if it has.
    assert run.rules == (["1880", "22"] if ORDER[at] == "armed" else ["1880", "1885", "22"])
    assert not run.host.before


def test_a_change_that_fails_and_stays_at_its_port_leaves_the_firewall_as_it_was(run):
    run.port, run.answer = (
        1880,
        {"failed": True, "changed": False, "msg": ["pi1: Node-RED did not start.", "It said x."]},
    )
    result = run.go()
    assert result["msg"].startswith("pi1: Node-RED did not start.\nIt said x.\nThe host is reachable")
    assert "was allowed" not in result["msg"]
    assert without_checksum(run.host.now) == without_checksum(run.seen)


def test_after_a_rollback_the_port_that_node_red_moved_to_is_allowed(run):
    run.host.probe_fails = ("answers",)
    result = run.go()
    assert "Port 1885, where Node-RED responds now, was allowed." in result["msg"]
    assert run.host.calls[-3:] == ["undone", "armed", "confirmed"]
    assert run.rules == ["1880", "1885", "22"]


def test_that_this_port_could_not_be_allowed_is_reported(run):
    run.host.probe_fails = ("answers",)
    run.host.fail[len(ORDER)] = "failed"
    result = run.go()
    assert "Port 1885, where Node-RED responds now, could not be allowed: broken armed" in result["msg"]


def test_a_firewall_that_was_inactive_needs_no_port(tmp_path):
    run = Run(tmp_path, firewall(active=False, enabled=False, rules=[]))
    run.host.probe_fails = ("answers",)
    assert run.go()["failed"]
    assert run.host.calls[-1] == "undone"
    assert not run.host.now["active"]


def test_a_user_who_is_locked_out_is_waited_for(run):
    def closed(**arguments):
        Host._closed(run.host, **arguments)
        run.host.lost = 4
        return {"armed": True}

    run.host._closed = closed
    run.host._undone = lambda **_arguments: {"undone": UNDONE + "the new rules were not confirmed in time."}
    result = run.go()
    assert "The new rules let no new SSH connection in." in result["msg"]
    assert "has its old firewall since 2026-11-22T10:44:04Z: the new rules were not confirmed" in result["msg"]
    assert run.time == 15


def test_a_host_that_stays_away_is_not_waited_for_without_end(run):
    run.host.fail = dict.fromkeys(range(3, 1000), "lost")
    result = run.go()
    assert "The host cannot be reached. It restores its old firewall at the latest 120 seconds after" in result["msg"]
    assert 180 <= run.time <= 190


def test_a_rollback_that_fails_is_reported(run):
    def broken(**_arguments):
        raise AnsibleActionFail("no Python")

    run.host.fail[ORDER.index("change")] = "failed"
    run.host._undone = broken
    assert run.go()["msg"] == "pi1: broken change\nno Python"


def test_it_can_be_too_late(run):
    def late():
        run.host.roll_back("the new rules were not confirmed in time.")
        return Host._firewall_info(run.host)

    run.host._firewall_info = late
    result = run.go()
    assert "120 seconds (nodered_ufw_confirm_seconds) were not enough" in result["msg"]
    assert "not confirmed in time" in result["msg"]


@pytest.mark.parametrize("check, stops", [("answers", True), ("old_port_closed", True), ("login_required", False)])
def test_only_what_the_firewall_decides_counts(run, check, stops):
    run.host.probe_fails = (check,)
    result = run.go()
    assert bool(result.get("failed")) is stops
    if stops:
        assert f"With the new rules: {check}" in result["msg"]


def test_where_the_controller_is_kept_out_nothing_may_answer(tmp_path):
    run = Run(tmp_path, wanted={"nodered_ufw_sources": ["10.0.0.0/8"]})
    run.host.probe_fails = ("answers",)
    assert not run.go().get("failed")
    assert run.host.arguments[ORDER.index("probe")]["closed_ports"] == [1885]


def test_the_rules_follow_node_red_to_where_it_really_responds(run):
    run.port = 1886
    assert not run.go().get("failed")
    assert run.rules == ["1886", "22"]


def test_what_would_go_wrong_there_stops_it(tmp_path):
    run = Run(tmp_path, firewall(allowed(1880), published=[1886]))
    run.port = 1886
    assert "Docker publishes port 1886" in run.go()["msg"]
    assert not run.host.before


def test_an_earlier_change_that_was_not_confirmed_is_rolled_back_first(tmp_path, monkeypatch):
    half = firewall(allowed(1880), allowed(1885), unconfirmed=True)
    run = Run(tmp_path, half)
    run.host.before = firewall(allowed(1880))
    # The kernel gives no process such a number.
    monkeypatch.setattr(_guarded_firewall.os, "getppid", lambda: 2**23)
    run.host.owner = _guarded_firewall._new_owner()
    assert not run.go().get("failed")
    assert run.host.calls == ["firewall_info", "undone", "firewall_info", *ORDER]
    assert run.host.arguments[1]["reason"] == "The run that changed the rules did not end."
    assert [rule[6] for rule in run.host.arguments[3]["add"]] == ["1885"], "the plan had found it there"
    assert run.rules == ["1885", "22"]


@pytest.mark.parametrize("here", [True, False])
def test_an_earlier_change_is_waited_for_while_its_run_can_go_on(tmp_path, here):
    run = Run(tmp_path, firewall(allowed(1880), allowed(1890), unconfirmed=True))
    run.state.plans["ufw"].firewall["request"]["other_ports"] = [1890]
    run.host.another_run(**firewall(allowed(1880), allowed(1890)))
    run.host.owner = _guarded_firewall._new_owner() if here else "another-controller 1 2"
    assert not run.go().get("failed")
    assert run.host.calls == ["firewall_info", "firewall_info", *ORDER]
    assert run.rules == ["1885", "1890", "22"]


def test_an_earlier_change_alone_is_rolled_back_and_node_red_changes(tmp_path):
    run = Run(tmp_path, firewall(allowed(1880), unconfirmed=True), port=1880)
    run.host.before = firewall(allowed(1880))
    assert run.go() == {"changed": True}
    assert run.host.calls == ["firewall_info", "undone", "firewall_info", "change"]
    assert run.waits == [False]


def test_nothing_changes_if_the_earlier_change_cannot_be_rolled_back(tmp_path):
    run = Run(tmp_path, firewall(allowed(1880), unconfirmed=True))
    run.host.before = firewall(allowed(1880))
    run.host.fail[1] = "failed"
    result = run.go()
    assert result["msg"] == "pi1: broken undone\nThe firewall was not changed."
    assert run.host.calls == ["firewall_info", "undone"]


def test_ufw_is_started_at_boot_also_without_rules(tmp_path):
    run = Run(tmp_path, firewall(allowed(1880), starts_at_boot=False), port=1880)
    assert run.go() == {"changed": True}
    assert run.host.calls == ["change", "at_boot"]


def test_ufw_is_started_at_boot_after_the_confirmation(tmp_path):
    run = Run(tmp_path, firewall(allowed(1880), starts_at_boot=False))
    run.host.fail[len(ORDER)] = "failed"
    result = run.go()
    assert run.host.calls == [*ORDER, "at_boot"]
    assert result["msg"] == "pi1: ufw is not started at boot. broken at_boot"
    assert run.rules == ["1885", "22"]


def test_without_rules_a_failed_change_is_returned_as_it_is(tmp_path):
    run = Run(tmp_path, firewall(allowed(1880), starts_at_boot=False), port=1880)
    run.answer = {"failed": True, "msg": "pi1: no"}
    assert run.go() == run.answer
    assert run.host.calls == ["change"]


def test_the_run_of_another_inventory_name_is_waited_for(run):
    # It moves to another port, and has done nothing of this.
    run.host.another_run(**{**run.seen, "checksum": "other", "rules": [*run.seen["rules"], allowed(9, "")]})
    assert not run.go().get("failed")
    assert run.host.calls == ["armed", "firewall_info", "firewall_info", *ORDER]
    assert run.time == 5
    assert run.rules == ["1885", "22", "9"]


def test_what_the_other_run_has_done_already_is_not_done_again(run):
    done = firewall(allowed(1885), checksum="other")
    run.host.another_run(**done)
    assert run.go() == {"changed": True}
    assert run.host.calls == ["armed", "firewall_info", "firewall_info", "change"]
    assert without_checksum(run.host.now) == without_checksum(done)


def test_a_rule_that_the_other_run_made_to_keep_the_old_port_is_deleted(run):
    run.host.now = firewall(allowed(1880, "pifleet.nodered kept"), allowed(1890), checksum="other")
    run.state.plans["ufw"].firewall["request"]["other_ports"] = [1890]
    assert not run.go().get("failed")
    assert run.rules == ["1885", "1890", "22"]


MOVED = {"port": 1896, "protocol": "tcp", "process": "node-red", "unit": "node-red-b.service"}


def test_another_node_red_that_moves_meanwhile_stays_reachable(tmp_path):
    run = Run(tmp_path, firewall(active=False, enabled=False, rules=[]))
    run.state.plans["ufw"].firewall["request"]["other_units"] = ["node-red-b.service"]
    run.host.now["listening"] = [MOVED]
    assert not run.go().get("failed")
    assert run.host.calls == ["armed", "change", "firewall_info", *ORDER[2:]]
    assert run.rules == ["1885", "1896", "22"]


def test_another_node_red_that_has_moved_is_no_reason_to_plan_again(tmp_path):
    run = Run(tmp_path, firewall(active=False, enabled=False, rules=[]))
    run.state.plans["ufw"].firewall["request"]["other_units"] = ["node-red-b.service"]
    run.host.now |= {"listening": [MOVED], "checksum": "other"}
    assert not run.go().get("failed")
    assert run.rules == ["1885", "1896", "22"]


def test_rules_that_the_plan_did_not_show_are_not_changed(run):
    run.host.now = firewall(allowed(1880, "", protocol="any"), checksum="other")
    result = run.go()
    assert "were changed after they were read. Run again." in result["msg"]
    assert "The firewall was not changed." in result["msg"]
    assert run.host.calls == ["armed", "firewall_info"]


def test_another_run_is_not_waited_for_without_end(run):
    run.host.another_run()
    run.host.end_of_another_run = lambda: None
    result = run.go()
    assert "Another run is changing the firewall of this host." in result["msg"]
    assert "change" not in run.host.calls
    assert run.host.owner == "another"
    assert "undone" not in run.host.calls


def test_warnings_of_the_host_are_passed_on(run):
    run.host.warnings = ["/ could not be made read-only again."]
    run.state.earlier = instance(read_only=[{"mount": "/", "by": "fstab"}])
    assert run.go()["warnings"] == run.host.warnings
    assert run.state.instance["read_only"] == [], "a later verification reports it"


def test_what_was_writable_for_ufw_is_read_only_again(run):
    run.state.earlier = instance(read_only=[{"mount": "/", "by": "fstab"}])
    run.go()
    assert run.state.instance["read_only"] == [{"mount": "/", "by": "fstab"}]


@pytest.mark.parametrize(
    "ssh_args", ["-C -o ControlMaster=auto -o ControlPersist=60s", "-o ControlPath=~/.ssh/own", ""]
)
def test_ssh_itself_is_given_the_new_socket_first(run, tmp_path, monkeypatch, ssh_args):
    connection = connection_loader.get("ssh", PlayContext())
    folder = tmp_path / "a folder"
    options = {"ssh_args": ssh_args, "control_path_dir": str(folder), "host": "192.0.2.7"}
    connection.set_options(direct=options)
    monkeypatch.setattr(connection, "reset", lambda: None)
    run.host._connection = connection
    run.go()
    connection.host = "192.0.2.7"
    command = [word.decode() for word in connection._build_command("ssh", "ssh", "192.0.2.7")]
    sockets = [word for word in command if word.startswith("ControlPath=")]
    assert re.fullmatch(rf'ControlPath="{folder}/[0-9a-f]{{10}}"', sockets[0])
    assert command[command.index(sockets[0]) - 1] == "-o"
    assert sockets[1:] == [word for word in ssh_args.split() if word.startswith("ControlPath")]
    assert folder.is_dir()


RESTORING = ["armed", "restored", "firewall_info", "change", "confirmed"]


@pytest.fixture
def restore(tmp_path):
    """A run that restores the firewall of point 3 from one that allows port 1885."""
    run = Run(tmp_path, seen=firewall(allowed(1885)))

    def go(**failures):
        run.host.fail = {RESTORING.index(call): how for call, how in failures.items()}
        store = types.SimpleNamespace(save=lambda state: run.saved.append(copy.deepcopy(state)))
        times = {"sleep": lambda seconds: setattr(run, "time", run.time + seconds), "clock": lambda: run.time}
        guarded = RestoredFirewall(run.host, store, run.state, run.seen, 120, **times)
        return guarded.run(3, lambda _waits: run.host._noted("change", {}, lambda: {"changed": True, "msg": ["done"]}))

    run.go = go
    return run


def test_a_restored_firewall_is_confirmed_over_a_new_connection_after_the_change(restore):
    result = restore.go()
    assert restore.host.calls == RESTORING
    assert (restore.host.restored, restore.rules, restore.host.before) == (3, ["1880", "22"], {})
    assert restore.host._connection.resets == 1
    assert result["msg"] == ["done", "pi1: the firewall is restored, and a new connection has confirmed it"]
    assert restore.host.arguments[1]["seconds"] == 120 + 2 * 100, "time for two restarts"


@pytest.mark.parametrize("how", ["failed", "lost", "answer lost", "no end"])
@pytest.mark.parametrize("call", RESTORING)
def test_a_restored_firewall_is_rolled_back_if_anything_fails(restore, call, how):
    result = restore.go(**{call: how})
    assert result["failed"]
    confirmed = call == "confirmed" and how != "lost" and how != "failed"
    assert restore.rules == (["1880", "22"] if confirmed else ["1885", "22"])
    assert not restore.host.before


def test_a_firewall_that_was_changed_since_it_was_read_is_not_restored(restore):
    restore.host.now["checksum"] = "other"
    result = restore.go()
    assert result["failed"] and "Run again" in result["msg"]
    assert restore.host.calls == ["armed"]
    assert restore.rules == ["1885", "22"]
