# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The made-up instance has what a real one has, so that a plan that passes its tests finds what it reads."""

from __future__ import annotations

import yaml
from ansible_collections.pifleet.nodered.plugins.modules import instance_info
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import INSTANCE

DOCUMENTED = yaml.safe_load(instance_info.RETURN)["instance"]["contains"]


def test_the_made_up_instance_has_every_value_that_is_documented():
    assert set(INSTANCE) == set(DOCUMENTED)


def test_its_dictionaries_have_every_value_that_is_documented():
    for name, value in INSTANCE.items():
        if "contains" in DOCUMENTED[name] and isinstance(value, dict):
            assert set(value) == set(DOCUMENTED[name]["contains"]), name
