# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: names and addresses in the inventory. Those of all hosts are read once in a run."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ansible.errors import AnsibleError

NAMES = ("ansible_host", "nodered_address", "nodered_tls_names")
AUTHORITY_NAMES = "nodered_tls_authority_names"
# The name of a service, or of a user and a service: pi/nodered. See useradd(8) and systemd.unit(5).
_SERVICE = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*/)?[A-Za-z0-9:_\\@][A-Za-z0-9:_.\\@-]*")


class InventoryNames(NamedTuple):
    """Names and addresses by host, and what the hosts' variables permit the authority to certify beside them."""

    by_host: Mapping[str, Sequence[str]]
    authority_names: Sequence[str]

    @property
    def all(self) -> list[str]:
        return [name for names in self.by_host.values() for name in names]

    def others(self, host: str) -> list[str]:
        """The names of all hosts but this one."""
        return [name for other, names in self.by_host.items() if other != host for name in names]


def inventory_names(hostvars: Mapping[str, Mapping[str, object]], folder: str) -> InventoryNames:
    """The names in the inventory.

    Args:
        hostvars: Ansible's variable of this name.
        folder: a private folder of this run. The variables of 1,000 hosts take half a second, which each of these
            hosts would spend; so the first one keeps what it has found there.
    """
    hosts = sorted(hostvars)
    digest = hashlib.sha256("\n".join(hosts).encode()).hexdigest()[:16]
    descriptor = os.open(os.path.join(folder, f"pifleet-names-{digest}.json"), os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        kept = file.read()
        if not kept:
            kept = json.dumps(_read(hostvars, hosts))
            file.write(kept)
        return InventoryNames(*json.loads(kept))


def one_name_each(host: str, address: str, services: Sequence[str], file: str) -> list[str]:
    """A line for each service of a machine, in the format of this inventory file: the first one keeps the name.

    The machine is not trusted: a service with a name that could be more than one word there is left out.
    """
    services = [service for service in services if isinstance(service, str) and _SERVICE.fullmatch(service)]
    in_yaml = file.endswith((".yml", ".yaml"))
    line = "{}: {{ansible_host: {}, nodered_service: {}}}" if in_yaml else "{} ansible_host={} nodered_service={}"
    # A user unit is pi/nodered. A slash in a name would be a folder where files have that name.
    names = [host, *(f"{host}-{service.replace('/', '-')}" for service in services[1:])]
    return [line.format(name, address, service) for name, service in zip(names, services, strict=True)]


def _read(hostvars: Mapping[str, Mapping[str, object]], hosts: Sequence[str]) -> InventoryNames:
    by_host, authority_names = {}, set()
    for host in hosts:
        variables = hostvars[host]
        # Some releases (2.18.19) list the controller, too, which is in no group unless the inventory has it.
        if host == "localhost" and not variables["group_names"]:
            continue
        found = [name for variable in NAMES for name in _texts(variables, variable)]
        by_host[host] = list(dict.fromkeys([host, *found]))
        authority_names.update(_texts(variables, AUTHORITY_NAMES))
    return InventoryNames(by_host, sorted(authority_names))


def _texts(variables: Mapping[str, object], name: str) -> list[str]:
    """The texts in a variable; nothing where it is not set, or cannot be evaluated apart from a play."""
    try:
        value = variables.get(name, ())
    except AnsibleError:
        return []
    values = [value] if isinstance(value, str) else value if isinstance(value, Sequence) else ()
    return [str(each) for each in values if isinstance(each, str)]
