# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Also a bad certificate is seen, by handshakes with a small server."""

from __future__ import annotations

import socket
import ssl
import threading

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._audit._seen_certificate import seen
from ansible_collections.pifleet.nodered.tests.certificates import Authority
from cryptography.hazmat.primitives.asymmetric import rsa

AUTHORITY = Authority()
HOST = "127.0.0.1"


@pytest.fixture
def serve(tmp_path):
    """Start a server that makes handshakes with this certificate; its port."""
    sockets = []

    def start(issued, **different):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("ALL:@SECLEVEL=0")
        (tmp_path / "pair.pem").write_text(issued.certificate + issued.key)
        context.load_cert_chain(tmp_path / "pair.pem")
        for name, value in different.items():
            setattr(context, name, value)
        listening = socket.create_server((HOST, 0))
        sockets.append(listening)
        threading.Thread(target=_answer, args=(listening, context), daemon=True).start()
        return listening.getsockname()[1]

    yield start
    for one in sockets:
        one.close()


def _answer(listening, context):
    while True:
        try:
            connection, _address = listening.accept()
        except OSError:
            return
        try:
            context.wrap_socket(connection, server_side=True).close()
        except OSError:
            connection.close()


def test_a_certificate_of_a_trusted_authority_is_trusted(serve):
    issued = AUTHORITY.issue(HOST)
    certificate = seen(HOST, serve(issued), authorities=AUTHORITY.certificate, seconds=5)
    assert certificate.pem == issued.certificate
    assert certificate.untrusted == ""


def test_another_name_a_date_or_a_weak_key_is_no_matter_of_trust(serve):
    for issued in (
        AUTHORITY.issue("elsewhere.example"),
        AUTHORITY.issue(HOST, since=-9, until=-1),
        AUTHORITY.issue(HOST, key=rsa.generate_private_key(65537, 1024)),
    ):
        certificate = seen(HOST, serve(issued), authorities=AUTHORITY.certificate, seconds=5)
        assert certificate.pem == issued.certificate
        assert certificate.untrusted == ""


def test_a_certificate_of_an_unknown_authority_is_not_trusted(serve):
    for authorities in ("", Authority("Another").certificate):
        certificate = seen(HOST, serve(AUTHORITY.issue(HOST)), authorities=authorities, seconds=5)
        assert "BEGIN CERTIFICATE" in certificate.pem
        assert certificate.untrusted.startswith("It is not trusted: ")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_what_speaks_only_old_tls_is_seen_as_well(serve):
    old = serve(AUTHORITY.issue(HOST), minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
    assert "BEGIN CERTIFICATE" in seen(HOST, old, authorities=AUTHORITY.certificate, seconds=5).pem


def test_without_a_server_the_reason_is_given():
    with socket.create_server((HOST, 0)) as unused:
        port = unused.getsockname()[1]
    certificate = seen(HOST, port, seconds=5)
    assert certificate.pem == ""
    assert "refuses the connection" in certificate.why_unknown
