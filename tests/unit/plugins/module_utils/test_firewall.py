# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of ufw and of the machine."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils import _firewall, _processes, _systemd
from ansible_collections.pifleet.nodered.plugins.module_utils._failure import Failure

# As ufw 0.36.2 writes them.
USER_RULES = """\
*filter
### RULES ###

### tuple ### limit tcp 22 0.0.0.0/0 any 0.0.0.0/0 in comment=6d696e65
-A ufw-user-input -p tcp --dport 22 -j ufw-user-limit-accept

### tuple ### allow tcp 1880 0.0.0.0/0 any 10.0.0.0/8 in
### tuple ### allow any 80 0.0.0.0/0 any 0.0.0.0/0 in_eth0
### tuple ### allow_log tcp 80,443 0.0.0.0/0 any 0.0.0.0/0 WWW%20Full - in
### tuple ### route:allow any any 0.0.0.0/0 any 0.0.0.0/0 in_eth0!out_eth1
### tuple ### deny any 25 0.0.0.0/0 any 0.0.0.0/0 out
### tuple ### what no release of ufw writes
### END RULES ###
"""
USER6_RULES = """\
### tuple ### limit tcp 22 ::/0 any ::/0 in comment=6d696e65
### tuple ### allow tcp 99 ::/0 any fd00::/8 in
"""
# Of Debian 12.
BEFORE_RULES = """\
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -p udp --sport 67 --dport 68 -j ACCEPT
-A ufw-before-input -p udp -d 224.0.0.251 --dport 5353 -j ACCEPT
#-A ufw-before-input -p udp -d 239.255.255.250 --dport 1900 -j ACCEPT
"""


@pytest.fixture
def ufw(tmp_path, monkeypatch):
    monkeypatch.setattr(_firewall, "FOLDER", str(tmp_path))
    monkeypatch.setattr(_firewall, "DEFAULTS", str(tmp_path / "default"))
    (tmp_path / "user.rules").write_text(USER_RULES)
    (tmp_path / "user6.rules").write_text(USER6_RULES)
    (tmp_path / "before.rules").write_text(BEFORE_RULES)
    (tmp_path / "ufw.conf").write_text("# a comment\nENABLED=yes\nLOGLEVEL=low\n")
    (tmp_path / "default").write_text('IPV6=yes\nDEFAULT_INPUT_POLICY="DROP"\nDEFAULT_OUTPUT_POLICY="ACCEPT"\n')
    return tmp_path


def test_a_rule_for_both_kinds_of_addresses_is_one_rule(ufw):
    first, *_others, last = _firewall.rules()
    assert (first.action, first.protocol, first.to_port, first.from_address) == ("limit", "tcp", "22", "any")
    assert (first.comment, first.ipv4, first.ipv6) == ("mine", True, True)
    assert (last.from_address, last.ipv4, last.ipv6) == ("fd00::/8", False, True)


def test_everything_that_a_rule_says_is_read(ufw):
    _ssh, network, interface, application, route, out = _firewall.rules()[:6]
    assert (network.from_address, network.to_port, network.ipv6) == ("10.0.0.0/8", "1880", False)
    assert (interface.interface_in, interface.direction, interface.protocol) == ("eth0", "in", "any")
    assert (application.application, application.to_port, application.log) == ("WWW Full", "80,443", "log")
    assert (route.route, route.interface_in, route.interface_out) == (True, "eth0", "eth1")
    assert (out.action, out.direction) == ("deny", "out")


@pytest.mark.parametrize(("code", "expected"), [(0, True), (1, False)])
def test_ufw_is_active_where_its_chains_are_there(monkeypatch, code, expected):
    monkeypatch.setattr(
        _systemd, "run", lambda arguments, timeout=60: subprocess.CompletedProcess(arguments, code, "", "")
    )
    assert _firewall.active() is expected


def test_what_iptables_cannot_tell_does_not_count_as_inactive(monkeypatch):
    answer = subprocess.CompletedProcess([], 3, "", "can't initialize iptables table `filter'\n")
    monkeypatch.setattr(_systemd, "run", lambda arguments, timeout=60: answer)
    with pytest.raises(Failure, match="whether ufw is active: can't initialize"):
        _firewall.active()


def test_settings_and_policies_are_read(ufw):
    settings = _firewall.settings()
    assert (settings["ENABLED"], settings["IPV6"]) == ("yes", "yes")
    assert _firewall.policies(settings) == {"incoming": "deny", "outgoing": "allow", "routed": "deny"}


def test_the_checksum_changes_with_what_ufw_writes_and_with_nothing_else(ufw):
    before = _firewall.checksum()
    (ufw / "before.rules").write_text("")
    assert _firewall.checksum() == before
    (ufw / "ufw.conf").write_text("ENABLED=no\n")
    assert _firewall.checksum() != before


def test_what_before_rules_lets_in_needs_no_rule(ufw):
    assert _firewall.let_in_by_default() == [68, 5353]


def test_ports_of_containers_are_those_that_lead_on():
    nat = (
        "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n"
        "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80\n"
        "-A DOCKER_OUTPUT -d 127.0.0.11/32 -p udp -m udp --dport 53 -j DNAT --to-destination 127.0.0.11:50879\n"
    )
    assert _firewall.forwarded_ports(nat) == {8080}


