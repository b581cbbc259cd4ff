# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn what is wanted of the role `hardening` into Node-RED's settings. Private; knows no Ansible.

All mistakes are reported at once, each with its variable. A setting that the release does not know is not written, and
reported.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from .._core._arguments import ArgumentError, dictionary_problem, release_numbers, truth
from .._core._errors import SettingsError
from . import _admin_middleware
from ._admin_middleware import BEHIND_PROXY, COMPANION, DIRECT, HEADERS, SETTING, CustomCodeError
from ._settings_js import edit, known

VARIABLE = "nodered_hardening_"
LOGGED = "log_failed_logins"
Wanted = dict[str, object]
Release = tuple[int, ...]

# What `externalModules` has, and the release that has it first (@node-red/registry/lib).
EXTERNAL_MODULES: dict[str, Release] = {
    "autoInstall": (1, 3),
    "autoInstallRetry": (1, 3),
    "palette.allowInstall": (1, 3),
    "palette.allowUpload": (1, 3),
    "palette.allowList": (1, 3),
    "palette.denyList": (1, 3),
    "palette.allowUpdate": (2, 1),
    "palette.allowUpdateList": (2, 1),
    "palette.denyUpdateList": (2, 1),
    "modules.allowInstall": (1, 3),
    "modules.allowList": (1, 3),
    "modules.denyList": (1, 3),
}
# Of the package cookie, as httpAdminCookieOptions takes them (editor-api/lib/auth/index.js).
COOKIE_OPTIONS = (
    "name",
    "domain",
    "path",
    "secure",
    "httpOnly",
    "sameSite",
    "maxAge",
    "expires",
    "overwrite",
    "signed",
)


class HardeningError(ArgumentError):
    """A variable that cannot be turned into settings."""


@dataclass(frozen=True)
class HardeningSettings:
    """What to change in the settings file."""

    set: Wanted = field(default_factory=dict)
    remove: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """A sentence for each setting that this release does not know."""
    mistakes: list[str] = field(default_factory=list)
    """For each variable that cannot be turned into settings, with the remedy."""
    logs_failed_logins: bool | None = None
    """Whether failed logins are logged after this; None if that stays as it is."""


@dataclass(frozen=True)
class _Variable:
    """How one variable becomes settings: the names and values, each with the first release that knows it."""

    since: Release
    settings: Callable[[str, object], Wanted]
    name: str = ""


def plan(
    wanted: Mapping[str, object],
    *,
    node_red: str | None,
    text: str,
    filename: str = "settings.js",
    behind_proxy: bool = False,
) -> HardeningSettings:
    """What to change in the settings file for these variables.

    Args:
        wanted: the role's variables without their prefix; None for one that is unset.
        node_red: the release that reads the settings, such as ``"4.1.15"``; with None nothing is left out.
        text: the settings file as it is.
        filename: what errors call it.
        behind_proxy: whether all clients connect through a proxy on the same machine.

    Raises:
        SettingsError: if the text cannot be read with certainty.
    """
    found, middleware = HardeningSettings(), dict[str, bool]()
    for key, variable in _VARIABLES.items():
        name = variable.name or VARIABLE + key
        if wanted.get(key) is None:
            continue
        try:
            settings = variable.settings(name, wanted[key])
            known_ones = _known_to_release(found, name, variable, settings, node_red)
            if SETTING in known_ones:
                middleware[key] = bool(known_ones.pop(SETTING))
            found.set.update(known_ones)
        except ArgumentError as error:
            found.mistakes.extend(error.problems)
    logging = DIRECT if not behind_proxy else BEHIND_PROXY
    return _with_middleware(found, middleware.get("headers"), middleware.get(LOGGED), logging, text, filename)


def _known_to_release(
    found: HardeningSettings, name: str, variable: _Variable, settings: Wanted, node_red: str | None
) -> Wanted:
    """Those of the settings that this release knows; a sentence for each other one is added to `found`."""
    release = release_numbers(node_red or "")
    since = {setting: EXTERNAL_MODULES.get(setting.partition(".")[2], variable.since) for setting in settings}
    unknown = [setting for setting in settings if release and release < since[setting]]
    found.left_out.extend(
        f"{name}: Node-RED {node_red} does not know {setting}, which came with "
        f"{'.'.join(map(str, since[setting]))}, so it was not written."
        for setting in unknown
    )
    return {setting: value for setting, value in settings.items() if setting not in unknown}


