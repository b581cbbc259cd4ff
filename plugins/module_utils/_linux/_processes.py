# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: which processes run, and on which TCP ports they listen."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import struct
import time
from typing import Dict, Iterable, List, NamedTuple, Optional, Set, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils._core._text import printable_line

PROC = "/proc"
# States of sockets (include/net/tcp_states.h); an unconnected UDP socket is in that of a closed TCP one.
LISTEN = "0A"
UNCONNECTED = "07"
# Characters of a command line; any process can have one of megabytes.
ARGUMENTS_LIMIT = 65536
# Characters of an environment, which is as long as its owner likes, too.
ENVIRONMENT_LIMIT = 1024 * 1024
_USER_UNIT = re.compile(r"/user\.slice/user-(\d+)\.slice/user@\1\.service/(?:[^/]+\.slice/)*([^/]+\.service)(?:/|$)")


class Process(NamedTuple):
    pid: int
    parent: int
    start: int
    """Clock ticks after boot: together with the boot's id, pid and start name a process for good."""
    name: str
    """Printable on one line, as any user can choose it."""
    arguments: Tuple[str, ...]
    uid: int
    """The real user, who started it."""

    @property
    def is_node_red(self) -> bool:
        """Whether it is node with red.js. Once it listens, its title (and so its arguments) becomes `node-red`."""
        if self.name == "node-red":
            return True
        if not self.arguments or re.search(r"(^|/)(npm|npx|vi|vim|nano|less|tail|grep)$", self.arguments[0]):
            return False
        if self.arguments[0].rstrip() == "node-red":
            return True
        node = re.match(r"^(.*/)?node(js)?([-_]?\d[\d.]*)?$", self.arguments[0])
        script = next((word for word in self.arguments[1:] if not word.startswith("-")), "")
        return bool(node) and bool(re.search(r"(^|/)(red\.js|node-red|node-red-pi)$", script))


class Listener(NamedTuple):
    address: str
    port: int
    uid: int = 0
    """The owner of the socket."""

    @property
    def everywhere(self) -> bool:
        return self.address in ("0.0.0.0", "::")

    def hinders(self, address: str, port: int) -> bool:
        """Whether no other process can listen on this address and port."""
        return self.port == port and (self.everywhere or address in ("0.0.0.0", "::") or address == self.address)


Socket = Tuple[str, Listener]
"""The inode of a socket that listens, and where it does."""


def boot_id() -> str:
    """Another one after each boot; the start of process 1 is part of it, as a container has the kernel of its host."""
    first = process(1)
    return "%s.%d" % (_text("sys/kernel/random/boot_id").strip(), first.start if first else 0)


def process(pid: int) -> Optional[Process]:
    """The process, or None when it has ended (a zombie has)."""
    stat = _text(str(pid), "stat")
    # The name stands in parentheses and may itself hold any character.
    name, fields = stat[stat.find("(") + 1 : stat.rfind(")")], stat[stat.rfind(")") + 2 :].split()
    if len(fields) < 20 or fields[0] in "ZX":
        return None
    arguments = tuple(word for word in _text(str(pid), "cmdline", limit=ARGUMENTS_LIMIT).split("\0") if word)
    uid = user_of(pid)
    if uid is None:
        return None
    return Process(pid, int(fields[1]), int(fields[19]), printable_line(name), arguments, uid)


def user_of(pid: int) -> Optional[int]:
    """The user that started the process. A set-user-ID program (su) always has root as its effective user."""
    match = re.search(r"^Uid:\t(\d+)\t", _text(str(pid), "status"), re.MULTILINE)
    return int(match.group(1)) if match else None


def processes() -> List[Process]:
    found = (process(int(entry)) for entry in os.listdir(PROC) if entry.isdigit())
    return [one for one in found if one]


