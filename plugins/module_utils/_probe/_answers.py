# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: what an answer of Node-RED means."""

from __future__ import annotations

import re
from typing import Any, Dict, Mapping, Optional, Sequence, Union

from ansible_collections.pifleet.nodered.plugins.module_utils._core._http import Response, parsed_json

Permissions = Union[None, str, Sequence[str]]


def json_object(response: Response) -> Optional[Dict[str, Any]]:
    try:
        value = parsed_json(response.body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def user_in(settings: Response) -> Dict[str, Any]:
    """Who asked for the settings, in Node-RED's view; empty where it does not say."""
    user = (json_object(settings) or {}).get("user") if settings.status == 200 else None
    return user if isinstance(user, dict) else {}


def permissions_of(user: Mapping[str, Any]) -> Permissions:
    """A permission, or a list of them. What cannot be understood counts as everything."""
    permissions = user.get("permissions")
    if permissions is None or isinstance(permissions, str):
        return permissions
    if not isinstance(permissions, list) or not all(isinstance(each, str) for each in permissions):
        return "*"
    return permissions


def challenge_of(response: Response) -> str:
    return str(response.headers.get("WWW-Authenticate") or "")


def demands_login(response: Response) -> bool:
    """Node-RED's own response to a client without a login. Any other 401 shows nothing: httpNodeAuth has one, too."""
    return response.status == 401 and challenge_of(response).startswith('Bearer realm="Users"')


def lacks_permission(response: Response) -> bool:
    """Node-RED's own response to a known user, the default user included: 401 without a challenge."""
    return response.status == 401 and not challenge_of(response)


def is_not_there(response: Response) -> bool:
    """No such path. With httpNodeAuth, Node-RED answers every unknown path with its Basic challenge."""
    return response.status == 404 or (response.status == 401 and challenge_of(response).startswith("Basic"))


def described(response: Response) -> str:
    """An answer in words. Never quotes a body; header values are cut to what is harmless on a terminal."""
    if demands_login(response):
        return "401, Node-RED asks for a login"
    if response.status == 401:
        challenge = challenge_of(response)
        if challenge.startswith("Basic"):
            return "401 that asks for %s: httpNodeAuth or another server, not Node-RED's login" % harmless(challenge)
        return "401 with %s" % harmless(challenge) if challenge else "401, Node-RED refuses this user"
    location = response.headers.get("Location")
    if location and 300 <= response.status < 400:
        return "%d, sent on to %s" % (response.status, harmless(location))
    server = response.headers.get("Server")
    return "%d%s" % (response.status, " from " + harmless(server) if server else "")


def harmless(text: object, most: int = 80) -> str:
    """The beginning of a text from elsewhere, without what could control a terminal; `?` for what is no text."""
    return re.sub(r"[^\x20-\x7e]", "?", text[:most]) if isinstance(text, str) else "?"


def grants(permissions: Permissions, scope: str) -> bool:
    """Node-RED's own rule (editor-api lib/auth/permissions.js): a list is an OR, `write` does not include reading."""
    if permissions is None:
        return False
    if not isinstance(permissions, str):
        return any(grants(permission, scope) for permission in permissions)
    if permissions in ("*", scope):
        return True
    return (permissions in ("read", "*.read") and scope.endswith(".read")) or (
        permissions in ("write", "*.write") and scope.endswith(".write")
    )


def may_change_something(permissions: Permissions) -> bool:
    if permissions is None:
        return False
    listed = [permissions] if isinstance(permissions, str) else permissions
    return any(permission in ("*", "write") or permission.endswith(".write") for permission in listed)


def named(permissions: Permissions) -> str:
    if permissions is None:
        return "none"
    return harmless(permissions if isinstance(permissions, str) else ", ".join(permissions))
