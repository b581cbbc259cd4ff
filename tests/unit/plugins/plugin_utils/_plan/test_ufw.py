# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role `ufw` plans, and when it refuses. Which rules are needed is tested with `_firewall_plan`."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan import ufw
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import Plan
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import found, other_service
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.firewalls import allowed, firewall

ANY_22 = "allow from any to any port 22 proto tcp"
OPEN = firewall(allowed(1880))
NEW = firewall(active=False, enabled=False, rules=[])


def planned(
    seen: dict[str, Any] | None = None, wanted: dict[str, Any] | None = None, listens: str = "0.0.0.0", **different: Any
) -> Plan:
    instance = found(**{"controller": {"firewall": seen or OPEN, "remote": True}, **different})
    listening = dataclasses.replace(instance, instance={**instance.instance, "host": listens})
    return ufw.plan(listening, wanted or {})


def rules(plan: Plan, kind: str) -> list[str]:
    return [" ".join(words) for words in plan.firewall[kind]]


def test_with_everything_in_place_nothing_changes():
    plan = planned()
    assert not plan.changes
    assert (plan.errors, plan.notes) == ([], [])
    assert plan.checks == {"controller": "open", "rate_limit": False, "settled": True}


def test_a_first_run_allows_closes_and_enables_without_a_restart_of_node_red():
    plan = planned(NEW)
    assert plan.changes
    assert not plan.needs_restart
    assert rules(plan, "add") == [
        f"{ANY_22} comment pifleet.nodered SSH",
        "allow from any to any port 1880 proto tcp comment pifleet.nodered Node-RED",
    ]
    change = plan.firewall
    assert (change["delete"], change["deny"], change["enable"]) == ([], False, True)
    assert (change["checksum"], change["seconds"]) == ("abc", 120)
    assert plan.checks["settled"] is False


def test_the_user_is_shown_each_rule_that_changes():
    plan = planned(firewall(allowed(1880, "")), planned={"port": Plan(details={"port": 1885})})
    assert plan.firewall["lines"] == [
        "+ allow from any to any port 1885 proto tcp",
        "- allow from any to any port 1880 proto tcp",
    ]
    assert "Firewall: - allow from any to any port 1880 proto tcp" in plan.notes


def test_the_plan_survives_json():
    plan = planned(NEW)
    assert Plan.loaded(json.loads(json.dumps(dataclasses.asdict(plan)))) == plan


@pytest.mark.parametrize("value", [False, "false", "no"])
def test_without_management_nothing_is_read_or_planned(value):
    assert ufw.plan(found(), {"nodered_ufw_manage": value}) == Plan()


def test_the_rules_are_for_the_planned_port():
    plan = planned(planned={"port": Plan(details={"port": 1885})})
    assert rules(plan, "add") == ["allow from any to any port 1885 proto tcp comment pifleet.nodered Node-RED"]
    assert rules(plan, "delete") == ["allow from any to any port 1880 proto tcp"]


def test_the_order_of_the_roles_does_not_matter():
    plan = planned(wanted={"nodered_port": 1885}, later_roles=("port",))
    assert plan.firewall["request"]["port"] == 1885
    assert not planned(wanted={"nodered_port": 1885}).changes, "no role moves Node-RED there"


def test_without_a_plan_the_rules_are_for_where_node_red_responds():
    assert planned(port=1990, planned={"port": Plan()}).firewall["request"]["port"] == 1990


@pytest.mark.parametrize("different", [{"port": None}, {"unconfirmed": True}])
def test_a_node_red_that_is_going_to_start_responds_where_it_is_expected(different):
    plan = planned(expected_url="http://127.0.0.1:1999/", **different)
    assert plan.firewall["request"]["port"] == 1999


def test_where_the_port_is_not_known_the_firewall_is_not_changed():
    plan = planned(port=None, expected_url=None)
    assert "not known on which port nodered responds" in plan.errors[0]
    assert not plan.changes


