# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After a reboot: what the controller and a stranger on another network reach, over IPv4 and IPv6."""

from __future__ import annotations

import socket

import pytest

PORT, OLD_PORT, SSH, NEIGHBOUR, LATECOMER = 1885, 1880, 22, 8123, 8124
# A network of its own on the machine, with somebody in it who is no loopback to the firewall.
STRANGER = """
ip netns list | grep -q stranger && exit 0
ip netns add stranger
ip link add to-stranger type veth peer name to-pi netns stranger
ip address add 10.99.0.1/24 dev to-stranger
ip -6 address add fd99::1/64 dev to-stranger nodad
ip link set to-stranger up
ip -n stranger address add 10.99.0.2/24 dev to-pi
ip -n stranger -6 address add fd99::2/64 dev to-pi nodad
ip -n stranger link set to-pi up
"""


@pytest.fixture(scope="module")
def stranger(host):
    """Whether a stranger gets an answer from this address and port, be it that nobody listens there."""
    host.check_output(STRANGER)

    def hears_from(address, port):
        program = f"import socket; socket.create_connection(('{address}', {port}), timeout=2)"
        tried = host.run(f'ip netns exec stranger python3 -c "{program}"')
        assert tried.rc == 0 or "timed out" in tried.stderr or "refused" in tried.stderr, tried.stderr
        return tried.rc == 0 or "refused" in tried.stderr

    return hears_from


def answers(address, port):
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("port", [PORT, SSH, NEIGHBOUR])
def test_what_is_used_is_reachable(address, stranger, port):
    assert answers(address, port)
    assert stranger("10.99.0.1", port)
    # Node-RED itself listens on IPv4 only, unless uiHost says otherwise; the firewall is open for both.
    assert stranger("fd99::1", port)


@pytest.mark.parametrize("port", [OLD_PORT, LATECOMER])
def test_what_is_not_used_is_closed(address, stranger, port):
    assert not answers(address, port)
    assert not stranger("10.99.0.1", port)
    assert not stranger("fd99::1", port)


def test_the_latecomer_listens(host):
    assert host.socket(f"tcp://:::{LATECOMER}").is_listening


def test_only_our_rules_are_left(host):
    rules = host.check_output("ufw show added").splitlines()[1:]
    assert sorted(rules) == [
        "ufw allow 1885/tcp comment 'pifleet.nodered Node-RED'",
        "ufw allow 22/tcp comment 'pifleet.nodered SSH'",
        "ufw allow 8123/tcp comment 'pifleet.nodered kept'",
    ]


def test_nothing_waits_for_a_confirmation(host):
    assert host.run("systemctl list-unit-files 'pifleet-firewall*' --no-legend").stdout == ""
    assert host.file("/var/lib/pifleet.nodered/firewall").mode == 0o700
    assert host.run("ls -A /var/lib/pifleet.nodered/firewall").stdout == ""
