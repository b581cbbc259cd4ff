# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: write to a file system that is read-only, and leave it read-only.

A process of its own remounts it, waits until the writing process has finished or ended (also killed), and sets it back.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import stat
import time
from typing import Any, BinaryIO, ContextManager, Dict, Iterator, List, NamedTuple, Sequence

from ansible_collections.pifleet.nodered.plugins.module_utils._core import _descriptors, _own_folders
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._core._text import printable_line
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._files._files import Attributes
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _background, _mounts, _processes, _systemd
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._mounts import Mount

# No name of a service begins with a dot.
LOCK = ".remount.lock"
HELD = ".remount.held"
# How long a process that holds a file open for writing is waited for, and how long the background tries again.
BUSY_SECONDS = 5.0
LONGER_SECONDS = 600.0
UNDISTURBED_SECONDS = 10.0
POLL_SECONDS = 0.5
LONGER_POLL_SECONDS = 5.0
MOST_NAMED = 5

_UNTOUCHED = "Nothing was changed."


def shared_places() -> List[str]:
    """Where a run of the roles writes besides the settings: what undoes a change, and the service's drop-ins."""
    return [_own_folders.STATE, _systemd.UNIT_FOLDER]


@contextlib.contextmanager
def writable(paths: Sequence[str], allowed: bool, whole_run: bool = True) -> Iterator[Sequence[Mount]]:
    """Make the file systems of these paths writable, and restore afterwards what they were, also after a failure.

    Yields those that were read-only. With `hold`, they stay writable until `released`.

    Raises Failure, before anything is written, as `to_remount` does. What cannot be set back to read-only is a
    warning, as the change itself is made. Not to be nested: only one at a time writes.
    """
    if os.geteuid() != 0:
        # Only root can remount; the write itself reports what is wrong.
        yield []
        return
    with _locked() as lock:
        mounts = to_remount(paths, allowed, whole_run)
        with _opened(mounts, lock):
            yield mounts


