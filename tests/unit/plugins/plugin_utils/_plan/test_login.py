# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords import _bcrypt
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan import _random_password, login
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import Plan
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings import _settings_js
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import (
    EMPTY,
    SETTINGS_FILE,
    found,
    override,
    random_password,
    settings_with,
)

SECRET = "correct horse"
ADA = {"username": "ada", "password": SECRET}
FILE = "/controller/pi1"
NEW = "NewRandomPassword123"
SCRIPT = "the companion"
CONTROLLER = {**random_password(FILE, NEW), "two_step": {"script": SCRIPT, "problem": "", "users": {}}}
DEFAULTS = {
    "nodered_login_users": [],
    "nodered_login_password_dir": "/controller",
    "nodered_login_rounds": 4,
    "nodered_login_totp_renew": [],
    "nodered_login_replace": False,
    "nodered_verify_login": False,
}
DERIVED = {"derived_passwords": ["the current one", "the one before"]}
EPHEMERAL = {"ephemeral": "the variable awx_job_id is set"}
STRATEGY = settings_with("adminAuth: require('./oauth.js')")


def hashed(password, rounds=4):
    return _bcrypt.hash_password(password, rounds=rounds)


def login_of(username, password):
    user = f"{{ username: '{username}', password: '{hashed(password)}', permissions: '*' }}"
    return settings_with(f"adminAuth: {{ type: 'credentials', users: [{user}] }}")


def planned(text=EMPTY, *, controller=None, variables=None, **different):
    state = found(text, controller={**CONTROLLER, **(controller or {})}, **different)
    return login.plan(state, {**DEFAULTS, **(variables or {})})


def marked(password):
    return {"$password": password, "$rounds": 4, "$ident": "2b"}


# Which users


def test_an_open_node_red_gets_one_user_with_a_random_password():
    plan = planned()
    assert plan.set["adminAuth"]["users"] == [{"username": "admin", "password": marked(NEW), "permissions": "*"}]
    assert plan.passwords == {FILE: NEW}
    assert plan.details == {"managed": True}
    assert plan.errors == []
    assert NEW not in str(plan.notes)
    assert FILE in plan.notes[0]


@pytest.mark.parametrize("value", ["null", "false", "undefined"])
def test_node_red_is_open_with_an_empty_login(value):
    assert planned(settings_with(f"adminAuth: {value}")).passwords == {FILE: NEW}


def test_a_password_that_the_file_has_is_used_again_and_not_written():
    plan = planned(login_of("admin", "an old one"), controller={"known_password": "from the file"})
    assert plan.set["adminAuth"]["users"][0]["password"] == marked("from the file")
    assert plan.passwords == {}
    assert plan.notes == [f"The password of admin is in {FILE} on the controller."]


def test_an_unchanged_login_changes_nothing_reports_nothing_and_sends_no_password():
    text = login_of("admin", "from the file")
    plan = planned(text, controller={"known_password": "from the file"})
    assert _settings_js.edit(text, set=plan.set).changed == ()
    assert not plan.changes
    assert plan.credentials == {}
    assert plan.notes == []


@pytest.mark.parametrize("known", ["from the file", None])
def test_users_from_elsewhere_are_left_unchanged(known):
    plan = planned(login_of("bob", "his own"), controller={"known_password": known})
    assert plan == Plan(details={"managed": False})


def test_an_admin_from_elsewhere_is_left_unchanged():
    assert planned(login_of("admin", "his own")) == Plan(details={"managed": False})


@pytest.mark.parametrize("users", ["undefined", "{ 0: 1 }", "'admin'", "users()", "[null, 7]", "[{}]"])
def test_users_that_are_no_list_of_users_are_left_unchanged(users):
    text = settings_with(f"adminAuth: {{ type: 'credentials', users: {users} }}")
    assert planned(text, controller={"known_password": "x"}, admin_auth="credentials").set == {}


def test_a_second_plan_in_the_same_play_keeps_the_password_that_is_going_to_be_written():
    first = planned()
    text = _settings_js.edit(EMPTY, set=first.set).text
    again = planned(text, controller={"planned_password": NEW, "new_password": "another"}, planned={"login": first})
    assert _settings_js.edit(text, set=again.set).changed == ()
    assert again.passwords == {FILE: NEW}
    assert again.credentials == first.credentials == {"username": "admin", "password": NEW}


