# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Under which addresses a machine is reached for longer."""

from __future__ import annotations

import json
import types

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _description
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _systemd


@pytest.fixture
def links(monkeypatch):
    def say(*found):
        text = json.dumps([{"ifname": name, "addr_info": list(addresses)} for name, addresses in found])
        monkeypatch.setattr(_systemd, "run", lambda *_arguments: types.SimpleNamespace(stdout=text))

    return say


def test_addresses_of_every_interface_are_found(links):
    links(("eth0", [{"local": "192.0.2.7"}, {"local": "2001:DB8::7"}]), ("wlan0", [{"local": "198.51.100.7"}]))
    assert _description.addresses() == ["192.0.2.7", "198.51.100.7", "2001:db8::7"]


def test_an_address_that_changes_every_day_would_renew_the_certificate_every_day(links):
    links(("eth0", [{"local": "2001:db8::8", "temporary": True}, {"local": "2001:db8::9", "deprecated": True}]))
    assert _description.addresses() == []


def test_bridges_of_containers_lead_nobody_here(links):
    links(("docker0", [{"local": "172.17.0.1"}]), ("br-0a1b2c", [{"local": "172.18.0.1"}]))
    assert _description.addresses() == []


def test_a_machine_without_ip_has_none_that_are_known(monkeypatch):
    def missing(*_arguments):
        raise Failure("ip is not installed on this machine.")

    monkeypatch.setattr(_systemd, "run", missing)
    assert _description.addresses() == []