def _locked(seconds: float = _own_folders.LOCK_SECONDS) -> ContextManager[int]:
    busy = Failure(
        "Another run writes to the file systems of this machine and does not end.",
        "Wait until that run has ended, or look for it (ps -ef), and run again.",
    )
    return _files.locked(os.path.join(_own_folders.LOCKS, LOCK), seconds, busy)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Wait until no other run writes, so that a file system is seen as it is between runs; not for long."""
    with contextlib.ExitStack() as stack:
        # Reading the state of a machine makes no file there.
        if os.geteuid() == 0 and os.path.exists(os.path.join(_own_folders.LOCKS, LOCK)):
            with contextlib.suppress(Failure):
                stack.enter_context(_locked(UNDISTURBED_SECONDS))
        yield


def hold(mounts: Sequence[Mount]) -> None:
    """Leave these writable beyond the end of `writable`, as other programs write to them; also for a shell script.

    A restart of the machine removes the note, and ends what it describes.
    """
    text = described(list(dict.fromkeys(held() + [_plain(mount.point, mount.only_here) for mount in mounts])))
    _files.replace(os.path.join(_own_folders.LOCKS, HELD), text.encode(), Attributes(0, 0, 0o600, {}))


def described(mounts: Sequence[Mount]) -> str:
    """One line for each: the options of mount(8) without rw or ro, and where it is."""
    return "".join("%s %s\n" % (_remount_options(mount), mount.point) for mount in mounts)


def held() -> List[Mount]:
    """What has to become read-only when it is released."""
    try:
        with open(os.path.join(_own_folders.LOCKS, HELD), encoding="utf-8") as stream:
            lines = [line.rstrip("\n").partition(" ") for line in stream]
    except (FileNotFoundError, PermissionError):
        # Only root writes, and so needs to know.
        return []
    return [_plain(point, only_here=how.endswith("bind")) for how, _space, point in lines]


def _plain(point: str, only_here: bool) -> Mount:
    """Only what it takes to remount it."""
    return Mount(point, "", "", ("ro",), ("rw",) if only_here else ("ro",))


@contextlib.contextmanager
def released() -> Iterator[None]:
    """What is held can be written for the last time, and is read-only afterwards, as with `writable`."""
    with _locked() as lock, _opened(held(), lock):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(_own_folders.LOCKS, HELD))
        yield


def make_read_only(mounts: Sequence[Mount]) -> None:
    """Have these become read-only that are still writable, as at the end of `writable`."""
    left = [mount for mount in mounts if not _is_read_only(mount)]
    if left:
        with _locked() as lock, _opened(left, lock):
            pass


def to_remount(paths: Sequence[str], allowed: bool, whole_run: bool = True) -> List[Mount]:
    """The read-only file systems that hold these paths. Raises Failure if remounting is not allowed, or not safe.

    With `whole_run`, what the rest of a run needs is looked at too, so that it stops before the first write and not
    halfway.
    """
    table = _mounts.table()
    needed = list(paths) + (shared_places() if whole_run else [])
    forgetful = table.forgetful(needed)
    if forgetful:
        raise _forgetful(forgetful[0])
    for mount in table.read_only(needed):
        why = table.why_read_only(mount)
        if why == _mounts.ERROR:
            raise _failing(mount)
        if mount.kind.startswith("fuse"):
            raise _of_a_user(mount)
        if not allowed:
            raise _not_told(mount, why)
    return table.read_only(paths)


def _forgetful(mount: Mount) -> Failure:
    return Failure(
        "%s is an overlay in memory (the overlay mode of raspi-config, or overlayroot): every change would be lost at "
        "the next boot. %s" % (mount.point, _UNTOUCHED),
        "Switch it off (raspi-config, Performance Options, Overlay File System), reboot, run again, and switch it on "
        "again. For a change by hand there is overlayroot-chroot.",
    )


def _failing(mount: Mount) -> Failure:
    return Failure(
        "The kernel made the file system %s read-only after an error, so it is not remounted. %s"
        % (mount.point, _UNTOUCHED),
        "The SD card may be failing: see dmesg, save what is on it, and check it (fsck) or replace it. Then run again.",
    )


def _of_a_user(mount: Mount) -> Failure:
    return Failure(
        "%s is a FUSE file system, which any user can mount, so root does not remount it. %s"
        % (mount.point, _UNTOUCHED),
        "Look who mounted it (findmnt %s). Unmount it, or make it writable yourself, and run again." % mount.point,
    )


def _not_told(mount: Mount, why: str) -> Failure:
    meant = "is read-only, as it is meant to be (/etc/fstab)" if why == _mounts.FSTAB else "is mounted read-only"
    return Failure(
        "The file system %s %s, and there is something to change on it. %s" % (mount.point, meant, _UNTOUCHED),
        "Set nodered_remount: true (option remount), and it is remounted read-write for the writes of this collection "
        "only. Or make it writable yourself (%s) and run again." % _by_hand(mount, "rw"),
    )


def _by_hand(mount: Mount, mode: str) -> str:
    return _own_command(mount, mode) or "mount -o %s,%s %s" % (_remount_options(mount), mode, mount.point)


def _mount_command(mount: Mount, mode: str) -> List[str]:
    # Without a helper (mount.TYPE): the type of a file system may be its owner's choice.
    return ["mount", "-o", "%s,%s" % (_remount_options(mount), mode), "-i", mount.point]


def _remount_options(mount: Mount) -> str:
    # Without bind, the file system itself would become read-only wherever it is mounted.
    return "remount,bind" if mount.only_here else "remount"


def _own_command(mount: Mount, mode: str) -> str:
    """The machine's own command for this; empty where it has none."""
    found = shutil.which("rpi-" + mode, path=_systemd.DEFAULT_PATH) if mount.point == "/" else None
    return found or ""


@contextlib.contextmanager
def _opened(mounts: Sequence[Mount], lock: int) -> Iterator[None]:
    if not mounts:
        yield
        return
    keeper = _start(mounts, lock)
    try:
        answer = keeper.answer()
        if "problem" in answer:
            raise Failure(answer["problem"], answer["remedy"])
        yield
    finally:
        for warning in keeper.end():
            _background.warn(warning)


class _Keeper(NamedTuple):
    """The process that remounts, as seen by the one that writes."""

    pid: int
    waits_for: int
    answers: BinaryIO

    def answer(self) -> Dict[str, Any]:
        line = self.answers.readline()
        return dict(json.loads(line)) if line else _ended_early()

    def end(self) -> List[str]:
        """Have everything set back; what is wrong if that does not work."""
        os.close(self.waits_for)
        with self.answers:
            answer = self.answer()
        if answer.get("still_tries"):
            return list(answer["warnings"])
        os.waitpid(self.pid, 0)
        return [answer["problem"] + "\n" + answer["remedy"]] if "problem" in answer else []


def _ended_early() -> Dict[str, Any]:
    return {
        "problem": "The process that remounts file systems ended without a result.",
        "remedy": "Check whether they are writable or read-only as they should be (findmnt); see journalctl -t %s."
        % _background.TAG,
    }


def _start(mounts: Sequence[Mount], lock: int) -> _Keeper:
    end_of_writes, waits_for = os.pipe()
    answers, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            # The lock of the service among them: that is not to be held for as long as this may take.
            _descriptors.close_all_but(lock, end_of_writes, told)
            _background.detach("Remount of %s for a change" % ", ".join(mount.point for mount in mounts))
            _keep(mounts, lock, end_of_writes, told)
        finally:
            os._exit(0)
    os.close(end_of_writes)
    os.close(told)
    return _Keeper(pid, waits_for, os.fdopen(answers, "rb"))


