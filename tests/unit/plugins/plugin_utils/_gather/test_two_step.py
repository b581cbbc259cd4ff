# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which secrets of two-step logins a host has, or gets."""

from __future__ import annotations

import hashlib
import time
import types

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible_collections.pifleet.nodered.plugins.plugin_utils._gather import login
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords import _totp, _totp_files
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords._totp import Enrolment
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import Plan
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._run_state import State, Store
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import (
    HOST,
    found,
    settings_with,
)

ADA = Enrolment(b"12345678901234567890", ("abcd-efgh-jkmn-pqrs",))
KEPT = {"record": _totp.record(ADA, host=HOST, user="ada"), "picture": "", "replaces": ""}
USERS = [{"username": "ada", "password": "x", "totp": True}, {"username": "bob", "password": "x"}]


@pytest.fixture
def gathered(tmp_path):
    """What is gathered; `plans` are those of other services of this host."""
    loader = DataLoader()
    loader.set_basedir(str(tmp_path))

    def gather(*plans, folder="totp", about=None, **variables):
        stores = [Store(str(tmp_path), "play", HOST, f"service{number}") for number, _plan in enumerate(plans)]
        for store, plan in zip(stores, plans, strict=True):
            store.save(State({}, "", "", "", plans={"login": plan}))
        step = types.SimpleNamespace(host=HOST, _loader=loader, stores=lambda: stores)
        wanted = {
            "nodered_login_password_dir": "passwords",
            "nodered_login_totp_dir": folder,
            "nodered_login_users": variables.pop("users", USERS),
            **variables,
        }
        return login.gather(step, about or found(), wanted)["two_step"]

    return gather


def test_a_user_with_totp_gets_a_new_secret_each_time_and_nothing_is_written(gathered, tmp_path):
    first, second = gathered(), gathered()
    assert list(first["users"]) == ["ada"]
    ada = first["users"]["ada"]
    assert ada["path"] == str(tmp_path / "totp" / HOST / "ada.txt")
    assert ada["known"] is ada["planned"] is None
    assert ada["new"] != second["users"]["ada"]["new"]
    assert not (tmp_path / "totp").exists()
    assert "exports" in first["script"]


def test_the_secret_in_the_file_is_known(gathered, tmp_path):
    _totp_files.keep(str(tmp_path / "totp" / HOST / "ada.txt"), **KEPT)
    assert gathered()["users"]["ada"]["known"] == ADA


def test_what_another_service_of_the_host_is_going_to_write_is_planned(gathered, tmp_path):
    plan = Plan(enrolments={str(tmp_path / "totp" / HOST / "ada.txt"): KEPT})
    assert gathered(Plan(), plan)["users"]["ada"]["planned"] == ADA


def test_a_file_or_folder_that_cannot_be_used_is_a_problem(gathered, tmp_path):
    assert gathered(folder=7)["problem"] == "nodered_login_totp_dir must be the path of a folder on the controller."
    (tmp_path / "totp" / HOST).mkdir(parents=True)
    (tmp_path / "totp" / HOST / "ada.txt").write_text("")
    assert "ada.txt, which keeps the secret of a two-step login, cannot be used" in gathered()["problem"]
    assert "no path can have" in gathered(users=[{"username": "\ud800", "totp": True}])["problem"]


@pytest.mark.parametrize(
    "users", [None, "ada", [None, {}, {"username": 1, "totp": True}, {"username": "a", "totp": 7}]]
)
def test_what_is_no_list_of_users_is_left_to_the_plan(gathered, users):
    found = gathered(users=users, folder=None) | {"script": ""}
    assert found == {"script": "", "problem": "", "users": {}, "derived": False}


SECRET = "0123456789abcdef0123456789abcdef"
FLEET = {"nodered_fleet_secret": SECRET}
FILE = ".pifleet-two-step-nodered.json"


def on_the_host(**enrolments):
    """A Node-RED whose users have these enrolments."""
    text = _totp.setting(list(enrolments), f"/home/pi/.node-red/{FILE}")["$js"]
    settings = settings_with(f"adminAuth: {{ type: 'credentials', users: [], authenticate: {text} }}")
    digest = hashlib.sha256(_totp.host_text(enrolments).encode()).hexdigest()
    return found(settings, private_files={FILE: digest}, admin_auth="credentials")


def derived(user, generation=1, host=HOST):
    return _totp_files.derived(SECRET, host, user, generation)


def test_hosts_users_and_generations_share_no_derived_secret():
    made = [derived(*each) for each in (("ada",), ("bob",), ("ada", 2), ("ada", 1, "pi2"))]
    assert len({one.secret for one in made}) == len({one.recovery_codes for one in made}) == len(made)
    assert len(made[0].secret) == _totp.SECRET_BYTES
    assert len(set(made[0].recovery_codes)) == _totp.RECOVERY_CODES


def test_no_release_gives_other_derived_secrets():
    assert derived("ada").secret_text == "DZ7QWZKELE64JGH675G5M3SUGINNSWP7"
    assert derived("ada").recovery_codes[0] == "uqtt-kbpv-hswk-ptaa"


def test_each_user_has_the_derived_secret_of_its_generation(gathered):
    users = [{**USERS[0], "totp_generation": 3}, USERS[1]]
    assert gathered(users=users, **FLEET)["users"]["ada"]["derived"] == derived("ada", 3)
    assert gathered(users=users)["users"]["ada"]["derived"] is None
    assert "nodered_fleet_secret has 5 bytes" in gathered(nodered_fleet_secret="short")["problem"]


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ({"ada": derived("ada", 3)}, True),
        ({"ada": derived("ada", 2)}, True),
        ({"ada": derived("ada", 3), "bob": derived("bob", 4)}, True),
        ({"ada": derived("ada", 3), "bob": ADA}, False),
        ({"ada": ADA}, False),
        ({"ada": derived("ada", 3, "pi2")}, False),
    ],
    ids=["now", "earlier", "a user who needs no code any more", "two kinds", "from elsewhere", "of another host"],
)
def test_what_the_host_has_is_recognized_if_it_is_derived(gathered, there, expected):
    users = [{**USERS[0], "totp_generation": 3}, USERS[1]]
    assert gathered(users=users, about=on_the_host(**there), **FLEET)["derived"] is expected
    assert not gathered(users=users, about=on_the_host(**there))["derived"]


def test_what_is_from_files_here_is_recognized_as_well(gathered, tmp_path):
    _totp_files.keep(str(tmp_path / "totp" / HOST / "bob.txt"), **KEPT)
    about = on_the_host(ada=derived("ada"), bob=ADA)
    assert gathered(about=about, **FLEET)["derived"]


def test_a_host_with_very_many_users_costs_little(gathered):
    users = {f"user{number}": derived("x", number + 7) for number in range(200)}
    begun = time.monotonic()
    assert not gathered(about=on_the_host(**users), **FLEET)["derived"]
    assert time.monotonic() - begun < 10
