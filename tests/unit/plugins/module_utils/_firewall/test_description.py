# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of the firewall of a machine about which not everything can be told."""

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._firewall import _description, _state
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _systemd
from ansible_collections.pifleet.nodered.plugins.plugin_utils._firewall._firewall_plan import plan


@pytest.fixture
def silent(monkeypatch):
    """A machine with ufw where iptables does not answer."""

    def run(arguments, timeout=60):
        if "iptables" in arguments[0] or "ip6tables" in arguments[0]:
            raise Failure("iptables did not respond within 60 seconds.", "Look what it waits for.")
        return real(arguments, timeout)

    real = _systemd.run
    monkeypatch.setattr(_systemd, "run", run)
    monkeypatch.setattr(_state, "installed", lambda: True)
    monkeypatch.setattr(_state, "connection", lambda: None)
    monkeypatch.setattr(_state, "sockets", list)
    monkeypatch.setattr(_state, "starts_at_boot", lambda: True)
    monkeypatch.setattr(_state, "other_firewalls", list)
    monkeypatch.setattr(_state, "ssh_ports", lambda heard, connection: [22])
    monkeypatch.setattr(_state, "problem", lambda: None)


def test_a_firewall_about_which_nothing_can_be_told_is_not_touched(silent):
    found = _description.describe()
    assert not found["active"]
    assert plan(found, port=1880).refusals == [
        "iptables did not respond within 60 seconds. Look what it waits for. Then run again, or set "
        "nodered_ufw_manage: false."
    ]


def test_the_reason_that_ufw_itself_finds_comes_first(silent, monkeypatch):
    monkeypatch.setattr(_state, "problem", lambda: "The kernel has no modules.")
    assert _description.describe()["problem"] == "The kernel has no modules."
