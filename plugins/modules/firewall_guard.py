#!/usr/bin/python
# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: firewall_guard
short_description: Let a change of ufw undo itself unless a new connection confirms it
version_added: 0.2.0
author:
  - The pifleet authors (@pifleet)
description:
  - With O(state=armed), before the first change, the machine saves ufw's rules, default policies and whether it is
    enabled, and schedules its own way back to them. A restart of the machine leads back as well.
  - With O(state=confirmed), after the change, the way back is taken away. That is done only where the module came over
    another SSH connection than the one that armed it, since a connection that is open already goes on working whatever
    the new rules are. Use M(ansible.builtin.meta) with C(reset_connection) in between.
  - Without SSH (a local connection, or one into a container) nobody can be cut off, and the module confirms right away.
  - With O(state=closed), what has no rule is closed (O(deny), O(enable)), but only where a change still waits, and the
    clock starts anew right before. A task of its own may come after the way back was taken, with the rule for SSH gone.
  - With O(state=undone), the machine goes its way back now.
  - What happens is also written to the journal with the tag C(pifleet.nodered).
  - Run it as root.
requirements:
  - systemd
  - ufw
extends_documentation_fragment:
  - pifleet.nodered.attributes
  - pifleet.nodered.attributes.systemd
attributes:
  diff_mode:
    support: none
  idempotent:
    support: none
    details: To arm it once more starts the clock anew; to confirm what does not wait fails.
options:
  state:
    description:
      - What to do.
      - When a change waits already, O(state=armed) only starts the clock anew. The way back still leads to what was
        there at first.
    type: str
    choices:
      - armed
      - closed
      - confirmed
      - undone
    required: true
  seconds:
    description:
      - After how many seconds the machine goes its way back. Only used with O(state=armed) and O(state=closed).
    type: int
    default: 60
  again:
    description:
      - Whether a change has to wait already, so that only the clock starts anew. Where none waits, since the way back
        was taken meanwhile, the module fails and does nothing. Only used with O(state=armed).
    type: bool
    default: false
  deny:
    description:
      - Whether ufw's default policy for incoming packets becomes C(deny). Only used with O(state=closed).
    type: bool
    default: false
  enable:
    description:
      - Whether ufw is enabled. Only used with O(state=closed).
    type: bool
    default: false
  checksum:
    description:
      - The checksum that M(pifleet.nodered.firewall_info) returned. When it is given and ufw has been changed since,
        the module fails and does nothing. Only used with O(state=armed).
    type: str
  reason:
    description:
      - Why the change is undone, for the journal. Only used with O(state=undone).
    type: str
    default: The change did not go through.
  remount:
    description:
      - Whether file systems that are read-only may be remounted read-write for ufw and this module. They stay so until
        the change is confirmed or undone, by this module or by the machine itself, and are made read-only again then.
      - Otherwise a read-only file system is a reason to fail before anything is written. Only used with O(state=armed)
        and O(state=closed).
    type: bool
    default: false
seealso:
  - module: pifleet.nodered.firewall_info
  - module: community.general.ufw
"""

EXAMPLES = r"""
- name: Have the old firewall come back by itself
  pifleet.nodered.firewall_guard:
    state: armed
    seconds: 60
  become: true

- name: Let SSH in
  community.general.ufw:
    rule: allow
    to_port: "22"
    proto: tcp
  become: true

- name: Close everything that has no rule
  pifleet.nodered.firewall_guard:
    state: closed
    seconds: 60
    deny: true
    enable: true
  become: true

- name: Let the next task come in anew
  ansible.builtin.meta: reset_connection

- name: Keep the new firewall
  pifleet.nodered.firewall_guard:
    state: confirmed
  become: true
"""

RETURN = r"""
connection:
  description: The SSH connection over which the module came; none without SSH.
  returned: with O(state=armed), O(state=closed) and O(state=confirmed), except in check mode
  type: dict
undone:
  description: When the way back was taken, and why; none where it was not since the last change.
  returned: with O(state=undone), except in check mode
  type: str
  sample: "2026-11-22T10:15:01Z: nobody confirmed the new rules in time."
"""

from typing import Any, Dict

from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._core._module import Module
from ansible_collections.pifleet.nodered.plugins.module_utils._firewall import _guard, _state


def act(module: Module) -> Dict[str, Any]:
    state, seconds = module.params["state"], module.params["seconds"]
    if state in ("armed", "closed") and seconds < 1:
        raise Failure("seconds must be at least 1, not %d." % seconds)
    if not _state.installed():
        raise Failure("ufw is not installed on this machine.", "Install it (apt install ufw), then run again.")
    if module.check_mode:
        return {"changed": state in ("armed", "closed") or (state == "undone" and _guard.waiting())}
    if state == "armed":
        return _guard.arm(seconds, module.params["checksum"], module.params["again"], module.params["remount"])
    if state == "closed":
        return _guard.close(seconds, module.params["deny"], module.params["enable"], module.params["remount"])
    if state == "confirmed":
        return _guard.confirm()
    return _guard.undo(module.params["reason"])


def main() -> None:
    module = Module(
        argument_spec={
            "state": {"type": "str", "choices": ["armed", "closed", "confirmed", "undone"], "required": True},
            "seconds": {"type": "int", "default": 60},
            "checksum": {"type": "str"},
            "again": {"type": "bool", "default": False},
            "deny": {"type": "bool", "default": False},
            "enable": {"type": "bool", "default": False},
            "reason": {"type": "str", "default": "The change did not go through."},
            "remount": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    module.finish(lambda: act(module))


if __name__ == "__main__":
    main()
