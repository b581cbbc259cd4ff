# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the role `http_auth`: a password for pages, static files and sockets. Private; knows no Ansible."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from .._core import _variable_names
from .._core._arguments import ArgumentError, truth, whole_number
from .._passwords._bcrypt import is_bcrypt
from .._settings import _http_auth, _settings_js
from . import _neighbours, _rotation, _weak_passwords
from ._base import Found, Plan, Wanted, overridden
from ._random_password import RandomPassword, notes_of_unused_file

SETTINGS = ("httpNodeAuth", "httpStaticAuth", "ui", "dashboard", "webSocketNodeVerifyClient")


def plan(found: Found, wanted: Wanted) -> Plan:
    """Close all but the editor with `nodered_http_auth_password`, the present credentials, or a random password."""
    result = Plan(errors=overridden(found, "a password", *SETTINGS), details={"managed": False})
    result.errors += [
        f"{name} was removed. Set {instead} in its place, then run again."
        for name, instead in _variable_names.REMOVED.items()
        if name in wanted
    ]
    try:
        random = _random(result, found, wanted)
        password = random.text if random else wanted.get("nodered_http_auth_password")
        if found.rotates and _leaves(result, found, wanted, password):
            return result
        closing = _closing(found, wanted, password)
        result.notes += [*closing.left_alone, *closing.not_closed]
        if closing.managed:
            _set(result, found, closing)
            _judge(result, found, wanted)
            result.notes += _neighbours.behind_password(found.instance, wanted["nodered_http_auth_open_paths"])
            result.checks = {"managed": True, "open_paths": list(wanted["nodered_http_auth_open_paths"])}
            changes = password is not None and _changes(found, wanted, closing)
            if password is not None and not _static_files_differ(found, wanted):
                result.credentials = _credentials(found, wanted, password, changes=changes)
                result.checks["untried"] = not result.credentials
            if found.rotates:
                result.rotation = _rotation.of_password(
                    _whose(wanted), random, changes=changes, variable="nodered_http_auth_password"
                )
            if random:
                result.passwords, result.rotations = random.to_write, random.to_replace
                if random.unfinished or result.passwords or ((result.credentials or changes) and not found.rotates):
                    # An unchanged run of many hosts does not repeat it.
                    result.notes.append(random.note(_whose(wanted)))
            elif changes:
                result.notes += notes_of_unused_file(found.controller, password)
    except ArgumentError as error:
        result.errors += error.problems
    return result


def _leaves(result: Plan, found: Found, wanted: Wanted, password: object) -> bool:
    """Whether a rotation leaves the password, as there is none yet, or none that is known here."""
    why = ""
    if _is_open(found):
        why = "there is none yet. Run pifleet.nodered.secure"
    elif password is None:
        why = "it is not from this collection"
    elif _static_files_differ(found, wanted):
        why = (
            "static files have a password of their own (nodered_http_auth_static_password), so no page shows that a "
            "new password works. pifleet.nodered.secure changes it without that"
        )
    result.rotation = _rotation.left(_whose(wanted), why) if why else {}
    return bool(why)


def _judge(result: Plan, found: Found, wanted: Wanted) -> None:
    """Reject weak passwords among the variables, which are valid otherwise."""
    user = wanted["nodered_http_auth_user"]
    for variable, name in (
        ("nodered_http_auth_password", user),
        ("nodered_http_auth_static_password", wanted.get("nodered_http_auth_static_user") or user),
    ):
        password = wanted.get(variable)
        if password is not None:
            _weak_passwords.judge(result, variable, username=name, password=password, present=_hashes(found))


def _random(result: Plan, found: Found, wanted: Wanted) -> RandomPassword | None:
    """The random password if this Node-RED is open or has got it before. Other credentials are kept."""
    if wanted.get("nodered_http_auth_password") is not None:
        return None
    rounds = whole_number(wanted["nodered_http_auth_rounds"], "nodered_http_auth_rounds")
    hashes = _hashes(found)
    password = RandomPassword.gathered(found.controller, hashes, rounds=rounds, rotates=bool(found.rotates))
    replace = password.derived and truth(wanted["nodered_http_auth_replace"], "nodered_http_auth_replace")
    if password.known or _is_open(found) or replace:
        password.require_kept(_whose(wanted))
        return password
    if password.derived and hashes:
        where = str(found.instance["settings_file"])
        result.notes.append(password.note_of_another("pages and dashboards", where, "nodered_http_auth_replace"))
    return None


