# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one play knows and plans about one Node-RED, kept between its tasks. Private; knows no Ansible.

The steps discover, plan, apply and verify are tasks of their own, and what passes between them (settings text, keys,
passwords) must reach no callback plugin. So it is in a file of the run's private folder, one for each play, inventory
name and service, readable by its owner. It is encrypted with a key that only the processes of this run have, because
the file stays on the disk if the run is killed. Ansible loads action plugins before it forks, so all forks share it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pathlib
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .._core._arguments import truth
from .._core._budget import Budget
from .._core._errors import MissingLibraryError
from ._base import Plan

try:
    from cryptography.fernet import Fernet, InvalidToken
except ImportError as error:  # pragma: no cover
    _IMPORT_ERROR: ImportError | None = error
    _KEY = b""
else:
    _IMPORT_ERROR = None
    _KEY = Fernet.generate_key()


# Stands among the roles that failed if a transaction did. The next plan finds out anew what is there.
APPLY = "apply"


@dataclass
class State:
    """The state of one Node-RED in one play."""

    instance: dict[str, Any]
    """What `instance_info` returned at the beginning, or after the last change."""
    source: str
    """The settings file as it was read."""
    checksum: str
    """The SHA-256 of its bytes, in hexadecimal."""
    text: str
    """The settings file as planned so far."""
    plans: dict[str, Plan] = field(default_factory=dict)
    """By role, in the order in which they planned."""
    changed_settings: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    """The roles whose plan had errors."""
    variables: dict[str, Any] = field(default_factory=dict)
    """What applying and verifying need of the role variables, which handlers do not see."""
    earlier: dict[str, Any] | None = None
    """The instance as it was before this play changed it."""
    origin: dict[str, str] | None = None
    """From where is verified, as `_verify_from.Origin`; None before that is decided."""
    restart_requested: bool = False
    """Whether a task of the user asked for a restart that the transaction is going to do."""
    check_mode: bool = False
    """Whether a plan was made in check mode, so that it is never applied."""
    verified: bool = False
    """Whether the verification passed after the last change."""
    firewall: dict[str, Any] = field(default_factory=dict)
    """The firewall as discovery has read it (`found`) for one later task (`task`, its id); empty if it has not."""
    clock_error: float = 0
    """Seconds by which the clock of the host was ahead of that of the controller when it was found, at least."""
    budget: Budget = field(default_factory=Budget)
    """The time that this Node-RED has cost in this play."""

    @property
    def pending(self) -> bool:
        """Whether something is planned and not applied."""
        return self.text != self.source or any(plan.changes for plan in self.plans.values())

    @property
    def remount(self) -> bool:
        """Whether read-only file systems may be remounted. Raises ArgumentError."""
        return truth(self.variables["nodered_remount"], "nodered_remount")

    @property
    def restart_timeout(self) -> int:
        """Seconds that Node-RED gets to respond after a restart."""
        return int(self.variables["nodered_restart_timeout"])

    @property
    def restore_points(self) -> int:
        """How many restore points are kept, beside the first one."""
        return int(self.variables["nodered_restore_points"])

    def firewall_for(self, task: str) -> dict[str, Any] | None:
        """The firewall that discovery has read for the task with this id; None if it has not."""
        return dict(self.firewall["found"]) if self.firewall.get("task") == task else None

    def checks(self, role: str) -> dict[str, Any]:
        """What this role has verified; empty if it has not planned in this play."""
        return dict(self.plans[role].checks) if role in self.plans else {}

    @property
    def needs_restart(self) -> bool:
        return self.text != self.source or any(plan.needs_restart for plan in self.plans.values())


class Store:
    """The file of one State."""

    def __init__(self, folder: str, play: str, host: str, service: str) -> None:
        """`folder` is the private folder of the run, `play` the play's unique id."""
        if _IMPORT_ERROR:
            raise MissingLibraryError("cryptography", _IMPORT_ERROR)
        self._path = pathlib.Path(folder) / f"nodered-{_digest(play, host)}-{_digest(service)}"

    @classmethod
    def at(cls, path: pathlib.Path) -> Store:
        store = cls.__new__(cls)
        store._path = path
        return store

    def load(self) -> State | None:
        """The state; None if there is none in this play."""
        try:
            data = json.loads(Fernet(_KEY).decrypt(self._path.read_bytes()))
        except (FileNotFoundError, InvalidToken):
            return None
        plans = {role: Plan.loaded(plan) for role, plan in data["plans"].items()}
        return State(**{**data, "plans": plans, "budget": Budget(**data["budget"])})

    def save(self, state: State) -> None:
        data = Fernet(_KEY).encrypt(json.dumps(dataclasses.asdict(state)).encode())
        _write(self._path, data)


def stores_of_host(folder: str, play: str, host: str) -> list[Store]:
    """Where the states of this host in this play are, one for each service."""
    return [Store.at(path) for path in sorted(pathlib.Path(folder).glob(f"nodered-{_digest(play, host)}-*"))]


def plans_in(stores: Iterable[Store]) -> list[Plan]:
    """All that was planned so far, for each service and role."""
    states = [store.load() for store in stores]
    return [plan for state in states if state for plan in state.plans.values()]


class Records:
    """What each host of one play has left for the end of it, by inventory name, as JSON can hold it."""

    def __init__(self, folder: str, play: str) -> None:
        """`folder` is the private folder of the run, `play` the play's unique id."""
        if _IMPORT_ERROR:
            raise MissingLibraryError("cryptography", _IMPORT_ERROR)
        self._folder, self._prefix = pathlib.Path(folder), f"nodered-record-{_digest(play)}-"

    def keep(self, host: str, record: object) -> None:
        """Keep this for the host, in place of what it has left before."""
        data = Fernet(_KEY).encrypt(json.dumps([host, record]).encode())
        _write(self._folder / f"{self._prefix}{_digest(host)}", data)

    def all(self) -> dict[str, Any]:
        """What the hosts have left."""
        files = sorted(self._folder.glob(f"{self._prefix}*"))
        return dict(json.loads(Fernet(_KEY).decrypt(path.read_bytes())) for path in files)


def _write(path: pathlib.Path, data: bytes) -> None:
    """Write the file in one step, readable by its owner."""
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    with open(handle, "wb") as stream:
        stream.write(data)
    os.replace(temporary, path)


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]
