# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._errors import MissingLibraryError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords import _bcrypt
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings import _settings_js
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings._http_auth import (
    IO_MIDDLEWARE,
    VERIFY_CLIENT,
    HttpAuthError,
    plan,
)
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan import builders

HASH = "$2b$08$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZabcde"
SECRET = "only for the house"
EMPTY = "module.exports = {\n    uiPort: 1880,\n}\n"
MARKED = {"user": "web", "pass": {"$password": SECRET, "$rounds": 8, "$ident": "2b"}}


def settings_with(*members):
    return "module.exports = {\n" + "".join(f"    {member},\n" for member in members) + "}\n"


def planned(source=EMPTY, *, found=None, **options):
    return plan(
        source,
        instance=builders.instance(settings_file="settings.js", **(found or {})),
        **{"user": "web", "password": SECRET, **options},
    )


def refused(*arguments, **options):
    with pytest.raises(HttpAuthError) as caught:
        planned(*arguments, **options)
    assert SECRET not in str(caught.value)
    return str(caught.value)


def test_pages_files_and_sockets_get_the_same_password():
    assert planned().settings == {
        "httpNodeAuth": MARKED,
        "httpStaticAuth": MARKED,
        "ui.ioMiddleware": IO_MIDDLEWARE,
        "dashboard.ioMiddleware": IO_MIDDLEWARE,
        "webSocketNodeVerifyClient": VERIFY_CLIENT,
    }
    assert planned().needs_companion


def test_a_library_that_is_missing_is_missed_before_anything_is_hashed(monkeypatch):
    monkeypatch.setattr(_bcrypt, "_IMPORT_ERROR", ImportError("No module named 'passlib'"))
    with pytest.raises(MissingLibraryError):
        planned()


def test_what_was_set_needs_no_second_edit():
    once = _settings_js.edit(EMPTY, set=planned().settings)
    found = {"http_node_password": "bcrypt", "http_static_password": "bcrypt"}
    again = planned(once.text, found=found)
    assert again.left_alone == []
    assert _settings_js.edit(once.text, set=again.settings).changed == ()


def test_open_paths_need_no_second_edit_either():
    once = _settings_js.edit(EMPTY, set=planned(open_paths=["/hook", "/ws/in"]).settings)
    assert ".everywhereExcept(['/hook', '/ws/in'])" in once.text
    found = {"http_node_password": "middleware", "http_static_password": "bcrypt"}
    for password in (SECRET, None):
        again = planned(once.text, found=found, open_paths=["/hook", "/ws/in"], password=password)
        assert _settings_js.edit(once.text, set=again.settings).changed == ()


def test_paths_that_are_no_longer_open_are_closed_with_the_same_password():
    once = _settings_js.edit(EMPTY, set=planned(open_paths=["/hook"]).settings)
    found = {"http_node_password": "middleware", "http_static_password": "bcrypt"}
    again = planned(once.text, found=found, password=None)
    assert again.settings["httpNodeAuth"] == _settings_js.value(once.text, "httpStaticAuth")


def test_releases_with_an_old_native_bcrypt_get_2a_hashes():
    assert planned(found={"version": "0.18.7"}).settings["httpNodeAuth"]["pass"]["$ident"] == "2a"


def test_credentials_of_somebody_else_are_kept_and_used_for_what_was_open():
    own = {"user": "bob", "pass": HASH}
    kept = planned(settings_with(f"httpNodeAuth: {own}"), found={"http_node_password": "bcrypt"}, password=None)
    assert kept.settings["httpNodeAuth"] == kept.settings["httpStaticAuth"] == own
    kept = planned(settings_with(f"httpStaticAuth: {own}"), found={"http_static_password": "bcrypt"}, password=None)
    assert kept.settings["httpNodeAuth"] == own


def test_computed_credentials_are_kept_as_they_are_written():
    code = "{ user: process.env.WEB_USER, pass: process.env.WEB_HASH }"
    source = settings_with(f"httpNodeAuth: {code}")
    kept = planned(source, found={"http_node_password": "bcrypt"}, password=None)
    assert kept.settings["httpStaticAuth"] == {"$js": code}
    assert "httpNodeAuth" not in _settings_js.edit(source, set=kept.settings).changed


def test_static_credentials_of_somebody_else_are_named():
    source = settings_with(
        f"httpNodeAuth: {{user: 'a', pass: '{HASH}'}}", f"httpStaticAuth: {{user: 'b', pass: '{HASH}'}}"
    )
    found = {"http_node_password": "bcrypt", "http_static_password": "bcrypt"}
    kept = planned(source, found=found, password=None)
    assert "httpStaticAuth" not in kept.settings
    assert "httpStaticAuth" in kept.left_alone[0]
    assert planned(source, found=found).settings["httpStaticAuth"] == MARKED


@pytest.mark.parametrize("kind", ["md5", "other"])
def test_credentials_that_are_no_bcrypt_hash_are_not_kept(kind):
    source = settings_with("httpNodeAuth: {user: 'bob', pass: 'secret'}")
    said = refused(source, found={"http_node_password": kind}, password=None)
    assert "httpNodeAuth.pass" in said
    assert "nodered_http_auth_password" in said
    assert planned(source, found={"http_node_password": kind}).settings["httpNodeAuth"] == MARKED


def test_credentials_in_a_file_that_cannot_be_loaded_are_kept():
    own = {"user": "bob", "pass": HASH}
    found = {"http_node_password": None, "http_static_password": None, "expected_node_root": None}
    assert planned(settings_with(f"httpNodeAuth: {own}"), found=found, password=None).settings["httpNodeAuth"] == own


