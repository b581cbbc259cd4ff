# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role login changes for users with a two-step login."""

from __future__ import annotations

import dataclasses
import hashlib
import sys

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords import _bcrypt, _totp
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords._totp import Enrolment
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan import _diff, _request, login
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._run_state import State
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings import _settings_change, _settings_js
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import (
    EMPTY,
    found,
    other_service,
    random_password,
    settings_with,
)

ADA = {"username": "ada", "password": "correct horse", "totp": True}
BOB = {"username": "bob", "password": "another one", "permissions": "read"}
FILE = ".pifleet-two-step-nodered.json"
SCRIPT = "the companion"
KNOWN = Enrolment(b"12345678901234567890", ("abcd-efgh-jkmn-pqrs",))
DERIVED = Enrolment(b"ABCDEFGHIJABCDEFGHIJ", ("wxyz-wxyz-wxyz-wxyz",))
NEW = Enrolment(b"abcdefghijabcdefghij", ("tuvw-xyza-bcde-fghj",))
DEFAULTS = {
    "nodered_login_users": [ADA, BOB],
    "nodered_login_password_dir": "/controller",
    "nodered_login_totp_renew": [],
    "nodered_login_rounds": 4,
    "nodered_login_replace": False,
    "nodered_verify_login": False,
}
TOKENS = "tokens: function (token) { return null; }"


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def planned(
    text=EMPTY,
    *,
    known=None,
    planned=None,
    derived=None,
    has_derived=False,
    problem="",
    variables=None,
    clock_error=0.0,
    ephemeral="",
    **different,
):
    ada = {"path": "/controller/pi1/ada.txt", "known": known, "planned": planned, "new": NEW, "derived": derived}
    two_step = {"script": SCRIPT, "problem": problem, "users": {"ada": ada}, "derived": has_derived}
    state = found(
        text, controller={**random_password("/f", "New"), "two_step": two_step, "ephemeral": ephemeral}, **different
    )
    state = dataclasses.replace(state, clock_error=clock_error)
    return login.plan(state, {**DEFAULTS, **(variables or {})})


def user(one):
    hashed = _bcrypt.hash_password(one["password"], rounds=4)
    return f"{{ username: '{one['username']}', password: '{hashed}', permissions: '{one.get('permissions', '*')}' }}"


def auth(*users, more=()):
    members = ["type: 'credentials'", f"users: [{', '.join(map(user, users))}]", *more]
    return settings_with(f"adminAuth: {{ {', '.join(members)} }}")


OURS = "authenticate: " + _totp.setting(["ada"], f"/home/pi/.node-red/{FILE}")["$js"]
IN_PLACE = auth(ADA, BOB, more=[OURS])
ON_THE_PI = {
    "private_files": {FILE: digest(_totp.host_text({"ada": KNOWN}))},
    "companions": {_totp.COMPANION: digest(SCRIPT)},
    "admin_auth": "credentials",
}


def edited(text, plan):
    assert plan.errors == []
    return _settings_js.edit(text, set=plan.set)


def test_a_user_gets_a_second_step_with_a_new_secret():
    plan = planned()
    assert plan.errors == []
    assert plan.set["adminAuth"]["authenticate"] == _totp.setting(["ada"], f"/home/pi/.node-red/{FILE}")
    assert [one["username"] for one in plan.set["adminAuth"]["users"]] == ["ada", "bob"]
    assert all("totp" not in one for one in plan.set["adminAuth"]["users"])
    assert plan.private_files == {FILE: _totp.host_text({"ada": NEW})}
    assert plan.companions == {_totp.COMPANION: SCRIPT}
    (path,) = list(plan.enrolments)
    assert path == "/controller/pi1/ada.txt"
    assert _totp.from_record(plan.enrolments[path]["record"]) == NEW
    assert plan.credentials == {"username": "ada", "password": "correct horse", "totp_secret": NEW.secret_text}
    assert plan.needs_restart


