# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From where a Node-RED is verified."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._arguments import ArgumentError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._verify_from import (
    Origin,
    decide,
    leads_here,
    ssh_command,
    wanted_place,
)

DIRECT = "host 192.0.2.7\nuser pi\nhostname 192.0.2.7\nport 22\n"
JUMP = DIRECT + "proxyjump pi@bastion.example.org:2200\n"
PROXY = DIRECT + "proxycommand connect -p secret %h %p\n"


def origin(**given):
    defaults = {"host": "pi1", "wanted": "", "address": "192.0.2.7", "connection": "ssh", "configuration": DIRECT}
    return decide(**{**defaults, **given})


def test_the_controller_verifies_what_it_reaches():
    assert origin() == Origin("controller", "")
    for configuration in ("", "garbage", DIRECT + "proxyjump none\nproxycommand none\n", DIRECT + "proxycommand\n"):
        assert origin(configuration=configuration).place == "controller"


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1"])
def test_an_address_of_the_controller_itself_is_not_asked_from_there(address):
    found = origin(address=address)
    assert found.place == "host"
    assert address in found.note
    assert "nodered_verify_from" in found.note
    assert origin(address=address, connection="local") == Origin("controller", "")


def test_a_name_that_the_ssh_configuration_leads_here_is_not_asked_either():
    configuration = "host Vagrant\nuser pi\nhostname 127.0.0.1\nport 2222\n"
    found = origin(address="Vagrant", configuration=configuration)
    assert found.place == "host"
    assert "SSH reaches Vagrant at 127.0.0.1" in found.note
    assert origin(address="192.0.2.7", configuration=configuration).place == "controller", (
        "Node-RED has its own address"
    )


def test_through_a_jump_host_the_host_verifies_itself():
    found = origin(configuration=JUMP)
    assert found.place == "host"
    assert "SSH reaches it through the jump host pi@bastion.example.org:2200" in found.note
    assert origin(configuration=JUMP.upper()).place == "host"


def test_a_proxy_command_is_not_shown_as_it_can_hold_a_password():
    found = origin(configuration=PROXY)
    assert found.place == "host"
    assert "a proxy command" in found.note
    assert "secret" not in found.note


@pytest.mark.parametrize("place", ["controller", "host", "watcher"])
def test_what_the_user_says_counts_without_a_note(place):
    assert origin(wanted=place, configuration=JUMP) == Origin(place, "")


def test_the_host_s_own_name_is_the_host():
    assert origin(wanted="pi1", address="127.0.0.1") == Origin("host", "")


def test_another_machine_must_not_ask_itself():
    with pytest.raises(ArgumentError, match="watcher.*127.0.0.1.*nodered_address"):
        origin(wanted="watcher", address="127.0.0.1")
    assert origin(wanted="controller", address="127.0.0.1").place == "controller"


@pytest.mark.parametrize("value", [None, ""])
def test_an_empty_variable_is_not_set(value):
    assert wanted_place(value, lambda: []) == ""


@pytest.mark.parametrize("value", ["controller", "host", "watcher"])
def test_a_place_is_a_word_or_a_host_of_the_inventory(value):
    assert wanted_place(value, lambda: ["watcher"]) == value


@pytest.mark.parametrize("value", ["watchr", "Controller", 7, ["watcher"], True])
def test_anything_else_is_an_error_with_a_remedy(value):
    with pytest.raises(ArgumentError, match="nodered_verify_from.*inventory.*run again"):
        wanted_place(value, lambda: ["watcher"])


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "127.8.8.8",
            "127.1",
            "0x7f000001",
            "2130706433",
            "0",
            "0.0.0.0",
            "::1",
            "0:0:0:0:0:0:0:1",
            "::",
        ),
        *("::ffff:127.0.0.1", "localhost", "LOCALHOST", "localhost.", "pi.localhost", "localhost.localdomain"),
    ],
)
def test_an_address_leads_here_in_whatever_form(address):
    assert leads_here(address)


@pytest.mark.parametrize(
    "address", ["192.0.2.7", "2001:db8::1", "fe80::1%eth0", "pi.local", "localhost.example", "", "a" * 300]
)
def test_other_addresses_do_not(address):
    assert not leads_here(address)


def test_the_configuration_is_asked_with_the_arguments_of_the_connection(tmp_path):
    config = tmp_path / "config"
    config.write_text("Host shed\n  HostName 192.0.2.9\n  ProxyJump first\n")
    options = {"ssh_args": f"-F {config} -C -o ControlMaster=auto", "host": "shed", "port": 2222, "remote_user": "pi"}
    printed = subprocess.run(ssh_command(options), capture_output=True, text=True, timeout=10, check=True).stdout
    assert {"hostname 192.0.2.9", "port 2222", "user pi", "proxyjump first"} <= set(printed.splitlines())
    for name in ("ssh_args", "ssh_common_args", "ssh_extra_args"):
        own = {**options, "ssh_args": "-F none", name: "-F none -o ProxyJump=second"}
        printed = subprocess.run(ssh_command(own), capture_output=True, text=True, timeout=10, check=True).stdout
        assert origin(configuration=printed).note.startswith(
            "verified on the host itself, because SSH reaches it through"
        )
