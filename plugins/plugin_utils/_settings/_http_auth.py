# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which settings put a password in front of everything that is not the editor. Private; knows no Ansible.

A message about a mistake names the variable and never shows a secret. Custom code is kept and reported, or replaced on
request.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core._arguments import ArgumentError, is_list, list_problem, release_name, release_numbers
from .._passwords._bcrypt import PasswordError, check_password, require_library
from . import _settings_js

COMPANION = "pifleet-http-auth.js"
REQUIRED = f"require('./{COMPANION}')"

# Node-RED checks these passwords while everything else waits (red.js, compareSync), so no cost above 10.
LOWEST_ROUNDS, HIGHEST_ROUNDS = 8, 10
FIRST_WITH_VERIFY_CLIENT = (0, 17)
FIRST_WITH_2B = (0, 19)
FIRST_WITH_MIDDLEWARE = (4, 0)

# Express (path-to-regexp) and MQTT: /:device, /files/*, /v(1|2), /a{/b}, /colou?r, /lights/+.
_ROUTE_PATTERN = re.compile(r":\w*|[*?()\[\]{}|^\\]|(?<=/)[+#](?=/|$)")

IO_MIDDLEWARE = {"$js": f"{REQUIRED}.ioMiddleware"}
VERIFY_CLIENT = {"$js": f"{REQUIRED}.verifyClient"}


class HttpAuthError(ArgumentError):
    """What was asked for is not possible; each message names the variable and the remedy."""


@dataclass(frozen=True)
class ProtectionSettings:
    """What to set, which custom code stays, and what no setting can close here."""

    settings: dict[str, object] = field(default_factory=dict)
    left_alone: list[str] = field(default_factory=list)
    not_closed: list[str] = field(default_factory=list)
    managed: bool = True

    @property
    def needs_companion(self) -> bool:
        return any(REQUIRED in str(value) for value in self.settings.values())


def plan(
    source: str,
    *,
    instance: Mapping[str, Any],
    user: str,
    password: str | None,
    rounds: int = LOWEST_ROUNDS,
    static_user: str | None = None,
    static_password: str | None = None,
    open_paths: Sequence[str] = (),
    replace: bool = False,
) -> ProtectionSettings:
    """Return what to set in the settings file `source` so that nothing beside the editor is open without a password.

    Args:
        source: the text of the settings file.
        instance: what instance_info found.
        user: the name to log in with; of use only with `password`.
        password: the plaintext, or None to keep the credentials that are there.
        rounds: bcrypt cost of new hashes, 8 to 10.
        static_user: another name for static files, with `static_password`.
        open_paths: paths below httpNodeRoot that ask for no password, with all below them; no patterns of routes.
        replace: replace custom code.

    Raises:
        HttpAuthError: with all mistakes.
        SettingsError: where the settings file cannot be read with certainty, or no password be hashed on this machine.
    """
    release = release_numbers(instance["version"] or "")
    problems = [
        *_problems_of_names(user, static_user, static_password),
        *_problems_of_passwords(password, static_password, rounds),
        *_problems_of_paths(open_paths, release),
    ]
    if problems:
        raise HttpAuthError(*problems)
    settings: dict[str, object] = {}
    left_alone: list[str] = []
    not_closed = _not_closed(release, instance)
    node = _value(source, "httpNodeAuth", instance)
    if _is_foreign(node, instance["http_node_password"]) and not replace:
        left_alone.append(
            f"httpNodeAuth in {instance['settings_file']} is custom code, so it and everything that depends on it are "
            "left unchanged. Set nodered_http_auth_replace: true to replace it."
        )
        return ProtectionSettings({}, left_alone, not_closed, managed=False)
    if static_password is not None:
        _refuse_shadow(instance, open_paths)
    ident = "2b" if release >= FIRST_WITH_2B else "2a"
    static = _value(source, "httpStaticAuth", instance)
    credentials = _credentials(user, password, rounds, ident) or _kept(node, static, instance)
    settings.update(_auth(credentials, static, password, open_paths, instance, left_alone))
    if static_password is not None:
        settings["httpStaticAuth"] = _credentials(static_user or user, static_password, rounds, ident)
    settings.update(_sockets(source, instance, release, replace, left_alone))
    return ProtectionSettings(settings, left_alone, not_closed)


# The variables