@pytest.mark.parametrize(
    "wanted, different",
    [
        ({"nodered_tls_proxy_url": "https://pi.example.com"}, {}),
        ({}, {"listens": "127.0.0.1"}),
        ({}, {"listens": "::1"}),
        ({}, {"planned": {"hardening": Plan(set={"uiHost": "127.0.0.1"})}}),
        ({"nodered_hardening_listen_address": "127.0.0.1"}, {"later_roles": ("hardening",)}),
    ],
)
def test_a_node_red_that_no_other_machine_may_reach_gets_no_rule(wanted, different):
    plan = planned(wanted=wanted, **different)
    assert rules(plan, "delete") == ["allow from any to any port 1880 proto tcp"]
    assert plan.firewall["add"] == []


def test_a_node_red_that_moves_away_from_loopback_gets_a_rule():
    plan = planned(firewall(), listens="127.0.0.1", planned={"hardening": Plan(set={"uiHost": "0.0.0.0"})})
    assert len(plan.firewall["add"]) == 1


def test_the_rule_of_another_node_red_on_the_machine_stays():
    assert not planned(firewall(allowed(1880), allowed(1890)), others=[other_service()]).changes


@pytest.mark.parametrize("expected", [[1890], None])
def test_the_rule_of_a_node_red_that_does_not_run_now_stays_if_it_can_be_its_own(expected):
    other = other_service(ports=[], expected_ports=expected)
    plan = planned(firewall(allowed(1880), allowed(1890)), others=[other])
    assert not plan.changes
    assert ["its port is not known" in note for note in plan.notes] == [True] * (expected is None)


@pytest.mark.parametrize("keep", ["listening", []])
def test_a_firewall_that_closes_leaves_all_node_reds_reachable(keep):
    stopped = other_service("node-red-c.service", ports=[], expected_ports=[1895])
    # What nobody lists in "listening" can only be reached from the machine itself.
    others = [other_service(ports=[1890, 1999]), stopped, other_service("node-red-d.service", in_use=False)]
    heard = {"port": 1890, "protocol": "tcp", "process": "node-red", "unit": "node-red-b.service"}
    plan = planned({**NEW, "listening": [heard]}, wanted={"nodered_ufw_keep": keep}, others=others)
    assert [rule.split()[6] for rule in rules(plan, "add")] == ["22", "1880", "1890", "1895"]


def test_a_port_that_another_program_holds_is_not_opened_for_a_node_red_that_does_not_run():
    database = {"port": 5432, "protocol": "tcp", "process": "postgres", "unit": "postgresql.service"}
    other = other_service(ports=[], expected_ports=[5432])
    plan = planned({**NEW, "listening": [database]}, wanted={"nodered_ufw_keep": []}, others=[other])
    assert [rule.split()[6] for rule in rules(plan, "add")] == ["22", "1880"]


def test_a_port_that_systemd_holds_for_another_node_red_stays_reachable():
    held = {"port": 1890, "protocol": "tcp", "process": "systemd", "unit": None}
    plan = planned({**NEW, "listening": [held]}, wanted={"nodered_ufw_keep": []}, others=[other_service()])
    assert [rule.split()[6] for rule in rules(plan, "add")] == ["22", "1880", "1890"]


def test_a_closed_firewall_is_not_opened_for_another_node_red():
    assert not planned(firewall(allowed(1880)), others=[other_service()]).changes


@pytest.mark.parametrize("stray", [other_service(None), other_service(in_use=False)])
def test_what_is_no_service_in_use_keeps_no_rule(stray):
    plan = planned(firewall(allowed(1880), allowed(1890)), others=[stray])
    assert rules(plan, "delete") == ["allow from any to any port 1890 proto tcp"]


def test_the_rule_of_another_node_red_that_moved_in_the_same_run_stays():
    request = planned(NEW, others=[other_service()]).firewall["request"]
    moved = {"port": 1895, "protocol": "tcp", "process": "node-red", "unit": "node-red-b.service"}
    now = firewall(allowed(1880), allowed(1895), listening=[moved])
    assert not ufw.decide(now, request).changes


