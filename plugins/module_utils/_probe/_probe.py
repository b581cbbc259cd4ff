# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: what somebody can and cannot do to a running Node-RED over the network.

Knows no Ansible, so that the same text runs on the controller, as a module, and on a Pi through standard input.

What holds for every check: nothing is deployed, every token that was obtained is revoked, at most one login with a
wrong password is tried for each run, under a random user name (Node-RED locks a user name for ten minutes after five
failures), and at most one with the right password.

The Node-RED may be hostile: every exchange and all checks together have a deadline, and no answer is trusted to have
the type, the size or the characters that Node-RED's own answers have.
"""

from __future__ import annotations

import base64
import dataclasses
import http.client
import ipaddress
import re
import secrets
import socket
import ssl
import time
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union
from urllib.parse import urlencode, urlsplit

from ansible_collections.pifleet.nodered.plugins.module_utils._core._channel import TooMuch, channel_to
from ansible_collections.pifleet.nodered.plugins.module_utils._core._http import (
    Response,
    address_of,
    parsed_json,
    request,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._websocket import (
    ABSENT,
    OPEN,
    REFUSED,
    Websocket,
    connected,
    socket_io_by_polling,
    socket_io_by_websocket,
    upgrade_status,
)

PASS, FAIL, SKIP = "pass", "fail", "skip"

# Seconds. An editor that is disabled drops the websocket after five (Node.js' own limit for an unanswered upgrade).
COMMS_LIMIT = 5.0
# An open Node-RED is silent on the websocket, so where everything else was open, silence need not be waited for.
OPEN_COMMS_LIMIT = 1.0
OLD_PORT_LIMIT = 3.0
# A session that was obtained is ended even when the time for all checks is used up.
REVOKE_LIMIT = 5.0
# All checks together get this many times the limit of one request. A Pi 1 with TLS, pages and both dashboards needs
# some 50 requests and about half of the 30 seconds that follow from the default.
ALL_CHECKS = 3
# Of what a check found, so that paths and permissions without number do not fill the screen.
FOUND_LIMIT = 2000
TOKEN_LIMIT = 4096
# ssl.VERIFY_X509_PARTIAL_CHAIN, which Python has a name for since 3.10 only.
VERIFY_PARTIAL_CHAIN = 0x80000
# Whoever gets through there without a client certificate gets everything: the editor, its websocket, both dashboards'.
PATHS_FOR_STRANGERS = (
    "/auth/login",
    "/comms",
    "/ui/socket.io/?EIO=4&transport=polling",
    "/dashboard/socket.io/?EIO=4&transport=polling",
)

Permissions = Union[None, str, Sequence[str]]


class ProbeError(Exception):
    """The probe cannot be made as asked for: what is wrong with the arguments, and what to do."""


class OutOfTime(Exception):
    """The time for all checks together is used up. No OSError: to some checks, silence is a good sign."""


class Verdict(NamedTuple):
    status: str
    found: str


@dataclasses.dataclass(frozen=True)
class Check:
    id: str
    title: str
    expected: str
    judge: Callable[["Examination"], Verdict]
    needs_node_red: bool = True
    needs: Optional[Callable[["Examination"], object]] = None
    """Without what the check is left out."""


@dataclasses.dataclass(frozen=True)
class Web:
    """What is served beside the editor, as paths on the same server; what is not given is not asked for."""

    node_root: Optional[str] = None
    static_roots: Sequence[str] = ()
    dashboard_sockets: Sequence[str] = ()
    websockets: Sequence[str] = ()
    username: Optional[str] = None
    password: Optional[str] = dataclasses.field(default=None, repr=False)

    def credentials(self) -> Dict[str, str]:
        """The header with user name and password (RFC 7617)."""
        pair = "%s:%s" % (self.username, self.password)
        return {"Authorization": "Basic " + base64.b64encode(pair.encode("utf-8")).decode("ascii")}


@dataclasses.dataclass
class Examination:
    """One Node-RED under examination: how to reach it, and what was learned from it so far."""

    url: str
    timeout: float
    context: Optional[ssl.SSLContext]
    verified: bool
    admin_api: bool
    username: Optional[str]
    password: Optional[str] = dataclasses.field(repr=False)
    closed_ports: Sequence[int]
    web: "Web"
    with_client_certificate: bool = False
    min_tls: str = "1.2"
    strangers_context: Optional[ssl.SSLContext] = None
    deadline: float = float("inf")
    """When all checks have to be done (monotonic clock)."""
    seconds: float = float("inf")
    was_cut: bool = False
    """Whether an exchange of the present check got less time than it should have."""
    seen: Dict[str, Response] = dataclasses.field(default_factory=dict)
    write_attempt: Optional[Verdict] = None

    def limit(self, most: Optional[float] = None) -> float:
        """Seconds for the next exchange, by default those of a request. Raises OutOfTime where none are left."""
        wanted = self.timeout if most is None else most
        left = self.deadline - time.monotonic()
        if left < wanted:
            self.was_cut = True
        if left <= 0:
            raise OutOfTime
        return min(wanted, left)

    def is_out_of_time(self) -> bool:
        return time.monotonic() >= self.deadline

    def send(
        self,
        path: str,
        *,
        method: str = "GET",
        token: Optional[str] = None,
        form: Optional[Mapping[str, str]] = None,
        limit: Optional[float] = None,
    ) -> Response:
        """The answer to a request to the admin API. `limit` is in seconds and beside the limit of all checks."""
        timeout = limit if limit is not None else self.limit()
        headers = {"Accept": "application/json", "Connection": "close"}
        if token is not None:
            headers["Authorization"] = "Bearer " + token
        body = None
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(form).encode("ascii")
        return request(
            self.url + path, method=method, headers=headers, body=body, timeout=timeout, context=self.context
        )

    def place(self, path: str) -> str:
        """The URL of a path on this server, wherever its admin root is."""
        parts = urlsplit(self.url)
        return "%s://%s%s" % (parts.scheme, parts.netloc, path)

    def get_page(self, root: str, headers: Mapping[str, str]) -> Response:
        """The answer to a GET of a page below this root that does not exist: whoever may come in gets 404."""
        url = self.place(root.rstrip("/") + "/probe-" + secrets.token_hex(8))
        return request(url, headers={"Connection": "close", **headers}, timeout=self.limit(), context=self.context)

    def anonymous(self, path: str) -> Response:
        """The answer to a GET by somebody who is not logged in; asked for once."""
        if path not in self.seen:
            self.seen[path] = self.send(path)
        return self.seen[path]

    def login_type(self) -> Optional[str]:
        """`credentials`, `strategy`, or None where no login is offered."""
        kind = (_json_object(self.anonymous("/auth/login")) or {}).get("type")
        return kind if isinstance(kind, str) else None

    def default_permissions(self) -> Permissions:
        """What somebody who is not logged in may do as the settings' default user; None where there is no such user."""
        response = self.anonymous("/settings")
        if response.status == 200:
            user = _user_in(response)
            if user.get("anonymous"):
                return _permissions_of(user)
        return None

    def has_harmless_default_user(self) -> bool:
        """Whether there is a default user who, as far as can be seen, may only look. That is somebody's decision."""
        if _lacks_permission(self.anonymous("/settings")):
            return True
        permissions = self.default_permissions()
        return permissions is not None and not _may_change_something(permissions)


