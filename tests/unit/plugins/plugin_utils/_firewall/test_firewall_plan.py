# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rules ufw gets and loses, and when nothing may be touched."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._firewall._firewall_plan import PlanError, plan
from ansible_collections.pifleet.nodered.plugins.plugin_utils._firewall._firewall_rules import KEPT, SSH, Rule

LAN = "192.168.1.0/24"
CLIENT = "192.168.1.7"
NODE_RED = {"port": 1880, "protocol": "tcp", "process": "node-red", "unit": "nodered.service"}
SSHD = {"port": 22, "protocol": "tcp", "process": "sshd", "unit": "ssh.service"}
MQTT = {"port": 1883, "protocol": "tcp", "process": "mosquitto", "unit": "mosquitto.service"}
MDNS = {"port": 5353, "protocol": "udp", "process": "avahi-daemon", "unit": "avahi-daemon.service"}


def machine(*rules, **other):
    found = {
        "installed": True,
        "active": False,
        "enabled": False,
        "policies": {"incoming": "deny", "outgoing": "allow", "routed": "deny"},
        "ipv6": True,
        "rules": [dataclasses.asdict(rule) for rule in rules],
        "let_in_by_default": [68, 1900, 5353],
        "forwards": False,
        "problem": None,
        "other_firewalls": [],
        "ssh": {"connection": connection(), "ports": [22]},
        "listening": [SSHD, NODE_RED],
        "published": [],
    }
    return found | other


def connection(client=CLIENT, port=22):
    return {"client": client, "client_port": 50000, "server": "192.168.1.2", "server_port": port}


def active(*rules, **other):
    return machine(*rules, active=True, enabled=True, **other)


def rule(port, action="allow", protocol="tcp", source="any", comment="", **other):
    return Rule(action, protocol=protocol, to_port=str(port), from_address=source, comment=comment, **other)


def ours(port, what="Node-RED", **other):
    return rule(port, comment=f"pifleet.nodered {what}", **other)


def added(decided):
    return [one.words() for one in decided.add]


def deleted(decided):
    return [one.words() for one in decided.delete]


ANYBODY_22 = "allow from any to any port 22 proto tcp"
ANYBODY_1880 = "allow from any to any port 1880 proto tcp"
ANYBODY_1883 = "allow from any to any port 1883 proto tcp"


def test_a_machine_without_rules_keeps_ssh_node_red_and_what_listens():
    decided = plan(machine(listening=[SSHD, NODE_RED, MQTT, MDNS]), port=1880)
    assert added(decided) == [ANYBODY_22, ANYBODY_1880, ANYBODY_1883]
    assert decided.delete == []
    assert (decided.enable, decided.deny, decided.refusals) == (True, False, [])
    assert decided.notes == ["Reachable besides SSH and Node-RED: 1883/tcp (mosquitto), 5353/udp (avahi-daemon)."]


def test_with_everything_in_place_nothing_changes():
    decided = plan(active(ours(22, "SSH"), ours(1880), ours(1883, "kept"), listening=[SSHD, NODE_RED, MQTT]), port=1880)
    assert not decided.changes
    assert decided.controller == "open"


def test_the_port_of_ssh_is_that_of_the_connection():
    found = machine(ssh={"connection": connection(port=2222), "ports": [22, 2222]})
    assert [one.port for one in plan(found, port=1880).add if one.comment == SSH] == [22, 2222]


def test_the_old_port_is_closed_whoever_opened_it():
    found = active(ours(22, "SSH"), rule(1880, protocol="any"), rule(1880, application="Node-RED"))
    decided = plan(found, port=1885, left_ports=[1880])
    assert added(decided) == ["allow from any to any port 1885 proto tcp"]
    assert deleted(decided) == ["allow from any to any port 1880", "allow from any to any app 'Node-RED'"]


def test_every_port_that_was_opened_by_us_is_closed_when_it_is_no_longer_used():
    found = active(ours(22, "SSH"), ours(1880), ours(1890), ours(2222, "SSH"), rule(1891))
    decided = plan(found, port=1880)
    assert deleted(decided) == [
        "allow from any to any port 1890 proto tcp",
        "allow from any to any port 2222 proto tcp",
    ]


def test_the_old_port_is_not_kept_as_one_that_listens():
    assert added(plan(machine(), port=1885, left_ports=[1880])) == [
        ANYBODY_22,
        "allow from any to any port 1885 proto tcp",
    ]


