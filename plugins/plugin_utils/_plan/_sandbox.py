# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the drop-in of the role `hardening`: the directives of each sandbox level. Private; knows no Ansible.

The level `strict` leaves one folder of the home directory writable, the user directory. The service user can report any
path as that (in settings.js, in an environment file, by a link), so a path counts only if root chose it, the operator
listed it, or it is an ordinary folder of that user's home directory.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...module_utils._core._text import printable_line, short_line
from .._core._arguments import ArgumentError

LEVELS = ("none", "baseline", "strict")
VARIABLE = "nodered_hardening_writable_paths"
WAYS_TO_ROOT = "ways_to_root"
Directives = list[dict[str, object]]

# What a writable folder must never be: with it, there is no sandbox.
SYSTEM_FOLDERS = frozenset(
    ("/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/run", "/sbin")
    + ("/sys", "/tmp", "/usr", "/var", "/boot/firmware", "/etc/systemd", "/run/systemd", "/usr/bin", "/usr/lib")
    + ("/usr/local", "/usr/sbin", "/var/lib", "/var/spool", "/var/spool/cron")
)

# Of a home directory, what runs code outside of the sandbox at a login, at boot or by a program of the same user.
RUN_OUTSIDE = (
    *(".bash_aliases", ".bash_login", ".bash_logout", ".bash_profile", ".bashrc", ".config", ".gitconfig", ".inputrc"),
    *(".local", ".npmrc", ".pam_environment", ".profile", ".rhosts", ".shosts", ".vimrc", ".xinitrc", ".xprofile"),
    *(".xsession", ".xsessionrc", ".zlogin", ".zprofile", ".zshenv", ".zshrc"),
)
# What opens other accounts and machines, or the desktop of the same user.
CREDENTIALS = (".ssh", ".gnupg", ".local/share/keyrings", ".Xauthority")
# Anyone who can reach them controls containers or virtual machines, and by them the machine; or programs of the same
# user outside of the sandbox (below /run/user: the user's systemd, D-Bus, sound, containers without root).
CONTROL_SOCKETS = (
    "/run/user",
    *("/run/docker.sock", "/run/containerd", "/run/podman", "/run/crio", "/run/libvirt", "/run/incus"),
    *("/var/lib/incus/unix.socket", "/var/lib/lxd/unix.socket", "/var/snap/lxd/common/lxd/unix.socket"),
)

# A strict sandbox takes sudo away, and closes sockets and system folders. It keeps no device away, no file that a group
# may read, and no unit file that is in the user directory.
_WAYS_OUT_OF_STRICT = ("group disk", "group shadow", "unit file ")

# Nothing here implies NoNewPrivileges, so sudo in an exec node goes on working; no device is kept away.
_BASELINE: Directives = [
    {"ProtectSystem": "full"},
    {"ProtectControlGroups": "yes"},
    {
        "CapabilityBoundingSet": [
            *("~CAP_AUDIT_CONTROL", "CAP_AUDIT_READ", "CAP_BLOCK_SUSPEND", "CAP_BPF", "CAP_CHECKPOINT_RESTORE"),
            *("CAP_IPC_OWNER", "CAP_LEASE", "CAP_LINUX_IMMUTABLE", "CAP_MAC_ADMIN", "CAP_MAC_OVERRIDE", "CAP_PERFMON"),
            *("CAP_SYS_PACCT", "CAP_WAKE_ALARM"),
        ]
    },
]
# MemoryDenyWriteExecute would end Node.js, which compiles as it runs. ProtectClock and PrivateDevices would take serial
# ports and GPIO away.
_STRICT: Directives = [
    {"NoNewPrivileges": "yes"},
    {"CapabilityBoundingSet": "CAP_NET_BIND_SERVICE"},
    {"ProtectSystem": "strict"},
    # Home directories are writable without this, with any ProtectSystem.
    {"ProtectHome": "read-only"},
    {"PrivateTmp": "yes"},
    {"ProtectControlGroups": "yes"},
    {"ProtectHostname": "yes"},
    {"ProtectKernelLogs": "yes"},
    {"ProtectKernelModules": "yes"},
    {"ProtectKernelTunables": "yes"},
    {"ProtectProc": "invisible"},
    {"LockPersonality": "yes"},
    {"RestrictAddressFamilies": ["AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK", "AF_BLUETOOTH", "AF_CAN"]},
    {"RestrictNamespaces": "yes"},
    {"RestrictRealtime": "yes"},
    {"RestrictSUIDSGID": "yes"},
    {"SystemCallArchitectures": "native"},
    {"SystemCallFilter": "@system-service"},
    {"SystemCallErrorNumber": "EPERM"},
]


