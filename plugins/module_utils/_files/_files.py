# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: read a file within limits; replace it as a whole or not at all.

Every function here takes the user that it works as (`_identity.for_path`): None is this process itself, which is right
only where root alone can change where the path leads.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import fcntl
import glob
import hashlib
import json
import os
import secrets
import stat
import time
from typing import Any, Callable, Dict, Iterator, Mapping, NamedTuple, Optional, Set, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils._core import _deadline, _descriptors
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _mounts
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._identity import Identity

# Access control lists and what users note down themselves.
KEPT_EXTENDED = ("system.posix_acl_access", "user.")
# A temporary file that is older than this belongs to a run that was killed.
ABANDONED_SECONDS = 3600
# Those of this run may look older: a Pi without a clock jumps over years when it gets the time from the network.
_in_use: Set[str] = set()
# Bytes. A settings file has 20 KB; the largest file of ufw rules that users have reported has 1 MB.
LARGEST = 4 * 1024 * 1024
_PIECE = 64 * 1024


class TooLarge(Failure):
    """A file has more bytes than are read of it."""


class Attributes(NamedTuple):
    """What a file has besides its content."""

    uid: int
    gid: int
    mode: int
    extended: Dict[str, bytes]
    """Extended attributes, access control lists among them (system.posix_acl_access)."""


class Content(NamedTuple):
    path: str
    data: bytes
    attributes: Attributes

    @property
    def checksum(self) -> str:
        return checksum(self.data)


def checksum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _as(user: Optional[Identity], work: Callable[..., Any], *arguments: Any) -> Any:
    return work(*arguments) if user is None else user.run(work, *arguments)


def read(path: str, user: Optional[Identity] = None) -> Content:
    """The regular file at this path, with links followed. Raises Failure if there is none."""
    found = _as(user, _read, path, user.name if user else None)
    extended = {name: base64.b64decode(value) for name, value in found["extended"].items()}
    attributes = Attributes(found["uid"], found["gid"], found["mode"], extended)
    return Content(found["path"], base64.b64decode(found["data"]), attributes)


def _read(path: str, user: Optional[str]) -> Dict[str, Any]:
    try:
        real = os.path.realpath(path)
        with _opened(real) as (descriptor, state):
            data, extended = _bytes(path, descriptor, state, LARGEST), _extended(descriptor)
    except FileNotFoundError as error:
        if os.path.islink(path):
            raise Failure(
                "%s is a link to %s, which does not exist." % (path, error.filename),
                "Correct the link, or put the file there.",
            ) from None
        raise Failure(
            "%s does not exist." % path, "Correct the path, or start Node-RED once: it writes the file."
        ) from None
    except OSError as error:
        remedy = "Give user %s read access to it." % user if user else "Run the task with become: true."
        raise Failure("%s cannot be read: %s." % (path, error.strerror), remedy) from None
    return {
        "path": real,
        "data": base64.b64encode(data).decode("ascii"),
        "uid": state.st_uid,
        "gid": state.st_gid,
        "mode": stat.S_IMODE(state.st_mode),
        "extended": {name: base64.b64encode(value).decode("ascii") for name, value in extended.items()},
    }


def data(path: str, user: Optional[Identity] = None, limit: int = LARGEST) -> bytes:
    """The bytes of a regular file, with links followed.

    Raises OSError where it cannot be read, and Failure where it is no regular file or has more bytes.
    """
    if user is None:
        return _data(path, limit)
    return bytes(user.run(_data_as_text, path, limit).encode("latin-1"))


def _data(path: str, limit: int) -> bytes:
    with _opened(path) as (descriptor, state):
        return _bytes(path, descriptor, state, limit)


def _data_as_text(path: str, limit: int) -> str:
    return _data(path, limit).decode("latin-1")


def text(path: str, user: Optional[Identity] = None, limit: int = LARGEST) -> str:
    """The text of a file that may be missing: empty where it cannot be read, is not a regular file, or has more bytes.

    Without a byte order mark; bytes that are not UTF-8 become replacement characters.
    """
    return str(_as(user, _text, path, limit))


def json_of(path: str, user: Optional[Identity] = None, limit: int = LARGEST) -> Any:
    """What a JSON file holds; None where `text` is empty or is not JSON."""
    return parsed_json(text(path, user, limit))


def parsed_json(text_: str) -> Any:
    """What the text holds; None where it is not JSON, or is nested too deeply."""
    try:
        return json.loads(text_)
    except (ValueError, RecursionError):
        return None


def _text(path: str, limit: int) -> str:
    try:
        with _opened(path) as (descriptor, state):
            found = _bytes(path, descriptor, state, limit).decode("utf-8", "replace")
    except (OSError, ValueError, Failure):
        # ValueError: a path with a NUL in it.
        return ""
    return found[1:] if found.startswith("\ufeff") else found


@contextlib.contextmanager
def _opened(path: str) -> Iterator[Tuple[int, os.stat_result]]:
    # Without O_NONBLOCK, a named pipe in its place would block this forever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            raise Failure("%s is not a regular file." % path, "Replace it by a regular file, or correct the path.")
        yield descriptor, state
    finally:
        os.close(descriptor)


