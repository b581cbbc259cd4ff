# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role `port` on real machines, wherever the port was set before."""

from __future__ import annotations

import pytest

# Only what this is about: test_secure.py and the Molecule scenarios have all roles together.
ROLES = ["login", "port"]


def test_the_port_moves_and_the_old_one_is_closed(fleet, pi41, variables):
    run = fleet.play(ROLES, variables=variables | {"nodered_port": 1885}, limit="pi41")
    assert not run.failed
    assert pi41.serves(1885)
    assert not pi41.serves(1880)


def test_a_port_below_1024_needs_no_root(fleet, pi50, variables):
    run = fleet.play(ROLES, variables=variables | {"nodered_port": 80}, limit="pi50")
    assert not run.failed
    assert pi50.serves(80)
    assert pi50.run("stat -c %U /proc/$(systemctl show -P MainPID nodered)").strip() == "pi"
    again = fleet.play(ROLES, variables=variables | {"nodered_port": 80}, limit="pi50")
    assert again.recap["pi50"]["changed"] == 0
    back = fleet.play(ROLES, variables=variables | {"nodered_port": 1880}, limit="pi50")
    assert not back.failed
    assert "pifleet-port" not in pi50.run("ls /etc/systemd/system/nodered.service.d", check=False)


@pytest.mark.parametrize(
    "environment",
    ["NODE_RED_OPTIONS=-p 1890\n", "NODE_RED_OPTIONS=-D uiPort=1890\n", "PORT=1890\n"],
    ids=["-p", "-D", "PORT"],
)
def test_a_port_from_elsewhere_is_moved_too(fleet, pi41, variables, environment):
    pi41.run(f"install -o {pi41.user} /dev/stdin /home/{pi41.user}/.node-red/environment", stdin=environment)
    pi41.run("systemctl restart nodered")
    pi41.wait_until_it_serves(1890)
    run = fleet.play(ROLES, variables=variables | {"nodered_port": 1885}, limit="pi41")
    assert not run.failed
    assert pi41.serves(1885)
    assert not pi41.serves(1890)
    further = fleet.play(ROLES, variables=variables | {"nodered_port": 1886}, limit="pi41")
    assert not further.failed
    assert pi41.serves(1886)
