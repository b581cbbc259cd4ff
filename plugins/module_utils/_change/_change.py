# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: changes that wait for a restart, with everything that is needed to undo them.

The record is on the disk before a file is replaced, so the change can be undone even if the power fails in between. A
record whose file was never replaced has no effect. `restart` deletes the record once Node-RED responds with the new
configuration, or after it has undone the change.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import secrets
import sys
import time
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils._core import _deadline, _own_folders
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._files._files import Attributes, Content
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import (
    _identity,
    _processes,
    _systemd,
    _user_units,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._identity import Identity

# How long a change may have waited for its restart when the power failed, and how long the machine may have been off.
INTERRUPTED_SECONDS = 86400.0
DROP_IN_SUFFIX = ".conf"


@dataclasses.dataclass(frozen=True)
class ChangedFile:
    """A file that was changed, and the copy that undoes the change (None: it did not exist)."""

    path: str
    undo: Optional[str]
    attributes: Dict[str, int]
    checksum_old: Optional[str]
    checksums_new: Sequence[Optional[str]]
    backup: Optional[str]
    """The backup beside the file that was reported to the user."""
    link: Optional[str] = None
    """Where it led to, if it was a link."""
    user: Optional[Identity] = None
    """As whom it was changed, and is put back."""
    second_name: Optional[str] = None
    """A second name of the old file, which takes its place without needing space."""

    @classmethod
    def loaded(cls, record: Dict[str, Any]) -> "ChangedFile":
        """From a record, which knows no classes. Raises TypeError or KeyError where it is damaged.

        Version 0.2.0 recorded the folder, and worked on all files as root. The owner of the folder is the user then.
        """
        if "folder" in record:
            known = {key: value for key, value in record.items() if key != "folder"}
            return cls(**known, user=_identity.owner(record["path"]))
        user = record.get("user")
        identity = user and Identity(user["name"], user["uid"], user["gid"], tuple(user["groups"]))
        return cls(**dict(record, user=identity))

    def is_ours(self) -> bool:
        """Whether the file is still what was written, and not what it was before."""
        now = _checksum_of(self.path, self.user)
        return now in self.checksums_new and now != self.checksum_old

    def differs(self) -> bool:
        """Whether the file is not what it was before, also if another program changed it."""
        return _checksum_of(self.path, self.user) != self.checksum_old


@dataclasses.dataclass(frozen=True)
class Change:
    """What was changed since Node-RED last responded after a restart."""

    boot: str
    pid: Optional[int]
    start: Optional[int]
    files: Sequence[ChangedFile]
    settings: Sequence[str]
    under_old: bool = True
    """Whether the process that ran when it was made had been started with the copies."""
    confirmation: str = ""
    """Which confirmation it waits for although Node-RED responds with it; empty if the response is enough."""
    rotated: Sequence[str] = ()
    """The roles with whose new passwords somebody must have logged in before that confirmation."""

    def in_place(self) -> bool:
        """Whether something of it is still as it was written."""
        return any(file.is_ours() for file in self.files)

    def from_another_boot(self) -> bool:
        return self.boot != _processes.boot_id()

    def made_under(self, pid: Optional[int]) -> bool:
        """Whether this very main process was already running when the change was made."""
        running = _processes.process(pid) if pid else None
        now = (_processes.boot_id(), running.pid, running.start) if running else None
        return now == (self.boot, self.pid, self.start)

    def runs_old(self, pid: Optional[int]) -> bool:
        """Whether this main process goes on with what the copies are, so that it can be left alone."""
        return self.under_old and self.made_under(pid)

    def counts(self, pid: Optional[int]) -> bool:
        """Whether the copies are what the last Node-RED ran with, so that undoing the change leads to what worked.

        While the process from before runs on, they are, even if a file was edited once more since. Without a process,
        or with one that was started since (by a boot, for example) and listens nowhere, the change must still be in
        place. So it must if it waits for a confirmation, whatever runs.
        """
        if self.confirmation:
            return self.in_place()
        if pid and _processes.process(pid):
            return self.made_under(pid) or (not _listens(pid) and self.in_place())
        return self.in_place()

    def runs_unconfirmed(self, pid: Optional[int]) -> bool:
        """Whether this main process runs with the change, which waits for its confirmation.

        The files must not be put back without a restart then: after the next one, the old ones would be in effect.
        """
        return bool(self.confirmation and pid and _processes.process(pid) and not self.runs_old(pid))

    def touches(self, setting: str) -> bool:
        return any(name == setting or name.startswith(setting + ".") for name in self.settings)

    def ends_sessions(self) -> bool:
        """Whether all users have to log in again. A start by another program does not end their sessions.

        A store that is used again still has the sessions from before.
        """
        return self.touches("adminAuth") or self.touches("storageModule")

    def touches_unit(self) -> bool:
        return any(file.path.endswith(DROP_IN_SUFFIX) for file in self.files)

    def backup_of(self, path: str) -> Optional[str]:
        """The backup that was made of the file, unless another program has changed the file since."""
        return next((file.backup for file in self.files if file.path == path and file.is_ours()), None)


def folder(service: str) -> str:
    return os.path.join(_own_folders.STATE, _user_units.file_name(service))


def record_file(service: str) -> str:
    """The file that says what was changed."""
    return os.path.join(folder(service), "unconfirmed.json")


def boot_program(service: str) -> str:
    """The program that the next boot runs where the power fails before the restart, see _boot."""
    return os.path.join(folder(service), "at-boot.zip")


def boot_command(service: str, remount: bool) -> List[str]:
    """The words that run this program."""
    return [sys.executable, "-I", boot_program(service), service, *(["--remount"] if remount else [])]


def boot_unit(service: str) -> str:
    return os.path.join(_systemd.UNIT_FOLDER, "pifleet-%s-interrupted.service" % _user_units.file_name(service))


def boot_link(service: str) -> str:
    """What makes a boot start the unit."""
    unit = boot_unit(service)
    return os.path.join(os.path.dirname(unit), "multi-user.target.wants", os.path.basename(unit))


def places(service: str) -> List[str]:
    """Where a change is recorded, and where it is forgotten again."""
    return [folder(service), _systemd.UNIT_FOLDER]


@contextlib.contextmanager
def locked(service: str, timeout: float = _own_folders.LOCK_SECONDS) -> Iterator[None]:
    """Change or restart this service alone. Raises Failure after `timeout` seconds of waiting for another run."""
    held = Failure(
        "Another restart or change of %s is still going on." % service,
        "Wait until it has ended (journalctl -t pifleet.nodered shows its outcome) and run again.",
    )
    with _files.locked(os.path.join(_own_folders.LOCKS, _user_units.file_name(service) + ".lock"), timeout, held):
        yield


def interrupted(service: str) -> Optional[Change]:
    """The change that the power failed in; None where there is none.

    An older one was activated by other means, and its record was left: a machine that boots has the time at which it
    went down, or a later one. One that was made since the boot belongs to a run that is under way. How old one is that
    waits for its confirmation does not matter.
    """
    change = recorded(service)
    if change is None or not change.in_place() or not change.from_another_boot():
        return None
    age = time.time() - os.path.getmtime(record_file(service))
    return change if change.confirmation or age < INTERRUPTED_SECONDS else None


def _make_folder(service: str) -> None:
    with _files.explained(folder(service)):
        _files.make_folders(folder(service), 0o700)


def recorded(service: str) -> Optional[Change]:
    """The change that is recorded; None if there is none, or if its record cannot be read, so nothing can be undone."""
    try:
        with open(record_file(service), encoding="utf-8") as stream:
            found = json.load(stream)
        files = [ChangedFile.loaded(file) for file in found["files"]]
        change = Change(found["boot"], found["pid"], found["start"], files, found["settings"])
        added = {name: found[name] for name in ("under_old", "confirmation", "rotated") if name in found}
        return dataclasses.replace(change, **added)
    except (OSError, ValueError, KeyError, TypeError, Failure):
        return None


def unconfirmed(service: str, confirmation: str) -> Optional[Change]:
    """The change that waits for this confirmation; None if it does not, or not any more."""
    change = recorded(service)
    return change if change is not None and confirmation and change.confirmation == confirmation else None


def described(service: str, pid: Optional[int]) -> Dict[str, Any]:
    """What a description of the instance has of this."""
    change = recorded(service)
    return {
        "unconfirmed": waiting(service, pid),
        "confirmation": change.confirmation if change else "",
        "rotated": list(change.rotated) if change else [],
    }


def waiting(service: str, pid: Optional[int]) -> bool:
    """Whether a change waits for a restart: files differ from what they were, and no Node-RED that works has them.

    If logins changed, it waits even so: a start by other means, such as a boot, has ended no session.
    """
    change = recorded(service)
    if change is None or not any(file.differs() for file in change.files):
        return False
    return change.counts(pid) or (change.ends_sessions() and change.in_place())


def to_extend(service: str, pid: Optional[int]) -> Optional[Change]:
    """The change that one more change adds to; None if Node-RED was started with it since: it is the old state now."""
    change = recorded(service)
    return change if change is not None and change.counts(pid) else None


def extend(
    service: str,
    pid: Optional[int],
    path: str,
    old: Optional[Content],
    new_checksum: Optional[str],
    settings: Sequence[str] = (),
    backup: Optional[str] = None,
    old_link: Optional[str] = None,
    user: Optional[Identity] = None,
) -> None:
    """Record, safely on the disk, that the file is about to become something else. Call it before replacing the file.

    `user` is the one that the file is worked on as.
    A second change before a restart extends the record: the first copy of each file remains the one that is restored.
    `new_checksum` is None for a file that is about to be deleted. `old_link` is where the file leads if it is a link.
    """
    _make_folder(service)
    before = recorded(service)
    change = before if before is not None and before.counts(pid) else None
    unconfirmed = before if before is not None and (change is not None or before.in_place()) else None
    files = list(change.files) if change else []
    known = next((file for file in files if file.path == path), None)
    if known:
        files[files.index(known)] = dataclasses.replace(
            known, checksums_new=list(known.checksums_new) + [new_checksum], backup=backup or known.backup
        )
    else:
        files.append(_first_change(service, path, old, new_checksum, backup, old_link, user))
    running = _processes.process(pid) if pid else None
    _write(
        service,
        {
            "boot": _processes.boot_id(),
            "pid": running.pid if running else None,
            "start": running.start if running else None,
            "files": [dataclasses.asdict(file) for file in files],
            "settings": sorted(set(unconfirmed.settings if unconfirmed else ()) | set(settings)),
            "under_old": change is None or change.runs_old(pid),
            "confirmation": change.confirmation if change else "",
            "rotated": list(change.rotated) if change else [],
        },
    )


def await_confirmation(service: str, confirmation: str, rotated: Sequence[str] = ()) -> None:
    """Let the recorded change wait for this confirmation; with an empty one, for the response of Node-RED alone.

    `rotated` are the roles whose new passwords must be tried before; those of the change that is extended are, too.
    Raises Failure if that cannot be recorded.
    """
    with _files.explained(record_file(service)), open(record_file(service), encoding="utf-8") as stream:
        record = json.load(stream)
    roles = sorted({*record.get("rotated", ()), *rotated}) if confirmation else []
    _write(service, dict(record, confirmation=confirmation, rotated=roles))


def change_file(
    service: str,
    pid: Optional[int],
    path: str,
    old: Optional[Content],
    data: Optional[bytes],
    attributes: Attributes,
    user: Optional[Identity] = None,
) -> bool:
    """Record and write the file with these bytes, or remove it if they are None; whether it changed."""
    if data == (old.data if old else None):
        return False
    extend(service, pid, path, old, None if data is None else _files.checksum(data), user=user)
    if data is None:
        _files.remove(path, user)
    else:
        _files.replace(path, data, attributes, user)
    return True


def _first_change(
    service: str,
    path: str,
    old: Optional[Content],
    new_checksum: Optional[str],
    backup: Optional[str],
    old_link: Optional[str],
    user: Optional[Identity],
) -> ChangedFile:
    undo = None
    attributes = Attributes(0, 0, 0o644, {})
    if old is not None:
        undo = os.path.join(folder(service), "undo-" + secrets.token_hex(8))
        attributes = old.attributes
        _files.replace(undo, old.data, Attributes(os.geteuid(), os.getegid(), 0o600, {}))
    return ChangedFile(
        path=path,
        undo=undo,
        attributes={"uid": attributes.uid, "gid": attributes.gid, "mode": attributes.mode},
        checksum_old=checksum_of_link(old_link) if old_link else old.checksum if old else None,
        checksums_new=[new_checksum],
        backup=backup,
        link=old_link,
        user=user,
        second_name=_second_name(path, old, user) if old is not None else None,
    )


def _second_name(path: str, old: Content, user: Optional[Identity]) -> str:
    """The old file under another name beside it: by a link, or a copy where that is not possible."""
    return _files.add_second_name(path, user) or _files.copy_beside(path, old, user)


def _write(service: str, record: Dict[str, Any]) -> None:
    data = json.dumps(record, indent=1, sort_keys=True).encode()
    _files.replace(record_file(service), data, Attributes(os.geteuid(), os.getegid(), 0o600, {}))


@contextlib.contextmanager
def rollback() -> Iterator[None]:
    """Restore files with a time limit of its own, however much time the module has used before."""
    with _deadline.paused():
        _identity.give_time_again()
        yield


def has_record(service: str) -> bool:
    """Whether there is anything for `forget` to delete."""
    return os.path.isdir(folder(service)) and bool(os.listdir(folder(service)))


def forget(service: str) -> None:
    """The change is confirmed or undone: the record, its copies and what waits for the next boot go."""
    change = recorded(service)
    for file in change.files if change else ():
        if file.second_name:
            with contextlib.suppress(OSError, Failure):
                _files.remove(file.second_name, file.user)
    for path in (record_file(service), boot_link(service), boot_unit(service), boot_program(service)):
        with contextlib.suppress(FileNotFoundError, Failure):
            _files.remove(path)
    with contextlib.suppress(OSError):
        for name in os.listdir(folder(service)):
            if name.startswith("undo-"):
                os.unlink(os.path.join(folder(service), name))


def places_of_undo(service: str, change: Change) -> List[str]:
    """The folders that undoing this change writes to."""
    return [*places(service), *(os.path.dirname(file.path) for file in change.files)]


def undo(change: Change) -> List[str]:
    """Restore every file to what it was before the change; the paths of those that had changed."""
    restored = []
    for file in change.files:
        if not file.differs():
            continue
        if file.link is not None:
            _files.make_link(file.path, file.link, file.user)
        elif file.undo is None:
            _files.remove(file.path, file.user)
            if file.path.endswith(DROP_IN_SUFFIX):
                _files.remove_empty_folder(os.path.dirname(file.path), file.user)
        else:
            _put_back(file, file.undo)
        restored.append(file.path)
    return restored


def _put_back(file: ChangedFile, undo: str) -> None:
    if file.second_name and _checksum_of(file.second_name, file.user) == file.checksum_old:
        try:
            _files.put_in_place(file.second_name, file.path, _attributes_for(file), file.user)
        except Failure:
            _files.rename_back(file.second_name, file.path, file.user)
        return
    with open(undo, "rb") as stream:
        data = stream.read()
    try:
        _files.replace(file.path, data, _attributes_for(file), file.user)
    except Failure:
        # On a full disk the backup beside the file can still take its name.
        if file.backup is None or _checksum_of(file.backup, file.user) != file.checksum_old:
            raise
        _files.rename_back(file.backup, file.path, file.user)


def _attributes_for(file: ChangedFile) -> Attributes:
    """Those that the file has now, as they may have been set on purpose; the recorded ones when it is gone.

    Only a file of the same owner counts: the service user could have put a link to one of root's in its place.
    """
    recorded = Attributes(file.attributes["uid"], file.attributes["gid"], file.attributes["mode"], {})
    with contextlib.suppress(Failure):
        found = _files.read(file.path, file.user)
        if found.path == file.path and (found.attributes.uid, found.attributes.gid) == (recorded.uid, recorded.gid):
            return found.attributes
    return recorded


def rejected_texts(change: Change) -> List[Tuple[Content, Optional[Identity]]]:
    """What is about to be undone, with the user that it is worked on as, to be kept by `keep`."""
    found = []
    for file in change.files:
        if file.undo is not None and file.differs() and not file.path.endswith(DROP_IN_SUFFIX):
            with contextlib.suppress(Failure):
                text = _files.read(file.path, file.user)
                if text.path == file.path:
                    found.append((text, file.user))
    return found


def keep(rejected: Sequence[Tuple[Content, Optional[Identity]]]) -> List[str]:
    """Put each rejected text beside its file, readable by its owner alone; the paths. A failure stops nothing."""
    kept = []
    for text, user in rejected:
        with contextlib.suppress(Failure):
            path = text.path + ".rejected"
            attributes = Attributes(text.attributes.uid, text.attributes.gid, 0o600, {})
            _files.replace(path, text.data, attributes, user)
            kept.append(path)
    return kept


def _listens(pid: int) -> bool:
    return any(map(_processes.listeners, _processes.with_descendants(pid, _processes.processes())))


def checksum_of_link(target: str) -> str:
    """What stands for a link in a record, since what it leads to is another file."""
    return _files.checksum(b"link to " + os.fsencode(target))


def _checksum_of(path: str, user: Optional[Identity]) -> Optional[str]:
    with contextlib.suppress(Failure, OSError):
        link = _files.link(path, user)
        return _files.read(path, user).checksum if link is None else checksum_of_link(link)
    return None
