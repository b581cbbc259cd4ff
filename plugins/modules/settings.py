#!/usr/bin/python
# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: settings
short_description: Change settings in Node-RED's settings.js and nothing else in it
version_added: 0.1.0
author:
  - The pifleet authors (@pifleet)
description:
  - Sets and removes settings in a C(settings.js) that people may have edited by hand for years. Only the bytes of the
    wanted settings change. Comments, order, quoting, indentation, line ends and a byte-order mark stay.
  - The file is read as a JavaScript syntax tree on the controller. What cannot be edited with certainty is refused with
    the place, the source line and what to do, and the file stays untouched.
  - Before the new text replaces the old one, the machine's own Node.js loads it as the service user, and every wanted
    setting must be active in what it exports.
  - The file is replaced as a whole or not at all. Owner, group, mode, access control list and a link stay. The write is
    refused when the file was changed since it was read.
  - A file in a folder that the service user can change is read and written with the rights of that user. If it belonged
    to another user, it belongs to the service user afterwards, and the module warns.
  - Plaintext passwords stay on the controller. Hashes are masked in the difference and in errors.
  - Node-RED reads its settings when it starts. Use M(pifleet.nodered.restart) afterwards.
requirements:
  - tree-sitter, tree-sitter-javascript, bcrypt and libpass on the controller
  - Node.js on the machine, unless O(validate) is false
extends_documentation_fragment:
  - pifleet.nodered.attributes
  - pifleet.nodered.remount
attributes:
  diff_mode:
    support: full
    details: Password hashes and the values of settings that hold secrets are masked.
  idempotent:
    details: A password that is still right keeps its hash.
