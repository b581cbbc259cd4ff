# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a variable of a role holds ends in a plan, or in errors that name the variable and the remedy.

The argument specs of the roles check types, but change no value: `a,b` passes as a list and stays a text here.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import random
import types
from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from ansible import constants
from ansible.parsing.dataloader import DataLoader
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._authority import candidate
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._certificate_names import constraints
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._errors import SettingsError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._gather._planning import ROLES, gathered
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import Plan
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings import _settings_js
from ansible_collections.pifleet.nodered.tests.certificates import Authority
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import HOST, found
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.firewalls import firewall

ROOT = pathlib.Path(__file__).parents[5]
# http_auth makes and checks hashes, none of them cheap.
ROUNDS = {"http_auth": 40}
SECRET = "hunter2hunter2"
FLEET_SECRET = 5 * SECRET
ADDRESS = "192.168.1.20"
PUBLIC = Authority("Public")
PAIR = PUBLIC.issue(ADDRESS)
GIVEN = candidate(constraints([HOST, ADDRESS]), SECRET)
# What the role instance gives to all of them.
COMMON = {
    "nodered_address": ADDRESS,
    "nodered_remount": False,
    "nodered_restart_timeout": 120,
    "nodered_restore_points": 5,
    "nodered_verify_login": False,
}
# Each is a role with defaults and with these.
CASES: list[tuple[str, dict[str, Any]]] = [
    ("instance", {}),
    ("port", {"port": 1885}),
    (
        "login",
        {
            "login_users": [{"username": "ada", "password": SECRET, "permissions": ["flows.read"]}],
            "login_default_permissions": "read",
            "login_session_expiry": 3600,
            "login_rounds": 4,
            "login_replace": True,
        },
    ),
    (
        "login",
        {
            "login_users": [{"username": "ada", "password": SECRET, "totp": True}],
            "login_totp_renew": ["ada"],
            "login_rounds": 4,
        },
    ),
    ("login", {}),
    (
        "login",
        {
            "login_users": [{"username": "ada", "password": SECRET, "totp": True, "totp_generation": 2}],
            "login_rounds": 4,
            "fleet_secret": FLEET_SECRET,
        },
    ),
    ("login", {"fleet_secret": FLEET_SECRET, "password_generation": 2, "controller_ephemeral": True}),
    ("http_auth", {"fleet_secret": FLEET_SECRET, "password_generation": 2, "controller_ephemeral": True}),
    (
        "http_auth",
        {
            "http_auth_password": SECRET,
            "http_auth_static_user": "static",
            "http_auth_static_password": SECRET,
        },
    ),
    ("http_auth", {"http_auth_password": SECRET, "http_auth_open_paths": ["/hooks/github"]}),
    (
        "hardening",
        {
            "disable_editor": False,
            "hardening_admin_root": "/admin",
            "hardening_listen_address": "127.0.0.1",
            "hardening_headers": True,
            "hardening_audit_log": True,
            "hardening_function_modules": False,
            "hardening_external_modules": {"palette": {"allowInstall": False, "denyList": ["*"]}},
            "hardening_diagnostics": False,
            "hardening_telemetry": False,
            "hardening_cookie_options": {"sameSite": "lax"},
            "hardening_sandbox": "strict",
            "hardening_writable_paths": ["/srv/data"],
            "hardening_accepted": ["ways_to_root"],
            "hardening_log_failed_logins": True,
            "hardening_ban_failed_logins": True,
            "hardening_never_banned": ["192.168.1.0/24"],
        },
    ),
    ("sessions", {"sessions_store": "runtime"}),
    ("tls", {"tls_names": ["pi1.example.org"]}),
    (
        "tls",
        {"tls_source": "content", "tls_certificate": PAIR.certificate, "tls_key": PAIR.key, "tls_ca": "ca.pem"},
    ),
    (
        "tls",
        {"tls_source": "files", "tls_certificate": "/etc/pi.pem", "tls_key": "/etc/pi.key", "tls_ca": "ca.pem"},
    ),
    (
        "tls",
        {
            "tls_source": "authority",
            "tls_authority_names": ["example.org"],
            "tls_authority_passphrase": SECRET,
            "tls_client_authority": "authority",
            "tls_client_users": ["ada"],
            "tls_client_passphrase": SECRET,
        },
    ),
    (
        "tls",
        {
            "tls_client_authority": "ca.pem",
            "tls_client_certificate": "ca.pem",
            "tls_client_key": "ca.pem",
        },
    ),
    (
        "tls",
        {
            "tls_source": "authority",
            "tls_authority_certificate": GIVEN.certificate,
            "tls_authority_key": GIVEN.key,
            "tls_authority_passphrase": SECRET,
            "tls_authority_trusted": PUBLIC.certificate,
            "tls_client_users": ["ada"],
            "tls_client_passphrase": SECRET,
            "tls_client_dir": "clients",
            "rotate_made_before": "2026-01-01",
            "rotate_fleet": [HOST],
            "controller_ephemeral": True,
        },
    ),
    ("tls", {"tls_proxy_url": "https://pi1.example.org"}),
    ("ufw", {"ufw_sources": ["192.168.1.0/24"], "ufw_keep": ["1883/tcp"], "ufw_rate_limit": True}),
]


