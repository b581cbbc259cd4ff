# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What OpenSSL and a client of TLS make of certificates and name constraints that are made here."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import socket
import ssl
import subprocess

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates import _certificate, _certificate_make
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._certificate import Use
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._certificate_names import constraints
from ansible_collections.pifleet.nodered.tests.certificates import now
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12

FLEET = constraints(["pi1", "nodered.example.org", "203.0.113.4", "2001:db8::4"], ["example.net", "198.51.100.0/24"])
AUTHORITY = _certificate_make.Authority.new(FLEET, now())
PERMITTED = [
    *("pi1.local", "pi1", "localhost", "nodered.example.org", "a.example.net", "192.168.1.2", "10.0.0.1", "127.0.0.1"),
    *("169.254.1.1", "203.0.113.4", "198.51.100.7", "fe80::1", "fd00::1", "::1", "2001:db8::4"),
]
FOREIGN = ["www.mybank.com", "example.org", "pi2", "8.8.8.8", "203.0.113.5", "2606:4700::1111"]


def pair_for(*names):
    """Whatever is asked for, as somebody would make it who has got hold of the key."""
    return AUTHORITY.host_pair(names, called="pi1", now=now(), days=60)


def openssl_accepts(pair, folder, *options):
    (folder / "ca.pem").write_text(AUTHORITY.pem)
    (folder / "own.pem").write_text(pair.certificate)
    command = ["openssl", "verify", *options, "-CAfile", folder / "ca.pem", folder / "own.pem"]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@contextlib.contextmanager
def served(pair, folder):
    """A server with this pair, in a process of its own; where it is."""
    (folder / "server.pem").write_text(pair.certificate + pair.key)
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", folder / "server.pem"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        try:
            [line] = itertools.islice((line for line in server.stdout if line.startswith("ACCEPT ")), 1)
            yield "127.0.0.1", int(line.rpartition(":")[2])
        finally:
            server.kill()


def shake_hands(address, name):
    context = ssl.create_default_context(cadata=AUTHORITY.pem)
    with socket.create_connection(address, 10) as plain, context.wrap_socket(plain, server_hostname=name):
        pass


@pytest.mark.parametrize("name", PERMITTED)
def test_a_permitted_name_is_accepted(name, tmp_path):
    pair = pair_for(name, "localhost")
    done = openssl_accepts(pair, tmp_path, "-x509_strict", "-purpose", "sslserver")
    assert done.returncode == 0, done.stderr
    with served(pair, tmp_path) as address:
        shake_hands(address, name)
    _certificate.check(pair.certificate, Use(names=[name], authorities=AUTHORITY.pem, key=pair.key), now=now())


@pytest.mark.parametrize("name", FOREIGN)
def test_every_other_name_is_rejected(name, tmp_path):
    pair = pair_for("pi1.local", name)
    done = openssl_accepts(pair, tmp_path)
    assert done.returncode != 0
    assert "permitted subtree violation" in done.stderr
    with served(pair, tmp_path) as address, pytest.raises(ssl.SSLCertVerificationError, match="subtree violation"):
        shake_hands(address, name)
    with pytest.raises(_certificate.CertificateError, match="name constraints(.|\n)*do not permit"):
        _certificate.check(pair.certificate, Use(authorities=AUTHORITY.pem), now=now())


def test_a_common_name_is_no_way_around_the_constraints(tmp_path):
    pair = AUTHORITY.client_pair("www.mybank.com", now=now(), days=60)
    with served(pair, tmp_path) as address, pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(address, "www.mybank.com")


def test_the_constraints_are_critical_and_in_the_form_of_the_rfc():
    extension = AUTHORITY.certificate.extensions.get_extension_for_class(x509.NameConstraints)
    assert extension.critical
    domains = [name.value for name in extension.value.permitted_subtrees if isinstance(name, x509.DNSName)]
    assert domains == ["example.net", "local", "localhost", "nodered.example.org", "pi1"]
    assert _certificate.constraints_of(AUTHORITY.pem) == FLEET


@pytest.mark.parametrize("user", ["ada", "ada.lovelace", "ada@example.org", "proof"])
def test_a_client_is_accepted_whatever_its_name(user, tmp_path):
    pair = AUTHORITY.client_pair(user, now=now(), days=60)
    done = openssl_accepts(pair, tmp_path, "-purpose", "sslclient")
    assert done.returncode == 0, done.stderr
    assert openssl_accepts(pair, tmp_path, "-purpose", "sslserver").returncode != 0
    _certificate.check(pair.certificate, Use(authorities=AUTHORITY.pem, purpose="client"), now=now())
    weeks_ago = now() - datetime.timedelta(days=89)
    _certificate.check(pair.certificate, Use(authorities=AUTHORITY.pem, purpose="client"), now=weeks_ago)


def test_no_mail_can_be_signed_in_its_name(tmp_path):
    assert openssl_accepts(pair_for("pi1"), tmp_path, "-purpose", "smimesign").returncode != 0


def test_a_self_signed_pair_is_for_its_names_and_may_issue_nothing(tmp_path):
    pair = _certificate_make.self_signed_pair(["pi1.local", "192.168.1.2"], called="pi1", now=now(), days=60)
    _certificate.check(pair.certificate, Use(names=["pi1.local", "192.168.1.2"], key=pair.key), now=now())
    own = x509.load_pem_x509_certificate(pair.certificate.encode())
    assert not own.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert (own.not_valid_after_utc - own.not_valid_before_utc).days == 60
    context = ssl.create_default_context(cadata=pair.certificate)
    with served(pair, tmp_path) as address, socket.create_connection(address, 10) as plain:
        context.wrap_socket(plain, server_hostname="pi1.local").close()


def test_a_long_name_is_cut_in_the_subject_only():
    pair = _certificate_make.self_signed_pair(["pi1"], called="ü" * 200, now=now(), days=60)
    assert x509.load_pem_x509_certificate(pair.certificate.encode()).subject.rfc4514_string() == "CN=" + "ü" * 32


def test_the_key_of_the_authority_is_encrypted():
    text = AUTHORITY.protected_key("only here")
    assert "BEGIN ENCRYPTED PRIVATE KEY" in text
    # The message differs: about one wrong passphrase in 256 fails only when the key is read.
    with pytest.raises(ValueError):
        load_pem_private_key(text.encode(), b"another one")
    assert load_pem_private_key(text.encode(), b"only here").public_key() == AUTHORITY.certificate.public_key()


def test_a_person_gets_key_certificate_and_authority_in_one_file():
    pair = AUTHORITY.client_pair("ada", now=now(), days=60)
    data = _certificate_make.packed(pair, AUTHORITY, called="ada", passphrase="for ada")
    key, certificate, more = pkcs12.load_key_and_certificates(data, b"for ada")
    assert certificate == x509.load_pem_x509_certificate(pair.certificate.encode())
    assert key.public_key() == certificate.public_key()
    assert more == [AUTHORITY.certificate]
    with pytest.raises(ValueError, match="Invalid password"):
        pkcs12.load_key_and_certificates(data, b"for bob")
