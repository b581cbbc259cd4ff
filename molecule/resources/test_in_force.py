# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After a reboot everything is in force that was before it, as seen from the controller.

Part of every scenario whose side effect is reboot.yml, which has noted what was there before.
"""

from __future__ import annotations

import json
import socket

import pytest

OLD_PORT = 1880


@pytest.fixture
def before(host, inventory_folder):
    """What Node-RED showed before the reboot: the token of a login, and its certificate."""
    return json.loads((inventory_folder / ".before-the-reboot" / host.backend.host).read_text())


@pytest.fixture
def certificate(before):
    return before["certificate"]


def test_the_machine_was_rebooted(host):
    assert not host.file("/run/before-the-reboot").exists


def test_only_the_new_port_answers(ask, address):
    assert ask("/auth/login")[0] == 200
    with pytest.raises(OSError):
        socket.create_connection((address, OLD_PORT), timeout=3)


def test_nothing_is_served_in_the_clear(answers_in_the_clear):
    assert not answers_in_the_clear


def test_the_editor_wants_the_login(ask, log_in, passwords):
    assert ask("/flows")[0] == 401
    assert log_in(passwords["editor"][::-1]) is None
    token = log_in(passwords["editor"])
    assert ask("/flows", Authorization=f"Bearer {token}")[0] == 200


def test_pages_want_their_password(ask, basic, passwords):
    assert ask("/hello")[0] == 401
    assert ask("/hello", Authorization=basic(passwords["pages"][::-1]))[0] == 401
    assert ask("/hello", Authorization=basic(passwords["pages"]))[0] == 200


def test_who_was_logged_in_still_is_unless_sessions_are_in_memory(ask, before, variables):
    on_disk = variables["nodered_sessions_store"] == "disk"
    assert ask("/flows", Authorization=f"Bearer {before['token']}")[0] == (200 if on_disk else 401)


def test_the_firewall_drops_what_nobody_wants(host, address):
    assert host.check_output("ufw status").startswith("Status: active")
    # A port on which nobody listens refuses, unless a firewall says nothing at all.
    with pytest.raises(TimeoutError):
        socket.create_connection((address, 4444), timeout=3)
