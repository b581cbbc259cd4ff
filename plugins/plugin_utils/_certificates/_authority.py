# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The private authority: in a folder of the controller, or given as text. Private; knows no Ansible.

In the folder, `authority.pem` is for browsers and phones, `authority.key` is encrypted, `clients` has what people and
the verification need to log in by certificate. Each file is written in one step; keys can be read by their owner only.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import hashlib
import json
import os
import pathlib
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from ...module_utils._core._text import listed, short_line
from .._core import _kept_files
from ._certificate import CertificateError, constraints_of, is_constrained, parsed
from ._certificate_make import Authority
from ._certificate_names import Constraints
from ._client_files import PROOF

GIVEN = ("nodered_tls_authority_certificate", "nodered_tls_authority_key")
# The certificate of another one during a rotation.
BESIDE = "nodered_tls_authority_trusted"


class AuthorityError(Exception):
    """Why the authority cannot be used, and what to do. Holds nothing of keys and passphrases."""


class Candidate(NamedTuple):
    """An authority that is in no folder yet, as PEM text. The key is encrypted."""

    certificate: str
    key: str


def candidate(constraints: Constraints, passphrase: str) -> Candidate:
    authority = Authority.new(constraints, datetime.datetime.now(datetime.timezone.utc))
    return Candidate(authority.pem, authority.protected_key(passphrase))


def shared_candidate(run_folder: str, folder: AuthorityFolder, make: Callable[[], Candidate]) -> Candidate:
    """The authority that this run is going to put into the folder: the same for all hosts, as their settings name it.

    The first host makes it. `run_folder` is a private folder of this run.
    """
    return Candidate(*of_this_run(run_folder, [str(folder.path), folder.certificate()], make))


def of_this_run(run_folder: str, what: Sequence[str], make: Callable[[], Any]) -> Any:
    """What the first host of this run has made (as JSON can hold it), and which all hosts share.

    `run_folder` is a private folder of this run.
    """
    digest = hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]
    path = os.path.join(run_folder, f"pifleet-authority-{digest}.json")
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        kept = file.read()
        if not kept:
            kept = json.dumps(make())
            file.write(kept)
        return json.loads(kept)


def fingerprint(certificate: str) -> str:
    """A short name for the certificate in this text."""
    return hashlib.sha256(certificate.encode()).hexdigest()[:16]


def given(certificate: str, key: str, passphrase: str) -> Authority:
    """The authority whose certificate and key (PEM texts, the key encrypted or not) are in variables.

    Raises AuthorityError, which shows nothing of them, and CertificateError.
    """
    if len(parsed(certificate, GIVEN[0])) != 1:
        raise AuthorityError(f"{GIVEN[0]} must be one certificate: that of the authority itself, without others.")
    try:
        return Authority.opened(certificate, key.encode(), passphrase, plain=True)
    except ValueError:
        raise AuthorityError(
            f"{GIVEN[1]} cannot be opened with nodered_tls_authority_passphrase, is no key in PEM form, or is not that "
            f"of {GIVEN[0]}. Give what authority.key and authority.pem contain, and the passphrase with which they "
            "were made."
        ) from None


