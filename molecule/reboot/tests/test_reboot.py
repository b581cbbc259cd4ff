# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After a reboot everything is in force that was before it, as seen from the controller."""

from __future__ import annotations

import base64
import socket

import pytest

PORT, OLD_PORT = 1884, 1880


@pytest.fixture
def certificate(host):
    """What Node-RED showed before the reboot."""
    return host.file("/root/certificate.pem").content_string


def basic(password):
    return "Basic " + base64.b64encode(f"nodered:{password}".encode()).decode()


def test_the_machine_was_rebooted(host):
    assert host.file("/root/token").exists
    assert not host.file("/run/before-the-reboot").exists


def test_only_the_new_port_answers(ask, address):
    assert ask("/auth/login")[0] == 200
    with pytest.raises(OSError):
        socket.create_connection((address, OLD_PORT), timeout=3)


def test_the_firewall_drops_what_nobody_wants(host, address):
    assert host.check_output("ufw status").startswith("Status: active")
    # A port on which nobody listens refuses, unless a firewall says nothing at all.
    with pytest.raises(TimeoutError):
        socket.create_connection((address, 4444), timeout=3)


def test_nothing_is_served_in_the_clear(answers_in_the_clear):
    assert not answers_in_the_clear


def test_the_editor_wants_the_login(ask, log_in, passwords):
    assert ask("/flows")[0] == 401
    assert log_in(passwords["editor"][::-1]) is None
    token = log_in(passwords["editor"])
    assert ask("/flows", Authorization=f"Bearer {token}")[0] == 200


def test_whoever_was_logged_in_still_is(host, ask):
    token = host.file("/root/token").content_string
    assert ask("/flows", Authorization=f"Bearer {token}")[0] == 200


@pytest.mark.parametrize("path", ["/hello", "/ui/", "/dashboard/home"])
def test_pages_want_their_password(ask, passwords, path):
    assert ask(path)[0] == 401
    assert ask(path, Authorization=basic(passwords["pages"][::-1]))[0] == 401
    assert ask(path, Authorization=basic(passwords["pages"]))[0] == 200


def test_the_service_runs_in_its_sandbox(host):
    pid = host.check_output("systemctl show -P MainPID nodered")
    status = host.file(f"/proc/{pid}/status").content_string
    assert "NoNewPrivs:\t1" in status
    assert "Umask:\t0077" in status


def test_the_files_are_closed_to_others(host):
    assert host.file("/home/pi/.node-red/settings.js").mode == 0o600
    assert host.file("/home/pi/.node-red/.sessions.json").mode == 0o600