def probe(
    url: str,
    *,
    username: Optional[str] = None,
    password: Optional[str] = None,
    ca: Optional[str] = None,
    client_cert: Optional[str] = None,
    client_key: Optional[str] = None,
    authorities: Optional[str] = None,
    min_tls: str = "1.2",
    timeout: float = 10,
    validate_certs: bool = True,
    closed_ports: Sequence[int] = (),
    admin_api: bool = True,
    node_root: Optional[str] = None,
    static_roots: Sequence[str] = (),
    dashboard_sockets: Sequence[str] = (),
    websockets: Sequence[str] = (),
    http_username: Optional[str] = None,
    http_password: Optional[str] = None,
    only: Optional[Sequence[str]] = None,
    seconds: Optional[float] = None,
) -> List[Dict[str, str]]:
    """Try what must fail and what must work against a Node-RED: a list of `{id, title, status, expected, found}`.

    `url` is scheme, host, port and admin root. `ca`, `client_cert` and `client_key` are paths of PEM files, and
    `authorities` is PEM text in place of `ca`. `min_tls` is the lowest version of TLS that may be spoken. `timeout` is
    in seconds and bounds each request; `seconds` bounds all checks together (default: three times `timeout`). With
    `validate_certs` false the certificate is not looked at, and no password is sent except to this very machine.
    `closed_ports` are ports of the same host on which nothing may answer any more. `admin_api` is false where
    `httpAdminRoot: false` was set: then nothing of it may answer. `node_root`, `static_roots`, `dashboard_sockets`
    (with `/socket.io/` at their ends) and `websockets` are paths at which nobody may get in without `http_username` and
    `http_password`. `only` names the checks that are wanted; all by default.

    The list always holds the same checks in the same order (without those for which no ports or paths are given).
    Raises ProbeError for arguments that cannot be used. Whatever the network or Node-RED does ends up in the checks.
    """
    _check_arguments(timeout, closed_ports, only)
    seconds = ALL_CHECKS * timeout if seconds is None else seconds
    examination = Examination(
        url=checked_url(url),
        timeout=timeout,
        context=_tls_context(url, ca, authorities, client_cert, client_key, validate_certs),
        strangers_context=_tls_context(url, ca, authorities, None, None, validate_certs),
        with_client_certificate=client_cert is not None,
        min_tls=min_tls,
        seconds=seconds,
        deadline=time.monotonic() + seconds,
        verified=validate_certs,
        admin_api=admin_api,
        username=username,
        password=password,
        closed_ports=tuple(closed_ports),
        web=Web(node_root, static_roots, dashboard_sockets, websockets, http_username, http_password),
    )
    if (username is None) != (password is None) or (http_username is None) != (http_password is None):
        raise ProbeError("a user name and a password are needed together.")
    _check_paths([*([node_root] if node_root else []), *static_roots, *dashboard_sockets, *websockets])
    wanted = [check for check in CHECKS if _is_wanted(check, examination, only)]
    answers = _judged(CHECKS[0], examination) if any(check.needs_node_red for check in wanted) else None
    return [_as_result(check, _verdict(check, examination, answers)) for check in wanted]


def why_no_password(url: str, *, validate_certs: bool = True) -> Optional[str]:
    """Why a password may not be sent to this URL from here; None where it may.

    This is the one place that decides it: over TLS whose certificate is verified, or to this very machine (through a
    forwarded port, too), and nowhere else.
    """
    parts = urlsplit(url)
    if is_this_machine(parts.hostname or ""):
        return None
    if parts.scheme != "https":
        return "the password would cross the network in the clear"
    if not validate_certs:
        return "the password would go to a server whose certificate is not verified"
    return None


