# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: bcrypt hashes as Node-RED stores them for logins."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import logging
import re
import sys

from .._core._errors import MissingLibraryError

try:
    from passlib.exc import MissingBackendError  # type: ignore[import-untyped]  # libpass has no stubs
    from passlib.hash import bcrypt  # type: ignore[import-untyped]

    # passlib 1.7.4 logs the traceback of a harmless error with bcrypt 4.1 and later.
    logging.getLogger("passlib.handlers.bcrypt").setLevel(logging.ERROR)
except ImportError as error:
    _IMPORT_ERROR: ImportError | None = error
else:
    _IMPORT_ERROR = None
    # Once, before Ansible forks: finding the backend takes as long as some hashes. `require_library` reports an error.
    with contextlib.suppress(ImportError, MissingBackendError, ValueError):
        bcrypt.get_backend()

# Verifying doubles in time with each step; this takes a second on a controller, and many seconds on a Pi. The file that
# a hash comes from may be an attacker's: at 31 it would take two days.
HIGHEST_COST = 14
# bcrypt reads no further: all libraries that Node-RED has used cut there silently.
LONGEST_PASSWORD = 72
_HASH = re.compile(r"\$2([aby])\$(\d\d)\$[./A-Za-z0-9]{53}")


class PasswordError(ValueError):
    """A password, or the way it is to be hashed, that cannot be used. The message never holds the password."""


def check_password(password: str) -> None:
    """Raise PasswordError for a password that Node-RED's bcrypt libraries would refuse or cut."""
    if not password:
        raise PasswordError("the password is empty; choose one that is not")
    size = len(_encoded(password))
    if size > LONGEST_PASSWORD:
        raise PasswordError(
            f"the password has {size} bytes in UTF-8; bcrypt uses only the first {LONGEST_PASSWORD}, "
            "so a longer one would be cut silently; choose a shorter one"
        )
    if "\0" in password:
        raise PasswordError(
            "the password holds a NUL character, where some bcrypt libraries cut it; choose one without"
        )


def hash_password(password: str, *, rounds: int = 8, ident: str = "2b") -> str:
    """The bcrypt hash of a password.

    Rounds is the cost, 4 to 31, as the power of two of the iterations. Ident is the prefix: 2b, 2a for Node-RED 0.18
    and older, 2y as htpasswd writes it.
    """
    check_password(password)
    if ident not in ("2a", "2b", "2y"):
        raise PasswordError("the ident of a bcrypt hash must be one of 2a, 2b and 2y")
    if isinstance(rounds, bool) or not isinstance(rounds, int) or not 4 <= rounds <= 31:
        raise PasswordError("the rounds (cost) of a bcrypt hash must be a whole number from 4 to 31")
    require_library()
    return str(bcrypt.using(rounds=rounds, ident=ident).hash(password))


def verify(password: str, hashed: str) -> bool:
    """Whether the hash was made from the password; False for what is no bcrypt hash or no usable password."""
    if not is_bcrypt(hashed) or not password or "\0" in password:
        return False
    try:
        if len(_encoded(password)) > LONGEST_PASSWORD:
            return False
    except PasswordError:
        return False
    require_library()
    return _verified(password, hashed)


# A plan asks whether a password changes, and the edit that it leads to asks again.
@functools.lru_cache(maxsize=32)
def _verified(password: str, hashed: str) -> bool:
    return bool(bcrypt.verify(password, hashed))


def can_stay(hashed: str, password: str, *, rounds: int, ident_wanted: str = "") -> bool:
    """Whether the hash was made from the password, with at least that cost and with that ident if one is given."""
    return (
        is_bcrypt(hashed)
        and rounds <= cost(hashed) <= max(rounds, HIGHEST_COST)
        and ident_wanted in ("", ident(hashed))
        and verify(password, hashed)
    )


def cost(hashed: str) -> int:
    """The cost (rounds) of a bcrypt hash."""
    match = _HASH.fullmatch(hashed)
    if match is None:
        raise PasswordError("this is no bcrypt hash")
    return int(match[2])


def ident(hashed: str) -> str:
    """The prefix of a bcrypt hash: 2a, 2b or 2y."""
    match = _HASH.fullmatch(hashed)
    if match is None:
        raise PasswordError("this is no bcrypt hash")
    return f"2{match[1]}"


def is_bcrypt(text: str) -> bool:
    """Whether the text has the form of a bcrypt hash that Node-RED can use."""
    match = _HASH.fullmatch(text)
    return match is not None and 4 <= int(match[2]) <= 31


def _encoded(password: str) -> bytes:
    try:
        return password.encode()
    except UnicodeEncodeError:
        raise PasswordError("the password is no valid Unicode text; choose another one") from None


def require_library() -> None:
    """Raise MissingLibraryError where this machine can neither hash nor verify a password."""
    if _IMPORT_ERROR is not None:
        raise MissingLibraryError("libpass (passlib)", _IMPORT_ERROR, remedy=_remedy())
    try:
        bcrypt.get_backend()
    except (ImportError, MissingBackendError) as error:
        raise MissingLibraryError("bcrypt", error) from None
    except ValueError as error:
        # passlib 1.7.4 tries a password that bcrypt 5 refuses; libpass replaces it.
        raise MissingLibraryError("libpass in place of passlib", error, remedy=_remedy()) from None


def _remedy() -> str:
    """What repairs an installation that pip reports as complete; empty if pip knows of none.

    Both packages install the folder `passlib`: the one that was installed last works, and the removal of one removes
    the files of the other.
    """
    installed = {one for one in ("libpass", "passlib") if _is_installed(one)}
    if not installed:
        return ""
    pip = f"{sys.executable} -m pip"
    remove = f"{pip} uninstall --yes passlib && " if "passlib" in installed else ""
    return (
        "libpass replaces passlib, and both have the same files. Install it again into the Python that runs Ansible: "
        f"{remove}{pip} install --force-reinstall libpass"
    )


def _is_installed(package: str) -> bool:
    try:
        importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
