# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What talks to a Node-RED ends in time, whatever the other side does (tests/integration/evil_server.py)."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import socket
import ssl
import threading
import time
from email.message import Message

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core import _channel, _http
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _serving
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._serving import Endpoint
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._processes import Listener
from ansible_collections.pifleet.nodered.plugins.module_utils._probe import (
    _comms_checks,
    _errors,
    _examination,
    _login_checks,
    _probe,
    _websocket,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._target import Target
from ansible_collections.pifleet.nodered.tests.certificates import Authority
from ansible_collections.pifleet.nodered.tests.integration.evil_server import BEHAVIOURS, EvilServer
from ansible_collections.pifleet.nodered.tests.unit.plugins.module_utils._probe.probing import probe

AUTHORITY = Authority()
LIMIT = 0.3
FAILS = (OSError, http.client.HTTPException)


@contextlib.contextmanager
def at_most(seconds):
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < seconds


def never_verified():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@pytest.mark.parametrize("behaviour", sorted(BEHAVIOURS))
def test_a_request_ends_in_time(behaviour):
    with EvilServer(behaviour) as evil, at_most(LIMIT + 1):
        try:
            response = _http.request(evil.url + "/flows", timeout=LIMIT)
        except FAILS:
            return
        assert len(response.body) <= _http.BODY_LIMIT


@pytest.mark.parametrize("behaviour", ["silent", "slow-header", "slow-body", "huge-length", "huge-chunk"])
def test_an_answer_that_does_not_come_is_a_timeout(behaviour):
    with EvilServer(behaviour) as evil, at_most(LIMIT + 1), pytest.raises((TimeoutError, http.client.IncompleteRead)):
        _http.request(evil.url, timeout=LIMIT)


@pytest.mark.parametrize("behaviour", ["endless-header", "continue-forever", "tiny-chunks"])
def test_an_answer_without_measure_is_not_read_to_the_end_of_the_time(behaviour):
    with EvilServer(behaviour) as evil, at_most(10), pytest.raises(http.client.HTTPException):
        _http.request(evil.url, timeout=20)


def test_of_a_body_without_end_the_beginning_is_read():
    with EvilServer("endless-body") as evil, at_most(10):
        assert len(_http.request(evil.url, timeout=20).body) == _http.BODY_LIMIT


@pytest.mark.parametrize("behaviour", ["silent", "slow-handshake"])
def test_a_handshake_ends_in_time(behaviour):
    with EvilServer(behaviour) as evil, at_most(LIMIT + 1), pytest.raises(OSError):
        _http.request(f"https://127.0.0.1:{evil.port}", timeout=LIMIT, context=never_verified())


@pytest.mark.parametrize("behaviour", ["nested-json", "huge-number"])
def test_json_without_measure_is_no_json(behaviour):
    with EvilServer(behaviour) as evil, at_most(5):
        body = _http.request(evil.url, timeout=4).body
        assert len(body) > 100000
        with pytest.raises(ValueError):
            _http.parsed_json(body)


@pytest.mark.parametrize("behaviour", sorted(BEHAVIOURS))
@pytest.mark.parametrize("connect", [_websocket.socket_io_by_polling, _websocket.socket_io_by_websocket])
def test_a_dashboard_is_asked_in_time(behaviour, connect):
    with EvilServer(behaviour) as evil, at_most(LIMIT + 1), contextlib.suppress(*FAILS):
        outcome = connect(evil.url + "/ui/socket.io/", {}, LIMIT, None)
        assert outcome not in (_websocket.OPEN, _websocket.REFUSED)


@pytest.mark.parametrize("behaviour", sorted(BEHAVIOURS))
def test_an_upgrade_ends_in_time(behaviour):
    with EvilServer(behaviour) as evil, at_most(LIMIT + 1), contextlib.suppress(*FAILS):
        _websocket.upgrade_status(evil.url + "/ws", {}, LIMIT)


def test_many_small_messages_are_not_waited_out():
    with EvilServer("tiny-websocket-packets") as evil, at_most(5), pytest.raises(_channel.TooMuch):
        _websocket.socket_io_by_websocket(evil.url + "/ui/socket.io/", {}, 20, None)


def test_many_small_packets_are_split_in_linear_time():
    with at_most(2):
        for body in (b"1:6" * 300000, b"6\x1e" * 500000, b"0:" * 500000):
            assert len(_websocket._packets(_http.Response(200, Message(), body))) <= _websocket.PACKETS_LIMIT


def test_a_message_in_small_pieces_is_read_in_linear_time():
    """As the kernel would hand them over: a byte at a time, 200,000 times."""

    class Pieces(_channel.Channel):
        def __init__(self, data):
            super().__init__(socket.socket(), time.monotonic() + 20)
            self.data = memoryview(data)

        def _receive_raw(self, count):
            piece, self.data = self.data[:1], self.data[1:]
            return bytes(piece)

    channel = Pieces(b"\x82\x7f" + (200000).to_bytes(8, "big") + b"x" * 200000)
    channel.allow(300000, "data")
    with at_most(5), channel:
        assert _websocket.Websocket(channel).receive() == b"x" * 200000


@pytest.mark.parametrize("sid", ["ä", "a b", "x" * 201, "a\r\nHost: x"])
def test_the_identifier_of_a_session_fits_into_a_url(sid):
    assert _websocket._session(f'0{{"sid":"{sid}"}}') is None


@pytest.mark.parametrize("behaviour", sorted(BEHAVIOURS))
def test_all_checks_together_end_in_time(behaviour, monkeypatch):
    monkeypatch.setattr(_comms_checks, "COMMS_LIMIT", LIMIT)
    paths = {"node_root": "/", "dashboard_sockets": ["/ui/socket.io/"], "websockets": ["/ws"]}
    with EvilServer(behaviour) as evil, at_most(1 + 1):
        checks = probe(
            evil.url, username="admin", password="x", closed_ports=[evil.port], timeout=LIMIT, seconds=1, **paths
        )
        assert any(check["status"] == "fail" for check in checks)
        assert all(check["found"].isprintable() for check in checks)


def test_when_the_time_is_used_up_the_checks_that_remain_fail_and_say_so():
    with EvilServer("slow-later") as evil, at_most(2):
        checks = {check["id"]: check for check in probe(evil.url, timeout=0.4, node_root="/")}
    assert checks["login_required"]["status"] == "pass"
    for late in ("wrong_password_refused", "node_pages_closed"):
        assert checks[late]["status"] == "fail"
        assert "no answer within 1.2 seconds, the limit of all checks together" in checks[late]["found"]


def test_silence_is_no_pass_where_the_probe_stopped_listening():
    """Nothing in the clear within 10 seconds is good; nothing within what is left for all checks is not."""
    with EvilServer("silent") as evil:
        target = Target(f"https://127.0.0.1:{evil.port}", seconds=0.2)
        examination = _examination.Examination(target, deadline=time.monotonic() + 0.2)
        check = next(one for one in _probe.CHECKS if one.id == "plain_http_refused")
        with at_most(2):
            assert _probe._judged(check, examination).status == "fail"
        examination.deadline, examination.target = time.monotonic() + 20, dataclasses.replace(target, timeout=0.2)
        assert _probe._judged(check, examination) == ("pass", "no answer")


def test_a_session_is_ended_even_when_the_time_is_used_up(monkeypatch):
    sent = []
    monkeypatch.setattr(
        _examination,
        "request",
        lambda url, **options: sent.append((url, options)) or _http.Response(200, Message(), b""),
    )
    examination = _examination.Examination(Target("http://127.0.0.1:1"), deadline=time.monotonic() - 1)
    assert _login_checks._revoke(examination, "token")
    assert sent[0][1]["timeout"] == _login_checks.REVOKE_LIMIT
    with pytest.raises(_errors.OutOfTime):
        examination.send("/settings")


@pytest.mark.parametrize("token", ["a\r\nb", "ä", "a b", "x" * 5000, "", 7, ["x"]])
def test_a_token_that_fits_into_no_header_is_no_session(token):
    body = as_json({"access_token": token})
    assert _login_checks._token(_http.Response(200, Message(), body)) is None


def as_json(value):
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    "user",
    [
        7,
        [],
        {"username": ["x"], "permissions": [["*"]]},
        {"username": {"a": 1}, "permissions": {"a": 1}, "anonymous": True},
        {"username": "\x1b]0;x\x07", "permissions": ["\x1b[2J" * 1000], "anonymous": True},
    ],
)
def test_settings_with_values_of_another_type_are_judged(user, monkeypatch):
    def answer(url, **_options):
        known = {"/settings": {"user": user, "httpNodeRoot": ["x"], "version": {}}, "/auth/login": {"type": [["x"]]}}
        path = url[len("http://127.0.0.1:1") :]
        return _http.Response(200, Message(), as_json(known.get(path, {})))

    monkeypatch.setattr(_examination, "request", answer)
    monkeypatch.setattr(_comms_checks, "listen_to_comms", lambda *_arguments: "open")
    for check in probe("http://127.0.0.1:1", timeout=1):
        assert check["found"].isprintable() and len(check["found"]) <= _probe.FOUND_LIMIT


