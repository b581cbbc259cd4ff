# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restore points on a real machine, over real SSH."""

from __future__ import annotations

import re

from .fleet import CHECKOUT

POINTS = "/var/lib/pifleet.nodered/restore-points/nodered"
PASSWORD = "Gr8-unguessable-phrase"
ADA = {"nodered_login_users": [{"username": "ada", "password": PASSWORD}]}
ROLES = ["login", "port", "sessions"]
DROP_INS = "/etc/systemd/system/nodered.service.d"


def test_secure_change_the_example_of_the_readme_and_original(fleet, pi41, variables, tmp_path):
    def play(playbook, *options, **different):
        return fleet.play(playbook, *options, variables={**variables, **ADA, **different}, limit="pi41")

    readme = (CHECKOUT / "roles" / "restore" / "README.md").read_text()
    example = tmp_path / "example.yml"
    example.write_text(readme.rpartition("```yaml\n")[2].partition("```")[0])
    original = pi41.settings
    # A memory store brings a companion and a drop-in along.
    assert not play(ROLES, nodered_sessions_store="runtime").failed
    secured = pi41.settings
    assert not play(ROLES, nodered_sessions_store="runtime", nodered_port=1885).failed
    assert pi41.run(f"stat -c '%U %a' {POINTS} {POINTS}/1 {POINTS}/1/*").split("\n")[:3] == [
        *["root 700"] * 2,
        "root 600",
    ]
    assert pi41.run(f"ls -A {pi41.settings_file}*").split() == [pi41.settings_file], "no copy beside it"

    listed = play("restore", "-vvv")
    assert re.search(r"pi41: 2  \S+Z  before: settings: uiPort\b", listed.output)
    assert re.search(r"pi41: 1  \S+Z  before: settings: adminAuth, .* \(original\)", listed.output)
    assert listed.executions(pi41.address) == 1 and listed.recap["pi41"]["changed"] == 0

    checked = play("restore", "--check", "--diff", nodered_restore="last")
    assert checked.says("-    uiPort: 1885", "+    uiPort: process.env.PORT || 1880")
    assert pi41.serves(1885)

    restored = play(example)
    assert not restored.failed
    assert restored.says("pi41: restored, as before the run of", "open: passwords and flows are sent without TLS")
    assert pi41.settings == secured and pi41.serves(1880)
    assert pi41.login("ada", PASSWORD)

    pi41.change_settings("// uiHost", "// by hand: uiHost") if "// uiHost" in secured else pi41.write(
        pi41.settings_file, secured + "// by hand\n"
    )
    rejected = play("restore", nodered_restore="original")
    assert rejected.failed and rejected.says("was edited since the run of", "nodered_restore_force")
    assert not re.search(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}", rejected.output)
    assert pi41.login("ada", PASSWORD)

    forced = play("restore", nodered_restore="original", nodered_restore_force=True)
    assert not forced.failed
    assert forced.says("open: not so: The editor requires a login (open: there is no login)")
    assert pi41.settings == original and pi41.is_open()
    assert pi41.run(f"ls {pi41.settings_file.rpartition('/')[0]}/pifleet-* {DROP_INS}/*pifleet*", check=False) == ""
    again = play("restore", nodered_restore="original")
    assert not again.failed and again.says("everything is already as before the run of")
