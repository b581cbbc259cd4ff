# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._variable_names import (
    REMOVED,
    VARIABLES,
    misspelled,
)

KNOWN = ["nodered_port", "nodered_login_users"]


def test_a_misspelled_name_is_returned_with_what_was_meant():
    assert misspelled(["nodered_prot"], KNOWN) == [("nodered_prot", "nodered_port")]


@pytest.mark.parametrize("name", ["nodred_port", "node_red_port", "noderd_port", "Nodered_port"])
def test_a_misspelled_prefix_counts_unless_the_right_name_is_there_too(name):
    assert misspelled([name], KNOWN) == [(name, "nodered_port")]
    assert misspelled([name, "nodered_port"], KNOWN) == []


def test_a_known_name_is_not_misspelled():
    assert misspelled(KNOWN, KNOWN) == []
    assert misspelled(VARIABLES) == []


@pytest.mark.parametrize("name", ["nodered_version", "nodered_user", "nodered_backup_dir", "node_env", "inventory_dir"])
def test_another_name_is_not_misspelled(name):
    assert misspelled([name]) == []


def test_each_known_name_is_found_with_two_letters_exchanged():
    for name in VARIABLES:
        exchanged = name[:-2] + name[-1] + name[-2]
        assert name == exchanged or misspelled([exchanged]) == [(exchanged, name)]


def test_a_removed_name_is_not_taken_for_a_misspelled_one():
    assert misspelled(REMOVED) == []


def test_the_replacement_of_a_removed_name_exists():
    assert set(REMOVED.values()) <= set(VARIABLES)
    assert not set(REMOVED) & set(VARIABLES)


def test_the_list_is_sorted_so_that_a_missing_name_is_seen():
    assert list(VARIABLES) == sorted(VARIABLES)
