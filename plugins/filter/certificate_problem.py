# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_problem
author: The pifleet authors (@pifleet)
version_added: 0.1.0
short_description: Say why a server should not use a certificate
description:
  - Returns why a server should not use this certificate, and what to do; an empty text where it is good.
  - Looked at are the dates, the chain, the strength, the purpose and the names.
  - It fails, and returns nothing, where the controller cannot judge any certificate, as its clock or the Python package
    cryptography is missing.
requirements:
  - cryptography on the controller
positional: []
options:
  _input:
    description: The certificate as PEM text, the server's own first, then those that lead to its authority.
    type: str
    required: true
  names:
    description: The host names and addresses that it must be made for.
    type: list
    elements: str
    default: []
  authorities:
    description: >-
      PEM text of the authorities of which one must have issued it. The default is those of the controller's system, or
      the certificate itself where it is self-signed.
    type: str
  days_left:
    description: How many days it must still be valid.
    type: int
    default: 0
  purpose:
    description: For what it must be made, V(server) or V(client).
    type: str
    default: server
"""

EXAMPLES = r"""
- name: Stop at a certificate that is about to expire
  ansible.builtin.assert:
    that: not problem
    fail_msg: "{{ problem }}"
  vars:
    problem: "{{ lookup('ansible.builtin.file', 'pi.pem') | pifleet.nodered.certificate_problem(days_left=14) }}"
"""

RETURN = r"""
_value:
  description: The problem and its remedy, or an empty text.
  type: str
"""

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificate import CannotJudgeError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificate_here import problem_of


def certificate_problem(certificate: str, **options: Any) -> str:
    try:
        return problem_of(certificate, **options)
    except CannotJudgeError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"certificate_problem": certificate_problem}
