# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: restore points, which keep what was before each change after it has succeeded.

A point is a snapshot of all that the collection manages for a service, so that it needs no other one. It is for root
alone. Keys and sessions are never copied: a restore leaves the certificate as it is, and ends sessions.

The points are numbered, as a Pi has no clock that survives a power cut. The first one is kept for good.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import os
import shutil
import stat
import time
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils._core import _own_folders
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._files._files import Attributes
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _user_units
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._identity import Identity

SETTINGS, COMPANION, DROP_IN, RENEWAL = "settings", "companion", "drop-in", "renewal"
CERTIFICATE, SESSIONS, FIREWALL, FAIL2BAN = "certificate", "sessions", "firewall", "fail2ban"
# What someone can have edited, and a restore would overwrite.
EDITABLE = (SETTINGS, COMPANION, DROP_IN, FAIL2BAN)
COPIED = (*EDITABLE, RENEWAL, FIREWALL)
FILE, LINK, ABSENT, OTHER = "file", "link", "absent", "other"

FIRST = 1
# Bytes of a file other than the settings file. The largest companion has 30 KB.
LARGEST = 256 * 1024
# Bytes of all texts that are listed.
MOST_BYTES = 16 * 1024 * 1024
MANIFEST = "point.json"
_NEW = ".new"


class Subject(NamedTuple):
    """A file that the collection manages, whether it exists or not."""

    kind: str
    path: str
    user: Optional[Identity] = None
    """As whom it is read; None is this process itself."""
    source: str = ""
    """Where its state before the change is, if not at its path any more."""


class State(NamedTuple):
    """What is at a path."""

    form: str = ABSENT
    """FILE, LINK, ABSENT or OTHER: a folder, or a file that is too large or cannot be read."""
    checksum: str = ""
    target: str = ""
    """Where a link leads."""
    uid: int = 0
    gid: int = 0
    mode: int = 0
    copy: str = ""
    """The file in the point that has its bytes."""

    @property
    def content(self) -> Tuple[str, str, str]:
        """What an edit changes. A restore leaves owner and mode as they are."""
        return self.form, self.checksum, self.target


class Entry(NamedTuple):
    """One file in a point."""

    subject: Subject
    before: State
    after: Optional[State] = None
    """None while the change is being written, and for what is changed apart from it (the firewall)."""

    def described(self) -> Dict[str, Any]:
        user = self.subject.user
        return {
            "kind": self.subject.kind,
            "path": self.subject.path,
            "user": dataclasses.asdict(user) if user else None,
            "before": self.before._asdict(),
            "after": self.after._asdict() if self.after else None,
        }

    @classmethod
    def loaded(cls, data: Dict[str, Any]) -> "Entry":
        """Raises KeyError or TypeError where it is damaged."""
        user = data["user"]
        identity = Identity(user["name"], user["uid"], user["gid"], tuple(user["groups"])) if user else None
        after = State(**data["after"]) if data["after"] else None
        return cls(Subject(data["kind"], data["path"], identity), State(**data["before"]), after)


class Point(NamedTuple):
    """What was before one change."""

    service: str
    number: int
    date: str
    """In UTC, by the clock of the machine."""
    summary: Sequence[str]
    """What the change was about; no value of a setting."""
    edited: Sequence[str]
    """Paths that were edited between the change before this one and this one."""
    entries: Sequence[Entry]

    @property
    def complete(self) -> bool:
        """Whether all was written."""
        return all(entry.after for entry in self.entries if entry.subject.kind != FIREWALL)

    @property
    def folder(self) -> str:
        return os.path.join(folder(self.service), str(self.number))

    def described(self) -> Dict[str, Any]:
        return {
            "number": self.number,
            "date": self.date,
            "summary": list(self.summary),
            "edited": list(self.edited),
            "entries": [entry.described() for entry in self.entries],
        }

    def restored(self, found: Sequence[Subject]) -> List[Tuple[Subject, Optional[bytes]]]:
        """What companions, drop-ins and files of fail2ban are to hold, None for none; `found` has those of now.

        Raises Failure where one was not kept.
        """
        kinds = (COMPANION, DROP_IN, FAIL2BAN)
        wanted = {subject.path: (subject, State()) for subject in found if subject.kind in kinds}
        wanted.update(
            {one.subject.path: (one.subject, one.before) for one in self.entries if one.subject.kind in kinds}
        )
        return [(subject, self._bytes(subject, state)) for _path, (subject, state) in sorted(wanted.items())]

    def _bytes(self, subject: Subject, state: State) -> Optional[bytes]:
        if state.form == ABSENT:
            return None
        if state.form != FILE:
            raise Failure(
                "%s cannot be restored: in the restore point %d it is no plain file." % (subject.path, self.number),
                "Choose another one.",
            )
        return self.data(state)

    def data(self, state: State) -> bytes:
        """The bytes of this file in the point. Raises Failure where the point is damaged."""
        path = os.path.join(self.folder, os.path.basename(state.copy))
        found = _files.read(path)
        if not state.copy or found.checksum != state.checksum:
            raise Failure("The restore point %d is damaged: %s." % (self.number, path), "Choose another one.")
        return found.data


