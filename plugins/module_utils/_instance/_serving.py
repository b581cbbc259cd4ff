# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: where Node-RED should respond, and whether it does."""

from __future__ import annotations

import http.client
import re
import ssl
import time
from typing import Any, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils._core import _channel, _http
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._processes import Listener

# A Pi Zero that is starting its flows takes seconds for an answer.
ANSWER_SECONDS = 5
# How long to search for a Node-RED that does not respond where it should.
SEARCH_SECONDS = 10


class Endpoint(NamedTuple):
    """Where the admin interface and the flows' own pages are (None: switched off)."""

    scheme: str
    host: str
    port: Optional[int]
    admin_root: Optional[str]
    node_root: Optional[str]
    editor: bool = True
    client_certificate: bool = False
    problem: str = ""
    """Why this can never be on a TCP port, if so."""

    @property
    def local_host(self) -> str:
        """The address under which the machine itself reaches it."""
        return {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "127.0.0.1"}.get(self.host, self.host)

    @property
    def headless(self) -> bool:
        return self.admin_root is None and self.node_root is None

    @property
    def url(self) -> Optional[str]:
        if self.port is None:
            return None
        host = "[%s]" % self.local_host if ":" in self.local_host else self.local_host
        return "%s://%s:%d%s" % (self.scheme, host, self.port, self.admin_root or self.node_root or "/")


class Answer(NamedTuple):
    serving: bool
    reason: str
    tls_failed: bool = False


def endpoint(settings: Mapping[str, Any], port_option: Optional[str] = None) -> Endpoint:
    """Where Node-RED responds with these settings (the summary of the harness) and its option `-p`.

    The rules are those of red.js (Node-RED 4.1): httpRoot false switches everything off, roots get slashes at both
    ends, a port that is no number becomes the name of a UNIX socket.
    """
    roots_off = settings.get("httpRoot") is False
    port, problem = _port(settings, port_option)
    return Endpoint(
        scheme="https" if settings.get("https", "none") not in ("none",) else "http",
        host=str(settings.get("uiHost") or "0.0.0.0"),
        port=port,
        admin_root=None if roots_off else _root(settings, "httpAdminRoot"),
        node_root=None if roots_off else _root(settings, "httpNodeRoot"),
        editor=not settings.get("disableEditor"),
        client_certificate=bool(settings.get("clientCertificate")),
        problem=problem,
    )


def _root(settings: Mapping[str, Any], name: str) -> Optional[str]:
    own = settings.get(name)
    if own is False:
        return None
    path = str(own or settings.get("httpRoot") or "/").strip("/")
    return "/%s/" % path if path else "/"


def _port(settings: Mapping[str, Any], port_option: Optional[str]) -> Tuple[Optional[int], str]:
    found = port_option.strip() if port_option is not None else settings.get("uiPort")
    if found is None and (
        settings.get("uiPortKind") == "undefined" or port_option is None and "uiPort" not in settings
    ):
        return 1880, ""
    text = str(int(found)) if isinstance(found, float) and found.is_integer() else str(found)
    if isinstance(found, bool) or not re.match(r"^\d+$", text):
        if found is None:
            return None, ""
        return None, "uiPort is %r, which is no port: Node-RED would listen on a UNIX socket of that name." % (found,)
    if int(text) == 0:
        # Node.js picks any free port.
        return None, ""
    if int(text) > 65535:
        return None, "uiPort is %s, and there is no port above 65535." % text
    return int(text), ""


