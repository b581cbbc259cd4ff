# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: firewall_plan
author: The pifleet authors (@pifleet)
version_added: 0.2.0
short_description: Decide which rules ufw gets and which it loses
description:
  - Compares what M(pifleet.nodered.firewall_info) found with the variables of the role ufw.
  - A rule that was written by hand stays, and none is added beside it, save for the port of Node-RED itself.
  - Rules of this collection are known by their comment, which begins with C(pifleet.nodered).
positional: []
options:
  _input:
    description: What M(pifleet.nodered.firewall_info) returned as RV(pifleet.nodered.firewall_info#module:firewall).
    type: dict
    required: true
  port:
    description: The port on which Node-RED serves. With none, nobody outside may reach it.
    type: int
  left_ports:
    description: The ports on which it served before.
    type: list
    elements: int
    default: []
  sources:
    description: The networks that may reach it. Empty for all.
    type: list
    elements: str
    default: []
  rate_limit:
    description: Whether one address may open only few connections to it in a short time.
    type: bool
    default: false
  keep:
    description: C(listening), or a list of ports with their protocols such as C(1883/tcp).
    type: raw
    default: listening
"""

EXAMPLES = r"""
- name: Show what would change
  ansible.builtin.debug:
    msg: "{{ found.firewall | pifleet.nodered.firewall_plan(port=8881, sources=['192.168.1.0/24']) }}"
"""

RETURN = r"""
_value:
  description:
    - A mapping with C(changes) (whether there is anything to do), C(add) and C(delete) (lists of mappings with options
      of C(community.general.ufw) and C(words), what C(ufw) is told), C(deny) and C(enable) (whether the policy for
      incoming packets, or ufw as a whole, has to be set), C(refusals) and C(notes) (lists of sentences; O(sources) or
      O(keep) that cannot be understood are refused) and
      C(controller) (what whoever came by SSH will find at the port, C(open), C(limited), C(closed) or C(unknown)).
  type: dict
"""

from collections.abc import Callable, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.pifleet.nodered.plugins.plugin_utils import _arguments
from ansible_collections.pifleet.nodered.plugins.plugin_utils._firewall_plan import (
    ANY,
    LISTENING,
    PlanError,
    Rule,
    Wanted,
    plan,
)


def firewall_plan(
    firewall: object,
    port: object = None,
    left_ports: Sequence[object] = (),
    sources: Sequence[str] = (),
    rate_limit: bool = False,
    keep: object = LISTENING,
) -> dict[str, object]:
    try:
        found = plan(
            _arguments.mapping(firewall, "firewall_plan: the input"),
            port=_arguments.whole_number(port, "firewall_plan: port") if port else None,
            left_ports=[_arguments.whole_number(one, "firewall_plan: left_ports") for one in left_ports],
            sources=sources,
            rate_limit=rate_limit,
            keep=keep,
        )
    except (_arguments.ArgumentError, PlanError) as error:
        raise AnsibleFilterError(str(error)) from None
    return {
        "changes": found.changes,
        "add": [_to_add(one) for one in found.add],
        "delete": [_to_delete(rule) for rule in found.delete],
        "deny": found.deny,
        "enable": found.enable,
        "refusals": found.refusals,
        "notes": found.notes,
        "controller": found.controller,
    }


def _to_add(one: Wanted) -> dict[str, object]:
    return {
        "rule": one.action,
        "proto": one.protocol,
        "to_port": str(one.port),
        "from_ip": one.source,
        "comment": one.comment,
        "words": one.words(),
    }


def _to_delete(rule: Rule) -> dict[str, object]:
    options: dict[str, object] = {
        "rule": rule.action,
        "from_ip": rule.from_address,
        "to_ip": rule.to_address,
        "log": bool(rule.log),
    }
    if rule.application:
        options["name"] = rule.application
    else:
        options["to_port"] = rule.to_port
        if rule.protocol != ANY:
            options["proto"] = rule.protocol
    if rule.from_port != ANY:
        options["from_port"] = rule.from_port
    if rule.interface_in:
        options |= {"direction": "in", "interface": rule.interface_in}
    return {**options, "words": rule.words()}


class FilterModule:
    """A filter for the role ufw."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"firewall_plan": firewall_plan}
