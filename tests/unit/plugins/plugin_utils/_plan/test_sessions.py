# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._gather import sessions as gathering
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan import sessions
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import Plan, drop_in_path
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan.sessions import COMPANION, DROP_IN
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings import _settings_js
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import (
    found,
    other_service,
    override,
    settings_with,
)

SCRIPT = "// made up\n"
CHECKSUM = hashlib.sha256(SCRIPT.encode()).hexdigest()
IN_FILE = 'require("./pifleet-sessions.js").inFile("/run/nodered/sessions.json")'
IN_MEMORY = 'require("./pifleet-sessions.js").inMemory()'
WITH_FILE = settings_with(f"storageModule: {IN_FILE}")
DROP_IN_PATH = drop_in_path("nodered.service", DROP_IN)
DROP_IN_TEXT = "[Service]\nRuntimeDirectory=nodered\nRuntimeDirectoryMode=0700\nRuntimeDirectoryPreserve=yes\n"
# What a run with `runtime` leaves.
DONE = {
    "text": WITH_FILE,
    "storage_module": "pifleet",
    "companions": {COMPANION: CHECKSUM},
    "drop_ins": {DROP_IN_PATH: DROP_IN_TEXT},
    "runtime_directories": ["nodered"],
}
SESSIONS = found().instance["sessions"]


def planned(store="auto", **different):
    about = found(controller={"script": SCRIPT}, **different)
    return sessions.plan(about, {"nodered_sessions_store": store})


def repairs(state, refusal=None, file="/home/pi/.node-red/.sessions.json"):
    one = {"path": file, "before": "a folder", "after": "nothing", "refusal": refusal}
    return {**SESSIONS, "repairs": {**SESSIONS["repairs"], state: [one]}}


def edited(plan, text):
    return _settings_js.edit(text, set=plan.set, remove=plan.remove)


def test_a_fresh_machine_is_left_as_it_is():
    assert planned() == Plan()
    assert planned("disk") == Plan()


@pytest.mark.parametrize("read_only", ["user_dir_read_only", "user_dir_read_only_at_boot"])
def test_auto_uses_memory_if_the_user_directory_is_read_only_now_or_after_a_boot(read_only):
    plan = planned(**{read_only: True})
    assert plan.set == {"storageModule": {"$js": IN_FILE}}
    assert plan.companions == {COMPANION: SCRIPT}
    assert [(one.path, one.text) for one in plan.drop_ins] == [(DROP_IN_PATH, DROP_IN_TEXT)]
    assert plan.needs_restart
    assert not plan.errors


def test_an_unchanged_run_plans_nothing():
    plan = planned("runtime", **DONE)
    assert edited(plan, WITH_FILE).changed == ()
    assert not plan.changes
    assert not plan.errors


def test_two_services_cannot_keep_sessions_in_one_user_directory():
    (error,) = planned("disk", others=[other_service(shares=["user_dir"])]).errors
    assert error.startswith("node-red-b.service uses the user directory /home/pi/.node-red as well.")
    assert "nodered_sessions_store to runtime or memory" in error


def test_a_sessions_file_that_another_service_can_use_is_left_to_it():
    plan = planned("runtime", others=[other_service(shares=["user_dir"])], sessions=repairs("absent"))
    assert plan.sessions == ""
    assert plan.companions == {COMPANION: SCRIPT}


def test_a_script_that_another_service_beside_it_can_require_stays():
    plan = planned("disk", others=[other_service(shares=["settings_folder"])], **DONE)
    assert plan.remove == ["storageModule"]
    assert plan.companions == {}


def test_sessions_in_node_reds_own_memory_need_no_folder():
    plan = planned("memory")
    assert plan.set == {"storageModule": {"$js": IN_MEMORY}}
    assert plan.companions == {COMPANION: SCRIPT}
    assert plan.drop_ins == []


def test_an_older_companion_is_replaced():
    assert planned("runtime", **{**DONE, "companions": {COMPANION: "0" * 64}}).companions == {COMPANION: SCRIPT}


def test_disk_removes_all_that_the_role_has_placed():
    plan = planned("disk", **DONE)
    assert plan.remove == ["storageModule"]
    assert plan.companions == {COMPANION: None}
    assert [(one.path, one.text) for one in plan.drop_ins] == [(DROP_IN_PATH, "")]


def test_memory_removes_the_drop_in_of_runtime():
    plan = planned("memory", **DONE)
    assert edited(plan, WITH_FILE).changed == ("storageModule",)
    assert [one.sections for one in plan.drop_ins] == [{}]
    assert plan.companions == {}


@pytest.mark.parametrize("version", ["0.14.6", "1.1.3"])
def test_a_release_that_writes_through_a_link_gets_one(version):
    plan = planned("runtime", version=version, sessions=repairs("link"))
    assert plan.sessions == "link"
    assert (plan.set, plan.companions) == ({}, {})
    assert len(plan.drop_ins) == 1
    done = planned("runtime", version=version, drop_ins={DROP_IN_PATH: DROP_IN_TEXT}, runtime_directories=["nodered"])
    assert done == Plan()


