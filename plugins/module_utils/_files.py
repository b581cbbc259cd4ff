# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: replace a file as a whole or not at all, and keep its attributes."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import glob
import hashlib
import os
import secrets
import signal
import stat
import time
from typing import Any, Dict, Iterator, Optional, Sequence, Set, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils import _mounts
from ansible_collections.pifleet.nodered.plugins.module_utils._failure import Failure

# Access control lists and what users note down themselves.
KEPT_EXTENDED = ("system.posix_acl_access", "user.")
# A temporary file that is older than this belongs to a run that was killed.
ABANDONED_SECONDS = 3600
# Those of this run may look older: a Pi without a clock jumps over years when it gets the time from the network.
_in_use: Set[str] = set()


@dataclasses.dataclass(frozen=True)
class Attributes:
    """What a file has besides its content."""

    uid: int
    gid: int
    mode: int
    extended: Dict[str, bytes]
    """Extended attributes, access control lists among them (system.posix_acl_access)."""


@dataclasses.dataclass(frozen=True)
class Content:
    path: str
    data: bytes
    attributes: Attributes

    @property
    def checksum(self) -> str:
        return checksum(self.data)


def clean_up_when_ended() -> None:
    """Let a signal that ends the process end it in an orderly way, so that temporary files go."""

    def end(number: int, _frame: Any) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, end)


def checksum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def read(path: str) -> Content:
    """The regular file at the end of whatever links lead to it. Raises Failure when there is none."""
    real = os.path.realpath(path)
    try:
        # Without O_NONBLOCK, a named pipe in its place would hang this for ever.
        descriptor = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        if os.path.islink(path):
            raise Failure(
                "%s is a link to %s, which does not exist." % (path, real), "Correct the link, or put the file there."
            ) from None
        raise Failure(
            "%s does not exist." % path, "Correct the path, or start Node-RED once: it writes the file."
        ) from None
    except OSError as error:
        raise Failure("%s cannot be read: %s." % (path, error.strerror), "Run the task with become: true.") from None
    state = os.fstat(descriptor)
    if not stat.S_ISREG(state.st_mode):
        os.close(descriptor)
        raise Failure("%s is not a regular file." % real, "Give the path of the settings file itself.")
    with os.fdopen(descriptor, "rb") as stream:
        return Content(real, stream.read(), _attributes(descriptor, state))


def compared(path: str, old: Optional[Content], data: Optional[bytes]) -> Dict[str, Any]:
    """What a module returns that wants this data in the file, or no file: whether it changes, and the difference."""
    result: Dict[str, Any] = {"changed": (old.data if old else None) != data, "path": path}
    if result["changed"]:
        result["diff"] = {
            "before": old.data.decode("utf-8", "replace") if old else "",
            "after": data.decode("utf-8", "replace") if data is not None else "",
            "before_header": path if old else "(no file)",
            "after_header": path if data is not None else "(no file)",
        }
    return result


def _attributes(descriptor: int, state: os.stat_result) -> Attributes:
    extended = {}
    with contextlib.suppress(OSError):
        for name in os.listxattr(descriptor):
            with contextlib.suppress(OSError):
                extended[name] = os.getxattr(descriptor, name)
    return Attributes(state.st_uid, state.st_gid, stat.S_IMODE(state.st_mode), extended)


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A file that may take the place of another. It is held open: in another user's folder, names change hands."""

    path: str
    descriptor: int


@contextlib.contextmanager
def candidate(path: str, data: bytes, *, uid: int, gid: int, mode: int = 0o400) -> Iterator[Candidate]:
    """A temporary file beside `path` with this content, safely on the disk; gone at the end unless it was put in place.

    Its name starts with a dot and ends as the file's does, so that node takes it for the same kind of file.
    """
    folder, name = os.path.split(path)
    stem, suffix = os.path.splitext(name)
    _remove_abandoned(os.path.join(glob.escape(folder), "." + glob.escape(stem) + ".pifleet-*"))
    temporary = os.path.join(folder, ".%s.pifleet-%s%s" % (stem, secrets.token_hex(4), suffix))
    descriptor = -1
    _in_use.add(temporary)
    try:
        with explained(path):
            descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            _fill(descriptor, data, uid, gid, mode)
        yield Candidate(temporary, descriptor)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if descriptor >= 0:
            os.close(descriptor)
        _in_use.discard(temporary)


def _remove_abandoned(pattern: str) -> None:
    for path in set(glob.glob(pattern)) - _in_use:
        with contextlib.suppress(OSError):
            if time.time() - os.lstat(path).st_mtime > ABANDONED_SECONDS:
                os.unlink(path)