@pytest.mark.parametrize("theirs", [rule(22), rule(22, action="limit"), rule(22, source=LAN), rule("20:30")], ids=str)
def test_a_rule_of_theirs_for_ssh_is_enough(theirs):
    assert added(plan(machine(theirs), port=1880)) == [ANYBODY_1880]


@pytest.mark.parametrize("theirs", [rule("any", protocol="any", source=LAN), rule("any", interface_in="wg0")], ids=str)
def test_ssh_is_not_opened_to_everybody_where_only_trusted_machines_got_in(theirs):
    assert added(plan(active(theirs), port=1880)) == [ANYBODY_1880]
    # Where the firewall was not up, everybody got in.
    assert added(plan(machine(theirs), port=1880)) == [ANYBODY_22, ANYBODY_1880]


def test_a_rule_that_lets_only_others_to_ssh_is_not_widened_for_everybody():
    decided = plan(machine(rule(22, source="10.0.0.0/8")), port=1880)
    assert added(decided)[0] == f"allow from {CLIENT} to any port 22 proto tcp"


def test_the_way_in_of_another_controller_stays():
    found = active(
        rule(22, source="10.0.0.0/8"),
        ours(22, "SSH", source="192.168.1.99"),
        ours(22, "SSH", source=CLIENT),
        ours(1880),
    )
    assert not plan(found, port=1880).changes


def test_a_rule_of_theirs_for_node_red_is_enough_where_no_sources_are_given():
    assert added(plan(machine(rule(22), rule(1880, source=LAN)), port=1880)) == []


def test_sources_narrow_what_anybody_opened():
    found = active(rule(22), rule(1880, protocol="any"), ours(1880), rule(1880, source="192.168.1.64/26"))
    decided = plan(found, port=1880, sources=["192.168.1.5/24", "10.0.0.9", "fd00::/8"])
    assert added(decided) == [
        f"allow from {LAN} to any port 1880 proto tcp",
        "allow from 10.0.0.9 to any port 1880 proto tcp",
        "allow from fd00::/8 to any port 1880 proto tcp",
    ]
    assert deleted(decided) == ["allow from any to any port 1880", ANYBODY_1880]


def test_rate_limit_takes_the_place_of_the_rule():
    decided = plan(active(rule(22), ours(1880)), port=1880, rate_limit=True)
    assert added(decided) == ["limit from any to any port 1880 proto tcp"]
    assert decided.delete == []
    assert decided.controller == "limited"


def test_a_rule_for_ipv4_alone_is_completed():
    found = active(rule(22), dataclasses.replace(ours(1880), ipv6=False))
    assert added(plan(found, port=1880)) == [ANYBODY_1880]
    assert added(plan(found | {"ipv6": False}, port=1880)) == []


def test_a_node_red_that_nobody_outside_may_reach_gets_no_rule():
    decided = plan(active(rule(22), ours(1880)), port=None)
    assert added(decided) == []
    assert deleted(decided) == [ANYBODY_1880]


def test_what_listens_later_is_not_let_in_by_a_firewall_that_is_closed():
    decided = plan(active(rule(22), ours(1880), listening=[SSHD, NODE_RED, MQTT]), port=1880)
    assert not decided.changes
    assert "closed by ufw: 1883/tcp (mosquitto)" in decided.notes[0]


def test_what_was_kept_stays_also_while_it_does_not_listen():
    assert not plan(active(rule(22), ours(1880), ours(1883, "kept")), port=1880).changes


def test_a_list_of_what_is_kept_counts_alone():
    found = active(rule(22), ours(1880), ours(1883, "kept"), ours(8080, "kept"))
    decided = plan(found, port=1880, keep=["1883/tcp", "161/udp"])
    assert [(one.words(), one.comment) for one in decided.add] == [("allow from any to any port 161 proto udp", KEPT)]
    assert deleted(decided) == ["allow from any to any port 8080 proto tcp"]
    assert deleted(plan(found, port=1880, keep=[]))[0] == ANYBODY_1883


def test_a_port_that_somebody_has_a_rule_for_is_theirs():
    found = machine(rule(22), rule(1883, action="deny", protocol="any"), listening=[SSHD, NODE_RED, MQTT])
    decided = plan(found, port=1880)
    assert added(decided) == [ANYBODY_1880]
    assert "closed by ufw: 1883/tcp" in decided.notes[0]