def _bytes(path: str, descriptor: int, state: os.stat_result, limit: int) -> bytes:
    """All that is in the file. It can have become larger than it was when it was opened."""
    # os.read allocates as many bytes as it is asked for. A file of the kernel reports size 0; one in /proc/sys must be
    # read in one call, and rejects a call for megabytes (proc_sysctl.c).
    data, piece = b"", min(limit, state.st_size or _PIECE) + 1
    while piece:
        read = os.read(descriptor, piece)
        data += read
        if len(data) > limit:
            raise TooLarge(
                "%s has more than %d KiB, so it is not read." % (path, limit // 1024),
                "Look at what is in it: such a file is not meant to be that large.",
            )
        piece = min(_PIECE, limit - len(data) + 1) if read else 0
    return data


def _extended(descriptor: int) -> Dict[str, bytes]:
    extended = {}
    with contextlib.suppress(OSError):
        for name in os.listxattr(descriptor):
            with contextlib.suppress(OSError):
                extended[name] = os.getxattr(descriptor, name)
    return extended


def link(path: str, user: Optional[Identity] = None) -> Optional[str]:
    """Where this path leads to if it is a link, else None."""
    found = _as(user, _link_text, path)
    return None if found is None else str(found)


def _link_text(path: str) -> Optional[str]:
    try:
        return os.readlink(path)
    except OSError:
        return None


@contextlib.contextmanager
def candidate(
    path: str, data: bytes, *, user: Optional[Identity] = None, uid: int = -1, gid: int = -1, mode: int = 0o400
) -> Iterator[str]:
    """A temporary file beside `path` with this content, safely on the disk; gone at the end unless it was put in place.

    Its name starts with a dot and ends as the file's does, so that node takes it for the same kind of file. It belongs
    to `user`; root can give it to another owner (`uid`, `gid`).
    """
    folder, name = os.path.split(path)
    stem, suffix = os.path.splitext(name)
    temporary = os.path.join(folder, ".%s.pifleet-%s%s" % (stem, secrets.token_hex(4), suffix))
    owner = (uid, gid) if user is None and os.geteuid() == 0 else (-1, -1)
    _in_use.add(temporary)
    try:
        with explained(path, user):
            _as(user, _remove_abandoned, path)
            _as(user, _write_new, temporary, data.decode("latin-1"), owner, mode)
        yield temporary
    finally:
        with contextlib.suppress(OSError, Failure):
            _as(user, os.unlink, temporary)
        _in_use.discard(temporary)


def _remove_abandoned(path: str) -> None:
    folder, name = os.path.split(path)
    pattern = "." + glob.escape(os.path.splitext(name)[0]) + ".pifleet-*"
    for found in set(glob.glob(os.path.join(glob.escape(folder), pattern))) - _in_use:
        with contextlib.suppress(OSError):
            if time.time() - os.lstat(found).st_mtime > ABANDONED_SECONDS:
                os.unlink(found)


def _write_new(path: str, data: str, owner: Tuple[int, int], mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        _descriptors.write_all(descriptor, data.encode("latin-1"))
        if owner != (-1, -1):
            os.fchown(descriptor, *owner)
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def put_in_place(temporary: str, path: str, attributes: Attributes, user: Optional[Identity] = None) -> None:
    """Give the temporary file these attributes and the name, in one step that a power cut cannot halve.

    A user cannot give files away, so a file of another owner becomes the user's. The group stays.
    """
    with explained(path, user):
        foreign_group = user is not None and attributes.gid not in (user.gid, *user.groups)
        owner = (-1 if user else attributes.uid, -1 if foreign_group else attributes.gid)
        inode = _as(user, _give, temporary, owner, attributes.mode, _to_keep(attributes))
        if user and foreign_group and os.geteuid() == 0:
            _give_group(temporary, attributes.gid, user, inode)
        _as(user, _rename, temporary, path)


def _to_keep(attributes: Attributes) -> Dict[str, str]:
    # Never what lends rights: set-user-ID and its like, or a file capability (security.capability).
    return {
        name: value.decode("latin-1") for name, value in attributes.extended.items() if name.startswith(KEPT_EXTENDED)
    }


def _give(path: str, owner: Tuple[int, int], mode: int, extended: Mapping[str, str]) -> int:
    """Give the new file its attributes; its inode."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        state = os.fstat(descriptor)
        uid, gid = owner
        if uid not in (-1, state.st_uid) or gid not in (-1, state.st_gid):
            os.fchown(descriptor, uid, gid)
        os.fchmod(descriptor, mode & 0o777)
        for name, value in extended.items():
            try:
                os.setxattr(descriptor, name, value.encode("latin-1"))
            except OSError as error:
                raise OSError(error.errno, "attribute %s: %s" % (name, error.strerror)) from error
        os.fsync(descriptor)
        return state.st_ino
    finally:
        os.close(descriptor)


def _give_group(path: str, gid: int, user: Identity, inode: int) -> None:
    """Give the user's new file a group that the user is not in, which takes root: the very file, wherever it is now."""
    # O_PATH: opening a device, which the name may lead to by now, has effects of its own.
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        state = os.fstat(descriptor)
        if stat.S_ISREG(state.st_mode) and state.st_uid == user.uid and state.st_ino == inode:
            os.chown("/proc/self/fd/%d" % descriptor, -1, gid)
    finally:
        os.close(descriptor)


def _rename(old: str, new: str) -> None:
    os.rename(old, new)
    sync_folder(os.path.dirname(new))


def replace(path: str, data: bytes, attributes: Attributes, user: Optional[Identity] = None) -> None:
    """The file at `path` has this content and these attributes afterwards, or is untouched."""
    with candidate(path, data, user=user, uid=attributes.uid, gid=attributes.gid, mode=0o600) as temporary:
        put_in_place(temporary, path, attributes, user)


def make_link(path: str, target: str, user: Optional[Identity] = None) -> None:
    """Make a link at `path`, in place of a file or link that is there."""
    with explained(path, user):
        _as(user, _make_link, path, target)


def _make_link(path: str, target: str) -> None:
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, ".%s.pifleet-%s" % (name.lstrip("."), secrets.token_hex(4)))
    os.symlink(target, temporary)
    _rename(temporary, path)


def remove(path: str, user: Optional[Identity] = None) -> None:
    with explained(path, user):
        _as(user, _remove, path)


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
        sync_folder(os.path.dirname(path))


def add_second_name(path: str, user: Optional[Identity] = None) -> Optional[str]:
    """A second name for the file, by which it can come back on a full disk; None where the file system has none."""
    second = _name_of_old(path)
    try:
        _as(user, _link, path, second)
    except OSError:
        # vfat and the like; or a file of root's in the user's folder (fs.protected_hardlinks).
        return None
    return second


def _name_of_old(path: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(folder, ".%s.pifleet-old-%s" % (name, secrets.token_hex(4)))


def copy_beside(path: str, content: Content, user: Optional[Identity] = None) -> str:
    """A copy of the file under a name as `add_second_name` gives it, with the same owner and mode."""
    second = _name_of_old(path)
    replace(second, content.data, content.attributes, user)
    return second


def _link(path: str, second: str) -> None:
    os.link(path, second, follow_symlinks=False)
    sync_folder(os.path.dirname(path))


def rename_back(second: str, path: str, user: Optional[Identity] = None) -> None:
    """Give the file its first name again, which takes no space."""
    with explained(path, user):
        _as(user, _rename, second, path)


def make_folders(path: str, mode: int, user: Optional[Identity] = None) -> None:
    """Make this folder and those above it as far as they are missing, so that a power cut does not take them again."""
    _as(user, _make_folders, path, mode)


def _make_folders(path: str, mode: int) -> None:
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    _make_folders(parent, mode)
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, mode)
    sync_folder(parent)


def remove_empty_folder(path: str, user: Optional[Identity] = None) -> None:
    """Remove this folder if there is nothing in it. Whatever prevents that is no failure."""
    with contextlib.suppress(OSError, Failure):
        _as(user, os.rmdir, path)


def sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_folder(path: str) -> int:
    """A descriptor (O_PATH) of this folder, opened part by part without following a link. Raises OSError."""
    flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    folder = os.open("/", flags)
    for part in path.strip("/").split("/"):
        try:
            inner = os.open(part, flags, dir_fd=folder) if part else os.dup(folder)
        finally:
            os.close(folder)
        folder = inner
    return folder


def back_up(content: Content, user: Optional[Identity] = None) -> str:
    """A copy beside the file, named as Ansible names backups, with the same owner, mode and access control list."""
    stamp = time.strftime("%Y-%m-%d@%H:%M:%S~", time.localtime())
    path = "%s.%d.%s" % (content.path, os.getpid(), stamp)
    attributes = content.attributes
    with candidate(
        content.path, content.data, user=user, uid=attributes.uid, gid=attributes.gid, mode=0o600
    ) as temporary:
        put_in_place(temporary, path, attributes, user)
    return path


@contextlib.contextmanager
def locked(path: str, timeout: float, held: Failure) -> Iterator[int]:
    """Hold this lock; yields its descriptor. Raises `held` after `timeout` seconds of waiting."""
    with explained(path):
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with _deadline.paused():
            _lock(descriptor, timeout, held)
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int, timeout: float, held: Failure) -> None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError:
            if time.monotonic() > deadline:
                raise held from None
            time.sleep(0.5)


@contextlib.contextmanager
def explained(path: str, user: Optional[Identity] = None) -> Iterator[None]:
    """Turn an error of the system about writing this file into a Failure with a remedy."""
    try:
        yield
    except OSError as error:
        raise Failure(*_explanation(error, path, user)) from error


def _explanation(error: OSError, path: str, user: Optional[Identity]) -> Tuple[str, str]:
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
        if user is not None and user.uid != 0:
            return (
                "%s cannot be replaced by user %s, who can change where this path leads: %s."
                % (path, user.name, error.strerror),
                "Let this user own the file and its folder, or let the service name a path that only root can change "
                "(--settings in ExecStart). An immutable file (lsattr) is changeable after chattr -i.",
            )
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
