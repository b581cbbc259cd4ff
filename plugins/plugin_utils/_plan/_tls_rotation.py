# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rotation replaces of certificates. Private; knows no Ansible and no clock of its own.

A certificate has the date on which it was made. So a run that was interrupted is completed by the next one, and a
certificate that is new already stays, also if the controller keeps nothing from run to run.
"""

from __future__ import annotations

import datetime
from collections.abc import Set
from dataclasses import dataclass
from typing import Any

from .._core._arguments import ArgumentError, names
from ._base import Wanted

BEFORE = "nodered_rotate_made_before"
FLEET = "nodered_rotate_fleet"
KINDS = CERTIFICATES, CLIENTS, AUTHORITY = ("certificates", "clients", "authority")
"""What can be rotated."""
# What was made more recently is new already.
USUAL_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Rotation:
    """What is replaced in this run; nothing by default."""

    certificates: bool = False
    clients: bool = False
    authority: bool = False
    made_before: float = 0
    """What was made earlier is replaced, in seconds since 1970."""
    fleet: tuple[str, ...] = ()
    """All hosts, also those that this run leaves out."""

    @classmethod
    def of(cls, what: Set[str], wanted: Wanted, now: float) -> Rotation:
        """`what` is `Found.rotates`. Raises ArgumentError."""
        if what.isdisjoint(KINDS):
            return cls()
        return cls(
            certificates=CERTIFICATES in what,
            clients=CLIENTS in what,
            authority=AUTHORITY in what,
            made_before=_seconds(wanted.get(BEFORE), now),
            fleet=tuple(names(wanted.get(FLEET) or [], FLEET)),
        )

    def certificate_before(self, *, issued: bool) -> float:
        """The certificate of a host is replaced if it was made before, whether the private authority issued it or not.

        An authority that is replaced issues all of its certificates anew anyway.
        """
        return self.made_before if self.certificates and not (issued and self.authority) else 0

    @property
    def clients_before(self) -> float:
        """Likewise for the certificate of a client."""
        return self.made_before if self.clients and not self.authority else 0


def _seconds(value: Any, now: float) -> float:
    """The time in seconds since 1970. YAML makes a date of it, unless it is in quotes."""
    if value is None:
        return now - USUAL_SECONDS
    try:
        found = datetime.datetime.fromisoformat(str(value).strip().replace("Z", "+00:00"))
    except ValueError:
        found = None
    if found is None:
        raise ArgumentError(f"{BEFORE} must be a time such as 2026-11-30 or 2026-11-30T08:00Z (UTC).")
    seconds = (found if found.tzinfo else found.replace(tzinfo=datetime.timezone.utc)).timestamp()
    if seconds > now:
        raise ArgumentError(f"{BEFORE} is in the future, so each run would replace everything. Give the present time.")
    return seconds
