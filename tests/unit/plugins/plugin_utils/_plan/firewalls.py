# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firewalls as `firewall_info` returns them."""

from __future__ import annotations

from typing import Any

CLIENT = "192.168.1.7"
CONNECTION = {"client": CLIENT, "client_port": 50000, "server": "192.168.1.2", "server_port": 22}


def allowed(port: int, comment: str = "pifleet.nodered Node-RED", **different: Any) -> dict[str, Any]:
    empty = ("application", "from_application", "interface_in", "interface_out", "log")
    anything = {"to_address": "any", "from_address": "any", "from_port": "any"}
    basics = {"action": "allow", "direction": "in", "route": False, "protocol": "tcp", "to_port": str(port)}
    return {
        **basics,
        **anything,
        **dict.fromkeys(empty, ""),
        "comment": comment,
        "ipv4": True,
        "ipv6": True,
        **different,
    }


def firewall(*rules: dict[str, Any], **different: Any) -> dict[str, Any]:
    """An active firewall that starts at boot, with a rule for SSH."""
    return {
        "installed": True,
        "active": True,
        "enabled": True,
        "starts_at_boot": True,
        "policies": {"incoming": "deny", "outgoing": "allow", "routed": "deny"},
        "ipv6": True,
        "rules": [allowed(22, "pifleet.nodered SSH"), *rules],
        "let_in_by_default": [],
        "checksum": "abc",
        "unconfirmed": False,
        "owner": "",
        "forwards": False,
        "problem": None,
        "other_firewalls": [],
        "ssh": {"connection": CONNECTION, "ports": [22]},
        "listening": [],
        "published": [],
        **different,
    }
