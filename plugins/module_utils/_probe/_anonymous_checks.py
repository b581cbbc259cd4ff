# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: checks of what a client can do to the editor without a login."""

from __future__ import annotations

import secrets
from typing import Optional

from ansible_collections.pifleet.nodered.plugins.module_utils._core._http import Response
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._answers import (
    demands_login,
    described,
    harmless,
    is_not_there,
    json_object,
    lacks_permission,
    may_change_something,
    named,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._examination import (
    FAIL,
    PASS,
    SKIP,
    Examination,
    Verdict,
)

DEFAULT_USER = "adminAuth has a default user"


def node_red_answers(examination: Examination) -> Verdict:
    login = examination.anonymous("/auth/login")
    settings = examination.anonymous("/settings")
    if not examination.target.admin_api:
        if is_not_there(login) and is_not_there(settings):
            return Verdict(PASS, "no admin API: %s" % described(login))
        return Verdict(FAIL, "an admin API was not expected (httpAdminRoot: false), but got %s" % described(login))
    for response in (login, settings):
        if 300 <= response.status < 400:
            return Verdict(FAIL, "%s: a proxy or requireHttps; use the URL that it leads to" % described(response))
    offer = json_object(login) if login.status == 200 else None
    if offer is not None and offer.get("type") in ("credentials", "strategy"):
        return Verdict(PASS, "Node-RED answers")
    if offer == {}:
        if demands_login(settings) or lacks_permission(settings):
            return Verdict(PASS, "Node-RED answers")
        about = json_object(settings) if settings.status == 200 else None
        if about is not None and "httpNodeRoot" in about:
            return Verdict(PASS, "Node-RED %s answers" % harmless(about.get("version", "")))
    if login.status == 404:
        return Verdict(
            FAIL,
            "404 for auth/login: no Node-RED, or its admin root (httpAdminRoot) is missing in the URL",
        )
    if login.status == 503:
        return Verdict(FAIL, "503: Node-RED is still starting, or a proxy does not reach it; try again")
    return Verdict(FAIL, "something else answers here, not Node-RED: %s" % described(login))


def login_required(examination: Examination) -> Verdict:
    settings = examination.anonymous("/settings")
    if not examination.target.admin_api:
        return absent(settings)
    if demands_login(settings):
        return Verdict(PASS, described(settings))
    if lacks_permission(settings):
        return Verdict(PASS, "401 without a challenge: there is a default user, who cannot read the settings")
    if settings.status != 200:
        return Verdict(FAIL, described(settings))
    permissions = examination.default_permissions()
    if permissions is None:
        return Verdict(FAIL, "open: there is no login")
    if may_change_something(permissions):
        return Verdict(FAIL, "open: %s with the permissions %s" % (DEFAULT_USER, named(permissions)))
    return Verdict(PASS, "anyone can read: %s with the permissions %s" % (DEFAULT_USER, named(permissions)))


def absent(response: Response) -> Verdict:
    return Verdict(PASS if is_not_there(response) else FAIL, "not there: %s" % described(response))


def flows_closed(examination: Examination) -> Verdict:
    flows = examination.anonymous("/flows")
    if not examination.target.admin_api:
        return absent(flows)
    if demands_login(flows) or lacks_permission(flows):
        return Verdict(PASS, described(flows))
    if flows.status == 200:
        if examination.has_harmless_default_user():
            return Verdict(SKIP, "left out: adminAuth has a default user who may read them, and the secrets in them")
        return Verdict(FAIL, "open: anyone can read the flows")
    return Verdict(FAIL, described(flows))


def flows_write_closed(examination: Examination) -> Verdict:
    settings = examination.anonymous("/settings")
    if examination.target.admin_api and not demands_login(settings) and not examination.has_harmless_default_user():
        return Verdict(FAIL, "not tried: nothing asks for a login")
    return judge_write(try_to_write(examination, None), examination)


def try_to_write(examination: Examination, token: Optional[str]) -> Response:
    # Deleting a flow that cannot exist needs flows.write just as deploying does, and changes nothing where it is
    # allowed: 404, on every release. (A deploy with an unknown API version would be carried out by 0.14.)
    return examination.send("/flow/" + secrets.token_hex(16), method="DELETE", token=token)


def judge_write(attempt: Response, examination: Examination) -> Verdict:
    if demands_login(attempt) or lacks_permission(attempt):
        return Verdict(PASS, described(attempt))
    if not examination.target.admin_api:
        return absent(attempt)
    if attempt.status in (204, 400, 404):
        return Verdict(FAIL, "open: Node-RED did not refuse it (%d)" % attempt.status)
    return Verdict(FAIL, described(attempt))