def _with_middleware(
    found: HardeningSettings, headers: bool | None, logged: bool | None, logging: str, text: str, filename: str
) -> HardeningSettings:
    """The plan with the middleware of the admin API, which both variables are about; None leaves it as it is."""
    if headers is None and logged is None:
        return found
    if not (headers or logged or SETTING in known(text, filename=filename)):
        return replace(found, logs_failed_logins=logged)
    try:
        before = after = _admin_middleware.present(text, filename)
    except CustomCodeError:
        found.mistakes.append(_custom_code(filename))
        return found
    if headers is not None:
        try:
            after = after.with_headers(headers)
        except CustomCodeError:
            found.mistakes.append(_custom_headers(filename))
    if logged is not None:
        after = after.with_logging(logging if logged else "")
    if after.code and (headers or logged or after != before):
        # Also if it is there already: an option that overrides it is an error.
        found.set[SETTING] = {"$js": after.code}
    elif before.code and not after.code:
        found.remove.append(SETTING)
    return replace(found, logs_failed_logins=logged)


def _custom_headers(filename: str) -> str:
    return (
        f"{VARIABLE}headers: {filename} has a custom httpAdminMiddleware, which would be lost. Set the headers "
        f"there ({', '.join(HEADERS)}) and leave the variable unset, or remove httpAdminMiddleware from the file."
    )


def _custom_code(filename: str) -> str:
    return (
        f"{VARIABLE}{LOGGED}: {filename} has a custom httpAdminMiddleware that requires {COMPANION} itself. Leave only "
        "the rest of it there; the role adds that file, and keeps the rest."
    )


def _flag(*settings: str) -> Callable[[str, object], Wanted]:
    def convert(name: str, value: object) -> Wanted:
        return dict.fromkeys(settings, truth(value, name))

    return convert


def _admin_root(name: str, value: object) -> Wanted:
    if value is False or (isinstance(value, str) and re.fullmatch(r"/[A-Za-z0-9._~/-]*", value)):
        return {"httpAdminRoot": value}
    raise HardeningError(f"{name} must be a path such as /admin, or false for no editor and no admin API.")


def _address(name: str, value: object) -> Wanted:
    try:
        return {"uiHost": str(ipaddress.ip_address(value if isinstance(value, str) else ""))}
    except ValueError:
        raise HardeningError(f"{name} must be an IP address such as 127.0.0.1, in quotes.") from None


def _external_modules(name: str, value: object) -> Wanted:
    if not isinstance(value, Mapping):
        raise HardeningError(dictionary_problem(value, name, {"palette": {"allowInstall": False}}))
    flat: Wanted = {}
    for key, member in value.items():
        flat |= {f"{key}.{inner}": it for inner, it in member.items()} if isinstance(member, Mapping) else {key: member}
    for key, member in flat.items():
        if key not in EXTERNAL_MODULES:
            raise HardeningError(f"{name} has the unknown key {key}; known are {', '.join(EXTERNAL_MODULES)}.")
        _check_external_module(f"{name}.{key}", member)
    return _writable(name, {f"externalModules.{key}": member for key, member in flat.items()})


def _check_external_module(place: str, value: object) -> None:
    if place.endswith("List"):
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise HardeningError(f"{place} must be a list of names such as node-red-contrib-*.")
    elif place.endswith("Retry"):
        if isinstance(value, bool) or not isinstance(value, int):
            raise HardeningError(f"{place} must be a number of seconds.")
    elif not isinstance(value, bool):
        raise HardeningError(f"{place} must be true or false.")


def _cookie_options(name: str, value: object) -> Wanted:
    if not isinstance(value, Mapping):
        raise HardeningError(dictionary_problem(value, name, {"secure": True, "sameSite": "lax"}))
    if not set(value) <= set(COOKIE_OPTIONS):
        raise HardeningError(f"{name} has an unknown key; known are {', '.join(COOKIE_OPTIONS)}.")
    return _writable(name, {"httpAdminCookieOptions": dict(value)})


def _writable(name: str, settings: Wanted) -> Wanted:
    """The settings, if JavaScript has a form for their values."""
    try:
        edit("module.exports = {\n}\n", set=settings, filename=name)
    except SettingsError as error:
        raise HardeningError(f"{name}: {error.problem}. {error.remedy}") from None
    return settings


_ALWAYS: Release = (0,)
_VARIABLES = {
    "disable_editor": _Variable(_ALWAYS, _flag("disableEditor"), "nodered_disable_editor"),
    "admin_root": _Variable(_ALWAYS, _admin_root),
    "listen_address": _Variable(_ALWAYS, _address),
    "headers": _Variable((1, 1), _flag(SETTING)),
    LOGGED: _Variable((1, 1), _flag(SETTING)),
    "audit_log": _Variable(_ALWAYS, _flag("logging.console.audit")),
    "function_modules": _Variable((1, 3), _flag("functionExternalModules")),
    "external_modules": _Variable((1, 3), _external_modules),
    "diagnostics": _Variable((3, 0), _flag("diagnostics.enabled", "diagnostics.ui")),
    "telemetry": _Variable((4, 1), _flag("telemetry.enabled")),
    "cookie_options": _Variable((4, 0), _cookie_options),
}
