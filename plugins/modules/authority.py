#!/usr/bin/python
# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: authority
short_description: Keep a private authority on the controller, and client certificates
version_added: 0.3.0
author:
  - The pifleet authors (@pifleet)
description:
  - Makes a private authority and client certificates in a folder on the controller. Nothing is run on the host.
  - The authority has critical name constraints (RFC 5280). It may make certificates for C(local), C(localhost), private
    addresses, the names and addresses of all hosts in the inventory, and O(permit). A single label that is a top-level
    domain, such as C(garden), is left out.
  - The action reads passphrases from variables, so they are no arguments of a task, which callback plugins receive.
  - An authority whose name constraints are missing or too narrow causes a warning. It is replaced with O(replace).
requirements:
  - cryptography on the controller
extends_documentation_fragment:
  - pifleet.nodered.attributes
attributes:
  diff_mode:
    support: none
options:
  folder:
    description:
      - The folder of the authority on the controller. C(authority.pem) in it is for browsers and phones.
    type: path
    required: true
  passphrase_from:
    description:
      - The name of the variable that has the passphrase of the authority's key.
    type: str
    required: true
  needs:
    description:
      - Host names and addresses for which the host needs a certificate. The task fails where the authority may not make
        one for them.
    type: list
    elements: str
    default: []
  permit:
    description:
      - Domains, addresses and networks that a new authority may make certificates for, in addition.
    type: list
    elements: str
    default: []
  replace:
    description:
      - Replace an authority without name constraints, or one whose constraints lack a name of the inventory.
      - The one before is kept in a folder beside it.
      - All certificates are made anew then, and every browser and phone needs the new C(authority.pem).
    type: bool
    default: false
  clients:
    description:
      - People for whom a client certificate is kept as C(clients/NAME.p12).
      - Names have letters, digits and C(@._-).
    type: list
    elements: str
    default: []
  client_passphrase_from:
    description:
      - The name of the variable that has the passphrase of the C(.p12) files.
    type: str
  verification:
    description:
      - Keep a client certificate and key for the verification, as C(clients/proof.pem) and C(clients/proof.key).
    type: bool
    default: false
  days:
    description:
      - For how many days a client certificate is made. Two of them are in the past.
    type: int
    default: 397
  renew_days:
    description:
      - A client certificate with fewer days left is renewed.
    type: int
    default: 30
seealso:
  - module: pifleet.nodered.certificate
"""

EXAMPLES = r"""
- name: Keep an authority, and a certificate for ada
  pifleet.nodered.authority:
    folder: "{{ inventory_dir }}/.nodered-authority"
    passphrase_from: vault_authority_passphrase
    clients: [ada]
    client_passphrase_from: vault_client_passphrase
    permit: [example.org]
"""

RETURN = r"""
certificate:
  description: The certificate of the authority as PEM text. Empty in check mode where it would be made.
  returned: success
  type: str
made:
  description: Whether the authority was made in this task, or would be.
  returned: success
  type: bool
clients:
  description: For whom a client certificate was made, or would be.
  returned: success
  type: list
  elements: str
"""

from typing import Any, Dict

from ansible_collections.pifleet.nodered.plugins.module_utils._core._module import Module

ARGUMENT_SPEC: Dict[str, Any] = {
    "folder": {"type": "path", "required": True},
    # The name of a variable is no secret; without this, Ansible warns about the names of these options.
    "passphrase_from": {"type": "str", "required": True, "no_log": False},
    "needs": {"type": "list", "elements": "str", "default": []},
    "permit": {"type": "list", "elements": "str", "default": []},
    "replace": {"type": "bool", "default": False},
    "clients": {"type": "list", "elements": "str", "default": []},
    "client_passphrase_from": {"type": "str", "no_log": False},
    "verification": {"type": "bool", "default": False},
    "days": {"type": "int", "default": 397},
    "renew_days": {"type": "int", "default": 30},
}


def main() -> None:
    module = Module(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    module.fail_json(msg="pifleet.nodered.authority runs on the controller only, as an action of a playbook.")


if __name__ == "__main__":
    main()
