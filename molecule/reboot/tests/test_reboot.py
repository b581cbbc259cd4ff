# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After a reboot, beside what is in force on every machine: dashboards, the sandbox, and who may read which file."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("path", ["/ui/", "/dashboard/home"])
def test_dashboards_want_the_password_of_pages(ask, basic, passwords, path):
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
