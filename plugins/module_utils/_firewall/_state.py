# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: the rules of ufw on this machine, what they would close, and what bypasses them.

Nothing here changes anything. ufw itself is not run: it is a Python program, and each start of it costs a small Pi a
second or more.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import ipaddress
import os
import re
import shutil
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils._core import _own_folders
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import (
    _processes,
    _systemd,
    _user_units,
)

FOLDER = "/etc/ufw"
DEFAULTS = "/etc/default/ufw"
CHECK_REQUIREMENTS = "/usr/share/ufw/check-requirements"
# What the command ufw writes; its other files are edited by hand.
WRITTEN = ("user.rules", "user6.rules", "ufw.conf")

# How long the same test of another run is waited for.
TEST_SECONDS = 60
SSH_SERVERS = ("sshd", "dropbear", "tinysshd")
OTHER_FIREWALLS = ("firewalld", "nftables", "netfilter-persistent")
POLICIES = {"ACCEPT": "allow", "DROP": "deny", "REJECT": "reject"}
# Of what iptables-save prints: ufw's own chains, and the policies of the kernel's.
_UFW_LINE = re.compile(r"\*filter|COMMIT|:(?:INPUT|FORWARD|OUTPUT|ufw6?-\S+) .*|-A ufw6?-.*")


@dataclasses.dataclass(frozen=True)
class Rule:
    """One rule as it was given to `ufw`, for IPv4, IPv6 or both. `any` stands for every address, port or protocol."""

    action: str
    direction: str
    route: bool
    protocol: str
    to_address: str
    to_port: str
    from_address: str
    from_port: str
    application: str
    from_application: str
    interface_in: str
    interface_out: str
    log: str
    comment: str
    ipv4: bool
    ipv6: bool


@dataclasses.dataclass(frozen=True)
class Connection:
    """The SSH connection over which this process was started, as sshd sees it."""

    client: str
    client_port: int
    server: str
    server_port: int


def installed() -> bool:
    return shutil.which("ufw", path=_systemd.SYSTEM_PATH) is not None and os.path.isdir(FOLDER)


def active() -> bool:
    """Whether ufw's rules are loaded, judged as `ufw status` judges it (src/backend_iptables.py).

    Raises Failure if that is unknown: a rollback to an inactive firewall would open one that was active.
    """
    answer = _iptables("-w", "-n", "-L", "ufw-user-input")
    if answer.returncode not in (0, 1):
        raise Failure(
            "iptables does not show whether ufw is active: %s" % answer.stderr.strip(),
            "See what iptables -n -L prints on the machine.",
        )
    return bool(answer.returncode == 0)


def _iptables(*arguments: str) -> Any:
    return _systemd.run([shutil.which("iptables", path=_systemd.SYSTEM_PATH) or "iptables"] + list(arguments))


def loaded_rules() -> Dict[str, str]:
    """What ufw has in the kernel, for `iptables` and `ip6tables`, as `iptables-restore --noflush` takes it.

    Raises Failure if that is unknown.
    """
    return {program: _loaded(program) for program in ("iptables", "ip6tables")}


def _loaded(program: str) -> str:
    name = program + "-save"
    answer = _systemd.run([shutil.which(name, path=_systemd.SYSTEM_PATH) or name, "-t", "filter"])
    if answer.returncode != 0 and program == "ip6tables" and not _has_ipv6():
        return ""
    if answer.returncode != 0:
        raise Failure(
            "%s does not show which rules are loaded: %s" % (name, answer.stderr.strip()),
            "See what %s prints on the machine." % name,
        )
    return "".join(line + "\n" for line in answer.stdout.splitlines() if _UFW_LINE.fullmatch(line))


def _has_ipv6() -> bool:
    return os.path.exists("/proc/net/if_inet6")