class AuthorityFolder:
    """The folder of one private authority."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = pathlib.Path(path)
        self.certificate_file = self.path / "authority.pem"
        self.key_file = self.path / "authority.key"
        self.clients = self.path / "clients"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time: all hosts of a run share these files."""
        with _kept_files.locked(self.path):
            yield

    def certificate(self) -> str:
        """The authority's certificate as PEM text; empty where there is no authority yet."""
        with contextlib.suppress(FileNotFoundError):
            return self.certificate_file.read_text(encoding="ascii", errors="replace")
        return ""

    def opened(self, passphrase: str, new: Candidate | None = None) -> Authority:
        """The authority here, or the new one for this folder, with its key.

        Raises AuthorityError if the passphrase or the key belongs to another one.
        """
        try:
            certificate, key = new or Candidate(self.certificate(), self.key_file.read_text(encoding="ascii"))
            return Authority.opened(certificate, key.encode(), passphrase)
        except (OSError, ValueError):
            raise AuthorityError(
                f"{self.key_file} cannot be opened with nodered_tls_authority_passphrase, or is not the key of "
                f"{self.certificate_file.name} there. Give the passphrase with which it was made, or put another "
                "folder into nodered_tls_authority_dir; a new authority has to be given to every browser again."
            ) from None

    def put(self, new: Candidate) -> None:
        """Write a new authority. What was there is kept beside it, so nothing is lost where this ends too early."""
        self._retire()
        self.write(new)

    def write(self, new: Candidate) -> None:
        """Write an authority. It is there once its certificate is."""
        self.path.mkdir(mode=0o700, exist_ok=True)
        _kept_files.write(self.key_file, new.key.encode(), 0o600)
        _kept_files.write(self.certificate_file, new.certificate.encode(), 0o644)

    def place_for_replaced(self) -> pathlib.Path:
        """A folder that is not there yet, for what is no longer used."""
        return self.path / f"replaced-{datetime.datetime.now():%Y-%m-%d-%H%M%S}-{secrets.token_hex(2)}"

    def _retire(self) -> None:
        # The certificate first: without it, there is no authority any more.
        there = [file for file in (self.certificate_file, self.key_file) if file.exists()]
        if there:
            retired = self.place_for_replaced()
            retired.mkdir(mode=0o700)
        for file in there:
            file.rename(retired / file.name)


def require_not_replaced(certificate: str, wanted: Constraints, *, replace: bool) -> None:
    """Raise AuthorityError if `effective_constraints` would replace this authority, which is given as text."""
    if effective_constraints(certificate, wanted, replace=replace)[1]:
        raise AuthorityError(
            f"nodered_tls_authority_replace: true cannot replace the authority in {GIVEN[0]}, which has no name "
            "constraints, or whose constraints lack a name of the inventory. Unset it, or let a run without "
            f"{GIVEN[0]} and {GIVEN[1]} make another one in nodered_tls_authority_dir, and give that."
        )


def effective_constraints(certificate: str, wanted: Constraints, *, replace: bool) -> tuple[Constraints, bool]:
    """For which names the authority may make certificates after this run, and whether it is to be made for that.

    An authority without name constraints, or one whose constraints lack something, is replaced only on request. A new
    one permits what the one before did as well, as an inventory may be one of several.
    """
    if not certificate:
        return wanted, True
    present = constraints_of(certificate)
    if not replace or (is_constrained(present) and not present.lack(wanted)):
        return present, False
    return (present.with_more(wanted) if is_constrained(present) else wanted), True


def warning_about(certificate: str, where: str, wanted: Constraints) -> str:
    """What is wrong with the authority in this folder or variable, in use, and what to do; empty if it is good."""
    present = constraints_of(certificate)
    how = "Give another one" if where == GIVEN[0] else "Set nodered_tls_authority_replace: true"
    remedy = (
        f"{how} to replace it. Then install the new authority.pem on every browser and phone, and remove the old one "
        "there."
    )
    if not is_constrained(present):
        return (
            f"The private authority in {where} has no name constraints: anyone who gets its key can make a "
            f"certificate for every site, and browsers and phones that trust it would accept it. {remedy}"
        )
    lacking = present.lack(wanted)
    if lacking:
        return (
            f"The private authority in {where} is not allowed to make certificates for "
            f"{listed(lacking)}, which the inventory has; certificates are made without these names. {remedy}"
        )
    return ""


def require_client_name(name: str) -> str:
    """The name of a client, which becomes that of a file. Raises AuthorityError if it cannot be one."""
    if name == PROOF or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9@._-]{0,99}", name):
        raise AuthorityError(
            f"{short_line(name)!r} cannot be the name of a client (nodered_tls_client_users): it becomes the name "
            f"of a file, so it must have letters, digits and @._- only, 100 at most, and not be {PROOF}. Rename it."
        )
    return name


def require_names(constraints: Constraints, names: Sequence[str]) -> None:
    """Raise CertificateError if the authority is not allowed to certify one of these names."""
    foreign = constraints.not_allowed(names)
    if foreign:
        raise CertificateError(
            f"The private authority is not allowed to make a certificate for {listed(foreign)}: its name constraints "
            "do not permit it.",
            "Reach Node-RED by another name or address (nodered_address, nodered_tls_names), or add "
            "the name to nodered_tls_authority_names and set nodered_tls_authority_replace: true; then every browser "
            "and phone needs the new authority.pem.",
        )