def _problems_of_names(user: object, static_user: object, static_password: object) -> Iterator[str]:
    static = [] if static_user is None else [(static_user, "nodered_http_auth_static_user")]
    for name, variable in [(user, "nodered_http_auth_user"), *static]:
        if not isinstance(name, str) or not re.fullmatch(r"[^:\x00-\x1f\x7f\ud800-\udfff]+", name):
            yield f"{variable} must be a name that is not empty and has no colon in it (RFC 7617)."
    if static_user is not None and static_password is None:
        yield "nodered_http_auth_static_user needs nodered_http_auth_static_password."


def _problems_of_passwords(password: object, static_password: object, rounds: object) -> Iterator[str]:
    if isinstance(rounds, bool) or not isinstance(rounds, int) or not LOWEST_ROUNDS <= rounds <= HIGHEST_ROUNDS:
        yield (
            f"nodered_http_auth_rounds must be {LOWEST_ROUNDS} to {HIGHEST_ROUNDS}: Node-RED does nothing else while "
            "it checks such a password."
        )
    for secret, variable in (
        (password, "nodered_http_auth_password"),
        (static_password, "nodered_http_auth_static_password"),
    ):
        if secret is None:
            continue
        if not isinstance(secret, str):
            yield f"{variable} must be a string; put it in quotes."
            continue
        try:
            check_password(secret)
        except PasswordError as error:
            yield f"{variable}: {error}"


def _problems_of_paths(paths: object, release: tuple[int, ...]) -> Iterator[str]:
    if not is_list(paths):
        yield list_problem(paths, "nodered_http_auth_open_paths", "/hooks/github")
        return
    if paths and release < FIRST_WITH_MIDDLEWARE:
        yield (
            f"nodered_http_auth_open_paths needs Node-RED 4.0, and this is Node-RED {release_name(release)}: before, "
            "httpNodeAuth allows no exceptions. Upgrade Node-RED, or leave the variable unset for this host."
        )
    for index, path in enumerate(paths):
        yield from _problem_of_path(f"nodered_http_auth_open_paths[{index}]", path)


def _problem_of_path(place: str, path: object) -> Iterator[str]:
    pattern = isinstance(path, str) and _ROUTE_PATTERN.search(path)
    if pattern:
        # A route of a flow would open nothing.
        yield (
            f"{place} is {path!r}, and {pattern[0]!r} is part of a route pattern. These are paths, not patterns: each "
            "opens itself and what is below it, compared character by character. "
            "Give the part that is the same in every request (/devices for /devices/:device/command). If the "
            "route begins with a variable part, first put a fixed part in front of it in the flow."
        )
    elif (
        not isinstance(path, str)
        or not re.fullmatch(r"(/[A-Za-z0-9._~!$&+,;=@-]+)+", path)
        or {".", ".."} & set(path.split("/"))
    ):
        yield (
            f"{place} must be a path below httpNodeRoot such as /hooks/github, with a slash at its beginning and none "
            "at its end."
        )


def _refuse_shadow(instance: Mapping[str, Any], paths: Sequence[str]) -> None:
    """Reject separate credentials for static files where a request would need both at once."""
    if paths:
        raise HttpAuthError(
            "nodered_http_auth_static_password and nodered_http_auth_open_paths exclude each other: with open "
            "paths, the credentials of the flows' pages are in httpStaticAuth. Set only one of them."
        )
    node_root = instance["expected_node_root"]
    roots = instance["static_roots"] or ["/"]
    covered = next((root for root in roots if node_root and root.startswith(node_root)), None)
    if covered is not None:
        raise HttpAuthError(
            f"nodered_http_auth_static_password differs from nodered_http_auth_password, but httpNodeRoot "
            f"({node_root}) covers the static files at {covered}: each request there would need both passwords in one "
            "header, which is impossible. Unset nodered_http_auth_static_password, or give httpNodeRoot or "
            "httpStaticRoot a path of its own in the settings."
        )


# What is there


def _value(source: str, name: str, instance: Mapping[str, Any]) -> object:
    found = _settings_js.value(source, name, filename=str(instance["settings_file"]))
    return None if found is _settings_js.UNDEFINED else found


def _is_foreign(node: object, kind: str) -> bool:
    return kind == "middleware" and not _is_ours(node)