options:
  path:
    description:
      - The settings file. Where it is a link, the file at its end is changed and the link stays.
    type: path
    required: true
  set:
    description:
      - The settings that should be in effect. A key is a top-level setting (V(uiPort)) or a dotted path
        (V(editorTheme.projects.enabled)). Parents are made as needed.
      - A value is plain YAML, or a dictionary with the single key C($js) and a JavaScript expression, or a dictionary
        with C($password) and a plaintext password that becomes a bcrypt hash (with C($rounds) as its cost).
      - A dictionary with the single key C($fallback) and a number keeps the setting's own expression and changes the
        number in it that is used if the environment sets none, as in C(process.env.PORT || 1880), also if it is in a
        variable. If there is no such number, or it is not certain, nothing changes.
      - Every callback plugin receives task arguments, also with C(no_log), and so a plaintext password given here. To
        avoid that, give a dictionary with the single key C($variable) and the name of a variable. Its value is the
        dictionary of settings, and it is read on the controller.
    type: dict
  remove:
    description:
      - The settings that should not be there, named as in O(set).
    type: list
    elements: str
  backup:
    description:
      - Whether to leave a copy of the old file beside it. With O(service), only the first change before a restart does.
    type: bool
    default: true
  validate:
    description:
      - Whether the machine's own Node.js must be able to load the new text, with every wanted setting active in it.
    type: bool
    default: true
  node:
    description:
      - The Node.js that loads the new text. The default is that of O(service), else the first C(node) in the path.
    type: path
  user:
    description:
      - The user that loads the new text. Without O(service), this user also reads and writes the file, if its path
        leads through a folder that users other than root can change.
      - The default is the user of O(service). Without O(service), it is the owner of the first folder in the path that
        does not belong to root; where all belong to root, the owner of the file.
    type: str
  source:
    description:
      - The text of the file as RV(pifleet.nodered.instance_info#module:source) brings it along, which saves one remote
        execution. Without it the file is read first.
    type: dict
  _edit:
    description:
      - How the action plugin of this module hands over the new text. Not for playbooks.
    type: str
  service:
    description:
      - The systemd service that uses the file, as M(pifleet.nodered.instance_info) takes it. Its user, Node.js and
        environment load the new text, and M(pifleet.nodered.restart) of it confirms the change or undoes it.
    type: str
seealso:
  - module: pifleet.nodered.restart
  - module: pifleet.nodered.instance_info
"""

EXAMPLES = r"""
- name: Move the editor and switch projects on
  pifleet.nodered.settings:
    path: /home/pi/.node-red/settings.js
    set:
      httpAdminRoot: /editor
      editorTheme.projects.enabled: true
    service: nodered
  become: true

# In group_vars, with admin_password in a vault:
#
#   login_settings:
#     adminAuth:
#       type: credentials
#       users:
#         - username: admin
#           password: {$password: "{{ admin_password }}"}
#           permissions: "*"
- name: Require a login for the editor
  pifleet.nodered.settings:
    path: /home/pi/.node-red/settings.js
    set: {$variable: login_settings}
    service: nodered
  become: true

- name: Activate the change, or roll it back if Node-RED does not respond
  pifleet.nodered.restart:
    service: nodered
  become: true

- name: Remove a setting
  pifleet.nodered.settings:
    path: /home/pi/.node-red/settings.js
    remove:
      - httpNodeAuth
  become: true
"""

RETURN = r"""
path:
  description: The settings file, with links followed.
  returned: success
  type: str
  sample: /home/pi/.node-red/settings.js
settings:
  description: The names of the settings that changed, as given.
  returned: success
  type: list
  elements: str
  sample: [uiPort]
backup_file:
  description: The copy of the old file.
  returned: when a backup was made, now or by an earlier change that waits for the same restart
  type: str
  sample: /home/pi/.node-red/settings.js.2314.2026-11-22@07:10:00~
"""

import base64
import json
import os
from typing import Any, Dict, Mapping, Optional

from ansible_collections.pifleet.nodered.plugins.module_utils._change import _boot, _settings_file
from ansible_collections.pifleet.nodered.plugins.module_utils._change._settings_file import Edit, Target
from ansible_collections.pifleet.nodered.plugins.module_utils._core import _deadline
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._core._module import Module
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files, _remount
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _start_plan
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _systemd
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Unit

ARGUMENT_SPEC: Dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "set": {"type": "dict"},
    "remove": {"type": "list", "elements": "str"},
    "backup": {"type": "bool", "default": True},
    "validate": {"type": "bool", "default": True},
    "node": {"type": "path"},
    "user": {"type": "str"},
    "service": {"type": "str"},
    "remount": {"type": "bool", "default": False},
    "source": {"type": "dict", "no_log": True},
    # Text, not a dictionary: of that, no_log would hide each single word wherever it occurs in the result.
    "_edit": {"type": "str", "no_log": True},
}


def handed_over(text: str) -> Edit:
    try:
        return Edit.from_data(json.loads(text))
    except (ValueError, KeyError, TypeError):
        raise Failure(
            "_edit is not what the action plugin hands over.", "Leave it out; it is not for playbooks."
        ) from None


def target(params: Mapping[str, Any]) -> Target:
    return Target(params["path"], params["backup"], params["validate"], params["node"], params["user"])


def read(params: Mapping[str, Any]) -> Dict[str, Any]:
    unit = unit_of(params)
    user = _settings_file.file_user(target(params), _start_plan.plan(unit) if unit else None)
    content = _settings_file.usable(_files.read(params["path"], user))
    return {
        "changed": False,
        "path": content.path,
        "content": base64.b64encode(content.data).decode("ascii"),
        "checksum": content.checksum,
    }


def unit_of(params: Mapping[str, Any]) -> Optional[Unit]:
    remedy = "Correct the option service, or leave it out for a file that no service uses."
    return _systemd.existing(params["service"], remedy) if params["service"] else None


def write(params: Mapping[str, Any], edit: Edit, check_mode: bool) -> Dict[str, Any]:
    unit = unit_of(params)
    if check_mode:
        return _settings_file.replace(target(params), edit, unit, check_mode)[0]
    folder = os.path.dirname(os.path.realpath(params["path"]))
    if unit is None:
        with _remount.writable([folder], params["remount"], whole_run=False):
            return _settings_file.replace(target(params), edit, unit, check_mode)[0]
    with _boot.changing(unit.service, folder, params["remount"]):
        return _settings_file.replace(target(params), edit, unit, check_mode)[0]


def main() -> None:
    module = Module(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    edit = module.params["_edit"]
    module.finish(
        lambda: read(module.params) if edit is None else write(module.params, handed_over(edit), module.check_mode),
        _deadline.SECONDS,
    )


if __name__ == "__main__":
    main()
