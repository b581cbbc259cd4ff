# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-builder finds in the collection, and makes of the example. No image is built."""

from __future__ import annotations

import pathlib
import subprocess

import yaml

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
COLLECTIONS = CHECKOUT / "build" / "collections"
EXAMPLE = CHECKOUT / "examples" / "execution-environment" / "execution-environment.yml"


def builder(*arguments: object) -> str:
    command = ["ansible-builder", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def test_an_execution_environment_gets_what_the_controller_needs():
    found = yaml.safe_load(builder("introspect", COLLECTIONS))
    lines = (CHECKOUT / "meta" / "requirements.txt").read_text().splitlines()
    assert [line.partition(" ")[0] for line in found["python"]] == [line for line in lines if not line.startswith("#")]
    assert found["system"] == []


def test_the_example_describes_an_image_with_the_collection(tmp_path):
    builder("create", "--file", EXAMPLE, "--context", tmp_path, "--output-filename", "Containerfile")
    collections = yaml.safe_load((tmp_path / "_build" / "requirements.yml").read_text())["collections"]
    assert collections == [{"name": "pifleet.nodered"}]
    assert "ansible-runner" in (tmp_path / "Containerfile").read_text()
