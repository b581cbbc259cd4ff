# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: which file systems are read-only and why, and which lose changes at a reboot."""

from __future__ import annotations

import contextlib
import os
import re
from typing import Dict, Iterable, List, NamedTuple, Sequence

from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _systemd

# Why a file system is read-only.
FSTAB, ERROR, RUNTIME = "fstab", "error", "runtime"

# What ext4, f2fs, btrfs and vfat log when they become read-only after an error.
_GAVE_UP = (
    r"\((?:device )?%s(?: state \w+)?\): (?:Remounting filesystem read-only|forced readonly|Filesystem has been set)"
)


class Mount(NamedTuple):
    """One line of proc_pid_mountinfo(5)."""

    point: str
    kind: str
    """The type of the file system."""
    device: str
    """Major and minor number, as in `179:2`."""
    options: Sequence[str]
    super_options: Sequence[str]

    @property
    def only_here(self) -> bool:
        """Whether only this mount of the file system is read-only, not the file system (a bind mount)."""
        return "ro" in self.options and "rw" in self.super_options

    @property
    def read_only(self) -> bool:
        return "ro" in self.options or "ro" in self.super_options

    @property
    def upper(self) -> str:
        """The folder to which an overlay writes; empty for anything else."""
        found = [option for option in self.super_options if option.startswith("upperdir=")]
        return found[0].partition("=")[2] if found and self.kind == "overlay" else ""


class Table(NamedTuple):
    """What is known of the file systems of this machine. `root` is where its files are; only in tests not `/`."""

    mounts: Sequence[Mount]
    boot: Dict[str, Sequence[str]]
    """The options that /etc/fstab has for each mount point."""
    kernel: Sequence[str]
    """The words of the kernel's command line."""
    root: str = "/"

    def holding(self, path: str) -> Mount:
        """The mount that holds the path, or would hold it."""
        return self._holding(os.path.realpath(path))

    def _holding(self, path: str) -> Mount:
        found = Mount("/", "", "", (), ())
        for mount in self.mounts:
            inside = path == mount.point or path.startswith(mount.point.rstrip("/") + "/")
            # The last one at a point hides those below it.
            if inside and len(mount.point) >= len(found.point):
                found = mount
        return found

    def read_only(self, paths: Iterable[str]) -> List[Mount]:
        """The read-only mounts that hold these paths, each once."""
        return [mount for mount in self._each(paths) if mount.read_only]

    def forgetful(self, paths: Iterable[str]) -> List[Mount]:
        """The mounts that hold these paths and lose at the next boot what is written to them."""
        return [mount for mount in self._each(paths) if self._forgets(mount)]

    def _each(self, paths: Iterable[str]) -> List[Mount]:
        return list(dict.fromkeys(self.holding(path) for path in paths))

    def _forgets(self, mount: Mount) -> bool:
        """Whether it is an overlay in memory, as raspi-config sets one up (Performance Options > Overlay File System).

        Since Debian 12 that is overlayroot with `overlayroot=tmpfs`, before it was a script of its own with
        `boot=overlay`, whose upper folder cannot be seen any more. The root of a container is an overlay, too, but one
        on a disk.
        """
        if mount.kind != "overlay":
            return False
        asked = any(word == "boot=overlay" or re.match(r"overlayroot=\"?tmpfs\b", word) for word in self.kernel)
        return (mount.point == "/" and asked) or (
            bool(mount.upper) and self._holding(mount.upper).kind in ("tmpfs", "ramfs")
        )

    def read_only_at_boot(self, mount: Mount) -> bool:
        options = self.boot.get(mount.point)
        if options is None:
            # Nothing remounts a root that fstab does not name.
            options = self.kernel if mount.point == "/" else ()
        # The last one counts (mount(8)).
        return [word for word in options if word in ("ro", "rw")][-1:] == ["ro"]

    def why_read_only(self, mount: Mount) -> str:
        """FSTAB where it is meant to be, ERROR where the kernel protects it after an error, else RUNTIME."""
        if self._gave_up(mount):
            return ERROR
        if self.read_only_at_boot(mount):
            return FSTAB
        return ERROR if self._errors(mount) else RUNTIME

    def _device_name(self, mount: Mount) -> str:
        link = os.path.join(self.root, "sys/dev/block", mount.device)
        return os.path.basename(os.path.realpath(link)) if os.path.exists(link) else ""

    def _gave_up(self, mount: Mount) -> bool:
        # Recent kernels show it with ext4.
        if "emergency_ro" in mount.super_options:
            return True
        name = self._device_name(mount)
        return bool(name and re.search(_GAVE_UP % re.escape(name), _kernel_messages(), re.IGNORECASE))

    def _errors(self, mount: Mount) -> bool:
        """Whether ext4 has met errors since the last check (fsck), also in an earlier boot."""
        name = self._device_name(mount)
        text = _text(os.path.join(self.root, "sys/fs/ext4", name, "errors_count")) if name else ""
        return text.strip() not in ("", "0")


def table(root: str = "/") -> Table:
    return Table(
        mounts=_mounts(_text(os.path.join(root, "proc/self/mountinfo"))),
        boot=_boot(_text(os.path.join(root, "etc/fstab"))),
        kernel=_text(os.path.join(root, "proc/cmdline")).split(),
        root=root,
    )


def _mounts(text: str) -> List[Mount]:
    found = []
    for line in text.splitlines():
        first, dash, second = line.partition(" - ")
        before, after = first.split(), second.split()
        if not dash or len(before) < 6 or len(after) < 3:
            continue
        found.append(
            Mount(_unescaped(before[4]), after[0], before[2], tuple(before[5].split(",")), tuple(after[2].split(",")))
        )
    return found


def _boot(text: str) -> Dict[str, Sequence[str]]:
    fields = [line.split() for line in text.splitlines() if not line.lstrip().startswith("#")]
    return {_unescaped(field[1]): field[3].split(",") for field in fields if len(field) >= 4}


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), text)


def _kernel_messages() -> str:
    with contextlib.suppress(Failure):
        return _systemd.run(["dmesg"], 30).stdout
    return ""


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except OSError:
        return ""
