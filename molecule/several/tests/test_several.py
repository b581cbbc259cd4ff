# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After a reboot, for both names of the machine, beside what is in force on every machine."""

from __future__ import annotations

PORTS = {"22", "1887", "1890"}


def test_there_is_one_rule_for_each_node_red_and_one_for_ssh(host):
    rules = host.check_output("ufw show added").splitlines()[1:]
    assert {rule.split()[2].removesuffix("/tcp") for rule in rules} == PORTS
    assert len(rules) == len(PORTS)


def test_each_has_files_of_its_own(host):
    for service in ("nodered", "node-red-b"):
        assert host.file(f"/etc/nodered-tls/{service}/current/certificate.pem").exists
        assert host.file(f"/etc/systemd/system/{service}.service.d/60-pifleet-hardening.conf").exists
    assert "pifleet-sessions.js" in host.file("/home/pi/b/settings.js").content_string
    assert "pifleet-sessions.js" not in host.file("/home/pi/.node-red/settings.js").content_string


def test_nothing_waits_for_a_restart_or_a_confirmation(host):
    assert host.run("systemctl list-unit-files 'pifleet-*' --no-legend").stdout == ""