def folder(service: str) -> str:
    """Where the points of this service are."""
    return os.path.join(_own_folders.STATE, "restore-points", _user_units.file_name(service))


def listed(service: str, subjects: Sequence[Subject], with_texts: bool) -> Dict[str, Any]:
    """All points and what is there now, as JSON can hold it; with the texts that a restore and its diff need.

    The point of a change that was rolled back at a boot does not count.
    """
    found = points(service)
    found = found[:-1] if found and was_undone(found[-1]) else found
    known = {subject.path for subject in subjects}
    gone = {entry.subject.path: entry.subject for point in found for entry in point.entries if _counts(entry)}
    now, texts = [], Texts()
    for subject in [*subjects, *(subject for path, subject in sorted(gone.items()) if path not in known)]:
        state, data = _look(subject)
        now.append(Entry(subject, state).described())
        if with_texts and subject.kind in (*EDITABLE, FIREWALL):
            texts.add(state, lambda data=data: data)  # type: ignore[misc]
    for point in reversed(found if with_texts else ()):
        for entry in (entry for entry in point.entries if entry.subject.kind in (*EDITABLE, FIREWALL)):
            for state in (entry.before, entry.after or State()):
                texts.add(state, lambda point=point, state=state: point.data(state))  # type: ignore[misc]
    return {"points": [point.described() for point in found], "now": now, "texts": texts.found}


class Texts:
    """Texts by checksum, in Base64: many points have the same. Not more than a controller should be sent."""

    def __init__(self) -> None:
        self.found: Dict[str, str] = {}
        self._left = MOST_BYTES

    def add(self, state: State, read: Callable[[], bytes]) -> None:
        if state.form != FILE or state.checksum in self.found:
            return
        with contextlib.suppress(Failure):
            data = read()
            self._left -= len(data)
            if self._left >= 0:
                self.found[state.checksum] = base64.b64encode(data).decode("ascii")


def places(service: str) -> List[str]:
    """The folders that keeping a point writes to."""
    return [folder(service)]


def point(service: str, number: int) -> Point:
    """This point. Raises Failure if there is none, or it is damaged."""
    for found in _loaded(service, number):
        return found
    raise Failure("There is no restore point %d of %s." % (number, service), "List them (nodered_restore: list).")


def points(service: str) -> List[Point]:
    """All points of this service, the oldest first. One that is damaged is left out."""
    return [point for number in _numbers(service) for point in _loaded(service, number)]


def begin(service: str, subjects: Sequence[Subject], summary: Sequence[str], edited: Sequence[str] = ()) -> Point:
    """Keep what is there now. `edited` are paths of which the caller knows that they were edited.

    Raises Failure if that cannot be written; nothing must be changed then.
    """
    settle(service)
    earlier = points(service)
    point = Point(
        service=service,
        number=max(_numbers(service), default=FIRST - 1) + 1,
        date=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        summary=summary,
        edited=(),
        entries=[],
    )
    with _files.explained(point.folder), _new_folder(service) as new:
        entries = [Entry(one, _kept(new, "before-%d" % index, one)) for index, one in enumerate(subjects)]
        found = edits(earlier[-1].entries, entries) if earlier else []
        point = point._replace(entries=entries, edited=[*found, *(edited if earlier else ())])
        _write_manifest(point, new)
        os.rename(new, point.folder)
        _files.sync_folder(folder(service))
    return point


@contextlib.contextmanager
def _new_folder(service: str) -> Iterator[str]:
    """An empty folder, which goes unless it has been renamed."""
    new = os.path.join(folder(service), _NEW)
    _files.make_folders(folder(service), 0o700)
    shutil.rmtree(new, ignore_errors=True)
    os.mkdir(new, 0o700)
    try:
        yield new
    finally:
        shutil.rmtree(new, ignore_errors=True)


def complete(point: Point, keep: int) -> None:
    """All is written: keep how it was left, and delete the points beyond so many. Raises Failure as `begin`."""
    with _files.explained(point.folder):
        _complete(point)
        _prune(point.service, keep)


def _complete(point: Point) -> None:
    entries = [
        entry if entry.subject.kind == FIREWALL else entry._replace(after=_left(point, index, entry))
        for index, entry in enumerate(point.entries)
    ]
    _write_manifest(point._replace(entries=entries), point.folder)


