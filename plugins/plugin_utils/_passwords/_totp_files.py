# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the secrets of two-step logins are: in files of the controller, a text file and a picture for each user of a
host, or nowhere, as they are derived from the secret of the fleet. Private."""

from __future__ import annotations

import pathlib
from urllib.parse import quote

from .._core import _kept_files
from . import _fleet_secret
from ._totp import Enrolment, TotpError, from_record

RECORD, PICTURE = ".txt", ".svg"


def path_of(folder: str, user: str) -> str:
    """The text file of a user in the folder of a host."""
    return f"{folder}/{quote(user, safe=' @+=,')}{RECORD}"


def read(path: str) -> Enrolment | None:
    """What a text file holds; None if there is no file. Raises TotpError."""
    try:
        return from_record(pathlib.Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        # UnicodeDecodeError repeats what it has read.
        why = "it is not UTF-8" if isinstance(error, UnicodeError) else error
        raise TotpError(
            f"{path}, which keeps the secret of a two-step login, cannot be used: {why}. Restore it from a backup, or "
            "remove it and run with nodered_login_totp_renew."
        ) from None


def derived(secret: str, host: str, user: str, generation: int) -> Enrolment:
    """What is derived for a user of this host (inventory name) from the secret of the fleet."""

    def material(purpose: str, length: int) -> bytes:
        return _fleet_secret.material(secret, host, purpose, generation, length)

    return Enrolment.new(user, material)


def keep(path: str, *, record: str, picture: str, replaces: str) -> None:
    """Write the text file and the picture, readable by their owner.

    `replaces` is the secret (Base32) that the file had when the plan was made; empty if there was no file. Raises
    TotpError, also if another run has written the file meanwhile.
    """
    file = pathlib.Path(path)
    try:
        with _kept_files.locked(file.parent):
            present = read(path)
            secret = present.secret_text if present else ""
            if secret == from_record(record).secret_text:
                return
            if secret != replaces:
                raise TotpError(f"Another run has written {path} meanwhile. Run again.")
            # The text file last: it is what the next run reads.
            # Python 3.14 sees no suffix in "..txt", the file of a user with the name ".".
            _kept_files.write(pathlib.Path(path.removesuffix(RECORD) + PICTURE), picture.encode(), 0o600)
            _kept_files.write(file, record.encode(), 0o600)
    except OSError as error:
        raise TotpError(f"The secret cannot be kept in {path}: {error}. Make that folder writable.") from None
