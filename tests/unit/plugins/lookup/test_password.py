# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup shows what the roles derive. It is called by Ansible itself, without a host to connect to."""

from __future__ import annotations

import subprocess

import pytest
import yaml
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords._fleet_secret import password

SECRET = "a secret of the fleet, {{ with }} odd 'characters'"
HIDDEN = SECRET[2:20]


@pytest.fixture
def shown(tmp_path):
    """What an expression gives for the host pi1; `variables` are those of the group."""

    def show(expression, **variables):
        inventory = {
            "nodered": {
                "hosts": {"pi1": {}, "pi2": {"nodered_password_generation": 3}},
                "vars": {"ansible_connection": "local", **variables},
            }
        }
        (tmp_path / "inventory.yml").write_text(yaml.safe_dump(inventory))
        play = {"hosts": "pi1", "gather_facts": False, "tasks": [{"ansible.builtin.debug": {"msg": expression}}]}
        (tmp_path / "site.yml").write_text(yaml.safe_dump([play]))
        return subprocess.run(
            ["ansible-playbook", "-i", tmp_path / "inventory.yml", "-vvv", tmp_path / "site.yml"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return show


def raw(text):
    return "{% raw %}" + text + "{% endraw %}"


def test_it_shows_the_passwords_of_this_and_of_another_host(shown):
    terms = "lookup('pifleet.nodered.password', 'login', 'http_auth', wantlist=True)"
    other = "lookup('pifleet.nodered.password', 'login', host='pi2')"
    done = shown("{{ " + terms + " + [" + other + "] }}", nodered_fleet_secret="{{ vault }}", vault=raw(SECRET))
    assert done.returncode == 0, done.stdout + done.stderr
    expected = [("pi1", "login", 1), ("pi1", "http_auth", 1), ("pi2", "login", 3)]
    for each in expected:
        assert f'"{password(SECRET, *each)}"' in done.stdout
    assert HIDDEN not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments, secret, message",
    [
        ("'login'", None, "nodered_fleet_secret is not set for this host"),
        ("'login'", "too short", "nodered_fleet_secret has 9 bytes and needs at least 32"),
        ("'admin'", raw(SECRET), "the term must be one of login, http_auth"),
        ("'login', host='pi9'", raw(SECRET), "pi9: this host is not in the inventory"),
    ],
    ids=["no secret", "short", "term", "host"],
)
def test_what_cannot_be_shown_is_an_error_with_the_remedy(shown, arguments, secret, message):
    variables = {} if secret is None else {"nodered_fleet_secret": secret}
    done = shown("{{ lookup('pifleet.nodered.password', " + arguments + ") }}", **variables)
    assert done.returncode != 0
    assert message in done.stdout + done.stderr
    assert HIDDEN not in done.stdout + done.stderr
    assert "too short" not in done.stdout + done.stderr
