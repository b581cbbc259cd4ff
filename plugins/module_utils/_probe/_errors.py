# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: why an exchange failed, and what to do about it."""

from __future__ import annotations

import http.client
import socket
import ssl
from urllib.parse import urlsplit

from ansible_collections.pifleet.nodered.plugins.module_utils._core._channel import TooMuch


class ProbeError(Exception):
    """The probe cannot be made as asked for: what is wrong with the arguments, and what to do."""


class OutOfTime(Exception):
    """The time for all checks together is used up. No OSError: to some checks, silence is a good sign."""


_LIMIT_OF_ALL = "the limit of all checks together"


def out_of_time(seconds: float) -> str:
    """What is found where the time for all checks together is used up, and what to do."""
    return (
        "no answer within %g seconds, %s: it is overloaded, or stalls on purpose; look at what runs there (top, "
        "journalctl), then try again" % (round(seconds, 2), _LIMIT_OF_ALL)
    )


def is_out_of_time(found: str) -> bool:
    """Whether this is what `out_of_time` says."""
    return found.startswith("no answer within") and _LIMIT_OF_ALL in found


def cause(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def why_unreachable(error: BaseException, url: str) -> str:
    """The cause in words, and what to do about it."""
    parts = urlsplit(url)
    where = parts.netloc
    if isinstance(error, ssl.SSLCertVerificationError):
        remedy = "give the authority that signed it as ca, or the name that it is made for in the URL"
        return "the certificate of %s is not trusted (%s): %s" % (where, error.verify_message or cause(error), remedy)
    if isinstance(error, ssl.SSLError):
        return "no TLS with %s (%s): %s" % (where, error.reason or cause(error), _why_no_tls(error.reason or ""))
    if isinstance(error, ConnectionRefusedError):
        return "%s refuses the connection: nothing listens there; see the port, uiHost and the journal" % where
    if isinstance(error, socket.gaierror):
        return "the name %s is not known here (%s); correct it, or use an address" % (parts.hostname, cause(error))
    if isinstance(error, TimeoutError):
        return "%s does not answer in time: it may be off, behind a firewall, or overloaded" % where
    if isinstance(error, ConnectionError):
        return "%s ended the connection without an answer: it may %s" % (
            where,
            "speak https only" if parts.scheme == "http" else "demand a client certificate",
        )
    if isinstance(error, TooMuch):
        return "%s answers, but not as Node-RED does: it sends %s; see what listens there" % (where, error)
    if isinstance(error, http.client.HTTPException):
        return "%s answers, but not with HTTP (%s); see what listens there" % (where, type(error).__name__)
    return "%s cannot be reached: %s; see the address and the network" % (where, cause(error))


def _why_no_tls(reason: str) -> str:
    if "CERTIFICATE_REQUIRED" in reason or "BAD_CERTIFICATE" in reason:
        return "it demands a client certificate; give client_cert and client_key"
    if "HANDSHAKE_FAILURE" in reason:
        return "it has no usable certificate itself (as with https: {}), or demands a client certificate"
    return "it may speak plain http"
