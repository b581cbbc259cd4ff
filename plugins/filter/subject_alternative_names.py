# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: subject_alternative_names
author: The pifleet authors (@pifleet)
version_added: 0.1.0
short_description: Write host names and addresses as a certificate request needs them
description:
  - Turns names and addresses into subject alternative names such as V(DNS:pi.local) and V(IP:192.0.2.1), each once.
positional: []
options:
  _input:
    description: Host names and addresses.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show the names
  ansible.builtin.debug:
    msg: "{{ ['pi.local', '192.0.2.1'] | pifleet.nodered.subject_alternative_names }}"
"""

RETURN = r"""
_value:
  description: The subject alternative names.
  type: list
  elements: str
"""

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.pifleet.nodered.plugins.plugin_utils import _arguments, _certificate


def subject_alternative_names(names: object) -> list[str]:
    try:
        return _certificate.subject_alternative_names(_arguments.names(names, "nodered_tls_names"))
    except _arguments.ArgumentError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"subject_alternative_names": subject_alternative_names}