def _fill(descriptor: int, data: bytes, uid: int, gid: int, mode: int) -> None:
    _write_all(descriptor, data)
    if os.geteuid() == 0:
        os.fchown(descriptor, uid, gid)
    os.fchmod(descriptor, mode)
    os.fsync(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def put_in_place(temporary: Candidate, path: str, attributes: Attributes) -> None:
    """Give the temporary file these attributes and the name, in one step that a power cut cannot halve."""
    with explained(path):
        _give(temporary.descriptor, attributes)
        os.fsync(temporary.descriptor)
        os.rename(temporary.path, path)
        sync_folder(os.path.dirname(path))


def _give(descriptor: int, attributes: Attributes) -> None:
    state = os.fstat(descriptor)
    if (state.st_uid, state.st_gid) != (attributes.uid, attributes.gid):
        os.fchown(descriptor, attributes.uid, attributes.gid)
    # Never what lends rights: set-user-ID and its like, or a file capability (security.capability).
    os.fchmod(descriptor, attributes.mode & 0o777)
    for name, value in attributes.extended.items():
        if name.startswith(KEPT_EXTENDED):
            try:
                os.setxattr(descriptor, name, value)
            except OSError as error:
                raise OSError(error.errno, "attribute %s: %s" % (name, error.strerror)) from error


def identity(folder: str) -> Tuple[int, int]:
    """Which folder this is, whatever its name leads to later."""
    state = os.lstat(folder)
    return state.st_dev, state.st_ino


def require_same_folder(path: str, known: Sequence[int], rebooted: bool = False) -> None:
    """Raise Failure where the folder of this file is another one by now.

    The service user owns the folders above the file, and its code runs in between: a folder that was exchanged for a
    link would have root write elsewhere. The number of a device may be another one after a boot (btrfs, USB disks).
    """
    folder = os.path.dirname(path)
    parts = slice(1, None) if rebooted else slice(None)
    if os.path.realpath(folder) != folder or tuple(known)[parts] != identity(folder)[parts]:
        raise Failure(
            "The folder %s was exchanged for another one in the meantime." % folder,
            "Look who did that (ls -ld %s), then run again." % folder,
        )


def replace(path: str, data: bytes, attributes: Attributes) -> None:
    """The file at `path` has this content and these attributes afterwards, or is untouched."""
    with candidate(path, data, uid=attributes.uid, gid=attributes.gid, mode=0o600) as temporary:
        put_in_place(temporary, path, attributes)


def make_link(path: str, target: str) -> None:
    """A link at `path`, in place of whatever file or link is there."""
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, ".%s.pifleet-%s" % (name.lstrip("."), secrets.token_hex(4)))
    with explained(path):
        os.symlink(target, temporary)
        os.rename(temporary, path)
        sync_folder(folder)


def remove(path: str) -> None:
    with explained(path):
        try:
            os.unlink(path)
        except FileNotFoundError:
            return
        sync_folder(os.path.dirname(path))


def make_folders(path: str, mode: int) -> None:
    """Make this folder and those above it as far as they are missing, so that a power cut does not take them again."""
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    make_folders(parent, mode)
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, mode)
    sync_folder(parent)


def sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def back_up(content: Content) -> str:
    """A copy beside the file, named as Ansible names backups, with the same owner, mode and access control list."""
    stamp = time.strftime("%Y-%m-%d@%H:%M:%S~", time.localtime())
    path = "%s.%d.%s" % (content.path, os.getpid(), stamp)
    with candidate(
        content.path, content.data, uid=content.attributes.uid, gid=content.attributes.gid, mode=0o600
    ) as temporary:
        put_in_place(temporary, path, content.attributes)
    return path


@contextlib.contextmanager
def locked(path: str, timeout: float, held: Failure) -> Iterator[int]:
    """Nobody else has this lock meanwhile; its descriptor. Raises `held` after `timeout` seconds of waiting."""
    with explained(path):
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + timeout
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise held from None
                time.sleep(0.5)
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def explained(path: str) -> Iterator[None]:
    """Turn what the system says about writing this file into a Failure that says what to do."""
    try:
        yield
    except OSError as error:
        raise Failure(*_explanation(error, path)) from error


def _explanation(error: OSError, path: str) -> Tuple[str, str]:
    folder = os.path.dirname(path)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        mount = _mounts.table().holding(folder).point
        return (
            "There is no space left on %s for the new %s; the old file is untouched." % (mount, path),
            "Free some space there (df -h %s; journalctl --vacuum-size=50M) and run again." % mount,
        )
    if error.errno == errno.EROFS:
        mount = _mounts.table().holding(folder).point
        return (
            "%s cannot be written: the file system %s is read-only." % (path, mount),
            "Make it writable (mount -o remount,rw %s) and run again; if it became read-only by itself, the SD card "
            "may be failing (dmesg)." % mount,
        )
    if error.errno == errno.EBUSY:
        return (
            "%s cannot be replaced: it is a mount point of its own." % path,
            "Mount the folder that holds it in place of the single file.",
        )
    if error.errno in (errno.EPERM, errno.EACCES):
        if os.geteuid() == 0:
            return (
                "%s cannot be replaced: %s." % (path, error.strerror),
                "The file or its folder is immutable, or root has no rights on this file system (NFS): see lsattr -d "
                "%s %s; chattr -i makes it changeable." % (folder, path),
            )
        return "%s cannot be replaced: %s." % (path, error.strerror), "Run the task with become: true."
    return (
        "%s cannot be written: %s." % (path, error.strerror or error),
        "The old file is untouched; see dmesg for the cause.",
    )


def below_node_modules(path: str) -> Optional[str]:
    """The package's folder when the file belongs to an installed package, else None."""
    parts = os.path.realpath(path).split(os.sep)
    if "node_modules" not in parts[:-1]:
        return None
    return os.sep.join(parts[: len(parts) - 1 - parts[::-1].index("node_modules") + 2])
