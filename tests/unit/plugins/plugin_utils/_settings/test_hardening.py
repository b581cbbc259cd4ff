# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings import _settings_js
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings._hardening import HEADERS, plan

TEXT = "module.exports = {\n    uiPort: 1880,\n}\n"


def planned(node_red="4.1.15", text=TEXT, **wanted):
    return plan(wanted, node_red=node_red, text=text)


def refused(**wanted):
    found = planned(**wanted)
    assert found.set == {}
    return found.mistakes


def with_headers(text=TEXT):
    return _settings_js.edit(text, set=planned(headers=True).set).text


def test_what_is_unset_is_left_alone():
    found = planned(audit_log=None, admin_root=None)
    assert (found.set, found.remove, found.left_out) == ({}, [], [])


@pytest.mark.parametrize(
    "wanted, settings",
    [
        ({"disable_editor": True}, {"disableEditor": True}),
        ({"admin_root": "/admin"}, {"httpAdminRoot": "/admin"}),
        ({"admin_root": False}, {"httpAdminRoot": False}),
        ({"listen_address": "127.0.0.1"}, {"uiHost": "127.0.0.1"}),
        ({"audit_log": True}, {"logging.console.audit": True}),
        ({"function_modules": False}, {"functionExternalModules": False}),
        ({"diagnostics": False}, {"diagnostics.enabled": False, "diagnostics.ui": False}),
        ({"telemetry": False}, {"telemetry.enabled": False}),
        ({"cookie_options": {"secure": True}}, {"httpAdminCookieOptions": {"secure": True}}),
        (
            {"external_modules": {"autoInstall": False, "palette": {"allowInstall": False, "denyList": ["*"]}}},
            {
                "externalModules.autoInstall": False,
                "externalModules.palette.allowInstall": False,
                "externalModules.palette.denyList": ["*"],
            },
        ),
    ],
)
def test_each_variable_becomes_its_settings(wanted, settings):
    assert planned(**wanted).set == settings


@pytest.mark.parametrize(
    "wanted",
    [
        {"disable_editor": "maybe"},
        {"admin_root": "admin"},
        {"admin_root": True},
        {"listen_address": "my-pi"},
        {"external_modules": ["palette"]},
        {"external_modules": {"pallette": {"allowInstall": False}}},
        {"external_modules": {"palette": {"allowInstall": "no"}}},
        {"external_modules": {"palette": {"denyList": "*"}}},
        {"cookie_options": {"secur": True}},
    ],
)
def test_a_mistake_is_refused_with_the_variable_named(wanted):
    key = next(iter(wanted))
    (mistake,) = refused(**wanted)
    assert ("nodered_disable_editor" if key == "disable_editor" else f"nodered_hardening_{key}") in mistake


def test_all_mistakes_are_reported_at_once():
    found = planned(admin_root="admin", audit_log="maybe", telemetry=False)
    assert len(found.mistakes) == 2
    assert found.set == {"telemetry.enabled": False}


@pytest.mark.parametrize("value, meaning", [("yes", True), ("True", True), ("false", False), ("0", False), (1, True)])
def test_a_flag_can_come_from_the_command_line(value, meaning):
    assert planned(audit_log=value).set == {"logging.console.audit": meaning}


@pytest.mark.parametrize(
    "wanted, first",
    [
        ({"headers": True}, "1.1.0"),
        ({"function_modules": True}, "1.3.0"),
        ({"external_modules": {"palette": {"allowUpdate": False}}}, "2.1.0"),
        ({"diagnostics": False}, "3.0.0"),
        ({"cookie_options": {"secure": True}}, "4.0.0"),
        ({"telemetry": False}, "4.1.0"),
    ],
)
def test_a_setting_is_written_from_its_first_release_on_and_said_before(wanted, first):
    assert planned(node_red=first, **wanted).set
    assert not planned(node_red=first, **wanted).left_out
    major, minor, _patch = map(int, first.split("."))
    before = f"{major}.{minor - 1}.9" if minor else f"{major - 1}.9.9"
    early = planned(node_red=before, **wanted)
    assert early.set == {}
    assert before in early.left_out[0]
    assert next(iter(wanted)) in early.left_out[0]


def test_headers_are_written_once_and_taken_out_again():
    written = with_headers()
    assert all(name in written for name in HEADERS)
    assert _settings_js.edit(written, set=planned(headers=True, text=written).set).changed == ()
    assert planned(headers=False, text=written).remove == ["httpAdminMiddleware"]


def test_a_middleware_of_somebody_else_stays():
    foreign = TEXT.replace("uiPort", "httpAdminMiddleware: function(req, res, next) { next(); },\n    uiPort")
    assert "nodered_hardening_headers" in planned(headers=True, text=foreign).mistakes[0]
    assert planned(headers=False, text=foreign).remove == []
    assert planned(headers=False).remove == []
