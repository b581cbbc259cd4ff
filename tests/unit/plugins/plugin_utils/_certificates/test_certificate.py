# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a certificate is refused for, before Node-RED gets it."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates import _certificate
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._certificate import (
    CannotJudgeError,
    CertificateError,
    Use,
    check,
    check_authorities,
    is_self_signed,
)
from ansible_collections.pifleet.nodered.tests.certificates import Authority, now, pem
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

ADDRESS = "192.0.2.7"
AUTHORITY = Authority()


def judged(issued, **options):
    at = options.pop("now", None) or now()
    return check(issued.certificate, Use(**{"authorities": AUTHORITY.certificate, **options}), now=at)


def test_a_good_certificate_passes():
    issued = AUTHORITY.issue(ADDRESS, "pi.local")
    judged(issued, names=[ADDRESS, "PI.local"], key=issued.key, days_left=30)


def test_a_certificate_with_few_days_left_is_to_be_renewed():
    with pytest.raises(CertificateError, match="valid for 20 days only"):
        judged(AUTHORITY.issue(ADDRESS, until=20), days_left=30)


@pytest.mark.parametrize(
    "dates, said", [({"since": -9, "until": -1}, "expired on"), ({"since": 1}, "is not valid before")], ids=str
)
def test_the_controllers_clock_counts(dates, said):
    with pytest.raises(CertificateError, match=said):
        judged(AUTHORITY.issue(ADDRESS, **dates))


def test_a_controller_without_a_clock_judges_nothing():
    then = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    with pytest.raises(CannotJudgeError, match="clock shows 1970-01-01.*Set the clock"):
        judged(AUTHORITY.issue(ADDRESS), now=then)
    with pytest.raises(CannotJudgeError):
        check_authorities(AUTHORITY.certificate, now=then, called="the authority")


def test_a_controller_without_cryptography_judges_nothing(monkeypatch):
    monkeypatch.setattr(_certificate, "_IMPORT_ERROR", ImportError("No module named 'cryptography'"))
    with pytest.raises(CannotJudgeError, match=r"cryptography is missing(.|\n)*pip install -r /\S+/requirements\.txt"):
        judged(AUTHORITY.issue(ADDRESS))


@pytest.mark.parametrize(
    "key", [rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP192R1())], ids=["RSA", "EC"]
)
def test_a_weak_key_is_refused(key):
    with pytest.raises(CertificateError, match="too weak"):
        judged(AUTHORITY.issue(ADDRESS, key=key))


def test_a_key_of_another_certificate_is_refused():
    with pytest.raises(CertificateError, match="does not belong"):
        judged(AUTHORITY.issue(ADDRESS), key=AUTHORITY.issue(ADDRESS).key)


def test_a_key_with_a_passphrase_is_refused_and_not_shown():
    key = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(CertificateError, match="passphrase") as caught:
        judged(AUTHORITY.issue(ADDRESS, key=key), key=pem(key, "secret"))
    assert "PRIVATE" not in str(caught.value)


@pytest.mark.parametrize("cut", [1, 60, 300])
def test_half_a_certificate_or_key_is_refused(cut):
    issued = AUTHORITY.issue(ADDRESS)
    with pytest.raises(CertificateError, match="half-written"):
        check(issued.certificate[: -cut - 1], Use(), now=now())
    with pytest.raises(CertificateError, match="half-written"):
        judged(issued, key=issued.key[: -min(cut, 200) - 1])


def test_another_authority_is_refused():
    with pytest.raises(CertificateError, match="no authority that is trusted here"):
        judged(Authority("Somebody else").issue(ADDRESS))


def test_the_name_of_an_issuer_cannot_control_the_terminal():
    with pytest.raises(CertificateError, match="no authority that is trusted here") as refused:
        judged(Authority("a\x1b[31mb\x07\u202e\nc").issue(ADDRESS))
    assert "a\\x1b[31mb\\x07\\u202e" in str(refused.value)
    assert str(refused.value).isprintable()


def test_an_authority_of_the_same_name_is_refused():
    with pytest.raises(CertificateError, match="no authority that is trusted here"):
        judged(Authority().issue(ADDRESS))


def test_a_chain_in_the_wrong_order_is_refused():
    issued = AUTHORITY.issue(ADDRESS)
    with pytest.raises(CertificateError, match="chain of the certificate is broken"):
        check(
            issued.certificate + Authority("In between").certificate, Use(authorities=AUTHORITY.certificate), now=now()
        )


def test_the_authority_itself_may_end_the_chain():
    issued = AUTHORITY.issue(ADDRESS)
    check(issued.certificate + AUTHORITY.certificate, Use(authorities=AUTHORITY.certificate), now=now())


def test_a_certificate_that_issued_itself_needs_no_authority():
    check(AUTHORITY.certificate, Use(), now=now())
    assert is_self_signed(AUTHORITY.certificate)
    issued = AUTHORITY.issue(ADDRESS)
    assert not is_self_signed(issued.certificate)
    with pytest.raises(CertificateError, match="no authority that is trusted here"):
        check(issued.certificate, Use(), now=now())


@pytest.mark.parametrize(
    "made_for, asked, good",
    [
        ("pi.example.org", "pi.example.org", True),
        ("*.example.org", "pi.example.org", True),
        ("*.example.org", "a.pi.example.org", False),
        ("*.example.org", "example.org", False),
        ("192.0.2.7", "192.0.2.8", False),
        ("2001:db8::1", "2001:DB8:0::1", True),
    ],
)
def test_it_must_be_made_for_the_name(made_for, asked, good):
    issued = AUTHORITY.issue(made_for)
    if good:
        judged(issued, names=[asked])
    else:
        with pytest.raises(CertificateError, match="is not made for"):
            judged(issued, names=[asked])


def test_a_clients_certificate_is_none_for_a_server():
    issued = AUTHORITY.issue("ada", purpose=ExtendedKeyUsageOID.CLIENT_AUTH)
    with pytest.raises(CertificateError, match="not for a server"):
        judged(issued)
    judged(issued, purpose="client")


def test_who_is_no_authority_cannot_let_clients_in():
    check_authorities(AUTHORITY.certificate + Authority("Another").certificate, now=now(), called="ca.pem")
    with pytest.raises(CertificateError, match="is not an authority"):
        check_authorities(AUTHORITY.issue("ada").certificate, now=now(), called="ca.pem")
    with pytest.raises(CertificateError, match="half-written"):
        check_authorities(AUTHORITY.certificate.replace("\n", "\\n"), now=now(), called="ca.pem")


def test_a_certificate_with_a_malformed_extension_is_refused():
    """Its parts are parsed only when they are asked for, and the error is none of the usual ones."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    for oid in ("2.5.29.17", "2.5.29.37", "2.5.29.30", "2.5.29.19"):
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now())
            .not_valid_after(now() + datetime.timedelta(days=9))
            .add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), b"\x30\x03junk"), critical=False)
            .sign(key, hashes.SHA256())
        )
        text = certificate.public_bytes(serialization.Encoding.PEM).decode()
        with pytest.raises(CertificateError, match="damaged"):
            check(text, Use(), now=now())
