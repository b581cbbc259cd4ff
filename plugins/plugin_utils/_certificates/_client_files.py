# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of client certificates on the controller. Private; knows no Ansible.

`NAME.p12` is for the browser of a person, and holds the only copy of its key. `NAME.pem` is its certificate, which
shows when it is due. The verification has `proof.pem` and `proof.key`, unless it gets a certificate for each run.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import pathlib
import tempfile
from collections.abc import Iterator, Mapping

from .._core import _kept_files
from ._certificate import Use
from ._certificate_here import problem_of
from ._certificate_make import Authority, Pair, client_made, packed

# The client certificate of the verification; its key is kept.
PROOF = "proof"
MOST_DAYS = 397


class ClientFolder:
    """A folder with client certificates of one authority."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = pathlib.Path(path)

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """One process at a time: all hosts of a run share these files. Raises OSError."""
        return _kept_files.locked(self.path)

    def is_due(self, client: str, authority: str, renew_days: float, made_before: float = 0) -> bool:
        """Whether a client certificate is missing, about to expire, or made by another authority (PEM text).

        Or before a time, in seconds since 1970.
        """
        kept = self.path / f"{client}{'.key' if client == PROOF else '.p12'}"
        certificate = self.path / f"{client}.pem"
        if not (kept.is_file() and certificate.is_file()):
            return True
        text = certificate.read_text(encoding="ascii", errors="replace")
        if problem_of(text, Use(authorities=authority, days_left=renew_days, purpose="client")):
            return True
        return client_made(text) < made_before

    def make(self, client: str, authority: Authority, *, days: int, passphrase: str) -> None:
        """A certificate for a person, whose key is in the encrypted .p12 file only, or for the verification."""
        pair = authority.client_pair(client, now=datetime.datetime.now(datetime.timezone.utc), days=days)
        key, certificate = self.path / f"{client}.key", self.path / f"{client}.pem"
        # Without it, an interruption from here on leads to another pair, not to halves of two.
        certificate.unlink(missing_ok=True)
        if client == PROOF:
            _kept_files.write(key, pair.key.encode(), 0o600)
        else:
            data = packed(pair, authority, called=client, passphrase=passphrase)
            _kept_files.write(self.path / f"{client}.p12", data, 0o600)
            key.unlink(missing_ok=True)
        _kept_files.write(certificate, pair.certificate.encode(), 0o600)


def pair_of_a_run(authority: Authority, renew_days: float) -> Pair:
    """A client certificate for the verification of one run, which no file keeps.

    It is valid for longer than the clock of a host may be ahead of that of the controller (`_plan/tls.py`), which is
    `renew_days`. That can be an odd number here, which the plan rejects.
    """
    days = int(renew_days) if 0 <= renew_days < MOST_DAYS else 0
    return authority.client_pair(PROOF, now=datetime.datetime.now(datetime.timezone.utc), days=days + 4)


@contextlib.contextmanager
def unseen(pair: Mapping[str, str] | None, folder: str) -> Iterator[dict[str, str]]:
    """The options `client_cert` and `client_key` of `probe` for a pair (PEM texts); without one, none.

    TLS libraries read both from a file. In Linux it is in memory only (memfd_create(2)), and open in this process
    alone. Elsewhere it is in `folder`, a private one of the run, and removed at once.
    """
    if not pair:
        yield {}
        return
    with contextlib.ExitStack() as opened:
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("client", os.MFD_CLOEXEC)
            path = f"/proc/self/fd/{descriptor}"
        else:
            descriptor, path = tempfile.mkstemp(dir=folder)
            opened.callback(os.unlink, path)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(pair["certificate"] + pair["key"])
            file.flush()
            yield {"client_cert": path, "client_key": path}
