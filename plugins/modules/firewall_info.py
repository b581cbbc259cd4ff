#!/usr/bin/python
# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: firewall_info
short_description: Read the rules of ufw on a host, what it would close, and which packets it does not filter
version_added: 0.2.0
author:
  - The pifleet authors (@pifleet)
description:
  - Reads the rules and settings of ufw, finds out what listens on the host, and which SSH connection is in use.
  - If ufw is installed and not active, its own test C(check-requirements) shows whether the kernel can filter. It adds
    rules to chains that nothing uses, and removes them again.
  - Run it as root.
requirements:
  - systemd
extends_documentation_fragment:
  - pifleet.nodered.attributes.info_module
  - pifleet.nodered.attributes
  - pifleet.nodered.attributes.systemd
  - pifleet.nodered.time_limit
options:
  other_firewalls:
    description: Whether to look for other firewalls also if ufw is not installed.
    type: bool
    default: false
    version_added: 1.0.0
seealso:
  - module: pifleet.nodered.firewall_guard
"""

EXAMPLES = r"""
- name: Look at the firewall
  pifleet.nodered.firewall_info:
  register: found
  become: true

- name: Show what can be reached where no firewall is in between
  ansible.builtin.debug:
    msg: "{{ found.firewall.listening }}"
"""

RETURN = r"""
firewall:
  description: What was found.
  returned: success
  type: dict
  contains:
    installed:
      description: >-
        Whether ufw is installed. Without it, only RV(firewall.ssh) is there beside it, and with O(other_firewalls)
        also RV(firewall.other_firewalls).
      type: bool
    active:
      description: Whether the rules of ufw are loaded. False if that is unknown; RV(firewall.problem) is the reason.
      type: bool
    enabled:
      description: Whether ufw loads its rules when it is started (C(ENABLED) in C(/etc/ufw/ufw.conf)).
      type: bool
    starts_at_boot:
      description: Whether systemd starts ufw at boot.
      type: bool
    policies:
      description: What happens to packets that no rule is about (C(allow), C(deny), C(reject)), as written.
      type: dict
      contains:
        incoming:
          description: For packets to the machine.
          type: str
        outgoing:
          description: For packets from the machine.
          type: str
        routed:
          description: For packets that it forwards.
          type: str
    ipv6:
      description: Whether ufw has rules for IPv6 (C(IPV6) in C(/etc/default/ufw)). If not, it closes IPv6 altogether.
      type: bool
    rules:
      description: The rules in ufw's order. C(any) stands for every address, port or protocol.
      type: list
      elements: dict
      contains:
        action:
          description: C(allow), C(deny), C(reject) or C(limit).
          type: str
        direction:
          description: C(in) or C(out).
          type: str
        route:
          description: Whether it is about forwarded packets.
          type: bool
        protocol:
          description: The protocol, or C(any).
          type: str
        to_address:
          description: The address of the machine, or C(any).
          type: str
        to_port:
          description: A port, a range such as C(6000:6007), several with commas, or C(any).
          type: str
        from_address:
          description: An address or network, or C(any).
          type: str
        from_port:
          description: As RV(firewall.rules[].to_port).
          type: str
        application:
          description: The application profile that it came from, or empty.
          type: str
        from_application:
          description: The profile of the other side, or empty.
          type: str
        interface_in:
          description: The interface, or empty for all.
          type: str
        interface_out:
          description: The interface, or empty for all.
          type: str
        log:
          description: C(log), C(log-all) or empty.
          type: str
        comment:
          description: Its comment, or empty.
          type: str
        ipv4:
          description: Whether it is there for IPv4.
          type: bool
        ipv6:
          description: Whether it is there for IPv6.
          type: bool
    let_in_by_default:
      description: The UDP ports that ufw lets in without a rule (DHCP, multicast DNS, SSDP).
      type: list
      elements: int
    checksum:
      description: Changes with everything that the command C(ufw) writes.
      type: str
    unconfirmed:
      description: Whether M(pifleet.nodered.firewall_guard) waits for a confirmation.
      type: bool
    owner:
      description: The O(pifleet.nodered.firewall_guard#module:owner) of the change that waits, or empty.
      type: str
      version_added: 1.0.0
    forwards:
      description: Whether this machine forwards packets and no firewall stops them. False while ufw is active.
      type: bool
    problem:
      description: Why ufw cannot filter on this machine, or none.
      type: str
    other_firewalls:
      description: Other programs that are active and set packet filters.
      type: list
      elements: str
    ssh:
      description: How SSH clients connect.
      type: dict
      contains:
        connection:
          description: The connection in use; none for a local connection or one into a container.
          type: dict
          contains:
            client:
              description: The address it comes from, as the machine sees it.
              type: str
            client_port:
              description: The port it comes from.
              type: int
            server:
              description: The address of the machine.
              type: str
            server_port:
              description: The port of the machine.
              type: int
        ports:
          description: That of the connection in use, and each on which an SSH server listens.
          type: list
          elements: int
    listening:
      description: What other machines can reach if no firewall is in between.
      type: list
      elements: dict
      contains:
        port:
          description: The port.
          type: int
        protocol:
          description: C(tcp) or C(udp).
          type: str
        process:
          description: The name of the process, or none.
          type: str
        unit:
          description: Its systemd service, or none. That of a user unit begins with the user (C(pi/node-red.service)).
          type: str
    published:
      description:
        - The ports that containers (Docker, Podman) publish, over IPv4 or IPv6, with iptables or nftables. Rules of ufw
          do not cover them.
      type: list
      elements: int
spent:
  description: How many seconds of O(time_limit) this took.
  returned: always
  type: float
  version_added: 1.0.0
waited:
  description: How many seconds it waited for another run of this collection.
  returned: always
  type: float
  version_added: 1.0.0
"""

from ansible_collections.pifleet.nodered.plugins.module_utils._core import _deadline
from ansible_collections.pifleet.nodered.plugins.module_utils._core._module import Module
from ansible_collections.pifleet.nodered.plugins.module_utils._firewall import _description


def main() -> None:
    module = Module(
        argument_spec={"other_firewalls": {"type": "bool", "default": False}, "time_limit": _deadline.OPTION},
        supports_check_mode=True,
    )
    others = module.params["other_firewalls"]
    module.finish(lambda: {"changed": False, "firewall": _description.describe(others)}, module.params["time_limit"])


if __name__ == "__main__":
    main()
