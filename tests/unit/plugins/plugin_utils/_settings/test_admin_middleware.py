# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `httpAdminMiddleware` is made of, and that custom code is never lost."""

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings import _hardening, _settings_js
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings._admin_middleware import Middleware, present

TEXT = "module.exports = {\n    uiPort: 1880,\n}\n"
CUSTOM = "function(req, res, next) { /* ) */ next(')'); }"
DIRECT = 'require("./pifleet-failed-logins.js").direct'


def with_middleware(code):
    return TEXT.replace("uiPort", f"httpAdminMiddleware: {code},\n    uiPort")


def applied(text, *, behind_proxy=False, **wanted):
    plan = _hardening.plan(wanted, node_red="4.1.15", text=text, behind_proxy=behind_proxy)
    assert plan.mistakes == []
    return _settings_js.edit(text, set=plan.set, remove=plan.remove).text


@pytest.mark.parametrize("behind_proxy", [False, True])
@pytest.mark.parametrize(
    "before",
    [
        TEXT,
        *map(with_middleware, [CUSTOM, f"[{CUSTOM}, own]", "require('./own.js').direct(1)", "a || b", "(req) => 1"]),
    ],
)
def test_the_log_is_added_once_and_removed_without_a_trace(before, behind_proxy):
    logged = applied(before, behind_proxy=behind_proxy, log_failed_logins=True)
    assert ".behindProxy(" in logged or not behind_proxy
    assert ".direct(" in logged or behind_proxy
    assert applied(logged, behind_proxy=behind_proxy, log_failed_logins=True) == logged
    assert applied(logged, behind_proxy=not behind_proxy) == logged, "unset, it stays as it is"
    assert applied(logged, log_failed_logins=False) == before


def test_custom_code_is_the_argument_byte_for_byte():
    code = "function(req, res, next) {\n        // why\n        next();\n    }"
    text = applied(with_middleware(code), log_failed_logins=True)
    assert f"httpAdminMiddleware: {DIRECT}({code})," in text


def test_a_proxy_that_is_declared_later_changes_the_function():
    text = applied(applied(with_middleware(CUSTOM), log_failed_logins=True), behind_proxy=True, log_failed_logins=True)
    assert f'("./pifleet-failed-logins.js").behindProxy({CUSTOM})' in text


def test_headers_and_log_are_independent():
    both = applied(TEXT, headers=True, log_failed_logins=True)
    assert present(both, "") == Middleware("direct", Middleware().with_headers(True).rest)
    only_log, only_headers = applied(TEXT, log_failed_logins=True), applied(TEXT, headers=True)
    assert applied(only_log, headers=True) == applied(only_headers, log_failed_logins=True) == both
    assert applied(both, headers=False) == only_log
    assert applied(both, log_failed_logins=False) == only_headers
    assert applied(both, headers=False, log_failed_logins=False) == TEXT


def test_headers_do_not_replace_custom_code_that_the_log_holds():
    logged = applied(with_middleware(CUSTOM), log_failed_logins=True)
    plan = _hardening.plan({"headers": True, "log_failed_logins": True}, node_red="4.1.15", text=logged)
    assert "nodered_hardening_headers: settings.js has a custom httpAdminMiddleware" in plan.mistakes[0]
    assert applied(logged, headers=False) == logged


@pytest.mark.parametrize(
    "code",
    [
        f"{DIRECT}(a).b(c)",
        f"{DIRECT}(a)(b)",
        f"{DIRECT}(a, b)",
        f"[{DIRECT}(), own]",
        f"{DIRECT}",
        "require('./pifleet-failed-logins.js').other()",
    ],
)
def test_code_that_uses_the_file_in_another_way_is_an_error(code):
    plan = _hardening.plan({"log_failed_logins": True}, node_red="4.1.15", text=with_middleware(code))
    assert "nodered_hardening_log_failed_logins: settings.js has a custom httpAdminMiddleware" in plan.mistakes[0]
    assert plan.set == {}
    unset = _hardening.plan({"telemetry": False}, node_red="4.1.15", text=with_middleware(code))
    assert unset.mistakes == []


def test_a_method_is_kept_or_rejected():
    text = TEXT.replace("uiPort", "httpAdminMiddleware(req, res, next) { next(); },\n    uiPort")
    with pytest.raises(_settings_js.SettingsError):
        applied(text, log_failed_logins=True)


@pytest.mark.parametrize("value", ["null", "false", "undefined", "1"])
def test_what_is_no_code_counts_for_nothing(value):
    assert f"{DIRECT}()" in applied(with_middleware(value), log_failed_logins=True)
