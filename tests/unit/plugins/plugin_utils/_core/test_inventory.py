# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._inventory import inventory_names, one_name_each

INVENTORY = """
all:
  hosts:
    pi1: {ansible_host: 192.168.1.2, nodered_tls_names: [pi.example.org, 7]}
    pi2: {ansible_host: "{{ inventory_hostname }}.local", nodered_tls_authority_names: [example.org]}
    pi3: {ansible_host: "{{ nothing }}", nodered_address: ["no", {"text": 1}]}
    pi4: {}
"""


class CountedHostVars(HostVars):
    read = 0

    def __getitem__(self, host):
        self.read += 1
        return super().__getitem__(host)


@pytest.fixture
def hostvars(tmp_path):
    (tmp_path / "hosts.yml").write_text(INVENTORY)
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "host_vars" / "pi4.yml").write_text("nodered_address: PI4.example.net\n")
    loader = DataLoader()
    inventory = InventoryManager(loader, [str(tmp_path / "hosts.yml")])
    return CountedHostVars(inventory, VariableManager(loader, inventory), loader)


def test_every_name_that_the_inventory_gives_to_a_host_is_found(hostvars, tmp_path):
    found = inventory_names(hostvars, str(tmp_path))
    assert found.by_host["pi1"] == ["pi1", "192.168.1.2", "pi.example.org"]
    assert found.by_host["pi2"] == ["pi2", "pi2.local"]
    assert found.by_host["pi4"] == ["pi4", "PI4.example.net"]
    assert found.by_host["pi3"][0] == "pi3"
    assert found.authority_names == ["example.org"]
    assert found.others("pi1") == [name for host in ("pi2", "pi3", "pi4") for name in found.by_host[host]]


def test_the_controller_is_a_host_only_if_the_inventory_has_it(hostvars, tmp_path):
    (tmp_path / "first").mkdir()
    assert hostvars["localhost"]["inventory_hostname"] == "localhost"
    assert "localhost" not in inventory_names(hostvars, str(tmp_path / "first")).by_host
    hostvars._inventory.add_host("localhost")
    hostvars._inventory.reconcile_inventory()
    assert "localhost" in inventory_names(hostvars, str(tmp_path)).by_host


def test_the_variables_are_read_once_in_a_run(hostvars, tmp_path):
    first = inventory_names(hostvars, str(tmp_path))
    read = hostvars.read
    assert read == len(hostvars)
    assert inventory_names(hostvars, str(tmp_path)) == first
    assert hostvars.read == read
    hostvars._inventory.add_host("pi5")
    assert "pi5" in inventory_names(hostvars, str(tmp_path)).by_host


@pytest.mark.parametrize(
    "file, lines",
    [
        (
            "/srv/hosts.yml",
            [
                "kitchen: {ansible_host: 192.168.1.7, nodered_service: nodered}",
                "kitchen-node-red-b: {ansible_host: 192.168.1.7, nodered_service: node-red-b}",
            ],
        ),
        (
            "/srv/hosts",
            [
                "kitchen ansible_host=192.168.1.7 nodered_service=nodered",
                "kitchen-node-red-b ansible_host=192.168.1.7 nodered_service=node-red-b",
            ],
        ),
    ],
)
def test_each_service_of_a_machine_gets_a_line(file, lines):
    assert one_name_each("kitchen", "192.168.1.7", ["nodered", "node-red-b"], file) == lines


def test_the_name_for_a_user_unit_has_no_slash():
    lines = one_name_each("kitchen", "192.168.1.7", ["nodered", "pi/flows"], "hosts.ini")
    assert lines[1] == "kitchen-pi-flows ansible_host=192.168.1.7 nodered_service=pi/flows"


@pytest.mark.parametrize("file", ["hosts.ini", "hosts.yml"])
@pytest.mark.parametrize(
    "service",
    ["pi/x ansible_connection=local", "pi/x}, evil: {ansible_connection: local", "pi/x\nevil", "a/b/c", "", 7],
)
def test_a_machine_cannot_put_variables_into_the_lines(file, service):
    services = ["nodered", "pi/flows"]
    assert one_name_each("kitchen", "::1", [*services, service], file) == one_name_each(
        "kitchen", "::1", services, file
    )
