# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn a list of users into Node-RED's `adminAuth`. Private; knows no Ansible.

A message about a mistake names the variable and never shows a secret.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from .._core._arguments import ArgumentError, is_list, release_name, release_numbers, truth
from .._passwords._bcrypt import PasswordError, can_stay, check_password, is_bcrypt, require_library
from .._passwords._fleet_secret import checked_generation

USER_KEYS = ("username", "password", "password_hash", "permissions", "totp", "totp_generation")

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
LOWEST_ROUNDS, HIGHEST_ROUNDS = 4, 31


class LoginError(ArgumentError):
    """Users that cannot be turned into `adminAuth`; each message names the variable and the remedy."""


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
        users: mappings with the keys of ``USER_KEYS``; `permissions`, a string or a list, is ``"*"`` if absent. `totp`
            and `totp_generation` are checked, and are no part of the result.
        node_red: the release that will read it, such as ``"4.1.15"``; empty if it is not known.
        rounds: bcrypt cost for new hashes.
        default_permissions: what is allowed without a login, or None for nothing at all.
        session_expiry: seconds until a login ends, or None to leave that as it is.
        present: the `adminAuth` that is there now; what the other arguments do not decide is taken over.
        variable: what the messages call `users`.

    Raises:
        LoginError: with all mistakes.
        MissingLibraryError: where a password could not be hashed on this machine, before anything relies on it.
    """
    release = release_numbers(node_red)
    ident = "2b" if release >= FIRST_WITH_2B else "2a"
    if not is_list(users) or not users:
        raise LoginError(f"{variable} must be a list of at least one user with username and password.")
    problems = [*_problems_of_numbers(rounds, session_expiry), *_problems_of_default(default_permissions)]
    listed = []
    for index, user in enumerate(users):
        try:
            listed.append(_user(user, f"{variable}[{index}]", release, rounds, ident))
        except LoginError as error:
            problems += error.problems
    problems += _duplicates(users, variable)
    if problems:
        raise LoginError(*problems)
    kept = {name: value for name, value in (present or {}).items() if name != "default"}
    auth: dict[str, object] = {"type": "credentials", **kept, "users": listed}
    if default_permissions:
        auth["default"] = {"permissions": _permissions(default_permissions, "nodered_login_default_permissions")}
    if session_expiry is not None:
        auth["sessionExpiryTime"] = session_expiry
    return auth


def two_step_users(users: object) -> dict[str, int]:
    """The users with `totp` and their `totp_generation`, from what `admin_auth` takes; what is not valid there counts
    for nothing."""
    found: dict[str, int] = {}
    for user in users if is_list(users) else ():
        name, totp = (user.get("username"), user.get("totp")) if isinstance(user, Mapping) else (None, None)
        try:
            if isinstance(name, str) and name and totp is not None and truth(totp, "totp"):
                found.setdefault(name, checked_generation(user.get("totp_generation", 1), "totp_generation"))
        except ArgumentError:
            continue
    return found


def changed_users(wanted: Mapping[str, object], present: object) -> list[str]:
    """The names of the users with a known password whose entry in `present` is not as in `wanted`.

    Args:
        wanted: what `admin_auth` returned.
        present: the `adminAuth` in the settings file, or what is there instead.
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
    return isinstance(user.get("password"), Mapping)


def _is_same_user(wanted: Mapping[str, object], present: Mapping[str, object]) -> bool:
    password = cast(Mapping[str, Any], wanted["password"])
    hashed = present.get("password")
    return (
        present.keys() == wanted.keys()
        and present["permissions"] == wanted["permissions"]
        and isinstance(hashed, str)
        and can_stay(hashed, password["$password"], rounds=password["$rounds"], ident_wanted=password["$ident"])
    )


def _problems_of_numbers(rounds: int, session_expiry: int | None) -> Iterator[str]:
    if not LOWEST_ROUNDS <= rounds <= HIGHEST_ROUNDS:
        yield f"nodered_login_rounds must be a bcrypt cost from {LOWEST_ROUNDS} to {HIGHEST_ROUNDS}."
    if session_expiry is not None and session_expiry < 1:
        yield "nodered_login_session_expiry is in seconds and must be at least 1."


