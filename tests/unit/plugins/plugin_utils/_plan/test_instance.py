# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan import instance
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import Plan
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import found, other_service

DEFAULTS = {
    "nodered_restart_timeout": 120,
    "nodered_remount": False,
    "nodered_restore_points": 5,
    "nodered_verify_login": False,
}
READ_ONLY = [{"mount": "/", "by": "fstab"}, {"mount": "/boot", "by": "fstab"}]


def planned(variables=None, **different):
    return instance.plan(found(**different), {**DEFAULTS, **(variables or {})})


def test_nothing_changes_on_a_machine_without_a_finding():
    assert planned() == Plan()


def test_settings_that_were_changed_without_a_restart_lead_to_one():
    plan = planned(unconfirmed=True)
    assert plan.changes
    assert plan.needs_restart
    assert plan.notes == [plan.restart]
    assert "without a restart" in plan.restart


def test_a_change_that_waits_for_its_confirmation_is_left_to_the_rotation():
    waits = {"unconfirmed": True, "confirmation": "c0ffee"}
    assert planned(**waits) == Plan(notes=[instance.ROTATING])
    assert planned(**waits, rotates=frozenset({"login"})) == Plan()


def test_every_misspelled_variable_is_an_error_that_names_the_right_one():
    plan = planned({"nodered_prot": 1885, "nodered_login_user": []})
    assert len(plan.errors) == 2
    assert "nodered_prot is not a variable of pifleet.nodered. Did you mean nodered_port?" in plan.errors[0]
    assert "Did you mean nodered_login_users?" in plan.errors[1]
    assert "as well" not in plan.errors[0]


def test_a_name_of_another_product_may_stay_beside_the_right_one():
    (error,) = planned({"node_red_port": 1885}).errors
    assert "set nodered_port as well" in error
    assert planned({"node_red_port": 1885, "nodered_port": 1885}).errors == []


def test_a_settings_file_of_two_services_is_an_error():
    (error,) = planned(others=[other_service(shares=["settings_file", "settings_folder"])]).errors
    assert error.startswith("node-red-b.service uses /home/pi/.node-red/settings.js as well.")
    assert "(option -s in ExecStart: systemctl edit node-red-b)" in error
    assert planned(others=[other_service(shares=["settings_file"], in_use=False)]) == Plan()


def test_sessions_in_a_folder_of_two_services_are_reported():
    shared = other_service(shares=["user_dir"])
    (note,) = planned(others=[shared]).notes
    assert note.startswith("node-red-b.service uses the user directory /home/pi/.node-red as well.")
    assert planned(others=[shared], storage_module="pifleet") == Plan()


def test_node_red_run_by_root_is_reported():
    (note,) = planned(user="root").notes
    assert "Node-RED runs as root on pi1:" in note


@pytest.mark.parametrize("remount, count", [(False, 1), ("false", 1), (True, 0), ("true", 0)])
def test_a_read_only_file_system_is_reported_unless_it_may_be_remounted(remount, count):
    notes = planned({"nodered_remount": remount}, read_only=READ_ONLY).notes
    assert notes == ["/, /boot is read-only. A change needs nodered_remount set to true."][:count]


@pytest.mark.parametrize(
    "variable, value",
    [
        ("nodered_restart_timeout", "soon"),
        ("nodered_restart_timeout", 0),
        ("nodered_restore_points", 0),
        ("nodered_restore_points", 101),
        ("nodered_remount", "perhaps"),
    ],
)
def test_a_value_that_cannot_be_used_is_an_error_that_names_the_variable(variable, value):
    (error,) = planned({variable: value}).errors
    assert variable in error


def test_a_place_of_the_verification_that_is_not_possible_is_an_error_before_anything_is_written():
    inventory = {"groups": {"all": ["pi1", "watcher"]}, "nodered_address": "192.0.2.7"}
    for place in (None, "", "controller", "host", "watcher", "pi1"):
        assert planned({**inventory, "nodered_verify_from": place}).errors == []
    (error,) = planned({**inventory, "nodered_verify_from": "watchr"}).errors
    assert "nodered_verify_from is 'watchr'" in error
    forwarded = {**inventory, "nodered_address": "127.0.0.1", "nodered_verify_from": "watcher"}
    (error,) = planned(forwarded).errors
    assert "nodered_address" in error
    assert planned({**forwarded, "nodered_tls_proxy_url": "https://pi.example.org/"}).errors == []


def test_without_root_nothing_is_planned():
    (error,) = planned(as_root=False).errors
    assert "become: true" in error


def test_copies_of_the_settings_beside_them_are_reported_with_the_command_that_deletes_them():
    (note,) = planned(backups=["settings.js.335.2026-11-30@08:59:09~"]).notes
    assert "old hashes" in note and "settings.js.335.2026-11-30@08:59:09~" in note
    assert note.endswith("delete them: rm /home/pi/.node-red/settings.js.*~")


UNLOADABLE = "Error: Cannot find module './does-not-exist'\nRequire stack:\n- /home/pi/.node-red/settings.js"


def test_a_settings_file_that_cannot_be_loaded_is_one_warning_that_names_the_host_and_the_cause():
    plan = planned(settings_error=UNLOADABLE)
    (warning,) = plan.warnings
    assert warning.startswith("pi1: The settings file /home/pi/.node-red/settings.js cannot be loaded by Node.js")
    assert "Error: Cannot find module './does-not-exist' Require stack: - /home" in warning, "it is one line"
    assert "Node-RED does not start again" in warning and "nodered_restore=last" in warning
    assert not plan.errors, "another role of the run may repair it"
    assert "settings of the Node-RED that runs" in warning
    assert "that runs" not in planned(settings_error=UNLOADABLE, url=None).warnings[0]


def test_nothing_is_rotated_while_the_settings_file_cannot_be_loaded():
    plan = planned(settings_error=UNLOADABLE, rotates=frozenset({"http_auth"}))
    (error,) = plan.errors
    assert "cannot be loaded" in error and "does-not-exist" in error
    assert plan.warnings == []
