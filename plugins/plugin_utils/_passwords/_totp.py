# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The second step of a login: secrets, recovery codes, and what an authenticator app and a host get. Private.

Pure: knows no Ansible, no file and no clock. A secret is in no message and no representation.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import itertools
import json
import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from ...module_utils._core import _totp

# Bytes. RFC 4226 recommends 160 bits.
SECRET_BYTES = 20
RECOVERY_CODES = 8
# Letters that are not taken for one another. 16 of them are 72 bits, too many to try out, so no slow hash is needed.
RECOVERY_LETTERS = "".join(letter for letter in string.ascii_lowercase if letter not in "ilo")
RECOVERY_GROUPS, RECOVERY_GROUP = 4, 4
RECOVERY_BYTES = 16
RECOVERY_CODE = re.compile(f"[{RECOVERY_LETTERS}]{{4}}(-[{RECOVERY_LETTERS}]{{4}}){{3}}")

COMPANION = "pifleet-two-step.js"
MOST_COMBINATIONS = 300
_CALL = re.compile(rf"""\s*require\(\s*["']\./{re.escape(COMPANION)}["']\s*\)\s*\.forUsers\(\s*""")

RandomBytes = Callable[[str, int], bytes]
"""Returns so many bytes for a purpose such as `totp/ada`."""


class TotpError(ValueError):
    """What cannot be used, and the remedy. Repeats no secret."""


class MissingSegnoError(TotpError):
    """The library that draws QR codes is missing."""


@dataclass(frozen=True)
class Enrolment:
    """What one user shares with one host."""

    secret: bytes = field(repr=False)
    recovery_codes: tuple[str, ...] = field(repr=False)
    """In plain text: only the controller has them."""

    @classmethod
    def new(cls, user: str, random_bytes: RandomBytes) -> Enrolment:
        """A new one. The bytes are random, or derived from a secret for the purposes `totp/USER` and
        `totp-recovery/USER`."""
        secret = random_bytes(f"totp/{user}", SECRET_BYTES)
        material = random_bytes(f"totp-recovery/{user}", RECOVERY_CODES * RECOVERY_BYTES)
        pieces = [material[start : start + RECOVERY_BYTES] for start in range(0, len(material), RECOVERY_BYTES)]
        return cls(secret, tuple(_recovery_code(piece) for piece in pieces))

    @property
    def secret_text(self) -> str:
        """As an app takes it: Base32."""
        return _totp.to_text(self.secret)

    def for_host(self, user: str) -> dict[str, Any]:
        """What the host gets: the secret, and a hash of each recovery code.

        The hash is an HMAC with SHA-256 whose key is the secret: the same code has another hash for each user and host.
        """
        hashes = [hmac.new(self.secret, code.encode(), hashlib.sha256).hexdigest() for code in self.recovery_codes]
        return {"username": user, "secret": self.secret.hex(), "recovery": hashes}


def _recovery_code(piece: bytes) -> str:
    """128 bits for 72: the remainder favours no letter by more than one in 10^16."""
    number, letters = int.from_bytes(piece, "big"), []
    for _letter in range(RECOVERY_GROUPS * RECOVERY_GROUP):
        number, index = divmod(number, len(RECOVERY_LETTERS))
        letters.append(RECOVERY_LETTERS[index])
    text = "".join(letters)
    return "-".join(text[start : start + RECOVERY_GROUP] for start in range(0, len(text), RECOVERY_GROUP))


# For the host


def host_file(service: str) -> str:
    """The name of the file with the secrets in the user directory."""
    return f".pifleet-two-step-{re.sub('[^A-Za-z0-9_.@:-]', '_', service)}.json"


def host_text(enrolments: Mapping[str, Enrolment]) -> str:
    """The text of that file. The same enrolments give the same text, so that its digest shows a difference."""
    users = [enrolments[user].for_host(user) for user in sorted(enrolments)]
    return json.dumps({"users": users}, indent=1, sort_keys=True) + "\n"


def is_text_of(digest: str, candidates: Mapping[str, Sequence[Enrolment]]) -> bool:
    """Whether that file has these users, each with one of its enrolments.

    `digest` is the SHA-256 of its text, in hexadecimal. A host with very many users and enrolments is not tried out.
    """
    names, combinations = sorted(candidates), itertools.product(*(candidates[name] for name in sorted(candidates)))
    return any(
        hashlib.sha256(host_text(dict(zip(names, one, strict=True))).encode()).hexdigest() == digest
        for one in itertools.islice(combinations, MOST_COMBINATIONS)
    )


