# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random passwords in files of the controller, as the lookup `ansible.builtin.password` keeps them. Private."""

from __future__ import annotations

import pathlib
import secrets
import string

from .._core import _kept_files

LENGTH = 20
CHARACTERS = string.ascii_letters + string.digits


class PasswordFileError(ValueError):
    """A password cannot be read or kept; the message names the file and the remedy."""


def new() -> str:
    """A random password."""
    return "".join(secrets.choice(CHARACTERS) for _character in range(LENGTH))


def read(path: str) -> str | None:
    """The password in this file; None if there is no file. Raises PasswordFileError, also for an empty file."""
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise PasswordFileError(f"The password file {path} cannot be read: {error}. Correct or remove it.") from None
    first = text.partition("\n")[0].rstrip()
    # The lookup can add a salt, which is of no use here.
    password = first.rpartition(" salt=")[0] or first
    if not password:
        raise PasswordFileError(f"The password file {path} is empty. Write the password to it, or remove it.")
    return password


def keep(path: str, password: str) -> None:
    """Write it, readable by its owner. Raises PasswordFileError if there is another one since the plan was made."""
    file = pathlib.Path(path)
    try:
        with _kept_files.locked(file.parent):
            kept = read(path)
            if kept is None:
                _kept_files.write(file, f"{password}\n".encode(), 0o600)
            elif kept != password:
                raise PasswordFileError(f"Another run has written {path} meanwhile. Run again.")
    except OSError as error:
        raise PasswordFileError(f"The password cannot be kept in {path}: {error}. Make that folder writable.") from None
