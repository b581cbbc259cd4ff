#!/usr/bin/python
# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: apply
short_description: Apply what the roles have planned for a Node-RED
description:
  - Applies the plans that M(pifleet.nodered.plan) has made in this play for a host, in one transaction. All files are
    written, the machine's own node loads the new settings once, and Node-RED is restarted if that is needed and must
    respond. If something fails, everything is rolled back on the machine, also if the controller has failed by then.
  - Then the result is verified from outside, see M(pifleet.nodered.verify). If firewall rules change, they wrap all
    this, so that a machine that can no longer be reached puts its old rules back.
  - The roles use it as a handler. If a plan has failed, nothing is applied on that host.
version_added: 1.0.0
author: The pifleet authors (@pifleet)
extends_documentation_fragment:
  - pifleet.nodered.attributes.step
  - pifleet.nodered.attributes.systemd
  - pifleet.nodered.attributes
attributes:
  check_mode:
    details: Applies nothing. What would be applied was reported by the plans.
  diff_mode:
    support: none
    details: The plans show the differences.
  idempotent:
    support: partial
    details: With O(restart=true), each run restarts Node-RED.
options:
  restart:
    description: >-
      Restart Node-RED. If plans wait to be applied, the restart is part of their transaction.
    type: bool
    default: false
  request:
    description: Private; what the action plugin sends to the host.
    type: str
  answer:
    description: Private; whether a change that waits for its confirmation is kept, sent by the action plugin.
    type: str
  time_limit:
    description: Private; the seconds that the host may take, a restart and a rollback not counted.
    type: float
    default: 60
"""

EXAMPLES = r"""
- name: Apply the plans
  pifleet.nodered.apply:
  become: true
"""

RETURN = r"""
msg:
  description: What was verified.
  returned: success, if something was applied
  type: list
  elements: str
rolled_back:
  description: Whether the change was rolled back.
  returned: if something was applied
  type: bool
restore_point:
  description: The number of the restore point with what was before.
  returned: if something was changed
  type: int
"""

import json
from typing import Any, Callable, Dict, List, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils._change import _points, _transaction
from ansible_collections.pifleet.nodered.plugins.module_utils._core import _deadline
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._core._module import Module
from ansible_collections.pifleet.nodered.plugins.module_utils._firewall import _guard
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _background

ARGUMENT_SPEC: Dict[str, Any] = {
    "restart": {"type": "bool", "default": False},
    # Text, not a dictionary: of that, no_log would hide each single word wherever it occurs in the result.
    "request": {"type": "str", "no_log": True},
    "answer": {"type": "str"},
    "time_limit": _deadline.OPTION,
}


def _firewall_files() -> Tuple[List[_points.Subject], List[str]]:
    """What ufw writes, as it was before a change that waits for its confirmation; and what of it was edited before."""
    found = _guard.files_before()
    subjects = [_points.Subject(_points.FIREWALL, path, None, source) for path, source in found.items()]
    return subjects, sorted(found) if _guard.edited_before() else []


def _work(params: Dict[str, Any]) -> Callable[[], Dict[str, Any]]:
    """What is to be done. Raises Failure and ValueError."""
    if params["answer"]:
        answer = _transaction.answer(json.loads(params["answer"]))
        return lambda: _transaction.settle(answer, params["time_limit"])
    wanted = _transaction.request(json.loads(params["request"] or "{}"))
    return lambda: _transaction.apply(wanted, params["time_limit"], _firewall_files)


def main() -> None:
    module = Module(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        result = _background.finish(_work(module.params), "Change of Node-RED")
    except (Failure, ValueError) as failure:
        module.fail_json(msg=str(failure))
    if result.get("failed"):
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
