# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starts and stops named fleets of containers that stand for Raspberry Pis with Node-RED.

What a fleet consists of is asked from Docker (labels), never from a file, so leftovers of a killed run are found.
The state folder holds what Ansible needs: inventory.yml, id_ed25519, known_hosts.
"""

from __future__ import annotations

import argparse
import http.client
import ipaddress
import itertools
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from images import (
    HERE,
    BuildError,
    build,
    ensure_docker,
    exit_code_of,
    image_of,
    only_one,
    output,
    progress,
    variants,
)

STATE = HERE.parents[1] / "build" / "fleet"
NODE_RED_PORT = 1880
PATIENCE = 90  # seconds for all hosts of one command to boot and answer
# systemd as PID 1 without --privileged (which fails where this machine itself lacks a capability).
RUN_OPTIONS = [
    "--cap-add=SYS_ADMIN",
    "--cap-add=NET_ADMIN",
    "--cap-add=NET_RAW",
    # As on a real Pi, root sees which process of another user holds a socket.
    "--cap-add=SYS_PTRACE",
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
    "--cgroupns=host",
    "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw",
    "--tmpfs=/run",
    "--tmpfs=/run/lock",
    "--memory=512m",
    "--dns=127.0.0.1",  # nothing answers there: a name outside the fleet fails at once instead of after a long wait
]


class FleetError(BuildError):
    """A fleet that cannot be made or does not answer; the message says where to look."""


@dataclass(frozen=True)
class Host:
    """A container of a fleet, as Docker knows it."""

    name: str
    container: str
    variant: str
    user: str
    image: str  # full name with the hash
    address: str
    running: bool


# -- What Docker knows ----------------------------------------------------------------------------------------------


def _container_name(fleet: str, host: str) -> str:
    return f"pifleet-{fleet}-{host}"


def _network_name(fleet: str) -> str:
    return f"pifleet-{fleet}"


def hosts_of(fleet: str) -> list[Host]:
    """Returns the hosts of a fleet, running or not, by name."""
    containers = output("docker", "ps", "--all", "--quiet", "--filter", f"label=pifleet={fleet}").split()
    if not containers:
        return []
    hosts = []
    for found in json.loads(output("docker", "inspect", *containers)):
        labels = found["Config"]["Labels"]
        network = found["NetworkSettings"]["Networks"].get(_network_name(fleet)) or {}
        hosts.append(
            Host(
                name=labels["pifleet.host"],
                container=found["Name"].lstrip("/"),
                variant=labels["pifleet.variant"],
                user=labels["pifleet.user"],
                image=found["Config"]["Image"],
                address=(network.get("IPAMConfig") or {}).get("IPv4Address", ""),
                running=found["State"]["Running"],
            )
        )
    return sorted(hosts, key=lambda host: host.name)


def fleet_names() -> list[str]:
    """Returns the names of the fleets that have a container."""
    labels = output("docker", "ps", "--all", "--filter", "label=pifleet", "--format", '{{.Label "pifleet"}}')
    return sorted(set(labels.split()))


# -- Up -------------------------------------------------------------------------------------------------------------


def _wanted(machines: Sequence[str]) -> dict[str, str]:
    """Returns host name -> variant for arguments like `pi41` and `pi41:web`."""
    table = variants()
    wanted: dict[str, str] = {}
    for machine in machines:
        variant, _colon, host = machine.partition(":")
        host = host or variant
        if variant not in table:
            raise FleetError(f"no such variant: {variant}; there are {', '.join(table)}")
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", host):
            raise FleetError(f"not a host name: {host!r}")
        if host in wanted:
            raise FleetError(f"{host} is named twice; give one of them another name, as in {variant}:{host}-2")
        wanted[host] = variant
    return wanted


def _subnet(network: str) -> ipaddress.IPv4Network:
    (found,) = json.loads(output("docker", "network", "inspect", network))
    return ipaddress.IPv4Network(found["IPAM"]["Config"][0]["Subnet"])


def _make_network(fleet: str) -> None:
    """Makes the network of a fleet, unless it is there.

    Docker chooses a subnet that is free on this machine; the second creation fixes it, because Docker keeps an address
    for a container only in a subnet that was asked for, and a Pi keeps its address over a reboot.
    Without masquerading the hosts have a default route, as a Pi has, but nothing outside ever answers them.
    """
    name = _network_name(fleet)
    present = output("docker", "network", "ls", "--filter", f"name=^{name}$", "--format", '{{.Label "pifleet"}}')
    if present.strip() == fleet:
        return
    if present:  # a run was killed between the two creations
        output("docker", "network", "rm", name)
    output("docker", "network", "create", name)
    subnet = _subnet(name)
    output("docker", "network", "rm", name)
    output(
        "docker", "network", "create", "--subnet", str(subnet), "--label", f"pifleet={fleet}",
        "--opt", "com.docker.network.bridge.enable_ip_masquerade=false", name,
    )  # fmt: skip


def _start(fleet: str, name: str, variant: str, present: dict[str, Host]) -> None:
    """Makes sure that the container of a host runs, from the present image of its variant."""
    image = image_of(variant)
    host = present.get(name)
    if host and host.image == image:
        if not host.running:
            progress(f"{name}: starting again")
            output("docker", "start", host.container)
        return
    if host:
        progress(f"{name}: removing the old one, its image is no longer {variant}'s")
        output("docker", "rm", "--force", "--volumes", host.container)
    taken = {other.address for other in present.values() if other.name != name}
    addresses = map(str, itertools.islice(_subnet(_network_name(fleet)), 10, 250))
    user = variants()[variant].user
    address = next(address for address in addresses if address not in taken)
    progress(f"{name}: starting {variant} at {address}")
    output(
        "docker", "run", "--detach", "--name", _container_name(fleet, name), "--hostname", name,
        "--network", _network_name(fleet), "--ip", address,
        "--label", f"pifleet={fleet}", "--label", f"pifleet.host={name}", "--label", f"pifleet.variant={variant}",
        "--label", f"pifleet.user={user}", *RUN_OPTIONS, image,
    )  # fmt: skip


def _make_key(folder: Path) -> None:
    if not (folder / "id_ed25519").exists():
        output("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "pifleet", "-f", str(folder / "id_ed25519"))


def _trust_key(host: Host, public_key: str) -> None:
    """Lets the fleet's key in as the host's first user."""
    output(
        "docker", "exec", "--user", host.user, host.container, "sh", "-c",
        'umask 077; mkdir -p "$HOME/.ssh"; grep -qxF "$0" "$HOME/.ssh/authorized_keys" 2>/dev/null '
        '|| echo "$0" >> "$HOME/.ssh/authorized_keys"', public_key.strip(),
    )  # fmt: skip


def _host_key(host: Host) -> str:
    """Returns the host's own ed25519 key, read inside the container, not from the network; empty before it is made."""
    done = subprocess.run(
        ["docker", "exec", host.container, "cat", "/etc/ssh/ssh_host_ed25519_key.pub"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return " ".join(done.stdout.split()[:2]) if done.returncode == 0 else ""


def _write_known_hosts(folder: Path, hosts: Sequence[Host]) -> None:
    keys = {host.address: _host_key(host) for host in hosts if host.running}
    lines = [f"{address} {key}\n" for address, key in keys.items() if key]
    (folder / "known_hosts").write_text("".join(lines), encoding="utf-8")


def _write_inventory(folder: Path, hosts: Sequence[Host]) -> None:
    """Writes the Ansible inventory of a fleet. It works from anywhere: its paths begin at its own folder."""
    lines = [
        "---",
        "nodered:",
        "  vars:",
        '    ansible_ssh_private_key_file: "{{ inventory_dir }}/id_ed25519"',
        "    ansible_ssh_common_args: >-",
        "      -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes",
        "      -o 'UserKnownHostsFile=\"{{ inventory_dir }}/known_hosts\"'",
        "    ansible_python_interpreter: /usr/bin/python3",
        "  hosts:",
    ]
    for host in hosts:
        lines += [
            f"    {host.name}:",
            f"      ansible_host: {host.address}",
            f"      ansible_user: {host.user}",
        ]
    (folder / "inventory.yml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def ssh_command(folder: Path, host: Host) -> list[str]:
    """Returns the command that reaches a host over SSH; append what to run there."""
    return [
        "ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "ConnectTimeout=3", "-o", "StrictHostKeyChecking=yes",
        "-o", "IdentitiesOnly=yes", "-o", f'UserKnownHostsFile="{folder / "known_hosts"}"',
        "-i", str(folder / "id_ed25519"), f"{host.user}@{host.address}",
    ]  # fmt: skip


def _ssh_answers(folder: Path, host: Host) -> bool:
    command = [*ssh_command(folder, host), "true"]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


def _node_red_answers(host: Host) -> bool:
    """Tells whether an unsecured Node-RED answers on its default port."""
    connection = http.client.HTTPConnection(host.address, NODE_RED_PORT, timeout=3)
    try:
        connection.request("GET", "/settings")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _wait(fleet: str, folder: Path, fresh: set[str]) -> None:
    """Waits until sshd answers on every host, and Node-RED on those that were started just now from the image."""
    deadline = time.monotonic() + PATIENCE
    waiting = {host.name: host for host in hosts_of(fleet) if host.running}
    while True:
        _write_known_hosts(folder, hosts_of(fleet))
        for host in list(waiting.values()):
            if _ssh_answers(folder, host) and (host.name not in fresh or _node_red_answers(host)):
                progress(f"{host.name}: answers")
                del waiting[host.name]
        if not waiting:
            return
        if time.monotonic() > deadline:
            logs = ", ".join(f"docker exec {host.container} journalctl" for host in waiting.values())
            raise FleetError(f"no answer after {PATIENCE} s from {', '.join(waiting)}; see: {logs}")
        time.sleep(0.5)


def up(fleet: str, machines: Sequence[str]) -> None:
    """Makes the named machines part of a running fleet; those that are in it and up to date stay as they are."""
    wanted = _wanted(machines)
    build(list(dict.fromkeys(wanted.values())))
    folder = STATE / fleet
    with only_one(STATE / f".{fleet}.lock"):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        _make_key(folder)
        _make_network(fleet)
        before = {host.name: host.container for host in hosts_of(fleet) if host.image == image_of(host.variant)}
        for name, variant in wanted.items():
            _start(fleet, name, variant, {host.name: host for host in hosts_of(fleet)})
        hosts = hosts_of(fleet)
        public_key = (folder / "id_ed25519.pub").read_text(encoding="utf-8")
        for host in hosts:
            if host.running:
                _trust_key(host, public_key)
        _write_inventory(folder, hosts)
        _wait(fleet, folder, fresh=set(wanted) - set(before))
        progress(f"inventory: {folder / 'inventory.yml'}")


# -- Down and list --------------------------------------------------------------------------------------------------


def down(fleet: str) -> None:
    """Removes the containers, the network and the state folder of a fleet, whatever there is of them."""
    ensure_docker()
    with only_one(STATE / f".{fleet}.lock"):
        containers = [host.container for host in hosts_of(fleet)]
        if containers:
            output("docker", "rm", "--force", "--volumes", *containers, timeout=120)
        networks = output("docker", "network", "ls", "--quiet", "--filter", f"name=^{_network_name(fleet)}$").split()
        if networks:
            output("docker", "network", "rm", *networks)
        shutil.rmtree(STATE / fleet, ignore_errors=True)
        progress(f"fleet {fleet} is gone ({len(containers)} containers)")
    (STATE / f".{fleet}.lock").unlink(missing_ok=True)


def list_fleets(fleet: str | None) -> None:
    """Prints the hosts of one fleet, or of all."""
    ensure_docker()
    for name in [fleet] if fleet else fleet_names():
        print(f"{name}: {STATE / name / 'inventory.yml'}")
        for host in hosts_of(name):
            state = "running" if host.running else "stopped"
            url = f"http://{host.address}:{NODE_RED_PORT}"
            login = f"{host.user}@{host.address}"
            print(f"  {host.name:<16} {host.variant:<12} {state:<8} {login:<22} {url}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="fleet", description="Starts and stops fleets of Raspberry Pi containers.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="up|down|list")
    up_parser = commands.add_parser("up", help="build what is missing, start the machines, wait until they answer")
    up_parser.add_argument("--name", default="demo", help="the fleet (default: demo)")
    up_parser.add_argument(
        "machine", nargs="+", metavar="VARIANT[:HOST]", help="a section of variants.ini, and the host name if another"
    )
    down_parser = commands.add_parser("down", help="remove a fleet and everything that belongs to it")
    down_parser.add_argument("--name", default="demo", help="the fleet (default: demo)")
    list_parser = commands.add_parser("list", aliases=["status"], help="show the fleets and their hosts")
    list_parser.add_argument("--name", default=None, help="only this fleet")
    arguments = parser.parse_args()
    if arguments.name is not None and not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", arguments.name):
        parser.error(f"not a name for a fleet: {arguments.name!r} (letters a-z, digits, hyphens)")

    def work() -> None:
        if arguments.command == "up":
            up(arguments.name, arguments.machine)
        elif arguments.command == "down":
            down(arguments.name)
        else:
            list_fleets(arguments.name)

    return exit_code_of(parser.prog, work)


if __name__ == "__main__":
    sys.exit(main())
