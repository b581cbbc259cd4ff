# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.plugins.filter.misspelled import misspelled

KNOWN = ["nodered_port", "nodered_login_users"]


def test_a_slip_is_returned_with_what_was_meant():
    assert misspelled(["nodered_prot"], KNOWN) == [{"name": "nodered_prot", "meant": "nodered_port"}]


@pytest.mark.parametrize("name", ["nodred_port", "node_red_port", "noderd_port", "Nodered_port"])
def test_a_slip_in_the_prefix_is_one_unless_the_right_name_is_there_too(name):
    assert misspelled([name], KNOWN) == [{"name": name, "meant": "nodered_port"}]
    assert misspelled([name, "nodered_port"], KNOWN) == []


def test_a_known_name_is_no_slip():
    assert misspelled(KNOWN, KNOWN) == []


def test_a_name_of_somebody_else_is_no_slip():
    assert misspelled(["nodered_version", "nodered_user", "nodered_backup_dir"], KNOWN) == []