def test_no_secret_is_in_settings_notes_or_the_diff():
    plan = planned()
    text = edited(EMPTY, plan)
    shown = [text.text, *plan.notes, *map(str, _diff.diffs(found(), plan, text))]
    for secret in (NEW.secret_text, NEW.secret.hex(), NEW.recovery_codes[0]):
        assert secret not in "".join(shown)
    assert "/controller/pi1/ada.txt" in plan.notes[0]
    assert f"write {FILE} (secrets, not shown)" in "".join(shown)


def test_the_request_has_the_file_and_not_what_the_controller_keeps():
    plan = planned()
    variables = {"nodered_restart_timeout": 60, "nodered_remount": False, "nodered_restore_points": 5}
    state = State(found().instance, EMPTY, "", EMPTY, plans={"login": plan}, variables=variables)
    request = _request.request(state, None)
    assert request["private_files"] == plan.private_files
    assert request["restart"]
    assert plan.changes
    assert _request.changes(request)
    assert NEW.recovery_codes[0] not in str(request)


def test_the_host_checks_each_part_of_the_login():
    plan = planned()
    text = edited(EMPTY, plan).text
    wanted = {tuple(one["path"]): one for one in _settings_change.expected(text, plan.set, [])}
    assert wanted["adminAuth", "type"]["value"] == "credentials"
    assert [one["username"] for one in wanted["adminAuth", "users"]["value"]] == ["ada", "bob"]
    assert wanted["adminAuth", "authenticate"]["present"]


def test_an_unchanged_login_changes_nothing_and_reports_nothing():
    plan = planned(IN_PLACE, known=KNOWN, **ON_THE_PI)
    assert edited(IN_PLACE, plan).changed == ()
    assert not plan.changes
    assert (plan.notes, plan.warnings, plan.credentials, plan.enrolments) == ([], [], {}, {})


@pytest.mark.parametrize("different", [{"private_files": {}}, {"private_files": {FILE: "0" * 64}}])
def test_a_file_that_differs_or_is_open_is_written_again_and_verified(different):
    plan = planned(IN_PLACE, known=KNOWN, **ON_THE_PI | different)
    assert plan.private_files == {FILE: _totp.host_text({"ada": KNOWN})}
    assert plan.credentials["totp_secret"] == KNOWN.secret_text
    assert plan.enrolments == {}


def test_another_companion_is_replaced():
    plan = planned(IN_PLACE, known=KNOWN, **ON_THE_PI | {"companions": {_totp.COMPANION: "0" * 64}})
    assert plan.companions == {_totp.COMPANION: SCRIPT}


def test_a_secret_that_an_earlier_plan_writes_is_used():
    plan = planned(planned=KNOWN)
    assert plan.private_files == {FILE: _totp.host_text({"ada": KNOWN})}
    assert _totp.from_record(plan.enrolments["/controller/pi1/ada.txt"]["record"]) == KNOWN


def test_a_secret_that_this_controller_does_not_have_is_not_replaced_by_itself():
    (error,) = planned(IN_PLACE, **ON_THE_PI).errors
    assert "ada has a two-step login on pi1, and its secret is not on this controller" in error
    assert '-e \'{"nodered_login_totp_renew": ["ada"]}\'' in error


@pytest.mark.parametrize("known", [KNOWN, None])
def test_a_secret_is_renewed_on_request(known):
    plan = planned(IN_PLACE, known=known, variables={"nodered_login_totp_renew": ["ada"]}, **ON_THE_PI)
    assert plan.private_files == {FILE: _totp.host_text({"ada": NEW})}
    assert plan.enrolments["/controller/pi1/ada.txt"]["replaces"] == (KNOWN.secret_text if known else "")
    assert plan.credentials["totp_secret"] == NEW.secret_text


def test_a_name_to_renew_that_is_no_user_is_an_error():
    (error,) = planned(known=KNOWN, variables={"nodered_login_totp_renew": ["eve"]}).errors
    assert "eve is not in nodered_login_users" in error


