# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn the users that people write down into Node-RED's `adminAuth`. Private; knows no Ansible.

Every mistake is refused with the variable named and never with a secret in the message.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from ._arguments import release_numbers
from ._bcrypt import PasswordError, can_stay, check_password, is_bcrypt, require_library

USER_KEYS = ("username", "password", "password_hash", "permissions")

# Every scope that Node-RED 4.1 and 5.0 ask for (needsPermission in @node-red/editor-api and the core nodes).
SCOPES = frozenset(
    [
        "flows.read",
        "flows.write",
        "nodes.read",
        "nodes.write",
        "context.read",
        "context.write",
        "settings.read",
        "settings.write",
        "plugins.read",
        "diagnostics.read",
        "credentials.read",
        "library.read",
        "library.write",
        "projects.read",
        "projects.write",
        "status.read",
        "inject.write",
        "debug.write",
        "udp-ports.read",
    ]
)
# "read" and "write" are any scope that ends so; "flows.*" is no wildcard (editor-api/lib/auth/permissions.js).
WILDCARDS = frozenset({"*", "read", "write", "*.read", "*.write"})
# Nodes add scopes of their own, such as "ui.write": a name, a dot, and what it allows.
NODE_SCOPE = re.compile(r"[a-z0-9][a-z0-9-]*\.(read|write)")

# Native bcrypt, which Node-RED carried up to 3.1, takes no $2y$ and before 0.19 no $2b$ either: such a login fails.
FIRST_WITH_2Y = (4, 0)
FIRST_WITH_2B = (0, 19)


class LoginError(ValueError):
    """A user that cannot be turned into `adminAuth`; the message names the variable and the remedy."""


def admin_auth(
    users: object,
    *,
    node_red: str,
    rounds: int = 8,
    default_permissions: object = None,
    session_expiry: int | None = None,
    present: Mapping[str, object] | None = None,
    variable: str = "nodered_login_users",
) -> dict[str, object]:
    """Return the value of `adminAuth` for the engine, with each plaintext as a ``{"$password": ...}``.

    Args:
        users: mappings with the keys of ``USER_KEYS``; `permissions`, a string or a list, is ``"*"`` if absent.
        node_red: the release that will read it, such as ``"4.1.15"``.
        rounds: bcrypt cost for new hashes.
        default_permissions: what somebody without a login may do, or None for nothing at all.
        session_expiry: seconds until a login ends, or None to leave that as it is.
        present: the `adminAuth` that stands there now; what the other arguments do not decide is taken over.
        variable: what the messages call `users`.

    Raises:
        LoginError: with the first mistake found.
        MissingLibraryError: where a password could not be hashed on this machine, before anything relies on it.
    """
    release = release_numbers(node_red)
    ident = "2b" if release >= FIRST_WITH_2B else "2a"
    if not isinstance(users, Sequence) or isinstance(users, str) or not users:
        raise LoginError(f"{variable} must be a list of at least one user with username and password.")
    listed = [_user(user, f"{variable}[{index}]", release, rounds, ident) for index, user in enumerate(users)]
    _refuse_duplicates([str(user["username"]) for user in listed], variable)
    kept = {name: value for name, value in (present or {}).items() if name != "default"}
    auth: dict[str, object] = {"type": "credentials", **kept, "users": listed}
    if default_permissions:
        permissions = _permissions(default_permissions, "nodered_login_default_permissions")
        if _covers_everything(permissions):
            raise LoginError(
                "nodered_login_default_permissions must not be '*': everybody could change flows without a login. "
                "Give 'read', or leave it unset."
            )
        auth["default"] = {"permissions": permissions}
    if session_expiry is not None:
        if session_expiry < 1:
            raise LoginError("nodered_login_session_expiry is in seconds and must be at least 1.")
        auth["sessionExpiryTime"] = session_expiry
    return auth


def changed_users(wanted: object, present: object) -> list[str]:
    """The names of the users with a known password whose entry in `present` is not as in `wanted`.

    Args:
        wanted: what `admin_auth` returned.
        present: the `adminAuth` in the settings file, or what is there instead.

    Raises:
        LoginError: where `wanted` is something else.
    """
    before = {str(user.get("username")): user for user in _users(present)}
    return [
        str(user["username"])
        for user in _users(wanted)
        if _has_plaintext(user) and not _is_same_user(user, before.get(str(user["username"]), {}))
    ]


def _users(auth: object) -> list[Mapping[str, object]]:
    users = auth.get("users") if isinstance(auth, Mapping) else None
    return [user for user in users if isinstance(user, Mapping)] if isinstance(users, list) else []