def chain_policies() -> str:
    """What happens in the kernel's own chains, as lines of a program and its arguments that set it again."""
    lines = []
    for program in ("iptables", "ip6tables"):
        listed = _systemd.run([shutil.which(program, path=_systemd.SYSTEM_PATH) or program, "-w", "-S"]).stdout
        lines += ["%s %s\n" % (program, line) for line in listed.splitlines() if line.startswith("-P ")]
    return "".join(lines)


def paths() -> List[str]:
    """The files that `ufw` writes."""
    return [os.path.join(FOLDER, name) for name in WRITTEN] + [DEFAULTS]


def checksum(files: Optional[Sequence[str]] = None) -> str:
    """A checksum that changes with everything that `ufw` writes; of copies of its files, if these are given."""
    digest = hashlib.sha256()
    for path in files if files is not None else paths():
        data = _text(path).encode("utf-8", "surrogateescape")
        digest.update(b"%d:" % len(data) + data)
    return digest.hexdigest()


def settings() -> Dict[str, str]:
    """The assignments in ufw.conf and /etc/default/ufw."""
    return settings_in(_text(DEFAULTS) + "\n" + _text(os.path.join(FOLDER, "ufw.conf")))


def settings_in(text: str) -> Dict[str, str]:
    """The assignments in such a text."""
    lines = text.splitlines()
    found = (re.match(r"^\s*([A-Z0-9_]+)=[\"']?([^\"'#]*)", line) for line in lines)
    return {match.group(1): match.group(2).strip() for match in found if match}


def policies(known: Dict[str, str]) -> Dict[str, str]:
    """What happens to packets that no rule is about: incoming, outgoing and routed."""
    names = {"incoming": "INPUT", "outgoing": "OUTPUT", "routed": "FORWARD"}
    return {name: POLICIES.get(known.get("DEFAULT_%s_POLICY" % chain, ""), "deny") for name, chain in names.items()}


def forwards() -> bool:
    """Whether this machine passes the packets of others on, as a router, a hotspot or the end of a VPN does."""
    switches = ("/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding")
    if not any(_text(switch).strip() == "1" for switch in switches):
        return False
    with contextlib.suppress(Failure):
        return "-P FORWARD ACCEPT" in chain_policies()
    return False


def rules() -> List[Rule]:
    """The rules in ufw's own order: those for IPv4 (and both), then those for IPv6 alone."""
    ours, theirs = _tuples("user.rules", ipv6=False), _tuples("user6.rules", ipv6=True)
    merged = []
    for rule in ours:
        twin = dataclasses.replace(rule, ipv4=False, ipv6=True)
        merged.append(dataclasses.replace(rule, ipv6=True) if twin in theirs else rule)
        theirs = [one for one in theirs if one != twin]
    return merged + theirs


def _tuples(name: str, ipv6: bool) -> List[Rule]:
    lines = _text(os.path.join(FOLDER, name)).splitlines()
    found = (parse_tuple(line[len("### tuple ###") :], ipv6) for line in lines if line.startswith("### tuple ###"))
    return [rule for rule in found if rule]


def parse_tuple(text: str, ipv6: bool) -> Optional[Rule]:
    """A rule as ufw keeps it above its iptables lines (src/backend_iptables.py); None where it is not understood.

    `action protocol to_port to from_port from [to_app from_app] direction[_interface] [comment=hex]`
    """
    words = text.split()
    comment = ""
    if words and words[-1].startswith("comment="):
        with contextlib.suppress(ValueError):
            comment = bytes.fromhex(words.pop()[len("comment=") :]).decode("utf-8", "replace")
    if len(words) not in (7, 9):
        return None
    action, protocol, to_port, to_address, from_port, from_address = words[:6]
    applications = [name.replace("%20", " ") if name != "-" else "" for name in words[6:-1]] or ["", ""]
    route, _colon, action = action.rpartition(":")
    action, _underscore, log = action.partition("_")
    interfaces = dict(part.split("_", 1) for part in words[-1].split("!") if "_" in part)
    return Rule(
        action=action,
        direction=re.split("[_!]", words[-1])[0],
        route=route == "route",
        protocol=protocol,
        to_address=_address(to_address),
        to_port=to_port,
        from_address=_address(from_address),
        from_port=from_port,
        application=applications[0],
        from_application=applications[1],
        interface_in=interfaces.get("in", ""),
        interface_out=interfaces.get("out", ""),
        log=log,
        comment=comment,
        ipv4=not ipv6,
        ipv6=ipv6,
    )


