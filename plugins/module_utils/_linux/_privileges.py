# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: how the service user, and so anyone who can change a flow, can become root."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
from typing import Iterator, List, Sequence

from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _identity, _systemd

# With these, a process can read or write what only root may, or start what runs as root.
GROUPS = (
    "root",
    "docker",
    "lxd",
    "incus",
    "incus-admin",
    "libvirt",
    "disk",
    "kmem",
    "shadow",
    "staff",
    "sudo",
    "wheel",
    "admin",
)
# As root, these start any program or write any file.
_PROGRAM_NAMES = """
apt apt-get ash awk bash busybox cat chmod chown cp crontab dash dd docker dpkg ed env find gawk git install
ionice less ln man mawk more mount mv nano nice node nodejs nohup npm npx perl php pip pip3 podman python
python3 rsync ruby sed sh ssh su sudo sudoedit systemctl systemd-run tar tee time timeout vi view vim visudo
xargs zsh
"""
_PROGRAMS = frozenset(_PROGRAM_NAMES.split())
_SUDO_SECONDS = 10
_MOST_TEXT = 64 * 1024
_MOST_COMMANDS = 5


def ways_to_root(user: str, groups: Sequence[str], unit_files: Sequence[str]) -> List[str]:
    """Short texts such as `sudo without a password`, `group docker`, `unit file /x`; none for root.

    `groups` are those that the unit adds to the account's own; `unit_files` are the unit and its drop-ins.
    """
    account = pwd.getpwnam(user)
    if account.pw_uid == 0:
        return []
    own = [_identity.group_name(gid) for gid in os.getgrouplist(user, account.pw_gid)]
    members = sorted({*own, *groups} & {*GROUPS})
    open_files = [path for path in unit_files if os.path.isfile(path) and not _identity.only_root_can_change(path)]
    return [
        *passwordless_sudo(_sudo_list(user), user),
        *("group " + name for name in members),
        *("unit file " + path for path in open_files),
    ]


def _sudo_list(user: str) -> str:
    """What `sudo -l` says about this user; empty without sudo, or where it does not answer in time."""
    sudo = shutil.which("sudo", path=_systemd.DEFAULT_PATH)
    if sudo is None or os.geteuid() != 0:
        return ""
    with contextlib.suppress(Failure):
        return _systemd.run([sudo, "-n", "-l", "-U", user], _SUDO_SECONDS).stdout[:_MOST_TEXT]
    return ""


def passwordless_sudo(text: str, user: str) -> List[str]:
    """What this output of `sudo -l` lets the user do as root without a password, where that is enough to become root.

    The rules are those of sudoers(5): a tag counts for the commands behind it until its opposite comes.
    """
    without_password = bool(re.search(r"^\s+(?!Defaults)[^(\n]*!authenticate", text, re.MULTILINE))
    commands = list(dict.fromkeys(_commands_without_password(text, without_password)))
    if "ALL" in commands:
        return ["sudo without a password"]
    enough = [command for command in commands if _is_enough(command, user)]
    return ["sudo without a password for " + command for command in enough[:_MOST_COMMANDS]]


def _commands_without_password(text: str, without_password: bool) -> Iterator[str]:
    for line in re.sub(r"\n {8,}", " ", text).splitlines():
        entry = re.match(r"^\s+\(([^)]*)\)\s*(.*)$", line)
        if entry is None or not _as_root(entry.group(1)):
            continue
        tagged = without_password
        for part in re.split(r"(?<!\\),\s*", entry.group(2)):
            tags = re.match(r"^(?:[A-Z_]+:\s*)*", part)
            for tag in re.findall(r"[A-Z_]+(?=:)", tags.group(0) if tags else ""):
                tagged = {"NOPASSWD": True, "PASSWD": False}.get(tag, tagged)
            command = part[tags.end() if tags else 0 :].strip()
            if tagged and command and not command.startswith("!"):
                yield command


def _as_root(run_as: str) -> bool:
    users = [name.strip() for name in run_as.partition(":")[0].split(",")]
    refused = {"!root", "!#0"} & {*users}
    return bool({"ALL", "root", "#0"} & {*users}) and not refused


def _is_enough(command: str, user: str) -> bool:
    """Whether this command, run as root, lets its caller do anything."""
    program = command.split()[0]
    if os.path.basename(program) in _PROGRAMS or "*" in program or program.endswith("/"):
        return True
    with contextlib.suppress(OSError):
        state = os.stat(program)
        return state.st_uid == pwd.getpwnam(user).pw_uid or bool(state.st_mode & 0o002)
    # It could create what is missing.
    return program.startswith(pwd.getpwnam(user).pw_dir + "/")
