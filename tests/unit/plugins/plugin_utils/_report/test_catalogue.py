# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of checks can be a row of columns, and a list of rules."""

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._report._catalogue import BY_ID, CHECKS
from ansible_collections.pifleet.nodered.plugins.plugin_utils._report._findings import Finding


def test_each_id_is_there_once():
    assert len(BY_ID) == len(CHECKS)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_check_can_be_a_finding_and_the_head_of_a_column(check):
    assert Finding(check.id, check.severity, check.title, "", check.why, "").why == check.why
    assert 1 <= len(check.label.split()) <= 3
    assert not check.title.endswith(".")
    assert check.why.endswith(".")


def test_the_checks_of_an_area_stand_together():
    areas = [check.area for check in CHECKS]
    assert sorted(set(areas), key=areas.index) == [one for i, one in enumerate(areas) if areas[i - 1 : i] != [one]]
