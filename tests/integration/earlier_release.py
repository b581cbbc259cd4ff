# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Version 0.2.0 of this collection, built from its commit as a user would have installed it."""

from __future__ import annotations

import os
import pathlib
import subprocess

from .fleet import CHECKOUT

COMMIT = "2482230"


def installed(folder: pathlib.Path) -> dict[str, str]:
    """Build and install it below this folder; the result is the environment with which ansible-playbook uses it."""
    source = folder / "source"
    source.mkdir()
    archive = folder / "source.tar"
    with archive.open("wb") as tar:
        done = subprocess.run(
            ["git", "-C", CHECKOUT, "archive", COMMIT], stdout=tar, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 0, (
        f"This test builds version 0.2.0 from commit {COMMIT}, which this clone does not have: "
        f"{done.stderr.strip()}. It needs a full clone (git fetch --unshallow; fetch-depth: 0 in a workflow)."
    )
    _run("tar", "-xf", archive, "-C", source)
    _run("ansible-galaxy", "collection", "build", source, "--output-path", folder)
    collections = folder / "collections"
    (built,) = folder.glob("pifleet-nodered-0.2.0.tar.gz")
    environment = {"ANSIBLE_COLLECTIONS_PATH": str(collections)}
    # It is found in the checkout otherwise, where it is installed already.
    _run("ansible-galaxy", "collection", "install", built, "--no-deps", "-p", collections, environment=environment)
    return environment


def _run(*command: str | pathlib.Path, environment: dict[str, str] | None = None) -> None:
    subprocess.run(
        command, check=True, env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL, timeout=120
    )