class SandboxError(ArgumentError):
    """Paths from which no sandbox can be made."""


@dataclass(frozen=True)
class Found:
    """The paths of a Node-RED, with links followed."""

    account_home: str
    """The home directory in the passwd database."""
    user_dir: str
    user_dir_by_root: bool
    """Whether the unit names the user directory, and no file that the service user can write."""
    flow_file: str | None = None
    """The flow file if the settings or the command line name it by an absolute path."""
    known_hosts: bool = False
    """Whether there is a ~/.ssh/known_hosts, which Node-RED's projects need if they use SSH."""
    port: int | None = None
    """The port that Node-RED opens itself."""


@dataclass(frozen=True)
class Sandbox:
    """The sections of the drop-in (none: there should be no file), and sentences about what it does not close."""

    sections: dict[str, Directives]
    notes: list[str]


def plan(level: str, found: Found, *, private_files: bool, listed: Sequence[str]) -> Sandbox:
    """The drop-in for this level.

    Args:
        level: one of LEVELS.
        found: the paths of this machine.
        private_files: whether what Node-RED writes is to be closed to other users.
        listed: the folders that the operator lets Node-RED write (nodered_hardening_writable_paths).

    Raises:
        SandboxError: if a path cannot be accepted.
    """
    if level not in LEVELS:
        raise SandboxError(f"nodered_hardening_sandbox must be one of {', '.join(LEVELS)}.")
    service: Directives = [{"UMask": "0077"}] if private_files else []
    _require_all_usable(listed)
    if level == "strict":
        writable = writable_folders(found, listed)
        service += _STRICT + _paths(found, writable)
        # So that the socket is there when Node-RED starts: what is made later is not closed.
        return Sandbox({"Unit": [{"After": "docker.socket"}], "Service": service}, _notes(found, writable))
    if level == "baseline":
        service += _BASELINE
    return Sandbox({"Service": service} if service else {}, [])


def ways_left(level: str, ways: Sequence[str]) -> list[str]:
    """Those of the ways to become root that this level leaves."""
    return [way for way in ways if level != "strict" or way.startswith(_WAYS_OUT_OF_STRICT)]


def about_root(level: str, user: str, ways: Sequence[str], *, possible: bool = True) -> list[str]:
    """A sentence about the ways in which Node-RED's user can become root in spite of this level, if there are any.

    `possible` is whether the service can have a sandbox.
    """
    left = ways_left(level, ways)
    if not left:
        return []
    enough = level == "strict" or not possible
    remedy = "Take these rights away." if enough else "Set nodered_hardening_sandbox: strict, or take them away."
    return [
        f"{printable_line(user)}, the user that runs Node-RED, can become root: "
        f"{short_line(', '.join(left))}. So can anyone who can change a flow. {remedy} "
        f"If this is meant, add {WAYS_TO_ROOT} to nodered_hardening_accepted."
    ]


def writable_folders(found: Found, listed: Sequence[str]) -> list[str]:
    """The folders in which Node-RED may write, each once: none lies in another one.

    One inside of another could be exchanged for a link by Node-RED itself, and systemd would open what that leads to.
    """
    _require_user_dir(found, listed)
    folders = [found.user_dir, *(posixpath.normpath(path) for path in listed)]
    outermost = [each for each in folders if not any(_below(each, other) for other in folders)]
    writable = list(dict.fromkeys(outermost))
    if found.flow_file and not any(_below(found.flow_file, folder) for folder in writable):
        raise SandboxError(
            f"The sandbox would keep Node-RED from saving its flows: flowFile is {short_line(found.flow_file)}. "
            f"Move the file into {short_line(found.user_dir)}, or list its folder in {VARIABLE}."
        )
    return writable