def test_without_totp_the_second_step_goes_and_its_secrets_stay_for_a_restore():
    users = [{**ADA, "totp": False}, BOB]
    plan = planned(IN_PLACE, known=KNOWN, variables={"nodered_login_users": users}, **ON_THE_PI)
    text = edited(IN_PLACE, plan).text
    assert "authenticate" not in text
    assert plan.private_files == {}
    assert plan.companions == {_totp.COMPANION: None}
    assert plan.credentials == {"username": "ada", "password": "correct horse"}


def test_a_companion_that_another_node_red_can_require_stays():
    beside = other_service(shares=["settings_folder"])
    users = [{**ADA, "totp": False}]
    plan = planned(IN_PLACE, variables={"nodered_login_users": users}, others=[beside], **ON_THE_PI)
    assert plan.companions == {}


def test_tokens_for_machines_stay_as_they_are():
    text = auth(ADA, BOB, more=[TOKENS])
    plan = planned(text, admin_auth="credentials")
    after = edited(text, plan).text
    assert TOKENS in after
    assert OURS.partition("(")[2] in after
    without = auth(ADA, more=[TOKENS, OURS])
    assert TOKENS in edited(without, planned(without, known=KNOWN, **ON_THE_PI)).text


@pytest.mark.parametrize(
    "more", ["authenticate: function (name, password) { return null; }", "authenticate(a, b) {}", "module: f()"]
)
def test_other_code_is_left_unchanged_until_told(more):
    text = auth(ADA, more=[more])
    plan = planned(text, admin_auth="credentials")
    assert plan.set == {}
    assert "nodered_login_replace" in plan.errors[0]
    replaced = planned(text, admin_auth="credentials", variables={"nodered_login_replace": True})
    assert more not in edited(text, replaced).text


@pytest.mark.parametrize(
    ("different", "message"),
    [
        ({"version": "0.20.8"}, "needs Node-RED 1.0, and this is Node-RED 0.20.8"),
        ({"user_dir_read_only": True}, "could not remember which codes were used"),
        ({"user_dir_read_only_at_boot": True}, "could not remember which codes were used"),
        ({"overlay": True}, "could not remember which codes were used"),
        ({"problem": "nodered_login_totp_dir: no"}, "nodered_login_totp_dir: no"),
    ],
)
def test_a_host_that_cannot_have_it_is_an_error(different, message):
    plan = planned(**different)
    assert [message in error for error in plan.errors] == [True]
    assert not plan.changes


@pytest.mark.parametrize("seconds", [31, -31, 10**9])
def test_a_wrong_clock_is_an_error_before_and_a_warning_afterwards(seconds):
    rejected = planned(clock_error=seconds)
    (error,) = rejected.errors
    assert (rejected.notes, rejected.enrolments, rejected.private_files) == ([], {}, {})
    assert f"The clock of pi1 is {abs(seconds)} seconds or more {'ahead of' if seconds > 0 else 'behind'}" in error
    plan = planned(IN_PLACE, known=KNOWN, clock_error=seconds, **ON_THE_PI)
    assert plan.errors == []
    assert "only a recovery code works" in plan.warnings[0]
    users = [{**ADA, "totp": False}, BOB]
    plan = planned(IN_PLACE, clock_error=seconds, variables={"nodered_login_users": users}, **ON_THE_PI)
    assert (plan.errors, plan.warnings) == ([], [])


@pytest.mark.parametrize("seconds", [30, -30, 0])
def test_a_clock_may_be_wrong_by_one_step(seconds):
    assert planned(clock_error=seconds).errors == []


def test_without_the_library_a_new_secret_is_an_error_and_a_known_one_is_not(monkeypatch):
    monkeypatch.setitem(sys.modules, "segno", None)
    (error,) = planned().errors
    assert "pip install segno" in error
    assert planned(IN_PLACE, known=KNOWN, **ON_THE_PI).errors == []


