# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.client
import socket
import threading
import time

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core import _http


@pytest.fixture
def answer():
    """A server that reads one request and sends these bytes, one piece after the other."""
    servers = []

    def answer(*pieces, pause=0.0):
        server = socket.create_server(("127.0.0.1", 0))
        requests = []

        def run():
            connection = server.accept()[0]
            with connection:
                requests.append(connection.recv(65536))
                for piece in pieces:
                    try:
                        connection.sendall(piece)
                    except OSError:
                        return
                    time.sleep(pause)

        threading.Thread(target=run, daemon=True).start()
        servers.append(server)
        return server.getsockname()[1], requests

    yield answer
    for server in servers:
        server.close()


def test_status_headers_and_body_come_back_whatever_they_are(answer):
    port, requests = answer(
        b'HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm="Users"\r\nContent-Length: 4\r\n\r\nnope'
    )
    response = _http.request(f"http://127.0.0.1:{port}/settings?x=1", timeout=5)
    assert (response.status, response.body) == (401, b"nope")
    assert response.headers["www-authenticate"] == 'Bearer realm="Users"'
    assert requests[0].startswith(b"GET /settings?x=1 HTTP/1.1\r\n")
    assert b"\r\nHost: 127.0.0.1:%d\r\n" % port in requests[0]


def test_a_redirect_is_an_answer(answer):
    port, _requests = answer(b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n")
    assert _http.request(f"http://127.0.0.1:{port}/", timeout=5).status == 302


def test_an_answer_that_dribbles_ends_with_the_time_given(answer):
    port, _requests = answer(b"HTTP/1.1 200 OK\r\n\r\n", *[b"x"] * 50, pause=0.1)
    started = time.monotonic()
    with pytest.raises(OSError):
        _http.request(f"http://127.0.0.1:{port}/", timeout=0.5)
    assert time.monotonic() - started < 2


def test_what_is_no_http_is_told_apart(answer):
    port, _requests = answer(b"220 mail.example ESMTP\r\n")
    with pytest.raises(http.client.HTTPException):
        _http.request(f"http://127.0.0.1:{port}/", timeout=5)


def test_other_schemes_are_refused():
    with pytest.raises(ValueError):
        _http.request("file:///etc/passwd", timeout=1)
