#!/usr/bin/python
# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: sessions_file
short_description: Put right what stands in the place of Node-RED's sessions file
version_added: 0.2.0
author:
  - The pifleet authors (@pifleet)
description:
  - Removes what earlier attempts to move the sessions out of the user directory have left, and what makes Node-RED end
    at a right login. Such are dangling links, folders, mounts, files of other users, and C(.sessions.json_bak).
  - Nothing is read and nothing is shown of what is in these files, since whoever has it is logged in.
  - A mount that something makes again at the next boot, and a folder with files in it, are refused.
extends_documentation_fragment:
  - pifleet.nodered.attributes
  - pifleet.nodered.attributes.systemd
  - pifleet.nodered.remount
attributes:
  diff_mode:
    support: full
requirements:
  - systemd
options:
  service:
    description:
      - The systemd service that runs Node-RED.
    type: str
    required: true
  user_dir:
    description:
      - Node-RED's user directory.
    type: path
    required: true
  state:
    description:
      - V(file) leaves a sessions file of Node-RED's user where it is, and a link that leads to another disk.
      - V(link) makes C(.sessions.json) a link into the service's runtime directory. Only releases before 1.2 keep it.
        It counts as a change of O(service), which M(pifleet.nodered.restart) confirms or undoes.
      - V(absent) leaves nothing, for a Node-RED whose storage module keeps the sessions.
    type: str
    choices:
      - file
      - link
      - absent
    default: file
seealso:
  - module: pifleet.nodered.instance_info
  - module: pifleet.nodered.restart
"""

EXAMPLES = r"""
- name: Take away what would end Node-RED at a login
  pifleet.nodered.sessions_file:
    service: nodered
    user_dir: /home/pi/.node-red
  become: true
"""

RETURN = r"""
path:
  description: Where Node-RED looks for the sessions file.
  returned: success
  type: str
  sample: /home/pi/.node-red/.sessions.json
"""

import os
from typing import Any, Dict, List, Sequence

from ansible_collections.pifleet.nodered.plugins.module_utils._change import _boot, _sessions_file
from ansible_collections.pifleet.nodered.plugins.module_utils._core import _deadline
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._core._module import Module
from ansible_collections.pifleet.nodered.plugins.module_utils._core._text import printable_line
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _sessions, _start_plan
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._sessions import Repair
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _mounts, _systemd


def change(module: Module) -> Dict[str, Any]:
    wanted = module.params["state"]
    unit = _systemd.existing(module.params["service"])
    place = _sessions.place_of(_start_plan.plan(unit), module.params["user_dir"])
    found = [Repair(**one) for one in place.identity.run(_repairs, place, wanted)]
    refused = next((one.refusal for one in found if one.refusal), None)
    if refused:
        raise Failure(refused, "Then run again.")
    if found and not module.check_mode:
        with _boot.changing(unit.service, os.path.dirname(place.path), module.params["remount"]):
            _sessions_file.repair(place, wanted, unit.service, unit.main_pid, found)
    return result(place.path, found)


def _repairs(place: _sessions.Place, wanted: str) -> List[Dict[str, Any]]:
    return [one.described() for one in _sessions.repairs(place, wanted, _mounts.table().mounts)]


def result(path: str, found: Sequence[Repair]) -> Dict[str, Any]:
    return {
        "changed": bool(found),
        "path": path,
        "diff": {
            "before": "".join(printable_line("%s: %s" % (one.path, one.before)) + "\n" for one in found),
            "after": "".join(printable_line("%s: %s" % (one.path, one.after)) + "\n" for one in found),
        },
    }


def main() -> None:
    module = Module(
        argument_spec={
            "service": {"type": "str", "required": True},
            "user_dir": {"type": "path", "required": True},
            "state": {"type": "str", "choices": list(_sessions.STATES), "default": _sessions.FILE},
            "remount": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    module.finish(lambda: change(module), _deadline.SECONDS)


if __name__ == "__main__":
    main()
