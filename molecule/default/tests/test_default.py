# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seen from the machine itself: what the default run left behind."""

from __future__ import annotations

import json
import re

import pytest

SETTINGS = "/home/pi/.node-red/settings.js"
# The certificate vouches for itself.
CURL = "curl -s --cacert /etc/nodered-tls/nodered/current/certificate.pem"
URL = "https://127.0.0.1:1880"


@pytest.fixture
def password(passwords):
    return passwords["editor"]


def token_request(host, password):
    form = f"client_id=node-red-editor&grant_type=password&scope=*&username=admin&password={password}"
    return json.loads(host.check_output(f"{CURL} --data '{form}' {URL}/auth/token"))


def test_node_red_serves(host):
    assert host.service("nodered").is_running
    assert host.socket("tcp://0.0.0.0:1880").is_listening


def test_the_firewall_lets_in_what_is_used_and_nothing_else(host):
    status = host.check_output("ufw status verbose")
    assert "Status: active" in status
    assert "deny (incoming)" in status
    assert sorted(re.findall(r"^(\S+) +ALLOW IN +Anywhere  ", status, re.MULTILINE)) == ["1880/tcp", "22/tcp"]


def test_nobody_reads_the_flows_without_a_login(host):
    headers = host.check_output(f"{CURL} -D - -o /dev/null {URL}/flows")
    assert headers.startswith("HTTP/1.1 401")
    assert 'Bearer realm="Users"' in headers


def test_the_password_on_the_controller_logs_in(host, password):
    answer = token_request(host, password)
    assert answer["token_type"] == "Bearer"
    host.check_output(
        f"{CURL} --data token=%s -H 'Authorization: Bearer %s' {URL}/auth/revoke",
        answer["access_token"],
        answer["access_token"],
    )


def test_another_password_does_not_log_in(host, password):
    assert "access_token" not in token_request(host, password[::-1])


def test_the_settings_file_keeps_its_owner_and_is_closed_to_others(host):
    settings = host.file(SETTINGS)
    assert (settings.user, settings.group, settings.mode) == ("pi", "pi", 0o600)


def test_the_settings_file_holds_a_hash_and_no_password(host, password):
    text = host.file(SETTINGS).content_string
    assert re.search(r'password: "\$2b\$08\$[./A-Za-z0-9]{53}"', text)
    assert password not in text


def test_the_first_change_left_a_restore_point_for_root_and_no_copy_beside_the_settings_file(host):
    point = "/var/lib/pifleet.nodered/restore-points/nodered/1"
    assert host.check_output("stat -c '%U %a' " + point) == "root 700"
    assert "adminAuth" in host.file(point + "/point.json").content_string
    assert host.run("ls %s.*", SETTINGS).rc != 0
