# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: make the sessions file what the role wants, or delete it to log all users out."""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
from typing import Optional, Sequence

from ansible_collections.pifleet.nodered.plugins.module_utils._change import _change
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._sessions import (
    LINK,
    RUNTIME,
    Place,
    Repair,
    is_our_link,
    runtime_files,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _mounts

# umount2(2): a link that was put in the place of the mount point is not followed.
UMOUNT_NOFOLLOW = 8


def repair(place: Place, wanted: str, service: str, pid: Optional[int], found: Sequence[Repair]) -> None:
    """Make these repairs. That of a link into the runtime directory is recorded, so it can be undone.

    A mount can only be removed by root. Everything else is done as the service user, who can exchange these names.
    """
    ours = place.link_target if place.links_work and is_our_link(place) else None
    linked = wanted == LINK and any(one.path == place.path for one in found)
    if ours or linked:
        _change.extend(
            service,
            pid,
            place.path,
            None,
            _change.checksum_of_link(place.link_target) if linked else None,
            old_link=ours,
            user=place.identity,
        )
    for one in found:
        with _files.explained(one.path, place.identity):
            if one.path in {mount.point for mount in _mounts.table().mounts}:
                _unmount(one.path)
            place.identity.run(_clear, one.path)
    if linked:
        with _files.explained(place.runtime_folder):
            _make_runtime_folder(place)
        _files.make_link(place.path, place.link_target, place.identity)


def _clear(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISDIR(os.lstat(path).st_mode):
            os.rmdir(path)
        else:
            os.unlink(path)
        _files.sync_folder(os.path.dirname(path))


def _unmount(path: str) -> None:
    """Unmount what is mounted at this very path, without following a link that was put in its way."""
    before = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    folder = _files.open_folder(os.path.dirname(path))
    try:
        os.fchdir(folder)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.umount2(os.fsencode(os.path.basename(path)), UMOUNT_NOFOLLOW) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.fchdir(before)
        os.close(before)
        os.close(folder)


def _make_runtime_folder(place: Place) -> None:
    """Until the next start, when systemd takes it over: these releases never answer a login that they cannot save."""
    with contextlib.suppress(FileExistsError):
        if os.path.dirname(place.runtime_folder) != RUNTIME:
            place.identity.run(os.mkdir, place.runtime_folder, 0o700)
            return
        # In /run, where only root can exchange it.
        os.mkdir(place.runtime_folder, 0o700)
        os.chown(place.runtime_folder, place.identity.uid, place.identity.gid)


def end(place: Place, service: str) -> None:
    """Log everyone out, while Node-RED is stopped: delete the sessions of every store, as the service user."""
    place.identity.run(_end, place, service)


def _end(place: Place, service: str) -> None:
    if os.path.islink(place.path) and on_disk(place):
        _delete_or_empty(os.path.realpath(place.path))
    for path in runtime_files(service) + ([place.path] if on_disk(place) else []):
        # Asked first, as deleting nothing fails, too, on a file system that is read-only.
        if os.path.lexists(path):
            _delete(path)


def _delete_or_empty(path: str) -> None:
    with contextlib.suppress(OSError):
        try:
            os.unlink(path)
        except OSError:
            os.truncate(path, 0)


def on_disk(place: Place) -> bool:
    """Whether there is something to delete in the user directory; our link is to stay."""
    return os.path.lexists(place.path) and not is_our_link(place)


def _delete(path: str) -> None:
    try:
        os.unlink(path)
    except OSError as error:
        raise Failure(
            "The session file %s cannot be deleted (%s), so users who are logged in would stay logged in."
            % (path, error.strerror),
            "It must be a plain file in a writable folder: Node-RED itself replaces it at each login.",
        ) from None
