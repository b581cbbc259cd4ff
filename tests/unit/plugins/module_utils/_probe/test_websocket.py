# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first steps of socket.io, against a small server that answers as those in both dashboards do."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import threading

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._probe import _websocket
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._websocket import ABSENT, OPEN, REFUSED

HANDSHAKE = '0{"sid":"a-B_1","upgrades":["websocket"]}'
KEY = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class FakeSocketIo(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answers, status=200):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = list(answers)
        self.status = status
        self.received = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/ui/socket.io/"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_args):
        pass

    def reply(self, text):
        body = text.encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.server.received.append((self.path, self.headers.get("Authorization")))
        if "transport=websocket" in self.path and self.server.status == 200:
            self.talk()
        else:
            self.reply(self.server.answers.pop(0) if self.server.answers else "6")

    def do_POST(self):
        self.server.received.append((self.path, self.rfile.read(int(self.headers["Content-Length"])).decode()))
        self.reply("ok")

    def talk(self):
        proof = hashlib.sha1((self.headers["Sec-WebSocket-Key"] + KEY).encode()).digest()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(proof).decode())
        self.end_headers()
        for text in self.server.answers:
            self.wfile.write(bytes([0x81, len(text)]) + text.encode())
        self.close_connection = True


@contextlib.contextmanager
def serving(*answers, status=200):
    server = FakeSocketIo(answers, status)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def by_polling(server, headers=None, limit=3):
    return _websocket.socket_io_by_polling(server.url, headers or {}, limit)


def by_websocket(server, headers=None, limit=3):
    return _websocket.socket_io_by_websocket(server.url, headers or {}, limit)


@pytest.mark.parametrize(
    "answer, outcome",
    [
        ('40{"sid":"x"}\x1e42["ui-controls",{}]', OPEN),
        ('44{"message":"unauthorized"}', REFUSED),
        ("41", REFUSED),
        ("1", REFUSED),
    ],
)
def test_the_packet_after_the_handshake_counts(answer, outcome):
    with serving(HANDSHAKE, answer) as server:
        assert by_polling(server, {"Authorization": "Basic eA=="}) == outcome
        assert server.received[1] == ("/ui/socket.io/?EIO=4&transport=polling&sid=a-B_1", "40")
        assert server.received[2][1] == "Basic eA=="
    with serving(HANDSHAKE, *answer.split("\x1e")) as server:
        assert by_websocket(server) == outcome


def test_packets_of_no_meaning_are_waited_out():
    with serving(HANDSHAKE, "2", "6", "44{}") as server:
        assert by_polling(server) == REFUSED


def test_older_servers_connect_at_once():
    with serving('41:0{"sid":"a-B_1","upgrades":["websocket"]}2:40') as server:
        assert by_polling(server) == OPEN
        assert len(server.received) == 1
    with serving('41:0{"sid":"a-B_1","upgrades":["websocket"]}', '16:44"unauthorized"') as server:
        assert by_polling(server) == REFUSED


@pytest.mark.parametrize("status", [401, 403, 404])
def test_no_socket_is_no_open_socket(status):
    with serving("Cannot GET", "Cannot GET", status=status) as server:
        assert by_polling(server) == ABSENT
        assert by_websocket(server) == ABSENT


@pytest.mark.parametrize("answer", ["<html>", "", "0{}", "0[", '0{"sid":"a/../b"}'])
def test_something_else_is_told_in_words(answer):
    with serving(answer) as server:
        assert by_polling(server) == "HTTP 200, but no socket.io"


def test_silence_is_told_in_words():
    with serving(HANDSHAKE, *["6"] * 10000) as server:
        assert by_polling(server, limit=0.5) == "no answer to the packet that connects"


def test_a_websocket_that_is_hung_up_on_was_refused():
    with serving(HANDSHAKE) as server:
        assert by_websocket(server) == REFUSED


@pytest.mark.parametrize("status, told", [(200, 101), (401, 401)])
def test_the_status_of_an_upgrade_is_told(status, told):
    with serving(HANDSHAKE, status=status) as server:
        assert _websocket.upgrade_status(server.url + "transport=websocket", {}, 3) == told
