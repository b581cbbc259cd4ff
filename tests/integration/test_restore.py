# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restore points on a real machine, over real SSH."""

from __future__ import annotations

import re

import pytest

from .fleet import CHECKOUT

POINTS = "/var/lib/pifleet.nodered/restore-points/nodered"
PASSWORD = "Gr8-unguessable-phrase"
ADA = {"nodered_login_users": [{"username": "ada", "password": PASSWORD}]}
UFW = {"nodered_ufw_confirm_seconds": 60}
ROLES = ["login", "port", "sessions", "ufw"]
DROP_INS = "/etc/systemd/system/nodered.service.d"


@pytest.fixture
def play(fleet, pi, variables):
    def run(playbook, *options, **different):
        return fleet.play(playbook, *options, variables={**variables, **ADA, **UFW, **different}, limit="pi41")

    return run


@pytest.fixture
def example(tmp_path):
    """The playbook in the README of the role, which restores the last point."""
    readme = (CHECKOUT / "roles" / "restore" / "README.md").read_text()
    path = tmp_path / "example.yml"
    path.write_text(readme.rpartition("```yaml\n")[2].partition("```")[0])
    return path


def allowed(pi):
    """The ports of the rules of ufw; empty if it is not active."""
    return set(re.findall(r"^(\d+)/tcp ", pi.run("ufw status"), re.MULTILINE))


def owners(pi, *paths):
    return set(pi.run(f"stat -c '%U %a' {' '.join(paths)}").splitlines())


def test_secure_change_the_example_of_the_readme_and_original(pi, play, example):
    original = pi.settings
    # The store brings a companion and a drop-in along.
    assert not play(ROLES, nodered_sessions_store="runtime").failed
    secured = pi.settings
    assert not play(ROLES, nodered_sessions_store="runtime", nodered_port=1885).failed
    assert owners(pi, POINTS, f"{POINTS}/[12]") == {"root 700"}
    assert owners(pi, f"{POINTS}/[12]/*") == {"root 600"}
    assert pi.run(f"ls -A {pi.settings_file}*").split() == [pi.settings_file], "no copy beside it"

    listed = play("restore", "-vvv")
    assert re.search(r"pi41: 2  \S+Z  before: settings: uiPort\b", listed.output)
    assert re.search(r"pi41: 1  \S+Z  before: settings: adminAuth, .* \(original\)", listed.output)
    assert (listed.executions(pi.address), listed.recap["pi41"]["changed"]) == (1, 0)

    checked = play("restore", "--check", "--diff", nodered_restore="last")
    assert checked.says("-    uiPort: 1885", "+    uiPort: process.env.PORT || 1880")
    assert pi.serves(1885) and allowed(pi) == {"22", "1885"}

    restored = play(example)
    assert not restored.failed
    assert restored.says("pi41: restored, as before the run of", "open: passwords and flows are sent without TLS")
    assert restored.says("the firewall is restored, and a new connection has confirmed it")
    assert pi.settings == secured and pi.login("ada", PASSWORD)
    assert allowed(pi) == {"22", "1880"}

    pi.write(pi.settings_file, secured + "// by hand\n")
    pi.run("ufw allow 4000/tcp")
    rejected = play("restore", nodered_restore="original")
    assert rejected.failed
    assert rejected.says(
        "settings.js was edited since the run of", "ufw was edited", "- allow from any to any port 4000"
    )
    assert not re.search(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}", rejected.output)
    assert pi.login("ada", PASSWORD) and allowed(pi) == {"22", "1880", "4000"}

    forced = play("restore", nodered_restore="original", nodered_restore_force=True)
    assert not forced.failed
    assert forced.says("open: the editor (there is no login)")
    assert pi.settings == original and pi.is_open()
    assert pi.run(f"ls {pi.settings_file.rpartition('/')[0]}/pifleet-* {DROP_INS}/*pifleet*", check=False) == ""
    assert allowed(pi) == set() and forced.says("open: ufw is not active")
    again = play("restore", nodered_restore="original")
    assert not again.failed and again.says("everything is already as before the run of")