def test_listed_users_replace_all_others_and_need_no_file():
    plan = planned(
        login_of("bob", "his own"), variables={"nodered_login_users": [ADA]}, controller={"problem": "unreadable"}
    )
    assert [user["username"] for user in plan.set["adminAuth"]["users"]] == ["ada"]
    assert plan.passwords == {}
    assert plan.errors == []


def test_what_the_role_has_no_variable_for_stays():
    text = settings_with(
        "adminAuth: { type: 'credentials', users: [], sessionExpiryTime: 60, default: { permissions: '*' } }"
    )
    auth = planned(text, variables={"nodered_login_users": [ADA]}).set["adminAuth"]
    assert auth["sessionExpiryTime"] == 60
    assert "default" not in auth


def test_numbers_may_be_text_from_the_command_line():
    variables = {"nodered_login_users": [ADA], "nodered_login_rounds": "9", "nodered_login_session_expiry": "60"}
    auth = planned(variables=variables).set["adminAuth"]
    assert auth["users"][0]["password"]["$rounds"] == 9
    assert auth["sessionExpiryTime"] == 60


# A login of another kind


@pytest.mark.parametrize("kind", ["strategy", "credentials", "other", None])
def test_custom_code_is_left_unchanged_and_reported(kind):
    plan = planned(STRATEGY, admin_auth=kind)
    assert plan.set == {}
    assert plan.errors == []
    assert plan.details == {"managed": False}
    assert "nodered_login_replace" in plan.notes[0]


@pytest.mark.parametrize("kind", ["strategy", "credentials", "other", None])
def test_users_that_custom_code_would_ignore_are_an_error_with_line_and_remedy(kind):
    plan = planned(STRATEGY, variables={"nodered_login_users": [ADA]}, admin_auth=kind)
    assert plan.set == {}
    assert plan.details == {"managed": False}
    assert plan.notes == []
    (error,) = plan.errors
    assert error.startswith(f"{SETTINGS_FILE}:2:5: adminAuth is not a list of users")
    assert "nodered_login_users has no effect" in error
    assert "require(" in error
    assert "set nodered_login_replace: true" in error
    assert "do not set nodered_login_users for pi1" in error


def test_the_error_about_custom_code_shows_no_secret():
    text = settings_with("adminAuth: { type: 'strategy', strategy: { options: { clientSecret: 'of-the-idp' } } }")
    (error,) = planned(text, variables={"nodered_login_users": [ADA]}, admin_auth="strategy").errors
    assert "of-the-idp" not in error


def test_custom_code_is_replaced_on_request():
    variables = {"nodered_login_users": [ADA], "nodered_login_replace": "yes"}
    assert planned(STRATEGY, variables=variables, admin_auth="strategy").set["adminAuth"]["type"] == "credentials"


def test_text_that_means_no_does_not_replace_custom_code():
    variables = {"nodered_login_users": [ADA], "nodered_login_replace": "false"}
    assert planned(STRATEGY, variables=variables, admin_auth="strategy").set == {}


def test_custom_code_is_not_replaced_by_nothing():
    variables, controller = {"nodered_login_replace": True}, {"known_password": "x"}
    plan = planned(STRATEGY, variables=variables, controller=controller, admin_auth="strategy")
    assert plan.set == {}
    assert "nodered_login_users" in plan.notes[0]


def test_users_are_not_checked_where_they_would_not_be_written():
    variables = {"nodered_login_users": [{"username": ""}]}
    (error,) = planned(STRATEGY, variables=variables, admin_auth="strategy").errors
    assert "nodered_login_users has no effect" in error


CONDITION = settings_with("adminAuth: process.env.SITE ? { type: 'credentials', users: [] } : undefined")


