#!/usr/bin/python
# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: certificate_info
short_description: Read the certificate that a Node-RED copies from files
version_added: 1.0.0
author:
  - The pifleet authors (@pifleet)
description:
  - Reads a certificate and its key from files on the machine that runs Node-RED, and compares them with the pair that
    Node-RED has. The key stays on the machine.
  - If a user other than root can change where a path leads (a folder or link on the way), the file is read as that
    user.
  - The role C(tls) uses it with C(nodered_tls_source=files), to check the certificate on the controller.
requirements:
  - systemd, and Node-RED with its Node.js
extends_documentation_fragment:
  - pifleet.nodered.attributes.info_module
  - pifleet.nodered.attributes
  - pifleet.nodered.attributes.systemd
  - pifleet.nodered.time_limit
options:
  service:
    description:
      - The systemd service that runs Node-RED, as M(pifleet.nodered.instance_info) takes it.
    type: str
    required: true
  certificate_file:
    description:
      - The PEM file with the certificate, then those that lead to its authority. It has 1 MiB at most.
    type: path
    required: true
  key_file:
    description:
      - The PEM file with its key.
    type: path
    required: true
seealso:
  - module: pifleet.nodered.instance_info
"""

EXAMPLES = r"""
- name: Read what certbot keeps
  pifleet.nodered.certificate_info:
    service: nodered
    certificate_file: /etc/letsencrypt/live/pi.example.org/fullchain.pem
    key_file: /etc/letsencrypt/live/pi.example.org/privkey.pem
  become: true
  register: found
"""

RETURN = r"""
certificate:
  description: The text of the certificate file.
  returned: success
  type: str
placed:
  description: Whether Node-RED has this pair and can use it.
  returned: success
  type: bool
followed:
  description: Whether the machine copies renewals of these files by itself.
  returned: success
  type: bool
spent:
  description: How many seconds of O(time_limit) this took.
  returned: always
  type: float
waited:
  description: How many seconds it waited for another run of this collection.
  returned: always
  type: float
"""

from typing import Any, Dict

from ansible_collections.pifleet.nodered.plugins.module_utils._change import _certificate_files
from ansible_collections.pifleet.nodered.plugins.module_utils._core import _deadline
from ansible_collections.pifleet.nodered.plugins.module_utils._core._module import Module
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _pair, _start_plan
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _systemd

ARGUMENT_SPEC: Dict[str, Any] = {
    "service": {"type": "str", "required": True},
    "certificate_file": {"type": "path", "required": True},
    # The path of a key is no secret; without this, Ansible warns about the name.
    "key_file": {"type": "path", "required": True, "no_log": False},
}


def compared(service: str, certificate_file: str, key_file: str) -> Dict[str, Any]:
    """The certificate in the files, and how far Node-RED has what is in them. Raises Failure if they are no pair."""
    plan = _start_plan.plan(_systemd.existing(service))
    pair = _pair.from_files(certificate_file, key_file)
    wanted = _certificate_files.Wanted(certificate_file=certificate_file, key_file=key_file)
    todo = _certificate_files.differing(pair, wanted, plan)
    return {
        "changed": False,
        "certificate": pair.certificate.decode("utf-8", "replace"),
        "placed": todo.pair is None,
        "followed": not (todo.files or todo.watch),
    }


def main() -> None:
    module = Module(argument_spec={**ARGUMENT_SPEC, "time_limit": _deadline.OPTION}, supports_check_mode=True)
    given = {name: module.params[name] for name in ARGUMENT_SPEC}
    module.finish(lambda: compared(**given), module.params["time_limit"])


if __name__ == "__main__":
    main()
