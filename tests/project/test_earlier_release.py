# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A clone without the commit of the earlier release fails the test of the upgrade with what to do."""

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.tests.integration import earlier_release


def test_a_shallow_clone_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(earlier_release, "COMMIT", "0" * 40)
    with pytest.raises(AssertionError, match=r"does not have.*It needs a full clone \(git fetch --unshallow"):
        earlier_release.installed(tmp_path)
