# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What shows that the controller loses its files when the run ends."""

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._arguments import ArgumentError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords._ephemeral import (
    is_in_private_folder,
    lost,
    marker,
)


def test_an_ordinary_controller_keeps_its_files():
    assert marker({"nodered_port": 1880}, {"HOME": "/root", "AWX_PRIVATE_DATA_DIR": ""}) == ""


@pytest.mark.parametrize("name", ["awx_job_id", "tower_job_id"])
def test_the_variables_of_a_job_of_awx_are_markers(name):
    assert f"the variable {name} is set" in marker({name: 12}, {})


@pytest.mark.parametrize("name", ["AWX_PRIVATE_DATA_DIR", "AWX_ISOLATED_DATA_DIR"])
def test_a_private_data_directory_in_the_environment_is_a_marker(name):
    assert f"{name} is set in the environment" in marker({}, {name: "/runner/artifacts/12"})


@pytest.mark.parametrize("value", [False, "no", "false", 0])
def test_the_variable_overrides_the_markers(value):
    variables = {"awx_job_id": 12, "nodered_controller_ephemeral": value}
    assert marker(variables, {"AWX_PRIVATE_DATA_DIR": "/tmp/awx_12"}) == ""


@pytest.mark.parametrize("value", [True, "yes", 1])
def test_the_variable_marks_other_controllers(value):
    assert marker({"nodered_controller_ephemeral": value}, {}) == "nodered_controller_ephemeral is true"


def test_a_variable_that_is_not_set_overrides_nothing():
    assert marker({"nodered_controller_ephemeral": None, "awx_job_id": 12}, {})


def test_an_odd_value_is_rejected():
    with pytest.raises(ArgumentError, match="nodered_controller_ephemeral must be true or false"):
        marker({"nodered_controller_ephemeral": "perhaps"}, {})


def test_the_error_has_what_is_lost_the_marker_and_both_remedies():
    error = lost("The file /x", "the variable awx_job_id is set", "Do this.")
    assert error.startswith(
        "The file /x would be lost when this run ends, because the controller is ephemeral (the var"
    )
    assert "Do this." in error
    assert "nodered_controller_ephemeral: false" in error


def test_what_is_below_the_private_data_directory_is_found_behind_links(tmp_path):
    private, elsewhere = tmp_path / "private", tmp_path / "elsewhere"
    (private / "project").mkdir(parents=True)
    elsewhere.symlink_to(private / "project")
    environments = {"AWX_PRIVATE_DATA_DIR": str(private)}, {"AWX_ISOLATED_DATA_DIR": str(private / "artifacts" / "12")}
    for environment in environments:
        assert is_in_private_folder(str(private / "project" / "clients"), environment)
        assert is_in_private_folder(str(elsewhere / "clients"), environment)
        assert not is_in_private_folder(str(tmp_path / "private2"), environment)


@pytest.mark.parametrize("environment", [{}, {"AWX_ISOLATED_DATA_DIR": "/run/12"}, {"AWX_PRIVATE_DATA_DIR": ""}])
def test_no_private_data_directory_holds_nothing(environment):
    assert not is_in_private_folder("/srv/clients", environment)


@pytest.mark.parametrize("path", ["a\0b", "\ud800"])
def test_what_is_no_path_is_in_no_folder(path):
    assert not is_in_private_folder(path, {"AWX_PRIVATE_DATA_DIR": "/"})
