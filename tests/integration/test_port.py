# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role `port` on real machines, wherever the port was set before."""

from __future__ import annotations

# Only what this is about: test_secure.py and the Molecule scenarios have all roles together.
ROLES = ["login", "port"]


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


ELSEWHERE = {
    "pi31": "NODE_RED_OPTIONS=-p 1890\n",
    "pi41": "NODE_RED_OPTIONS=-D uiPort=1890\n",
    "pi50": "PORT=1890\n",
}


def test_a_port_from_elsewhere_is_moved_too(fleet, pi31, pi41, pi50, variables):
    pis = [pi31, pi41, pi50]
    for pi in pis:
        environment = f"/home/{pi.user}/.node-red/environment"
        pi.run(f"install -o {pi.user} /dev/stdin {environment}", stdin=ELSEWHERE[pi.name])
        pi.run("systemctl restart nodered")
    for pi in pis:
        pi.wait_until_it_serves(1890)
    old = 1890
    for port in (1885, 1886):
        wanted = variables | {"nodered_port": port}
        assert not fleet.play(ROLES, variables=wanted, limit=",".join(ELSEWHERE)).failed
        for pi in pis:
            assert pi.serves(port)
            assert not pi.serves(old)
        old = port
