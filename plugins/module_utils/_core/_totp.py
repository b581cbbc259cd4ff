# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: the codes of an authenticator app."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct

# Seconds for which a code is shown, and its digits: what every authenticator app assumes (RFC 6238, section 4).
STEP = 30
DIGITS = 6


def step_at(seconds: float) -> int:
    """The number of the step at this time, in seconds since 1970."""
    return int(seconds // STEP)


def code(secret: bytes, step: int) -> str:
    """The code of a step (RFC 6238 with SHA-1; RFC 4226, section 5.3)."""
    digest = hmac.new(secret, struct.pack(">Q", step), hashlib.sha1).digest()
    offset = digest[-1] & 15
    (number,) = struct.unpack(">I", digest[offset : offset + 4])
    return str((number & 0x7FFFFFFF) % 10**DIGITS).zfill(DIGITS)


def to_text(secret: bytes) -> str:
    """The secret as an authenticator app takes it: Base32 without padding."""
    return base64.b32encode(secret).decode("ascii").rstrip("=")


def from_text(text: str) -> bytes:
    """The secret from Base32, with or without padding. Raises ValueError, which does not repeat the text."""
    letters = text.strip().rstrip("=").upper()
    try:
        return base64.b32decode(letters + "=" * (-len(letters) % 8))
    except ValueError:
        raise ValueError("the text is not Base32") from None
