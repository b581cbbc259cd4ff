# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of every scenario share."""

from __future__ import annotations

import pathlib

import pytest


@pytest.fixture(autouse=True)
def journal_on_failure(host, request):
    failed_before = request.session.testsfailed
    yield
    if request.session.testsfailed > failed_before:
        print(host.run("journalctl --no-pager -n 40 -u nodered -u node-red").stdout)


@pytest.fixture
def inventory_folder(host) -> pathlib.Path:
    """Where the collection keeps on the controller what it has made up."""
    inventory = pathlib.Path(host.backend.ansible_runner.inventory_file)
    return inventory if inventory.is_dir() else inventory.parent


@pytest.fixture
def passwords(host, inventory_folder) -> dict[str, str]:
    """The passwords that the collection has chosen for this machine: of the editor, and of pages."""
    folder, name = inventory_folder / ".nodered-passwords", host.backend.host
    files = {"editor": folder / name, "pages": folder / "http-auth" / name}
    return {what: file.read_text().strip() for what, file in files.items() if file.is_file()}


@pytest.fixture
def address(host) -> str:
    """Where the machine is reached from the controller."""
    return host.backend.ansible_runner.get_variables(host.backend.host)["nodered_address"]