def test_code_that_gives_no_login_on_this_host_is_an_open_editor():
    plan = planned(CONDITION)
    assert plan.passwords == {FILE: NEW}
    assert plan.credentials == {"username": "admin", "password": NEW}
    assert "code that gives no login on this host" in plan.notes[0]
    listed = planned(CONDITION, variables={"nodered_login_users": [ADA]})
    assert [user["username"] for user in listed.set["adminAuth"]["users"]] == ["ada"]


def test_the_same_code_that_gives_a_login_is_left_unchanged():
    plan = planned(CONDITION, admin_auth="credentials")
    assert plan.set == plan.passwords == {}
    assert "left unchanged" in plan.notes[0]


# Errors


def test_an_option_that_overrides_the_login_is_an_error_with_the_other_mistakes():
    plan = planned(
        overrides=[override("adminAuth.users"), override("uiPort")],
        variables={"nodered_login_users": [{"username": "ada"}, {"username": "bob", "password": ""}]},
    )
    assert len(plan.errors) == 3
    assert "sets adminAuth.users and overrides" in plan.errors[0]
    assert "nodered_login_users[0]" in plan.errors[1]
    assert "nodered_login_users[1].password" in plan.errors[2]


@pytest.mark.parametrize(
    "users",
    [
        f"ada:{SECRET}",
        {"ada": SECRET},
        None,
        7,
        [f"ada:{SECRET}"],
        [["ada", SECRET]],
        [{"ada": SECRET}],
        [{SECRET: None}],
        [{**ADA, "password": [SECRET]}],
        [{**ADA, "permissions": [SECRET]}],
        [{**ADA, "password_hash": SECRET}],
        [{"username": "ada", "password_hash": SECRET}],
    ],
)
def test_malformed_users_are_an_error_that_shows_no_password(users):
    plan = planned(variables={"nodered_login_users": users})
    assert plan.errors
    assert plan.set == {}
    assert plan.passwords == {}
    assert all("nodered_login_users" in error for error in plan.errors)
    assert SECRET not in str(plan)


@pytest.mark.parametrize(
    "variable, value",
    [
        ("nodered_login_rounds", "many"),
        ("nodered_login_rounds", 3),
        ("nodered_login_replace", "perhaps"),
        ("nodered_login_session_expiry", "soon"),
        ("nodered_login_session_expiry", 0),
        ("nodered_login_default_permissions", "*"),
        ("nodered_verify_login", "perhaps"),
    ],
)
def test_a_value_that_cannot_be_used_is_an_error_that_names_the_variable(variable, value):
    (error,) = planned(variables={"nodered_login_users": [ADA], variable: value}).errors
    assert variable in error


def test_a_password_file_that_cannot_be_used_is_an_error_where_it_is_needed():
    assert planned(controller={"problem": "It is empty."}).errors == ["It is empty."]
    assert planned(login_of("bob", "x"), controller={"problem": "It is empty."}).errors == []


def test_users_that_are_no_list_are_an_error_with_an_example_and_no_secret():
    (error,) = planned(variables={"nodered_login_users": f"ada:{SECRET}"}).errors
    assert "list of users with username and password, not text" in error
    assert "[{username: ada," in error
    assert SECRET not in error


# Who can no longer log in


def test_users_that_are_not_listed_any_more_are_reported_with_the_file_that_no_one_needs():
    plan = planned(
        login_of("admin", "from the file"),
        controller={"known_password": "from the file"},
        variables={"nodered_login_users": [ADA]},
    )
    assert plan.notes == ["admin can no longer log in.", f"{FILE} is no longer used: remove it."]


def test_a_removed_user_without_a_file_is_reported():
    assert planned(login_of("bob", "his own"), variables={"nodered_login_users": [ADA]}).notes == [
        "bob can no longer log in."
    ]


def test_a_file_is_no_longer_used_if_its_user_gets_another_password():
    text, controller = login_of("admin", "from the file"), {"known_password": "from the file"}
    own = {"nodered_login_users": [{"username": "admin", "password": SECRET}]}
    assert planned(text, controller=controller, variables=own).notes == [f"{FILE} is no longer used: remove it."]
    assert planned(login_of("admin", SECRET), controller=controller, variables=own).notes == []