def with_descendants(pid: int, among: Iterable[Process]) -> Set[int]:
    children: Dict[int, List[int]] = {}
    for one in among:
        children.setdefault(one.parent, []).append(one.pid)
    family, waiting = set(), [pid]
    while waiting:
        member = waiting.pop()
        if member not in family:
            family.add(member)
            waiting.extend(children.get(member, ()))
    return family


def in_unit(unit: str) -> Set[int]:
    """The processes in the control group of this system service."""
    pids = (int(entry) for entry in os.listdir(PROC) if entry.isdigit())
    return {pid for pid in pids if "/%s" % unit in _text(str(pid), "cgroup") and unit_of(pid) == unit}


def user_unit_of(pid: int) -> Optional[Tuple[int, str]]:
    """User number and unit of a process in the part of the tree that the systemd of that user has; None outside of it.

    The user can make folders below the unit's own, but not above (systemd, CGROUP_DELEGATION.md).
    """
    group = control_group(pid)
    found = _USER_UNIT.match(group) if group else None
    return (int(found.group(1)), printable_line(found.group(2))) if found else None


def in_user_unit(uid: int, unit: str) -> Set[int]:
    """The processes in the control group of this unit of the user's own systemd; not all of them must be the user's."""
    pids = (int(entry) for entry in os.listdir(PROC) if entry.isdigit())
    return {
        pid
        for pid in pids
        if "/user@%d.service/" % uid in _text(str(pid), "cgroup") and user_unit_of(pid) == (uid, unit)
    }


def group_of(pid: int) -> Optional[int]:
    """The real group of the process."""
    match = re.search(r"^Gid:\t(\d+)\t", _text(str(pid), "status"), re.MULTILINE)
    return int(match.group(1)) if match else None


def age(start: int) -> float:
    """How many seconds ago a process was started, from its start in clock ticks after boot."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - start / os.sysconf("SC_CLK_TCK")


def environment(pid: int) -> Dict[str, str]:
    """The environment that the process was started with; empty when it cannot be read."""
    pairs = (entry.partition("=") for entry in _text(str(pid), "environ", limit=ENVIRONMENT_LIMIT).split("\0"))
    return {name: value for name, equals, value in pairs if equals}


def link(pid: int, name: str) -> Optional[str]:
    """Where `exe` or `cwd` of the process points; None when it cannot be read."""
    try:
        target = os.readlink(os.path.join(PROC, str(pid), name))
    except OSError:
        return None
    deleted = " (deleted)"
    return target[: -len(deleted)] if target.endswith(deleted) else target


def listeners(*pids: int) -> List[Listener]:
    """The TCP sockets on which these processes of one service listen, IPv4 before IPv6.

    Where their files may not be looked at (root in a container without CAP_SYS_PTRACE), those that their users own.
    The tables are read once, as they can be long, and each process can show them.
    """
    return listeners_among(_listening(str(pids[0])), pids) if pids else []


def listeners_among(sockets: Iterable[Socket], pids: Iterable[int]) -> List[Listener]:
    """Those of the sockets that are these processes' own, as `listeners` finds them."""
    found = [(pid, _socket_inodes(pid)) for pid in pids]
    inodes = {inode for _pid, own in found for inode in own or ()}
    owners = {owner.uid for owner in (process(pid) for pid, own in found if own is None) if owner}
    return [listener for inode, listener in sockets if inode in inodes or listener.uid in owners]


def holders(address: str, port: int) -> List[Tuple[Optional[int], Listener]]:
    """(pid, listener) of whatever keeps this address and port; the pid is None where it cannot be found out."""
    return [(pid, listener) for pid, listener in everybody() if listener.hinders(address, port)]