# --- on the Pi, after a restart ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("behaviour", ["silent", "slow-header", "slow-body", "slow-handshake", "endless-body"])
def test_whether_it_serves_is_asked_in_time(behaviour, scheme):
    with EvilServer(behaviour) as evil, at_most(2 * LIMIT + 1):
        _serving.ask(Endpoint(scheme, "127.0.0.1", evil.port, "/", "/"), LIMIT)


@pytest.mark.parametrize("behaviour", ["silent", "slow-header", "slow-handshake"])
def test_a_search_among_ports_that_say_nothing_ends_in_time(behaviour, monkeypatch):
    monkeypatch.setattr(_serving, "SEARCH_SECONDS", 1)
    with contextlib.ExitStack() as stack:
        ports = [stack.enter_context(EvilServer(behaviour)).port for _number in range(9)]
        with at_most(2.5):
            wanted = Endpoint("https", "127.0.0.1", 1, "/red/", "/")
            assert _serving.found_among([Listener("127.0.0.1", port, 0) for port in ports], wanted) is None


def test_a_search_ends_where_every_root_but_one_is_slow(monkeypatch):
    """The second search, below unknown roots, has the same end."""
    asked = []

    def ask_path(where, path, timeout, missing_is_fine=False):
        asked.append(timeout)
        time.sleep(min(timeout, 0.2))
        return _serving.Answer(False, "")

    monkeypatch.setattr(_serving, "SEARCH_SECONDS", 1)
    monkeypatch.setattr(_serving, "_ask_path", ask_path)
    with at_most(2):
        listeners = [Listener("127.0.0.1", port, 0) for port in range(2, 11)]
        assert _serving.found_among(listeners, Endpoint("https", "127.0.0.1", 1, "/red/", "/")) is None


