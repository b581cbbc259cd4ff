# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role decides around `_http_auth`, whose own tests are in test_http_auth.py of the folder above."""

from __future__ import annotations

import hashlib

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords import _bcrypt
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan import http_auth
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import Plan
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings import _settings_js
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import (
    EMPTY,
    found,
    instance,
    override,
    random_password,
    settings_with,
)

SECRET = "only for the house"
FILE = "/controller/http-auth/pi1"
NEW = "NewRandomPassword123"
SCRIPT = "exports.ioMiddleware = 1;\n"
COMPANION = "pifleet-http-auth.js"
PRESENT = {COMPANION: hashlib.sha256(SCRIPT.encode()).hexdigest()}
CONTROLLER = {**random_password(FILE, NEW), "script": SCRIPT}
DEFAULTS = {
    "nodered_http_auth_user": "nodered",
    "nodered_http_auth_password_dir": "/controller/http-auth",
    "nodered_http_auth_rounds": 8,
    "nodered_http_auth_open_paths": [],
    "nodered_http_auth_replace": False,
    "nodered_verify_login": False,
}
DERIVED = {"derived_passwords": ["the current one", "the one before"]}
EPHEMERAL = {"ephemeral": "the variable awx_job_id is set"}
GIVEN = {"nodered_http_auth_password": SECRET}
OWN = "{ user: 'bob', pass: '" + _bcrypt.hash_password("his own", rounds=8) + "' }"
OTHER = settings_with(f"httpNodeAuth: {OWN}")
MIDDLEWARE = settings_with("httpNodeAuth: require('./own.js')")


def planned(text=EMPTY, *, controller=None, variables=None, **different):
    state = found(text, controller={**CONTROLLER, **(controller or {})}, **different)
    return http_auth.plan(state, {**DEFAULTS, **(variables or {})})


def password_in(plan):
    return plan.set["httpNodeAuth"]["pass"]["$password"]


def closed(variables, text=EMPTY):
    """The settings file after a run with these variables, and what discovery finds then."""
    plan = planned(text, variables=variables)
    after = _settings_js.edit(text, set=plan.set).text
    return after, {"http_node_password": "bcrypt", "http_static_password": "bcrypt", "companions": PRESENT}


# Which password


def test_an_open_node_red_gets_a_random_password():
    plan = planned()
    assert password_in(plan) == NEW
    assert plan.passwords == {FILE: NEW}
    assert plan.details == {"managed": True}
    assert FILE in plan.notes[-1]
    assert NEW not in str(plan.notes)


def test_a_settings_file_that_cannot_be_loaded_counts_as_open():
    assert planned(http_node_password=None, http_static_password=None).passwords == {FILE: NEW}


def test_a_password_that_the_file_has_is_used_again_and_not_written():
    plan = planned(OTHER, http_node_password="bcrypt", controller={"known_password": "from the file"})
    assert password_in(plan) == "from the file"
    assert plan.passwords == {}
    assert plan.notes == [f"The password of nodered (pages and dashboards) is in {FILE} on the controller."]


def test_other_credentials_are_kept_and_used_for_what_was_open():
    plan = planned(OTHER, http_node_password="bcrypt", variables={"nodered_verify_login": True})
    assert plan.set["httpStaticAuth"] == plan.set["httpNodeAuth"]
    assert plan.passwords == {}
    assert plan.credentials == {}
    assert plan.notes == []


def test_an_unchanged_random_password_is_not_reported_again():
    text, state = closed({"nodered_http_auth_password": "from the file"})
    plan = planned(text, controller={"known_password": "from the file"}, **state)
    assert plan.details == {"managed": True}
    assert plan.notes == []
    assert plan.credentials == {}


def test_a_given_password_needs_no_file():
    plan = planned(variables=GIVEN, controller={"problem": "It is empty."})
    assert password_in(plan) == SECRET
    assert plan.passwords == {}
    assert plan.notes == []
    assert plan.errors == []


def test_a_given_password_in_place_of_that_in_a_file_is_reported():
    controller = {"known_password": NEW}
    text, state = closed({})
    plan = planned(text, controller=controller, variables=GIVEN, **state)
    assert plan.notes == [f"{FILE} is no longer used: remove it."]
    text, state = closed(GIVEN)
    assert planned(text, controller=controller, variables=GIVEN, **state).notes == []


def test_a_second_plan_in_the_same_play_keeps_the_password_that_is_going_to_be_written():
    first = planned()
    text = _settings_js.edit(EMPTY, set=first.set).text
    again = planned(text, controller={"planned_password": NEW, "new_password": "x"}, planned={"http_auth": first})
    assert _settings_js.edit(text, set=again.set).changed == ()
    assert again.passwords == {FILE: NEW}
    assert again.credentials == first.credentials


# What is written