def _is_ours(value: object) -> bool:
    return isinstance(value, dict) and str(value.get("$js", "")).startswith(REQUIRED + ".")


def _kept(node: object, static: object, instance: Mapping[str, Any]) -> object:
    """The credentials that are there: those of the flows' pages, else those of static files."""
    names = {
        "httpNodeAuth": (node, instance["http_node_password"]),
        "httpStaticAuth": (static, instance["http_static_password"]),
    }
    for name, (value, kind) in names.items():
        if value is None or kind == "none" or _is_ours(value):
            continue
        # Not known where the file cannot be loaded; the load check before it is written reports that.
        if kind not in ("bcrypt", None):
            what = "an MD5 hash, which is broken" if kind == "md5" else "not a bcrypt hash, so every login fails"
            raise HttpAuthError(
                f"{name}.pass in {instance['settings_file']} is {what}. Set nodered_http_auth_user and "
                "nodered_http_auth_password to replace it."
            )
        return value
    raise HttpAuthError("nodered_http_auth_password is needed: there are no credentials yet that could be kept.")


# What is wanted


def _credentials(user: str, password: str | None, rounds: int, ident: str) -> dict[str, object] | None:
    if password is None:
        return None
    require_library()
    return {"user": user, "pass": {"$password": password, "$rounds": rounds, "$ident": ident}}


def _auth(
    credentials: object,
    static: object,
    password: str | None,
    paths: Sequence[str],
    instance: Mapping[str, Any],
    left_alone: list[str],
) -> dict[str, object]:
    """The settings httpNodeAuth and httpStaticAuth."""
    if paths:
        listed = ", ".join(f"'{path}'" for path in paths)
        return {"httpNodeAuth": {"$js": f"{REQUIRED}.everywhereExcept([{listed}])"}, "httpStaticAuth": credentials}
    if password is None and static is not None and static != credentials and instance["http_static_password"] != "none":
        left_alone.append(
            f"httpStaticAuth in {instance['settings_file']} has other credentials, which are left unchanged. Where "
            "httpNodeRoot covers the static files, no request can reach those; set nodered_http_auth_password to "
            "replace both."
        )
        return {"httpNodeAuth": credentials}
    return {"httpNodeAuth": credentials, "httpStaticAuth": credentials}


def _sockets(
    source: str, instance: Mapping[str, Any], release: tuple[int, ...], replace: bool, left_alone: list[str]
) -> dict[str, object]:
    """The settings that close the sockets. Those of a dashboard that is not installed do no harm, and close it from its
    first start on."""
    wanted: dict[str, dict[str, str]] = {"ui.ioMiddleware": IO_MIDDLEWARE}
    if not _falls_back(source, instance):
        wanted["dashboard.ioMiddleware"] = IO_MIDDLEWARE
    if release >= FIRST_WITH_VERIFY_CLIENT:
        wanted["webSocketNodeVerifyClient"] = VERIFY_CLIENT
    settings: dict[str, object] = {}
    for name, ours in wanted.items():
        present = _value(source, name, instance)
        if present and not _is_ours(present) and not replace:
            left_alone.append(
                f"{name} in {instance['settings_file']} is custom code and is left unchanged. Whether it asks for a "
                "password is not known. Set nodered_http_auth_replace: true to replace it."
            )
        else:
            settings[name] = ours
    return settings


def _falls_back(source: str, instance: Mapping[str, Any]) -> bool:
    """Whether @flowfuse/node-red-dashboard takes more from `ui` than ioMiddleware.

    It does where `dashboard` is not set, and would no longer if we set `dashboard`.
    """
    if _value(source, "dashboard", instance) is not None:
        return False
    return any(_value(source, f"ui.{name}", instance) is not None for name in ("middleware", "maxHttpBufferSize"))


def _not_closed(release: tuple[int, ...], instance: Mapping[str, Any]) -> list[str]:
    found = [
        f"The sockets of {package['name']} {package['version']} stay open: this release has no setting that could "
        "close them. Update it, or require a client certificate (nodered_tls_client_authority)."
        for package in instance["socket_packages"]
        if not package["closable"]
    ]
    if release < FIRST_WITH_VERIFY_CLIENT:
        found.append(
            f'"websocket in" nodes stay open: Node-RED {release_name(release)} has no setting that could close '
            "them. Update Node-RED."
        )
    return found