def _problems_of_default(permissions: object) -> Iterator[str]:
    if not permissions:
        return
    try:
        everything = _covers_everything(_permissions(permissions, "nodered_login_default_permissions"))
    except LoginError as error:
        yield from error.problems
    else:
        if everything:
            yield (
                "nodered_login_default_permissions must not be '*': anyone could change flows without a login. "
                "Set it to 'read', or leave it unset."
            )


def _user(user: object, place: str, release: tuple[int, ...], rounds: int, ident: str) -> dict[str, object]:
    if not isinstance(user, Mapping):
        raise LoginError(f"{place} must be a mapping with username and password.")
    unknown = sorted(str(key) for key in set(user) - set(USER_KEYS))
    if unknown:
        # Another key is not shown: it may be a password on the wrong line.
        misspelled = [key for key in unknown if difflib.get_close_matches(key, USER_KEYS)]
        shown = f"the unknown key {misspelled[0]}" if misspelled else "an unknown key"
        raise LoginError(f"{place} has {shown}; known are {', '.join(USER_KEYS)}.")
    username = user.get("username")
    if not isinstance(username, str) or not username:
        raise LoginError(f"{place}.username must be a name that is not empty.")
    try:
        truth(user.get("totp", False), f"{place}.totp")
        checked_generation(user.get("totp_generation", 1), f"{place}.totp_generation")
    except ArgumentError as error:
        raise LoginError(*error.problems) from None
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
            f"{place}.password_hash is not a bcrypt hash ($2b$ and 56 more characters), so a login would always fail. "
            "Give the password itself, or what `node-red admin hash-pw` prints."
        )
    prefix = password_hash[:4]
    # An unknown release is nearly always one of the last years.
    too_new = release and (
        (prefix == "$2y$" and release < FIRST_WITH_2Y) or (prefix == "$2b$" and release < FIRST_WITH_2B)
    )
    if too_new:
        raise LoginError(
            f"{place}.password_hash starts with {prefix}, which this host's Node-RED {release_name(release)} "
            "does not accept, so a login would always fail. Give the password itself, or a $2a$ hash of it."
        )
    return password_hash


def _permissions(permissions: object, place: str) -> object:
    scopes = [permissions] if isinstance(permissions, str) else permissions
    if not isinstance(scopes, Sequence) or not scopes:
        raise LoginError(f"{place} must be '*', 'read', 'write' or a list of scopes such as flows.read.")
    for index, scope in enumerate(scopes):
        if not isinstance(scope, str) or not _is_scope(scope):
            entry = place if isinstance(permissions, str) else f"{place}[{index}]"
            raise LoginError(
                f"{entry} is {_misspelled(scope)}. Use '*', 'read', 'write', or any of {', '.join(sorted(SCOPES))}."
            )
    return permissions if isinstance(permissions, str) else list(scopes)


def _misspelled(scope: object) -> str:
    """A permission that is unknown. One that is not like a known one is not shown: it may be a password."""
    alike = isinstance(scope, str) and difflib.get_close_matches(scope, WILDCARDS | SCOPES)
    return f"{scope!r}, which is no permission of Node-RED" if alike else "no permission of Node-RED"


def _is_scope(scope: str) -> bool:
    """Whether Node-RED or one of its nodes may ask for it; a misspelled one of Node-RED's own is not."""
    if scope in WILDCARDS | SCOPES:
        return True
    return bool(NODE_SCOPE.fullmatch(scope)) and not difflib.get_close_matches(scope, SCOPES, cutoff=0.9)


def _covers_everything(permissions: object) -> bool:
    return permissions == "*" or (isinstance(permissions, list) and "*" in permissions)


def _duplicates(users: Sequence[object], variable: str) -> Iterator[str]:
    names: list[object] = []
    for index, user in enumerate(users):
        name = user.get("username") if isinstance(user, Mapping) else None
        if isinstance(name, str) and name in names:
            place = f"{variable}[{index}].username"
            yield f"{place}: {name} is listed twice; Node-RED would use only the last one. Remove one."
        names.append(name)
