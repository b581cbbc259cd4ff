# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the firewall of a host for the plan of the role `ufw`. Private."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail

from .. import _arguments
from .._budget import FIREWALL
from .._connection import kind_of
from .._plan import ufw
from .._plan._base import Found, Wanted
from .._step import Step

_SSH_CONNECTIONS = ("ssh", "paramiko", "paramiko_ssh", "libssh")


def gather(step: Step, _found: Found, wanted: Wanted) -> dict[str, Any]:
    """`firewall` as `firewall_info` returns it, and whether Ansible uses SSH (`remote`). One execution on the host.

    Empty, without an execution, if the role does not manage the firewall.
    """
    try:
        if not ufw.manages(wanted):
            return {}
    except _arguments.ArgumentError:
        # The plan reports it.
        return {}
    result = step.counted_module(FIREWALL, "firewall_info")
    if "firewall" not in result:
        raise AnsibleActionFail(
            f"{step.host}: The firewall could not be read. {result.get('msg') or 'The module failed.'}"
        )
    remote = kind_of(step._connection) in _SSH_CONNECTIONS
    return {"firewall": result["firewall"], "remote": remote}