def _keep(mounts: Sequence[Mount], lock: int, end_of_writes: int, told: int) -> None:
    """Remount, wait for the other end of the pipe to be closed, set back. The lock is held until that is done."""
    try:
        for mount in mounts:
            _remount(mount)
        _background.report(told, {})
        os.read(end_of_writes, 1)
    except Failure as failure:
        _background.report(told, {"problem": failure.problem, "remedy": failure.remedy})
    staying = [mount.point for mount in held()]
    left = _set_back([mount for mount in reversed(mounts) if mount.point not in staying], BUSY_SECONDS)
    warnings = [_still_writable(mount) for mount in left]
    for warning in warnings:
        _background.log(warning, failed=True)
    _background.report(told, {"still_tries": bool(left), "warnings": warnings})
    os.close(told)
    os.close(lock)
    if left:
        # A shutdown need not wait for it.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _try_on(left)


def _remount(mount: Mount) -> None:
    if not _is_read_only(mount):
        return
    own = _own_command(mount, "rw")
    if own:
        _systemd.run([own])
    if not _is_read_only(mount):
        return
    answer = _systemd.run(_mount_command(mount, "rw"))
    if _is_read_only(mount):
        raise Failure(
            "%s cannot be remounted read-write: %s %s" % (mount.point, answer.stderr.strip(), _UNTOUCHED),
            "Its device may be write-protected or failing: see dmesg.",
        )


def _set_back(mounts: Sequence[Mount], seconds: float) -> List[Mount]:
    """Make them read-only again, trying for so long; those that are still writable."""
    deadline = time.monotonic() + seconds
    while True:
        left = [mount for mount in mounts if not _became_read_only(mount)]
        if not left or time.monotonic() >= deadline:
            return left
        time.sleep(POLL_SECONDS)


def _became_read_only(mount: Mount) -> bool:
    with contextlib.suppress(Failure):
        own = _own_command(mount, "ro")
        if own:
            _systemd.run([own])
        if not _is_read_only(mount):
            _systemd.run(_mount_command(mount, "ro"))
    return _is_read_only(mount)


def _try_on(mounts: Sequence[Mount]) -> None:
    deadline = time.monotonic() + LONGER_SECONDS
    left, busy = list(mounts), Failure("Another run writes.")
    while left and time.monotonic() < deadline:
        time.sleep(LONGER_POLL_SECONDS)
        with contextlib.suppress(Failure), _files.locked(os.path.join(_own_folders.LOCKS, LOCK), 0, busy):
            if not os.path.exists(os.path.join(_own_folders.LOCKS, HELD)):
                left = _set_back(left, 0)
    for mount in mounts:
        _background.log(
            "%s is %s." % (mount.point, "still writable" if mount in left else "read-only again"), mount in left
        )


def _is_read_only(mount: Mount) -> bool:
    return bool(os.statvfs(mount.point).f_flag & os.ST_RDONLY)


def _still_writable(mount: Mount) -> str:
    held = holders(mount.point)
    more = " and %d more" % (len(held) - MOST_NAMED) if len(held) > MOST_NAMED else ""
    return (
        "%s could not be made read-only again, as it is busy. In use by: %s%s.\nStop what holds it; it is tried again "
        "for %d minutes, and then by hand: %s"
        % (
            mount.point,
            "; ".join(held[:MOST_NAMED]) or "no process that was found (a swap file? a loop device?)",
            more,
            LONGER_SECONDS / 60,
            _by_hand(mount, "ro"),
        )
    )


def holders(point: str) -> List[str]:
    """Who keeps this file system from becoming read-only: who has a file open for writing there, or a deleted one."""
    device = os.stat(point).st_dev
    found = []
    for process in _processes.processes():
        for path in sorted(_held_by(process.pid, device)):
            unit = _processes.unit_of(process.pid)
            found.append(
                "process %d (%s%s): %s" % (process.pid, process.name, ", " + unit if unit else "", printable_line(path))
            )
    return found


def _held_by(pid: int, device: int) -> List[str]:
    found = set()
    with contextlib.suppress(OSError):
        for number in os.listdir("/proc/%d/fd" % pid):
            with contextlib.suppress(OSError, ValueError):
                state = os.stat("/proc/%d/fd/%s" % (pid, number))
                there = state.st_dev == device and stat.S_ISREG(state.st_mode)
                if there and (state.st_nlink == 0 or _open_for_writing(pid, number)):
                    found.add(os.readlink("/proc/%d/fd/%s" % (pid, number)))
    return list(found)


def _open_for_writing(pid: int, number: str) -> bool:
    with open("/proc/%d/fdinfo/%s" % (pid, number), encoding="ascii") as stream:
        flags = next(line for line in stream if line.startswith("flags:"))
    return int(flags.split()[1], 8) & os.O_ACCMODE != os.O_RDONLY
