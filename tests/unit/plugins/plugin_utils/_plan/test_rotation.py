# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rotation verifies and reports. Its plans are tested with the roles."""

from __future__ import annotations

import re

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._arguments import ArgumentError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan import _rotation, _rotation_checks
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import Plan
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._run_state import State
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import EMPTY, instance

FILE = "/controller/pi1"
ADA = {"username": "ada", "password": "x", "totp_secret": "y"}
FOLDERS = {"nodered_login_password_dir": "/controller", "nodered_http_auth_password_dir": "/controller/pages"}


def state(**plans):
    variables = {"nodered_address": "192.0.2.7"}
    return State(instance(), EMPTY, "", EMPTY, plans, variables=variables, origin={"place": "controller", "note": ""})


def check(name, status, found="this"):
    return {"id": name, "title": name, "status": status, "expected": "that", "found": found}


def test_only_what_opens_with_a_new_password_is_verified():
    request = _rotation_checks.request(state(login=Plan(credentials=ADA), http_auth=Plan()))
    assert request["only"] == ["login_works", "code_required"]
    assert request.items() >= ADA.items()
    assert _rotation_checks.request(state(tls=Plan()))["only"] == []


def test_each_further_user_is_logged_in_without_the_credentials_of_the_first():
    pages = Plan(credentials={"http_username": "nodered", "http_password": "z"})
    bob = {"username": "bob", "password": "w"}
    (request,) = _rotation_checks.more_requests(
        state(login=Plan(credentials=ADA, more_credentials=[bob]), http_auth=pages)
    )
    assert request.items() >= bob.items() and "totp_secret" not in request
    assert request["only"] == ["login_works", "code_required"]


def test_a_password_that_was_not_tried_is_not_verified():
    rotating = state(login=Plan(credentials=ADA))
    assert _rotation_checks.problems(rotating, [check("login_works", "pass"), check("code_required", "skip")]) == []
    untried = check("login_works", "skip", "left out: nobody could send it")
    assert _rotation_checks.problems(rotating, [untried]) == ["login_works: not verified: nobody could send it."]
    assert "found this" in _rotation_checks.problems(rotating, [check("answers", "fail")])[0]


@pytest.mark.parametrize(
    "state, text",
    [
        ("new", "pages: new password, in /controller/pi1"),
        (
            "finished",
            "pages: the rotation that an earlier run has begun is finished. The password is in /controller/pi1",
        ),
        ("unchanged", "pages: unchanged. To rotate it, in /controller/pi1"),
        ("left", "pages: left unchanged: in /controller/pi1"),
    ],
)
def test_each_password_is_one_line(state, text):
    plans = {"tls": Plan(), "http_auth": Plan(rotation={"whose": "pages", "state": state, "text": f"in {FILE}"})}
    assert _rotation.lines(plans) == [text]
    (planned,) = _rotation.planned_lines(plans)
    assert ("would" in planned) == (state in ("new", "finished"))


def test_after_a_failure_the_file_with_the_valid_password_is_named():
    rolled_back = list(_rotation.lines_after_failure([FILE], rolled_back=True, seconds=9))
    assert f"The old password is valid: the first line of {FILE}." in rolled_back
    lost = " ".join(_rotation.lines_after_failure([FILE], rolled_back=False, seconds=9))
    assert f"Either the first password in {FILE} is valid" in lost and "within 9 seconds" in lost
    assert all("again" in " ".join(lines) for lines in (rolled_back, [lost]))


@pytest.mark.parametrize(
    ("rotated", "again"),
    [(["login"], {"login"}), (["http_auth"], {"login", "http_auth"}), ([], {"certificates"})],
)
def test_the_run_that_was_interrupted_is_finished_by_one_that_tries_its_passwords(rotated, again):
    _rotation.require_finishes(again, instance(confirmation="c0ffee", rotated=rotated))


@pytest.mark.parametrize(
    ("rotated", "again", "remedy"),
    [
        (["login"], {"http_auth"}, "[login]"),
        (["http_auth", "login"], {"http_auth"}, "[login, http_auth]"),
        (["http_auth"], {"certificates"}, "[http_auth]"),
    ],
)
def test_a_run_that_does_not_try_what_waits_is_told_which_one_does(rotated, again, remedy):
    with pytest.raises(ArgumentError, match=re.escape(f"Run again with nodered_rotate: {remedy}, which finishes it")):
        _rotation.require_finishes(again, instance(confirmation="c0ffee", rotated=rotated))
    _rotation.require_finishes(again, instance(rotated=rotated))


def test_one_of_two_passwords_that_share_a_file_cannot_be_rotated_alone():
    shared = dict.fromkeys(FOLDERS, "/controller")
    with pytest.raises(ArgumentError, match=r"Set nodered_rotate to \[login, http_auth\]"):
        _rotation.require_usable({"login"}, shared)
    _rotation.require_usable({"login", "http_auth"}, shared)
    _rotation.require_usable({"login"}, FOLDERS)
    _rotation.require_usable({"login"}, {**shared, "nodered_fleet_secret": "0123456789abcdef0123456789abcdef"})
    with pytest.raises(ArgumentError, match="nodered_rotate"):
        _rotation.require_usable(set(), FOLDERS)
