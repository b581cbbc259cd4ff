# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The random password of a host for the roles that make one. Private; knows no Ansible."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class RandomPassword:
    """The password in the file of a host on the controller, or the one that is going to be written there."""

    path: str
    text: str = field(repr=False)
    written: bool
    """Whether it is in the file."""
    known: bool
    """Whether it is in the file or an earlier plan of this play has made it: then a hash of it can be in the settings
    already, and another one would lock the user out."""

    @classmethod
    def gathered(cls, controller: Mapping[str, Any]) -> RandomPassword:
        """From what `_gather._passwords.password` returned."""
        known, planned = controller["known_password"], controller["planned_password"]
        text = known or planned or controller["new_password"]
        return cls(controller["password_file"], text, written=known is not None, known=bool(known or planned))

    @property
    def to_write(self) -> dict[str, str]:
        """For `Plan.passwords`."""
        return {} if self.written else {self.path: self.text}

    def note(self, whose: str) -> str:
        """Where the password is, for the user."""
        if self.written:
            return f"The password of {whose} is in {self.path} on the controller."
        return f"{whose} gets a random password, which is written to {self.path} on the controller with the change."
