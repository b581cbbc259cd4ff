# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seen from the machine itself: who gets what, with the password that lies on the controller and without."""

from __future__ import annotations

import re

import pytest

BASE = "http://127.0.0.1:1880"
SETTINGS = "/home/pi/.node-red/settings.js"
SCRIPT = "/home/pi/.node-red/pifleet-http-auth.js"
BUTTONS = {
    "ui": ("presses", '42["update-value",{"id":"d1d1","value":""}]'),
    "dashboard": ("presses2", '42["widget-action","e1d1",{"payload":""}]'),
}


@pytest.fixture
def password(passwords):
    return passwords["pages"]


def status(host, path, options=""):
    return int(host.check_output(f"curl -s -o /dev/null -w '%{{http_code}}' {options} {BASE}{path}"))


def presses(host, password, counter):
    return int(re.search(rf'"{counter}":(\d+)', host.check_output(f"curl -s -u house:{password} {BASE}/counts"))[1])


def press(host, dashboard, options=""):
    """All that a client does, whatever the server says: the answer to the packet that connects."""
    url = f"'{BASE}/{dashboard}/socket.io/?EIO=4&transport=polling"
    session = re.search(r'"sid":"([\w-]+)"', host.check_output(f"curl -s {options} {url}'"))[1]
    send = f"curl -s {options} -H 'Content-Type: text/plain' --data"
    host.check_output(f"{send} 40 {url}&sid={session}'")
    answer = host.check_output(f"curl -s {options} {url}&sid={session}'")
    host.check_output(f"{send} '{BUTTONS[dashboard][1]}' {url}&sid={session}'")
    return answer


@pytest.mark.parametrize(
    "path, served", [("/hello", 200), ("/ui/", 200), ("/dashboard/home", 200), ("/static.txt", 200), ("/none", 404)]
)
def test_a_page_wants_the_password(host, password, path, served):
    assert status(host, path) == 401
    assert status(host, path, "-u house:wrong") == 401
    assert status(host, path, f"-u house:{password}") == served


@pytest.mark.parametrize("dashboard", BUTTONS)
def test_a_button_wants_the_password(host, password, dashboard):
    counter = BUTTONS[dashboard][0]
    before = presses(host, password, counter)
    assert press(host, dashboard).startswith("44")
    assert press(host, dashboard, "-u house:wrong").startswith("44")
    assert presses(host, password, counter) == before
    assert press(host, dashboard, f"-u house:{password}").startswith("40")
    assert presses(host, password, counter) == before + 1


def test_a_websocket_wants_the_password(host, password):
    upgrade = (
        "--max-time 2 -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' "
        "-H 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='"
    )
    assert status(host, "/ws/in", upgrade) == 401
    opened = host.run(f"curl -s -o /dev/null -w '%{{http_code}}' -u house:{password} {upgrade} {BASE}/ws/in")
    assert opened.stdout == "101"


def test_the_settings_hold_hashes_and_no_password(host, password):
    text = host.file(SETTINGS).content_string
    assert len(re.findall(r'pass: "\$2b\$08\$[./A-Za-z0-9]{53}"', text)) == 2
    assert password not in text


def test_the_file_beside_the_settings_is_readable_by_whoever_may_read_those(host):
    script, settings = host.file(SCRIPT), host.file(SETTINGS)
    assert (script.user, script.group, script.mode) == (settings.user, settings.group, settings.mode)
