# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: checks of the login to the editor, and of what a user may do."""

from __future__ import annotations

import http.client
import re
import secrets
import time
from typing import Optional

from ansible_collections.pifleet.nodered.plugins.module_utils._core._http import Response
from ansible_collections.pifleet.nodered.plugins.module_utils._core._totp import code, from_text, step_at
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._anonymous_checks import judge_write, try_to_write
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._answers import (
    demands_login,
    described,
    grants,
    harmless,
    json_object,
    lacks_permission,
    named,
    permissions_of,
    user_in,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._examination import (
    FAIL,
    PASS,
    SKIP,
    Examination,
    Verdict,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._urls import why_no_password

# Seconds. A session that was obtained is ended even when the time for all checks is used up.
REVOKE_LIMIT = 5.0

TOKEN_LIMIT = 4096


def login_offered(examination: Examination) -> Verdict:
    if not examination.target.admin_api:
        return Verdict(SKIP, "left out: there is no admin API")
    kind = examination.login_type()
    if kind is not None:
        way = "with user name and password" if kind == "credentials" else "through another provider (strategy)"
        return Verdict(PASS, way)
    if demands_login(examination.anonymous("/settings")):
        return Verdict(FAIL, "none, but a login is required: no user can log in; adminAuth needs type: 'credentials'")
    return Verdict(FAIL, "none: adminAuth is not active")


def _ask_for_token(examination: Examination, username: str, password: str) -> Response:
    return examination.send(
        "/auth/token",
        method="POST",
        form={
            "client_id": "node-red-editor",
            "grant_type": "password",
            # Empty means all that this user may; without it, Node-RED hands out a token that is good for nothing.
            "scope": "",
            "username": username,
            "password": password,
        },
    )


def _token(response: Response) -> Optional[str]:
    """The token of a session, where it can be sent back in a header (RFC 6750 section 2.1)."""
    token = (json_object(response) or {}).get("access_token") if response.status == 200 else None
    if not isinstance(token, str) or len(token) > TOKEN_LIMIT or not re.fullmatch(r"[\x21-\x7e]+", token):
        return None
    return token


def wrong_password_refused(examination: Examination) -> Verdict:
    if not examination.target.admin_api or examination.login_type() != "credentials":
        return Verdict(SKIP, "left out: there is no login with user name and password")
    answer = _ask_for_token(examination, "probe-" + secrets.token_hex(8), secrets.token_urlsafe(18))
    token = _token(answer)
    if token is not None:
        _revoke(examination, token)
        return Verdict(FAIL, "open: a made-up user was let in")
    if answer.status == 403:
        return Verdict(PASS, "403, refused")
    return Verdict(FAIL, described(answer))


def _revoke(examination: Examination, token: str) -> bool:
    try:
        limit = min(examination.target.timeout, REVOKE_LIMIT)
        answer = examination.send("/auth/revoke", method="POST", token=token, form={"token": token}, limit=limit)
        return answer.status == 200
    except (OSError, http.client.HTTPException):
        return False


def login_works(examination: Examination) -> Verdict:
    username, password = examination.target.username, examination.target.password
    if username is None or password is None:
        return Verdict(SKIP, "left out: no user name and password were given")
    untried = _why_not_tried(examination)
    if untried is not None:
        return untried
    answer = _log_in(examination, username, password)
    token = _token(answer)
    if token is None:
        return Verdict(FAIL, _why_no_token(answer))
    revoked = False
    try:
        seen = examination.send("/settings", token=token)
        examination.write_attempt = _read_only_attempt(examination, seen, token)
    finally:
        revoked = _revoke(examination, token)
    if not revoked:
        return Verdict(FAIL, "logged in, but the session could not be ended: it stays valid until it expires")
    return _judge_session(examination, seen, examination.send("/settings", token=token))


def _why_not_tried(examination: Examination) -> Optional[Verdict]:
    if not examination.target.admin_api:
        return Verdict(SKIP, "left out: there is no admin API")
    reason = why_no_password(examination.target.url, validate_certs=examination.target.validate_certs)
    if reason is not None:
        return Verdict(SKIP, "left out: %s" % reason)
    kind = examination.login_type()
    if kind == "strategy":
        return Verdict(SKIP, "left out: the login goes through another provider")
    if kind != "credentials":
        return Verdict(FAIL, "no login with user name and password is offered")
    return None


def _log_in(examination: Examination, username: str, password: str) -> Response:
    """The answer to a login, with a code where the user needs one."""
    if examination.target.totp_secret is None:
        return _ask_for_token(examination, username, password)
    secret, step = from_text(examination.target.totp_secret), step_at(time.time())
    # If the user has logged in with the present code, the next one works: Node-RED accepts it early.
    for tried in (step, step + 1):
        typed = password + code(secret, tried)
        answer = _ask_for_token(examination, username, typed)
        if answer.status != 403:
            break
    if _token(answer) is not None:
        examination.used = (typed, tried)
    return answer


def code_required(examination: Examination) -> Verdict:
    """Whether the password alone is refused."""
    if examination.target.username is None or examination.target.password is None:
        return Verdict(SKIP, "left out: no user name and password were given")
    untried = _why_not_tried(examination)
    if untried is not None:
        return untried
    answer = _ask_for_token(examination, examination.target.username, examination.target.password)
    return _judge_refusal(examination, answer, "open: the password was enough")


def code_used_once(examination: Examination) -> Verdict:
    """Whether the code of the login is refused when it comes again."""
    if examination.used is None or examination.target.username is None:
        return Verdict(SKIP, "left out: no user was logged in with a code")
    typed, step = examination.used
    answer = _ask_for_token(examination, examination.target.username, typed)
    if step_at(time.time()) > step + 1 and _token(answer) is None:
        return Verdict(SKIP, "left out: the checks took so long that the code has expired")
    return _judge_refusal(examination, answer, "the code was accepted twice")


def _judge_refusal(examination: Examination, answer: Response, accepted: str) -> Verdict:
    token = _token(answer)
    if token is not None:
        _revoke(examination, token)
        return Verdict(FAIL, accepted)
    return Verdict(PASS, "403, refused") if answer.status == 403 else Verdict(FAIL, _why_no_token(answer))


def _why_no_token(answer: Response) -> str:
    if answer.status == 403:
        return "403: wrong password or code, unknown user, or a user without permissions"
    if answer.status == 500 and b"oo many" in answer.body:
        return "Node-RED has locked this user name after too many failed logins; wait ten minutes or restart it"
    return "no session: %s" % described(answer)


def _judge_session(examination: Examination, seen: Response, afterwards: Response) -> Verdict:
    user = user_in(seen)
    if seen.status == 200 and user.get("username") != examination.target.username:
        return Verdict(FAIL, "logged in, but as another user: %s" % harmless(user.get("username", "unknown")))
    if seen.status != 200 and not lacks_permission(seen):
        return Verdict(FAIL, "logged in, but the session is not accepted: %s" % described(seen))
    if afterwards.status == 200:
        if not user_in(afterwards).get("anonymous"):
            return Verdict(FAIL, "logged in and out, but the session is still accepted")
    elif not (demands_login(afterwards) or lacks_permission(afterwards)):
        return Verdict(FAIL, "logged in and out, but then got %s" % described(afterwards))
    rights = (
        "the permissions %s" % named(permissions_of(user))
        if seen.status == 200
        else "no permission to see the settings"
    )
    return Verdict(PASS, "logged in with %s, and out again" % rights)


def _read_only_attempt(examination: Examination, seen: Response, token: str) -> Verdict:
    permissions = permissions_of(user_in(seen))
    if permissions is None:
        return Verdict(SKIP, "left out: the permissions of this user are not known")
    if grants(permissions, "flows.write"):
        return Verdict(SKIP, "left out: this user may change the flows")
    return judge_write(try_to_write(examination, token), examination)


def read_only_cannot_write(examination: Examination) -> Verdict:
    return examination.write_attempt or Verdict(SKIP, "left out: no user was logged in")
