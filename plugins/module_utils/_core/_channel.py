# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: a connection to a server that may be hostile.

Connecting, the TLS handshake, everything that is sent and everything that is received end at one deadline, also with a
hostile peer, and no more is received than was allowed. Only the lookup of a name has its own limit, that of the
system's resolver (resolv.conf).

A timeout of a socket would not do: it begins again with every byte that arrives. Nor would that of ssl.SSLSocket: one
read goes on inside of OpenSSL for as long as the peer sends what is no data, such as session tickets.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import ssl
import time
from typing import Any, Callable, Iterator, Optional

PIECE = 65536


class TooMuch(http.client.HTTPException):
    """The peer sends more than any answer of Node-RED has."""


def seconds_left(deadline: float) -> float:
    """Seconds until this moment of the monotonic clock. Raises TimeoutError where it is over."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the answer did not end within the time given")
    return left


class Channel(io.RawIOBase):
    """A connection, over TLS after `start_tls`; reading raises TimeoutError, ConnectionError, ssl.SSLError, TooMuch."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        super().__init__()
        self.deadline = deadline
        self.tls: Any = None
        """The ssl.SSLObject after `start_tls`."""
        self._sock = sock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._allowed, self._allowed_for = 0, "data"

    def close(self) -> None:
        self._sock.close()
        super().close()

    def readable(self) -> bool:
        return True

    def allow(self, count: int, purpose: str) -> None:
        """Let `count` bytes be read from now on, and no more; `purpose` names them in the error."""
        self._allowed, self._allowed_for = count, purpose

    def readinto(self, buffer: Any) -> int:
        if self._allowed <= 0:
            raise TooMuch("more %s than Node-RED sends" % self._allowed_for)
        piece = self.receive(min(len(buffer), self._allowed))
        self._allowed -= len(piece)
        buffer[: len(piece)] = piece
        return len(piece)

    def receive(self, count: int) -> bytes:
        """Up to `count` bytes; none where the peer has ended the connection."""
        if self.tls is None:
            return self._receive_raw(count)
        try:
            received: bytes = self._in_tls(self.tls.read, count)
            return received
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            # An end without a farewell, as many servers do it; the length of an answer is checked by its reader.
            return b""

    def sendall(self, data: bytes) -> None:
        if self.tls is None:
            self._send_raw(data)
            return
        unsent = memoryview(data)
        while unsent:
            unsent = unsent[self._in_tls(self.tls.write, unsent) :]

    def start_tls(self, context: ssl.SSLContext, name: Optional[str]) -> None:
        """Make the handshake, as for the server of this name."""
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._in_tls(self.tls.do_handshake)

    def _in_tls(self, step: Callable[..., Any], *arguments: Any) -> Any:
        """Let OpenSSL do this with what has arrived so far, and get it more until it is done."""
        ended = False
        while True:
            try:
                done = step(*arguments)
            except ssl.SSLWantReadError:
                if ended:
                    raise ConnectionResetError("the connection ended within the TLS protocol") from None
            except ssl.SSLError:
                # Send the peer the alert that names the reason, if it still listens.
                with contextlib.suppress(OSError):
                    self._send_raw(self._outgoing.read())
                raise
            else:
                self._send_raw(self._outgoing.read())
                return done
            self._send_raw(self._outgoing.read())
            piece = self._receive_raw(PIECE)
            ended = not piece
            if ended:
                self._incoming.write_eof()
            else:
                self._incoming.write(piece)

    def _receive_raw(self, count: int) -> bytes:
        self._sock.settimeout(seconds_left(self.deadline))
        try:
            return self._sock.recv(count)
        except socket.timeout:  # not TimeoutError itself before Python 3.10
            raise TimeoutError("the answer did not end within the time given") from None

    def _send_raw(self, data: bytes) -> None:
        if not data:
            return
        self._sock.settimeout(seconds_left(self.deadline))
        try:
            self._sock.sendall(data)
        except socket.timeout:
            raise TimeoutError("the request was not taken within the time given") from None


@contextlib.contextmanager
def channel_to(
    host: str, port: int, deadline: float, *, context: Optional[ssl.SSLContext] = None, name: Optional[str] = None
) -> Iterator[Channel]:
    """A connection that ends at the deadline (monotonic clock); over TLS with a `context`, to the server `name`."""
    with Channel(_reached(host, port, deadline), deadline) as channel:
        if context is not None:
            channel.start_tls(context, name)
        yield channel


def _reached(host: str, port: int, deadline: float) -> socket.socket:
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from None
    error: OSError = ConnectionError("%s has no address" % host)
    for number, (family, kind, protocol, _name, address) in enumerate(addresses):
        # An address that swallows every packet leaves the others their share of the time.
        share = seconds_left(deadline) / (len(addresses) - number)
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(share)
            sock.connect(address)
            return sock
        except socket.timeout:
            error = TimeoutError("no connection within the time given")
        except OSError as caught:
            error = caught
        sock.close()
    raise error