def test_the_code_for_sockets_is_written_where_it_is_needed_and_differs():
    assert planned(variables=GIVEN).companions == {COMPANION: SCRIPT}
    assert planned(variables=GIVEN, companions={COMPANION: "0" * 64}).companions == {COMPANION: SCRIPT}
    assert planned(variables=GIVEN, companions=PRESENT).companions == {}


def test_an_unchanged_run_changes_nothing_and_sends_no_password():
    text, state = closed(GIVEN)
    plan = planned(text, variables=GIVEN, **state)
    assert not plan.changes
    assert _settings_js.edit(text, set=plan.set).changed == ()
    assert plan.credentials == {}
    assert plan.checks["managed"]


def test_middleware_from_elsewhere_is_left_unchanged_and_reported():
    plan = planned(MIDDLEWARE, http_node_password="middleware", variables={**GIVEN, "nodered_verify_login": True})
    assert plan == Plan(notes=plan.notes, details={"managed": False})
    assert "nodered_http_auth_replace" in plan.notes[0]


def test_middleware_from_elsewhere_is_replaced_on_request():
    replaced = {**GIVEN, "nodered_http_auth_replace": "true"}
    assert password_in(planned(MIDDLEWARE, http_node_password="middleware", variables=replaced)) == SECRET
    kept = {**GIVEN, "nodered_http_auth_replace": "false"}
    assert planned(MIDDLEWARE, http_node_password="middleware", variables=kept).set == {}


def test_what_no_setting_can_close_is_reported():
    package = {"name": "node-red-dashboard", "version": "2.26.2", "closable": False}
    assert "stay open" in planned(variables=GIVEN, socket_packages=[package]).notes[0]


# Errors


@pytest.mark.parametrize(
    "setting", ["httpNodeAuth", "httpStaticAuth.user", "ui", "dashboard.ioMiddleware", "webSocketNodeVerifyClient"]
)
def test_an_option_that_overrides_a_password_is_an_error(setting):
    (error,) = planned(variables=GIVEN, overrides=[override(setting), override("uiPort")]).errors
    assert f"sets {setting} and overrides" in error


def test_a_setting_that_only_begins_alike_overrides_nothing():
    assert planned(variables=GIVEN, overrides=[override("uiHost"), override("dashboardX")]).errors == []


def test_the_removed_variable_is_an_error_that_names_its_replacement():
    (error,) = planned(variables={**GIVEN, "nodered_http_auth_admin_root": "/admin"}).errors
    assert "nodered_hardening_admin_root" in error


def test_all_mistakes_are_reported_at_once_and_no_password_is_shown():
    plan = planned(
        overrides=[override("ui")],
        variables={
            "nodered_http_auth_admin_root": "/admin",
            "nodered_http_auth_password": [SECRET],
            "nodered_http_auth_user": "a:b",
            "nodered_http_auth_open_paths": ["/*"],
        },
    )
    assert len(plan.errors) == 5
    assert SECRET not in str(plan)


@pytest.mark.parametrize(
    "variable, value",
    [
        ("nodered_http_auth_rounds", "many"),
        ("nodered_http_auth_rounds", 11),
        ("nodered_http_auth_replace", "perhaps"),
        ("nodered_http_auth_open_paths", "/hook"),
        ("nodered_http_auth_user", None),
        ("nodered_http_auth_user", ""),
        ("nodered_verify_login", "perhaps"),
    ],
)
def test_a_value_that_cannot_be_used_is_an_error_that_names_the_variable(variable, value):
    (error,) = planned(variables={**GIVEN, variable: value}).errors
    assert variable in error


def test_a_password_file_that_cannot_be_used_is_an_error():
    plan = planned(controller={"problem": "It is empty."})
    assert plan.errors == ["It is empty."]
    assert plan.set == {}


# A secret of the fleet, and controllers that lose their files


def test_with_a_secret_an_open_node_red_gets_the_derived_password_and_no_file():
    plan = planned(controller={**DERIVED, **EPHEMERAL})
    assert password_in(plan) == "the current one"
    assert (plan.passwords, plan.errors) == ({}, [])
    assert plan.credentials == {"http_username": "nodered", "http_password": "the current one"}
    assert plan.notes == [
        "The password of nodered (pages and dashboards) is derived from nodered_fleet_secret; the lookup "
        "pifleet.nodered.password shows it."
    ]


@pytest.mark.parametrize("paths", [[], ["/hooks/github"]])
def test_a_derived_password_that_is_there_changes_nothing_and_is_not_reported(paths):
    more = {"nodered_http_auth_open_paths": paths}
    text, state = closed({"nodered_http_auth_password": "the current one", **more})
    plan = planned(text, controller=DERIVED, variables=more, **state)
    assert _settings_js.edit(text, set=plan.set).changed == ()
    assert (plan.notes, plan.credentials, plan.changes) == ([], {}, False)


