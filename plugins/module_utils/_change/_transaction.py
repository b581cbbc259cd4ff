# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: apply everything that was planned for one Node-RED, or nothing of it.

Everything is recorded and written, loaded once by the machine's own node, and Node-RED is restarted and has to respond.
What fails on the way is undone, also if the controller is gone by then (the work is done in a process of its own) and
after a power cut (`_boot`).
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils._change import (
    _ban_files,
    _boot,
    _certificate_files,
    _change,
    _clock,
    _companion,
    _drop_in,
    _managed,
    _points,
    _private_file,
    _restart,
    _sessions_file,
    _settings_file,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._change._drop_in import DropIn
from ansible_collections.pifleet.nodered.plugins.module_utils._change._settings_file import Edit, Target
from ansible_collections.pifleet.nodered.plugins.module_utils._core import _deadline
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files, _remount
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import (
    _certificate,
    _fail2ban,
    _find,
    _node,
    _others,
    _private_files,
    _sessions,
    _start_plan,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._private_files import Exposed
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._sessions import Repair
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._start_plan import StartPlan
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _background, _mounts, _systemd
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Unit

PRIVATE = "private"

Firewall = Tuple[Sequence[_points.Subject], Sequence[str]]
Restored = Tuple[_points.Subject, Optional[bytes]]
"""A file of a restore point with its bytes, None if there is to be none."""


class Request(NamedTuple):
    """What the controller asks for. Empty values change nothing."""

    service: str
    settings_file: str
    user_dir: str
    edit: Optional[Edit]
    companions: Mapping[str, Optional[str]]
    """File name to text; None removes the file."""
    private_files: Mapping[str, Optional[str]]
    """The same for files in the user directory that only the service user can read."""
    fail2ban: Mapping[str, Optional[str]]
    """The same for files below /etc/fail2ban, by their path there."""
    drop_ins: Sequence[DropIn]
    certificate: Optional[_certificate_files.Wanted]
    sessions: str
    """How the sessions file has to be, a state of `_sessions`."""
    close_files: str
    """`private`: the files with secrets and their folder; `directory`: the folder."""
    restart: bool
    timeout: int
    """Seconds that Node-RED gets to respond after a restart."""
    remount: bool
    restore_points: int
    """How many restore points are kept, beside the first one."""
    firewall: bool
    """Whether the firewall is changed around this transaction."""
    restore: int = 0
    """The number of the restore point whose companions, drop-ins and files of fail2ban come back; 0 for none."""
    confirmation: str = ""
    """Which confirmation the change waits for, although Node-RED responds with it; empty if that is enough."""
    confirm_within: int = 0
    """After how many seconds it is rolled back without that."""
    rotated: Sequence[str] = ()
    """The roles whose new passwords must be tried before that."""


class Answer(NamedTuple):
    """What the controller has found out about a change that waits for its confirmation."""

    service: str
    confirmation: str
    keep: bool
    """Whether the change stays; else it is rolled back."""
    timeout: int
    remount: bool


_CONFIRMATION = re.compile("[0-9a-f]{0,32}")


def request(given: Mapping[str, Any]) -> Request:
    """The request from JSON. Raises Failure if it is not what the action plugin sends."""
    try:
        return Request(
            service=given["service"],
            settings_file=given["settings_file"],
            user_dir=given["user_dir"],
            edit=Edit.from_data(given["edit"]) if given["edit"] else None,
            companions=given["companions"],
            private_files=given["private_files"],
            fail2ban=given["fail2ban"],
            drop_ins=[DropIn(**one) for one in given["drop_ins"]],
            certificate=_certificate_files.Wanted(**given["certificate"]) if given["certificate"] else None,
            sessions=given["sessions"],
            close_files=given["close_files"],
            restart=given["restart"],
            timeout=given["timeout"],
            remount=given["remount"],
            restore_points=given["restore_points"],
            firewall=given["firewall"],
            restore=int(given["restore"]),
            confirmation=_checked(given["confirmation"]),
            confirm_within=int(given["confirm_within"]),
            rotated=given["rotated"],
        )
    except (KeyError, TypeError, ValueError):
        raise Failure("request is not what the action plugin sends.", "Use the roles instead.") from None


def answer(given: Mapping[str, Any]) -> Answer:
    """The answer from JSON. Raises Failure if it is not what the action plugin sends."""
    try:
        return Answer(**dict(given, confirmation=_checked(given["confirmation"])))
    except (KeyError, TypeError, ValueError):
        raise Failure("answer is not what the action plugin sends.", "Use the roles instead.") from None


def _checked(confirmation: str) -> str:
    """It becomes a part of the name of a unit. Raises ValueError."""
    if not _CONFIRMATION.fullmatch(confirmation):
        raise ValueError(confirmation)
    return confirmation


def settle(given: Answer, seconds: float) -> Dict[str, Any]:
    """Keep or roll back the change that waits for this confirmation; the result of the module.

    Raises Failure if no change waits for it (any more).
    """
    with _deadline.within(seconds):
        unit, others = _find.find(given.service)
        with _change.locked(unit.service, 2 * given.timeout):
            change = _change.unconfirmed(unit.service, given.confirmation)
            if change is None:
                raise Failure(
                    "The change of %s does not wait for its confirmation any more. It was rolled back, because the "
                    "confirmation came too late, or another run has confirmed or rolled it back." % unit.name,
                    "Run again.",
                )
            if given.keep:
                return _restart.confirm_locked(unit.name, others, change, given.remount)
            why = "The verification failed."
            result = _restart.roll_back_locked(unit.name, others, change, given.timeout, given.remount, why)
            _clock.stop(unit.service, given.confirmation)
            _drop_point(unit.service, given.remount)
            return result


def apply(wanted: Request, seconds: float, firewall: Callable[[], Firewall] = lambda: ((), ())) -> Dict[str, Any]:
    """The result of the module: `instance`, `rolled_back`, `closed` and `restore_point`, or `failed` and `msg`.

    `firewall` finds the files of the firewall, for the restore point, and which of them were edited.

    Raises Failure after everything was rolled back, also if the work takes more than so many seconds. A restart and
    a rollback do not count, and are not ended.
    """
    with _deadline.within(seconds):
        unit, others = _find.find(wanted.service)
        # Twice, as undoing takes as long as trying.
        with _change.locked(unit.service, 2 * wanted.timeout):
            written = _write(unit, others, wanted, firewall())
            try:
                result = _finish(unit, others, wanted, written.loaded)
            except BaseException:
                _undo_written(unit, wanted.remount)
                raise
            if result.get("failed"):
                _drop_point(unit.service, wanted.remount)
                return result
    return dict(result, closed=written.closed, restore_point=written.restore_point)


@_change.rollback()
def _drop_point(service: str, remount: bool) -> None:
    """Delete the restore point if all was rolled back. Where that fails, the next change does it."""
    with contextlib.suppress(Failure), _remount.writable(_points.places(service), remount):
        _points.settle(service)


def _finish(
    unit: Unit, others: Sequence[_find.Seen], wanted: Request, loaded: Optional[_node.Loaded]
) -> Dict[str, Any]:
    if wanted.restart:
        return _restart.restart_locked(unit.name, others, wanted.timeout, wanted.remount, loaded, wanted.confirm_within)
    return _restart.described(unit.name, others, wanted.remount, loaded)


class Written(NamedTuple):
    """What was written."""

    loaded: Optional[_node.Loaded]
    """The new settings as node loaded them."""
    closed: List[str]
    restore_point: int = 0


def _write(unit: Unit, others: Sequence[_find.Seen], wanted: Request, firewall: Firewall) -> Written:
    """Write everything. Raises Failure if something cannot be written, and undoes the rest before."""
    _require_no_rotation(unit.service, wanted)
    plan = _start_plan.plan(unit)
    wanted, drop_ins = _with_point(plan, wanted)
    certificate = wanted.certificate and _certificate_files.work(wanted.certificate, plan)
    repairs = _repairs(plan, wanted)
    needed = _others.needed_paths(plan, _others.services(plan, others)) if wanted.close_files else []
    places = [*_places(plan, wanted, certificate, repairs, needed), *_points.places(unit.service)]
    places += [os.path.dirname(subject.path) if subject.user else _systemd.UNIT_FOLDER for subject, _data in drop_ins]
    summary = _summary(wanted)
    with _boot.writing(unit.service, places, wanted.remount):
        subjects = [*_subjects(plan, wanted), *firewall[0]]
        point = _points.begin(unit.service, subjects, summary, firewall[1]) if summary else None
        try:
            if certificate:
                _certificate_files.place(certificate, plan)
            written = _write_recorded(unit, wanted, drop_ins, repairs, needed)
            if point:
                _points.complete(point, wanted.restore_points)
            # A certificate alone is in no record: it was tried out, and a good one comes in the place of a bad one.
            if wanted.confirmation and wanted.restart and _change.recorded(unit.service):
                _change.await_confirmation(unit.service, wanted.confirmation, wanted.rotated)
        except BaseException:
            _undo(unit)
            raise
    return written._replace(restore_point=point.number) if point else written


def _require_no_rotation(service: str, wanted: Request) -> None:
    """Raise Failure if a change waits for its confirmation: a restart for another one would confirm it untried."""
    change = _change.recorded(service)
    if change and change.confirmation and change.in_place() and not wanted.confirmation:
        raise Failure(
            "A rotation of passwords waits for its confirmation.",
            "Run pifleet.nodered.rotate, which finishes it, or run again after the host has rolled it back.",
        )


def _with_point(plan: StartPlan, wanted: Request) -> Tuple[Request, Sequence[Restored]]:
    """The request with the companions of the restore point, and its drop-ins with their bytes.

    The point is in a folder of root's. As whom a file is worked on is found out now, whatever the point says.
    """
    if not wanted.restore:
        return wanted, ()
    found = _managed.subjects(plan, wanted.settings_file, wanted.user_dir)
    restored = _points.point(plan.service, wanted.restore).restored(found)
    folder = os.path.dirname(found[0].path)
    companions: Dict[str, Optional[str]] = {}
    for subject, data in restored:
        if subject.kind == _points.COMPANION and os.path.dirname(subject.path) == folder:
            companions[os.path.basename(subject.path)] = None if data is None else _as_text(subject.path, data)
    own = _fail2ban.paths(plan.service)
    fail2ban = {
        own[subject.path]: None if data is None else _as_text(subject.path, data)
        for subject, data in restored
        if subject.path in own and (data is not None or os.path.lexists(subject.path))
    }
    drop_ins = [(subject, data) for subject, data in restored if subject.kind == _points.DROP_IN]
    folders = {one.folder: one.owner for one in _managed.units(plan)}
    known = [
        (subject._replace(user=folders[os.path.dirname(subject.path)]), data)
        for subject, data in drop_ins
        if os.path.dirname(subject.path) in folders
    ]
    wanted = wanted._replace(companions={**companions, **wanted.companions}, fail2ban={**fail2ban, **wanted.fail2ban})
    return wanted, known


def _as_text(path: str, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise Failure("%s is no text in the restore point." % path, "Choose another one.") from None


def _subjects(plan: StartPlan, wanted: Request) -> List[_points.Subject]:
    return _managed.subjects(plan, wanted.settings_file, wanted.user_dir, wanted.companions, wanted.drop_ins)


def _summary(wanted: Request) -> List[str]:
    """What is changed, one line for each kind: names of settings and files, no value. A restart changes nothing."""
    parts = {
        "settings": sorted({name.split(".")[0] for name in wanted.edit.changed} if wanted.edit else ()),
        "files": sorted(
            [*wanted.companions, *wanted.fail2ban, *(os.path.basename(one.path) for one in wanted.drop_ins)]
        ),
        "certificate": ["replaced"] if wanted.certificate else [],
        "sessions": [wanted.sessions] if wanted.sessions else [],
        "rights of others": ["taken away"] if wanted.close_files else [],
        "firewall": ["changed"] if wanted.firewall else [],
        "restored": ["restore point %d" % wanted.restore] if wanted.restore else [],
    }
    return ["%s: %s" % (what, ", ".join(names)) for what, names in parts.items() if names]


def _places(
    plan: StartPlan,
    wanted: Request,
    certificate: Optional[_certificate_files.Work],
    repairs: Sequence[Repair],
    needed: Sequence[str],
) -> List[str]:
    """The folders that are written to."""
    found = []
    if wanted.edit or wanted.companions:
        found.append(os.path.dirname(os.path.realpath(wanted.settings_file)))
    if wanted.private_files:
        found.append(os.path.realpath(wanted.user_dir))
    found += _ban_files.places(wanted.fail2ban)
    found += [one.folder if one.owner else _systemd.UNIT_FOLDER for one in wanted.drop_ins]
    if certificate:
        found += [_certificate.tls_folder(plan), _systemd.UNIT_FOLDER, *certificate.places]
    found += [os.path.dirname(one.path) for one in repairs]
    found += [one.path for one in _exposed(plan, wanted, needed)]
    return found


def _write_recorded(
    unit: Unit, wanted: Request, drop_ins: Sequence[Restored], repairs: Sequence[Repair], needed: Sequence[str]
) -> Written:
    """In this order: units first, as they decide how settings are loaded; companions before what requires them."""
    changed = [_drop_in.write(unit, one) for one in wanted.drop_ins]
    for subject, data in drop_ins:
        own = _drop_in.present(subject.path, subject.user)
        changed.append(_drop_in.write_text(unit, subject.path, subject.user, own, data))
    if any(changed):
        _drop_in.reload(unit.name)
        unit = _systemd.show(unit.name)[0]
        _drop_in.require_read(unit, wanted.drop_ins)
    plan = _start_plan.plan(unit)
    for name, text in wanted.private_files.items():
        _private_file.write(unit, plan.identity, wanted.user_dir, name, text)
    _write_companions(unit, plan, wanted, {name: text for name, text in wanted.companions.items() if text is not None})
    loaded: Optional[_node.Loaded] = None
    if wanted.edit:
        # The restore point has the old text.
        target = Target(wanted.settings_file, backup=False)
        _result, loaded = _settings_file.replace(target, wanted.edit, unit, check_mode=False)
    _write_companions(unit, plan, wanted, {name: text for name, text in wanted.companions.items() if text is None})
    _ban_files.write(unit, wanted.fail2ban)
    if repairs:
        place = _sessions.place_of(plan, wanted.user_dir)
        _sessions_file.repair(place, wanted.sessions, unit.service, unit.main_pid, repairs)
    closed = [one.path for one in _exposed(plan, wanted, needed) if _private_files.close(one, plan.identity)]
    return Written(loaded, closed)


def _write_companions(unit: Unit, plan: StartPlan, wanted: Request, companions: Mapping[str, Optional[str]]) -> None:
    if not companions:
        return
    user = plan.user_for(wanted.settings_file)
    settings = _files.read(wanted.settings_file, user)
    for name, text in companions.items():
        _companion.write(unit, settings, user, name, text)


def _repairs(plan: StartPlan, wanted: Request) -> List[Repair]:
    if not wanted.sessions:
        return []
    place = _sessions.place_of(plan, wanted.user_dir)
    found = [Repair(**one) for one in place.identity.run(_described_repairs, place, wanted.sessions)]
    refused = next((one.refusal for one in found if one.refusal), None)
    if refused:
        raise Failure(refused, "Then run again.")
    return found


def _described_repairs(place: _sessions.Place, state: str) -> List[Dict[str, Any]]:
    return [one.described() for one in _sessions.repairs(place, state, _mounts.table().mounts)]


def _exposed(plan: StartPlan, wanted: Request, needed: Sequence[str]) -> List[Exposed]:
    """What is closed to other users."""
    if not wanted.close_files:
        return []
    found = [Exposed(**one) for one in plan.identity.run(_described_exposed, wanted.user_dir, plan, needed)]
    return [one for one in found if one.wanted is not None and (one.folder or wanted.close_files == PRIVATE)]


def _described_exposed(user_dir: str, plan: StartPlan, needed: Sequence[str]) -> List[Dict[str, Any]]:
    found = _private_files.exposed(user_dir, plan.settings_file, plan.identity, needed)
    return [one._asdict() for one in found]


@_change.rollback()
def _undo_written(unit: Unit, remount: bool) -> None:
    """As `_undo`, after the folders could be written; not if Node-RED runs with the new files."""
    pid = _systemd.show(unit.name)[0].main_pid
    change = _change.to_extend(unit.service, pid)
    if change is None or change.runs_unconfirmed(pid):
        return
    with _remount.writable(_change.places_of_undo(unit.service, change), remount):
        _undo(unit)


@_change.rollback()
def _undo(unit: Unit) -> None:
    """Put back what this transaction has written. Node-RED was not stopped and continues with the old configuration."""
    change = _change.recorded(unit.service)
    if change and change.runs_unconfirmed(_systemd.show(unit.name)[0].main_pid):
        # The clock rolls everything back, with a restart.
        return
    try:
        if change:
            _change.undo(change)
            if change.touches_unit():
                _drop_in.reload(unit.name)
            _ban_files.reload_undone(change)
            _change.forget(unit.service)
    except (Failure, OSError) as failure:
        # The record stays, so a restart or the next boot undoes the rest.
        _background.log("The change of %s could not be rolled back: %s" % (unit.name, failure), failed=True)
    with contextlib.suppress(Failure, OSError):
        # Where the restore point cannot be deleted now, the next change does it.
        _points.settle(unit.service)