def setting(users: list[str], path: str) -> dict[str, str]:
    """The value of `adminAuth.authenticate` for the engine: who needs a code, and the file with the secrets."""
    names = ", ".join(json.dumps(user) for user in users)
    return {"$js": f"require({json.dumps('./' + COMPANION)}).forUsers([{names}], {json.dumps(path)})"}


def is_ours(value: object) -> bool:
    """Whether a value of `adminAuth.authenticate` is code that `setting` has written."""
    return isinstance(value, Mapping) and set(value) == {"$js"} and COMPANION in str(value["$js"])


def users_in(value: object) -> list[str]:
    """The users who need a code, from a value of `adminAuth.authenticate`; none if it is not what `setting` writes."""
    if not (is_ours(value) and isinstance(value, Mapping)):
        return []
    text = str(value["$js"])
    begin = _CALL.match(text)
    try:
        names, _end = json.JSONDecoder().raw_decode(text, begin.end()) if begin else ([], 0)
    except (ValueError, RecursionError):
        return []
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


# For the user


def uri(enrolment: Enrolment, *, host: str, user: str) -> str:
    """What a QR code holds (github.com/google/google-authenticator/wiki/Key-Uri-Format)."""
    issuer = f"Node-RED {host}".replace(":", "-")
    label = f"{quote(issuer, safe='')}:{quote(user, safe='')}"
    return f"otpauth://totp/{label}?secret={enrolment.secret_text}&issuer={quote(issuer, safe='')}"


def record(enrolment: Enrolment, *, host: str, user: str) -> str:
    """The text file that the controller keeps for a user of a host, with a QR code for the terminal (`cat`)."""
    address = uri(enrolment, host=host, user=user)
    codes = "\n".join(enrolment.recovery_codes)
    return (
        f"Two-step login of {_printable(user)} at {_printable(host)}\n\n"
        "Scan the QR code with an authenticator app; the SVG file beside this file shows it, too. Without a camera,\n"
        "enter the secret in this address by hand (time-based, 6 digits, SHA-1):\n"
        f"{address}\n\n"
        "To log in, type the password and directly after it the six digits that the app shows.\n"
        "A recovery code works once in place of the six digits. Cross out what you have used:\n"
        f"{codes}\n\n"
        f"{terminal_code(address)}"
    )


def from_record(text: str) -> Enrolment:
    """What `record` has written. Raises TotpError, which does not name the file."""
    lines = [line.strip() for line in text.splitlines()]
    addresses = [line for line in lines if line.startswith("otpauth://totp/")]
    codes = tuple(line for line in lines if RECOVERY_CODE.fullmatch(line))
    if len(addresses) != 1 or not codes:
        raise TotpError("it must have one line that begins with otpauth://totp/ and at least one recovery code")
    try:
        secret = _totp.from_text(parse_qs(urlsplit(addresses[0]).query).get("secret", [""])[0])
    except ValueError:
        secret = b""
    if len(secret) < SECRET_BYTES:
        raise TotpError(f"the secret in it must be Base32 text of at least {SECRET_BYTES * 8} bits")
    return Enrolment(secret, codes)


def terminal_code(address: str) -> str:
    """A QR code of half blocks, for a terminal with light text on a dark background."""
    out = io.StringIO()
    _qr_code(address).terminal(out, compact=True)
    return out.getvalue()


def svg_code(address: str) -> str:
    """A QR code as an SVG document."""
    out = io.BytesIO()
    _qr_code(address).save(out, kind="svg", scale=6, light="#fff")
    return out.getvalue().decode("utf-8")


def require_segno() -> None:
    """Raise MissingSegnoError if no QR code can be drawn here."""
    try:
        import segno  # noqa: F401
    except ImportError as error:
        raise MissingSegnoError(
            f"Two-step login needs the Python library segno on the controller, which draws the QR codes ({error}). "
            "Install it there (pip install segno, into the environment of ansible-playbook), then run again."
        ) from None


def _qr_code(address: str) -> Any:
    require_segno()
    import segno

    try:
        return segno.make_qr(address, error="m")
    except ValueError:
        raise TotpError("the names of the host and the user are too long for a QR code; use shorter ones") from None


def _printable(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name)