@pytest.mark.parametrize("paths", [[], ["/hooks/github"]])
def test_another_generation_replaces_the_derived_password_that_is_there(paths):
    more = {"nodered_http_auth_open_paths": paths}
    text, state = closed({"nodered_http_auth_password": "the one before", **more})
    plan = planned(text, controller=DERIVED, variables=more, **state)
    assert plan.credentials == {"http_username": "nodered", "http_password": "the current one"}
    assert "httpStaticAuth" in _settings_js.edit(text, set=plan.set).changed


def test_a_new_derived_password_is_reported_if_the_verification_cannot_use_it():
    static = {"nodered_http_auth_static_password": "the fifth"}
    plan = planned(controller=DERIVED, variables=static, static_roots=["/"], expected_node_root="/web")
    assert (plan.errors, plan.credentials) == ([], {})
    assert "derived" in plan.notes[-1]


def test_other_credentials_are_replaced_by_a_derived_password_on_request_only():
    plan = planned(OTHER, http_node_password="bcrypt", controller=DERIVED)
    assert plan.set["httpStaticAuth"] == plan.set["httpNodeAuth"], "they are kept"
    assert plan.credentials == {}
    (note,) = plan.notes
    assert "is not derived from nodered_fleet_secret" in note
    assert "nodered_http_auth_replace: true" in note
    replace = {"nodered_http_auth_replace": True}
    assert password_in(planned(OTHER, http_node_password="bcrypt", controller=DERIVED, variables=replace)) == (
        "the current one"
    )


def test_custom_code_is_left_unchanged_with_a_secret():
    plan = planned(MIDDLEWARE, http_node_password="middleware", controller=DERIVED)
    assert plan.set == {}
    (note,) = plan.notes
    assert "custom code" in note


def test_a_password_that_would_be_lost_is_rejected_with_the_remedy():
    plan = planned(controller=EPHEMERAL)
    assert plan.set == plan.passwords == {}
    (error,) = plan.errors
    assert f"The random password of nodered (pages and dashboards), in {FILE} on the controller, would be lost" in error
    assert "Set nodered_fleet_secret from a vault" in error


def test_what_an_ephemeral_controller_does_not_generate_is_planned_as_ever():
    assert planned(controller={**EPHEMERAL, "known_password": "from the file"}).errors == []
    assert planned(controller=EPHEMERAL, variables=GIVEN).errors == []
    assert planned(OTHER, http_node_password="bcrypt", controller=EPHEMERAL).errors == []


# What the verification opens pages with


def test_the_verification_uses_a_password_that_changes():
    assert planned().credentials == {"http_username": "nodered", "http_password": NEW}
    text, state = closed(GIVEN)
    variables = {"nodered_http_auth_password": "another one"}
    assert planned(text, variables=variables, **state).credentials["http_password"] == "another one"


def test_a_change_of_a_socket_alone_sends_no_password():
    text, state = closed(GIVEN)
    text = _settings_js.edit(text, remove=["ui"]).text
    plan = planned(text, variables=GIVEN, **state)
    assert _settings_js.edit(text, set=plan.set).changed
    assert plan.credentials == {}


@pytest.mark.parametrize("variables, different", [({"nodered_verify_login": "true"}, {}), ({}, {"unconfirmed": True})])
def test_the_verification_uses_it_without_a_change_if_asked_or_after_an_interrupted_run(variables, different):
    text, state = closed(GIVEN)
    plan = planned(text, variables={**GIVEN, **variables}, **{**state, **different})
    assert plan.credentials == {"http_username": "nodered", "http_password": SECRET}


def test_a_known_password_that_does_not_change_is_not_tried():
    text, state = closed(GIVEN)
    assert planned(text, variables=GIVEN, **state).checks["untried"] is True
    assert planned(variables=GIVEN).checks["untried"] is False
    assert "untried" not in planned(OTHER, http_node_password="bcrypt").checks


def test_a_new_password_with_open_paths_is_one_although_it_is_in_the_setting_for_static_files():
    open_paths = {"nodered_http_auth_open_paths": ["/hook"]}
    text, state = closed({**GIVEN, **open_paths})
    state["http_node_password"] = "middleware"
    assert planned(text, variables={**GIVEN, **open_paths}, **state).credentials == {}
    variables = {"nodered_http_auth_password": "another one", **open_paths}
    assert planned(text, variables=variables, **state).credentials["http_password"] == "another one"


def test_a_changed_password_of_static_files_alone_sends_none():
    apart = {"expected_node_root": "/api/", "static_roots": []}
    separate = {**GIVEN, "nodered_http_auth_static_password": "for files"}
    text = _settings_js.edit(EMPTY, set=planned(variables=separate, **apart).set).text
    state = {"http_node_password": "bcrypt", "http_static_password": "bcrypt", "companions": PRESENT, **apart}
    changed = {**separate, "nodered_http_auth_static_password": "for other files"}
    assert planned(text, variables=changed, **state).credentials == {}


