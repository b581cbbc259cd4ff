# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which random password a host has, or gets."""

from __future__ import annotations

import hashlib
import types

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible_collections.pifleet.nodered.plugins.plugin_utils._gather import http_auth, login
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords import _fleet_secret, _password_files
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import Plan
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._run_state import State, Store
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import HOST, found

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def gathered(tmp_path):
    """What is gathered for the login; `plans` are those of other services of this host, `folder` is the variable."""
    loader = DataLoader()
    loader.set_basedir(str(tmp_path))

    def gather(*plans, folder="passwords", role=login, host=HOST, **variables):
        stores = [Store(str(tmp_path), "play", HOST, f"service{number}") for number, _plan in enumerate(plans)]
        for store, plan in zip(stores, plans, strict=True):
            store.save(State({}, "", "", "", plans={"login": plan}))
        step = types.SimpleNamespace(host=host, _loader=loader, stores=lambda: stores)
        names = ("nodered_login_password_dir", "nodered_http_auth_password_dir")
        others = {"nodered_login_totp_dir": "totp", "nodered_login_users": []}
        return role.gather(step, found(), {**dict.fromkeys(names, folder), **others, **variables})

    return gather


def write(tmp_path, content):
    (tmp_path / "passwords").mkdir()
    (tmp_path / "passwords" / HOST).write_bytes(content)


@pytest.mark.parametrize("host", ["../../x", "..", ".", "/etc/x", "a//b", "a/../../b", "a/", "a\0b"])
def test_a_name_in_the_inventory_does_not_lead_out_of_the_folder(gathered, host):
    found = gathered(host=host, nodered_login_users=[{"username": "ada", "password": "x", "totp": True}])
    assert "would be a path out of passwords" in found["problem"]
    assert "would be a path out of totp" in found["two_step"]["problem"]


def test_a_name_in_the_inventory_can_have_a_slash(gathered, tmp_path):
    assert gathered(host="lab/pi1")["password_file"] == str(tmp_path / "passwords" / "lab" / "pi1")


def test_a_new_host_gets_a_new_random_password_each_time(gathered, tmp_path):
    first, second = gathered(), gathered()
    assert first["password_file"] == str(tmp_path / "passwords" / HOST)
    assert first["known_password"] is first["planned_password"] is None
    assert len(first["new_password"]) == 20
    assert first["new_password"].isalnum()
    assert first["new_password"] != second["new_password"]
    assert not (tmp_path / "passwords").exists(), "planning writes nothing"


@pytest.mark.parametrize(
    "content", [b"known one\n", b"known one", b"known one salt=abcdef\n", b"known one  \r\nmore\n"]
)
def test_the_password_in_the_file_is_known(gathered, tmp_path, content):
    write(tmp_path, content)
    assert gathered()["known_password"] == "known one"


@pytest.mark.parametrize("content", [b"", b"\n", b"  \n", b"\xff\xfe"])
def test_a_file_without_a_password_is_a_problem_that_names_it(gathered, tmp_path, content):
    write(tmp_path, content)
    asked = gathered()
    assert str(tmp_path / "passwords" / HOST) in asked["problem"]
    assert asked["known_password"] is None


def test_a_folder_in_place_of_the_file_is_a_problem(gathered, tmp_path):
    (tmp_path / "passwords" / HOST).mkdir(parents=True)
    assert HOST in gathered()["problem"]


@pytest.mark.parametrize("folder", ["", None, ["x"]])
def test_a_folder_that_is_none_is_a_problem_that_names_the_variable(gathered, folder):
    assert "nodered_login_password_dir" in gathered(folder=folder)["problem"]
    assert "nodered_http_auth_password_dir" in gathered(folder=folder, role=http_auth)["problem"]


def test_two_services_of_one_host_share_what_is_in_one_file(gathered, tmp_path):
    path = str(tmp_path / "passwords" / HOST)
    plans = Plan(), Plan(passwords={path: "planned one", "/another": "x"})
    assert gathered(*plans)["planned_password"] == "planned one"
    assert gathered(Plan(passwords={"/another": "x"}))["planned_password"] is None


