# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: unit_file
author: The pifleet authors (@pifleet)
version_added: 0.3.0
short_description: Write the sections of a systemd unit file or drop-in as text
description:
  - Returns the text that M(pifleet.nodered.drop_in) writes for the same sections, so that both can be compared before
    the module is called.
  - A value with control characters is rejected.
positional: []
options:
  _input:
    description: The sections as the option O(pifleet.nodered.drop_in#module:sections) takes them.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show a drop-in
  ansible.builtin.debug:
    msg: "{{ {'Service': [{'ReadWritePaths': ['/srv/a b', '/srv/100%']}]} | pifleet.nodered.unit_file }}"
"""

RETURN = r"""
_value:
  description: The text; empty without sections.
  type: str
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _unit_files
from ansible_collections.pifleet.nodered.plugins.plugin_utils import _arguments


def unit_file(sections: object) -> str:
    try:
        return _unit_files.text(_unit_files.from_data(_arguments.mapping(sections, "unit_file: the input")))
    except (_arguments.ArgumentError, Failure) as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    """A filter for roles that write drop-ins."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"unit_file": unit_file}