def test_a_file_whose_password_is_listed_is_used():
    users = [{"username": "admin", "password": "from the file", "permissions": "read"}]
    plan = planned(
        login_of("admin", "from the file"),
        controller={"known_password": "from the file"},
        variables={"nodered_login_users": users},
    )
    assert plan.notes == []


# A secret of the fleet, and controllers that lose their files


def test_with_a_secret_an_open_node_red_gets_the_derived_password_and_no_file():
    plan = planned(controller={**DERIVED, **EPHEMERAL})
    assert plan.set["adminAuth"]["users"][0]["password"] == marked("the current one")
    assert plan.passwords == {}
    assert plan.errors == []
    assert plan.credentials == {"username": "admin", "password": "the current one"}
    assert plan.notes == [
        "The password of admin is derived from nodered_fleet_secret; the lookup pifleet.nodered.password shows it."
    ]


def test_a_derived_password_that_is_there_changes_nothing_and_is_not_reported():
    text = login_of("admin", "the current one")
    plan = planned(text, controller=DERIVED)
    assert _settings_js.edit(text, set=plan.set).changed == ()
    assert (plan.notes, plan.credentials, plan.changes) == ([], {}, False)


def test_another_generation_replaces_the_derived_password_that_is_there():
    plan = planned(login_of("admin", "the one before"), controller=DERIVED)
    assert plan.set["adminAuth"]["users"][0]["password"] == marked("the current one")
    assert "derived" in plan.notes[0]


def test_a_secret_replaces_the_password_of_a_file_which_is_reported():
    plan = planned(login_of("admin", "from the file"), controller={**DERIVED, "known_password": "from the file"})
    assert plan.set["adminAuth"]["users"][0]["password"] == marked("the current one")
    assert plan.passwords == {}
    assert plan.notes[0].endswith(f"{FILE} is no longer used: remove it.")
    text = login_of("admin", "the current one")
    assert planned(text, controller={**DERIVED, "known_password": "from the file"}).notes == []


def test_an_admin_from_elsewhere_is_replaced_by_a_derived_password_on_request_only():
    text = login_of("admin", "his own")
    plan = planned(text, controller=DERIVED)
    assert plan.set == {}
    (note,) = plan.notes
    assert "admin" in note
    assert "is not derived from nodered_fleet_secret" in note
    assert "nodered_login_replace: true" in note
    plan = planned(text, controller=DERIVED, variables={"nodered_login_replace": True})
    assert plan.set["adminAuth"]["users"][0]["password"] == marked("the current one")


def test_without_a_secret_replace_gives_no_admin_from_elsewhere_a_random_password():
    assert planned(login_of("admin", "his own"), variables={"nodered_login_replace": True}).set == {}


def test_other_users_are_left_unchanged_and_unreported_with_a_secret():
    plan = planned(login_of("bob", "his own"), controller=DERIVED, variables={"nodered_login_replace": True})
    assert plan == Plan(details={"managed": False})


@pytest.mark.parametrize(("rounds", "compared"), [(10, 2), (11, 1), (14, 1), (15, 0)])
def test_the_hash_of_an_attacker_costs_little(monkeypatch, rounds, compared):
    asked = []
    monkeypatch.setattr(_random_password, "verify", lambda password, _hashed: asked.append(password))
    text = login_of("admin", "x").replace("$2b$04$", f"$2b${rounds:02}$")
    assert planned(text, controller=DERIVED).set == {}
    assert asked == DERIVED["derived_passwords"][:compared]


def test_a_password_that_would_be_lost_is_rejected_with_the_remedy():
    plan = planned(controller=EPHEMERAL)
    assert plan.set == plan.passwords == {}
    (error,) = plan.errors
    assert error.startswith(f"The random password of admin, in {FILE} on the controller, would be lost")
    assert "the variable awx_job_id is set" in error
    assert "Set nodered_fleet_secret from a vault" in error
    assert "nodered_controller_ephemeral: false" in error


def test_what_an_ephemeral_controller_does_not_generate_is_planned_as_ever():
    assert planned(controller={**EPHEMERAL, "known_password": "from the file"}).errors == []
    assert planned(controller=EPHEMERAL, variables={"nodered_login_users": [ADA]}).errors == []
    assert planned(login_of("admin", "his own"), controller=EPHEMERAL) == Plan(details={"managed": False})


