# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge who gets into the editor and its admin API, and with which passwords. Private; knows no Ansible."""

from __future__ import annotations

from collections.abc import Iterator

from ...module_utils._probe._anonymous_checks import DEFAULT_USER
from .._plan._base import Found
from .._report._findings import Severity
from .._settings import _known_bad
from ._base import FAIL, SKIP, Observed, Outcome, Skipped, finding, is_accepted, is_local

# The checks that say what the settings file has, with the titles of their findings, by the kind in `_known_bad`.
_IN_SETTINGS = {
    "default": ("default-permissions", "Everyone may change flows without a login"),
    "login-type": ("login-broken", "The login in the settings does not work"),
    "no-password": ("login-broken", "The login in the settings does not work"),
    "old-login": ("old-login", "The editor has a login of old releases"),
    "sample": ("password-sample", "A password is the sample of Node-RED's template"),
    "usual": ("password-known", "A password is one of those that are tried first"),
    "plaintext": ("password-plaintext", "The settings file has a password as text"),
    "md5": ("password-md5", "A password is an MD5 sum"),
    "weak": ("hash-weak", "The hash of a password has a low cost"),
}
_BY_REQUESTS = ("editor-open", "api-open", "default-permissions", "anonymous-read", "debug-open")
_PASSWORDS = ("password-sample", "password-known", "password-plaintext", "password-md5", "hash-weak")
CHECKS = tuple(dict.fromkeys((*_BY_REQUESTS, *(check for check, _title in _IN_SETTINGS.values()))))

_OPEN = ("login_required", "flows_closed", "flows_write_closed")
_LOGIN = (
    "Run pifleet.nodered.secure: it gives an open Node-RED a random password. Or list the users in nodered_login_users "
    "(role login)."
)


def outcomes(found: Found, observed: Observed) -> Iterator[Outcome]:
    yield from _by_requests(found, observed)
    yield from _in_settings(found, observed)


def _by_requests(found: Found, observed: Observed) -> Iterator[Outcome]:
    if observed.no_answer:
        yield from _without_requests(found, observed)
        return
    failed = [check for check in _OPEN if observed.status(check) == FAIL]
    if failed and _is_default_user(observed):
        yield finding(
            "default-permissions",
            _IN_SETTINGS["default"][1],
            observed.seen(*failed),
            "Remove adminAuth.default from the settings file, or set nodered_login_users (role login).",
        )
    elif failed:
        yield _open(found, observed, observed.seen(*failed))
    elif observed.status("flows_closed") == SKIP or DEFAULT_USER in _found(observed, "login_required"):
        intended = observed.wanted.get("nodered_login_default_permissions")
        yield finding(
            "anonymous-read",
            "Flows can be read without a login",
            observed.seen("login_required", "flows_closed"),
            "Unset nodered_login_default_permissions, and set nodered_login_users (role login).",
            "info" if intended else None,
        )
    yield from observed.left_out("debug-open", "comms_closed")
    if not failed and observed.status("comms_closed") == FAIL:
        yield finding("debug-open", "Debug messages can be read without a login", observed.seen("comms_closed"), _LOGIN)


def _found(observed: Observed, check: str) -> str:
    return observed.checks[check]["found"] if check in observed.checks else ""


def _is_default_user(observed: Observed) -> bool:
    return DEFAULT_USER in _found(observed, "login_required") or bool(observed.of("default"))


def _open(found: Found, observed: Observed, evidence: str) -> Outcome:
    severity: Severity | None = "medium" if is_local(found, observed) else None
    if found.instance["disable_editor"]:
        title = "The editor is disabled, and anyone can change the flows through its admin API"
        remedy = f"{_LOGIN} If no one needs the API, set nodered_hardening_admin_root: false."
        return finding("api-open", title, evidence, remedy, severity)
    return finding("editor-open", "Anyone can open the editor and change the flows", evidence, _LOGIN, severity)


def _without_requests(found: Found, observed: Observed) -> Iterator[Outcome]:
    """What the settings in effect show, where no request could be made."""
    # Not `has_login`, which counts a login that is only planned.
    if found.instance["admin_auth"] == "none" and not observed.unread and found.setting("httpAdminRoot") is not False:
        file = found.instance["settings_file"]
        yield _open(found, observed, f"{file} gives no login. It was not tried from outside: {observed.no_answer}")
    for check in _BY_REQUESTS:
        yield Skipped(check, observed.no_answer)


def _in_settings(found: Found, observed: Observed) -> Iterator[Outcome]:
    for one in observed.bad:
        if one.kind in _IN_SETTINGS:
            check, title = _IN_SETTINGS[one.kind]
            evidence = f"{found.instance['settings_file']}: {one.setting}: {one.problem}"
            yield finding(check, title, evidence, _remedy(one), "info" if _is_intended(one, observed) else None)
    for one in observed.of("not-tried"):
        yield Skipped("password-sample", one.problem)
        yield Skipped("password-known", one.problem)
    reason = observed.unread or _not_in_settings(found, observed)
    for check in _PASSWORDS if reason else ():
        yield Skipped(check, reason)
    for check in ("login-broken", "old-login") if observed.unread else ():
        yield Skipped(check, observed.unread)


def _is_intended(one: _known_bad.Finding, observed: Observed) -> bool:
    """Whether the variables accept it, or ask for a low cost."""
    if is_accepted(observed, one.setting):
        return True
    rounds = str(observed.wanted.get("nodered_login_rounds"))
    asked_for = rounds.isdecimal() and int(rounds) < _known_bad.LEAST_COST
    return one.kind == "weak" and one.setting == "adminAuth.users" and asked_for


def _remedy(one: _known_bad.Finding) -> str:
    roles = {
        "httpNodeAuth": "The role http_auth does so (nodered_http_auth_password).",
        "httpStaticAuth": "The role http_auth does so (nodered_http_auth_password).",
        "adminAuth.type": "The role login does so (nodered_login_users).",
        "adminAuth.default": "The role login does so (nodered_login_users).",
    }
    return f"{one.remedy} {roles.get(one.setting, '')}".strip()


def _not_in_settings(found: Found, observed: Observed) -> str:
    """Why the text does not show all passwords; empty if it does."""
    elsewhere = ["adminAuth"] if found.instance["admin_auth"] in ("strategy", "other") else []
    custom = list(dict.fromkeys([*elsewhere, *observed.computed]))
    return f"code in {' and '.join(custom)} decides about passwords" if custom else ""
