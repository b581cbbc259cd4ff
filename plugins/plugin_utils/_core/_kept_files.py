# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are kept on the controller from run to run: passwords, keys, certificates. Private; knows no Ansible."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pathlib
import secrets
from collections.abc import Iterator

from ...module_utils._core._text import short_line
from ._arguments import ArgumentError

# In place of the folder itself on NFS, where only what is open for writing can be locked (flock(2)).
LOCK = ".lock"


def of_host(folder: str, host: str) -> str:
    """What a folder has for a host. A slash in the name is another folder, but must not lead out of this one.

    Raises ArgumentError. An inventory can have names that machines in the network have chosen.
    """
    if not {"", ".", ".."}.isdisjoint(host.split("/")) or "\0" in host:
        raise ArgumentError(
            f"The inventory name {short_line(host)} would be a path out of {folder}. Rename the host in the inventory, "
            "and give it ansible_host."
        )
    return f"{folder}/{host}"


@contextlib.contextmanager
def locked(folder: pathlib.Path) -> Iterator[None]:
    """Let one process at a time work in this folder. It and those above it are made for their owner alone if missing.

    All hosts of a run share it, and so do several runs. Raises OSError.
    """
    # Not `parents=True`: that makes those above with the mode of the umask.
    for missing in reversed([folder, *folder.parents]):
        missing.mkdir(mode=0o700, exist_ok=True)
    with contextlib.ExitStack() as opened:
        try:
            _lock(opened, folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            _lock(opened, folder / LOCK, os.O_RDWR | os.O_CREAT)
        yield


def _lock(opened: contextlib.ExitStack, path: pathlib.Path, flags: int) -> None:
    """Lock it until `opened` ends."""
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    opened.callback(os.close, descriptor)
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def write(path: pathlib.Path, data: bytes, mode: int) -> None:
    """Write the file in one step; until then only its owner can read it. Raises OSError, and leaves nothing then."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _sync(folder: pathlib.Path) -> None:
    """Keep the new name in this folder, too, if the power fails. Some file systems cannot, and need not."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
