# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the role `login`: the users of the editor and its admin API. Private; knows no Ansible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...module_utils._core import _text
from .._core._arguments import ArgumentError, is_list, kind, truth, whole_number
from .._passwords import _totp
from .._settings import _admin_auth, _settings_js
from . import _rotation, _two_step, _weak_passwords
from ._base import Found, Plan, Wanted, overridden
from ._random_password import RandomPassword, notes_of_unused_file
from ._two_step import TwoStep

SETTING = "adminAuth"
GENERATED_USER = "admin"
# Members of `adminAuth` that can be code beside a list of users: tokens for machines, and what this collection writes.
CODE_MEMBERS = frozenset({"tokens", "authenticate"})


def plan(found: Found, wanted: Wanted) -> Plan:
    """Set the users of `nodered_login_users`; without any, give an open Node-RED one user with a random password."""
    result = Plan(errors=overridden(found, "a login", SETTING), details={"managed": False})
    written = found.setting(SETTING)
    ineffective = _is_code(written) and found.has_login is False
    present = None if ineffective else _present(found, written)
    try:
        listed = _listed(wanted["nodered_login_users"])
        replace = truth(wanted["nodered_login_replace"], "nodered_login_replace")
        random = _random(result, found, wanted, present) if not listed else None
        users = [_generated(random)] if random else listed
        if _is_foreign(present) and listed and not replace:
            result.errors.append(_without_effect(found))
        elif _is_foreign(present) and not (users and replace):
            result.notes.append(_left_unchanged(found))
        elif found.rotates and not present:
            result.rotation = _rotation.left("login", "there is none yet. Run pifleet.nodered.secure")
        elif users:
            if ineffective:
                result.notes.append(_replaced(found))
            _set(result, found, wanted, users, present)
            if not random:
                _judge(result, users, present)
                _report_replaced(result, found, present)
            else:
                result.passwords, result.rotations = random.to_write, random.to_replace
                if random.unfinished or result.passwords or (result.credentials and not found.rotates):
                    # An unchanged run of many hosts does not repeat it.
                    result.notes.append(random.note(GENERATED_USER))
            result.rotation = _rotated(found, users, random, present, result)
        if found.rotates and not result.rotation:
            result.rotation = _rotation.left("login", "its password is not from this collection")
    except ArgumentError as error:
        result.errors += error.problems
    return result


def _rotated(
    found: Found, users: Sequence[Any], random: RandomPassword | None, present: object, result: Plan
) -> dict[str, str]:
    """For the summary of a rotation."""
    if not found.rotates:
        return {}
    unknown = [user["username"] for user in users if "password" not in user]
    if unknown:
        result.notes.append(f"Not tried: the login of {', '.join(unknown)}, of whom only the hash is given.")
    auth = result.set[SETTING]
    changes = isinstance(auth, Mapping) and bool(_admin_auth.changed_users(auth, present))
    names = ", ".join(user["username"] for user in users)
    return _rotation.of_password(f"login of {names}", random, changes=changes, variable="nodered_login_users")


def _listed(users: object) -> Sequence[object]:
    if not is_list(users):
        raise ArgumentError(
            f"nodered_login_users must be a list of users with username and password, not {kind(users)}. Write "
            'nodered_login_users: [{username: ada, password: "..."}] in a file.'
        )
    return users


def _is_code(value: object) -> bool:
    return isinstance(value, Mapping) and set(value) == {"$js"}


def _present(found: Found, written: object) -> object:
    """`adminAuth` with its members, if the only code among them is no part of the list of users."""
    members = found.members(SETTING) if _is_code(written) else None
    if members is None:
        return written
    code = {name for name, value in members.items() if _is_code(value)}
    theirs = "authenticate" in members and not _totp.is_ours(members["authenticate"])
    return written if theirs or not code <= CODE_MEMBERS or "users" not in members else members


def _is_foreign(present: object) -> bool:
    """Whether `adminAuth` is something else than a list of users. Node-RED is open without it, with null and false."""
    return bool(present) and not (isinstance(present, Mapping) and present.get("type") == "credentials")


def _random(result: Plan, found: Found, wanted: Wanted, present: object) -> RandomPassword | None:
    """The random password if this Node-RED is open or has got it before. Users from elsewhere are left unchanged."""
    if present and _names(present) != [GENERATED_USER]:
        return None
    rounds = whole_number(wanted["nodered_login_rounds"], "nodered_login_rounds")
    rotates = bool(found.rotates)
    password = RandomPassword.gathered(found.controller, _hashes(present), rounds=rounds, rotates=rotates)
    replace = password.derived and truth(wanted["nodered_login_replace"], "nodered_login_replace")
    if not present or password.known or replace:
        password.require_kept(GENERATED_USER)
        return password
    if password.derived:
        where = str(found.instance["settings_file"])
        result.notes.append(password.note_of_another(GENERATED_USER, where, "nodered_login_replace"))
    return None


def _names(present: object) -> list[object]:
    return [user.get("username") for user in _users(present)]


