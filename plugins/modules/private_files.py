#!/usr/bin/python
# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: private_files
short_description: Close Node-RED's files to other users of the machine
version_added: 0.1.0
author:
  - The pifleet authors (@pifleet)
description:
  - Gives the user directory the mode C(0700), and takes the rights of other users away from the settings file with its
    backups, C(.sessions.json), C(*_cred.json) and C(.config.*.json).
  - If the settings file has a group other than the service user's, this group can still read it.
  - Only files of the service user are changed. Files of other users are returned in RV(left).
notes:
  - Node-RED writes these files anew, with the mode that its umask gives them. Use C(UMask=0077) in a drop-in of the
    service (M(pifleet.nodered.drop_in)) to keep them closed.
requirements:
  - systemd
extends_documentation_fragment:
  - pifleet.nodered.attributes
  - pifleet.nodered.attributes.systemd
  - pifleet.nodered.remount
attributes:
  diff_mode:
    support: full
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
  files:
    description:
      - Whether to close the files too, not only the user directory.
    type: bool
    default: true
seealso:
  - module: pifleet.nodered.instance_info
  - module: pifleet.nodered.drop_in
"""

EXAMPLES = r"""
- name: Close Node-RED's files to other users
  pifleet.nodered.private_files:
    service: nodered
    user_dir: /home/pi/.node-red
  become: true
"""

RETURN = r"""
closed:
  description: What was closed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/home/pi/.node-red]
left:
  description: What others can still get at, each with the reason.
  returned: success
  type: list
  elements: str
"""

import dataclasses
from typing import Any, Dict, List

from ansible_collections.pifleet.nodered.plugins.module_utils._core import _deadline
from ansible_collections.pifleet.nodered.plugins.module_utils._core._module import Module
from ansible_collections.pifleet.nodered.plugins.module_utils._core._text import printable_line
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _remount
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import (
    _find,
    _private_files,
    _start_plan,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._private_files import Exposed


def _found(user_dir: str, plan: _start_plan.Plan) -> List[Dict[str, Any]]:
    return [dataclasses.asdict(one) for one in _private_files.exposed(user_dir, plan.settings_file, plan.identity)]


def closed(service: str, user_dir: str, files: bool, remount: bool, check_mode: bool) -> Dict[str, Any]:
    plan = _start_plan.plan(_find.find(service)[0])
    found = [Exposed(**one) for one in plan.identity.run(_found, user_dir, plan)]
    if not files:
        found = [one for one in found if one.folder]
    closable = [one for one in found if one.wanted is not None]
    if check_mode or not closable:
        done = closable
    else:
        with _remount.writable([one.path for one in closable], remount):
            done = [one for one in closable if _private_files.close(one, plan.identity)]
    return {
        "changed": bool(done),
        "closed": [one.path for one in done],
        "left": ["%s: %s" % (printable_line(one.path), one.problem) for one in found if one.wanted is None],
        "diff": {
            "before": "".join("%04o %s\n" % (one.mode, printable_line(one.path)) for one in done),
            "after": "".join("%04o %s\n" % (one.wanted or 0, printable_line(one.path)) for one in done),
        },
    }


def main() -> None:
    module = Module(
        argument_spec={
            "service": {"type": "str", "required": True},
            "user_dir": {"type": "path", "required": True},
            "files": {"type": "bool", "default": True},
            "remount": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    module.finish(lambda: closed(check_mode=module.check_mode, **module.params), _deadline.SECONDS)


if __name__ == "__main__":
    main()
