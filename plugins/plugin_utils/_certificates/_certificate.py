# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge a certificate before Node-RED gets it. Private; knows no Ansible, no file and no clock of its own."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Sequence
from typing import Any

from ...module_utils._core._text import printable_line
from .._core._errors import MissingLibraryError
from ._certificate_names import Constraints, Network, as_address, canonical, collapsed

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID
except ImportError as error:
    _IMPORT_ERROR: ImportError | None = error
else:
    _IMPORT_ERROR = None

SMALLEST_RSA_KEY = 2048
SMALLEST_CURVE = 256
WEAK_HASHES = ("md5", "sha1")
# A machine without a clock starts in 1970, or when its image was made: nothing that it says about dates counts.
EARLIEST_POSSIBLE_TODAY = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)


class CertificateError(ValueError):
    """Why a certificate cannot be used, and what to do. Printable, as it quotes names; holds nothing of the key."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(printable_line(f"{problem} {remedy}".rstrip()))
        self.reason = printable_line(problem.removesuffix("."))
        """The problem alone, as a part of a sentence."""


class CannotJudgeError(Exception):
    """Why nothing can be said about any certificate here, and what to do: no reason to replace one."""


@dataclasses.dataclass(frozen=True)
class Use:
    """What a certificate has to be good for."""

    names: Sequence[str] = ()
    """The host names and addresses that it must be made for."""
    authorities: str = ""
    """PEM of the authorities of which one must have issued it."""
    days_left: float = 0
    """How many days it must still be valid."""
    key: str | None = dataclasses.field(default=None, repr=False)
    """PEM of its key, where that is known here."""
    purpose: str = "server"
    """``server``, or ``client`` for the certificate of a client of one."""
    called: str = "the certificate"
    """What the messages call it."""


def check(certificate: str, use: Use, *, now: datetime.datetime) -> None:
    """Raise CertificateError unless a server may use this certificate and its visitors will accept it.

    Raises CannotJudgeError if that is unknown on this machine.

    Args:
        certificate: PEM, the server's own certificate first, then those that lead to its authority.
        use: without `authorities`, the certificate must have issued itself.
        now: what time it is, with a time zone.
    """
    require_judgement(now)
    called = use.called
    chain = parsed(certificate, called)
    anchors = parsed(use.authorities, "the authority's certificate") if use.authorities.strip() else []
    own = chain[0]
    _check_strength(own, called)
    if use.key is not None:
        _check_key(own, use.key, called)
    authority = _check_chain(chain, anchors, now, called)
    above = [*chain[1:], *([authority] if authority not in chain else [])]
    for position, issuer in enumerate(above):
        _check_issuer(issuer, (*chain, authority)[position], position, called)
    for issuer in (*chain[1:], authority):
        _check_constraints(own, issuer, called)
    _check_dates(own, now, use.days_left, called)
    _check_purpose(own, use.purpose, called)
    _check_names(own, use.names, called)


def own_problems(certificate: str, *, now: datetime.datetime, names: Sequence[str]) -> dict[str, str]:
    """What is wrong with the first certificate of this PEM text alone, without its issuer.

    For the arguments see `check`. The keys are `weak` (key, signature), `dates` and `names`.

    Raises:
        CertificateError: if it cannot be read.
        CannotJudgeError: if nothing can be said about certificates on this machine.
    """
    require_judgement(now)
    called = "The certificate"
    own = parsed(certificate, called)[0]
    checks: dict[str, Callable[[], None]] = {
        "weak": lambda: _check_strength(own, called),
        "dates": lambda: _check_dates(own, now, 0, called),
        "names": lambda: _check_names(own, names, called),
    }
    found = {}
    for kind, check_one in checks.items():
        try:
            check_one()
        except CertificateError as error:
            found[kind] = str(error)
    return found


def days_left(certificate: str, now: datetime.datetime) -> float:
    """For how many days the first certificate of this PEM text is still valid; negative if it has expired."""
    return (parsed(certificate, "the certificate")[0].not_valid_after_utc - now) / datetime.timedelta(days=1)


def expiry(certificate: str) -> datetime.datetime:
    """Until when the first certificate of this PEM text is valid."""
    return parsed(certificate, "the certificate")[0].not_valid_after_utc


def is_issued_by(certificate: str, authority: str) -> bool:
    """Whether the key of this authority has signed the first certificate of this PEM text."""
    return _issued(parsed(authority, "the authority's certificate")[0], parsed(certificate, "the certificate")[0])


def error_in(
    certificate: str, use: Use, *, now: datetime.datetime, system_authorities: Callable[[], str]
) -> CertificateError | None:
    """Why a server should not use the certificate and what to do; None if it is good.

    Without `authorities`, the certificate itself is trusted if it is self-signed, otherwise those of the system. For
    the other arguments see `check`. Raises CannotJudgeError if that is unknown on this machine.
    """
    require_judgement(now)
    try:
        if not use.authorities and not is_self_signed(certificate):
            use = dataclasses.replace(use, authorities=system_authorities())
        check(certificate, use, now=now)
    except CertificateError as error:
        return error
    return None


def require_judgement(now: datetime.datetime) -> None:
    """Raise CannotJudgeError where this machine lacks what it takes to judge or make a certificate."""
    if _IMPORT_ERROR:
        raise CannotJudgeError(str(MissingLibraryError("cryptography", _IMPORT_ERROR)))
    if now < EARLIEST_POSSIBLE_TODAY:
        raise CannotJudgeError(
            f"The controller's clock shows {now:%Y-%m-%d}, so it is unknown whether a certificate is valid. "
            "Set the clock (timedatectl), then run again."
        )


def check_authorities(authorities: str, *, now: datetime.datetime, called: str) -> None:
    """Raise CertificateError unless each certificate in this PEM text is one that may issue others, and valid now.

    Raises CannotJudgeError if that is unknown on this machine.
    """
    require_judgement(now)
    for authority in parsed(authorities, called):
        basic = _extension(authority, x509.BasicConstraints)
        if basic is None or not basic.ca:
            raise CertificateError(
                f"{_name(authority)} in {called} is not an authority, but the certificate of a server or client.",
                "Give the certificate of the authority that issues them.",
            )
        _check_dates(authority, now, 0, f"{_name(authority)} in {called}")


def is_self_signed(certificate: str) -> bool:
    """Whether the first certificate in the text has issued itself, so that it is its own authority."""
    own = parsed(certificate, "the certificate")[0]
    return _issued(own, own)


def parsed(text: str, called: str) -> list[x509.Certificate]:
    """The certificates in this PEM text. Raises CertificateError, which calls them so."""
    try:
        found = x509.load_pem_x509_certificates(text.encode())
        for each in found:
            # Parsed only when they are asked for.
            _parts = each.extensions, each.public_key(), each.subject, each.issuer, each.not_valid_after_utc
        return found
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise CertificateError(
            f"{called} is not a complete certificate in PEM form (-----BEGIN CERTIFICATE----- to its END).",
            "It may be damaged or half-written: get it again.",
        ) from None


def _check_strength(own: x509.Certificate, called: str) -> None:
    public = own.public_key()
    strong = (isinstance(public, rsa.RSAPublicKey) and public.key_size >= SMALLEST_RSA_KEY) or (
        isinstance(public, ec.EllipticCurvePublicKey) and public.curve.key_size >= SMALLEST_CURVE
    )
    if not strong:
        size = getattr(public, "key_size", "")
        kind = type(public).__name__.replace("PublicKey", "").lstrip("_")
        raise CertificateError(
            f"{called} has a key that is too weak or that browsers do not know ({kind} {size}).",
            "Have one made with a P-256 key, or RSA with at least 2048 bits.",
        )
    algorithm = own.signature_hash_algorithm
    if algorithm is not None and algorithm.name in WEAK_HASHES:
        raise CertificateError(
            f"{called} is signed with {algorithm.name}, which is too weak.", "Have it made with SHA-256."
        )


def _check_key(own: x509.Certificate, key: str, called: str) -> None:
    try:
        private = serialization.load_pem_private_key(key.encode(), password=None)
    except TypeError:
        raise CertificateError(
            f"The key of {called} is protected by a passphrase, which cannot be given when Node-RED starts.",
            "Give it without one (openssl pkey); it travels through the SSH connection only.",
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateError(
            f"The key of {called} is not a complete key in PEM form (-----BEGIN PRIVATE KEY----- to its END).",
            "It may be damaged or half-written: get it again.",
        ) from None
    if _spki(private.public_key()) != _spki(own.public_key()):
        raise CertificateError(
            f"The key does not belong to {called}.",
            "Give the key with which it was made; the server's own certificate comes first in its file.",
        )


def _spki(public: object) -> bytes:
    data: bytes = public.public_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return data


def _check_chain(
    chain: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate], now: datetime.datetime, called: str
) -> x509.Certificate:
    """Each certificate must be issued by the next one, and the last by an authority that is trusted (or by itself).

    Returns that authority.
    """
    for lower, upper in zip(chain, chain[1:], strict=False):
        if not _issued(upper, lower):
            raise CertificateError(
                f"The chain of {called} is broken: {_name(upper)} did not issue {_name(lower)}.",
                "Put the server's own certificate first, then each one's issuer (certbot: fullchain.pem).",
            )
        _check_dates(upper, now, 0, f"{_name(upper)}, which issued {called},")
    last = chain[-1]
    trusted = anchors or ([last] if _issued(last, last) else [])
    issuers = [anchor for anchor in trusted if anchor == last or _issued(anchor, last)]
    if not issuers:
        raise CertificateError(
            f"{called} was issued by {last.issuer.rfc4514_string() or 'an issuer without a name'}, "
            "which is no authority that is trusted here.",
            "Add the certificates in between, or name the right authority (nodered_tls_ca).",
        )
    if issuers[0] is not chain[0]:
        _check_dates(issuers[0], now, 0, f"the authority {_name(issuers[0])}")
    return issuers[0]


def _check_issuer(issuer: x509.Certificate, issued: x509.Certificate, below: int, called: str) -> None:
    """What clients require of an issuer beside its signature (RFC 5280, 4.2.1.1, 4.2.1.3, 4.2.1.9).

    `below` is the number of authorities between it and the server's certificate.
    """
    if issuer.version is x509.Version.v1 and _issued(issuer, issuer):
        # It has no extensions at all. OpenSSL accepts such a root.
        return
    basic, usage = _extension(issuer, x509.BasicConstraints), _extension(issuer, x509.KeyUsage)
    if basic is None or not basic.ca or (usage is not None and not usage.key_cert_sign):
        raise CertificateError(
            f"{_name(issuer)}, which issued {called}, is not an authority that may do so (basic constraints and key "
            "usage), so clients reject it.",
            "Have it issued by an authority, or use a self-signed one.",
        )
    if basic.path_length is not None and basic.path_length < below:
        raise CertificateError(
            f"{_name(issuer)} permits {basic.path_length} authorities between it and {called}, and there are {below}, "
            "so clients reject it.",
            "Have it issued by an authority that may.",
        )
    wanted, present = _extension(issued, x509.AuthorityKeyIdentifier), _extension(issuer, x509.SubjectKeyIdentifier)
    if wanted and present and wanted.key_identifier not in (None, present.digest):
        raise CertificateError(
            f"The authority key identifier in {_name(issued)} is not that of {_name(issuer)}, so clients do not find "
            "the issuer.",
            "Have the certificate made again, with the key identifier of its issuer or with none.",
        )


def _extension(certificate: x509.Certificate, kind: type) -> Any:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _check_constraints(own: x509.Certificate, authority: x509.Certificate, called: str) -> None:
    foreign = _constraints(authority).not_allowed(canonical(name) or name for name in _names(own))
    if foreign:
        raise CertificateError(
            f"{called} is made for {', '.join(foreign)}, which the name constraints of {_name(authority)} do not "
            "permit, so browsers reject it.",
            "Have it made without these names, or by an authority that may certify them.",
        )


def constraints_of(authority: str) -> Constraints:
    """For which names the authority in this PEM text may make certificates. Raises CertificateError."""
    return _constraints(parsed(authority, "the authority's certificate")[0])


def _constraints(authority: x509.Certificate) -> Constraints:
    """RFC 5280, 4.2.1.10."""
    found = _extension(authority, x509.NameConstraints)
    if found is None:
        return Constraints(None, None)
    domains, networks = _subtrees(found.permitted_subtrees)
    excluded_domains, excluded_networks = _subtrees(found.excluded_subtrees)
    return Constraints(domains or None, networks or None, excluded_domains, excluded_networks)


def is_constrained(constraints: Constraints) -> bool:
    """Whether both host names and addresses are limited."""
    return constraints.domains is not None and constraints.networks is not None


def _subtrees(names: Sequence[x509.GeneralName] | None) -> tuple[frozenset[str], frozenset[Network]]:
    domains = (name.value.lower() for name in names or () if isinstance(name, x509.DNSName))
    networks = [value for name in names or () if isinstance(value := name.value, Network)]
    return frozenset(domains), collapsed(networks)


def _issued(issuer: x509.Certificate, subject: x509.Certificate) -> bool:
    try:
        subject.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string() or "a certificate without a name"


def _check_dates(certificate: x509.Certificate, now: datetime.datetime, days_left: float, called: str) -> None:
    if now < certificate.not_valid_before_utc:
        raise CertificateError(
            f"{called} is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC, and now it is "
            f"{now:%Y-%m-%d %H:%M}.",
            "Compare the clocks of the controller and of the issuer.",
        )
    if now > certificate.not_valid_after_utc:
        raise CertificateError(f"{called} expired on {certificate.not_valid_after_utc:%Y-%m-%d}.", "Have it renewed.")
    left = (certificate.not_valid_after_utc - now) / datetime.timedelta(days=1)
    if left < days_left:
        raise CertificateError(f"{called} is valid for {left:.0f} days only.", "Have it renewed.")


def _check_purpose(own: x509.Certificate, purpose: str, called: str) -> None:
    usage = _extension(own, x509.KeyUsage)
    if usage is not None and not (usage.digital_signature or usage.key_encipherment or usage.key_agreement):
        raise CertificateError(
            f"{called} is not for TLS (its key usage lacks digitalSignature).",
            "Have one made with that, or without key usage.",
        )
    purposes = _extension(own, x509.ExtendedKeyUsage)
    wanted = ExtendedKeyUsageOID.SERVER_AUTH if purpose == "server" else ExtendedKeyUsageOID.CLIENT_AUTH
    if purposes is not None and wanted not in purposes:
        raise CertificateError(
            f"{called} is not for a {purpose} (its extended key usage lacks it).", f"Have one made for a {purpose}."
        )


def _check_names(own: x509.Certificate, names: Sequence[str], called: str) -> None:
    missing = [name for name in names if not _covers(own, name)]
    if missing:
        raise CertificateError(
            f"{called} is not made for {', '.join(missing)}, but for {', '.join(_names(own)) or 'no name at all'}.",
            "Have it made with these as subject alternative names, or reach Node-RED by another name "
            "(nodered_address).",
        )


def _names(own: x509.Certificate) -> list[str]:
    found = _extension(own, x509.SubjectAlternativeName)
    if found is None:
        return []
    addresses = [str(address) for address in found.get_values_for_type(x509.IPAddress)]
    return [*found.get_values_for_type(x509.DNSName), *addresses]


def _covers(own: x509.Certificate, name: str) -> bool:
    wanted = as_address(name) or name.lower().rstrip(".")
    for covered in _names(own):
        if wanted == (as_address(covered) or covered.lower()):
            return True
        # RFC 6125: a wildcard stands for exactly the first label.
        if covered.startswith("*.") and not as_address(wanted) and wanted.partition(".")[2] == covered[2:].lower():
            return True
    return False