def socket(port, protocol="tcp", address="0.0.0.0", process="a", unit=None):
    return _firewall.Socket(protocol, port, address, process, unit)


def test_loopback_docker_and_sockets_of_clients_are_not_what_others_reach():
    heard = [
        socket(1883, process="mosquitto", unit="mosquitto.service"),
        socket(1883, address="::"),
        socket(631, address="127.0.0.1"),
        socket(8080, process="docker-proxy"),
        socket(40000, "udp", process="avahi-daemon"),
        socket(51820, "udp", process=None),
        socket(5353, "udp"),
    ]
    found = [(one["port"], one["protocol"]) for one in _firewall.listening(heard)]
    assert found == [(1883, "tcp"), (5353, "udp"), (51820, "udp")]
    assert _firewall.listening(heard)[0]["unit"] == "mosquitto.service"
    assert _firewall.published_ports(heard) == [8080]


def test_every_port_of_an_ssh_server_counts_and_the_one_in_use():
    connection = _firewall.parse_connection("192.0.2.9 50000 192.0.2.1 2222")
    assert _firewall.ssh_ports([socket(22, process="sshd"), socket(80)], connection) == [22, 2222]


def test_every_port_that_systemd_holds_for_an_ssh_server_counts(monkeypatch):
    shown = "Listen=[::]:22 (Stream)\nListen=[::]:2222 (Stream)\nActiveState=active\n"
    monkeypatch.setattr(_systemd, "run", lambda arguments: subprocess.CompletedProcess(arguments, 0, shown, ""))
    connection = _firewall.parse_connection("192.0.2.9 50000 192.0.2.1 22")
    held = [socket(22, process="systemd"), socket(2222, process="systemd")]
    assert _firewall.ssh_ports(held, connection) == [22, 2222]


def test_a_connection_is_read_as_sshd_writes_it():
    connection = _firewall.parse_connection("fe80::1%eth0 50000 ::ffff:192.0.2.1 22")
    assert (connection.client, connection.client_port) == ("fe80::1", 50000)
    assert (connection.server, connection.server_port) == ("192.0.2.1", 22)
    with pytest.raises(Failure, match="two addresses"):
        _firewall.parse_connection("192.0.2.9")


@pytest.fixture
def ancestors(monkeypatch):
    """Processes above this one, as (name, environment), the nearest first."""

    def pretend(*chain):
        found = {
            100 + number: _processes.Process(
                100 + number, 101 + number if number + 1 < len(chain) else 1, 0, name, (), 0
            )
            for number, (name, _environment) in enumerate(chain)
        }
        monkeypatch.setattr(_firewall.os, "getppid", lambda: 100)
        monkeypatch.setattr(_processes, "process", found.get)
        monkeypatch.setattr(_processes, "environment", lambda pid: chain[pid - 100][1])

    return pretend


def test_sudo_does_not_hide_the_connection(ancestors):
    ancestors(("sh", {}), ("sudo", {}), ("sh", {"SSH_CONNECTION": "192.0.2.9 5 192.0.2.1 22"}), ("sshd", {}))
    connection = _firewall.connection()
    assert connection is not None
    assert connection.client_port == 5


def test_without_ssh_there_is_no_connection(ancestors):
    ancestors(("sh", {}), ("containerd-shim", {}))
    assert _firewall.connection() is None


@pytest.mark.parametrize("server", ["sshd", "sshd-session", "dropbear"])
def test_a_connection_that_cannot_be_read_is_no_absent_one(ancestors, server):
    ancestors(("sh", {}), (server, {}))
    with pytest.raises(Failure, match="cannot be told over which SSH connection"):
        _firewall.connection()


def test_a_kernel_that_cannot_filter_is_told_with_its_reason(monkeypatch):
    answer = (
        "TCP: pass\nctstate (new, recent set): FAIL (no runtime support)\n"
        "error was: iptables: No chain/target/match by that name.\n== System ==\n"
    )
    text = _firewall.requirements_problem(answer, "6.1.21-v8+", has_modules=True)
    assert text is not None
    assert "ctstate (new, recent set)" in text
    assert "No chain/target/match" in text
    assert "6.1.21-v8+ has no modules" in text
    assert "Reboot" in text
    # A container has no folder of modules and needs none.
    assert "Reboot" not in str(_firewall.requirements_problem(answer, "6.1.21-v8+", has_modules=False))
    assert _firewall.requirements_problem("TCP: pass\nAll tests passed\n", "6.1", has_modules=False) is None


@pytest.mark.parametrize(
    "switch, policy, expected", [("1", "ACCEPT", True), ("0", "ACCEPT", False), ("1", "DROP", False)]
)
def test_a_machine_forwards_where_the_kernel_does_and_no_chain_stops_it(monkeypatch, switch, policy, expected):
    monkeypatch.setattr(_firewall, "_text", lambda path: switch + "\n")
    monkeypatch.setattr(_firewall, "chain_policies", lambda: f"iptables -P FORWARD {policy}\n")
    assert _firewall.forwards() is expected
