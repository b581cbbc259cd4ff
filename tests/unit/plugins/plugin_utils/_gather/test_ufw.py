# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host is asked for the plan of the firewall."""

from __future__ import annotations

import dataclasses
import types

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.pifleet.nodered.plugins.plugin_utils._gather import ufw
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import found


class Host:
    host = "pi1"

    def __init__(self, answer, transport="ssh"):
        self.answer = answer
        self.asked = []
        self._connection = types.SimpleNamespace(transport=transport)

    def counted_module(self, _step, name):
        self.asked.append(name)
        return self.answer


@pytest.mark.parametrize(
    "transport, remote",
    [
        ("ssh", True),
        ("ansible.builtin.ssh", True),
        ("ansible.netcommon.libssh", True),
        ("local", False),
        ("docker", False),
    ],
)
def test_the_firewall_and_the_kind_of_the_connection_are_read(transport, remote):
    host = Host({"firewall": {"installed": True}}, transport)
    assert ufw.gather(host, found(), {}) == {"firewall": {"installed": True}, "remote": remote}
    assert host.asked == ["firewall_info"]


def test_what_discovery_has_read_is_not_read_again():
    host = Host({})
    read = dataclasses.replace(found(), firewall={"installed": False})
    assert ufw.gather(host, read, {}) == {"firewall": {"installed": False}, "remote": True}
    assert host.asked == []


@pytest.mark.parametrize("value", [False, "no", "perhaps"])
def test_a_firewall_that_is_not_managed_is_not_read(value):
    host = Host({})
    assert ufw.gather(host, found(), {"nodered_ufw_manage": value}) == {}
    assert host.asked == []


def test_a_firewall_that_cannot_be_read_is_an_error_with_its_host():
    with pytest.raises(AnsibleActionFail, match=r"^pi1: The firewall could not be read\. No SSH connection\.$"):
        ufw.gather(Host({"failed": True, "msg": "No SSH connection."}), found(), {})
