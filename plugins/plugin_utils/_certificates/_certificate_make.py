# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make keys, certificates and an authority. Private; knows no Ansible, no file and no clock of its own.

The caller checks first that the package cryptography is installed (`_certificate.require_judgement`).
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import secrets
from collections.abc import Sequence
from typing import NamedTuple

from ._certificate_names import Constraints, as_address

with contextlib.suppress(ImportError):
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import pkcs12
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    # RSA for an authority that the operator has brought along.
    IssuerKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

# Bytes.
LONGEST_COMMON_NAME = 64
AUTHORITY_DAYS = 3650
AUTHORITY_NAME = "Node-RED fleet"
# Machines without a clock start in the past.
HOST_DAYS_IN_THE_PAST = 2
# Node-RED judges its clients by its own clock, and a machine without one may be weeks behind when it starts.
CLIENT_DAYS_IN_THE_PAST = 90
# OpenSSL compares a common name that looks like a host name with the name constraints, unless there is such a name.
CLIENT_NAME = "client.local"


class Pair(NamedTuple):
    """A certificate and its key, as PEM text. The key has no passphrase."""

    certificate: str
    key: str


class Dates(NamedTuple):
    """From when until when a certificate is valid."""

    since: datetime.datetime
    until: datetime.datetime

    @classmethod
    def around(cls, now: datetime.datetime, *, before: float, after: float) -> Dates:
        return cls(now - datetime.timedelta(days=before), now + datetime.timedelta(days=after))


def host_dates(now: datetime.datetime, days: int) -> Dates:
    """`days` in all, some of them in the past."""
    return Dates.around(now, before=HOST_DAYS_IN_THE_PAST, after=days - HOST_DAYS_IN_THE_PAST)


class Authority:
    """A private authority whose key is at hand."""

    def __init__(self, certificate: x509.Certificate, key: IssuerKey) -> None:
        self.certificate = certificate
        self._key = key

    @classmethod
    def new(cls, constraints: Constraints, now: datetime.datetime) -> Authority:
        """An authority that may only certify what the constraints permit, and only servers and clients of TLS."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = f"{AUTHORITY_NAME} {now:%Y-%m-%d} {secrets.token_hex(4)}"
        dates = Dates.around(now, before=CLIENT_DAYS_IN_THE_PAST, after=AUTHORITY_DAYS)
        builder = (
            _builder(_name(name), _name(name), key.public_key(), dates)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(authority=True), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(x509.NameConstraints(_subtrees(constraints), None), critical=True)
        )
        return cls(builder.sign(key, hashes.SHA256()), key)

    @classmethod
    def opened(cls, certificate: str, key: bytes, passphrase: str, *, plain: bool = False) -> Authority:
        """The authority in these PEM texts. Raises ValueError where they or the passphrase do not belong together.

        With `plain`, the key can have no passphrase; one that is given is of no use then.
        """
        found = x509.load_pem_x509_certificate(certificate.encode())
        private = _private_key(key, passphrase, plain=plain)
        if not isinstance(private, IssuerKey) or private.public_key() != found.public_key():
            raise ValueError("The key is not that of the certificate.")
        return cls(found, private)

    @property
    def pem(self) -> str:
        return _pem(self.certificate)

    def protected_key(self, passphrase: str) -> str:
        """The key as PEM text, encrypted."""
        return _key_pem(self._key, serialization.BestAvailableEncryption(passphrase.encode()))

    def host_pair(self, names: Sequence[str], *, called: str, now: datetime.datetime, days: int) -> Pair:
        """A pair for a server with these names and addresses (canonical)."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _host_builder(names, self.certificate.subject, called, key.public_key(), host_dates(now, days))
        return self._signed(builder, key)

    def client_pair(self, user: str, *, now: datetime.datetime, days: int) -> Pair:
        """A pair for a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        dates = Dates.around(now, before=CLIENT_DAYS_IN_THE_PAST, after=days - HOST_DAYS_IN_THE_PAST)
        builder = _builder(_name(user), self.certificate.subject, key.public_key(), dates)
        return self._signed(_end_entity(builder, [CLIENT_NAME], ExtendedKeyUsageOID.CLIENT_AUTH), key)

    def _key_identifier(self) -> x509.AuthorityKeyIdentifier:
        """That of an authority from elsewhere can be made in another way, and it is compared (RFC 5280, 4.2.1.1)."""
        try:
            own = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        except x509.ExtensionNotFound:
            return x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own.value)

    def _signed(self, builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> Pair:
        builder = builder.add_extension(self._key_identifier(), critical=False)
        return Pair(_pem(builder.sign(self._key, hashes.SHA256())), _key_pem(key, serialization.NoEncryption()))


def _private_key(key: bytes, passphrase: str, *, plain: bool) -> object:
    """The key in this PEM text. Raises ValueError, also for a key of a kind that the library does not know."""
    for tried in [*([passphrase.encode()] if passphrase else []), *([None] if plain else [])]:
        # TypeError: it has no passphrase, or needs one.
        with contextlib.suppress(TypeError, UnsupportedAlgorithm):
            return serialization.load_pem_private_key(key, tried)
    raise ValueError("The key cannot be opened.")


def self_signed_pair(names: Sequence[str], *, called: str, now: datetime.datetime, days: int) -> Pair:
    """A pair for a server with these names and addresses (canonical) that is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _host_builder(names, _name(called), called, key.public_key(), host_dates(now, days))
    return Pair(_pem(builder.sign(key, hashes.SHA256())), _key_pem(key, serialization.NoEncryption()))