def is_this_machine(host: str) -> bool:
    """Whether packets to this host stay on the machine where this runs. A name other than localhost never counts."""
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if address.is_loopback:
        return True
    # The kernel gives its own address as the source for packets to itself only. Connecting a datagram socket sends
    # nothing. (Binding would not do: with ip_nonlocal_bind every address can be bound.)
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as unsent:
            unsent.connect((host, 9))
            return ipaddress.ip_address(unsent.getsockname()[0].partition("%")[0]) == address
    except (OSError, ValueError):
        return False


# --- the machinery -------------------------------------------------------------------------------------------------


def _is_wanted(check: Check, examination: Examination, only: Optional[Sequence[str]]) -> bool:
    if only is not None and check.id not in only:
        return False
    return check.needs is None or bool(check.needs(examination))


def _verdict(check: Check, examination: Examination, answers: Optional[Verdict]) -> Verdict:
    if check.id == "answers" and answers is not None:
        return answers
    if check.needs_node_red and answers is not None and answers.status == FAIL:
        return Verdict(SKIP, "not tried: Node-RED does not answer")
    return _judged(check, examination)


def _judged(check: Check, examination: Examination) -> Verdict:
    examination.was_cut = False
    try:
        verdict = check.judge(examination)
    except OutOfTime:
        return Verdict(FAIL, out_of_time(examination.seconds))
    except (OSError, http.client.HTTPException) as error:
        verdict = Verdict(FAIL, why_unreachable(error, examination.url))
    # To some checks silence is a good sign, but not where it was the probe that stopped listening.
    if examination.was_cut and examination.is_out_of_time():
        return Verdict(FAIL, out_of_time(examination.seconds))
    return verdict


def out_of_time(seconds: float) -> str:
    """What is found where the time for all checks together is used up, and what to do."""
    return (
        "no answer within %g seconds, the limit of all checks together: it is overloaded, or stalls on purpose; "
        "look at what runs there (top, journalctl), then try again" % round(seconds, 2)
    )


def _as_result(check: Check, verdict: Verdict) -> Dict[str, str]:
    return {
        "id": check.id,
        "title": check.title,
        "status": verdict.status,
        "expected": check.expected,
        "found": verdict.found[:FOUND_LIMIT],
    }


def _check_arguments(timeout: float, closed_ports: Sequence[int], only: Optional[Sequence[str]]) -> None:
    if timeout <= 0:
        raise ProbeError("timeout is %s seconds; it must be more than 0." % timeout)
    for port in closed_ports:
        if not 1 <= port <= 65535:
            raise ProbeError("closed_ports holds %s; a port is a number from 1 to 65535." % port)
    unknown = set(only or ()) - {check.id for check in CHECKS}
    if unknown:
        raise ProbeError("there is no check named %s." % ", ".join(sorted(unknown)))


def _check_paths(paths: Sequence[str]) -> None:
    for path in paths:
        if not re.fullmatch(r"/[\x21-\x7e]*", path) or "?" in path or "#" in path:
            raise ProbeError("%r is not a path such as /ui/socket.io/" % path)


def checked_url(url: str) -> str:
    """The URL without a slash at its end. Raises ProbeError where it is not one, without repeating a password in it."""
    try:
        parts = urlsplit(url)
        port_is_usable = parts.port is None or parts.port > 0
    except ValueError as error:
        raise ProbeError("this is not the URL of a Node-RED: %s." % error) from error
    if parts.username is not None or parts.password is not None:
        raise ProbeError("the URL holds a user name or password; give them as username and password.")
    if re.search(r"[^\x21-\x7e]", url):
        raise ProbeError("the URL holds a space, a control character or one outside ASCII; write it percent-encoded.")
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_usable:
        raise ProbeError("%s is not the URL of a Node-RED, such as http://raspberrypi.local:1880" % url)
    if parts.query or parts.fragment:
        raise ProbeError("%s must end with the admin root, without ? or #." % url)
    return url.rstrip("/")


def _tls_context(
    url: str,
    ca: Optional[str],
    authorities: Optional[str],
    client_cert: Optional[str],
    client_key: Optional[str],
    validate_certs: bool,
) -> Optional[ssl.SSLContext]:
    if urlsplit(url).scheme != "https":
        return None
    try:
        context = ssl.create_default_context(cafile=ca, cadata=authorities or None)
    except (OSError, ssl.SSLError) as error:
        raise ProbeError("the authority's certificate %s cannot be used: %s" % (ca or "", _cause(error))) from error
    if authorities:
        # What is given is trusted itself, whoever issued it: a server's own certificate can be given, too.
        context.verify_flags |= VERIFY_PARTIAL_CHAIN
    if not validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if client_cert is not None:
        try:
            # An empty password: without one, OpenSSL would ask for that of an encrypted key on the terminal.
            context.load_cert_chain(client_cert, client_key, password="")
        except (OSError, ssl.SSLError, ValueError) as error:
            raise ProbeError("the client certificate %s cannot be used: %s" % (client_cert, _cause(error))) from error
    return context


