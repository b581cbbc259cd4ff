# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Input that cannot be right is refused before anything is touched, with the variable named."""

from __future__ import annotations

import dataclasses

import pytest
import yaml

from .recording import Recording

GOOD = {"username": "ada", "password": "correct horse battery staple"}
HASH = "abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZabcde"

CASES = {
    "port 0": ({"nodered_port": 0}, "nodered_port"),
    "port 65536": ({"nodered_port": 65536}, "nodered_port"),
    "port abc": ({"nodered_port": "abc"}, "nodered_port"),
    "empty password": (
        {"nodered_login_users": [GOOD, {"username": "bob", "password": ""}]},
        "nodered_login_users[1].password",
    ),
    "73 bytes": (
        {"nodered_login_users": [{"username": "ada", "password": "é" * 36 + "x"}]},
        "nodered_login_users[0].password",
    ),
    "no bcrypt hash": (
        {"nodered_login_users": [{"username": "ada", "password_hash": "5f4dcc3b5aa765d61d8327deb882cf99"}]},
        "nodered_login_users[0].password_hash",
    ),
    "$2y$ for Node-RED 3.1": (
        {"nodered_login_users": [{"username": "ada", "password_hash": "$2y$08$" + HASH}]},
        "nodered_login_users[0].password_hash",
    ),
    "the same user twice": ({"nodered_login_users": [GOOD, GOOD]}, "nodered_login_users[1].username"),
    "unknown permission": (
        {"nodered_login_users": [GOOD | {"permissions": ["flows.read", "flow.write"]}]},
        "nodered_login_users[0].permissions",
    ),
    "a list in place of a user": (
        {"nodered_login_users": [["ada", "correct horse battery staple"]]},
        "nodered_login_users[0] must be a mapping",
    ),
    "text in place of users": (
        {"nodered_login_users": "ada:correct horse battery staple"},
        "nodered_login_users must be",
    ),
    "a dictionary in place of users": (
        {"nodered_login_users": {"ada": "correct horse battery staple"}},
        "nodered_login_users must be a list of users with username and password",
    ),
    "a usual password": (
        {"nodered_login_users": [GOOD | {"password": "raspberry"}]},
        "nodered_login_users[0].password is the user name or one of the passwords",
    ),
    "a list in place of a password": (
        {"nodered_login_users": [{"username": "ada", "password": ["correct horse battery staple"]}]},
        "nodered_login_users[0].password must be",
    ),
    "a list in place of the password of pages": (
        {"nodered_http_auth_password": ["correct horse battery staple"]},
        "nodered_http_auth_password must be",
    ),
    "a password in place of permissions": (
        {"nodered_login_users": [GOOD | {"permissions": [GOOD["password"]]}]},
        "nodered_login_users[0].permissions",
    ),
    "misspelled key": ({"nodered_login_users": [{"usrname": "ada", "password": "x"}]}, "usrname"),
    "misspelled variable": ({"nodered_prot": 1885}, "nodered_prot"),
    "misspelled prefix": ({"node_red_port": 1885}, "set nodered_port as well"),
    "everybody may do everything": (
        {"nodered_login_users": [GOOD], "nodered_login_default_permissions": "*"},
        "nodered_login_default_permissions",
    ),
}


@pytest.fixture(scope="module")
def machine(fleet):
    pi = fleet.pis["pi31"]
    pi.reset()
    return pi


@pytest.fixture(scope="module")
def names():
    """The name that the machine has in the inventory for each case."""
    return {case: f"case{number}" for number, case in enumerate(CASES)}


@pytest.fixture(scope="module")
def refused(fleet, machine, names, tmp_path_factory):
    """A run in which each case is a host, what callback plugins received, and whether the machine is as before."""
    folder = tmp_path_factory.mktemp("refused")
    inventory = yaml.safe_load(fleet.inventory.read_text().replace("{{ inventory_dir }}", str(fleet.inventory.parent)))
    address = inventory["nodered"]["hosts"][machine.name]
    inventory["nodered"]["hosts"] = dict.fromkeys(names.values(), address)
    (folder / "hosts.yml").write_text(yaml.safe_dump(inventory))
    usual = {
        "nodered_login_password_dir": str(folder / "passwords"),
        "nodered_http_auth_password_dir": str(folder / "pages"),
        # A good login beside a bad port must not be written either.
        "nodered_login_users": [GOOD],
    }
    # Not in the inventory itself: callback plugins receive what is there, whatever a collection does.
    (folder / "host_vars").mkdir()
    for case, (variables, _named) in CASES.items():
        (folder / "host_vars" / f"{names[case]}.yml").write_text(yaml.safe_dump(usual | variables))
    recording = Recording(folder / "events")
    before = (machine.settings, machine.main_pid())
    run = dataclasses.replace(fleet, inventory=folder / "hosts.yml").play(
        "secure",
        "-vvv",
        variables={"nodered_serial": ["100%"], "nodered_max_fail_percentage": 100},
        environment=recording.environment,
    )
    untouched = (machine.settings, machine.main_pid()) == before and machine.is_open()
    return run, recording, untouched


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_with_the_variable_named(refused, names, case):
    run, _recording, _untouched = refused
    _variables, named = CASES[case]
    assert named in run.failure(names[case])


def test_nothing_was_touched_and_no_password_is_shown(refused):
    run, recording, untouched = refused
    assert run.failed
    assert untouched
    assert "correct horse" not in run.output + recording.text
