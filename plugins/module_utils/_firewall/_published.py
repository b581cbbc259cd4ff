# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: the ports by which containers are reached, since ufw does not filter these.

Docker and Podman change the destination of such packets before ufw sees them: with iptables for IPv4, ip6tables for
IPv6, or rules of nftables for both (Docker 29: the tables `ip docker-bridges` and `ip6 docker-bridges`; Podman 5: `inet
netavark`). Ports that only this machine itself reaches do not count.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import re
import shutil
from typing import Any, List, Sequence, Set

from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._core._parts import list_part, part
from ansible_collections.pifleet.nodered.plugins.module_utils._firewall._state import Socket
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _systemd

HIGHEST_PORT = 65535
_REMEDY = "It is unknown which ports containers publish. Set nodered_ufw_manage: false, and manage ufw yourself."
_LOOPBACK = re.compile(r"(?<! !) -d (?:127\.|::1/)")
_PORTS = re.compile(r"(?<! !) --dports? ([0-9:,]+) ")


def ports(heard: Sequence[Socket]) -> List[int]:
    """The ports for which there is a rule or a proxy. Raises Failure where nft does not respond."""
    found = {
        socket.port
        for socket in heard
        if socket.process == "docker-proxy" and not ipaddress.ip_address(socket.address).is_loopback
    }
    for program in ("iptables", "ip6tables"):
        found |= ports_of_iptables(_rules_of_nat(program))
    return sorted(found | ports_of_nft(_printed("nft", "--json", "--terse", "list", "ruleset")))


def _rules_of_nat(program: str) -> str:
    # One that does not respond is reported where it is asked whether ufw is active.
    with contextlib.suppress(Failure):
        return _printed(program, "-w", "-t", "nat", "-S")
    return ""


def _printed(program: str, *arguments: str) -> str:
    """What the program prints; empty where it is not installed, or the kernel has nothing that it could list."""
    path = shutil.which(program, path=_systemd.SYSTEM_PATH)
    answer = _systemd.run([path, *arguments]) if path else None
    return answer.stdout if answer and answer.returncode == 0 else ""


def ports_of_iptables(rules: str) -> Set[int]:
    """The ports in what `iptables -t nat -S` prints that lead on."""
    lines = (line for line in rules.splitlines() if " -j DNAT" in line and not _LOOPBACK.search(line))
    matches = (_PORTS.search(line) for line in lines)
    return {port for match in matches if match for part in match.group(1).split(",") for port in _range(part)}


def _range(text: str) -> Sequence[int]:
    first, _colon, last = text.partition(":")
    return _between(_number(first), _number(last or first))


def _number(digits: str) -> int:
    return int(digits) if 0 < len(digits) <= len(str(HIGHEST_PORT)) else 0


def _between(first: Any, last: Any) -> Sequence[int]:
    """The ports of a range; none where these are no ports."""
    valid = isinstance(first, int) and isinstance(last, int) and 0 < first <= last <= HIGHEST_PORT
    return range(first, last + 1) if valid else ()


def ports_of_nft(ruleset: str) -> Set[int]:
    """The ports in what `nft --json list ruleset` prints that lead on (libnftables-json(5))."""
    if not ruleset:
        return set()
    try:
        found = json.loads(ruleset)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Failure("nft lists its rules in a form that is not understood.", _REMEDY)
    rules = [list_part(entry, "rule", "expr") for entry in list_part(found, "nftables")]
    return {port for rule in rules for port in _ports_of_rule(rule)}


def _ports_of_rule(expressions: List[Any]) -> Set[int]:
    if not any(isinstance(expression, dict) and "dnat" in expression for expression in expressions):
        return set()
    matches = [part(one, "match") for one in expressions if part(one, "match", "op") == "=="]
    if any(_is_loopback(address) for address in _compared(matches, "daddr")):
        return set()
    return {port for value in _compared(matches, "dport") for port in _ports_of_value(value)}


def _compared(matches: List[Any], field: str) -> List[Any]:
    """What this field of a packet's header is compared with."""
    return [part(match, "right") for match in matches if part(match, "left", "payload", "field") == field]


def _ports_of_value(value: Any) -> Set[int]:
    """Of `80`, `{"range": [80, 90]}` and `{"set": [80, {"range": [443, 450]}]}`."""
    members = [value] + list_part(value, "set")
    ranges = [list_part(member, "range") or [member, member] for member in members]
    return {port for limits in ranges if len(limits) == 2 for port in _between(*limits)}


def _is_loopback(value: Any) -> bool:
    """Of `"127.0.0.1"` and `{"prefix": {"addr": "127.0.0.0", "len": 8}}`."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(part(value, "prefix", "addr") or value).is_loopback
    return False