def _address(text: str) -> str:
    return "any" if text in ("0.0.0.0/0", "::/0") else text


def let_in_by_default() -> List[int]:
    """The UDP ports that ufw's own before.rules let in: DHCP, multicast DNS, SSDP."""
    text = _text(os.path.join(FOLDER, "before.rules"))
    found = re.findall(r"^-A ufw-before-input -p udp (?:.* )?--dport (\d+) -j ACCEPT", text, re.MULTILINE)
    return sorted({int(port) for port in found})


def starts_at_boot() -> bool:
    """Whether systemd loads the rules of an enabled ufw."""
    return _systemd.run(["systemctl", "is-enabled", "ufw.service"]).stdout.strip() in ("enabled", "static", "alias")


def problem() -> Optional[str]:
    """Why ufw cannot filter here, found by its own harmless test in chains that nothing uses; None where it can."""
    if not os.path.exists(CHECK_REQUIREMENTS):
        return None
    # The test makes chains of the same names each time, so that two at once fail: a machine can have several names.
    held = Failure("Another run tests whether ufw can be used here.", "Wait until it has ended, then run again.")
    with _files.locked(os.path.join(_own_folders.LOCKS, "ufw-test.lock"), TEST_SECONDS, held):
        answer = _systemd.run(["sh", CHECK_REQUIREMENTS, "-f"])
    return requirements_problem(answer.stdout, os.uname().release, os.path.isdir("/lib/modules"))


def requirements_problem(answer: str, kernel: str, has_modules: bool) -> Optional[str]:
    """What check-requirements found missing, in a sentence or two."""
    failed = re.findall(r"^(.+?): FAIL", answer, re.MULTILINE)
    if not failed:
        return None
    reasons = re.findall(r"^error was: (.+)$", answer, re.MULTILINE)
    text = "iptables cannot do here what ufw needs (%s; %s)." % (
        ", ".join(list(dict.fromkeys(failed))[:4]),
        reasons[0].strip() if reasons else "no reason given",
    )
    if has_modules and not os.path.isdir("/lib/modules/" + kernel):
        text += " The running kernel %s has no modules in /lib/modules any more: it was upgraded. Reboot." % kernel
    else:
        text += " Run sh %s -f there to see what is missing." % CHECK_REQUIREMENTS
    return text


def other_firewalls() -> List[str]:
    """Other programs that are active here and set packet filters, too."""
    units = [name + ".service" for name in OTHER_FIREWALLS]
    shown = _systemd.parse_show(_systemd.run(["systemctl", "show", "--property=Id,ActiveState"] + units).stdout)
    active = [unit["Id"][0] for unit in shown if unit.get("ActiveState") == ["active"]]
    return [name for name in OTHER_FIREWALLS if name + ".service" in active]


@dataclasses.dataclass(frozen=True)
class Socket:
    """A socket that accepts connections (TCP) or packets (UDP) from any address."""

    protocol: str
    port: int
    address: str
    process: Optional[str]
    """The name of the process that holds it; None for one of the kernel's own, such as WireGuard's."""
    unit: Optional[str]


def sockets() -> List[Socket]:
    listeners = [("tcp",) + one for one in _processes.everybody()]
    listeners += [("udp",) + one for one in _processes.datagram_sockets()]
    found = []
    for protocol, pid, listener in listeners:
        process = _processes.process(pid) if pid else None
        unit = _processes.unit_of(pid) or _user_units.of_process(pid) if pid else None
        found.append(Socket(protocol, listener.port, listener.address, process.name if process else None, unit))
    return found


