#!/usr/bin/python
# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: restart
short_description: Restart Node-RED, wait until it responds, and roll the change back if it does not
version_added: 0.1.0
author:
  - The pifleet authors (@pifleet)
description:
  - Restarts Node-RED and waits until the expected address responds and the main process stays the same for some
    seconds.
  - If that does not happen in time, all changes that M(pifleet.nodered.settings) with its option
    O(pifleet.nodered.settings#module:service) has made since the last restart are rolled back, Node-RED is started with
    its old configuration, and the module fails with the reason and the last lines of the journal.
  - Before anything is stopped, the module checks that the settings file can be loaded and that the port is free. If
    not, the change is rolled back, and the running Node-RED is not interrupted.
  - If the change includes C(adminAuth), the session file is deleted between stop and start, so that all users have to
    log in again. Otherwise Node-RED would continue to accept old sessions after a password was changed.
  - All of it happens on the machine in one execution, which continues if the controller or the connection fails. The
    result is also written to the journal with the tag C(pifleet.nodered).
  - If the power fails before this module has run, the machine finishes the change at its next boot. A Node-RED that
    does not respond within five minutes then, or has a change that ends sessions, is restarted in the same way. The
    unit that does so is installed with the first change, and removed with the confirmation.
requirements:
  - systemd
extends_documentation_fragment:
  - pifleet.nodered.attributes
  - pifleet.nodered.attributes.systemd
  - pifleet.nodered.time_limit
attributes:
  diff_mode:
    support: none
  idempotent:
    support: none
    details: The module restarts whenever it is called.
options:
  service:
    description:
      - The systemd service that runs Node-RED, as M(pifleet.nodered.instance_info) takes it. If it is not given, it is
        found in the same way.
    type: str
  timeout:
    description:
      - How many seconds Node-RED can take until it responds. A rollback can take as long again.
    type: int
    default: 120
  remount:
    description:
      - Whether a file system that is read-only may be remounted read-write for the writes of this module. It is made
        read-only again right after them, so that Node-RED starts, and must respond, with the file system as it will be.
      - Otherwise the module fails before anything is stopped if a change could not be rolled back on a read-only file
        system.
    type: bool
    default: false
    version_added: 0.2.0
seealso:
  - module: pifleet.nodered.settings
  - module: pifleet.nodered.instance_info
"""

EXAMPLES = r"""
- name: Restart Node-RED
  pifleet.nodered.restart:
    service: nodered
    timeout: 180
  become: true
  register: restarted

- name: Show where it responds now
  ansible.builtin.debug:
    var: restarted.instance.url
"""

RETURN = r"""
instance:
  description: The Node-RED as it is now, as returned by M(pifleet.nodered.instance_info).
  returned: always, except in check mode
  type: dict
rolled_back:
  description: Whether the change was rolled back.
  returned: always
  type: bool
rejected:
  description: The files that keep the texts that were rolled back.
  returned: on failure
  type: list
  elements: str
serving:
  description: Whether Node-RED responds again with its old configuration.
  returned: after the change was rolled back and Node-RED was started again
  type: bool
seconds:
  description: How long it took from the stop until it had responded for some seconds.
  returned: success
  type: float
  sample: 6.5
spent:
  description: How many seconds of O(time_limit) this took.
  returned: always
  type: float
  version_added: 1.0.0
waited:
  description: How many seconds it waited for another run of this collection, or for a restart or a rollback.
  returned: always
  type: float
  version_added: 1.0.0
"""

from ansible_collections.pifleet.nodered.plugins.module_utils._change import _restart
from ansible_collections.pifleet.nodered.plugins.module_utils._core import _deadline
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._core._module import Module
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _background


def main() -> None:
    module = Module(
        argument_spec={
            "service": {"type": "str"},
            "timeout": {"type": "int", "default": 120},
            "remount": {"type": "bool", "default": False},
            "time_limit": _deadline.OPTION,
        },
        supports_check_mode=True,
    )
    service, timeout, remount, seconds = (
        module.params[name] for name in ("service", "timeout", "remount", "time_limit")
    )
    if timeout < 1:
        module.fail_json(msg="timeout must be at least 1 second, not %d." % timeout)
    if module.check_mode:
        module.exit_json(changed=True, rolled_back=False)
    try:
        result = _background.finish(lambda: _restart.restart(service, timeout, remount, seconds), "Restart of Node-RED")
    except Failure as failure:
        module.fail_json(msg=str(failure))
    if result.get("failed"):
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