def test_a_role_that_shares_a_file_gets_the_password_that_another_one_rotates_to(gathered, tmp_path):
    path = str(tmp_path / "passwords" / HOST)
    assert gathered(Plan(rotations={path: {"old": "x", "new": "y"}}), role=http_auth)["planned_next"] == "y"
    assert gathered(Plan(rotations={"/another": {"old": "x", "new": "y"}}))["planned_next"] is None


def test_without_a_secret_nothing_is_derived_and_an_ordinary_controller_keeps_files(gathered):
    assert (gathered()["derived_passwords"], gathered()["ephemeral"]) == ([], "")


def test_each_role_derives_its_own_passwords_from_the_secret_of_the_fleet(gathered):
    secret = {"nodered_fleet_secret": SECRET, "nodered_password_generation": 2}
    for role, purpose in ((login, "login"), (http_auth, "http_auth")):
        expected = [_fleet_secret.password(SECRET, HOST, purpose, generation) for generation in (2, 1)]
        assert gathered(role=role, **secret)["derived_passwords"] == expected


@pytest.mark.parametrize("variables", [{"nodered_fleet_secret": "short"}, {"nodered_controller_ephemeral": "x"}])
def test_a_variable_that_cannot_be_used_is_a_problem_that_names_it(gathered, variables):
    assert next(iter(variables)) in gathered(**variables)["problem"]


def test_an_ephemeral_controller_is_found_by_variables_and_environment(gathered, monkeypatch):
    assert "awx_job_id" in gathered(awx_job_id=3)["ephemeral"]
    monkeypatch.setenv("AWX_ISOLATED_DATA_DIR", "/runner/artifacts/3")
    assert "AWX_ISOLATED_DATA_DIR" in gathered()["ephemeral"]
    assert gathered(nodered_controller_ephemeral=False)["ephemeral"] == ""


def test_the_code_for_sockets_is_the_file_of_the_role(gathered):
    script = gathered(role=http_auth)["script"]
    assert "ioMiddleware" in script
    assert hashlib.sha256(script.encode()).hexdigest() == hashlib.sha256(http_auth.FILE.read_bytes()).hexdigest()


def test_a_kept_password_is_known_from_then_on(gathered):
    asked = gathered()
    _password_files.keep(asked["password_file"], asked["new_password"])
    assert gathered()["known_password"] == asked["new_password"]


def test_a_kept_password_is_for_its_owner_alone_and_another_one_does_not_replace_it(tmp_path):
    path = tmp_path / "passwords" / HOST
    _password_files.keep(str(path), "first")
    _password_files.keep(str(path), "first")
    with pytest.raises(_password_files.PasswordFileError, match="Another run"):
        _password_files.keep(str(path), "second")
    assert path.read_text() == "first\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == [HOST]


def test_a_password_that_cannot_be_kept_is_an_error_that_names_the_file(tmp_path):
    (tmp_path / "passwords").write_text("a file")
    with pytest.raises(_password_files.PasswordFileError, match=f"passwords/{HOST}.*Make that folder writable"):
        _password_files.keep(str(tmp_path / "passwords" / HOST), "first")


def test_a_rotation_keeps_both_passwords_and_then_the_new_one(gathered, tmp_path):
    path = tmp_path / "passwords" / HOST
    write(tmp_path, b"old salt=abcdef\na note\n")
    for _again in range(2):
        _password_files.begin(str(path), "old", "new")
        assert path.read_text() == "old\nnext=new\na note\n"
    asked = gathered()
    assert (asked["known_password"], asked["next_password"]) == ("old", "new")
    for _again in range(2):
        _password_files.promote(str(path), "new")
        assert path.read_text() == "new\na note\n"
    assert path.stat().st_mode & 0o777 == 0o600
    asked = gathered()
    assert (asked["known_password"], asked["next_password"]) == ("new", None)


@pytest.mark.parametrize("content", [b"another\n", b"old\nnext=another\n", None])
def test_a_rotation_replaces_no_password_that_another_run_has_written(tmp_path, content):
    if content:
        write(tmp_path, content)
    path = tmp_path / "passwords" / HOST
    with pytest.raises(_password_files.PasswordFileError, match="Another run"):
        _password_files.begin(str(path), "old", "new")
    with pytest.raises(_password_files.PasswordFileError, match="Another run"):
        _password_files.promote(str(path), "new")
    assert not content or path.read_bytes() == content