def test_pages_closed_by_code_of_somebody_else_stay_so_until_told():
    source = settings_with("httpNodeAuth: require('./own.js')")
    found = {"http_node_password": "middleware"}
    kept = planned(source, found=found)
    assert kept.settings == {}
    assert not kept.managed
    assert "httpNodeAuth" in kept.left_alone[0]
    assert planned(source, found=found, replace=True).settings["httpNodeAuth"] == MARKED


@pytest.mark.parametrize(
    "member, name",
    [
        ("ui: { ioMiddleware: function (socket, next) { next(); } }", "ui.ioMiddleware"),
        ("dashboard: { ioMiddleware: [one, two] }", "dashboard.ioMiddleware"),
        ("webSocketNodeVerifyClient: (info) => true", "webSocketNodeVerifyClient"),
    ],
)
def test_code_of_somebody_else_on_a_socket_stays_until_told(member, name):
    kept = planned(settings_with(member))
    assert name not in kept.settings
    assert name in kept.left_alone[0]
    assert "nodered_http_auth_replace" in kept.left_alone[0]
    assert name in planned(settings_with(member), replace=True).settings


def test_the_second_dashboard_keeps_what_it_takes_from_the_first_ones_settings():
    source = settings_with("ui: { middleware: own }")
    assert "dashboard.ioMiddleware" not in planned(source).settings
    assert "dashboard.ioMiddleware" in planned(settings_with("ui: { middleware: own }", "dashboard: {}")).settings


def test_other_settings_of_a_dashboard_stay():
    source = settings_with("ui: { path: 'panel' }")
    assert _settings_js.value(_settings_js.edit(source, set=planned(source).settings).text, "ui.path") == "panel"


def test_what_no_setting_can_close_is_said():
    packages = [
        {"name": "node-red-dashboard", "version": "2.26.2", "closable": False},
        {"name": "@flowfuse/node-red-dashboard", "version": "1.31.0", "closable": True},
    ]
    said = planned(found={"socket_packages": packages, "version": "0.16.2"})
    assert [line.split(":")[0] for line in said.not_closed] == [
        "The sockets of node-red-dashboard 2.26.2 stay open",
        '"websocket in" nodes stay open',
    ]
    assert "webSocketNodeVerifyClient" not in said.settings


def test_separate_static_credentials_need_roots_that_do_not_cover_each_other():
    separate = {"static_user": "files", "static_password": "another one"}
    assert "one header" in refused(**separate)
    assert "/api/files/" in refused(found={"expected_node_root": "/api/", "static_roots": ["/api/files/"]}, **separate)
    apart = planned(found={"expected_node_root": "/api/", "static_roots": ["/files/"]}, **separate)
    assert apart.settings["httpStaticAuth"]["user"] == "files"
    assert apart.settings["httpNodeAuth"] == MARKED
    said = refused(found={"expected_node_root": "/api/"}, open_paths=["/hook"], **separate)
    assert "nodered_http_auth_open_paths" in said


@pytest.mark.parametrize(
    "options, named",
    [
        ({"password": ""}, "nodered_http_auth_password"),
        ({"password": "é" * 37}, "nodered_http_auth_password"),
        ({"password": 12345}, "nodered_http_auth_password"),
        ({"user": "a:b"}, "nodered_http_auth_user"),
        ({"user": ""}, "nodered_http_auth_user"),
        ({"static_user": "files"}, "nodered_http_auth_static_password"),
        ({"rounds": 7}, "nodered_http_auth_rounds"),
        ({"rounds": 11}, "nodered_http_auth_rounds"),
        ({"open_paths": "/hook"}, "nodered_http_auth_open_paths"),
        ({"open_paths": ["hook"]}, "nodered_http_auth_open_paths[0]"),
        ({"open_paths": ["/ok", "/"]}, "nodered_http_auth_open_paths[1]"),
        ({"open_paths": ["/a/../b"]}, "nodered_http_auth_open_paths[0]"),
        ({"open_paths": ["/a'b"]}, "nodered_http_auth_open_paths[0]"),
    ],
)
def test_a_mistake_is_refused_with_the_variable_named(options, named):
    assert named in refused(**options)


@pytest.mark.parametrize(
    "path, part",
    [
        ("/:device/command", "':device'"),
        ("/devices/:id", "':id'"),
        ("/files/*", "'*'"),
        ("/*splat", "'*'"),
        ("/v(1|2)/in", "'('"),
        ("/colou?r", "'?'"),
        ("/a{/b}", "'{'"),
        ("/[ab]", "'['"),
        ("^/hook", "'^'"),
        ("/lights/+/set", "'+'"),
        ("/lights/#", "'#'"),
    ],
)
def test_a_route_with_a_pattern_is_no_path(path, part):
    said = refused(open_paths=["/hook", path])
    assert "nodered_http_auth_open_paths[1]" in said
    assert part in said
    assert "paths, not patterns" in said


def test_all_mistakes_are_reported_at_once():
    with pytest.raises(HttpAuthError) as caught:
        planned(user="a:b", password="", rounds=7, open_paths=["/ok", "/", "/*"])
    named = [problem.split()[0].rstrip(":") for problem in caught.value.problems]
    assert named == [
        "nodered_http_auth_user",
        "nodered_http_auth_rounds",
        "nodered_http_auth_password",
        "nodered_http_auth_open_paths[1]",
        "nodered_http_auth_open_paths[2]",
    ]


def test_open_paths_are_refused_where_the_release_has_no_way():
    assert "4.0" in refused(found={"version": "3.1.15"}, open_paths=["/hook"])


@pytest.mark.parametrize("path", ["/.well-known/acme", "/c++", "/a@b~c", "/$a,b;c=1!&"])
def test_a_path_without_patterns_can_be_open(path):
    assert f"'{path}'" in planned(open_paths=[path]).settings["httpNodeAuth"]["$js"]