def _is_open(found: Found) -> bool:
    # None: not known, because the settings file cannot be loaded.
    return {found.instance["http_node_password"], found.instance["http_static_password"]} <= {"none", None}


def _whose(wanted: Wanted) -> str:
    return f"{wanted['nodered_http_auth_user']} (pages and dashboards)"


def _hashes(found: Found) -> list[str]:
    """The hashes that the settings have now. With open paths, the password is in httpStaticAuth."""
    values = [found.setting(name) for name in ("httpNodeAuth", "httpStaticAuth")]
    return [str(value["pass"]) for value in values if isinstance(value, Mapping) and is_bcrypt(str(value.get("pass")))]


def _closing(found: Found, wanted: Wanted, password: str | None) -> _http_auth.ProtectionSettings:
    return _http_auth.plan(
        found.text,
        instance=found.instance,
        user=wanted["nodered_http_auth_user"],
        password=password,
        rounds=whole_number(wanted["nodered_http_auth_rounds"], "nodered_http_auth_rounds"),
        static_user=wanted.get("nodered_http_auth_static_user"),
        static_password=wanted.get("nodered_http_auth_static_password"),
        open_paths=wanted["nodered_http_auth_open_paths"],
        replace=truth(wanted["nodered_http_auth_replace"], "nodered_http_auth_replace"),
    )


def _set(result: Plan, found: Found, closing: _http_auth.ProtectionSettings) -> None:
    result.set = closing.settings
    result.details["managed"] = True
    script = str(found.controller["script"])
    present = found.instance["companions"].get(_http_auth.COMPANION)
    if closing.needs_companion and present != hashlib.sha256(script.encode()).hexdigest():
        result.companions[_http_auth.COMPANION] = script


def _static_files_differ(found: Found, wanted: Wanted) -> bool:
    """Whether static files have a password of their own.

    The verification asks for a page that does not exist, which Node-RED looks for among the static files, too; so the
    password of pages is of no use then.
    """
    return wanted.get("nodered_http_auth_static_password") is not None and bool(found.instance["static_roots"])


def _credentials(found: Found, wanted: Wanted, password: str, *, changes: bool) -> dict[str, str]:
    """What the verification opens pages with: a known password, and only if needed, as the host receives it.

    That is if this play changes it, if an earlier run has changed settings and was interrupted before the restart, or
    if it is asked for.
    """
    every_time = truth(wanted["nodered_verify_login"], "nodered_verify_login") or found.instance["unconfirmed"]
    earlier = "http_auth" in found.planned and found.planned["http_auth"].credentials
    if every_time or earlier or changes:
        return {"http_username": wanted["nodered_http_auth_user"], "http_password": password}
    return {}


def _changes(found: Found, wanted: Wanted, closing: _http_auth.ProtectionSettings) -> bool:
    """Whether the settings that hold the password change. With open paths, it is in httpStaticAuth."""
    separate = wanted.get("nodered_http_auth_static_password") is not None
    settings = {name: closing.settings[name] for name in ("httpNodeAuth", *(() if separate else ("httpStaticAuth",)))}
    filename = str(found.instance["settings_file"])
    return bool(_settings_js.edit(found.text, set=settings, filename=filename).changed)


def pages_to_check(plan: Plan, instance: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `probe` for what this role has closed, on the Node-RED that runs now; empty if it closes nothing.

    What is below an open path is left out.
    """
    return pages(plan.checks["open_paths"], instance) if plan.checks.get("managed") else {}


def pages(open_paths: Sequence[str], instance: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `probe` for everything beside the editor that Node-RED serves now, but for these open paths."""
    node_root = instance["node_root"]
    opened = [re.escape(path) for path in open_paths]
    open_path = re.compile(re.escape((node_root or "/").rstrip("/")) + f"({'|'.join(opened)})(/|$)")
    return {
        **({"node_root": node_root} if node_root else {}),
        "static_roots": instance["static_roots"],
        "dashboard_sockets": instance["dashboard_sockets"],
        "websockets": [path for path in instance["websockets"] if not (opened and open_path.match(path))],
    }
