# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe's verdicts on TLS, by handshakes with a small server."""

from __future__ import annotations

import http.server
import ipaddress
import ssl
import threading
from datetime import timedelta

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates import _certificate
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._certificate import Use
from ansible_collections.pifleet.nodered.tests.certificates import Authority, Issued, now, pem
from ansible_collections.pifleet.nodered.tests.unit.plugins.module_utils._probe.probing import probe
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY = Authority()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_args):
        pass

    def do_GET(self):
        body = b"{}" if self.path == "/auth/login" else b""
        self.send_response(200 if body else 401)
        if not body:
            self.send_header("WWW-Authenticate", 'Bearer realm="Users"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_args):
        """A handshake that fails is what some tests want."""


def write(folder, name, issued):
    (folder / f"{name}.pem").write_text(issued.certificate)
    (folder / f"{name}.key").write_text(issued.key)
    return str(folder / f"{name}.pem"), str(folder / f"{name}.key")


@pytest.fixture
def serve(tmp_path):
    servers = []

    def start(issued, *, oldest=ssl.TLSVersion.TLSv1_2, clients=None, encrypted=True):
        server = Server(("127.0.0.1", 0), Handler)
        if encrypted:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*write(tmp_path, "server", issued))
            context.minimum_version = oldest
            if clients:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(cadata=clients)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"https://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def verdicts(url, **options):
    only = ("certificate_trusted", "old_tls_refused", "plain_http_refused", "client_certificate_required")
    return {check["id"]: check for check in probe(url, only=only, timeout=5, **options)}


def test_a_certificate_of_the_given_authority_is_trusted(serve):
    found = verdicts(serve(AUTHORITY.issue("127.0.0.1")), authorities=AUTHORITY.certificate)
    assert {name: check["status"] for name, check in found.items()} == {
        "certificate_trusted": "pass",
        "old_tls_refused": "pass",
        "plain_http_refused": "pass",
    }
    assert "good for 89 days" in found["certificate_trusted"]["found"]


def test_the_servers_own_certificate_can_be_the_authority(serve):
    issued = AUTHORITY.issue("127.0.0.1")
    assert verdicts(serve(issued), authorities=issued.certificate)["certificate_trusted"]["status"] == "pass"


@pytest.fixture
def python_3_13(monkeypatch):
    """Make default contexts as strict as Python 3.13 does."""
    lenient = ssl.create_default_context

    def strict(*arguments, **options):
        context = lenient(*arguments, **options)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", strict)


@pytest.mark.usefixtures("python_3_13")
def test_the_check_before_writing_and_the_verification_accept_the_same_certificates(serve):
    """The authorities of these tests write no authority key identifier, like `openssl x509 -req` of OpenSSL 1.1."""
    issued = AUTHORITY.issue("127.0.0.1")
    for authorities in (AUTHORITY.certificate, issued.certificate):
        _certificate.check(issued.certificate, Use(names=["127.0.0.1"], authorities=authorities), now=now())
        assert verdicts(serve(issued), authorities=authorities)["certificate_trusted"]["status"] == "pass"


ROOT, BETWEEN, OWN = (ec.generate_private_key(ec.SECP256R1()) for _number in range(3))
LOCAL = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
CA, NO_CA = x509.BasicConstraints(ca=True, path_length=None), x509.BasicConstraints(ca=False, path_length=None)
LAST_CA = x509.BasicConstraints(ca=True, path_length=0)


def for_use(*purposes):
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    names += ("key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: name in purposes for name in names})


def certificate(subject, key, issuer, signer, *extensions):
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in (subject, issuer)]
    builder = x509.CertificateBuilder(names[1], names[0], key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now() - timedelta(days=1)).not_valid_after(now() + timedelta(days=90))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def root(*extensions):
    return certificate("root", ROOT, "root", ROOT, *extensions)


def own(*extensions, issuer="root", signer=ROOT):
    return certificate("own", OWN, issuer, signer, LOCAL, *extensions)


def between(*extensions):
    return certificate("between", BETWEEN, "root", ROOT, *extensions)


def issuer_is(key):
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


ROOT_ID = x509.SubjectKeyIdentifier.from_public_key(ROOT.public_key())
SELF_SIGNED = own(issuer="own", signer=OWN)
SIGNS_ONLY = own(for_use("key_cert_sign"), issuer="own", signer=OWN)
BY_BETWEEN = own(issuer="between", signer=BETWEEN)


