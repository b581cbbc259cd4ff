# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: checks of TLS and of what is answered without it or without a certificate."""

from __future__ import annotations

import http.client
import ssl
import time
from urllib.parse import urlsplit

from ansible_collections.pifleet.nodered.plugins.module_utils._core._channel import channel_to
from ansible_collections.pifleet.nodered.plugins.module_utils._core._http import address_of, request
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._answers import described
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._errors import cause, why_unreachable
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._examination import (
    FAIL,
    LACKS_CLIENT_CERTIFICATE,
    PASS,
    SKIP,
    Examination,
    Verdict,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._tls import any_server

# Without a client certificate, access to these gives access to the editor, its websocket and both dashboards'.
PATHS_FOR_STRANGERS = (
    "/auth/login",
    "/comms",
    "/ui/socket.io/?EIO=4&transport=polling",
    "/dashboard/socket.io/?EIO=4&transport=polling",
)


def certificate_trusted(examination: Examination) -> Verdict:
    if not examination.target.validate_certs or examination.context is None:
        return Verdict(SKIP, "left out: the certificate was not to be looked at")
    host, port = address_of(examination.target.url)
    deadline = time.monotonic() + examination.limit()
    try:
        with channel_to(host, port, deadline, context=examination.context, name=host) as channel:
            seen, version = channel.tls.getpeercert() or {}, channel.tls.version()
    except ssl.SSLError as error:
        # Up to TLS 1.2, a handshake without the client certificate ends before it has succeeded.
        if examination.target.lacks_client_cert and not isinstance(error, ssl.SSLCertVerificationError):
            return Verdict(SKIP, LACKS_CLIENT_CERTIFICATE)
        raise
    expires = str(seen.get("notAfter", ""))
    days = (ssl.cert_time_to_seconds(expires) - time.time()) / 86400
    return Verdict(PASS, "trusted, made for %s, good for %d days, %s" % (host, days, version))


def old_tls_refused(examination: Examination) -> Verdict:
    newest = ssl.TLSVersion.TLSv1_1 if examination.target.min_tls == "1.2" else ssl.TLSVersion.TLSv1_2
    name = newest.name.replace("v", " ").replace("_", ".")
    context = any_server()
    try:
        # OpenSSL itself no longer offers the old versions above this level.
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, newest
    except (ssl.SSLError, ValueError):
        return Verdict(SKIP, "left out: OpenSSL here does not support %s" % name)
    try:
        deadline = time.monotonic() + examination.limit()
        with channel_to(*address_of(examination.target.url), deadline, context=context) as channel:
            return Verdict(FAIL, "%s is accepted" % channel.tls.version())
    except ssl.SSLError as error:
        if "NO_PROTOCOLS_AVAILABLE" in str(error):
            return Verdict(SKIP, "left out: OpenSSL here does not support %s" % name)
        return Verdict(PASS, "%s is refused (%s)" % (name, error.reason or cause(error)))
    except ConnectionError:
        return Verdict(PASS, "%s is refused" % name)


def plain_http_refused(examination: Examination) -> Verdict:
    url = "http" + examination.target.url[len("https") :]
    if urlsplit(url).port is None:
        return Verdict(SKIP, "left out: a proxy at the usual port has another one for http")
    try:
        answer = request(url + "/settings", timeout=examination.limit())
    except TimeoutError:
        return Verdict(PASS, "no answer")
    except (OSError, http.client.HTTPException):
        return Verdict(PASS, "the connection is ended without an answer")
    if answer.status == 400:
        return Verdict(PASS, "400: only TLS is accepted here")
    return Verdict(FAIL, "answered without TLS: %s" % described(answer))


def client_certificate_required(examination: Examination) -> Verdict:
    """Every path is asked, as sockets of dashboards are outside of what settings for HTTP cover."""
    root = urlsplit(examination.target.url)._replace(path="").geturl()
    for path in PATHS_FOR_STRANGERS:
        base = examination.target.url if path in ("/auth/login", "/comms") else root
        headers = {"Connection": "Upgrade", "Upgrade": "websocket"} if path == "/comms" else {}
        try:
            answer = request(
                base + path, headers=headers, timeout=examination.limit(), context=examination.strangers_context
            )
        except ssl.SSLCertVerificationError as error:
            return Verdict(FAIL, why_unreachable(error, examination.target.url))
        except (ssl.SSLError, ConnectionResetError, http.client.RemoteDisconnected, BrokenPipeError):
            continue
        return Verdict(
            FAIL, "%s answers without a client certificate: %s" % (path.partition("?")[0], described(answer))
        )
    return Verdict(PASS, "no answer without one, neither from the editor nor from a socket of it or of a dashboard")