def test_an_open_default_is_closed():
    policies = {"incoming": "allow", "outgoing": "deny", "routed": "deny"}
    decided = plan(active(rule(22), ours(1880), policies=policies, listening=[SSHD, NODE_RED, MQTT]), port=1880)
    assert decided.deny
    assert added(decided) == [ANYBODY_1883]


@pytest.mark.parametrize(
    "found, arguments, words",
    [
        (machine(rule(22, action="deny")), {}, "closes port 22, which SSH uses"),
        (machine(Rule("deny", from_address="192.168.0.0/16")), {}, "closes port 22, which SSH uses"),
        (machine(rule(1880, action="reject")), {}, "closes port 1880, which Node-RED uses"),
        (machine(published=[1880]), {}, "Docker publishes port 1880"),
        (machine(problem="iptables cannot."), {}, "iptables cannot."),
        (machine(other_firewalls=["firewalld"]), {}, "firewalld is active"),
        (machine(ipv6=False), {"sources": ["fd00::/8"]}, "IPv6 is disabled in ufw"),
        (machine(ipv6=False, ssh={"connection": connection("fd00::7"), "ports": [22]}), {}, "blocks completely"),
        (machine(rule("1800:1900")), {"sources": [LAN]}, "lets other addresses reach port 1880"),
        (machine(rule("1880,1881")), {"rate_limit": True}, "lets other addresses reach port 1880"),
        (machine(Rule("allow")), {"sources": [LAN]}, "lets other addresses reach port 1880"),
        (machine(rule(1870, source=LAN)), {"left_ports": [1870]}, "unknown which addresses may reach port 1880"),
    ],
)
def test_nothing_is_touched_where_it_would_go_wrong(found, arguments, words):
    refusals = plan(found, port=1880, **arguments).refusals
    assert len(refusals) == 1
    assert words in refusals[0]
    assert "run again" in refusals[0] or "manage: false" in refusals[0]


@pytest.mark.parametrize(
    "found",
    [
        machine(rule(22, source=LAN), rule(22, action="deny")),
        machine(Rule("deny", from_address="10.0.0.0/8")),
        machine(rule(1880, action="deny", source="10.0.0.0/8")),
        machine(rule(22, action="deny", interface_in="wlan0")),
        machine(published=[8080], other_firewalls=["nftables"]),
        active(rule(22), problem="iptables cannot."),
    ],
)
def test_what_does_not_hinder_is_no_reason_to_refuse(found):
    assert plan(found, port=1880).refusals == []


def test_trust_in_a_machine_with_every_port_is_not_taken_away():
    found = active(rule(22), Rule("allow", from_address="10.0.0.9"), Rule("allow", interface_in="wg0"))
    decided = plan(found, port=1880, sources=[LAN])
    assert (decided.refusals, decided.delete) == ([], [])


def test_what_goes_past_ufw_is_said():
    notes = plan(machine(rule(22), published=[8080], other_firewalls=["nftables"]), port=1880).notes
    assert "8080" in notes[0]
    assert "ufw does not filter" in notes[0]
    assert "nftables is active besides ufw" in notes[1]


def test_of_very_many_ports_some_are_named():
    notes = plan(machine(rule(22), published=list(range(2000, 9000))), port=1880).notes
    assert "2000, 2001, " in notes[0]
    assert "2019 and 6980 more." in notes[0]


@pytest.mark.parametrize(
    "sources, client, expected",
    [
        ([], CLIENT, "open"),
        ([LAN], CLIENT, "open"),
        (["10.0.0.0/8"], CLIENT, "closed"),
        (["fd00::/8"], CLIENT, "closed"),
        (["10.0.0.0/8"], None, "unknown"),
        ([], None, "open"),
    ],
)
def test_it_is_known_what_the_controller_will_find(sources, client, expected):
    ssh = {"connection": connection(client) if client else None, "ports": [22]}
    assert plan(machine(ssh=ssh), port=1880, sources=sources).controller == expected


