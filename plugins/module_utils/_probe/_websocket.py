# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: a websocket client with what a probe needs (RFC 6455), and the first
steps of socket.io over it and over polling (socket.io-protocol 5 and 4).

Like `_http`, it takes nothing from the environment and ends within the time given, also with a hostile server.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import io
import os
import re
import ssl
import time
from typing import Dict, Iterator, List, Mapping, Optional
from urllib.parse import urlsplit

from ansible_collections.pifleet.nodered.plugins.module_utils._core._channel import (
    Channel,
    TooMuch,
    channel_to,
    seconds_left,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._core._http import (
    HEAD_LIMIT,
    Response,
    address_of,
    parsed_json,
    request,
    verifying_context,
)

# What is judged comes within the first few messages.
MESSAGES_LIMIT = 1024 * 1024
FRAMES_LIMIT = 1000
PACKETS_LIMIT = 1000
POLLS_LIMIT = 100

# What became of an attempt to connect to a socket.io server: any other answer is described in words.
OPEN, REFUSED, ABSENT = "open", "refused", "absent"


class Websocket:
    """A connection for a websocket. Every step raises TimeoutError when the channel's time is over."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.reader = io.BufferedReader(channel)
        self.frames = 0

    def upgrade(self, host: str, path: str, headers: Optional[Mapping[str, str]] = None) -> int:
        """The status of the answer to the upgrade; 101 only where it is a websocket."""
        key = base64.b64encode(os.urandom(16)).decode("ascii")
        more = "".join("%s: %s\r\n" % header for header in (headers or {}).items())
        self.channel.sendall(
            (
                "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n%s\r\n" % (path, host, key, more)
            ).encode("ascii")
        )
        self.channel.allow(HEAD_LIMIT, "headers")
        line = self.reader.readline(HEAD_LIMIT)
        if not line:
            raise ConnectionResetError("no answer to the upgrade")
        matched = re.match(rb"HTTP/1\.[01] (\d{3})\b", line)
        if matched is None:
            raise http.client.BadStatusLine("no HTTP")
        answered = http.client.parse_headers(self.reader)
        self.channel.allow(MESSAGES_LIMIT, "websocket messages")
        # RFC 6455 section 1.3: the answer to our key shows that the server speaks the websocket protocol.
        proof = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode("ascii")).digest())
        if matched.group(1) == b"101" and answered.get("Sec-WebSocket-Accept", "").strip() != proof.decode("ascii"):
            return 502
        return int(matched.group(1))

    def send_text(self, text: str) -> None:
        payload = text.encode("utf-8")
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        self.channel.sendall(bytes([0x81, 0x80 | len(payload)]) + mask + masked)

    def receive(self) -> Optional[bytes]:
        """The next data frame's payload, empty for a control frame, None where the connection was closed."""
        self.frames += 1
        if self.frames > FRAMES_LIMIT:
            raise TooMuch("more websocket messages than Node-RED sends")
        header = self._take(2)
        if header is None or header[0] & 0x0F == 0x8:
            return None
        length = header[1] & 0x7F
        if length >= 126:
            extended = self._take(2 if length == 126 else 8)
            if extended is None:
                return None
            length = int.from_bytes(extended, "big")
        if length > MESSAGES_LIMIT:
            raise TooMuch("a longer websocket message than Node-RED sends")
        payload = self._take(length)
        return b"" if header[0] & 0x0F >= 0x8 else payload

    def _take(self, count: int) -> Optional[bytes]:
        try:
            taken = self.reader.read(count)
        except ConnectionError:
            return None
        return taken if len(taken) == count else None


@contextlib.contextmanager
def connected(url: str, limit: float, context: Optional[ssl.SSLContext]) -> Iterator[Websocket]:
    """A connection to the server of this http or https URL, not upgraded yet, that ends after `limit` seconds."""
    host, port = address_of(url)
    context = (context or verifying_context()) if urlsplit(url).scheme == "https" else None
    deadline = time.monotonic() + limit
    with channel_to(host, port, deadline, context=context, name=host) as channel:
        yield Websocket(channel)


def upgrade_status(url: str, headers: Mapping[str, str], limit: float, context: Optional[ssl.SSLContext] = None) -> int:
    """The status of the answer to an attempt to open a websocket at this URL: 101 where it was opened."""
    parts = urlsplit(url)
    with connected(url, limit, context) as channel:
        return channel.upgrade(parts.netloc, parts.path, headers)


def socket_io_by_polling(
    url: str, headers: Mapping[str, str], limit: float, context: Optional[ssl.SSLContext] = None
) -> str:
    """Connect to the socket.io server at this URL by HTTP requests: OPEN, REFUSED, ABSENT, or what came instead.

    The answer to the first request is the same for all clients; only that to the packet "connect" counts.
    """
    deadline = time.monotonic() + limit

    def send(query: str, body: Optional[bytes] = None) -> Response:
        more = {"Content-Type": "text/plain;charset=UTF-8"} if body is not None else {}
        method = "GET" if body is None else "POST"
        left = seconds_left(deadline)
        return request(
            "%s?EIO=4&transport=polling%s" % (url, query),
            method=method, headers={**headers, **more}, body=body, timeout=left, context=context,
        )  # fmt: skip

    first = send("")
    if first.status in (401, 403, 404):
        return ABSENT
    packets = _packets(first)
    session = _session(packets[0]) if first.status == 200 and packets else None
    if session is None:
        return "HTTP %d, but no socket.io" % first.status
    query = "&sid=" + session
    if not _framed(first):
        # From protocol 5 on (socket.io 3), a client has to ask; before, it is connected at once.
        send(query, b"40")
    outcome = _outcome(packets)
    for _poll in range(POLLS_LIMIT):
        if outcome is not None:
            return outcome
        try:
            answer = send(query)
        except TimeoutError:
            break
        if answer.status != 200:
            return "HTTP %d after the handshake" % answer.status
        outcome = _outcome(_packets(answer))
    return outcome or "no answer to the packet that connects"


def socket_io_by_websocket(
    url: str, headers: Mapping[str, str], limit: float, context: Optional[ssl.SSLContext] = None
) -> str:
    """The same over a websocket from the first packet on."""
    parts = urlsplit(url)
    with connected(url, limit, context) as channel:
        status = channel.upgrade(parts.netloc, parts.path + "?EIO=4&transport=websocket", headers)
        if status in (401, 403, 404):
            return ABSENT
        if status != 101:
            return "HTTP %d instead of a websocket" % status
        try:
            while True:
                message = channel.receive()
                if message is None:
                    return REFUSED
                text = message.decode("utf-8", "replace")
                if text.startswith("0{"):
                    channel.send_text("40")
                outcome = _outcome([text])
                if outcome:
                    return outcome
        except TimeoutError:
            return "no answer to the packet that connects"


def _framed(response: Response) -> bool:
    """Whether packets have their length in front, as up to protocol 4."""
    return re.match(rb"[0-9]{1,7}:0", response.body) is not None


def _packets(response: Response) -> List[str]:
    """The first packets of an answer."""
    text = response.body.decode("utf-8", "replace")
    if not re.match(r"[0-9]{1,7}:[0-9]", text):
        return text.split("\x1e", PACKETS_LIMIT)[:PACKETS_LIMIT]
    packets: List[str] = []
    length = re.compile(r"([0-9]{1,7}):")
    found = length.match(text)
    while found and len(packets) < PACKETS_LIMIT:
        end = found.end() + int(found.group(1))
        packets.append(text[found.end() : end])
        found = length.match(text, end)
    return packets


def _session(packet: str) -> Optional[str]:
    try:
        session = parsed_json(packet[1:].encode("utf-8"))["sid"] if packet.startswith("0") else None
    except (ValueError, KeyError, TypeError):
        return None
    return session if isinstance(session, str) and re.fullmatch(r"[A-Za-z0-9_-]{1,200}", session) else None


def _outcome(packets: List[str]) -> Optional[str]:
    """What the server says of the packet that connects: 40 yes, 44 no, 41 or 1 the end."""
    kinds: Dict[str, str] = {"40": OPEN, "44": REFUSED, "41": REFUSED}
    found = [kinds[packet[:2]] for packet in packets if packet[:2] in kinds]
    return found[0] if found else (REFUSED if "1" in packets else None)