def _hashes(present: object) -> list[str]:
    return [str(user.get("password")) for user in _users(present)]


def _users(present: object) -> list[Mapping[str, object]]:
    users = present.get("users") if isinstance(present, Mapping) and not _is_foreign(present) else None
    return [user for user in users if isinstance(user, Mapping)] if isinstance(users, list) else []


def _judge(result: Plan, users: Sequence[Any], present: object) -> None:
    """Reject weak passwords of listed users, which are valid otherwise."""
    hashes = {user.get("username"): str(user.get("password")) for user in _users(present)}
    for index, user in enumerate(users):
        name, password = user["username"], user.get("password")
        if password is not None:
            now = [hashes[name]] if name in hashes else []
            variable = f"nodered_login_users[{index}].password"
            _weak_passwords.judge(result, variable, username=name, password=password, present=now)


def _report_replaced(result: Plan, found: Found, present: object) -> None:
    """Report who loses the login, and the file of a random password that no user has any more."""
    auth: Any = result.set[SETTING]
    before, after = _names(present), _names(auth)
    removed = [_text.short_line(str(name)) for name in before if name not in after]
    if removed:
        result.notes.append(f"{_text.listed(removed)} can no longer log in.")
    if GENERATED_USER in before and GENERATED_USER in [*removed, *_admin_auth.changed_users(auth, present)]:
        result.notes += notes_of_unused_file(found.controller, _known(auth).get(GENERATED_USER))


def _generated(password: RandomPassword) -> Mapping[str, object]:
    return {"username": GENERATED_USER, "password": password.text, "permissions": "*"}


def _left_unchanged(found: Found) -> str:
    return (
        f"adminAuth in {found.instance['settings_file']} is not a list of users but custom code, a strategy or OAuth; "
        "left unchanged. To replace it, set nodered_login_replace: true and list the users in nodered_login_users."
    )


def _without_effect(found: Found) -> str:
    error = _settings_js.error_at(
        found.text,
        SETTING,
        "adminAuth is not a list of users but custom code, a strategy or OAuth, so nodered_login_users has no effect",
        "To replace it by these users, set nodered_login_replace: true. To keep it, do not set nodered_login_users for "
        f"{found.host}, or write the users out here as a list. Then run again.",
        filename=str(found.instance["settings_file"]),
    )
    return str(error)


def _replaced(found: Found) -> str:
    return (
        f"adminAuth in {found.instance['settings_file']} is code that gives no login on this host, so the editor is "
        "open. It is replaced by a list of users. To keep the code, set the environment variable that it "
        f"reads for {found.instance['service']}, restore the settings file from its backup, then run again."
    )


def _set(result: Plan, found: Found, wanted: Wanted, users: Sequence[object], present: object) -> None:
    expiry = wanted.get("nodered_login_session_expiry")
    ours = present if isinstance(present, Mapping) and not _is_foreign(present) else None
    auth = _admin_auth.admin_auth(
        users,
        node_red=found.instance["version"] or "",
        rounds=whole_number(wanted["nodered_login_rounds"], "nodered_login_rounds"),
        default_permissions=wanted.get("nodered_login_default_permissions"),
        session_expiry=None if expiry is None else whole_number(expiry, "nodered_login_session_expiry"),
        present=_two_step.without_ours(ours) if ours else None,
    )
    second = _two_step.plan(result, found, wanted, _admin_auth.two_step_users(users), ours)
    if second.setting:
        auth["authenticate"] = second.setting
    result.set[SETTING] = auth
    result.details["managed"] = True
    credentials = _credentials(found, wanted, auth, present, second)
    result.credentials = credentials[0] if credentials else {}
    result.more_credentials = credentials[1:] if found.rotates else []
    if _known(auth) and not result.credentials:
        result.checks = {"untried": True}


def _credentials(
    found: Found, wanted: Wanted, auth: Mapping[str, Any], present: object, second: TwoStep
) -> list[dict[str, str]]:
    """What the verification logs in with: users whose password is known, and only if needed, as the host receives it.

    That is if this play changes that user, if an earlier run has changed settings and was interrupted before the
    restart, or if it is asked for. A user with a second step is preferred.
    """
    known = _known(auth)
    earlier = found.planned["login"].credentials if "login" in found.planned else {}
    changed = [*_admin_auth.changed_users(auth, present), *second.changed, earlier.get("username")]
    every_time = truth(wanted["nodered_verify_login"], "nodered_verify_login") or found.instance["unconfirmed"]
    names = sorted(known, key=lambda name: not second.credentials(name))
    # Each password that is tried reaches the host, so where nothing changes, one is enough.
    unchanged = names if found.instance["confirmation"] else names[:1]
    names = [name for name in names if name in changed] or (unchanged if every_time else [])
    return [{"username": name, "password": known[name], **second.credentials(name)} for name in names]


def _known(auth: Mapping[str, Any]) -> dict[str, str]:
    """The passwords that are known, by user name."""
    passwords = {user["username"]: user["password"] for user in auth["users"]}
    return {name: password["$password"] for name, password in passwords.items() if isinstance(password, Mapping)}