def test_an_address_that_somebody_keeps_out_finds_it_closed():
    found = active(rule(22), rule(1880, action="deny", source=CLIENT), ours(1880))
    assert plan(found, port=1880).controller == "closed"


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"sources": ["192.168.1"]}, "nodered_ufw_sources: '192.168.1' is neither"),
        ({"sources": ["::ffff:192.168.1.5"]}, "is an IPv4 address in IPv6 notation. Write 192.168.1.5."),
        ({"sources": ["::ffff:c0a8:100/120"]}, "is an IPv4 address in IPv6 notation. Write 192.168.1.0/24."),
        ({"sources": ["fe80::7%eth0"]}, "names an interface (%eth0), which a rule of ufw cannot do. Write fe80::7."),
        ({"sources": ["fe80::%eth0/64"]}, "Write fe80::/64."),
        ({"sources": [7]}, "nodered_ufw_sources: '7' is neither"),
        ({"sources": LAN}, "must be a list"),
        ({"sources": ["0.0.0.0/0"]}, "is every address"),
        ({"keep": "all"}, "nodered_ufw_keep must be listening or a list"),
        ({"keep": ["1883"]}, "'1883' is not a port with its protocol"),
        ({"keep": ["70000/tcp"]}, "'70000/tcp' is not a port"),
        ({"keep": [{"port": 1883}]}, "is not a port with its protocol"),
    ],
)
def test_with_a_variable_that_cannot_be_understood_nothing_is_touched(arguments, words):
    decided = plan(machine(), port=1880, **arguments)
    (refusal,) = decided.refusals
    assert words in refusal
    assert refusal.endswith("Then run again.")
    assert not decided.changes


def test_what_does_not_come_from_the_machine_is_no_plan():
    with pytest.raises(PlanError, match="does not come from the module"):
        plan(machine(rules="none"), port=1880)


@pytest.mark.parametrize("ports", ["1880:1883", "any", "ssh"])
def test_a_rule_of_ours_that_somebody_has_changed_is_taken_as_it_is(ports):
    found = active(rule(22), rule(1883), ours(1880), ours(ports, "kept"))
    assert not plan(found, port=1880).changes


def test_that_a_router_would_stop_passing_packets_on_is_said():
    (note,) = plan(machine(rule(22), forwards=True), port=1880).notes
    assert "DEFAULT_FORWARD_POLICY" in note
    allowed = {"incoming": "deny", "outgoing": "allow", "routed": "allow"}
    assert plan(machine(rule(22), forwards=True, policies=allowed), port=1880).notes == []


def test_that_the_one_who_came_will_find_the_editor_closed_is_said():
    (note,) = plan(machine(rule(22)), port=1880, sources=["10.9.0.0/16"]).notes
    assert note.startswith(f"{CLIENT}, from which Ansible connects, cannot reach port 1880")
    assert plan(machine(rule(22)), port=1880, sources=[LAN]).notes == []


def test_the_rules_of_another_node_red_on_the_machine_stay():
    other = {"port": 1890, "protocol": "tcp", "process": "node-red", "unit": "second.service"}
    found = active(rule(22), ours(1880), ours(1890), ours(1891, "kept"), listening=[SSHD, NODE_RED, other])
    decided = plan(found, port=1880, other_ports=[1890], keep=[])
    assert deleted(decided) == ["allow from any to any port 1891 proto tcp"]


def test_a_rule_that_the_run_of_another_node_red_made_for_this_one_is_replaced():
    found = active(rule(22), ours(1880), ours(1890, "kept"))
    decided = plan(found, port=1890, other_ports=[1880], sources=[LAN])
    assert added(decided) == [f"allow from {LAN} to any port 1890 proto tcp"]
    assert deleted(decided) == ["allow from any to any port 1890 proto tcp"]


@pytest.mark.parametrize(
    "one, arguments",
    [
        (rule(1880), "allow from any to any port 1880 proto tcp"),
        (rule(1880, protocol="any", log="log-all"), "allow log-all from any to any port 1880"),
        (rule(1880, interface_in="eth0", source=LAN), f"allow in on eth0 from {LAN} to any port 1880 proto tcp"),
        (rule(1880, from_port="99"), "allow from any port 99 to any port 1880 proto tcp"),
        (rule(1880, application="Node RED"), "allow from any to any app Node RED"),
        (rule(1880, from_application="One", from_port="9"), "allow from any app One to any port 1880"),
    ],
)
def test_ufw_is_given_the_words_of_a_rule(one, arguments):
    assert " ".join(one.arguments()) == arguments


def test_the_comment_of_a_rule_is_one_word():
    (one,) = plan(machine(rule(22)), port=1880).add
    assert one.arguments()[-2:] == ["comment", "pifleet.nodered Node-RED"]
