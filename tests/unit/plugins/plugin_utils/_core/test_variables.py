# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._arguments import ArgumentError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._variables import named_mapping

SECRET = "hunter2"


class Templar:
    """Has one expression to evaluate."""

    def template(self, variable):
        return {"uiPort": 1880} if variable == "{{ wanted }}" else variable


def named(name, **variables):
    return named_mapping(name, "set: $variable", variables, Templar())


def test_the_value_of_the_variable_is_evaluated():
    assert named("mine", mine="{{ wanted }}") == {"uiPort": 1880}


@pytest.mark.parametrize("name", [SECRET + "!", "{{ x }}", "", None, 7, {"password": SECRET}, [SECRET]])
def test_what_is_no_name_is_refused_and_not_shown(name):
    with pytest.raises(ArgumentError, match="must be the name of a variable") as refused:
        named(name)
    assert SECRET not in str(refused.value)


def test_a_variable_that_is_not_defined_is_named():
    with pytest.raises(ArgumentError, match="set: .variable names the variable mine, which is not defined"):
        named("mine")


@pytest.mark.parametrize("value", [SECRET, [SECRET], None, 7])
def test_a_value_of_the_wrong_kind_is_refused_and_not_shown(value):
    with pytest.raises(ArgumentError, match="^mine must be a dictionary") as refused:
        named("mine", mine=value)
    assert SECRET not in str(refused.value)
