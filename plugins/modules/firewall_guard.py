#!/usr/bin/python
# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: firewall_guard
short_description: Change ufw with a rollback that runs on the host unless a new connection confirms the change
version_added: 0.2.0
author:
  - The pifleet authors (@pifleet)
description:
  - With O(state=armed), before the first change, the host saves the rules of ufw, its default policies and whether it
    is enabled, and schedules a rollback to them. A reboot of the host rolls back as well. Then the rules in O(add) are
    added.
  - With O(state=closed), the clock restarts, and immediately afterwards O(add) and O(delete) change rules, and O(deny)
    and O(enable) close what has no rule. This is done only if a change still waits for its confirmation. A task of its
    own could run after a rollback, when the rule for SSH is gone.
  - With O(state=restored), ufw becomes what it was in a restore point, see M(pifleet.nodered.restore), in the same way.
  - With O(state=confirmed), after the change, the rollback is cancelled. This is done only if the module runs over
    another SSH connection than the one that armed it, since an open connection continues to work under any rules. Use
    M(ansible.builtin.meta) with C(reset_connection) before.
  - Without SSH (a local connection, or one into a container) a change cannot lock you out, and the module confirms
    immediately.
  - With O(state=undone), the host rolls back now.
  - With O(state=at_boot), systemd loads the rules of ufw at boot. This needs no guard.
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
    details: To arm again restarts the clock; to confirm a change that does not wait fails.
options:
  state:
    description:
      - What to do.
      - If a change waits already, O(state=armed) only restarts the clock and adds O(add). The rollback still leads to
        the firewall before the first change.
    type: str
    choices:
      - armed
      - closed
      - restored
      - confirmed
      - undone
      - at_boot
    required: true
  seconds:
    description:
      - After how many seconds the host rolls back. Only used with O(state=armed), O(state=closed)
        and O(state=restored).
      - The time for O(add), O(delete), O(deny) and O(enable) does not count.
    type: int
    default: 60
  again:
    description:
      - Whether a change has to wait already, so that only the clock restarts. If none waits, because it was rolled back
        meanwhile, the module fails and does nothing. Only used with O(state=armed).
    type: bool
    default: false
  add:
    description:
      - Rules to add, each as a list of the words that C(ufw) is given. The first word is C(allow) or C(limit).
      - The words are given to C(ufw) as they are, without a shell. Only used with O(state=armed) and O(state=closed).
    type: list
    elements: list
    default: []
    version_added: 1.0.0
  delete:
    description:
      - Rules to delete, each as a list of the words that C(ufw delete) is given, not as a number. Only used with
        O(state=closed).
    type: list
    elements: list
    default: []
    version_added: 1.0.0
  deny:
    description:
      - Whether the default policy of ufw for incoming packets becomes C(deny). Only used with O(state=closed).
    type: bool
    default: false
  enable:
    description:
      - Whether ufw is enabled. Only used with O(state=closed).
    type: bool
    default: false
  checksum:
    description:
      - The checksum that M(pifleet.nodered.firewall_info) returned. If it is given and ufw has been changed since, the
        module does nothing, and fails unless O(owner) is set. Only used with O(state=armed).
    type: str
  owner:
    description:
      - A text of your choice that no other run uses, such as a random one. A change that was armed with it can only be
        continued, confirmed and undone with the same text.
      - Then RV(armed) shows whether the change of another owner waits, which is no error. Only one at a time can change
        the firewall. Wait until that change has ended, and read the firewall again.
      - Without it, all tasks change the firewall together. With O(state=undone), the change of any owner is undone.
    type: str
    default: ""
    version_added: 1.0.0
  reason:
    description:
      - Why the change is undone, for the journal. Only used with O(state=undone).
    type: str
    default: The change failed.
  service:
    description: The service whose restore point it is. Only used with O(state=restored).
    type: str
    version_added: 1.0.0
  restore_point:
    description: The number of the restore point. Only used with O(state=restored).
    type: int
    default: 0
    version_added: 1.0.0
  remount:
    description:
      - Whether file systems that are read-only are remounted read-write for ufw and this module. They stay so until the
        change is confirmed or undone, by this module or by the host itself, and are made read-only again then.
      - Otherwise a read-only file system is a reason to fail before anything is written. Only used with O(state=armed)
        and O(state=closed).
    type: bool
    default: false
seealso:
  - module: pifleet.nodered.firewall_info