def test_a_new_secret_is_rejected_where_it_would_be_lost():
    (error,) = planned(ephemeral="nodered_controller_ephemeral is true").errors
    assert error.startswith("The secret of the two-step login of ada would be lost when this run ends")
    assert "Set nodered_fleet_secret from a vault" in error
    assert "nodered_login_totp_dir to a folder that is kept" in error
    assert planned(IN_PLACE, known=KNOWN, ephemeral="it is", **ON_THE_PI).errors == []


# With a secret of the fleet


def test_a_derived_secret_is_written_to_no_file_of_the_controller_also_if_that_loses_its_files():
    plan = planned(derived=DERIVED, ephemeral="it is")
    assert plan.private_files == {FILE: _totp.host_text({"ada": DERIVED})}
    assert (plan.enrolments, plan.errors) == ({}, [])
    assert plan.credentials["totp_secret"] == DERIVED.secret_text
    (note,) = plan.notes
    assert note.startswith(
        "The second step of ada is derived from nodered_fleet_secret; the lookup pifleet.nodered.two_step"
    )


def test_a_derived_secret_that_is_there_changes_nothing():
    state = ON_THE_PI | {"private_files": {FILE: digest(_totp.host_text({"ada": DERIVED}))}}
    plan = planned(IN_PLACE, derived=DERIVED, has_derived=True, **state)
    assert edited(IN_PLACE, plan).changed == ()
    assert (plan.changes, plan.notes, plan.credentials) == (False, [], {})


@pytest.mark.parametrize("private_files", [{FILE: "0" * 64}, {}], ids=["an earlier generation", "the file is missing"])
def test_what_the_collection_has_derived_or_is_missing_is_replaced(private_files):
    has_derived = bool(private_files)
    state = ON_THE_PI | {"private_files": private_files}
    plan = planned(IN_PLACE, derived=DERIVED, has_derived=has_derived, **state)
    assert plan.private_files == {FILE: _totp.host_text({"ada": DERIVED})}
    assert "derived" in plan.notes[0]


def test_a_secret_that_a_phone_may_have_is_replaced_by_a_derived_one_on_request_only():
    (error,) = planned(IN_PLACE, derived=DERIVED, **ON_THE_PI).errors
    assert "ada has a two-step login on pi1 whose secret is not derived from nodered_fleet_secret" in error
    assert '-e \'{"nodered_login_totp_renew": ["ada"]}\'' in error
    plan = planned(IN_PLACE, derived=DERIVED, variables={"nodered_login_totp_renew": ["ada"]}, **ON_THE_PI)
    assert plan.private_files == {FILE: _totp.host_text({"ada": DERIVED})}
    assert plan.enrolments == {}


def test_a_secret_in_a_file_stays_with_a_secret_of_the_fleet():
    plan = planned(IN_PLACE, known=KNOWN, derived=DERIVED, **ON_THE_PI)
    assert edited(IN_PLACE, plan).changed == ()
    assert (plan.changes, plan.notes) == (False, [])


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"known": KNOWN}, "the secret of ada is in /controller/pi1/ada.txt"),
        ({"has_derived": True}, "For a new one, raise totp_generation of that user"),
    ],
    ids=["in a file", "derived"],
)
def test_a_request_that_would_change_nothing_is_an_error_with_the_remedy(state, message):
    renew = {"nodered_login_totp_renew": ["ada"]}
    (error,) = planned(IN_PLACE, derived=DERIVED, variables=renew, **state, **ON_THE_PI).errors
    assert message in error


@pytest.mark.parametrize("generation", ["x", 0, None, []])
def test_a_generation_that_is_none_is_an_error(generation):
    (error,) = planned(variables={"nodered_login_users": [{**ADA, "totp_generation": generation}]}).errors
    assert "nodered_login_users[0].totp_generation must be" in error


@pytest.mark.parametrize("totp", ["perhaps", 7, []])
def test_a_totp_that_is_no_truth_value_is_an_error(totp):
    (error,) = planned(variables={"nodered_login_users": [{**ADA, "totp": totp}]}).errors
    assert "nodered_login_users[0].totp must be true or false" in error
