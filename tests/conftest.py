# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the checkout importable as `ansible_collections.pifleet.nodered`, whatever its folder is called."""

from __future__ import annotations

import os
import pathlib
import sys
import tempfile

import pytest

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent
COLLECTIONS = CHECKOUT / "build" / "collections"


def link_collection() -> None:
    link = COLLECTIONS / "ansible_collections" / "pifleet" / "nodered"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to("../../../..")


link_collection()
sys.path.insert(0, str(COLLECTIONS))


def pytest_configure(config: pytest.Config) -> None:
    """Give each session a temporary folder of its own.

    pytest closes the one that its sessions share to other users when a session starts, in the middle of tests of
    another session that act as another user. The workers of a session get the folder from it.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        folder = tempfile.TemporaryDirectory(prefix="pifleet-tests-", ignore_cleanup_errors=True)
        os.environ["PYTEST_DEBUG_TEMPROOT"] = folder.name
        config.add_cleanup(folder.cleanup)
