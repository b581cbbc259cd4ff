# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._errors import MissingLibraryError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords import _bcrypt
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings._admin_auth import (
    LoginError,
    admin_auth,
    changed_users,
)

ADA = {"username": "ada", "password": "correct horse"}
SALT_AND_SUM = "abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZabcde"


def refused(users, **options):
    with pytest.raises(LoginError) as caught:
        admin_auth(users, **{"node_red": "4.1.15", **options})
    return str(caught.value)


def test_a_password_is_marked_for_the_engine_and_not_hashed_here():
    auth = admin_auth([ADA], node_red="4.1.15")
    assert auth == {
        "type": "credentials",
        "users": [
            {
                "username": "ada",
                "password": {"$password": "correct horse", "$rounds": 8, "$ident": "2b"},
                "permissions": "*",
            }
        ],
    }


def test_a_library_that_is_missing_is_missed_before_anything_is_hashed(monkeypatch):
    monkeypatch.setattr(_bcrypt, "_IMPORT_ERROR", ImportError("No module named 'passlib'"))
    with pytest.raises(MissingLibraryError):
        admin_auth([ADA], node_red="4.1.15")
    assert admin_auth([{"username": "ada", "password_hash": "$2b$08$" + SALT_AND_SUM}], node_red="4.1.15")


def test_releases_with_an_old_native_bcrypt_get_2a_hashes():
    auth = admin_auth([ADA], node_red="0.18.7")
    assert auth["users"][0]["password"]["$ident"] == "2a"


def test_settings_that_the_role_has_no_opinion_on_stay():
    present = {"type": "credentials", "users": [], "sessionExpiryTime": 60, "tokens": []}
    auth = admin_auth([ADA], node_red="4.1.15", present=present)
    assert auth["sessionExpiryTime"] == 60
    assert auth["tokens"] == []
    assert auth["users"][0]["username"] == "ada"


def test_a_default_user_that_nobody_asks_for_goes():
    present = {"type": "credentials", "users": [], "default": {"permissions": "*"}}
    assert "default" not in admin_auth([ADA], node_red="4.1.15", present=present)


def test_a_default_user_may_only_look():
    auth = admin_auth([ADA], node_red="4.1.15", default_permissions="read")
    assert auth["default"] == {"permissions": "read"}
    assert "nodered_login_default_permissions" in refused([ADA], default_permissions="*")
    assert "nodered_login_default_permissions" in refused([ADA], default_permissions=["flows.read", "*"])


@pytest.mark.parametrize("permissions", ["*", "read", "write", ["flows.read", "inject.write"], ["ui.write"]])
def test_permissions_of_node_red_and_of_its_nodes_pass(permissions):
    assert admin_auth([ADA | {"permissions": permissions}], node_red="4.1.15")["users"][0]["permissions"] == permissions


@pytest.mark.parametrize("permissions", ["reed", "flow.write", ["flows.*"], [], [7], {"flows": "read"}])
def test_permissions_that_mean_nothing_are_refused(permissions):
    assert "nodered_login_users[0].permissions" in refused([ADA | {"permissions": permissions}])


@pytest.mark.parametrize(
    ("permissions", "named"),
    [
        ("readonly", "nodered_login_users[0].permissions is 'readonly', which is no permission of Node-RED."),
        (["read", "flow.write"], "nodered_login_users[0].permissions[1] is 'flow.write', which is no permission"),
    ],
)
def test_a_misspelled_permission_is_named_with_the_known_ones(permissions, named):
    message = refused([ADA | {"permissions": permissions}])
    assert named in message
    assert "Use '*', 'read', 'write', or any of" in message


def test_what_is_like_no_permission_is_not_shown_because_it_may_be_a_password():
    assert "hunter2" not in refused([ADA | {"permissions": "hunter2"}])


@pytest.mark.parametrize("password", ["", "x" * 73, "é" * 37, "nul\0byte", 12345, ["x"]])
def test_passwords_that_node_red_would_not_take_whole_are_refused(password):
    assert "nodered_login_users[1].password" in refused([ADA, {"username": "bob", "password": password}])


@pytest.mark.parametrize("ready", ["", "5f4dcc3b5aa765d61d8327deb882cf99", "$2b$08$tooshort", "$2x$08$" + SALT_AND_SUM])
def test_a_hash_that_is_not_bcrypt_is_refused(ready):
    assert "nodered_login_users[0].password_hash" in refused([{"username": "ada", "password_hash": ready}])


