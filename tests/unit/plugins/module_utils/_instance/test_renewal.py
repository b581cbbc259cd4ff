# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as a renewal of a certificate."""

from __future__ import annotations

import base64
import ssl

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._renewal import made, why_no_renewal
from ansible_collections.pifleet.nodered.tests.certificates import Authority
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

NAMES = ("pi.example.org", "192.0.2.7")


def authority(common_name, organization="Let's Encrypt", kind=None):
    """With the names that public authorities have."""
    found = Authority()
    attributes = [x509.NameAttribute(NameOID.COUNTRY_NAME, "US")]
    if organization:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization, kind))
    found.name = x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    return found


def issued(by, *names):
    return by.issue(*(names or NAMES)).certificate.encode()


BEFORE = issued(authority("R10"))


def test_names_and_issuer_are_those_of_the_first_certificate():
    chain = BEFORE + issued(authority("E5"), "other.example.org")
    assert made(b"subject=CN = pi\n" + chain.replace(b"\n", b"\r\n")) == (set(NAMES), "Let's Encrypt")


@pytest.mark.parametrize(
    "after",
    [
        issued(authority("R10")),
        issued(authority("R11")),
        issued(authority("E7", kind=x509.name._ASN1Type.BMPString)),
        issued(authority("R11"), "PI.example.org", "192.0.2.7", "www.example.org"),
    ],
    ids=["the same", "another intermediate", "another encoding", "a further name"],
)
def test_a_renewal_has_the_names_and_the_issuer(after):
    assert why_no_renewal(BEFORE, after) == ""


@pytest.mark.parametrize(
    "after, reason",
    [
        (issued(authority("R10"), "pi.example.org"), "not made for 192.0.2.7"),
        (issued(authority("R10"), "www.mybank.com"), "not made for 192.0.2.7, pi.example.org"),
        (issued(authority("R10", "Somebody else")), "issued by Somebody else, and the one before by Let's Encrypt"),
        (issued(authority("Let's Encrypt", None)), "issued by US, Let's Encrypt"),
        (b"", "damaged"),
        (BEFORE[:-60], "damaged"),
    ],
)
def test_another_certificate_is_no_renewal(after, reason):
    assert reason in why_no_renewal(BEFORE, after)


def test_an_issuer_without_an_organization_is_compared_by_its_whole_name():
    ours = issued(authority("Ours", None))
    assert why_no_renewal(ours, issued(authority("Ours", None))) == ""
    assert why_no_renewal(ours, issued(authority("Ours 2", None)))


def test_a_certificate_without_alternative_names_is_made_for_its_common_name():
    alone = Authority("pi.example.org")
    assert made(alone.certificate.encode()).names == {"pi.example.org"}


@given(st.data())
def test_a_damaged_certificate_is_no_more_than_that(data):
    der = bytearray(ssl.PEM_cert_to_DER_cert(BEFORE.decode()))
    for _change in range(data.draw(st.integers(1, 4))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(der[: data.draw(st.integers(0, len(der)))])
    pem = b"-----BEGIN CERTIFICATE-----\n" + base64.b64encode(cut) + b"\n-----END CERTIFICATE-----\n"
    why_no_renewal(BEFORE, pem)