def nested(levels: int) -> list[object]:
    inner: list[object] = []
    for _level in range(levels):
        inner = [inner]
    return inner


ROTATES = frozenset(["certificates", "clients", "authority"])

ODD: list[object] = [
    *(None, True, 0, -1, 1.5, float("nan"), float("inf"), 2**53 + 1, 10**400),
    *("", "x", "a,b", "\ud800", "\0", "__proto__", "x" * 10000, "4.1.15", "https://[", "²", "/", "../x"),
    *([], [[]], [None], [{}], ["x", "x"], {}, {1: 2}, {None: 1}, {"__proto__": 1}, {"$x": 1}, {"$js": "("}),
    *({"$password": ["x"]}, {"$password": "x", "$rounds": 99}, {"a": {1: SECRET}}, nested(200)),
]


def with_something_odd(value: object, chance: random.Random) -> object:
    """The value with one odd thing somewhere in it, or in its place."""
    if isinstance(value, dict) and value and chance.random() < 0.7:
        key = chance.choice(list(value))
        if chance.random() < 0.2:
            return {**value, chance.choice([1, None, True]): 1}
        return {**value, key: with_something_odd(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.7:
        return [with_something_odd(value[0], chance), *value[1:]]
    return chance.choice(ODD)


class Step:
    """What the functions that gather use of the action."""

    host = HOST
    task_vars: Mapping[str, Any] = {"hostvars": {HOST: {"ansible_host": ADDRESS}, "pi2": {}}}
    play_id = "a play"
    _loader = DataLoader()
    _connection = types.SimpleNamespace(transport="ssh")

    def stores(self) -> list[object]:
        return []

    def counted_module(self, _step: str, name: str, **_arguments: object) -> Mapping[str, object]:
        if name == "firewall_info":
            return {"firewall": firewall()}
        return {"certificate": PAIR.certificate, "placed": False, "followed": False}


@pytest.fixture(autouse=True)
def controller(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of the run, and the files that the variables name."""
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ca.pem").write_text(PUBLIC.certificate)


def variables(role: str, different: Mapping[str, object]) -> dict[str, object]:
    """The defaults of the role, with what differs."""
    defaults = yaml.safe_load((ROOT / "roles" / role / "defaults" / "main.yml").read_text()) or {}
    plain = {name: "folder" if "{{" in str(value) else value for name, value in defaults.items()}
    return {**plain, **COMMON, **{f"nodered_{name}": value for name, value in different.items()}}


def errors_of(role: str, wanted: Mapping[str, object], **different: object) -> tuple[str, ...]:
    """What the action reports instead of applying the plan, or nothing; `different` is as in `found`."""
    # Static files can have a password of their own beside pages that are elsewhere.
    about = dataclasses.replace(found(expected_node_root="/pages", **different), rotates=ROTATES)
    try:
        about = gathered(role, Step(), about, wanted)
        plan = ROLES[role].plan(about, wanted)
        _settings_js.edit(about.text, set=plan.set, remove=plan.remove)
    except (SettingsError, Failure) as error:
        return (str(error),)
    assert Plan.loaded(json.loads(json.dumps(dataclasses.asdict(plan))))
    return tuple(plan.errors)


@pytest.mark.parametrize(("role", "different"), CASES)
def test_the_variables_without_anything_odd_are_right(role: str, different: dict[str, Any]) -> None:
    assert errors_of(role, variables(role, different)) == ()


@pytest.mark.parametrize(("role", "different"), CASES)
def test_an_unknown_release_ends_in_a_plan_or_in_an_error_that_says_so(role: str, different: dict[str, Any]) -> None:
    errors = errors_of(role, variables(role, different), version=None, node_version=None, node_red=None)
    assert all("of an unknown release" in error for error in errors), errors


@pytest.mark.parametrize(("role", "different"), CASES)
def test_any_variable_ends_in_a_plan_or_in_an_error_that_names_it(role: str, different: dict[str, Any]) -> None:
    right = variables(role, different)
    chance = random.Random(role)
    for _round in range(ROUNDS.get(role, 100)):
        name = chance.choice(list(right))
        errors = errors_of(role, {**right, name: with_something_odd(right[name], chance)})
        assert not errors or any(name in error for error in errors), (name, errors)
        for error in errors:
            assert len(error) > 20
            assert SECRET not in error, name