def _has_plaintext(user: Mapping[str, object]) -> bool:
    password = user.get("password")
    if not isinstance(password, Mapping):
        return False
    kinds = {"$password": str, "$rounds": int, "$ident": str}
    if not {"username", "permissions"} <= set(user) or not all(
        isinstance(password.get(key), kind) for key, kind in kinds.items()
    ):
        raise LoginError("changed_users needs what the filter pifleet.nodered.admin_auth returned.")
    return True


def _is_same_user(wanted: Mapping[str, object], present: Mapping[str, object]) -> bool:
    password = cast(Mapping[str, Any], wanted["password"])
    hashed = present.get("password")
    return (
        present.keys() == wanted.keys()
        and present["permissions"] == wanted["permissions"]
        and isinstance(hashed, str)
        and can_stay(hashed, password["$password"], rounds=password["$rounds"], ident_wanted=password["$ident"])
    )


def _user(user: object, place: str, release: tuple[int, ...], rounds: int, ident: str) -> dict[str, object]:
    if not isinstance(user, Mapping):
        raise LoginError(f"{place} must be a mapping with username and password.")
    unknown = sorted(str(key) for key in set(user) - set(USER_KEYS))
    if unknown:
        raise LoginError(f"{place} has the unknown key {unknown[0]}; known are {', '.join(USER_KEYS)}.")
    username = user.get("username")
    if not isinstance(username, str) or not username:
        raise LoginError(f"{place}.username must be a name that is not empty.")
    return {
        "username": username,
        "password": _secret(user, place, release, rounds, ident),
        "permissions": _permissions(user.get("permissions", "*"), f"{place}.permissions"),
    }


def _secret(
    user: Mapping[str, object], place: str, release: tuple[int, ...], rounds: int, ident: str
) -> str | dict[str, object]:
    password, password_hash = user.get("password"), user.get("password_hash")
    if (password is None) == (password_hash is None):
        raise LoginError(f"{place} needs either password or password_hash, and not both.")
    if password is not None:
        if not isinstance(password, str):
            raise LoginError(f"{place}.password must be a string; put it in quotes.")
        try:
            check_password(password)
        except PasswordError as error:
            raise LoginError(f"{place}.password: {error}") from None
        require_library()
        return {"$password": password, "$rounds": rounds, "$ident": ident}
    return _checked_hash(password_hash, place, release)


def _checked_hash(password_hash: object, place: str, release: tuple[int, ...]) -> str:
    if not isinstance(password_hash, str) or not is_bcrypt(password_hash):
        raise LoginError(
            f"{place}.password_hash is no bcrypt hash ($2b$ and 56 more characters), so nobody could log in with it. "
            "Give the password itself, or what `node-red admin hash-pw` prints."
        )
    prefix = password_hash[:4]
    too_new = (prefix == "$2y$" and release < FIRST_WITH_2Y) or (prefix == "$2b$" and release < FIRST_WITH_2B)
    if too_new:
        raise LoginError(
            f"{place}.password_hash starts with {prefix}, which this host's Node-RED {'.'.join(map(str, release))} "
            "does not accept, so nobody could log in with it. Give the password itself, or a $2a$ hash of it."
        )
    return password_hash


def _permissions(permissions: object, place: str) -> object:
    scopes = [permissions] if isinstance(permissions, str) else permissions
    if not isinstance(scopes, Sequence) or not scopes:
        raise LoginError(f"{place} must be '*', 'read', 'write' or a list of scopes such as flows.read.")
    for number, scope in enumerate(scopes, 1):
        if not isinstance(scope, str) or not _is_scope(scope):
            # What stands there is not shown: it may be a password on the wrong line.
            raise LoginError(
                f"{place}: the permission number {number} is unknown. Use '*', 'read', 'write', "
                f"or any of {', '.join(sorted(SCOPES))}."
            )
    return permissions if isinstance(permissions, str) else list(scopes)


def _is_scope(scope: str) -> bool:
    """Whether Node-RED or one of its nodes may ask for it; what looks like a slip for one of Node-RED's own is not."""
    if scope in WILDCARDS | SCOPES:
        return True
    return bool(NODE_SCOPE.fullmatch(scope)) and not difflib.get_close_matches(scope, SCOPES, cutoff=0.9)


def _covers_everything(permissions: object) -> bool:
    return permissions == "*" or (isinstance(permissions, list) and "*" in permissions)


def _refuse_duplicates(names: list[str], variable: str) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            raise LoginError(
                f"{variable}[{index}].username: {name} is listed twice; Node-RED would only see the last one."
            )
