# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a controller lacks is said before anything is written on any machine."""

from __future__ import annotations

import pathlib
import sys

import pytest

from .fleet import CHECKOUT

WITHOUT = """
import importlib.abc, sys
class Without(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "{package}":
            raise ModuleNotFoundError("No module named " + repr(name), name=name)
sys.meta_path.insert(0, Without())
"""
HASHED = {
    "nodered_login_users": [{"username": "ada", "password_hash": "$2b$08$" + "a" * 53}],
    "nodered_http_auth_password": "correct horse battery",
}


@pytest.fixture(scope="module")
def pi(fleet):
    """Reset once: nothing here may change it."""
    fleet.pis["pi41"].reset()
    return fleet.pis["pi41"]


@pytest.fixture
def without(tmp_path):
    """The environment of a controller whose Python lacks a package."""

    def made(package: str) -> dict[str, str]:
        (tmp_path / "sitecustomize.py").write_text(WITHOUT.format(package=package))
        return {"PYTHONPATH": str(tmp_path)}

    return made


@pytest.mark.parametrize(
    "package, variables, said",
    [
        ("cryptography", {"nodered_tls_source": "selfsigned"}, "cryptography"),
        ("bcrypt", HASHED, "bcrypt"),
    ],
    ids=["certificates", "passwords"],
)
def test_a_missing_library_is_said_before_anything_is_written(fleet, pi, without, variables, package, said, tmp_path):
    folders = {f"nodered_{role}_password_dir": str(tmp_path / role) for role in ("login", "http_auth")}
    before = (pi.settings, pi.main_pid())
    run = fleet.play("secure", variables=folders | variables, limit="pi41", environment=without(package))
    assert run.failed
    remedy = f"{sys.executable} -m pip install -r {pathlib.Path(CHECKOUT).resolve()}"
    assert run.says(f"the Python library {said} is missing on the controller", remedy)
    assert (pi.settings, pi.main_pid()) == before
    assert not pi.run("ls -d /etc/nodered-tls", check=False)
    assert not any(map(pathlib.Path.exists, map(pathlib.Path, folders.values())))


def test_what_is_not_needed_is_not_missed(fleet, pi, without):
    """ansible-core itself requires cryptography; without passwords, nothing needs bcrypt."""
    port = {"nodered_port": 1885}
    run = fleet.play(["port", "sessions"], "--check", variables=port, limit="pi41", environment=without("bcrypt"))
    assert not run.failed