@pytest.mark.parametrize(
    "prefix, release, accepted",
    [
        ("$2a$", "0.14.6", True),
        ("$2b$", "0.18.7", False),
        ("$2b$", "0.19.6", True),
        ("$2y$", "3.1.15", False),
        ("$2y$", "4.0.0", True),
    ],
)
def test_a_hash_must_suit_the_bcrypt_of_the_release(prefix, release, accepted):
    users = [{"username": "ada", "password_hash": f"{prefix}08${SALT_AND_SUM}"}]
    if accepted:
        assert admin_auth(users, node_red=release)["users"][0]["password"] == users[0]["password_hash"]
    else:
        assert release in refused(users, node_red=release)


def test_all_mistakes_are_reported_at_once():
    users = [ADA, ADA | {"password": ""}, {"username": "bob"}]
    with pytest.raises(LoginError) as caught:
        admin_auth(users, node_red="4.1.15", rounds=3, session_expiry=0, default_permissions="*")
    named = [problem.split()[0].rstrip(":") for problem in caught.value.problems]
    assert named == [
        "nodered_login_rounds",
        "nodered_login_session_expiry",
        "nodered_login_default_permissions",
        "nodered_login_users[1].password",
        "nodered_login_users[2]",
        "nodered_login_users[1].username",
    ]


@pytest.mark.parametrize("rounds", [3, 32, -1])
def test_a_cost_that_bcrypt_does_not_have_is_refused(rounds):
    assert "nodered_login_rounds" in refused([ADA], rounds=rounds)


def test_a_misspelled_key_is_shown_and_another_one_not_since_it_may_be_a_password():
    assert "key usrname;" in refused([{"usrname": "ada", "password": "x"}])
    assert "correct horse" not in refused([{"username": "ada", "correct horse": None}])


def test_a_user_listed_twice_is_refused():
    assert "nodered_login_users[1].username" in refused([ADA, ADA])


@pytest.mark.parametrize("user", [{"username": "ada"}, ADA | {"password_hash": "$2b$08$" + SALT_AND_SUM}])
def test_a_user_has_either_a_password_or_a_hash(user):
    assert "either password or password_hash" in refused([user])


@pytest.mark.parametrize("users", [[], "ada", {"ada": "x"}, None, ["ada"], [{"password": "x"}], [{"username": ""}]])
def test_what_is_no_list_of_users_is_refused(users):
    assert "nodered_login_users" in refused(users)


def test_no_message_holds_a_password():
    for user in (ADA | {"permissions": "x"}, ADA | {"extra": 1}, {"password": "correct horse"}, ADA | {"username": 7}):
        assert "correct horse" not in refused([user])


def entry(**other):
    """Ada's entry in a settings file, as the engine would keep it."""
    password = _bcrypt.hash_password(other.pop("plaintext", "correct horse"), rounds=other.pop("rounds", 8))
    return {"username": "ada", "password": password, "permissions": "*"} | other


def changed(*present):
    return changed_users(admin_auth([ADA], node_red="4.1.15"), {"type": "credentials", "users": list(present)})


def test_a_user_whose_entry_stays_has_not_changed():
    assert changed(entry()) == []
    assert changed(entry(username="bob"), entry(rounds=9)) == []


@pytest.mark.parametrize(
    "present",
    [
        [],
        [entry(username="bob")],
        [entry(plaintext="old")],
        [entry(rounds=7)],
        [entry(permissions="read")],
        [entry(image="x.png")],
        [{"username": "ada"}],
        ["ada"],
    ],
    ids=["none", "another", "password", "cost", "permissions", "more keys", "fewer keys", "no user"],
)
def test_a_user_whose_entry_is_written_has_changed(present):
    assert changed(*present) == ["ada"]


@pytest.mark.parametrize("present", [None, {}, {"users": {"$js": "users"}}, {"$js": "login()"}, "none"])
def test_every_user_has_changed_where_there_was_no_list(present):
    assert changed_users(admin_auth([ADA], node_red="4.1.15"), present) == ["ada"]


def test_a_user_whose_password_is_not_known_is_left_out():
    ready = {"username": "bob", "password_hash": "$2b$08$" + SALT_AND_SUM}
    assert changed_users(admin_auth([ready, ADA], node_red="4.1.15"), None) == ["ada"]


@pytest.mark.parametrize(
    "user",
    [["ada", "correct horse"], "ada:correct horse", {"ada": "correct horse"}, ADA | {"password": ["correct horse"]}],
)
def test_a_malformed_user_is_named_by_its_position_and_not_shown(user):
    said = refused([{"username": "bob", "password": "x"}, user])
    assert "nodered_login_users[1]" in said
    assert "correct horse" not in said


@pytest.mark.parametrize("users", ["ada:correct horse", {"ada": "correct horse"}, 7])
def test_users_that_are_no_list_are_not_shown(users):
    said = refused(users)
    assert said.startswith("nodered_login_users must be a list")
    assert "correct horse" not in said
