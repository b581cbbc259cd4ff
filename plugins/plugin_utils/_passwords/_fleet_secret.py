# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is derived from one secret of the fleet, so that no file keeps it. Private; knows no Ansible.

Each password, and each secret of a two-step login, is the output of HKDF-SHA256 (RFC 5869) over the inventory name, the
purpose and the generation. Who learns that of one host, or of one purpose, learns nothing of the secret and of others.
A change of anything here would change the passwords of every fleet.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .._core._arguments import ArgumentError, text, whole_number
from .._core._errors import MissingLibraryError
from ._password_files import CHARACTERS, LENGTH

try:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF
except ImportError as error:
    _IMPORT_ERROR: ImportError | None = error
else:
    _IMPORT_ERROR = None

SECRET = "nodered_fleet_secret"
GENERATION = "nodered_password_generation"
PURPOSES = ("login", "http_auth")
"""For which passwords are derived: the role that writes them."""

# Bytes in UTF-8. That is the length of a SHA-256, and what `openssl rand -hex 16` prints.
SHORTEST = 32
SALT = b"pifleet.nodered password"
# Bytes. So many more than a password needs that each of its characters is as likely as any other (2 ** -265).
MATERIAL = 48
# How many earlier generations a password in the settings file is compared with: each takes a bcrypt verification.
EARLIER = 5
_REMEDY = "Make one with `openssl rand -hex 32`, and keep it in a vault."


def derived(variables: Mapping[str, Any], host: str, purpose: str) -> list[str]:
    """The passwords of a host: the current one, then those of up to EARLIER generations before it.

    Args:
        variables: those of the host. Each has its value templated when it is read.
        host: its inventory name.
        purpose: one of PURPOSES.

    Returns:
        An empty list without a fleet secret.

    Raises:
        ArgumentError: if a variable cannot be used; no message shows the secret.
        MissingLibraryError: if this machine can derive none.
    """
    secret = secret_in(variables)
    if not secret:
        return []
    generation = checked_generation(variables.get(GENERATION, 1), GENERATION)
    return [password(secret, host, purpose, one) for one in generations(generation)]


def generations(current: int) -> range:
    """The current generation, then up to EARLIER ones before it."""
    return range(current, max(0, current - EARLIER - 1), -1)


def secret_in(variables: Mapping[str, Any]) -> str:
    """The secret of the fleet; empty without one. Raises ArgumentError, which does not show it."""
    return _checked(variables[SECRET]) if SECRET in variables else ""


def _checked(value: object) -> str:
    # Also if it is null or empty: the alternative would be files that are not expected.
    secret = text(value, SECRET)
    try:
        size = len(secret.encode())
    except UnicodeEncodeError:
        raise ArgumentError(f"{SECRET} is no valid Unicode text. {_REMEDY}") from None
    if secret != secret.strip():
        raise ArgumentError(
            f"{SECRET} begins or ends with white space, which the next vault or editor may remove, and then every "
            "password would be another one. Remove it (in YAML, write |- in place of |)."
        )
    if size < SHORTEST:
        raise ArgumentError(f"{SECRET} has {size} bytes and needs at least {SHORTEST}. {_REMEDY}")
    return secret


def checked_generation(value: object, what: str) -> int:
    """A number of generations, 1 or more. Raises ArgumentError."""
    generation = whole_number(value, what)
    if generation < 1:
        raise ArgumentError(f"{what} must be at least 1. Each higher number gives something new.")
    return generation


def password(secret: str, host: str, purpose: str, generation: int) -> str:
    """The password with this purpose: as long, and of the same characters, as a random one.

    Args:
        secret: what `secret_in` returned.
        host: the inventory name.
        purpose: one of PURPOSES.
        generation: 1 or more.
    """
    number, characters = int.from_bytes(material(secret, host, purpose, generation, MATERIAL), "big"), []
    for _character in range(LENGTH):
        number, index = divmod(number, len(CHARACTERS))
        characters.append(CHARACTERS[index])
    return "".join(characters)


def material(secret: str, host: str, purpose: str, generation: int, length: int) -> bytes:
    """So many bytes, 8160 at most, for a purpose that is no other one's. Raises MissingLibraryError."""
    if _IMPORT_ERROR is not None:
        raise MissingLibraryError("cryptography", _IMPORT_ERROR)
    info = json.dumps([host, purpose, generation]).encode("ascii")
    return HKDF(algorithm=SHA256(), length=length, salt=SALT, info=info).derive(secret.encode())
