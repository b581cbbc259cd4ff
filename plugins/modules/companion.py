#!/usr/bin/python
# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: companion
short_description: Put a file beside Node-RED's settings.js, for settings.js to require, or take it away
version_added: 0.1.0
author:
  - The pifleet authors (@pifleet)
description:
  - Writes a file into the folder of the settings file, where C(require('./name.js')) in it finds the file. Where the
    settings file is a link, that is the folder of the file at its end, as for Node.js.
  - The file gets the owner, the group and the mode of the settings file, so that whoever may read one may read both.
  - The file is replaced as a whole or not at all. It counts as a change of O(service), which
    M(pifleet.nodered.restart) confirms or undoes together with the settings that require it.
extends_documentation_fragment:
  - pifleet.nodered.attributes
  - pifleet.nodered.remount
attributes:
  diff_mode:
    support: full
options:
  settings_file:
    description:
      - The settings file beside which the file belongs.
    type: path
    required: true
  service:
    description:
      - The systemd service that uses the settings file.
    type: str
    required: true
  name:
    description:
      - The name of the file, without a folder.
    type: str
    required: true
  content:
    description:
      - The text of the file. Required when O(state=present).
      - Do not put a secret into it, as it is shown in the difference.
    type: str
  state:
    description:
      - Whether the file should be there. Take it out of the settings before you take it away.
    type: str
    choices:
      - present
      - absent
    default: present
    version_added: 0.2.0
seealso:
  - module: pifleet.nodered.settings
  - module: pifleet.nodered.restart
"""

EXAMPLES = r"""
- name: Put a strategy for logins beside the settings
  pifleet.nodered.companion:
    settings_file: /home/pi/.node-red/settings.js
    service: nodered
    name: our-login.js
    content: "{{ lookup('ansible.builtin.file', 'our-login.js', rstrip=false) }}"
  become: true

- name: Let the settings use it
  pifleet.nodered.settings:
    path: /home/pi/.node-red/settings.js
    service: nodered
    set:
      adminAuth: {$js: "require('./our-login.js')"}
  become: true
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
  sample: /home/pi/.node-red/our-login.js
"""

import os
import re
from typing import Any, Dict, Optional

from ansible_collections.pifleet.nodered.plugins.module_utils._change import _boot, _change
from ansible_collections.pifleet.nodered.plugins.module_utils._core import _deadline
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._core._module import Module
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._files._files import Attributes, Content
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _start_plan
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _systemd
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._identity import Identity
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Unit


def change(module: Module) -> Dict[str, Any]:
    name = module.params["name"]
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", name):
        raise Failure("%r cannot be the name of the file." % name, "Give a file name without a folder, as in our.js.")
    unit = _systemd.existing(module.params["service"])
    user = _start_plan.plan(unit).user_for(module.params["settings_file"])
    settings = _files.read(module.params["settings_file"], user)
    path = os.path.join(os.path.dirname(settings.path), name)
    if path == settings.path:
        raise Failure("%s is the settings file itself." % path, "Give the file another name.")
    absent = module.params["state"] == "absent"
    data = None if absent else module.params["content"].encode("utf-8")
    result = _files.compared(path, present_file(path, user), data)
    if result["changed"] and not module.check_mode:
        with _boot.changing(unit.service, os.path.dirname(path), module.params["remount"]):
            write(unit, path, data, settings.attributes, user)
    return result


def present_file(path: str, user: Optional[Identity]) -> Optional[Content]:
    if _files.link(path, user) is not None:
        raise Failure("%s is a link." % path, "Remove it and run again.")
    return _files.read(path, user) if os.path.lexists(path) else None


def write(unit: Unit, path: str, data: Optional[bytes], attributes: Attributes, user: Optional[Identity]) -> None:
    old = present_file(path, user)
    checksum = None if data is None else _files.checksum(data)
    _change.extend(unit.service, unit.main_pid, path, old, checksum, user=user)
    if data is None:
        _files.remove(path, user)
        return
    # Nobody runs it, and whoever may write the settings decides what is required.
    _files.replace(path, data, attributes, user)


def main() -> None:
    module = Module(
        argument_spec={
            "settings_file": {"type": "path", "required": True},
            "service": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "content": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "remount": {"type": "bool", "default": False},
        },
        required_if=[("state", "present", ["content"])],
        supports_check_mode=True,
    )
    module.finish(lambda: change(module), _deadline.SECONDS)


if __name__ == "__main__":
    main()
