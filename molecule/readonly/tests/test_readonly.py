# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On a machine whose root was read-only since its last boot, after 60 logins and 10 restarts."""

from __future__ import annotations

import json
import re

import pytest

USER_DIR = "/home/pi/.node-red"


@pytest.fixture
def used(host):
    return json.loads(host.file("/run/used.json").content_string)


def test_the_root_was_read_only_from_the_boot_on(host):
    assert host.file("/run/root-after-the-reboot").content_string.split(",")[0] == "ro"
    assert "Read-only file system" in host.run(f"touch {USER_DIR}/x").stderr


def test_the_firewall_closed_everything_else_and_left_nothing_behind(host):
    assert "Status: active" in host.check_output("ufw status")
    assert host.check_output("ls -A /var/lib/pifleet.nodered/firewall") == ""
    assert not host.file("/run/pifleet.nodered/.remount.held").exists


def test_the_folder_in_memory_was_there_again_before_anybody_logged_in(host):
    assert host.file("/run/folder-after-the-reboot").content_string.split() == ["pi", "700"]


def test_no_login_and_no_restart_ended_node_red(host, used):
    assert used["same_process"]
    assert used["crashes"] == 0
    journal = host.check_output("journalctl --no-pager -u nodered")
    assert not re.search(r"Uncaught|EROFS|read-only file system|code=exited|code=dumped", journal, re.IGNORECASE)


def test_every_session_is_good_until_its_end(used):
    assert used["tokens"] == 60
    assert used["kept"] == 60
    assert used["answers"] == [200] * 60


def test_nothing_was_written_to_the_user_directory(used):
    # The other watch shows that watching works.
    assert used["changed"] == ["/run/nodered"]


def test_the_sessions_are_for_node_reds_user_alone(host):
    folder = host.file("/run/nodered")
    assert (folder.user, folder.mode) == ("pi", 0o700)
    names = host.check_output("ls -A /run/nodered").split()
    # Up to 1.1.3 Node-RED itself writes where a link leads.
    assert names in (["sessions.json"], [".sessions.json"])
    sessions = host.file(f"/run/nodered/{names[0]}")
    assert (sessions.user, sessions.mode) == ("pi", 0o600)


def test_the_link_of_the_recipe_is_there_only_where_it_works(host):
    link = host.file(f"{USER_DIR}/.sessions.json")
    if host.check_output("hostname").endswith("pi10"):
        assert link.linked_to == "/run/nodered/.sessions.json"
    else:
        assert not link.exists
