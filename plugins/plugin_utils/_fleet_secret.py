# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords that are derived from one secret of the fleet, so that no file keeps them. Private; knows no Ansible.

Each is the output of HKDF-SHA256 (RFC 5869) over the inventory name, the purpose and the generation. Who learns the
password of one host, or of one purpose, learns nothing of the secret and of other passwords. A change of anything here
would change the passwords of every fleet.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ._arguments import ArgumentError, text, whole_number
from ._password_files import CHARACTERS, LENGTH
from ._settings_error import MissingLibraryError

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
    if SECRET not in variables:
        return []
    secret = checked(variables[SECRET])
    generation = _generation(variables.get(GENERATION, 1))
    wanted = range(generation, max(0, generation - EARLIER - 1), -1)
    return [password(secret, host, purpose, one) for one in wanted]


def checked(value: object) -> str:
    """The value of the variable if it can be the secret of a fleet. Raises ArgumentError, which does not show it."""
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


def _generation(value: object) -> int:
    generation = whole_number(value, GENERATION)
    if generation < 1:
        raise ArgumentError(f"{GENERATION} must be at least 1. Each higher number gives new passwords.")
    return generation


def password(secret: str, host: str, purpose: str, generation: int) -> str:
    """The password with this purpose: as long, and of the same characters, as a random one.

    Args:
        secret: what `checked` returned.
        host: the inventory name.
        purpose: one of PURPOSES.
        generation: 1 or more.
    """
    if _IMPORT_ERROR is not None:
        raise MissingLibraryError("cryptography", _IMPORT_ERROR)
    info = json.dumps([host, purpose, generation]).encode("ascii")
    material = HKDF(algorithm=SHA256(), length=MATERIAL, salt=SALT, info=info).derive(secret.encode())
    number, characters = int.from_bytes(material, "big"), []
    for _character in range(LENGTH):
        number, index = divmod(number, len(CHARACTERS))
        characters.append(CHARACTERS[index])
    return "".join(characters)