def test_an_earlier_change_that_was_not_confirmed_is_rolled_back_first():
    plan = planned({**OPEN, "unconfirmed": True})
    assert plan.changes
    assert plan.firewall["undo_first"]
    assert "not confirmed" in plan.firewall["lines"][0]
    assert not plan.checks["settled"]


def test_ufw_is_started_at_boot_also_without_other_changes():
    plan = planned({**OPEN, "starts_at_boot": False})
    assert plan.firewall["enable_at_boot"]
    assert plan.firewall["lines"] == ["start ufw at boot"]
    assert plan.checks["settled"]


def test_without_ufw_the_user_is_told_and_nothing_is_planned():
    missing = {"installed": False, "ssh": OPEN["ssh"]}
    assert "ufw is not installed" in planned(missing).notes[0]
    assert not planned(missing).changes
    errors = planned(missing, {"nodered_ufw_sources": ["10.0.0.0/8"]}).errors
    assert "nodered_ufw_sources would have no effect" in errors[0]


def test_an_unknown_ssh_connection_is_an_error_over_ssh_only():
    unknown = {**OPEN, "ssh": {"connection": None, "ports": [22]}}
    assert "become_method: sudo" in planned(unknown).errors[0]
    assert planned(unknown, controller={"firewall": unknown, "remote": False}).errors == []


@pytest.mark.parametrize("seconds", [29, 3601, "soon", -60, "30.5", None])
def test_the_time_for_the_confirmation_has_limits(seconds):
    (error,) = planned(wanted={"nodered_ufw_confirm_seconds": seconds}).errors
    assert error.startswith("nodered_ufw_confirm_seconds must be a whole number from 30 to 3600")
    assert error.endswith("then run again.")


def test_the_time_can_be_text_as_from_the_command_line():
    assert planned(NEW, {"nodered_ufw_confirm_seconds": "45"}).firewall["seconds"] == 45


def test_all_errors_are_reported_at_once():
    wanted = {"nodered_ufw_confirm_seconds": 5, "nodered_ufw_sources": ["::ffff:10.1.0.7"]}
    errors = planned({**OPEN, "ssh": {"connection": None, "ports": [22]}}, wanted).errors
    assert len(errors) == 3


@pytest.mark.parametrize("name", ["nodered_ufw_manage", "nodered_ufw_rate_limit", "nodered_remount"])
def test_a_value_that_is_neither_true_nor_false_is_an_error(name):
    (error,) = planned(wanted={name: "perhaps"}).errors
    assert error == f"{name} must be true or false, not text. Change it, then run again."


def test_a_read_only_root_needs_permission_to_change_rules():
    (error,) = planned(NEW, root_read_only=True).errors
    assert "nodered_remount: true" in error
    assert planned(NEW, {"nodered_remount": True}, root_read_only=True).errors == []
    assert planned(root_read_only=True).errors == [], "nothing to write"


def test_on_a_read_only_root_ufw_must_start_at_boot_already():
    (error,) = planned({**OPEN, "starts_at_boot": False}, {"nodered_remount": True}, root_read_only=True).errors
    assert "systemctl enable ufw" in error


def test_the_request_follows_node_red_to_where_it_really_responds():
    request = planned(NEW, planned={"port": Plan(details={"port": 1885})}).firewall["request"]
    same = ufw.responding_at(request, {"port": 1885, "host": "0.0.0.0"})
    assert same == request
    elsewhere = ufw.responding_at(request, {"port": 1886, "host": "0.0.0.0"})
    assert (elsewhere["port"], elsewhere["left_ports"]) == (1886, [1880])
    stayed = ufw.responding_at(request, {"port": 1880, "host": "0.0.0.0"})
    assert (stayed["port"], stayed["left_ports"]) == (1880, [])
    assert ufw.responding_at(request, {"port": 1885, "host": "127.0.0.1"})["hidden"]
    assert ufw.responding_at(request, {"port": None, "host": None})["port"] == 1885