def _require_user_dir(found: Found, listed: Sequence[str]) -> None:
    remedy = (
        "Use a folder of its own in the home directory of Node-RED's user (userDir in settings.js, option -u, HOME), "
        f"or, if this is intended, list the folder in {VARIABLE}."
    )
    _require_usable(found.user_dir, "The user directory of Node-RED", remedy)
    if found.user_dir_by_root or any(_within(found.user_dir, posixpath.normpath(path)) for path in listed):
        return
    home = found.account_home
    shown = short_line(found.user_dir)
    if home in SYSTEM_FOLDERS or not _below(found.user_dir, home):
        raise SandboxError(
            f"The sandbox cannot trust the user directory {shown}: it is not below the home directory "
            f"{short_line(home)}, and root did not choose it. {remedy}"
        )
    first = found.user_dir[len(home) :].strip("/").partition("/")[0]
    if first in {*RUN_OUTSIDE, *(name.partition("/")[0] for name in CREDENTIALS)}:
        raise SandboxError(
            f"The sandbox cannot leave the user directory {shown} writable: what is in {short_line(home)}/{first} runs "
            f"outside of it. {remedy}"
        )


def _require_all_usable(listed: Sequence[str]) -> None:
    problems: list[str] = []
    for path in listed:
        try:
            _require_usable(path, VARIABLE, f"Correct {VARIABLE}.")
        except SandboxError as error:
            problems += error.problems
    if problems:
        raise SandboxError(*problems)


def _require_usable(path: str, what: str, remedy: str) -> None:
    if not isinstance(path, str) or re.search(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", path):
        raise SandboxError(f"{what}: {short_line(str(path))} contains a control character or is not text. {remedy}")
    normal = posixpath.normpath(path)
    if not path.startswith("/") or path.startswith("//") or path.rstrip("/") != normal.rstrip("/"):
        raise SandboxError(f"{what}: {short_line(path)} must be an absolute path without . or .. in it. {remedy}")
    if normal in SYSTEM_FOLDERS:
        raise SandboxError(f"{what}: the sandbox has no effect while {short_line(normal)} is writable. {remedy}")


def _paths(found: Found, writable: Sequence[str]) -> Directives:
    # A minus lets a path be absent.
    closed = [*CONTROL_SOCKETS, *(posixpath.join(found.account_home, name) for name in CREDENTIALS)]
    ssh = posixpath.join(found.account_home, ".ssh")
    kept = [posixpath.join(found.account_home, name) for name in RUN_OUTSIDE]
    cache = posixpath.join(found.user_dir, ".cache")
    directives: Directives = [
        {"ReadWritePaths": ["-" + path for path in writable]},
        {"InaccessiblePaths": ["-" + path for path in closed if path != ssh or not found.known_hosts]},
        # npm, node-gyp and others cannot write to the home directory.
        {"Environment": [f"XDG_CACHE_HOME={cache}", f"npm_config_cache={cache}/npm"]},
    ]
    if _home_is_writable(found, writable):
        directives.append({"ReadOnlyPaths": ["-" + path for path in kept]})
    if found.known_hosts:
        directives += [{"TemporaryFileSystem": [ssh + ":ro"]}, {"BindReadOnlyPaths": [f"-{ssh}/known_hosts"]}]
    if not _needs_privilege(found):
        # Without a user namespace of its own, /proc/PID/root of any process of the same user leads out of the sandbox.
        directives.append({"PrivateUsers": "yes"})
    return directives


def _needs_privilege(found: Found) -> bool:
    """Whether Node-RED needs a capability that counts on the machine, and not only in a user namespace."""
    return found.port is not None and found.port < 1024


def _home_is_writable(found: Found, writable: Sequence[str]) -> bool:
    return any(_within(found.account_home, folder) for folder in writable)


def _notes(found: Found, writable: Sequence[str]) -> list[str]:
    notes = []
    if _home_is_writable(found, writable):
        notes.append(
            f"Node-RED can write in {short_line(found.account_home)}, the home directory of its user. The sandbox "
            "protects files such as .ssh and .profile that exist there, but Node-RED can create those that do not. To "
            "close that, give Node-RED a user directory below the home directory."
        )
    if _needs_privilege(found):
        notes.append(
            f"Node-RED has port {found.port}, and a port below 1024 needs a capability. With it, the sandbox does not "
            "separate Node-RED from other processes of the same user (SSH sessions, other services), and through them "
            "it can write to that user's files. To close that, use a port from 1024 on, or run nothing else as that "
            "user."
        )
    return notes


def _below(path: str, folder: str) -> bool:
    return path != folder and _within(path, folder)


def _within(path: str, folder: str) -> bool:
    return posixpath.commonpath([path, folder]) == folder