def host_made(certificate: str) -> float:
    """When a host's certificate was made here (PEM text), in seconds since 1970."""
    return _made(certificate, HOST_DAYS_IN_THE_PAST)


def client_made(certificate: str) -> float:
    """When a client's certificate was made here (PEM text), in seconds since 1970."""
    return _made(certificate, CLIENT_DAYS_IN_THE_PAST)


def authority_made(certificate: str) -> float:
    """When an authority was made (PEM text), in seconds since 1970; of another one, from when on it is valid."""
    ours = _name_of_ours(x509.load_pem_x509_certificate(certificate.encode()).subject)
    return _made(certificate, CLIENT_DAYS_IN_THE_PAST if ours else 0)


def private_issuer(certificate: str) -> str:
    """The common name of the private authority that issued this certificate (PEM text); empty if another one did."""
    with contextlib.suppress(ValueError):
        return _name_of_ours(x509.load_pem_x509_certificate(certificate.encode()).issuer)
    return ""


def _name_of_ours(name: x509.Name) -> str:
    """The common name, if it is that of a private authority."""
    common = [str(one.value) for one in name.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return next((one for one in common if one.startswith(AUTHORITY_NAME)), "")


def _made(certificate: str, days_in_the_past: int) -> float:
    since = x509.load_pem_x509_certificate(certificate.encode()).not_valid_before_utc
    return (since + datetime.timedelta(days=days_in_the_past)).timestamp()


def packed(pair: Pair, authority: Authority, *, called: str, passphrase: str) -> bytes:
    """The pair with its authority as PKCS #12, encrypted as every browser and phone can read it."""
    # With newer algorithms, macOS, iOS and older releases of Windows and Android cannot open it.
    encryption = (
        serialization.PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(50_000)
        .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
        .hmac_hash(hashes.SHA1())
        .build(passphrase.encode())
    )
    key = serialization.load_pem_private_key(pair.key.encode(), password=None)
    certificate = x509.load_pem_x509_certificate(pair.certificate.encode())
    return pkcs12.serialize_key_and_certificates(
        called.encode(),
        key,  # type: ignore[arg-type]
        certificate,
        [authority.certificate],
        encryption,
    )


def _host_builder(
    names: Sequence[str], issuer: x509.Name, called: str, public_key: ec.EllipticCurvePublicKey, dates: Dates
) -> x509.CertificateBuilder:
    return _end_entity(_builder(_name(called), issuer, public_key, dates), names, ExtendedKeyUsageOID.SERVER_AUTH)


def _end_entity(
    builder: x509.CertificateBuilder, names: Sequence[str], purpose: x509.ObjectIdentifier
) -> x509.CertificateBuilder:
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, dates: Dates
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(dates.since)
        .not_valid_after(dates.until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    cut = common_name.encode()[:LONGEST_COMMON_NAME].decode(errors="ignore")
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cut)])


def _general_name(name: str) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_address(name)) if as_address(name) else x509.DNSName(name)


def _subtrees(constraints: Constraints) -> list[x509.GeneralName]:
    domains = [x509.DNSName(domain) for domain in sorted(constraints.domains or ())]
    networks = sorted(constraints.networks or (), key=lambda network: (network.version, network.network_address.packed))
    return [*domains, *(x509.IPAddress(network) for network in networks)]


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: IssuerKey, protection: serialization.KeySerializationEncryption) -> str:
    data = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)
    return data.decode()