@pytest.mark.parametrize("version", ["1.2.0", "1.2.0-beta.1", "5.0.7", None])
def test_a_release_that_replaces_a_link_gets_the_storage_module(version):
    plan = planned("runtime", version=version)
    assert plan.set == {"storageModule": {"$js": IN_FILE}}


def test_an_upgrade_from_a_link_removes_it():
    assert planned("runtime", version="1.2.0", sessions=repairs("absent")).sessions == "absent"


def test_a_downgrade_to_a_release_with_a_link_removes_the_storage_module():
    plan = planned("runtime", **DONE, version="1.1.3", sessions=repairs("link"))
    assert (plan.set, plan.remove, plan.companions) == ({}, ["storageModule"], {COMPANION: None})
    assert (plan.drop_ins, plan.sessions) == ([], "link")


@pytest.mark.parametrize("store, state", [("disk", "file"), ("runtime", "absent"), ("memory", "absent")])
def test_what_is_in_the_way_of_the_sessions_file_is_repaired(store, state):
    assert planned(store, sessions=repairs(state)).sessions == state
    assert planned(store).sessions == ""


def test_what_must_not_be_repaired_is_an_error():
    plan = planned("disk", sessions=repairs("file", "It is mounted at each boot. Take that line out."))
    assert plan.errors == ["It is mounted at each boot. Take that line out. Then run again."]


# A storage module of the user


@pytest.mark.parametrize("store", ["auto", "disk"])
@pytest.mark.parametrize("read_only", [False, True])
def test_custom_code_decides_itself_where_its_sessions_are(store, read_only):
    plan = planned(
        store,
        text=settings_with("storageModule: require('./mine')"),
        storage_module="other",
        user_dir_read_only=read_only,
        sessions=repairs("file", "no"),
        runtime_directories=["other"],
    )
    assert plan == Plan(notes=plan.notes)
    assert "has a custom storageModule" in plan.notes[0]


@pytest.mark.parametrize("store", ["runtime", "memory"])
def test_custom_code_is_not_replaced(store):
    plan = planned(store, storage_module="other")
    assert len(plan.errors) == 1
    assert f"nodered_sessions_store cannot be {store}" in plan.errors[0]
    assert not plan.changes


def test_a_companion_stays_as_long_as_custom_code_uses_it():
    left = {"storage_module": "other", "companions": {COMPANION: CHECKSUM}}
    assert planned(text=settings_with("storageModule: require('./mine')"), **left).companions == {COMPANION: None}
    wrapped = settings_with(f"storageModule: require('./mine').wrapped({IN_FILE})")
    assert planned(text=wrapped, **left).companions == {}


# Errors


def test_an_option_that_overrides_the_storage_module_is_an_error():
    plan = planned("runtime", overrides=[override("storageModule"), override("storageModule.x"), override("uiPort")])
    assert [("storageModule" in error and "Remove that option" in error) for error in plan.errors] == [True, True]
    assert planned("disk", overrides=[override("storageModule")]).errors == []


def test_memory_needs_a_release_with_a_storage_package():
    assert "memory with Node-RED 0.19.6, only from 0.20 on" in planned("memory", version="0.19.6").errors[0]
    assert planned("memory", version="0.20.0").errors == []
    assert planned("memory", version=None).errors == []


def test_a_storage_module_that_no_longer_loads_is_an_error():
    plan = planned("runtime", **{**DONE, "storage_module": "none"}, version="6.0.0")
    assert "Node-RED 6.0.0 does not have its storage where pifleet-sessions.js looks for it" in plan.errors[0]


@pytest.mark.parametrize("different", [{"companions": {}}, {"text": settings_with("uiPort: 1880")}])
def test_one_that_was_not_in_place_is_placed(different):
    plan = planned("runtime", **{**DONE, "storage_module": "none", **different})
    assert plan.errors == []
    assert plan.set


def test_the_mode_of_the_folder_in_memory_must_not_close_other_folders_of_the_service():
    plan = planned("runtime", runtime_directories=["nodered", "mine", "other"])
    assert "nodered already has RuntimeDirectory=mine other" in plan.errors[0]
    assert planned("memory", runtime_directories=["mine"]).errors == []


def test_the_folder_that_an_earlier_release_gave_to_the_service_is_replaced():
    instance = {"service": "node-red", "runtime_directories": ["nodered"], "text": WITH_FILE}
    path = drop_in_path("node-red.service", DROP_IN)
    own = {**SESSIONS, "runtime_directory": "node-red", "runtime_file": "/run/node-red/sessions.json"}
    plan = planned("runtime", **instance, sessions=own, drop_ins={path: DROP_IN_TEXT})
    assert plan.errors == []
    assert [one.path for one in plan.drop_ins] == [path]
    assert "RuntimeDirectory=node-red\n" in plan.drop_ins[0].text


def test_all_errors_are_reported_at_once():
    plan = planned(
        "runtime",
        overrides=[override("storageModule")],
        runtime_directories=["mine"],
        sessions=repairs("absent", "It is mounted."),
    )
    assert len(plan.errors) == 3


def test_an_unknown_store_is_an_error():
    assert planned("ram").errors == ["nodered_sessions_store must be auto, disk, runtime or memory."]


def test_the_companion_is_read_as_it_is():
    assert gathering.gather(None, found(), {})["script"].encode() == gathering.FILE.read_bytes()
