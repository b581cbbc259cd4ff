# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exchange the private authority of a fleet: two are trusted until each host has the new one. Private; no Ansible.

What is in the folder of the authority says how far that is:

| `next` | `previous` | phase | who issues certificates    | who is trusted as well |
|--------|------------|-------|----------------------------|------------------------|
|        |            | ONE   | authority.pem              |                        |
| there  |            | BOTH  | authority.pem, the old one | next, the new one      |
| there  | there      | MOVED | next, the new one          | previous, the old one  |
|        | there      | MOVED | authority.pem, the new one | previous, the old one  |

An authority is there once its certificate is, which is written after its key. So each phase begins with one rename, and
an interruption leaves one of these lines. `rotation.json` has which host has reached which phase.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .._core import _kept_files
from ._authority import AuthorityError, AuthorityFolder, Candidate, fingerprint
from ._certificate_make import Authority

ONE, BOTH, MOVED = "one", "both", "moved"
STAY, BEGIN, MOVE, FINISH = "", "begin", "move", "finish"
UNCONCERNED = "unconcerned"
"""In place of the phase, for a host without certificates of the authority."""
# In the order in which a host reaches them; with ONE, it trusts the new authority only.
_REACHED = {BOTH: 1, MOVED: 2, ONE: 3, UNCONCERNED: 4}


class Present(NamedTuple):
    """The authorities in a folder, as PEM text."""

    phase: str
    issuer: str
    """Empty if there is none yet."""
    beside: str
    """The one that is trusted as well; empty if there is none."""

    @property
    def newest(self) -> str:
        return self.beside if self.phase == BOTH else self.issuer


class Change(NamedTuple):
    """What a run does to the authorities, and which they are then."""

    step: str
    phase: str
    """That of the folder then; empty if there is no folder."""
    issuer: str
    beside: str
    key: str = ""
    """That of the new authority, encrypted; for BEGIN only."""


def waiting_for(phase: str, reached: Mapping[str, str], fleet: Sequence[str]) -> list[str]:
    """The hosts of the fleet without which the next phase does not begin.

    Args:
        phase: that of the folder.
        reached: which phase each host has reached in this rotation; empty if there was none yet.
        fleet: the inventory names of all hosts.
    """
    if phase == ONE and not reached:
        return []
    return [host for host in fleet if _REACHED.get(reached.get(host, ""), 0) < _REACHED[phase]]


def next_step(phase: str, reached: Mapping[str, str], fleet: Sequence[str], *, is_due: bool) -> str:
    """Which step a rotation takes now. `is_due`: whether the only authority has to be replaced at all.

    After the last step, hosts that were away trust the old authority until a run has reached them.
    """
    step = {ONE: BEGIN if is_due else STAY, BOTH: MOVE, MOVED: FINISH}[phase]
    return STAY if waiting_for(phase, reached, fleet) else step


def change(present: Present, step: str, new: Candidate | None = None) -> Change:
    """What this step leads to. `new` is the authority that BEGIN adds."""
    if step == BEGIN and new:
        return Change(BEGIN, BOTH, present.issuer, new.certificate, new.key)
    if step == MOVE:
        return Change(MOVE, MOVED, present.beside, present.issuer)
    if step == FINISH:
        return Change(FINISH, ONE, present.issuer, "")
    return Change(STAY, *present)


class Authorities:
    """The folder of the private authority, with the one that replaces it or that it has replaced.

    The caller holds the lock of the folder for what changes something.
    """

    def __init__(self, folder: AuthorityFolder) -> None:
        self._folder = folder
        self._next = AuthorityFolder(folder.path / "next")
        self._previous = AuthorityFolder(folder.path / "previous")
        self._record = folder.path / "rotation.json"

    def present(self) -> Present:
        """Those that are there now; also while another run changes them, and if there is no folder yet."""
        while True:
            following, previous = others = self._next.certificate(), self._previous.certificate()
            here = self._folder.certificate()
            if others == (self._next.certificate(), self._previous.certificate()):
                break
        if previous:
            return Present(MOVED, following or here, previous)
        return Present(BOTH if following else ONE, here, following)

    def opened(self, certificate: str, passphrase: str) -> Authority:
        """The one of these authorities with this certificate. Raises AuthorityError, see `AuthorityFolder.opened`."""
        folders = [one for one in (self._next, self._folder) if one.certificate() == certificate]
        return (folders or [self._folder])[0].opened(passphrase)

    def take(self, wanted: Change) -> None:
        """Take the step, unless another host of this run has. Raises AuthorityError if another run has changed them."""
        self._settle()
        present = self.present()
        before = {
            BEGIN: Present(ONE, wanted.issuer, ""),
            MOVE: Present(BOTH, wanted.beside, wanted.issuer),
            FINISH: Present(MOVED, wanted.issuer, present.beside),
        }
        if present == (wanted.phase, wanted.issuer, wanted.beside):
            return
        if wanted.step == STAY or present != before[wanted.step]:
            raise AuthorityError(
                f"{self._folder.certificate_file} has changed since the run began. Run again, which uses the authority "
                "there."
            )
        if wanted.step == BEGIN:
            self._next.write(Candidate(wanted.beside, wanted.key))
        elif wanted.step == MOVE:
            self._previous.write(Candidate(present.issuer, self._folder.key_file.read_text(encoding="ascii")))
            self._settle()
        else:
            self._previous.path.rename(self._folder.place_for_replaced())

    def _settle(self) -> None:
        """End an exchange of the files."""
        if not self._previous.certificate():
            return
        if self._next.certificate():
            key = self._next.key_file.read_text(encoding="ascii")
            self._folder.write(Candidate(self._next.certificate(), key))
            self._next.certificate_file.unlink()
        shutil.rmtree(self._next.path, ignore_errors=True)

    def reached(self) -> dict[str, str]:
        """Which phase each host has reached in the present rotation, or in the last one; empty without one."""
        return self._reached(self.present())

    def _reached(self, present: Present) -> dict[str, str]:
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError, AttributeError):
            kept = json.loads(self._record.read_text(encoding="utf-8"))
            if kept["authority"] == fingerprint(present.newest):
                return {str(host): str(phase) for host, phase in kept["hosts"].items()}
        # Without it, hosts are visited once more.
        return {}

    def record(self, host: str, wanted: Change | None) -> None:
        """Note that this host has what these authorities require; None if it is unconcerned.

        Without a rotation, there is nothing to note.
        """
        present = self.present()
        reached = self._reached(present)
        if present.phase == ONE and not reached:
            return
        if wanted and present != (wanted.phase, wanted.issuer, wanted.beside):
            return
        hosts = {**reached, host: present.phase if wanted else UNCONCERNED}
        data = json.dumps({"authority": fingerprint(present.newest), "hosts": hosts}, indent=1)
        _kept_files.write(self._record, data.encode(), 0o600)
