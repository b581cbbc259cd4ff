# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the firewall of a host for the plan of the role `ufw`. Private."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail

from .._core import _arguments
from .._core._budget import FIREWALL
from .._core._connection import kind_of
from .._plan import ufw
from .._plan._base import Found, Wanted
from .._run._step import Step

_SSH_CONNECTIONS = ("ssh", "paramiko", "paramiko_ssh", "libssh")


def manages(wanted: Wanted) -> bool:
    """Whether the role may read the firewall. Not if that is not certain: the plan reports it."""
    try:
        return ufw.manages(wanted)
    except _arguments.ArgumentError:
        return False


def gather(step: Step, found: Found, wanted: Wanted) -> dict[str, Any]:
    """`firewall` as `firewall_info` returns it, and whether Ansible uses SSH (`remote`).

    One execution on the host, unless discovery has read the firewall. Empty if the role does not manage it.
    """
    if not manages(wanted):
        return {}
    remote = kind_of(step._connection) in _SSH_CONNECTIONS
    return {"firewall": found.firewall or _read(step), "remote": remote}


def _read(step: Step) -> dict[str, Any]:
    result = step.counted_module(FIREWALL, "firewall_info")
    if "firewall" not in result:
        look = f"To see the error, run: ansible {step.host} --become -m pifleet.nodered.firewall_info"
        raise AnsibleActionFail(f"{step.host}: The firewall could not be read. {result.get('msg') or look}")
    return dict(result["firewall"])