def _left(point: Point, index: int, entry: Entry) -> State:
    state, data = _look(entry.subject)
    if state.content == entry.before.content:
        return state._replace(copy=entry.before.copy)
    return _with_copy(state, data, point.folder, "after-%d" % index)


def settle(service: str) -> None:
    """Delete the last point if its change was rolled back, as after a power cut. Complete one that was interrupted."""
    found = points(service)
    if not found:
        return
    last = found[-1]
    with _files.explained(last.folder):
        if was_undone(last):
            drop(last)
        elif not last.complete:
            _complete(last)


def was_undone(point: Point) -> bool:
    """Whether all is as it was before the change, although the change wrote something."""
    counted = [entry for entry in point.entries if _counts(entry)]
    wrote = any(entry.after is None or _differs(entry.before, entry.after) for entry in counted)
    return wrote and not any(_differs(entry.before, look(entry.subject)) for entry in counted)


def _differs(one: State, other: State) -> bool:
    return one._replace(copy="") != other._replace(copy="")


def drop(point: Point) -> None:
    """Delete a point. Until all of it is gone, it has no manifest and does not count."""
    with contextlib.suppress(OSError):
        os.unlink(os.path.join(point.folder, MANIFEST))
        shutil.rmtree(point.folder)


def edits(left: Sequence[Entry], found: Sequence[Entry]) -> List[str]:
    """The paths that were edited after a change had left these entries, until another change found those."""
    before = {entry.subject.path: (entry.after or entry.before).content for entry in left if _counts(entry)}
    after = {entry.subject.path: entry.before.content for entry in found if _counts(entry)}
    absent = State().content
    return sorted(path for path in {*before, *after} if before.get(path, absent) != after.get(path, absent))


def _counts(entry: Entry) -> bool:
    return entry.subject.kind in EDITABLE


def _prune(service: str, keep: int) -> None:
    found = points(service)
    for number, point in enumerate(found[:-keep]):
        if point.number == FIRST:
            continue
        following = found[number + 1]
        if set(point.edited) - set(following.edited):
            found[number + 1] = following._replace(edited=sorted({*point.edited, *following.edited}))
            _write_manifest(found[number + 1], following.folder)
        drop(point)
    for number in _numbers(service):
        # What a power cut has left of one.
        if not os.path.exists(os.path.join(folder(service), str(number), MANIFEST)):
            shutil.rmtree(os.path.join(folder(service), str(number)), ignore_errors=True)


def _write_manifest(point: Point, place: str) -> None:
    _write(os.path.join(place, MANIFEST), json.dumps(point.described(), indent=1, sort_keys=True).encode())


def _numbers(service: str) -> List[int]:
    with contextlib.suppress(OSError):
        return sorted(int(name) for name in os.listdir(folder(service)) if name.isdigit() and name.isascii())
    return []


def _loaded(service: str, number: int) -> Iterator[Point]:
    with contextlib.suppress(Failure, ValueError, KeyError, TypeError, AttributeError):
        found = json.loads(_files.read(os.path.join(folder(service), str(number), MANIFEST)).data)
        entries = [Entry.loaded(entry) for entry in found["entries"]]
        yield Point(service, number, found["date"], found["summary"], found["edited"], entries)


def _kept(place: str, name: str, subject: Subject) -> State:
    """The state of the file, with its bytes in the folder `place`."""
    state, data = _look(subject)
    return _with_copy(state, data, place, name)


def _with_copy(state: State, data: bytes, place: str, name: str) -> State:
    if state.form != FILE or not state.checksum:
        return state
    _write(os.path.join(place, name), data)
    return state._replace(copy=name)


def look(subject: Subject) -> State:
    """What is at the path now."""
    return _look(subject)[0]


def _look(subject: Subject) -> Tuple[State, bytes]:
    path = subject.source or subject.path
    target = _files.link(path, subject.user)
    if target is not None:
        return State(LINK, target=target), b""
    try:
        found = os.lstat(path)
    except OSError:
        return State(), b""
    if subject.kind not in COPIED:
        return State(FILE if stat.S_ISREG(found.st_mode) else OTHER), b""
    try:
        content = _files.read(path, subject.user)
    except Failure:
        return State(OTHER), b""
    if len(content.data) > (_files.LARGEST if subject.kind == SETTINGS else LARGEST):
        return State(OTHER), b""
    owner = content.attributes
    return State(FILE, content.checksum, "", owner.uid, owner.gid, owner.mode), content.data


def _write(path: str, data: bytes) -> None:
    _files.replace(path, data, Attributes(os.geteuid(), os.getegid(), 0o600, {}))
