# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide from where a Node-RED is verified. Private; knows no Ansible and sends nothing.

The controller is the right place if it reaches Node-RED at the address at which Ansible reaches the host. With an
address of the controller itself (a forwarded port of SSH), its own port would be asked instead, and would receive the
password. Through a jump host, the controller often cannot reach the port at all.
"""

from __future__ import annotations

import ipaddress
import shlex
import socket
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Any

from ...module_utils._probe._urls import is_this_machine
from .._core._arguments import ArgumentError

VARIABLE = "nodered_verify_from"
CONTROLLER, HOST = "controller", "host"

# What /etc/hosts has for loopback addresses on Debian, Fedora and macOS.
_LOCAL_NAMES = ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")


@dataclass(frozen=True)
class Origin:
    """From where the requests of the verification come."""

    place: str = CONTROLLER
    """`controller`, `host`, or the inventory name of another machine."""
    note: str = ""
    """Why it is the host although that was not asked for, and what is not verified therefore."""


def wanted_place(value: object, inventory: Callable[[], Container[str]]) -> str:
    """`nodered_verify_from` as text; empty if it is not set.

    Args:
        value: that of the variable.
        inventory: returns the names of all hosts in it.

    Raises:
        ArgumentError: if it is no such place.
    """
    if value is None or value == "":
        return ""
    if isinstance(value, str) and (value in (CONTROLLER, HOST) or value in inventory()):
        return str(value)
    shown = repr(value) if isinstance(value, str) else "no text"
    raise ArgumentError(
        f"{VARIABLE} is {shown}, which is neither {CONTROLLER} nor {HOST} nor a host in the inventory. Correct it, or "
        "add that machine to the inventory, then run again."
    )


def decide(*, host: str, wanted: str, address: str, connection: str, configuration: str) -> Origin:
    """From where this host's Node-RED is verified.

    Args:
        host: its inventory name.
        wanted: what `wanted_place` returned.
        address: the name or address at which Node-RED is asked.
        connection: the short name of the connection plugin, such as `ssh` or `local`.
        configuration: what `ssh -G` printed for this connection (ssh_config(5), one keyword and its value a line).

    Raises:
        ArgumentError: if another machine would ask an address that leads to itself.
    """
    here = leads_here(address)
    if wanted and wanted not in (CONTROLLER, HOST, host) and here:
        raise ArgumentError(
            f"{VARIABLE} is {wanted}, but at {address} that machine would reach itself and not the Node-RED of {host}. "
            "Set nodered_address to an address of this host that others can reach, then run again."
        )
    if wanted:
        return Origin(HOST if wanted == host else wanted)
    if connection == "local":
        return Origin()
    if here:
        return Origin(HOST, _note(f"{address} leads to the controller itself, so requests from there are not sent"))
    given, real = (_value(configuration, keyword) for keyword in ("host", "hostname"))
    if given.lower() == address.lower() and leads_here(real):
        return Origin(HOST, _note(f"SSH reaches {address} at {real}, which leads to the controller itself"))
    proxy = _proxy(configuration)
    return Origin(HOST, _note(f"SSH reaches it through {proxy}")) if proxy else Origin()


def leads_here(address: str) -> bool:
    """Whether a connection from this machine to the address or name ends on this machine. Names are not resolved."""
    name = address.lower().rstrip(".")
    if name in _LOCAL_NAMES or name.endswith(".localhost"):
        return True
    try:
        # Also the short forms, such as 127.1 and 0.
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return False
    numeric = str(found[0][4][0])
    plain = ipaddress.ip_address(numeric.partition("%")[0])
    return plain.is_unspecified or is_this_machine(str(getattr(plain, "ipv4_mapped", None) or plain))


def ssh_command(options: Mapping[str, Any]) -> list[str]:
    """The command that prints the configuration of an SSH connection and does not connect (ssh(1), `-G`).

    Args:
        options: those of the connection plugin `ssh` by their names. The order is that of the plugin, as OpenSSH uses
            the first value of an option.

    Raises:
        ValueError: if its arguments are no words of a shell.
    """
    port, user = options.get("port"), options.get("remote_user")
    return [
        str(options.get("ssh_executable") or "ssh"),
        *shlex.split(options.get("ssh_args") or ""),
        *(["-o", f"Port={port}"] if port else []),
        *(["-o", f'User="{user}"'] if user else []),
        *shlex.split(options.get("ssh_common_args") or ""),
        *shlex.split(options.get("ssh_extra_args") or ""),
        "-G",
        str(options["host"]),
    ]


def _proxy(configuration: str) -> str:
    """Through what the connection goes; empty if it is direct. The command itself can hold a password."""
    jump, command = (_value(configuration, keyword) for keyword in ("proxyjump", "proxycommand"))
    if jump.lower() not in ("", "none"):
        return f"the jump host {jump}"
    return "" if command.lower() in ("", "none") else "a proxy command"


def _value(configuration: str, wanted: str) -> str:
    """The value of a keyword in what `ssh -G` printed; empty without."""
    for line in configuration.splitlines():
        keyword, _space, value = line.strip().partition(" ")
        if keyword.lower() == wanted:
            return value.strip()
    return ""


def _note(reason: str) -> str:
    return (
        f"verified on the host itself, because {reason}. What other machines can reach is not verified. To verify "
        f"that, set {VARIABLE} to a machine in the inventory that reaches Node-RED directly at nodered_address"
        ", or to controller if the controller does."
    )
