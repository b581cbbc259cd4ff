# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random passwords in files of the controller, as the lookup `ansible.builtin.password` keeps them. Private.

While a password is rotated, the file has a second line with the next one. Each step is one rename, so the host has one
of the passwords in the file at every moment.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import secrets
import string
from collections.abc import Iterator
from dataclasses import dataclass, field

from .._core import _kept_files

LENGTH = 20
CHARACTERS = string.ascii_letters + string.digits
NEXT = "next="


class PasswordFileError(ValueError):
    """A password cannot be read or kept; the message names the file and the remedy."""


def new() -> str:
    """A random password."""
    return "".join(secrets.choice(CHARACTERS) for _character in range(LENGTH))


@dataclass(frozen=True)
class Kept:
    """What a file holds."""

    password: str = field(repr=False)
    next: str | None = field(default=None, repr=False)
    """The one that replaces it when it is verified; None if it is not being rotated."""
    rest: str = field(default="", repr=False)
    """Further lines, which stay."""

    @property
    def data(self) -> bytes:
        line = f"{NEXT}{self.next}\n" if self.next else ""
        return f"{self.password}\n{line}{self.rest}".encode()


def read(path: str) -> Kept | None:
    """What this file holds; None if there is no file. Raises PasswordFileError, also for an empty file."""
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise PasswordFileError(f"The password file {path} cannot be read: {error}. Correct or remove it.") from None
    first, _end, rest = text.partition("\n")
    first = first.rstrip()
    # The lookup can add a salt, which is of no use here.
    password = first.rpartition(" salt=")[0] or first
    if not password:
        raise PasswordFileError(f"The password file {path} is empty. Write the password to it, or remove it.")
    second, _end, after = rest.partition("\n")
    following = second.rstrip().removeprefix(NEXT) if second.startswith(NEXT) else ""
    return Kept(password, following, after) if following else Kept(password, rest=rest)


def keep(path: str, password: str) -> None:
    """Write it, readable by its owner. Raises PasswordFileError if there is another one since the plan was made."""
    with _locked(path):
        kept = read(path)
        if kept is None:
            _write(path, Kept(password))
        elif kept.password != password:
            raise _changed(path)


def begin(path: str, old: str, new: str) -> None:
    """Keep the new password beside the old one. Raises PasswordFileError as `keep` does."""
    with _locked(path):
        kept = read(path)
        if kept is None or kept.password != old or kept.next not in (None, new):
            raise _changed(path)
        if kept.next is None:
            _write(path, dataclasses.replace(kept, next=new))


def promote(path: str, new: str) -> None:
    """Keep the new password alone, which `begin` has written. Raises PasswordFileError as `keep` does."""
    with _locked(path):
        kept = read(path)
        if kept is None or new not in (kept.next, kept.password):
            raise _changed(path)
        if kept.next == new:
            _write(path, Kept(new, rest=kept.rest))


def _write(path: str, kept: Kept) -> None:
    _kept_files.write(pathlib.Path(path), kept.data, 0o600)


def _changed(path: str) -> PasswordFileError:
    return PasswordFileError(f"Another run has written {path} meanwhile. Run again.")


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    """Work on this file alone. Raises PasswordFileError."""
    try:
        with _kept_files.locked(pathlib.Path(path).parent):
            yield
    except OSError as error:
        raise PasswordFileError(f"The password cannot be kept in {path}: {error}. Make that folder writable.") from None