def _cause(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def why_unreachable(error: BaseException, url: str) -> str:
    """The cause in words, and what to do about it."""
    parts = urlsplit(url)
    where = parts.netloc
    if isinstance(error, ssl.SSLCertVerificationError):
        remedy = "give the authority that signed it as ca, or the name that it is made for in the URL"
        return "the certificate of %s is not trusted (%s): %s" % (where, error.verify_message or _cause(error), remedy)
    if isinstance(error, ssl.SSLError):
        return "no TLS with %s (%s): %s" % (where, error.reason or _cause(error), _why_no_tls(error.reason or ""))
    if isinstance(error, ConnectionRefusedError):
        return "%s refuses the connection: nothing listens there; see the port, uiHost and the journal" % where
    if isinstance(error, socket.gaierror):
        return "the name %s is not known here (%s)" % (parts.hostname, _cause(error))
    if isinstance(error, TimeoutError):
        return "%s does not answer in time: it may be off, behind a firewall, or overloaded" % where
    if isinstance(error, ConnectionError):
        return "%s ended the connection without an answer: it may %s" % (
            where,
            "speak https only" if parts.scheme == "http" else "demand a client certificate",
        )
    if isinstance(error, TooMuch):
        return "%s answers, but not as Node-RED does: it sends %s" % (where, error)
    if isinstance(error, http.client.HTTPException):
        return "%s answers, but not with HTTP (%s)" % (where, type(error).__name__)
    return "%s cannot be reached: %s" % (where, _cause(error))


def _why_no_tls(reason: str) -> str:
    if "CERTIFICATE_REQUIRED" in reason or "BAD_CERTIFICATE" in reason:
        return "it demands a client certificate; give client_cert and client_key"
    if "HANDSHAKE_FAILURE" in reason:
        return "it has no usable certificate itself (as with https: {}), or demands a client certificate"
    return "it may speak plain http"


# --- what an answer means ------------------------------------------------------------------------------------------


def _json_object(response: Response) -> Optional[Dict[str, Any]]:
    try:
        value = parsed_json(response.body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _user_in(settings: Response) -> Dict[str, Any]:
    """Who asked for the settings, in Node-RED's view; empty where it does not say."""
    user = (_json_object(settings) or {}).get("user") if settings.status == 200 else None
    return user if isinstance(user, dict) else {}


def _permissions_of(user: Mapping[str, Any]) -> Permissions:
    """A permission, or a list of them. What cannot be understood counts as everything."""
    permissions = user.get("permissions")
    if permissions is None or isinstance(permissions, str):
        return permissions
    if not isinstance(permissions, list) or not all(isinstance(each, str) for each in permissions):
        return "*"
    return permissions


def _challenge(response: Response) -> str:
    return str(response.headers.get("WWW-Authenticate") or "")


def _demands_login(response: Response) -> bool:
    """Node-RED's own refusal of somebody unknown. A mere 401 proves nothing: httpNodeAuth has one, too."""
    return response.status == 401 and _challenge(response).startswith('Bearer realm="Users"')


def _lacks_permission(response: Response) -> bool:
    """Node-RED's own refusal of somebody known, the default user included: 401 without a challenge."""
    return response.status == 401 and not _challenge(response)


def _is_not_there(response: Response) -> bool:
    """No such path. With httpNodeAuth, Node-RED answers every unknown path with its Basic challenge."""
    return response.status == 404 or (response.status == 401 and _challenge(response).startswith("Basic"))


def _described(response: Response) -> str:
    """An answer in words. Never quotes a body; header values are cut to what is harmless on a terminal."""
    if _demands_login(response):
        return "401, Node-RED asks for a login"
    if response.status == 401:
        challenge = _challenge(response)
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


def _grants(permissions: Permissions, scope: str) -> bool:
    """Node-RED's own rule (editor-api lib/auth/permissions.js): a list is an OR, `write` does not include reading."""
    if permissions is None:
        return False
    if not isinstance(permissions, str):
        return any(_grants(permission, scope) for permission in permissions)
    if permissions in ("*", scope):
        return True
    return (permissions in ("read", "*.read") and scope.endswith(".read")) or (
        permissions in ("write", "*.write") and scope.endswith(".write")
    )


def _may_change_something(permissions: Permissions) -> bool:
    if permissions is None:
        return False
    listed = [permissions] if isinstance(permissions, str) else permissions
    return any(permission in ("*", "write") or permission.endswith(".write") for permission in listed)


def _named(permissions: Permissions) -> str:
    if permissions is None:
        return "none"
    return harmless(permissions if isinstance(permissions, str) else ", ".join(permissions))


# --- the checks ----------------------------------------------------------------------------------------------------


def _answers(examination: Examination) -> Verdict:
    login = examination.anonymous("/auth/login")
    settings = examination.anonymous("/settings")
    if not examination.admin_api:
        if _is_not_there(login) and _is_not_there(settings):
            return Verdict(PASS, "no admin API: %s" % _described(login))
        return Verdict(FAIL, "an admin API was not expected (httpAdminRoot: false), but got %s" % _described(login))
    for response in (login, settings):
        if 300 <= response.status < 400:
            return Verdict(FAIL, "%s: a proxy or requireHttps; use the URL that it leads to" % _described(response))
    offer = _json_object(login) if login.status == 200 else None
    if offer is not None and offer.get("type") in ("credentials", "strategy"):
        return Verdict(PASS, "Node-RED answers")
    if offer == {}:
        if _demands_login(settings) or _lacks_permission(settings):
            return Verdict(PASS, "Node-RED answers")
        about = _json_object(settings) if settings.status == 200 else None
        if about is not None and "httpNodeRoot" in about:
            return Verdict(PASS, "Node-RED %s answers" % harmless(about.get("version", "")))
    if login.status == 404:
        return Verdict(
            FAIL,
            "404 for auth/login: no Node-RED, or its admin root (httpAdminRoot) is missing in the URL",
        )
    if login.status == 503:
        return Verdict(FAIL, "503: Node-RED is still starting, or a proxy does not reach it; try again")
    return Verdict(FAIL, "something else answers here, not Node-RED: %s" % _described(login))


def _login_required(examination: Examination) -> Verdict:
    settings = examination.anonymous("/settings")
    if not examination.admin_api:
        return _absent(settings)
    if _demands_login(settings):
        return Verdict(PASS, _described(settings))
    if _lacks_permission(settings):
        return Verdict(PASS, "401 without a challenge: there is a default user, who may not see the settings")
    if settings.status != 200:
        return Verdict(FAIL, _described(settings))
    permissions = examination.default_permissions()
    if permissions is None:
        return Verdict(FAIL, "open: everybody is let in, there is no login")
    if _may_change_something(permissions):
        return Verdict(FAIL, "open: adminAuth has a default user with the permissions %s" % _named(permissions))
    return Verdict(
        PASS, "everybody may look: adminAuth has a default user with the permissions %s" % _named(permissions)
    )


def _absent(response: Response) -> Verdict:
    return Verdict(PASS if _is_not_there(response) else FAIL, "not there: %s" % _described(response))


def _flows_closed(examination: Examination) -> Verdict:
    flows = examination.anonymous("/flows")
    if not examination.admin_api:
        return _absent(flows)
    if _demands_login(flows) or _lacks_permission(flows):
        return Verdict(PASS, _described(flows))
    if flows.status == 200:
        if examination.has_harmless_default_user():
            return Verdict(SKIP, "left out: adminAuth has a default user who may read them, and the secrets in them")
        return Verdict(FAIL, "open: everybody reads the flows")
    return Verdict(FAIL, _described(flows))


def _flows_write_closed(examination: Examination) -> Verdict:
    settings = examination.anonymous("/settings")
    if examination.admin_api and not _demands_login(settings) and not examination.has_harmless_default_user():
        return Verdict(FAIL, "not tried: nothing asks for a login")
    return _judge_write(_try_to_write(examination, None), examination)


def _try_to_write(examination: Examination, token: Optional[str]) -> Response:
    # Deleting a flow that cannot exist needs flows.write just as deploying does, and changes nothing where it is
    # allowed: 404, on every release. (A deploy with an unknown API version would be carried out by 0.14.)
    return examination.send("/flow/" + secrets.token_hex(16), method="DELETE", token=token)


def _judge_write(attempt: Response, examination: Examination) -> Verdict:
    if _demands_login(attempt) or _lacks_permission(attempt):
        return Verdict(PASS, _described(attempt))
    if not examination.admin_api:
        return _absent(attempt)
    if attempt.status in (204, 400, 404):
        return Verdict(FAIL, "open: Node-RED did not refuse it (%d)" % attempt.status)
    return Verdict(FAIL, _described(attempt))


def _login_offered(examination: Examination) -> Verdict:
    if not examination.admin_api:
        return Verdict(SKIP, "left out: there is no admin API")
    kind = examination.login_type()
    if kind is not None:
        way = "with user name and password" if kind == "credentials" else "through another provider (strategy)"
        return Verdict(PASS, way)
    if _demands_login(examination.anonymous("/settings")):
        return Verdict(FAIL, "none, but a login is demanded: nobody can log in; adminAuth needs type: 'credentials'")
    return Verdict(FAIL, "none: adminAuth is not in force")


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
    token = (_json_object(response) or {}).get("access_token") if response.status == 200 else None
    if not isinstance(token, str) or len(token) > TOKEN_LIMIT or not re.fullmatch(r"[\x21-\x7e]+", token):
        return None
    return token


def _wrong_password_refused(examination: Examination) -> Verdict:
    if not examination.admin_api or examination.login_type() != "credentials":
        return Verdict(SKIP, "left out: there is no login with user name and password")
    answer = _ask_for_token(examination, "probe-" + secrets.token_hex(8), secrets.token_urlsafe(18))
    token = _token(answer)
    if token is not None:
        _revoke(examination, token)
        return Verdict(FAIL, "open: a made-up user was let in")
    if answer.status == 403:
        return Verdict(PASS, "403, refused")
    return Verdict(FAIL, _described(answer))


def _revoke(examination: Examination, token: str) -> bool:
    try:
        limit = min(examination.timeout, REVOKE_LIMIT)
        answer = examination.send("/auth/revoke", method="POST", token=token, form={"token": token}, limit=limit)
        return answer.status == 200
    except (OSError, http.client.HTTPException):
        return False


def _login_works(examination: Examination) -> Verdict:
    if examination.username is None or examination.password is None:
        return Verdict(SKIP, "left out: no user name and password were given")
    if not examination.admin_api:
        return Verdict(SKIP, "left out: there is no admin API")
    reason = why_no_password(examination.url, validate_certs=examination.verified)
    if reason is not None:
        return Verdict(SKIP, "left out: %s" % reason)
    kind = examination.login_type()
    if kind == "strategy":
        return Verdict(SKIP, "left out: the login goes through another provider")
    if kind != "credentials":
        return Verdict(FAIL, "no login with user name and password is offered")
    answer = _ask_for_token(examination, examination.username, examination.password)
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


def _why_no_token(answer: Response) -> str:
    if answer.status == 403:
        return "403: wrong password, unknown user, or a user without permissions"
    if answer.status == 500 and b"oo many" in answer.body:
        return "Node-RED has locked this user name after too many failed logins; wait ten minutes or restart it"
    return "no session: %s" % _described(answer)


def _judge_session(examination: Examination, seen: Response, afterwards: Response) -> Verdict:
    user = _user_in(seen)
    if seen.status == 200 and user.get("username") != examination.username:
        return Verdict(FAIL, "logged in, but as somebody else: %s" % harmless(user.get("username", "unknown")))
    if seen.status != 200 and not _lacks_permission(seen):
        return Verdict(FAIL, "logged in, but the session is not accepted: %s" % _described(seen))
    if afterwards.status == 200:
        if not _user_in(afterwards).get("anonymous"):
            return Verdict(FAIL, "logged in and out, but the session is still accepted")
    elif not (_demands_login(afterwards) or _lacks_permission(afterwards)):
        return Verdict(FAIL, "logged in and out, but then got %s" % _described(afterwards))
    rights = (
        "the permissions %s" % _named(_permissions_of(user))
        if seen.status == 200
        else "no permission to see the settings"
    )
    return Verdict(PASS, "logged in with %s, and out again" % rights)


def _read_only_attempt(examination: Examination, seen: Response, token: str) -> Verdict:
    permissions = _permissions_of(_user_in(seen))
    if permissions is None:
        return Verdict(SKIP, "left out: the permissions of this user are not known")
    if _grants(permissions, "flows.write"):
        return Verdict(SKIP, "left out: this user may change the flows")
    return _judge_write(_try_to_write(examination, token), examination)


def _read_only_cannot_write(examination: Examination) -> Verdict:
    return examination.write_attempt or Verdict(SKIP, "left out: nobody was logged in")


def _comms_closed(examination: Examination) -> Verdict:
    if _grants(examination.default_permissions(), "status.read") and examination.has_harmless_default_user():
        return Verdict(SKIP, "left out: adminAuth has a default user who may listen")
    is_open = examination.anonymous("/settings").status == 200 and not examination.has_harmless_default_user()
    outcome = listen_to_comms(examination, OPEN_COMMS_LIMIT if is_open else COMMS_LIMIT)
    if outcome == "refused":
        return Verdict(PASS, "Node-RED ends the connection: auth fail")
    if outcome == "open" and examination.has_harmless_default_user():
        return Verdict(SKIP, "left out: adminAuth has a default user who may listen")
    if outcome == "open":
        return Verdict(FAIL, "open: everybody may listen to debug messages and status")
    if _is_not_there(examination.anonymous("/")):
        return Verdict(PASS, "there is no websocket: the editor is disabled")
    return Verdict(FAIL, outcome)


def _old_port_closed(examination: Examination) -> Verdict:
    answers = [(port, _answer_on_port(examination, port)) for port in examination.closed_ports]
    found = ["%d: %s" % (port, answer) for port, answer in answers if answer]
    if found:
        return Verdict(FAIL, "; ".join(found))
    return Verdict(PASS, "nothing answers on %s" % ", ".join(str(port) for port in examination.closed_ports))


def _answer_on_port(examination: Examination, port: int) -> Optional[str]:
    """What answers on this port of the same host; None where nothing does."""
    host = urlsplit(examination.url).hostname or ""
    limit = min(examination.timeout, OLD_PORT_LIMIT)
    try:
        with channel_to(host, port, time.monotonic() + examination.limit(limit)):
            pass
    except OSError:
        return None
    anyone = _anyone()
    for scheme in ("http", "https"):
        url = "%s://%s:%d/" % (scheme, "[%s]" % host if ":" in host else host, port)
        try:
            answer = request(url, timeout=examination.limit(limit), context=anyone)
            return "%s answers with %s" % (scheme, _described(answer))
        except TimeoutError:
            return "something accepts connections, but says nothing in %g seconds" % limit
        except ssl.SSLError as error:
            # Only somebody who speaks TLS complains about a missing client certificate.
            if "CERTIFICATE_REQUIRED" in str(error):
                return "https answers and demands a client certificate"
        except (OSError, http.client.HTTPException):
            continue
    return None


# --- TLS -----------------------------------------------------------------------------------------------------------


def _certificate_trusted(examination: Examination) -> Verdict:
    if not examination.verified or examination.context is None:
        return Verdict(SKIP, "left out: the certificate was not to be looked at")
    host, port = address_of(examination.url)
    deadline = time.monotonic() + examination.limit()
    with channel_to(host, port, deadline, context=examination.context, name=host) as channel:
        seen, version = channel.tls.getpeercert() or {}, channel.tls.version()
    expires = str(seen.get("notAfter", ""))
    days = (ssl.cert_time_to_seconds(expires) - time.time()) / 86400
    return Verdict(PASS, "trusted, made for %s, good for %d days, %s" % (host, days, version))


def _old_tls_refused(examination: Examination) -> Verdict:
    newest = ssl.TLSVersion.TLSv1_1 if examination.min_tls == "1.2" else ssl.TLSVersion.TLSv1_2
    name = newest.name.replace("v", " ").replace("_", ".")
    context = _anyone()
    try:
        # OpenSSL itself no longer offers the old versions above this level.
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, newest
    except (ssl.SSLError, ValueError):
        return Verdict(SKIP, "left out: OpenSSL here speaks no %s itself" % name)
    try:
        deadline = time.monotonic() + examination.limit()
        with channel_to(*address_of(examination.url), deadline, context=context) as channel:
            return Verdict(FAIL, "%s is spoken" % channel.tls.version())
    except ssl.SSLError as error:
        if "NO_PROTOCOLS_AVAILABLE" in str(error):
            return Verdict(SKIP, "left out: OpenSSL here speaks no %s itself" % name)
        return Verdict(PASS, "%s is refused (%s)" % (name, error.reason or _cause(error)))
    except ConnectionError:
        return Verdict(PASS, "%s is refused" % name)


def _anyone() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _plain_http_refused(examination: Examination) -> Verdict:
    url = "http" + examination.url[len("https") :]
    if urlsplit(url).port is None:
        return Verdict(SKIP, "left out: a proxy at the usual port has another one for http")
    try:
        answer = request(url + "/settings", timeout=examination.limit())
    except TimeoutError:
        return Verdict(PASS, "no answer")
    except (OSError, http.client.HTTPException):
        return Verdict(PASS, "the connection is ended without an answer")
    if answer.status == 400:
        return Verdict(PASS, "400: only TLS is spoken here")
    return Verdict(FAIL, "answered in the clear: %s" % _described(answer))


def _client_certificate_required(examination: Examination) -> Verdict:
    """Every path is asked, as sockets of dashboards are outside of what settings for HTTP cover."""
    root = urlsplit(examination.url)._replace(path="").geturl()
    for path in PATHS_FOR_STRANGERS:
        base = examination.url if path in ("/auth/login", "/comms") else root
        headers = {"Connection": "Upgrade", "Upgrade": "websocket"} if path == "/comms" else {}
        try:
            answer = request(
                base + path, headers=headers, timeout=examination.limit(), context=examination.strangers_context
            )
        except ssl.SSLCertVerificationError as error:
            return Verdict(FAIL, why_unreachable(error, examination.url))
        except (ssl.SSLError, ConnectionResetError, http.client.RemoteDisconnected, BrokenPipeError):
            continue
        return Verdict(
            FAIL, "%s answers without a client certificate: %s" % (path.partition("?")[0], _described(answer))
        )
    return Verdict(PASS, "no answer without one, neither from the editor nor from a socket of it or of a dashboard")


# --- /comms ---------------------------------------------------------------------------------------------------------


def listen_to_comms(examination: Examination, limit: float) -> str:
    """Subscribe to /comms without a token: `refused`, `open`, or in words what happened instead.

    `limit` is in seconds; a subscription that is not refused by then is open.
    """
    parts = urlsplit(examination.url)
    try:
        with connected(examination.url, examination.limit(limit), examination.context) as channel:
            return _conversation(channel, parts.netloc, parts.path)
    except TimeoutError:
        return "the websocket did not answer in %g seconds" % limit
    except (OSError, http.client.HTTPException) as error:
        return "no websocket: %s" % why_unreachable(error, examination.url)


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


# --- pages, static files and sockets -------------------------------------------------------------------------------


def _closed(response: Response) -> Verdict:
    """Whether it took a password to be told that there is no such page."""
    if response.status == 401 and _challenge(response).startswith("Basic"):
        return Verdict(PASS, "401 that asks for a password")
    if response.status in (401, 403):
        return Verdict(PASS, "%d, refused" % response.status)
    return Verdict(FAIL, "open: everybody is let in (%s)" % _described(response))


def _node_pages_closed(examination: Examination) -> Verdict:
    return _closed(examination.get_page(examination.web.node_root or "/", {}))


def _static_closed(examination: Examination) -> Verdict:
    return _worst((root, _closed(examination.get_page(root, {}))) for root in examination.web.static_roots)


def _worst(verdicts: Iterable[Tuple[str, Verdict]]) -> Verdict:
    """One verdict for several places: those that fail are named, else all that pass."""
    listed = list(verdicts)
    chosen = [pair for pair in listed if pair[1].status == FAIL] or listed
    found = "; ".join("%s: %s" % (harmless(place), verdict.found) for place, verdict in chosen)
    return Verdict(chosen[0][1].status, found)


def _dashboards_closed(examination: Examination) -> Verdict:
    def judged(outcome: str) -> Verdict:
        if outcome == REFUSED:
            return Verdict(PASS, "refused")
        if outcome == ABSENT:
            return Verdict(PASS, "nothing is there")
        return Verdict(FAIL, "open: everybody is let in" if outcome == OPEN else outcome)

    return _worst((place, judged(outcome)) for place, outcome in _connections(examination, {}))


def _connections(examination: Examination, headers: Mapping[str, str]) -> Iterator[Tuple[str, str]]:
    """What became of each way into each dashboard."""
    for path in examination.web.dashboard_sockets:
        for way, connect in (("polling", socket_io_by_polling), ("websocket", socket_io_by_websocket)):
            outcome = connect(examination.place(path), headers, examination.limit(), examination.context)
            yield "%s by %s" % (path, way), outcome


def _websockets_closed(examination: Examination) -> Verdict:
    def judged(path: str) -> Verdict:
        try:
            status = upgrade_status(examination.place(path), {}, examination.limit(), examination.context)
        except ConnectionError:
            # Where no node listens, because its flow is off or waits for missing types, Node.js hangs up.
            return Verdict(PASS, "nothing is there")
        if status == 101:
            return Verdict(FAIL, "open: everybody is let in")
        return Verdict(PASS, "%d, refused" % status)

    return _worst((path, judged(path)) for path in examination.web.websockets)


def _why_no_http_password(examination: Examination) -> Optional[str]:
    if examination.web.username is None:
        return "no user name and password were given for the pages"
    return why_no_password(examination.url, validate_certs=examination.verified)


def _pages_work(examination: Examination) -> Verdict:
    reason = _why_no_http_password(examination)
    if reason:
        return Verdict(SKIP, "left out: %s" % reason)
    web = examination.web
    roots = [web.node_root or "/", *web.static_roots]
    answers = [(root, examination.get_page(root, web.credentials())) for root in dict.fromkeys(roots)]
    return _worst(
        (root, Verdict(FAIL if answer.status in (401, 403) or answer.status >= 500 else PASS, _described(answer)))
        for root, answer in answers
    )


def _dashboards_work(examination: Examination) -> Verdict:
    reason = _why_no_http_password(examination)
    if reason:
        return Verdict(SKIP, "left out: %s" % reason)

    def judged(outcome: str) -> Verdict:
        if outcome == ABSENT:
            return Verdict(SKIP, "nothing is there")
        return Verdict(PASS, "connected") if outcome == OPEN else Verdict(FAIL, outcome)

    return _worst(
        (place, judged(outcome)) for place, outcome in _connections(examination, examination.web.credentials())
    )


def _speaks_tls(examination: Examination) -> bool:
    return examination.context is not None


CHECKS: Tuple[Check, ...] = (
    Check("answers", "Node-RED answers at its URL", "Node-RED's own answer to GET auth/login", _answers),
    Check(
        "login_required",
        "Nobody gets in without logging in",
        'GET settings without a token: 401 with WWW-Authenticate Bearer realm="Users"',
        _login_required,
    ),
    Check("flows_closed", "Nobody reads the flows without logging in", "GET flows without a token: 401", _flows_closed),
    Check(
        "flows_write_closed",
        "Nobody changes the flows without logging in",
        "DELETE of a flow that does not exist, without a token: 401",
        _flows_write_closed,
    ),
    Check(
        "comms_closed",
        "Nobody listens to debug messages and status without logging in",
        "websocket comms without a token: auth fail",
        _comms_closed,
    ),
    Check("login_offered", "The editor offers a login", "GET auth/login: type credentials or strategy", _login_offered),
    Check(
        "wrong_password_refused",
        "A made-up user name and password are refused",
        "POST auth/token as an unknown user: 403",
        _wrong_password_refused,
    ),
    Check(
        "login_works",
        "The user can log in, and a session that was ended is not accepted again",
        "POST auth/token: a token that is good for GET settings, and after auth/revoke for nothing",
        _login_works,
    ),
    Check(
        "read_only_cannot_write",
        "A user who may only read cannot change the flows",
        "DELETE of a flow that does not exist, as that user: 401",
        _read_only_cannot_write,
    ),
    Check(
        "old_port_closed",
        "Nothing answers on the port that was used before",
        "no answer to HTTP or HTTPS",
        _old_port_closed,
        needs_node_red=False,
        needs=lambda examination: examination.closed_ports,
    ),
    Check(
        "node_pages_closed",
        "Nobody sees the flows' pages without a password",
        "GET of a page below httpNodeRoot: 401 with WWW-Authenticate Basic",
        _node_pages_closed,
        needs=lambda examination: examination.web.node_root,
    ),
    Check(
        "static_closed",
        "Nobody gets static files without a password",
        "GET of a file below httpStatic: 401 with WWW-Authenticate Basic",
        _static_closed,
        needs=lambda examination: examination.web.static_roots,
    ),
    Check(
        "dashboards_closed",
        "Nobody sees or presses anything on a dashboard without a password",
        "socket.io by polling and by websocket: 44, refused",
        _dashboards_closed,
        needs=lambda examination: examination.web.dashboard_sockets,
    ),
    Check(
        "websockets_closed",
        'Nobody sends anything to "websocket in" nodes without a password',
        "upgrade to a websocket: 401",
        _websockets_closed,
        needs=lambda examination: examination.web.websockets,
    ),
    Check(
        "pages_work",
        "With the password, the flows' pages are served",
        "GET of a page below httpNodeRoot with user name and password: anything but 401",
        _pages_work,
        needs=lambda examination: examination.web.node_root,
    ),
    Check(
        "dashboards_work",
        "With the password, the dashboards are alive",
        "socket.io by polling and by websocket with user name and password: 40, connected",
        _dashboards_work,
        needs=lambda examination: examination.web.dashboard_sockets,
    ),
    Check(
        "certificate_trusted",
        "The certificate is trusted and made for this name",
        "a TLS handshake that verifies the certificate",
        _certificate_trusted,
        needs_node_red=False,
        needs=_speaks_tls,
    ),
    Check(
        "old_tls_refused",
        "No version of TLS is spoken that is too old",
        "a handshake that offers only older versions fails",
        _old_tls_refused,
        needs=_speaks_tls,
    ),
    Check(
        "plain_http_refused",
        "Nothing is answered in the clear",
        "no answer to HTTP without TLS on the same port",
        _plain_http_refused,
        needs=_speaks_tls,
    ),
    Check(
        "client_certificate_required",
        "Nobody gets an answer without a client certificate",
        "HTTP, comms and the sockets of both dashboards without a client certificate: the handshake fails",
        _client_certificate_required,
        needs=lambda examination: _speaks_tls(examination) and examination.with_client_certificate,
    ),
)
