# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: what a client can and cannot do to a running Node-RED over the network.

Knows no Ansible, so that the same text runs on the controller, as a module, and on a Pi through standard input.

What holds for every check: nothing is deployed, every token that was obtained is revoked, at most one login with a
wrong password is tried for each run, under a random user name (Node-RED locks a user name for ten minutes after five
failures), and at most one with the right password. With a two-step login, the user name has two or three failures more:
the password alone, the same code again, and a code that was used before.

The Node-RED may be hostile: every exchange and all checks together have a deadline, and no answer is trusted to have
the type, the size or the characters that Node-RED's own answers have.
"""

from __future__ import annotations

import dataclasses
import http.client
import re
import time
from typing import Dict, List, Optional, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils._core._totp import from_text
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._anonymous_checks import (
    flows_closed,
    flows_write_closed,
    login_required,
    node_red_answers,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._comms_checks import comms_closed
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._errors import (
    OutOfTime,
    ProbeError,
    out_of_time,
    why_unreachable,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._examination import (
    FAIL,
    LACKS_CLIENT_CERTIFICATE,
    SKIP,
    Check,
    Examination,
    Verdict,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._login_checks import (
    code_required,
    code_used_once,
    login_offered,
    login_works,
    read_only_cannot_write,
    wrong_password_refused,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._page_checks import (
    dashboards_closed,
    dashboards_work,
    node_pages_closed,
    pages_work,
    static_closed,
    websockets_closed,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._port_checks import old_port_closed
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._target import Target
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._tls import tls_context
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._tls_checks import (
    certificate_trusted,
    client_certificate_required,
    old_tls_refused,
    plain_http_refused,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._urls import checked_url

# What can be tried without the client certificate that Node-RED demands.
WITHOUT_CLIENT_CERTIFICATE = (
    *("old_port_closed", "certificate_trusted", "old_tls_refused", "plain_http_refused"),
    "client_certificate_required",
)

# Of what a check found, so that paths and permissions without number do not fill the screen.
FOUND_LIMIT = 2000


def probe(target: Target) -> List[Dict[str, str]]:
    """Try what must fail and what must work against a Node-RED: a list of `{id, title, status, expected, found}`.

    The list always holds the same checks in the same order (without those for which no ports or paths are given).
    Raises ProbeError for a target that cannot be used. Errors of the network and of Node-RED are in the checks.
    """
    _check_numbers_and_names(target)
    target = dataclasses.replace(target, url=checked_url(target.url))
    examination = Examination(
        target,
        context=tls_context(target),
        strangers_context=tls_context(dataclasses.replace(target, client_cert=None)),
        deadline=time.monotonic() + target.all_seconds,
    )
    _check_credentials(target)
    _check_paths(target)
    wanted = [check for check in CHECKS if _is_wanted(check, examination)]
    asks = not target.lacks_client_cert and any(check.needs_node_red for check in wanted)
    answers = _judged(CHECKS[0], examination) if asks else None
    return [_as_result(check, _verdict(check, examination, answers)) for check in wanted]


def _is_wanted(check: Check, examination: Examination) -> bool:
    only = examination.target.only
    if only is not None and check.id not in only:
        return False
    return check.needs is None or bool(check.needs(examination))


def _verdict(check: Check, examination: Examination, answers: Optional[Verdict]) -> Verdict:
    if check.id == "answers" and answers is not None:
        return answers
    if examination.target.lacks_client_cert and check.id not in WITHOUT_CLIENT_CERTIFICATE:
        return Verdict(SKIP, LACKS_CLIENT_CERTIFICATE)
    if check.needs_node_red and answers is not None and answers.status == FAIL:
        return Verdict(SKIP, "not tried: Node-RED does not answer")
    return _judged(check, examination)


def _judged(check: Check, examination: Examination) -> Verdict:
    examination.was_cut = False
    try:
        verdict = check.judge(examination)
    except OutOfTime:
        return Verdict(FAIL, out_of_time(examination.target.all_seconds))
    except (OSError, http.client.HTTPException) as error:
        verdict = Verdict(FAIL, why_unreachable(error, examination.target.url))
    # To some checks silence is a good sign, but not where it was the probe that stopped listening.
    if examination.was_cut and examination.is_out_of_time():
        return Verdict(FAIL, out_of_time(examination.target.all_seconds))
    return verdict


def _as_result(check: Check, verdict: Verdict) -> Dict[str, str]:
    return {
        "id": check.id,
        "title": check.title,
        "status": verdict.status,
        "expected": check.expected,
        "found": verdict.found[:FOUND_LIMIT],
    }


def _check_numbers_and_names(target: Target) -> None:
    if target.timeout <= 0:
        raise ProbeError("timeout is %s seconds; it must be more than 0." % target.timeout)
    for port in target.closed_ports:
        if not 1 <= port <= 65535:
            raise ProbeError("closed_ports holds %s; a port is a number from 1 to 65535." % port)
    known = [check.id for check in CHECKS]
    unknown = set(target.only or ()).difference(known)
    if unknown:
        raise ProbeError("there is no check named %s; known are %s." % (", ".join(sorted(unknown)), ", ".join(known)))


def _check_credentials(target: Target) -> None:
    pairs = (target.username, target.password), (target.http_username, target.http_password)
    if any((user is None) != (password is None) for user, password in pairs):
        raise ProbeError("a user name and a password are needed together; give both or none.")
    if target.totp_secret is None:
        return
    if target.username is None:
        raise ProbeError("totp_secret needs a user name and a password.")
    try:
        from_text(target.totp_secret)
    except ValueError:
        raise ProbeError("totp_secret must be Base32 text, as in the otpauth address of the user.") from None


def _check_paths(target: Target) -> None:
    roots = [target.node_root] if target.node_root else []
    for path in (*roots, *target.static_roots, *target.dashboard_sockets, *target.websockets):
        if not re.fullmatch(r"/[\x21-\x7e]*", path) or "?" in path or "#" in path:
            raise ProbeError("%r is not a path; write it as /ui/socket.io/, with %%20 for a space." % path)


def _speaks_tls(examination: Examination) -> bool:
    return examination.context is not None


CHECKS: Tuple[Check, ...] = (
    Check("answers", "Node-RED answers at its URL", "Node-RED's own answer to GET auth/login", node_red_answers),
    Check(
        "login_required",
        "The editor requires a login",
        'GET settings without a token: 401 with WWW-Authenticate Bearer realm="Users"',
        login_required,
    ),
    Check("flows_closed", "Reading the flows requires a login", "GET flows without a token: 401", flows_closed),
    Check(
        "flows_write_closed",
        "Changing the flows requires a login",
        "DELETE of a flow that does not exist, without a token: 401",
        flows_write_closed,
    ),
    Check(
        "comms_closed",
        "Debug messages and status require a login",
        "websocket comms without a token: auth fail",
        comms_closed,
    ),
    Check("login_offered", "The editor offers a login", "GET auth/login: type credentials or strategy", login_offered),
    Check(
        "wrong_password_refused",
        "A made-up user name and password are refused",
        "POST auth/token as an unknown user: 403",
        wrong_password_refused,
    ),
    Check(
        "code_required",
        "The password alone is refused where a code is required",
        "POST auth/token with user name and password, without a code: 403",
        code_required,
        needs=lambda examination: examination.target.needs_code,
    ),
    Check(
        "login_works",
        "The user can log in, and a session that was ended is not accepted again",
        "POST auth/token: a token that is good for GET settings, and after auth/revoke for nothing",
        login_works,
    ),
    Check(
        "read_only_cannot_write",
        "A user who may only read cannot change the flows",
        "DELETE of a flow that does not exist, as that user: 401",
        read_only_cannot_write,
    ),
    Check(
        "code_used_once",
        "A code that was used is refused",
        "POST auth/token with the same code again: 403",
        code_used_once,
        needs=lambda examination: examination.target.needs_code,
    ),
    Check(
        "old_port_closed",
        "Nothing answers on the port that was used before",
        "no answer to HTTP or HTTPS",
        old_port_closed,
        needs_node_red=False,
        needs=lambda examination: examination.target.closed_ports,
    ),
    Check(
        "node_pages_closed",
        "Pages of flows require a password",
        "GET of a page below httpNodeRoot: 401 with WWW-Authenticate Basic",
        node_pages_closed,
        needs=lambda examination: examination.target.node_root,
    ),
    Check(
        "static_closed",
        "Static files require a password",
        "GET of a file below httpStatic: 401 with WWW-Authenticate Basic",
        static_closed,
        needs=lambda examination: examination.target.static_roots,
    ),
    Check(
        "dashboards_closed",
        "Dashboards require a password",
        "socket.io by polling and by websocket: 44, refused",
        dashboards_closed,
        needs=lambda examination: examination.target.dashboard_sockets,
    ),
    Check(
        "websockets_closed",
        '"websocket in" nodes require a password',
        "upgrade to a websocket: 401",
        websockets_closed,
        needs=lambda examination: examination.target.websockets,
    ),
    Check(
        "pages_work",
        "With the password, pages of flows respond",
        "GET of a page below httpNodeRoot with user name and password: anything but 401",
        pages_work,
        needs=lambda examination: examination.target.node_root,
    ),
    Check(
        "dashboards_work",
        "With the password, dashboards accept a connection",
        "socket.io by polling and by websocket with user name and password: 40, connected",
        dashboards_work,
        needs=lambda examination: examination.target.dashboard_sockets,
    ),
    Check(
        "certificate_trusted",
        "The certificate is trusted and made for this name",
        "a TLS handshake that verifies the certificate",
        certificate_trusted,
        needs_node_red=False,
        needs=_speaks_tls,
    ),
    Check(
        "old_tls_refused",
        "Versions of TLS that are too old are refused",
        "a handshake that offers only older versions fails",
        old_tls_refused,
        needs=_speaks_tls,
    ),
    Check(
        "plain_http_refused",
        "HTTP without TLS is refused",
        "no answer to HTTP without TLS on the same port",
        plain_http_refused,
        needs=_speaks_tls,
    ),
    Check(
        "client_certificate_required",
        "A response requires a client certificate",
        "HTTP, comms and the sockets of both dashboards without a client certificate: the handshake fails",
        client_certificate_required,
        needs=lambda examination: _speaks_tls(examination) and examination.target.demands_client_cert,
    ),
)