# --- TLS --------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def tls_server(tmp_path, play):
    """A TLS server that plays this with its first client."""
    issued = AUTHORITY.issue("127.0.0.1")
    (tmp_path / "c.pem").write_text(issued.certificate)
    (tmp_path / "c.key").write_text(issued.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "c.pem", tmp_path / "c.key")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)

        def serve():
            with contextlib.suppress(OSError), listening.accept()[0] as plain:
                plain.settimeout(10)
                with context.wrap_socket(plain, server_side=True) as secure:
                    play(secure)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
    thread.join(10)


def test_an_answer_over_tls_comes_whole(tmp_path):
    def play(secure):
        request = secure.recv(65536)
        while not request.endswith(b"!" * 10):
            request += secure.recv(65536)
        secure.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _number in range(30):
            secure.sendall(b"x" * 10000)

    with tls_server(tmp_path, play) as port:
        response = _http.request(
            f"https://127.0.0.1:{port}",
            method="POST",
            body=b"y" * 300000 + b"!" * 10,
            timeout=10,
            context=_http.verifying_context(authorities=AUTHORITY.certificate),
        )
    assert response.body == b"x" * 300000


def test_an_answer_over_tls_that_dribbles_ends_in_time(tmp_path):
    def play(secure):
        secure.recv(65536)
        secure.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _number in range(100):
            secure.sendall(b"x")
            time.sleep(0.02)

    with tls_server(tmp_path, play) as port, at_most(LIMIT + 1), pytest.raises(TimeoutError):
        _http.request(f"https://127.0.0.1:{port}", timeout=LIMIT, context=never_verified())


def test_a_certificate_of_somebody_else_is_told(tmp_path):
    with tls_server(tmp_path, lambda secure: None) as port, pytest.raises(ssl.SSLCertVerificationError):
        context = ssl.create_default_context(cadata=Authority("Somebody else").certificate)
        _http.request(f"https://127.0.0.1:{port}", timeout=5, context=context)


def test_an_end_within_the_handshake_is_told():
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def hang_up():
            with listening.accept()[0] as connection:
                connection.recv(65536)

        thread = threading.Thread(target=hang_up, daemon=True)
        thread.start()
        # Which of the two depends on the release of Python and OpenSSL.
        with at_most(3), pytest.raises((ssl.SSLEOFError, ssl.SSLZeroReturnError)):
            _http.request(f"https://127.0.0.1:{listening.getsockname()[1]}", timeout=5, context=never_verified())
        thread.join(5)


def test_a_peer_that_does_not_take_the_request_is_a_timeout():
    with EvilServer("silent") as evil, at_most(LIMIT + 1), pytest.raises(TimeoutError):
        _http.request(evil.url, method="POST", body=b"x" * 50_000_000, timeout=LIMIT)


def test_an_address_that_swallows_packets_leaves_time_for_the_next(monkeypatch):
    with EvilServer("slow-later") as evil:
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 9)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", evil.port)),
        ]
        real = socket.socket.connect

        def connect(sock, address):
            if address[0] == "192.0.2.1":
                time.sleep(sock.gettimeout())
                raise TimeoutError("timed out")
            return real(sock, address)

        monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_options: found)
        monkeypatch.setattr(socket.socket, "connect", connect)
        assert _http.request("http://pi.local/auth/login", timeout=1).status == 200


def test_a_name_that_no_resolver_takes_is_an_unknown_name():
    with pytest.raises(socket.gaierror):
        _http.request("http://%s.local/" % ("x" * 70), timeout=1)