def listening(heard: Sequence[Socket]) -> List[Dict[str, Any]]:
    """What other machines reach here where no firewall is in between: `port`, `protocol`, `process`, `unit`."""
    clients = _ports_of_clients()
    found: Dict[Tuple[int, str], Dict[str, Any]] = {}
    for socket in heard:
        for_clients = socket.protocol == "udp" and socket.process is not None and socket.port in clients
        if ipaddress.ip_address(socket.address).is_loopback or socket.process == "docker-proxy" or for_clients:
            continue
        entry = {name: getattr(socket, name) for name in ("port", "protocol", "process", "unit")}
        found.setdefault((socket.port, socket.protocol), entry)
    return [found[key] for key in sorted(found)]


def _ports_of_clients() -> range:
    """The ports that the kernel gives to programs that name none: a UDP socket there usually waits for answers."""
    words = _text("/proc/sys/net/ipv4/ip_local_port_range").split()
    return range(int(words[0]), int(words[1]) + 1) if len(words) == 2 else range(32768, 61000)


def ssh_ports(heard: Sequence[Socket], connection: Optional[Connection]) -> List[int]:
    """The ports by which people get in: that of the connection in use, and every one on which an SSH server listens."""
    ports = {socket.port for socket in heard if socket.protocol == "tcp" and socket.process in SSH_SERVERS}
    if connection:
        ports.add(connection.server_port)
    if not ports or any(socket.protocol == "tcp" and socket.process == "systemd" for socket in heard):
        # If systemd holds the ports, no sshd listens, and none runs until a client connects.
        shown = _systemd.run(["systemctl", "show", "--property=Listen,ActiveState", "ssh.socket", "sshd.socket"]).stdout
        for unit in _systemd.parse_show(shown):
            if unit.get("ActiveState") == ["active"]:
                ports.update(int(port) for port in re.findall(r":(\d+) \(Stream\)", " ".join(unit.get("Listen", ()))))
    return sorted(ports)


def connection() -> Optional[Connection]:
    """The SSH connection over which this process was started; None for a local connection or one into a container.

    sudo takes SSH_CONNECTION out of the environment, so the processes above this one are asked. Raises Failure where
    there is such a connection and it is unknown which.
    """
    pid = os.getppid()
    while pid > 1:
        parent = _processes.process(pid)
        if parent is None:
            return None
        text = _processes.environment(pid).get("SSH_CONNECTION")
        if text:
            return parse_connection(text)
        if parent.name.split("-")[0] in SSH_SERVERS:
            raise Failure(
                "It is unknown which SSH connection this run uses (process %d is %s)." % (pid, parent.name),
                "Root must be able to read /proc/PID/environ: run the task with become: true, by sudo.",
            )
        pid = parent.parent
    return None


def parse_connection(text: str) -> Connection:
    """What sshd puts into SSH_CONNECTION (ssh(1)): client, its port, server, its port."""
    words = text.split()
    if len(words) != 4 or not (words[1].isdigit() and words[3].isdigit()):
        raise Failure(
            "SSH_CONNECTION is %r, not two addresses with their ports." % text,
            "Find out what sets it, and correct that.",
        )
    client, server = (_plain(word) for word in (words[0], words[2]))
    return Connection(client, int(words[1]), server, int(words[3]))


def _plain(address: str) -> str:
    """Without a zone, and an IPv4 address that came through an IPv6 socket as what it is."""
    address = address.partition("%")[0]
    with contextlib.suppress(ValueError):
        parsed = ipaddress.ip_address(address)
        mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
        return str(mapped or parsed)
    return address


def as_dictionaries(found: Sequence[Rule]) -> List[Dict[str, Any]]:
    return [dataclasses.asdict(rule) for rule in found]


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except OSError:
        return ""
