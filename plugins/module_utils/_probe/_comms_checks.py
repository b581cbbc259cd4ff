# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: the check of /comms, the websocket of the editor."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

from ansible_collections.pifleet.nodered.plugins.module_utils._core._http import parsed_json
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._answers import grants, is_not_there
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._errors import why_unreachable
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._examination import (
    FAIL,
    PASS,
    SKIP,
    Examination,
    Verdict,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._websocket import Websocket, connected

# Seconds. An editor that is disabled drops the websocket after five (Node.js' own limit for an unanswered upgrade).
COMMS_LIMIT = 5.0

# An open Node-RED is silent on the websocket, so where everything else was open, silence need not be waited for.
OPEN_COMMS_LIMIT = 1.0


def comms_closed(examination: Examination) -> Verdict:
    if grants(examination.default_permissions(), "status.read") and examination.has_harmless_default_user():
        return Verdict(SKIP, "left out: adminAuth has a default user who may listen")
    is_open = examination.anonymous("/settings").status == 200 and not examination.has_harmless_default_user()
    outcome = listen_to_comms(examination, OPEN_COMMS_LIMIT if is_open else COMMS_LIMIT)
    if outcome == "refused":
        return Verdict(PASS, "Node-RED ends the connection: auth fail")
    if outcome == "open" and examination.has_harmless_default_user():
        return Verdict(SKIP, "left out: adminAuth has a default user who may listen")
    if outcome == "open":
        return Verdict(FAIL, "open: anyone can listen to debug messages and status")
    if is_not_there(examination.anonymous("/")):
        return Verdict(PASS, "there is no websocket: the editor is disabled")
    return Verdict(FAIL, outcome)


def listen_to_comms(examination: Examination, limit: float) -> str:
    """Subscribe to /comms without a token: `refused`, `open`, or in words what happened instead.

    `limit` is in seconds; a subscription that is not refused by then is open.
    """
    parts = urlsplit(examination.target.url)
    try:
        with connected(examination.target.url, examination.limit(limit), examination.context) as channel:
            return _conversation(channel, parts.netloc, parts.path)
    except TimeoutError:
        return "the websocket did not answer in %g seconds" % limit
    except (OSError, http.client.HTTPException) as error:
        return "no websocket: %s" % why_unreachable(error, examination.target.url)


def _conversation(channel: Websocket, host: str, root: str) -> str:
    status = channel.upgrade(host, root + "/comms")
    if status != 101:
        return "HTTP %d instead of a websocket: a proxy that does not pass it on?" % status
    channel.send_text('{"subscribe":"debug"}')
    try:
        while True:
            message = channel.receive()
            if message is None:
                return "the websocket was closed without a word about the login"
            if _says_auth_fail(message):
                return "refused"
            if message:
                return "open"
    except TimeoutError:
        return "open"


def _says_auth_fail(message: bytes) -> bool:
    try:
        value = parsed_json(message)
    except ValueError:
        return False
    return isinstance(value, dict) and value.get("auth") == "fail"
