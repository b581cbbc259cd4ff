# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core import _own_folders
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _identity, _systemd


@pytest.fixture(autouse=True)
def folders(tmp_path_factory, monkeypatch):
    """No test of a unit writes where a real machine keeps its state and its units."""
    machine = tmp_path_factory.mktemp("machine")
    monkeypatch.setattr(_own_folders, "STATE", str(machine / "state"))
    monkeypatch.setattr(_own_folders, "LOCKS", str(machine / "run"))
    monkeypatch.setattr(_systemd, "UNIT_FOLDER", str(machine / "system"))


@pytest.fixture(autouse=True)
def time_of_users():
    """A module has a process of its own, and so has its time for the processes of other users."""
    _identity.give_time_again()


@pytest.fixture
def open_folders(tmp_path: pathlib.Path) -> None:
    """Other users can reach tmp_path; pytest's own folders are closed to them."""
    for folder in (tmp_path, *tmp_path.parents):
        if str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
