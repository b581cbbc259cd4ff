# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup shows what the role login derives, by the command of the documentation."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess

import pytest
import yaml
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords import _totp, _totp_files

PAGE = (pathlib.Path(__file__).parents[4] / "docs" / "two-step.md").read_text()
SECRET = "0123456789abcdef0123456789abcdef"


def example():
    """The variables of the page for a fleet with a secret."""
    block = re.search(
        r"^```yaml\n(# group_vars/nodered/login.yml[^\n]*\n[^`]*totp_generation[^`]*)```", PAGE, re.MULTILINE
    )
    return yaml.safe_load(block[1])


@pytest.fixture
def shown(tmp_path):
    """What the command of the page gives, with another term; `variables` are those of the group."""

    def show(term="ada", **variables):
        inventory = {"nodered": {"hosts": {"kitchen": {"ansible_connection": "local"}}, "vars": variables}}
        (tmp_path / "inventory.yml").write_text(yaml.safe_dump(inventory))
        (command,) = re.findall(r"^```console\n(ansible [^`]*two_step[^`]*)\n```", PAGE, re.MULTILINE)
        assert " -i inventory.yml " in command
        assert " --ask-vault-pass " in command
        # The inventory of the test has no vault, and the test no terminal.
        command = command.replace(" --ask-vault-pass ", " ")
        command = command.replace("'ada'", term if "'" in term else f"'{term}'")
        return subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return show


def test_it_shows_address_codes_and_qr_code_of_the_generation_of_the_user(shown):
    done = shown(**example(), nodered_fleet_secret=SECRET, vault_ada="x", vault_wall="y")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = json.loads(done.stdout.partition("=>")[2])["msg"]
    expected = _totp_files.derived(SECRET, "kitchen", "ada", 2)
    assert _totp.from_record("\n".join(lines)) == expected
    assert any("\u2584" in line for line in lines)
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("term", "variables", "message"),
    [
        ("ada", {}, "nodered_fleet_secret is not set for this host. What it has is in files"),
        ("eve", {"nodered_fleet_secret": SECRET}, "no user in nodered_login_users has this name and totp: true"),
        ("wall", {"nodered_fleet_secret": SECRET}, "no user in nodered_login_users has this name and totp: true"),
        ("ada", {"nodered_fleet_secret": "short"}, "has 5 bytes and needs at least 32"),
        ("'ada', host='hall'", {"nodered_fleet_secret": SECRET}, "hall: this host is not in the inventory"),
    ],
    ids=["no secret", "no user", "no totp", "short", "host"],
)
def test_what_cannot_be_shown_is_an_error_with_the_remedy(shown, term, variables, message):
    done = shown(term, **example(), vault_ada="x", vault_wall="y", **variables)
    assert done.returncode != 0
    assert message in done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr
