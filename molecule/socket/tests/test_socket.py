# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where systemd holds the port, it has moved for good, and Node-RED serves through it."""

from __future__ import annotations

import time

PORT, OLD_PORT = 1885, 1880
SETTINGS = "/var/lib/node-red/.node-red/settings.js"


def listeners(host, port):
    """Address and process names of what listens on the port, as ss has it."""
    return [line.split(maxsplit=5)[3:] for line in host.check_output(f"ss -Hltnp sport = :{port}").splitlines()]


def test_systemd_listens_on_the_new_port_and_node_red_takes_it(host):
    ((address, _peer, processes),) = listeners(host, PORT)
    # The address is still the one that somebody had chosen.
    assert address == f"0.0.0.0:{PORT}"
    assert '"systemd",pid=1,' in processes
    assert f"pid={host.check_output('systemctl show -P MainPID nodered')}," in processes


def test_nothing_listens_on_the_old_port(host):
    assert listeners(host, OLD_PORT) == []


def test_in_the_settings_only_the_number_has_changed_that_counts_without_the_socket(host):
    settings = host.file(SETTINGS).content_string
    assert "var port = process.env.LISTEN_PID > 0 ? 'systemd' : 1885;" in settings
    assert "    uiPort: process.env.PORT || port," in settings


def test_a_service_that_was_stopped_and_started_by_hand_keeps_the_port(host, ask):
    host.check_output("systemctl stop nodered && systemctl start nodered")
    end = time.monotonic() + 30
    while not listeners(host, PORT) and time.monotonic() < end:
        time.sleep(0.5)
    assert ask("/flows")[0] == 401
    assert host.check_output("systemctl is-active nodered.socket; true") == "inactive"
    assert listeners(host, OLD_PORT) == []
