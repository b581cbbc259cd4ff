# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports that containers publish, in what iptables and nft print; tests/integration/test_firewall.py asks them."""

from __future__ import annotations

import json
import subprocess

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._firewall import _published, _state
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _systemd

# As iptables 1.8.9 prints them.
NAT = """\
-P PREROUTING ACCEPT
-N DOCKER
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
-A DOCKER ! -d 127.0.0.1/32 ! -i docker0 -p tcp -m tcp --dport 8081 -j DNAT --to-destination 172.17.0.2:80
-A DOCKER -d 127.0.0.1/32 ! -i docker0 -p tcp -m tcp --dport 8082 -j DNAT --to-destination 172.17.0.2:80
-A DOCKER_OUTPUT -d 127.0.0.11/32 -p udp -m udp --dport 53 -j DNAT --to-destination 127.0.0.11:50879
-A PREROUTING -p tcp -m multiport --dports 1,3:5 -j DNAT --to-destination 10.0.0.1
-A PREROUTING -p tcp -m tcp ! --dport 22 -j DNAT --to-destination 10.0.0.1
-A PREROUTING -p tcp -m tcp --dport 443 -j REDIRECT --to-ports 1880
-A POSTROUTING -s 172.17.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE
"""
NAT6 = """\
-A DOCKER -d ::1/128 ! -i docker0 -p tcp -m tcp --dport 8443 -j DNAT --to-destination [fd00::2]:80
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8444 -j DNAT --to-destination [fd00::2]:80
"""


def test_ports_are_those_that_lead_on():
    assert _published.ports_of_iptables(NAT) == {8080, 8081, 1, 3, 4, 5}
    assert _published.ports_of_iptables(NAT6) == {8444}


@pytest.mark.parametrize("port", ["0", "65536", "9" * 5000, "5:4", ",", ":", "1:99999"])
def test_what_is_no_port_does_not_count(port):
    assert _published.ports_of_iptables(f"-A A -p tcp --dport {port} -j DNAT --to-destination 10.0.0.1") == set()


def match(field, value, op="=="):
    return {"match": {"op": op, "left": {"payload": {"protocol": "tcp", "field": field}}, "right": value}}


DNAT = {"dnat": {"addr": "192.0.2.2", "port": 80}}
NOT_FROM_INSIDE = {"match": {"op": "!=", "left": {"meta": {"key": "iifname"}}, "right": "bridge1"}}


def nft(*expressions):
    """As nft 1.0.6 prints it, with more around it."""
    rule = {
        "rule": {"family": "ip", "table": "docker-bridges", "chain": "nat-prerouting-and-output", "expr": expressions}
    }
    return json.dumps({"nftables": [{"metainfo": {"version": "1.0.6"}}, {"table": {"name": "docker-bridges"}}, rule]})


@pytest.mark.parametrize(
    "expressions, expected",
    [
        ([NOT_FROM_INSIDE, match("dport", 8080), {"counter": None}, DNAT], {8080}),
        ([match("daddr", "192.168.1.5"), match("dport", 8080), DNAT], {8080}),
        ([match("daddr", "127.0.0.1"), match("dport", 8080), DNAT], set()),
        ([match("daddr", "::1"), match("dport", 8080), DNAT], set()),
        ([match("daddr", {"prefix": {"addr": "127.0.0.0", "len": 8}}), match("dport", 8080), DNAT], set()),
        ([match("dport", {"range": [7000, 7002]}), DNAT], {7000, 7001, 7002}),
        ([match("dport", {"set": [9000, {"range": [9010, 9011]}]}), DNAT], {9000, 9010, 9011}),
        ([match("dport", 22, "!="), DNAT], set()),
        ([match("sport", 22), DNAT], set()),
        ([match("dport", 99), {"redirect": {"port": 1880}}], set()),
        ([match("dport", 80), {"accept": None}], set()),
    ],
)
def test_rules_of_nftables_are_read_like_those_of_iptables(expressions, expected):
    assert _published.ports_of_nft(nft(*expressions)) == expected


@pytest.mark.parametrize(
    "value",
    [None, True, -1, 65536, "80", [80], {"range": 5}, {"range": [1]}, {"range": ["1", "2"]}, {"range": [1, 10**9]}]
    + [{"set": 5}, {"set": [[], {}, None]}, {"prefix": []}, {"map": {"key": 1}}],
)
def test_another_shape_than_expected_is_no_port(value):
    expected = {1} if value is True else set()
    assert _published.ports_of_nft(nft(match("dport", value), DNAT)) == expected
    assert _published.ports_of_nft(nft(match("daddr", value), match("dport", 80), DNAT)) == {80}


@pytest.mark.parametrize(
    "text",
    [
        '{"nftables": 5}',
        '{"nftables": [5, {"rule": 5}, {"rule": {"expr": 5}}, {"rule": {"expr": [5, {"match": 5}]}}]}',
        "{}",
    ],
)
def test_no_rules_have_no_ports(text):
    assert _published.ports_of_nft(text) == set()


@pytest.mark.parametrize("text", ["[]", "5", "no JSON", '{"a":' * 100_000, "[" * 100_000])
def test_what_is_no_list_of_rules_is_an_error(text):
    with pytest.raises(Failure, match="nodered_ufw_manage: false"):
        _published.ports_of_nft(text)


def proxy(address):
    return _state.Socket("tcp", 8000, address, "docker-proxy", None)


def test_every_program_is_asked_and_one_that_is_missing_or_fails_finds_nothing(monkeypatch, tmp_path):
    printed = {"iptables": (0, NAT), "ip6tables": (3, NAT6), "nft": (0, nft(match("dport", 7000), DNAT))}

    def run(arguments, timeout=60):
        code, text = printed[arguments[0].rpartition("/")[2]]
        return subprocess.CompletedProcess(arguments, code, text, "")

    monkeypatch.setattr(_systemd, "run", run)
    monkeypatch.setattr(_systemd, "SYSTEM_PATH", str(tmp_path))
    for name in ("iptables", "ip6tables", "nft"):
        (tmp_path / name).touch(0o755)
    assert _published.ports([proxy("0.0.0.0")]) == [1, 3, 4, 5, 7000, 8000, 8080, 8081]
    (tmp_path / "nft").unlink()
    assert _published.ports([proxy("::1"), proxy("127.0.0.1")]) == [1, 3, 4, 5, 8080, 8081]