# Passwords that are easy to guess


@pytest.mark.parametrize("password", ["1234", "Password", "raspberry", "ada-lovelace"])
def test_a_usual_password_and_the_user_name_are_rejected_even_if_they_are_there_already(password):
    user = {"username": "ada-lovelace", "password": password}
    plan = planned(login_of("ada-lovelace", password), variables={"nodered_login_users": [ADA, user]})
    assert plan.errors == [
        "nodered_login_users[1].password is the user name or one of the passwords that attackers try first. "
        "Choose another one."
    ]


SHORT = {"username": "ada", "password": "Xq7-vvé"}
TOO_SHORT = "nodered_login_users[0].password has fewer than 8 characters, so it is easy to guess. Choose a longer one."


@pytest.mark.parametrize("text", [EMPTY, login_of("ada", "another"), login_of("bob", SHORT["password"]), STRATEGY])
def test_a_new_password_that_is_short_is_rejected(text):
    plan = planned(text, variables={"nodered_login_users": [SHORT], "nodered_login_replace": True})
    assert (plan.errors, plan.warnings) == ([TOO_SHORT], [])


def test_a_short_password_that_is_there_already_is_a_warning():
    text = login_of("ada", SHORT["password"])
    plan = planned(text, variables={"nodered_login_users": [SHORT]})
    assert (plan.errors, plan.warnings) == ([], [TOO_SHORT])
    assert _settings_js.edit(text, set=plan.set).changed == ()


def test_eight_characters_and_a_hash_pass_without_a_word():
    users = [{"username": "ada", "password": "Xq7-vvé!"}, {"username": "bob", "password_hash": hashed("x", 8)}]
    plan = planned(variables={"nodered_login_users": users})
    assert (plan.errors, plan.warnings) == ([], [])


# What the verification logs in with


def test_the_verification_logs_in_as_the_first_user_that_changes():
    text = login_of("ada", SECRET)
    users = [ADA, {"username": "bob", "password": "new for bob"}, {"username": "eve", "password": "new for eve"}]
    plan = planned(text, variables={"nodered_login_users": users})
    assert plan.credentials == {"username": "bob", "password": "new for bob"}


def test_the_verification_logs_in_with_a_new_random_password():
    assert planned().credentials == {"username": "admin", "password": NEW}


@pytest.mark.parametrize("variables, different", [({"nodered_verify_login": "true"}, {}), ({}, {"unconfirmed": True})])
def test_the_verification_logs_in_without_a_change_if_asked_or_after_an_interrupted_run(variables, different):
    ready = {"username": "bob", "password_hash": hashed("not known")}
    plan = planned(login_of("ada", SECRET), variables={"nodered_login_users": [ready, ADA], **variables}, **different)
    assert plan.credentials == {"username": "ada", "password": SECRET}


def test_a_known_password_that_does_not_change_is_not_tried():
    variables = {"nodered_login_users": [ADA]}
    assert planned(login_of("ada", SECRET), variables=variables).checks == {"untried": True}
    assert planned(variables=variables).checks == {}


def test_the_verification_does_not_log_in_as_a_user_whose_password_is_not_known():
    ready = {"username": "bob", "password_hash": hashed("not known")}
    variables = {"nodered_login_users": [ready], "nodered_verify_login": True}
    plan = planned(variables=variables)
    assert plan.credentials == plan.checks == {}


def test_the_verification_does_not_log_in_where_the_role_leaves_the_login_unchanged():
    variables = {"nodered_login_users": [ADA], "nodered_verify_login": True}
    assert planned(STRATEGY, variables=variables, admin_auth="strategy").credentials == {}


# Rotation

ROTATES = {"rotates": frozenset({"login"}), "variables": {"nodered_verify_login": True}}


def rotated(text, **controller):
    return planned(text, controller={"known_password": "from the file", **controller}, **ROTATES)


