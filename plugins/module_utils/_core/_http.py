# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: one HTTP request, exactly as asked for.

Nothing comes from the environment (a proxy would answer in Node-RED's place), no redirect is followed (a redirect is an
answer that the caller judges), and the whole exchange ends within the time given, also with a hostile server.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import ssl
import time
from email.message import Message
from typing import Any, Mapping, NamedTuple, Optional, Tuple
from urllib.parse import urlsplit

from ansible_collections.pifleet.nodered.plugins.module_utils._core._channel import Channel, channel_to, seconds_left

# Node.js itself takes 16 KB at most.
HEAD_LIMIT = 32 * 1024
# More than any answer that is judged here (the settings have a few KB, the editor's page 40). Of a flow file, which may
# have many MB, only the status counts.
BODY_LIMIT = 1024 * 1024
# Digits of a number; converting one takes time with the square of its length.
NUMBER_LIMIT = 40
# ssl.VERIFY_X509_PARTIAL_CHAIN, which Python has a name for since 3.10 only.
VERIFY_PARTIAL_CHAIN = 0x80000


class Response(NamedTuple):
    """Status, headers (looked up without regard to case) and the first MiB of the body."""

    status: int
    headers: Message
    body: bytes


def verifying_context(ca: Optional[str] = None, authorities: Optional[str] = None) -> ssl.SSLContext:
    """A context that accepts the same certificates with every Python: those that browsers and Node.js accept.

    `ca` is the path of a PEM file and `authorities` is PEM text; without both, the system's authorities are trusted.
    Raises OSError (ssl.SSLError is one) if they cannot be used.
    """
    context = ssl.create_default_context(cafile=ca, cadata=authorities or None)
    # Python 3.13 set this flag for its default contexts. With it, OpenSSL rejects for instance a certificate without an
    # authority key identifier. RFC 5280 demands one, but `openssl x509 -req` of OpenSSL 1.1 and 3.0 writes none.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    # Python 3.13 set this one, too. Each certificate that is given is trusted, also that of a server or of an
    # intermediate authority.
    context.verify_flags |= VERIFY_PARTIAL_CHAIN
    return context


def request(
    url: str,
    *,
    method: str = "GET",
    headers: Optional[Mapping[str, str]] = None,
    body: Optional[bytes] = None,
    timeout: float,
    context: Optional[ssl.SSLContext] = None,
) -> Response:
    """Send one request and return its answer with any status.

    `timeout` is in seconds and bounds the connection and the whole answer. `context` is used for `https` only; without
    one, the certificate is verified against the system's authorities.

    Raises OSError (refused, timed out, reset; ssl.SSLError is one) or http.client.HTTPException (no HTTP answer, or one
    without measure).
    """
    deadline = time.monotonic() + timeout
    parts = urlsplit(url)
    host, port = address_of(url)
    context = (context or verifying_context()) if parts.scheme == "https" else None
    target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
    with channel_to(host, port, deadline, context=context, name=host) as channel:
        connection = http.client.HTTPConnection(host, port)
        connection.sock = _AsSocket(channel)
        connection.request(
            method, target, body=body, headers={"Host": parts.netloc.rpartition("@")[2], **(headers or {})}
        )
        channel.allow(HEAD_LIMIT, "headers")
        # Closed before its connection is: otherwise Python 3.13 complains when it forgets the answer.
        with contextlib.closing(connection.getresponse()) as answer:
            # Twice the body, for what frames its pieces.
            channel.allow(2 * BODY_LIMIT, "data")
            return Response(answer.status, answer.headers, _body(answer, deadline))


def _body(answer: http.client.HTTPResponse, deadline: float) -> bytes:
    received = bytearray()
    # A finished answer is closed (HEAD and 204 at once; since Python 3.13 also a counted body).
    while len(received) < BODY_LIMIT and not answer.isclosed():
        seconds_left(deadline)
        piece = answer.read1(min(65536, BODY_LIMIT - len(received)))
        if not piece:
            break
        received += piece
    return bytes(received)


def address_of(url: str) -> Tuple[str, int]:
    """Host and port of an http or https URL. Raises ValueError for anything else."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an http or https URL: %s" % url)
    return parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def parsed_json(text: bytes) -> Any:
    """The value of a JSON text from a server that may be hostile. Raises ValueError for every text that is none."""
    try:
        return json.loads(text.decode("utf-8"), parse_int=_number)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _number(digits: str) -> int:
    if len(digits) > NUMBER_LIMIT:
        raise ValueError("a number of %d digits" % len(digits))
    return int(digits)


class _AsSocket:
    """What http.client uses of a socket."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.sendall = channel.sendall

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._channel)

    def close(self) -> None:
        """Do nothing: the answer is still to be read then. The caller that connected ends the connection."""
