# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which secrets of two-step logins a host has, or gets."""

from __future__ import annotations

import types

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible_collections.pifleet.nodered.plugins.plugin_utils import _totp, _totp_files
from ansible_collections.pifleet.nodered.plugins.plugin_utils._gather import login
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import Plan
from ansible_collections.pifleet.nodered.plugins.plugin_utils._run_state import State, Store
from ansible_collections.pifleet.nodered.plugins.plugin_utils._totp import Enrolment
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import HOST, found

ADA = Enrolment(b"12345678901234567890", ("abcd-efgh-jkmn-pqrs",))
KEPT = {"record": _totp.record(ADA, host=HOST, user="ada"), "picture": "", "replaces": ""}
USERS = [{"username": "ada", "password": "x", "totp": True}, {"username": "bob", "password": "x"}]


@pytest.fixture
def gathered(tmp_path):
    """What is gathered; `plans` are those of other services of this host."""
    loader = DataLoader()
    loader.set_basedir(str(tmp_path))

    def gather(*plans, users=USERS, folder="totp"):
        stores = [Store(str(tmp_path), "play", HOST, f"service{number}") for number, _plan in enumerate(plans)]
        for store, plan in zip(stores, plans, strict=True):
            store.save(State({}, "", "", "", plans={"login": plan}))
        step = types.SimpleNamespace(host=HOST, _loader=loader, stores=lambda: stores)
        wanted = {
            "nodered_login_password_dir": "passwords",
            "nodered_login_totp_dir": folder,
            "nodered_login_users": users,
        }
        return login.gather(step, found(), wanted)["two_step"]

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
    assert gathered(users=users, folder=None) | {"script": ""} == {"script": "", "problem": "", "users": {}}
