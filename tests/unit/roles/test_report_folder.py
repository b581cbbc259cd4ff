# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The default folder of a report. In a folder that is the inventory, Ansible would read the report as inventory."""

from __future__ import annotations

import json
import pathlib
import subprocess

import pytest
import yaml

DEFAULTS = pathlib.Path(__file__).resolve().parents[3] / "roles" / "audit" / "defaults" / "main.yml"


@pytest.mark.parametrize(
    ("inventory", "expected"), [("fleet/hosts.yml", "fleet/nodered-report"), ("fleet/", "nodered-report")]
)
def test_the_report_is_beside_the_inventory(tmp_path, inventory, expected):
    (tmp_path / "fleet").mkdir()
    (tmp_path / "fleet" / "hosts.yml").write_text("all: {hosts: {pi1: {ansible_connection: local}}}")
    folder = yaml.safe_load(DEFAULTS.read_text())["nodered_report_dir"]
    arguments = json.dumps({"msg": folder})
    shown = subprocess.run(
        ["ansible", "pi1", "-i", inventory, "-m", "ansible.builtin.debug", "-a", arguments],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    assert f'"msg": "{tmp_path / expected}"' in shown
