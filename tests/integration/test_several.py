# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two Node-REDs on one machine, under two inventory names, over real SSH. The scenario `several` has all roles."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import re
import subprocess

import pytest
import yaml

from .fleet import kill
from .test_read_only import MAKE_READ_ONLY, MAKE_WRITABLE, root_is_read_only

UNIT = """
mkdir -p /home/pi/b; sed '/uiPort:/s/1880/1890/' /home/pi/.node-red/settings.js >/home/pi/b/settings.js
chown -R pi:pi /home/pi/b
cat >/etc/systemd/system/node-red-b.service <<'END'
[Service]
User=pi
WorkingDirectory=/home/pi
ExecStart=/usr/bin/env node-red-pi -- {options}
[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload; systemctl enable --now node-red-b
"""
REMOVED = """
systemctl disable --now node-red-b
rm -rf /home/pi/b /home/pi/.node-red/b.js /etc/systemd/system/node-red-b.service* /var/lib/pifleet.nodered/*node-red-b*
systemctl daemon-reload
"""
ROLES = ["login", "port", "ufw"]
ARMED = "/var/lib/pifleet.nodered/firewall/armed"


@pytest.fixture
def pi(pi41):
    pi41.run(UNIT.format(options="-u /home/pi/b"))
    pi41.wait_until_it_serves(1890)
    yield pi41
    pi41.run(REMOVED, check=False)
    pi41.forget_firewall()


@pytest.fixture
def two(fleet, pi):
    """The fleet with two names for the machine, each with its service."""
    inventory = yaml.safe_load(fleet.inventory.read_text())
    machine = inventory["nodered"]["hosts"]["pi41"]
    names = {"kitchen": "nodered", "kitchen-b": "node-red-b"}
    inventory["nodered"]["hosts"] = {name: {**machine, "nodered_service": unit} for name, unit in names.items()}
    path = fleet.inventory.parent / "two.yml"
    path.write_text(yaml.safe_dump(inventory))
    return dataclasses.replace(fleet, inventory=path)


def rules(pi):
    """Port and comment of each rule of the collection, without SSH."""
    found = re.findall(r"(?:port |allow )(\d+).* 'pifleet.nodered (.*)'", pi.run("ufw show added"))
    return {port: comment for port, comment in found if comment != "SSH"}


def test_both_move_in_one_batch_on_a_read_only_root_and_keep_their_rules(two, pi, variables):
    usual = {**variables, "nodered_ufw_keep": []}
    batch = {"nodered_ufw_manage": True, "nodered_serial": "100%"}
    ports = {**usual, **batch, "nodered_port": "{{ 1885 if nodered_service == 'nodered' else 1895 }}"}
    tags = "--tags", "login,port,sessions,ufw"
    pi.run(MAKE_READ_ONLY)
    try:
        run = two.play("secure", *tags, variables={**ports, "nodered_remount": True})
        assert not run.failed
        assert root_is_read_only(pi)
        assert rules(pi) == {"1885": "Node-RED", "1895": "Node-RED"}
        for port in (1885, 1895):
            assert pi.get("/flows", port=port).status == 401
        again = two.play("secure", *tags, variables=ports)
        assert {one["changed"] for one in again.recap.values()} == {0}
    finally:
        pi.run(MAKE_WRITABLE)

    # To the port that the other one has left, planned while the run of that one changes the firewall.
    with concurrent.futures.ThreadPoolExecutor() as threads:
        first = threads.submit(two.play, ROLES, variables={**usual, "nodered_port": 1886}, limit="kitchen")
        pi.run(f"timeout 60 sh -c 'until test -e {ARMED}; do sleep 0.1; done'")
        moved = two.play(ROLES, variables={**usual, "nodered_port": 1880}, limit="kitchen-b")
        assert not first.result().failed
    assert not moved.failed
    assert rules(pi) == {"1886": "Node-RED", "1880": "Node-RED"}
    assert pi.serves(1886)
    assert pi.serves(1880)


def test_one_that_does_not_run_now_keeps_its_port(two, pi):
    pi.run("systemctl stop node-red-b")
    closed = two.play(["ufw"], variables={"nodered_ufw_keep": []}, limit="kitchen")
    assert not closed.failed
    assert rules(pi) == {"1880": "Node-RED", "1890": "kept"}
    pi.run("systemctl start node-red-b")
    pi.wait_until_it_serves(1890)

    pi.run("ufw allow 1890/tcp comment 'pifleet.nodered Node-RED'; systemctl stop node-red-b")
    limited = two.play(["ufw"], variables={"nodered_ufw_sources": ["10.1.0.0/16"]}, limit="kitchen")
    assert not limited.failed
    assert rules(pi) == {"1880": "Node-RED", "1890": "Node-RED"}
    taken = two.play(["port"], variables={"nodered_port": 1890}, limit="kitchen")
    assert taken.says("nodered_port 1890 is the port of node-red-b.service")


def test_what_cannot_work_is_an_error_with_what_to_do(two, pi):
    without = two.play(["port"], variables={"nodered_service": ""}, limit="kitchen")
    assert without.failed
    address = f"{{ansible_host: {pi.address}, nodered_service:"
    assert without.says(f"kitchen: {address} nodered}}", f"kitchen-node-red-b: {address} node-red-b}}")

    pi.run(UNIT.format(options="-s /home/pi/.node-red/settings.js -p 1890"))
    shared = two.play(["port"], variables={"nodered_port": 1885}, limit="kitchen")
    assert shared.failed
    assert shared.says("node-red-b.service uses /home/pi/.node-red/settings.js as well.", "option -s in ExecStart")

    pi.run("install -o pi /home/pi/b/settings.js /home/pi/.node-red/b.js")
    pi.run(UNIT.format(options="-s /home/pi/.node-red/b.js"))
    disk = two.play(["sessions"], variables={"nodered_sessions_store": "disk"}, limit="kitchen-b")
    assert disk.says("nodered.service uses the user directory /home/pi/.node-red as well.", "runtime or memory")


def test_a_run_that_was_killed_is_waited_for_by_that_of_the_other(two, pi, variables):
    usual = {**variables, "nodered_ufw_confirm_seconds": 30, "nodered_restart_timeout": 20}
    command = two.command(ROLES, variables={**usual, "nodered_port": 1886}, limit="kitchen")
    with subprocess.Popen(command, env=two.environment(), stdout=subprocess.DEVNULL) as killed:
        pi.run(f"timeout 60 sh -c 'until test -e {ARMED}; do sleep 0.1; done'")
        kill(killed.pid)
    run = two.play(ROLES, variables={**usual, "nodered_port": 1895}, limit="kitchen-b")
    assert not run.failed
    assert rules(pi)["1895"] == "Node-RED"
    assert pi.serves(1895)
    first = two.play(ROLES, variables={**usual, "nodered_port": 1886}, limit="kitchen")
    assert not first.failed
    # If the killed run had moved the first one already, the run of the other one has let in what listened there.
    assert rules(pi) in ({"1886": comment, "1895": "Node-RED"} for comment in ("Node-RED", "kept"))
    assert pi.serves(1886)
    assert not pi.run("ls /var/lib/pifleet.nodered/firewall")