"""

EXAMPLES = r"""
- name: Save the old firewall and allow SSH
  pifleet.nodered.firewall_guard:
    state: armed
    seconds: 60
    add:
      - [allow, from, any, to, any, port, "22", proto, tcp]
  become: true

- name: Close what has no rule
  pifleet.nodered.firewall_guard:
    state: closed
    seconds: 60
    delete:
      - [allow, from, any, to, any, port, "1880", proto, tcp]
    deny: true
    enable: true
  become: true

- name: Use a new connection for the next task
  ansible.builtin.meta: reset_connection

- name: Keep the new firewall
  pifleet.nodered.firewall_guard:
    state: confirmed
  become: true
"""

RETURN = r"""
armed:
  description: Whether a rollback is scheduled for the change. False if O(owner) is set and either the change of another
    owner waits, or ufw has been changed since O(checksum) was read. Nothing was done then.
  returned: with O(state=armed) and O(state=closed), except in check mode
  type: bool
  version_added: 1.0.0
connection:
  description: The SSH connection over which the module runs; none without SSH.
  returned: with O(state=armed), O(state=closed) and O(state=confirmed), except in check mode
  type: dict
undone:
  description: When the firewall was rolled back, and why; none if it was not since the last change, or if that change
    has another O(owner).
  returned: with O(state=undone), except in check mode
  type: str
  sample: "2026-11-22T10:15:01Z: the new rules were not confirmed in time."
"""

from typing import Any, Dict, List, Sequence

from ansible_collections.pifleet.nodered.plugins.module_utils._change import _points
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._core._module import Module
from ansible_collections.pifleet.nodered.plugins.module_utils._firewall import _guard, _state


def act(module: Module) -> Dict[str, Any]:
    state, given = module.params["state"], module.params
    if state in ("armed", "closed", "restored") and given["seconds"] < 1:
        raise Failure("seconds must be at least 1, not %d." % given["seconds"])
    if not _state.installed():
        raise Failure("ufw is not installed on this machine.", "Install it (apt install ufw), then run again.")
    if module.check_mode:
        return {"changed": would_change(state)}
    if state == "armed":
        return _guard.arm(
            given["seconds"],
            given["checksum"],
            given["again"],
            given["remount"],
            add=rules(given["add"]),
            owner=given["owner"],
        )
    if state == "closed":
        return _guard.close(
            given["seconds"],
            given["deny"],
            given["enable"],
            given["remount"],
            add=rules(given["add"]),
            delete=rules(given["delete"]),
            owner=given["owner"],
        )
    if state == "restored":
        point = _points.point(given["service"] or "", given["restore_point"])
        return _guard.restore(given["seconds"], files_of(point), given["remount"], owner=given["owner"])
    if state == "confirmed":
        return _guard.confirm(given["owner"])
    if state == "at_boot":
        return _guard.start_at_boot()
    return _guard.undo(given["reason"], given["owner"])


def files_of(point: _points.Point) -> Dict[str, bytes]:
    """The files of ufw in a restore point, by path."""
    firewall = [entry for entry in point.entries if entry.subject.kind == _points.FIREWALL]
    return {entry.subject.path: point.data(entry.before) for entry in firewall}


def would_change(state: str) -> bool:
    if state == "undone":
        return _guard.waiting()
    return state in ("armed", "closed") or (state == "at_boot" and not _state.starts_at_boot())


def rules(given: Sequence[Sequence[Any]]) -> List[List[str]]:
    """YAML makes numbers of ports that are not quoted."""
    return [[str(word) for word in rule] for rule in given]


def main() -> None:
    module = Module(
        argument_spec={
            "state": {
                "type": "str",
                "choices": ["armed", "closed", "restored", "confirmed", "undone", "at_boot"],
                "required": True,
            },
            "seconds": {"type": "int", "default": 60},
            "checksum": {"type": "str"},
            "again": {"type": "bool", "default": False},
            "add": {"type": "list", "elements": "list", "default": []},
            "delete": {"type": "list", "elements": "list", "default": []},
            "deny": {"type": "bool", "default": False},
            "enable": {"type": "bool", "default": False},
            "owner": {"type": "str", "default": ""},
            "reason": {"type": "str", "default": "The change failed."},
            "remount": {"type": "bool", "default": False},
            "service": {"type": "str"},
            "restore_point": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    module.finish(lambda: act(module))


if __name__ == "__main__":
    main()
