# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restore points on a real machine, over real SSH."""

from __future__ import annotations

POINTS = "/var/lib/pifleet.nodered/restore-points/nodered"
ADA = {"nodered_login_users": [{"username": "ada", "password": "Gr8-unguessable-phrase"}]}


def test_secure_change_and_restore(fleet, pi41, variables):
    original = pi41.settings
    assert not fleet.play(["login", "port"], variables={**variables, **ADA}, limit="pi41").failed
    secured = pi41.settings
    assert not fleet.play(["login", "port"], variables={**variables, **ADA, "nodered_port": 1885}, limit="pi41").failed
    assert pi41.run(f"ls {POINTS}").split() == ["1", "2"]
    assert pi41.run(f"stat -c '%U %a' {POINTS} {POINTS}/1 {POINTS}/1/*").split("\n")[:3] == ["root 700"] * 2 + [
        "root 600"
    ]
    assert pi41.run(f"cmp {POINTS}/2/before-0 - ", stdin=secured) == ""
    assert pi41.run(f"cmp {POINTS}/1/before-0 - ", stdin=original) == ""
    assert pi41.run(f"ls -A {pi41.settings_file}*").split() == [pi41.settings_file]
