# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: one HTTP request, exactly as asked for.

Nothing comes from the environment (a proxy would answer in Node-RED's place), no redirect is followed (a redirect is an
answer that the caller judges), and the whole exchange ends within the time given.
"""

from __future__ import annotations

import dataclasses
import http.client
import ssl
import time
from email.message import Message
from typing import Mapping, Optional, Tuple
from urllib.parse import urlsplit

# More than any answer that is judged here (the editor's page has some 40 KB, a flow file may have many MB).
BODY_LIMIT = 4 * 1024 * 1024


@dataclasses.dataclass(frozen=True)
class Response:
    """Status, headers (looked up without regard to case) and the first 4 MiB of the body."""

    status: int
    headers: Message
    body: bytes


def request(
    url: str,
    *,
    method: str = "GET",
    headers: Optional[Mapping[str, str]] = None,
    body: Optional[bytes] = None,
    timeout: float,
    context: Optional[ssl.SSLContext] = None,
    host_override: Optional[Tuple[str, int]] = None,
) -> Response:
    """Send one request and return its answer, whatever its status.

    `timeout` is in seconds and bounds the connection and the whole answer. `context` is used for `https` only; without
    one, the certificate is verified against the system's authorities. `host_override` is the (host, port) to connect to
    in place of the URL's (a forwarded port); the `Host` header and the name in the TLS handshake stay those of the URL.

    Raises OSError (refused, timed out, reset; ssl.SSLError is one) or http.client.HTTPException (no HTTP answer).
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an http or https URL: %s" % url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    connect_to = host_override or (parts.hostname, port)
    deadline = time.monotonic() + timeout
    connection = http.client.HTTPConnection(connect_to[0], connect_to[1], timeout=timeout)
    try:
        connection.connect()
        if parts.scheme == "https":
            connection.sock = (context or ssl.create_default_context()).wrap_socket(
                connection.sock, server_hostname=parts.hostname
            )
        target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        connection.sock.settimeout(_left(deadline))
        connection.request(
            method, target, body=body, headers={"Host": parts.netloc.rpartition("@")[2], **(headers or {})}
        )
        connection.sock.settimeout(_left(deadline))
        # The response takes the socket along when the server closes after it, so the deadline needs its own reference.
        sock = connection.sock
        answer = connection.getresponse()
        received = b""
        # A finished answer has closed its socket (HEAD and 204 at once; since Python 3.13 also a counted body).
        while len(received) < BODY_LIMIT and not answer.isclosed():
            sock.settimeout(_left(deadline))
            piece = answer.read1(min(65536, BODY_LIMIT - len(received)))
            if not piece:
                break
            received += piece
        return Response(answer.status, answer.headers, received)
    finally:
        connection.close()


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the answer did not end within the time given")
    return left
