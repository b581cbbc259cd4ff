# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handshakes with every machine: what it shows, whom it lets in, and that a renewal needed no restart."""

from __future__ import annotations

import datetime
import http.client
import socket
import ssl
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12

PORT = 1880
CURRENT = "/etc/nodered-tls/nodered/current"


@pytest.fixture
def authority(inventory_folder):
    return inventory_folder / ".nodered-authority"


@pytest.fixture
def visitor(authority):
    """Somebody who was given the authority's certificate, and a client certificate."""
    context = ssl.create_default_context(cafile=authority / "authority.pem")
    context.load_cert_chain(authority / "clients" / "proof.pem", authority / "clients" / "proof.key")
    return context


@pytest.fixture
def stranger(authority):
    return ssl.create_default_context(cafile=authority / "authority.pem")


def shown(address, context):
    plain = socket.create_connection((address, PORT), timeout=10)
    with plain, context.wrap_socket(plain, server_hostname=address) as secure:
        return x509.load_der_x509_certificate(secure.getpeercert(binary_form=True)), secure.version()


def ask(address, context, path, **headers):
    connection = http.client.HTTPSConnection(address, PORT, timeout=10, context=context)
    connection.request("GET", path, headers=headers)
    return connection.getresponse()


def test_a_visitor_with_a_client_certificate_gets_the_editor(address, visitor):
    assert b"Node-RED" in ask(address, visitor, "/").read()


DASHBOARDS = [f"/{root}/socket.io/?EIO=4&transport=polling" for root in ("ui", "dashboard")]


@pytest.mark.parametrize("path", ["/", "/auth/login", "/hello", "/ui/", *DASHBOARDS])
def test_nothing_answers_without_a_client_certificate(address, stranger, path):
    with pytest.raises(OSError, match="certificate required|reset|closed"):
        ask(address, stranger, path)


SOCKETS = ["/comms", *(f"/{root}/socket.io/?EIO=4&transport=websocket" for root in ("ui", "dashboard"))]


@pytest.mark.parametrize("path", SOCKETS)
def test_no_socket_opens_without_a_client_certificate(address, stranger, path):
    with pytest.raises(OSError, match="certificate required|reset|closed"):
        ask(address, stranger, path, Connection="Upgrade", Upgrade="websocket")


def test_plain_http_is_refused(answers_in_the_clear):
    assert not answers_in_the_clear


def test_tls_1_2_is_refused(address, visitor):
    visitor.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        shown(address, visitor)


def test_the_certificate_is_made_for_every_name_of_the_machine(host, address, visitor):
    certificate, version = shown(address, visitor)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    name = host.backend.host
    assert {name, f"{name}.local", "nodered.example.org"} <= set(names.get_values_for_type(x509.DNSName))
    assert address in map(str, names.get_values_for_type(x509.IPAddress))
    assert version == "TLSv1.3"
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == 397


def test_the_renewed_certificate_is_live_without_a_restart(host, address, visitor):
    before = x509.load_pem_x509_certificate(host.file("/root/certificate-before.pem").content)
    renewed = x509.load_pem_x509_certificate(host.file(f"{CURRENT}/certificate.pem").content)
    assert renewed.serial_number != before.serial_number
    end = time.monotonic() + 20
    while shown(address, visitor)[0].serial_number != renewed.serial_number:
        assert time.monotonic() < end
        time.sleep(0.5)
    assert host.file("/root/pid-before").content_string.strip() == host.check_output(
        "systemctl show -P MainPID nodered"
    )


def test_only_root_and_the_service_can_read_the_key(host):
    key = host.file(f"{CURRENT}/key.pem")
    assert (key.user, key.group, key.mode) == ("root", "pi", 0o640)
    folder = host.file("/etc/nodered-tls/nodered")
    assert (folder.user, folder.group, folder.mode) == ("root", "pi", 0o750)
    assert host.run("runuser -u nobody -- cat %s/key.pem", CURRENT).failed


def test_the_authority_is_kept_encrypted_and_never_reaches_a_machine(host, authority):
    assert "ENCRYPTED" in (authority / "authority.key").read_text()
    assert (authority / "authority.key").stat().st_mode & 0o777 == 0o600
    assert host.run("grep -rl ENCRYPTED /etc/nodered-tls").stdout == ""


def test_a_machine_that_is_weeks_behind_takes_the_clients_certificates(authority):
    """Node-RED judges both by its machine's clock."""
    now = datetime.datetime.now(datetime.timezone.utc)
    for file in (authority / "authority.pem", authority / "clients" / "proof.pem"):
        assert (now - x509.load_pem_x509_certificate(file.read_bytes()).not_valid_before_utc).days >= 90


def test_people_get_a_client_certificate_to_install(authority, address):
    person = authority / "clients" / "ada.p12"
    assert person.stat().st_mode & 0o777 == 0o600
    key, certificate, _chain = pkcs12.load_key_and_certificates(person.read_bytes(), b"only for this test, too")
    assert key and "ada" in certificate.subject.rfc4514_string()
    assert not (authority / "clients" / "ada.key").exists()