def unverified_tls() -> ssl.SSLContext:
    """Accepts any certificate: the question is whether this machine responds, not whether its certificate is good."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def ask(where: Endpoint, timeout: float = ANSWER_SECONDS) -> Answer:
    """Whether Node-RED responds there: the admin root answers, and its runtime is started (no 503).

    `timeout` is in seconds and limits each of the two answers, also of a hostile server.
    """
    if where.port is None:
        return Answer(False, where.problem or "its port is not known")
    if where.admin_root is None:
        return _ask_path(where, where.node_root or "/", timeout, missing_is_fine=True)
    answer = _ask_path(where, where.admin_root + "auth/login", timeout)
    if answer.serving and where.editor and not answer.reason:
        # Only the editor says 503 while the runtime is not started (editor-api/lib/editor/index.js).
        return _ask_path(where, where.admin_root, timeout)
    return answer


def _ask_path(where: Endpoint, path: str, timeout: float, missing_is_fine: bool = False) -> Answer:
    deadline = time.monotonic() + timeout
    host = "[%s]" % where.local_host if ":" in where.local_host else where.local_host
    url = "%s://%s:%d%s" % (where.scheme, host, where.port or 0, path)
    try:
        response = _http.request(url, timeout=timeout, context=unverified_tls() if where.scheme == "https" else None)
    except ssl.SSLError as error:
        if _wants_certificate(error, where) or _refuses_for_want_of_certificate(where, deadline):
            return Answer(True, "it asks for a client certificate")
        return Answer(False, "the TLS handshake with %s fails: %s" % (url, error.reason or error), tls_failed=True)
    except ConnectionError as error:
        if where.scheme == "https" and _refuses_for_want_of_certificate(where, deadline):
            return Answer(True, "it asks for a client certificate")
        return Answer(False, "%s does not answer: %s" % (url, error))
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Answer(False, "%s does not answer: %s" % (url, error or type(error).__name__))
    if response.status >= 500 or (response.status == 404 and not missing_is_fine):
        return Answer(False, "%s answers with HTTP status %d" % (url, response.status))
    return Answer(True, "")


def _wants_certificate(error: ssl.SSLError, where: Endpoint) -> bool:
    reason = (error.reason or "").upper()
    # TLS 1.3 has an alert of its own for it; before, it was a general handshake failure.
    return "CERTIFICATE_REQUIRED" in reason or (where.client_certificate and "HANDSHAKE_FAILURE" in reason)


def _refuses_for_want_of_certificate(where: Endpoint, deadline: float) -> bool:
    """Look for the alert of TLS 1.3, which comes after the handshake and is lost when a request crosses it."""
    host, context = where.local_host, unverified_tls()
    try:
        with _channel.channel_to(host, where.port or 0, deadline, context=context, name=host) as channel:
            channel.deadline = min(deadline, time.monotonic() + 2)
            channel.receive(1)
    except ssl.SSLError as error:
        return _wants_certificate(error, where)
    except OSError:
        return False
    return False


def found_among(listeners: Sequence[Listener], expected: Endpoint) -> Optional[Endpoint]:
    """The endpoint that responds on one of these sockets now; the expected one is tried first, as it is usually right.

    The settings file may have changed since Node-RED was started, so scheme, port and root are tried, not assumed.
    """
    matching = [one for one in listeners if one.port == expected.port]
    others = [one for one in listeners if one.port != expected.port]
    tried: List[Endpoint] = []
    end = time.monotonic() + SEARCH_SECONDS
    for listener in matching + sorted(others, key=lambda one: one.port)[:8]:
        for scheme in (expected.scheme, "http" if expected.scheme == "https" else "https"):
            for root in dict.fromkeys((expected.admin_root, "/")):
                where = expected._replace(
                    scheme=scheme, host=listener.address, port=listener.port, admin_root=root, problem=""
                )
                if where not in tried and time.monotonic() < end:
                    tried.append(where)
                    if ask(where, _until(end)).serving:
                        return where
    if matching:
        # It listens where it should and is only slow to answer.
        return expected._replace(host=matching[0].address, problem="")
    # It responds below a root that the settings file no longer names (or cannot name, as it does not load).
    unknown = dict.fromkeys(where._replace(admin_root=None, node_root=None) for where in tried)
    for where in unknown:
        if time.monotonic() < end and ask(where, _until(end)).serving:
            return where
    return None


def _until(end: float) -> float:
    """Seconds for one answer of a search that ends at this moment: a port that says nothing must not use up all."""
    return max(0.1, min(3, (end - time.monotonic()) / 2))