def test_the_password_of_pages_is_of_no_use_where_static_files_have_another():
    apart = {"expected_node_root": "/api/", "static_roots": ["/files/"]}
    separate = {**GIVEN, "nodered_http_auth_static_password": "for files", "nodered_verify_login": True}
    assert planned(variables=separate, **apart).credentials == {}


# What the verification asks for


def checked(plan, **different):
    return http_auth.pages_to_check(plan, instance(**different))


def test_everything_that_is_closed_is_checked():
    different = {
        "node_root": "/api/",
        "static_roots": ["/files/"],
        "dashboard_sockets": ["/api/ui/socket.io/"],
        "websockets": ["/api/ws/in"],
    }
    assert checked(planned(variables=GIVEN), **different) == different


def test_nothing_is_checked_where_the_role_closes_nothing():
    plan = planned(MIDDLEWARE, http_node_password="middleware", variables=GIVEN)
    assert checked(plan, websockets=["/ws"]) == {}


def test_pages_that_are_switched_off_are_not_checked():
    assert "node_root" not in checked(planned(variables=GIVEN), node_root=None)


@pytest.mark.parametrize("root", ["/", "/api/", "/api", None])
def test_sockets_below_an_open_path_are_not_checked(root):
    plan = planned(variables={**GIVEN, "nodered_http_auth_open_paths": ["/hook", "/c++"]})
    below = (root or "/").rstrip("/")
    names = ["/hook", "/hook/a", "/hooks", "/x/hook", "/c++", "/ccc"]
    asked = checked(plan, node_root=root, websockets=[below + name for name in names])
    assert asked["websockets"] == [below + name for name in ("/hooks", "/x/hook", "/ccc")]


# Passwords that are easy to guess


@pytest.mark.parametrize("name", ["nodered_http_auth_password", "nodered_http_auth_static_password"])
@pytest.mark.parametrize(
    ("password", "problem"),
    [("1234", "that attackers try first"), ("house-pages", "is the user name or"), ("Xq7-vv", "fewer than 8")],
)
def test_a_password_that_is_easy_to_guess_is_rejected(name, password, problem):
    variables = {**GIVEN, "nodered_http_auth_user": "house-pages", name: password}
    plan = planned(variables=variables, expected_node_root="/api/", static_roots=["/files/"])
    assert [name in error and problem in error for error in plan.errors] == [True]
    assert password not in str(plan.errors)


def test_a_short_password_that_is_there_already_is_a_warning():
    short = {"nodered_http_auth_password": "Xq7-vv"}
    text, state = closed(short)
    plan = planned(text, variables=short, **state)
    assert plan.errors == []
    assert ["nodered_http_auth_password has fewer than 8" in warning for warning in plan.warnings] == [True]


def test_custom_code_that_stays_is_no_reason_to_judge_the_password():
    variables = {"nodered_http_auth_password": "1234"}
    assert planned(MIDDLEWARE, http_node_password="middleware", variables=variables).errors == []


# Rotation

ROTATES = {"rotates": frozenset({"http_auth"})}


def test_a_rotation_replaces_the_password_of_the_file():
    text, state = closed({})
    plan = planned(text, controller={"known_password": NEW, "new_password": "another one"}, **ROTATES, **state)
    assert password_in(plan) == "another one"
    assert plan.rotations == {FILE: {"old": NEW, "new": "another one"}}
    assert plan.credentials == {"http_username": "nodered", "http_password": "another one"}
    assert plan.rotation["state"] == "new"


def test_a_given_password_that_is_the_same_is_not_rotated():
    text, state = closed(GIVEN)
    assert planned(text, variables=GIVEN, **ROTATES, **state).rotation["state"] == "unchanged"
    other = planned(text, variables={"nodered_http_auth_password": "another for the house"}, **ROTATES, **state)
    assert (other.rotation["state"], other.rotation["text"]) == ("new", "in nodered_http_auth_password")


@pytest.mark.parametrize(
    "text, variables, different, why",
    [
        (EMPTY, GIVEN, {}, "Run pifleet.nodered.secure"),
        (OTHER, {}, {"http_node_password": "bcrypt"}, "not from this collection"),
        (
            OTHER,
            {**GIVEN, "nodered_http_auth_static_password": "for files only"},
            {"http_node_password": "bcrypt", "static_roots": ["/"]},
            "static files",
        ),
    ],
)
def test_a_rotation_leaves_what_it_cannot_verify_or_does_not_know(text, variables, different, why):
    plan = planned(text, variables=variables, **ROTATES, **different)
    assert (plan.set, plan.rotation["state"]) == ({}, "left")
    assert why in plan.rotation["text"]
