# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The random password of a host for the roles that make one. Private; knows no Ansible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core._arguments import ArgumentError
from .._passwords import _ephemeral, _fleet_secret
from .._passwords._bcrypt import HIGHEST_COST, cost, is_bcrypt, verify
from .._passwords._password_files import NEXT

# A hash that costs more is compared with the current password only: an attacker may have written it.
MOST_FOR_EARLIER = 10
LOOKUP = "the lookup pifleet.nodered.password"
REMEDY = f"Set {_fleet_secret.SECRET} from a vault, from which passwords are derived that no file keeps."


@dataclass(frozen=True)
class RandomPassword:
    """The password in the file of a host on the controller, or the one that is going to be written there, or the one
    that is derived from the secret of the fleet."""

    path: str
    """Its file; of a derived one, the file that is no longer used, empty if there is none."""
    text: str = field(repr=False)
    written: bool
    """Whether it is in the file."""
    known: bool
    """Whether this collection has made the present password: it is in the file, an earlier plan of this play has made
    it, or it is or was derived. Then a hash of it can be in the settings already, and another one would lock the user
    out."""
    derived: bool = False
    replaces: str = field(default="", repr=False)
    """The one in the file that it replaces in this run; empty if it replaces none."""
    unfinished: bool = False
    """Whether it is the next one in the file, and the host has it, although this run rotates nothing."""
    ephemeral: str = ""
    """What shows that files are lost when this run ends; empty if they are kept."""

    @classmethod
    def gathered(
        cls, controller: Mapping[str, Any], present: Sequence[str] = (), *, rounds: int = 0, rotates: bool = False
    ) -> RandomPassword:
        """From what `_gather._passwords.password` returned.

        Args:
            controller: that.
            present: the hashes that the settings have now in the place of this password.
            rounds: the bcrypt cost of new hashes.
            rotates: whether this run replaces it.

        Raises:
            ArgumentError: if the file or the secret of the fleet cannot be used.
        """
        if controller["problem"]:
            raise ArgumentError(controller["problem"])
        kept, planned = controller["known_password"], controller["planned_password"]
        derived = controller["derived_passwords"]
        if derived:
            known = kept is not None or any(_is_ours(one, derived, rounds) for one in present)
            path = controller["password_file"] if kept is not None else ""
            return cls(path, derived[0], written=False, known=known, derived=True)
        begun = controller["planned_next"] or controller["next_password"]
        rotates = kept is not None and (rotates or controller["planned_next"] is not None)
        unfinished = begun is not None and not rotates and any(_is_ours(one, [begun], rounds) for one in present)
        if rotates or unfinished:
            return cls(
                controller["password_file"],
                begun or controller["new_password"],
                written=True,
                known=True,
                replaces=kept if rotates else "",
                unfinished=unfinished,
                ephemeral=controller["ephemeral"],
            )
        return cls(
            controller["password_file"],
            kept or planned or controller["new_password"],
            written=kept is not None,
            known=bool(kept or planned),
            ephemeral=controller["ephemeral"],
        )

    @property
    def to_write(self) -> dict[str, str]:
        """For `Plan.passwords`."""
        return {} if self.written or self.derived else {self.path: self.text}

    @property
    def to_replace(self) -> dict[str, dict[str, str]]:
        """For `Plan.rotations`."""
        return {self.path: {"old": self.replaces, "new": self.text}} if self.replaces else {}

    def require_kept(self, whose: str) -> None:
        """Raise ArgumentError if it would be written to a file that is lost when this run ends."""
        if (self.to_write or self.to_replace) and self.ephemeral:
            what = f"The random password of {whose}, in {self.path} on the controller,"
            raise ArgumentError(_ephemeral.lost(what, self.ephemeral, REMEDY))

    def note(self, whose: str) -> str:
        """Where the password is, for the user."""
        if self.derived:
            shown = f"The password of {whose} is derived from {_fleet_secret.SECRET}; {LOOKUP} shows it."
            return shown + (f" {_unused(self.path)}" if self.path else "")
        if self.unfinished:
            return (
                f"The password of {whose} is the next one ({NEXT}) in {self.path} on the controller. Its rotation is "
                "not finished: run pifleet.nodered.rotate."
            )
        if self.written:
            return f"The password of {whose} is in {self.path} on the controller."
        return f"{whose} gets a random password, which is written to {self.path} on the controller with the change."

    def note_of_another(self, whose: str, where: str, variable: str) -> str:
        """That the present password is not this one, and stays."""
        return (
            f"The password of {whose} in {where} is not derived from {_fleet_secret.SECRET} as it is now; left "
            f"unchanged, so {LOOKUP} shows another one. Set {variable}: true to replace it."
        )


def notes_of_unused_file(controller: Mapping[str, Any], password: object) -> list[str]:
    """That the file is no longer used, as the user has given this password (None: another user) in its place."""
    kept = controller["known_password"]
    return [] if kept in (None, password) else [_unused(controller["password_file"])]


def _unused(path: str) -> str:
    return f"{path} is no longer used: remove it."


def _is_ours(hashed: str, derived: Sequence[str], rounds: int) -> bool:
    """Whether the hash is that of a derived password, the current one first. It may be an attacker's, see _bcrypt."""
    if not is_bcrypt(hashed) or cost(hashed) > HIGHEST_COST:
        return False
    tried = derived if cost(hashed) <= max(rounds, MOST_FOR_EARLIER) else derived[:1]
    return any(verify(password, hashed) for password in tried)