@pytest.mark.parametrize(
    "served, trusted, accepted",
    [
        (own(), root(CA), True),
        (own(), root(CA, for_use("key_cert_sign")), True),
        (own(), root(NO_CA), False),
        (own(), root(LOCAL), False),
        (own(), root(CA, for_use("digital_signature")), False),
        (own(for_use("key_agreement")), root(CA), True),
        (own(for_use("key_cert_sign")), root(CA), False),
        (own(issuer_is(ROOT)), root(CA, ROOT_ID), True),
        (own(issuer_is(OWN)), root(CA, ROOT_ID), False),
        (BY_BETWEEN + between(CA), root(CA), True),
        (BY_BETWEEN + between(NO_CA), root(CA), False),
        (BY_BETWEEN + between(CA), root(LAST_CA), False),
        (BY_BETWEEN + between(LAST_CA), root(CA), True),
        (BY_BETWEEN, between(CA), True),
        (SELF_SIGNED, SELF_SIGNED, True),
        (SIGNS_ONLY, SIGNS_ONLY, False),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("python_3_13")
def test_what_is_accepted_before_writing_is_accepted_by_the_verification(serve, served, trusted, accepted):
    try:
        _certificate.check(served, Use(names=["127.0.0.1"], authorities=trusted), now=now())
        planned = True
    except _certificate.CertificateError:
        planned = False
    verdict = verdicts(serve(Issued(served, pem(OWN))), authorities=trusted)["certificate_trusted"]
    assert (planned, verdict["status"] == "pass") == (accepted, accepted)


@pytest.mark.parametrize(
    "issued, said",
    [
        (Authority("Somebody else").issue("127.0.0.1"), "not trusted"),
        (AUTHORITY.issue("127.0.0.1", since=-9, until=-1), "expired"),
        (AUTHORITY.issue("127.0.0.1", since=1), "not yet valid"),
        (AUTHORITY.issue("192.0.2.7"), "not trusted"),
    ],
    ids=["another authority", "expired", "not valid yet", "another name"],
)
def test_a_bad_certificate_is_named(serve, issued, said):
    check = verdicts(serve(issued), authorities=AUTHORITY.certificate)["certificate_trusted"]
    assert check["status"] == "fail"
    assert said in check["found"]


def test_tls_1_2_is_too_old_where_1_3_is_the_floor(serve):
    options = {"authorities": AUTHORITY.certificate, "min_tls": "1.3"}
    issued = AUTHORITY.issue("127.0.0.1")
    assert verdicts(serve(issued), **options)["old_tls_refused"]["found"] == "TLSv1.2 is accepted"
    strict = serve(issued, oldest=ssl.TLSVersion.TLSv1_3)
    assert verdicts(strict, **options)["old_tls_refused"]["status"] == "pass"


def test_a_server_that_lets_strangers_in_does_not_pass(serve, tmp_path):
    person = AUTHORITY.issue("ada", purpose=ExtendedKeyUsageOID.CLIENT_AUTH)
    certificate, key = write(tmp_path, "ada", person)
    options = {"authorities": AUTHORITY.certificate, "client_cert": certificate, "client_key": key}
    issued = AUTHORITY.issue("127.0.0.1")
    closed = verdicts(serve(issued, clients=AUTHORITY.certificate), **options)
    assert closed["client_certificate_required"]["status"] == "pass"
    opened = verdicts(serve(issued), **options)["client_certificate_required"]
    assert opened["status"] == "fail"
    assert "/auth/login answers without a client certificate" in opened["found"]


def test_without_the_client_certificate_that_is_demanded_the_rest_is_still_checked(serve):
    options = {"authorities": AUTHORITY.certificate, "lacks_client_cert": True}
    issued = AUTHORITY.issue("127.0.0.1")
    url = serve(issued, clients=AUTHORITY.certificate)
    assert {check["status"] for check in verdicts(url, **options).values()} == {"pass"}
    others = {
        check["id"]: check for check in probe(url, timeout=5, **options) if check["id"] not in verdicts(url, **options)
    }
    assert {check["status"] for check in others.values()} == {"skip"}
    assert "stays on the controller" in others["answers"]["found"]
    opened = verdicts(serve(issued), **options)["client_certificate_required"]
    assert opened["status"] == "fail"


def test_plain_http_has_no_checks_of_tls(serve):
    url = serve(None, encrypted=False).replace("https", "http")
    assert verdicts(url) == {}
