# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn what is wanted of the role `hardening` into Node-RED's settings. Private; knows no Ansible.

Every mistake is refused with the variable named. A setting that the release does not know is not written, and said.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ._arguments import release_numbers
from ._settings_js import edit, known

VARIABLE = "nodered_hardening_"
Wanted = dict[str, object]
Release = tuple[int, ...]

# For a page that is shown in a frame of somebody else's, clicks on it are not what they seem; nosniff and
# Referrer-Policy keep what flows hold from being read as a script, and the editor's address from other sites.
HEADERS = {
    "X-Frame-Options": "SAMEORIGIN",
    "Content-Security-Policy": "frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
MIDDLEWARE = (
    "function(req, res, next) { res.set({"
    + ", ".join(f'"{name}": "{value}"' for name, value in HEADERS.items())
    + "}); next(); }"
)

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


class HardeningError(ValueError):
    """A variable that cannot be turned into settings; the message names it and the remedy."""


@dataclass(frozen=True)
class Plan:
    """Settings to write, settings to take out, and a sentence for each that this release does not know."""

    set: Wanted
    remove: list[str]
    left_out: list[str]


@dataclass(frozen=True)
class _Variable:
    """How one variable becomes settings: the names and values, each with the first release that knows it."""

    since: Release
    settings: Callable[[str, object], Wanted]
    name: str = ""


def plan(wanted: Mapping[str, object], *, node_red: str | None, text: str, filename: str = "settings.js") -> Plan:
    """What to write so that the variables hold.

    Args:
        wanted: the role's variables without their prefix; None for one that is unset.
        node_red: the release that reads the settings, such as ``"4.1.15"``; with None nothing is left out.
        text: the settings file as it is.
        filename: what errors call it.

    Raises:
        HardeningError: with the first mistake found.
        SettingsError: where the text cannot be read with certainty.
    """
    release = release_numbers(node_red or "")
    found = Plan({}, [], [])
    for key, variable in _VARIABLES.items():
        if wanted.get(key) is None:
            continue
        name = variable.name or VARIABLE + key
        for setting, value in variable.settings(name, wanted[key]).items():
            since = EXTERNAL_MODULES.get(setting.partition(".")[2], variable.since)
            if release and release < since:
                found.left_out.append(
                    f"{name}: Node-RED {node_red} does not know {setting}, which came with "
                    f"{'.'.join(map(str, since))}, so it was not written."
                )
            elif setting == "httpAdminMiddleware":
                _plan_headers(found, bool(value), text, filename)
            else:
                found.set[setting] = value
    return found


def _plan_headers(found: Plan, wanted: bool, text: str, filename: str) -> None:
    """Write our middleware or take it out; anybody else's stays."""
    middleware = {"httpAdminMiddleware": {"$js": MIDDLEWARE}}
    present = "httpAdminMiddleware" in known(text, filename=filename)
    ours = present and not edit(text, set=middleware, filename=filename).changed
    if wanted and present and not ours:
        raise HardeningError(
            f"{VARIABLE}headers: {filename} has an httpAdminMiddleware of its own, which would be lost. Set the "
            f"headers there ({', '.join(HEADERS)}) and leave the variable unset, or remove it from the file."
        )
    if wanted:
        found.set.update(middleware)
    elif ours:
        found.remove.append("httpAdminMiddleware")


def _flag(*settings: str) -> Callable[[str, object], Wanted]:
    def convert(name: str, value: object) -> Wanted:
        if not isinstance(value, bool):
            raise HardeningError(f"{name} must be true or false, without quotes.")
        return dict.fromkeys(settings, value)

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
        raise HardeningError(f"{name} must be a mapping such as {{palette: {{allowInstall: false}}}}.")
    flat: Wanted = {}
    for key, member in value.items():
        flat |= {f"{key}.{inner}": it for inner, it in member.items()} if isinstance(member, Mapping) else {key: member}
    for key, member in flat.items():
        if key not in EXTERNAL_MODULES:
            raise HardeningError(f"{name} has the unknown key {key}; known are {', '.join(EXTERNAL_MODULES)}.")
        _check_external_module(f"{name}.{key}", member)
    return {f"externalModules.{key}": member for key, member in flat.items()}


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
    if not isinstance(value, Mapping) or not set(value) <= set(COOKIE_OPTIONS):
        raise HardeningError(
            f"{name} must be a mapping such as {{secure: true, sameSite: lax}}, with the keys "
            f"{', '.join(COOKIE_OPTIONS)}."
        )
    return {"httpAdminCookieOptions": dict(value)}


_ALWAYS: Release = (0,)
_VARIABLES = {
    "disable_editor": _Variable(_ALWAYS, _flag("disableEditor"), "nodered_disable_editor"),
    "admin_root": _Variable(_ALWAYS, _admin_root),
    "listen_address": _Variable(_ALWAYS, _address),
    "headers": _Variable((1, 1), _flag("httpAdminMiddleware")),
    "audit_log": _Variable(_ALWAYS, _flag("logging.console.audit")),
    "function_modules": _Variable((1, 3), _flag("functionExternalModules")),
    "external_modules": _Variable((1, 3), _external_modules),
    "diagnostics": _Variable((3, 0), _flag("diagnostics.enabled", "diagnostics.ui")),
    "telemetry": _Variable((4, 1), _flag("telemetry.enabled")),
    "cookie_options": _Variable((4, 0), _cookie_options),
}
