# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page Start, from the inventory to the first login: its commands do on a machine what the page says."""

from __future__ import annotations

import re

import pytest
import yaml

from .fleet import CHECKOUT

HOST = "kitchen.local"
# Before that, the page is about Imager, Node-RED's installer and Galaxy.
FIRST_STEP, LAST_STEP = "## 5.", "## 9."


@pytest.fixture(scope="module")
def steps() -> str:
    page = (CHECKOUT / "docs" / "start.md").read_text()
    return page[page.index(FIRST_STEP) : page.index(LAST_STEP)]


def blocks(steps: str, language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```", steps, re.MULTILINE | re.DOTALL)
    return [text.strip() for kind, text in found if kind == language]


def test_the_commands_of_the_page_lead_to_the_first_login(fleet, pi50, steps, tmp_path):
    (inventory,) = blocks(steps, "yaml")
    (tmp_path / "inventory.yml").write_text(inventory)
    connection = {**fleet.connection("pi50"), "nodered_ufw_manage": False}
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "host_vars" / f"{HOST}.yml").write_text(yaml.safe_dump(connection))
    ping, audit, check, secure, show_passwords = blocks(steps, "")
    findings, verified = blocks(steps, "text")

    assert '"ping": "pong"' in fleet.shell(ping, tmp_path).output
    audited = fleet.shell(audit, tmp_path)
    assert audited.says(*[line.strip() for line in findings.splitlines()])
    assert (tmp_path / "nodered-report" / "index.html").exists()

    assert not fleet.shell(check, tmp_path).failed
    assert pi50.is_open()
    secured = fleet.shell(secure, tmp_path)
    assert not secured.failed
    assert secured.says(verified.partition(f"{HOST}:1880")[0])

    for_editor, for_pages = fleet.shell(show_passwords, tmp_path).output.split()
    assert for_editor != for_pages
    assert pi50.login("admin", for_editor)
    assert not pi50.login("admin", for_pages)
    assert fleet.shell(secure, tmp_path).recap[HOST]["changed"] == 0