def why_not_listen(address: str, port: int) -> Optional[str]:
    """Why no process can listen there now ("Address already in use"), found out by trying; None when one could."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        socket.create_server((address, port), family=family, dualstack_ipv6=address == "::").close()
    except OSError as error:
        return os.strerror(error.errno) if error.errno else str(error)
    return None


def everybody() -> List[Tuple[Optional[int], Listener]]:
    """(pid, listener) of every TCP socket that listens; the pid is None where it cannot be found out."""
    return with_owners(tcp_sockets())


def tcp_sockets() -> List[Socket]:
    """Every TCP socket that listens. The kernel walks through a large table for it: that takes it milliseconds."""
    return _listening("self")


def with_owners(sockets: Iterable[Socket]) -> List[Tuple[Optional[int], Listener]]:
    """(pid, listener) of each socket; the pid is None where it cannot be found out."""
    owners = _socket_owners()
    return [(owners.get(inode), listener) for inode, listener in sockets]


def datagram_sockets() -> List[Tuple[Optional[int], Listener]]:
    """(pid, listener) of every UDP socket that takes packets from anybody."""
    return with_owners(_listening("self", ("udp", "udp6"), UNCONNECTED))


def unit_of(pid: int) -> Optional[str]:
    """The systemd system service that the process belongs to; None for a user session, a container and the like."""
    group = control_group(pid)
    if group is None or "/user@" in group or _foreign(group):
        return None
    services = [part for part in group.split("/") if part.endswith(".service")]
    # Who is given a part of the tree can make folders with any name there.
    return printable_line(services[-1]) if services else None


def in_container(pid: int) -> bool:
    """Whether the process lives in a container of this machine (Docker, Podman, LXC), judged by its control group."""
    group = control_group(pid)
    return group is None or _foreign(group)


def control_group(pid: int) -> Optional[str]:
    """The control group below that of systemd itself; None when the process is outside of this systemd's tree."""
    own, base = _raw_control_group(pid), _raw_control_group(1)
    base = re.sub(r"/init\.scope$", "", base).rstrip("/")
    return own[len(base) :] if own.startswith(base + "/") or own == base else None


def _foreign(group: str) -> bool:
    return bool(re.search(r"docker[-/]|libpod|/lxc|crio-|containerd|kubepods|machine\.slice", group))


def _raw_control_group(pid: int) -> str:
    # cgroup v2 has the single line 0::/path; v1 and hybrid have systemd's own name=systemd beside it.
    lines = [line.split(":", 2) for line in _text(str(pid), "cgroup").splitlines()]
    paths = {line[1]: line[2] for line in lines if len(line) == 3}
    return paths.get("name=systemd", paths.get("", ""))


def _socket_inodes(pid: int) -> Optional[Set[str]]:
    """The inodes of the process's sockets; None when they may not be looked at."""
    folder = os.path.join(PROC, str(pid), "fd")
    inodes = set()
    try:
        for entry in os.listdir(folder):
            try:
                target = os.readlink(os.path.join(folder, entry))
            except FileNotFoundError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    except PermissionError:
        return None
    except OSError:
        pass
    return inodes


def _socket_owners() -> Dict[str, int]:
    """The process of each socket, by the socket's inode."""
    owners: Dict[str, int] = {}
    for entry in os.listdir(PROC):
        if entry.isdigit():
            for inode in _socket_inodes(int(entry)) or ():
                owners.setdefault(inode, int(entry))
    return owners


def _listening(pid: str, tables: Iterable[str] = ("tcp", "tcp6"), state: str = LISTEN) -> List[Socket]:
    found = []
    for table in tables:
        for line in _text(pid, "net", table).splitlines()[1:]:
            fields = line.split()
            if len(fields) > 9 and fields[3] == state:
                address, port = fields[1].split(":")
                found.append((fields[9], Listener(_address(address), int(port, 16), int(fields[7]))))
    return found


def _address(text: str) -> str:
    # The kernel prints each 32-bit word in the machine's byte order.
    packed = b"".join(struct.pack("=I", int(text[i : i + 8], 16)) for i in range(0, len(text), 8))
    return str(ipaddress.ip_address(packed))


def _text(*parts: str, limit: int = -1) -> str:
    try:
        with open(os.path.join(PROC, *parts), encoding="utf-8", errors="surrogateescape", newline="") as stream:
            return stream.read(limit)
    except OSError:
        return ""
