# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.server
import os
import socket
import ssl
import subprocess
import threading

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _serving
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._serving import Endpoint
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._processes import Listener


class FakeNodeRed(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, statuses):
        super().__init__(("127.0.0.1", 0), Handler)
        self.statuses = statuses


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(self.server.statuses.get(self.path, 404))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def serve():
    servers = []

    def serve(statuses, context=None):
        server = FakeNodeRed(statuses)
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server.server_port

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        + ["-subj", "/CN=other.example", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True,
        capture_output=True,
    )
    return folder / "cert.pem", folder / "key.pem"


def tls(certificate, ask_client=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if certificate:
        context.load_cert_chain(*certificate)
    if ask_client:
        context.load_verify_locations(certificate[0])
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def at(port, scheme="http", admin_root="/", node_root="/", **more):
    return Endpoint(scheme, "0.0.0.0", port, admin_root, node_root, **more)


UP = {"/auth/login": 200, "/": 200}

ENDPOINTS = [
    ({"uiPort": 1881}, None, "http://127.0.0.1:1881/"),
    ({}, None, "http://127.0.0.1:1880/"),
    ({"uiPort": "1881"}, None, "http://127.0.0.1:1881/"),
    ({"uiPort": 1881}, "1882", "http://127.0.0.1:1882/"),
    ({"httpAdminRoot": "admin"}, None, "http://127.0.0.1:1880/admin/"),
    ({"httpRoot": "/x/", "httpAdminRoot": None}, None, "http://127.0.0.1:1880/x/"),
    ({"httpAdminRoot": False, "httpNodeRoot": "/n"}, None, "http://127.0.0.1:1880/n/"),
    ({"https": "function", "uiHost": "192.0.2.1"}, None, "https://192.0.2.1:1880/"),
    ({"uiHost": "::"}, None, "http://127.0.0.1:1880/"),
    ({"uiHost": "::1"}, None, "http://[::1]:1880/"),
]


@pytest.mark.parametrize("settings, option, url", ENDPOINTS)
def test_the_address_follows_from_the_settings_as_in_red_js(settings, option, url):
    assert _serving.endpoint(settings, option).url == url


def test_everything_can_be_switched_off():
    assert _serving.endpoint({"httpRoot": False}).headless
    assert not _serving.endpoint({"httpAdminRoot": False}).headless


@pytest.mark.parametrize("port", ["systemd", "abc", True, 99999, -1, 18.5])
def test_a_port_that_is_none_is_a_problem(port):
    where = _serving.endpoint({"uiPort": port})
    assert where.port is None
    assert "uiPort" in where.problem


@pytest.mark.parametrize("settings", [{"uiPort": 0}, {"uiPort": None, "uiPortKind": "object"}])
def test_any_port_will_do_for_some(settings):
    where = _serving.endpoint(settings)
    assert (where.port, where.problem) == (None, "")


def test_it_serves_when_login_and_editor_answer(serve):
    assert _serving.ask(at(serve(UP))).serving


@pytest.mark.parametrize(
    "statuses",
    [{}, {"/auth/login": 200, "/": 503}, {"/auth/login": 500, "/": 200}, {"/admin/auth/login": 200, "/admin/": 200}],
    ids=["nothing there", "flows not started", "error", "other root"],
)
def test_it_does_not_serve_when_they_do_not(serve, statuses):
    answer = _serving.ask(at(serve(statuses)))
    assert not answer.serving
    assert "HTTP status" in answer.reason


def test_without_an_editor_only_the_login_counts(serve):
    assert _serving.ask(at(serve({"/auth/login": 200}), editor=False)).serving


def test_without_an_admin_interface_any_answer_counts(serve):
    assert _serving.ask(at(serve({}), admin_root=None)).serving


def test_a_closed_port_does_not_serve():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        answer = _serving.ask(at(server.getsockname()[1]))
    assert not answer.serving
    assert "does not answer" in answer.reason


def test_a_certificate_of_its_own_making_is_fine_here(serve, certificate):
    assert _serving.ask(at(serve(UP, tls(certificate)), "https")).serving


def test_plain_http_where_https_is_expected_does_not_serve(serve):
    answer = _serving.ask(at(serve(UP), "https"))
    assert not answer.serving
    assert answer.tls_failed


def test_a_server_without_a_certificate_does_not_serve(serve):
    # What Node-RED does with https: {}.
    answer = _serving.ask(at(serve(UP, tls(None)), "https"))
    assert (answer.serving, answer.tls_failed) == (False, True)


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2])
def test_a_server_that_asks_for_a_client_certificate_serves(serve, certificate, newest):
    context = tls(certificate, ask_client=True)
    context.maximum_version = newest
    assert _serving.ask(at(serve(UP, context), "https", client_certificate=True)).serving


def test_what_is_in_effect_is_found_by_asking(serve):
    port = serve({"/old/auth/login": 200, "/old/": 200})
    found = _serving.found_among([Listener("0.0.0.0", port, 0)], at(1999, "https", "/old/"))
    assert found.url == f"http://127.0.0.1:{port}/old/"


def test_of_several_ports_the_one_that_answers_as_node_red_is_found(serve):
    other, port = serve({}), serve(UP)
    found = _serving.found_among([Listener("0.0.0.0", other, 0), Listener("0.0.0.0", port, 0)], at(1999))
    assert found.port == port


def test_below_an_unknown_root_the_port_is_still_told(serve):
    port = serve({"/unknown/auth/login": 200})
    found = _serving.found_among([Listener("0.0.0.0", port, 0)], at(1999))
    assert (found.url, found.admin_root) == (f"http://127.0.0.1:{port}/", None)


def test_nothing_is_found_without_a_listener():
    assert _serving.found_among([], at(1880)) is None


def test_no_proxy_of_the_environment_is_asked(serve, monkeypatch):
    monkeypatch.setitem(os.environ, "http_proxy", "http://127.0.0.1:1")
    assert _serving.ask(at(serve(UP))).serving
