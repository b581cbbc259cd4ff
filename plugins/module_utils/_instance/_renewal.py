# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: whether a certificate is a renewal of another one.

It must have all names of the one before, and the same issuer. The issuer is compared by its organization, as public
authorities change the intermediate that signs (Let's Encrypt: R10, R11, E5) but not that; one without an organization
is compared by its whole name.

Python's standard library shows names and issuer only of certificates that it has verified, so this reads DER (X.690) as
far as RFC 5280, 4.1 needs it.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from typing import FrozenSet, Iterator, List, NamedTuple, Sequence, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils._core._text import listed

CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")
SEQUENCE, SET, OBJECT_IDENTIFIER, OCTET_STRING, BMP_STRING = 0x30, 0x31, 0x06, 0x04, 0x1E
VERSION, EXTENSIONS = 0xA0, 0xA3
DNS_NAME, IP_ADDRESS = 0x82, 0x87
COMMON_NAME, ORGANIZATION, SUBJECT_ALTERNATIVE_NAME = b"\x55\x04\x03", b"\x55\x04\x0a", b"\x55\x1d\x11"

Element = Tuple[int, bytes]


class Made(NamedTuple):
    """For which names a certificate is made, and by whom."""

    names: FrozenSet[str]
    issuer: str


def why_no_renewal(before: bytes, after: bytes) -> str:
    """Why the second certificate (PEM) is no renewal of the first one; empty where it is one."""
    try:
        old, new = made(before), made(after)
    except ValueError as error:
        return str(error)
    missing = sorted(old.names - new.names)
    if missing:
        return "it is not made for " + listed(missing)
    if old.issuer != new.issuer:
        return "it was issued by %s, and the one before by %s" % (new.issuer, old.issuer)
    return ""


def made(pem: bytes) -> Made:
    """Names and issuer of the first certificate in a PEM file. Raises ValueError where there is none."""
    block = CERTIFICATE.search(pem)
    try:
        return _read(base64.b64decode(block[1] if block else b""))
    except (IndexError, ValueError):
        raise ValueError("it is damaged or not in PEM form") from None


def _read(data: bytes) -> Made:
    certificate = _children(_one(data, SEQUENCE))
    fields = [field for field in _children(_expected(certificate[0], SEQUENCE)) if field[0] != VERSION]
    # serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo
    issuer, subject = _name(fields[2]), _name(fields[4])
    names = frozenset(_alternative_names(fields[6:])) or frozenset(_values(subject, COMMON_NAME))
    whole = ", ".join(text for _kind, text in issuer)
    return Made(names, ", ".join(_values(issuer, ORGANIZATION)) or whole)


def _name(field: Element) -> List[Tuple[bytes, str]]:
    """The attributes of a distinguished name: kind and text."""
    found = []
    for group in _children(_expected(field, SEQUENCE)):
        for attribute in _children(_expected(group, SET)):
            kind, value = _children(_expected(attribute, SEQUENCE))[:2]
            encoding = "utf-16-be" if value[0] == BMP_STRING else "utf-8"
            found.append((_expected(kind, OBJECT_IDENTIFIER), value[1].decode(encoding)))
    return found


def _values(name: Sequence[Tuple[bytes, str]], kind: bytes) -> List[str]:
    return [text for found, text in name if found == kind]


def _alternative_names(fields: Sequence[Element]) -> Iterator[str]:
    for tag, content in fields:
        if tag != EXTENSIONS:
            continue
        for extension in _children(_one(content, SEQUENCE)):
            parts = _children(_expected(extension, SEQUENCE))
            if parts[0] == (OBJECT_IDENTIFIER, SUBJECT_ALTERNATIVE_NAME):
                for kind, value in _children(_one(_expected(parts[-1], OCTET_STRING), SEQUENCE)):
                    if kind == DNS_NAME:
                        yield value.decode("ascii").lower()
                    elif kind == IP_ADDRESS:
                        yield str(ipaddress.ip_address(value))


def _expected(element: Element, tag: int) -> bytes:
    if element[0] != tag:
        raise ValueError(element)
    return element[1]


def _one(data: bytes, tag: int) -> bytes:
    return _expected(_children(data)[0], tag)


def _children(data: bytes) -> List[Element]:
    """The elements that follow each other in the data."""
    found, at = [], 0
    while at < len(data):
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(data[at : at + size], "big")
            at += size
        if at + length > len(data):
            raise ValueError(data)
        found.append((tag, data[at : at + length]))
        at += length
    return found