def test_a_rotation_replaces_the_password_of_the_file():
    plan = rotated(login_of("admin", "from the file"))
    assert plan.set["adminAuth"]["users"][0]["password"] == marked(NEW)
    assert plan.rotations == {FILE: {"old": "from the file", "new": NEW}}
    assert (plan.passwords, plan.credentials) == ({}, {"username": "admin", "password": NEW})
    assert (plan.rotation["state"], plan.rotation["text"]) == ("new", f"in {FILE} on the controller")


def test_a_rotation_goes_on_with_the_password_that_an_earlier_run_has_begun():
    plan = rotated(login_of("admin", "from the file"), next_password="begun")
    assert plan.rotations == {FILE: {"old": "from the file", "new": "begun"}}
    assert plan.rotation["state"] == "new"
    there = rotated(login_of("admin", "begun"), next_password="begun")
    assert there.rotations == plan.rotations
    assert there.rotation["state"] == "finished"
    assert there.credentials["password"] == "begun"


@pytest.mark.parametrize("valid", ["from the file", "begun"])
def test_without_a_rotation_both_passwords_of_the_file_are_right_and_stay(valid):
    text = login_of("admin", valid)
    plan = planned(text, controller={"known_password": "from the file", "next_password": "begun"})
    assert _settings_js.edit(text, set=plan.set).changed == ()
    assert (plan.passwords, plan.rotations, plan.rotation) == ({}, {}, {})
    assert bool(plan.notes) == (valid == "begun")
    assert all("run pifleet.nodered.rotate" in note and "begun" not in note for note in plan.notes)


def test_what_is_in_neither_line_becomes_the_first_one():
    plan = planned(login_of("admin", "x"), controller={"known_password": "from the file", "next_password": "begun"})
    assert plan.set["adminAuth"]["users"][0]["password"] == marked("from the file")


def test_a_rotation_on_an_ephemeral_controller_is_rejected():
    plan = rotated(login_of("admin", "from the file"), **EPHEMERAL)
    assert len(plan.errors) == 1 and _random_password.REMEDY in plan.errors[0]


@pytest.mark.parametrize(
    "text, why",
    [
        (EMPTY, "Run pifleet.nodered.secure"),
        (login_of("bob", "his own"), "not from this collection"),
        (STRATEGY, "not from this collection"),
    ],
)
def test_a_rotation_leaves_what_this_collection_has_not_made(text, why):
    plan = planned(text, controller={"known_password": "from the file"}, admin_auth="strategy", **ROTATES)
    assert (plan.set, plan.rotations, plan.rotation["state"]) == ({}, {}, "left")
    assert why in plan.rotation["text"]


def test_a_rotation_tries_each_given_password_and_names_whose_it_cannot_try():
    users = [ADA, {"username": "bob", "password": "his new one"}, {"username": "eve", "password_hash": hashed("x")}]
    rotates = {**ROTATES, "variables": {"nodered_login_users": users, "nodered_verify_login": True}}
    plan = planned(login_of("ada", "an old one"), **rotates)
    assert [plan.credentials, *plan.more_credentials] == [
        {"username": "ada", "password": SECRET},
        {"username": "bob", "password": "his new one"},
    ]
    assert plan.rotation == {"whose": "login of ada, bob, eve", "state": "new", "text": "in nodered_login_users"}
    assert plan.notes == ["Not tried: the login of eve, of whom only the hash is given."]
    again = planned(_settings_js.edit(EMPTY, set=plan.set).text, **rotates)
    assert again.rotation["state"] == "unchanged"
    assert (again.credentials["username"], again.more_credentials) == ("ada", []), "a host gets no more than it needs"
    waits = planned(_settings_js.edit(EMPTY, set=plan.set).text, **rotates, confirmation="c0ffee")
    assert [one["username"] for one in (waits.credentials, *waits.more_credentials)] == ["ada", "bob"]


def test_a_derived_password_is_rotated_by_its_generation():
    plan = planned(login_of("admin", "the one before"), controller=DERIVED, **ROTATES)
    assert (plan.rotation["state"], plan.rotations) == ("new", {})
    unchanged = planned(login_of("admin", "the current one"), controller=DERIVED, **ROTATES)
    assert unchanged.rotation["state"] == "unchanged"
    assert "nodered_password_generation" in unchanged.rotation["text"]
