# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that plays one hostile behaviour on every connection, in place of Node-RED.

    python3 evil_server.py BEHAVIOUR PORT [--address 0.0.0.0] [--seconds 300] [--pause 0.2]

It needs the standard library only, so that a test can copy it to a machine; unit tests import it. It ends by itself.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import socket
import threading
import time

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Client:
    """One connection: what was asked for, and ways to answer until the server's time is over."""

    def __init__(self, connection, end, pause):
        self.connection = connection
        self.end = end
        self.pause = pause
        self.request = b""

    def read_request(self):
        self.connection.settimeout(max(0.1, self.end - time.monotonic()))
        while b"\r\n\r\n" not in self.request:
            piece = self.connection.recv(65536)
            if not piece:
                break
            self.request += piece

    @property
    def path(self):
        words = self.request.split(b" ", 2)
        return words[1].decode("latin-1") if len(words) > 1 else ""

    def send(self, data):
        self.connection.settimeout(max(0.1, self.end - time.monotonic()))
        self.connection.sendall(data)

    def answer(self, body=b"", status=b"200 OK", headers=b""):
        self.send(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n" % (status, len(body), headers) + body)

    def upgrade(self):
        """Begin a websocket where one is asked for."""
        key = re.search(rb"(?i)\r\nSec-WebSocket-Key: *([^\r]+)", self.request)
        if key is None:
            return False
        proof = base64.b64encode(hashlib.sha1(key.group(1) + GUID).digest())
        self.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %s\r\n\r\n" % proof
        )
        return True

    def repeat(self, data, pause=None):
        """Send this again and again, with a pause after each."""
        while time.monotonic() < self.end:
            self.send(data)
            time.sleep(self.pause if pause is None else pause)


def silent(client):
    """Accept and never answer."""
    client.repeat(b"")


def slow_header(client):
    """One byte of a header at a time."""
    client.send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    client.repeat(b"x")


def endless_header(client):
    """Headers without end, as fast as they are taken."""
    client.send(b"HTTP/1.1 200 OK\r\n")
    client.repeat(b"X-More: %s\r\n" % (b"x" * 1000), pause=0)


def continue_forever(client):
    """Promise the answer again and again."""
    client.repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 100, pause=0)


def slow_body(client):
    """One byte of the body at a time."""
    client.send(b"HTTP/1.1 200 OK\r\n\r\n")
    client.repeat(b"x")


def endless_body(client):
    """A body without end, as fast as it is taken."""
    client.send(b"HTTP/1.1 200 OK\r\n\r\n")
    client.repeat(b"x" * 65536, pause=0)


def tiny_chunks(client):
    """A body without end in chunks of one byte."""
    client.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    client.repeat(b"1\r\nx\r\n" * 10000, pause=0)


def huge_length(client):
    """Announce lengths that no number has room for: a body, a packet of socket.io, a websocket frame."""
    if client.upgrade():
        client.send(b"\x81\x7f" + b"\xff" * 8)
    elif "transport=polling" in client.path and "sid=" not in client.path:
        client.answer(b"9" * 5000 + b":0{}")
    else:
        client.send(b"HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n{}" % (b"9" * 5000))
    client.repeat(b"")


def huge_chunk(client):
    """Announce a chunk of a size with 5000 digits."""
    client.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\nx" % (b"f" * 5000))
    client.repeat(b"")


def huge_number(client):
    """JSON with a number of 200,000 digits."""
    client.answer(b'{"type": %s}' % (b"9" * 200000))


def nested_json(client):
    """JSON that is too deep for any parser; also as the first packet of socket.io."""
    deep = b"[" * 100000
    client.answer(b"0" + deep if "transport=polling" in client.path else b'{"type": ' + deep)


def tiny_websocket_packets(client):
    """A websocket that sends empty messages without end; socket.io packets of one byte in one answer."""
    if client.upgrade():
        client.repeat(b"\x81\x00" * 10000, pause=0)
    client.answer(b"1:6" * 300000)


def slow_websocket_packet(client):
    """A websocket message of 100,000 bytes in pieces of one byte."""
    if client.upgrade():
        client.send(b"\x82\x7f" + (100000).to_bytes(8, "big"))
    client.repeat(b"x")


def slow_handshake(client):
    """The beginning of a TLS handshake, one byte at a time."""
    client.send(b"\x16\x03\x03\x40\x00")
    client.repeat(b"\x02")


def slow_later(client):
    """Answer as a Node-RED with a login until the probe is convinced, then no faster than a byte at a time."""
    if client.path.endswith("/auth/login"):
        client.answer(json.dumps({"type": "credentials", "prompts": []}).encode())
    elif client.path.endswith("/settings"):
        client.answer(b"Unauthorized", b"401 Unauthorized", b'WWW-Authenticate: Bearer realm="Users"\r\n')
    else:
        slow_header(client)


def just_in_time(client):
    """Be a Node-RED with a login to a restart, and answer all that only the probe asks as slowly as it allows."""
    if client.path.endswith("/auth/login"):
        client.answer(json.dumps({"type": "credentials", "prompts": []}).encode())
    elif client.path == "/":
        client.answer(b"<html></html>")
    else:
        time.sleep(40 * client.pause)
        client.answer(b"Unauthorized", b"401 Unauthorized", b'WWW-Authenticate: Bearer realm="Users"\r\n')


BEHAVIOURS = {
    play.__name__.replace("_", "-"): play
    for play in (
        silent, slow_header, endless_header, continue_forever, slow_body, endless_body, tiny_chunks, huge_length,
        huge_chunk, huge_number, nested_json, tiny_websocket_packets, slow_websocket_packet, slow_handshake, slow_later,
        just_in_time,
    )
}  # fmt: skip
# A TLS client says nothing that ends like an HTTP request.
WITHOUT_A_REQUEST = ("silent", "slow-handshake")


class EvilServer:
    """Plays a behaviour for some seconds. As a context manager, it plays in the background."""

    def __init__(self, behaviour, port=0, address="127.0.0.1", seconds=20.0, pause=0.02):
        self.behaviour = behaviour
        self.pause = pause
        self.seconds = seconds
        self.listening = socket.create_server((address, port))
        self.port = self.listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.end = time.monotonic() + seconds

    def __enter__(self):
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def __exit__(self, *_error):
        self.end = time.monotonic()
        self.listening.close()

    def serve(self):
        while time.monotonic() < self.end:
            try:
                self.listening.settimeout(max(0.1, self.end - time.monotonic()))
                connection = self.listening.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._play, args=(connection,), daemon=True).start()

    def _play(self, connection):
        client = Client(connection, min(self.end, time.monotonic() + self.seconds), self.pause)
        with connection:
            try:
                if self.behaviour not in WITHOUT_A_REQUEST:
                    client.read_request()
                BEHAVIOURS[self.behaviour](client)
            except OSError:
                return


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("behaviour", choices=sorted(BEHAVIOURS))
    parser.add_argument("port", type=int)
    parser.add_argument("--address", default="0.0.0.0")
    parser.add_argument("--seconds", type=float, default=300, help="after which the program ends")
    parser.add_argument("--pause", type=float, default=0.2, help="seconds between two bytes of what is slow")
    given = parser.parse_args()
    EvilServer(given.behaviour, given.port, given.address, given.seconds, given.pause).serve()


if __name__ == "__main__":
    main()
