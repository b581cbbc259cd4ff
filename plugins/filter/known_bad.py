# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: known_bad
author: The pifleet authors (@pifleet)
version_added: 0.2.0
short_description: Find what is known to be bad in the text of a Node-RED settings file
description:
  - Finds the sample password of Node-RED's template, passwords that are no bcrypt hash, old logins with MD5, a default
    user who may change flows, well-known credential secrets, and names of settings that Node-RED ignores because they
    are misspelled.
  - Only the text is looked at. What is computed there is not judged.
  - No finding holds a password, a hash or a secret.
requirements:
  - tree-sitter and tree-sitter-javascript on the controller
  - libpass (passlib) and bcrypt on the controller
positional: []
options:
  _input:
    description: The text of the settings file.
    type: str
    required: true
  filename:
    description: The name of the file as errors should show it.
    type: str
    default: settings.js
  replaced:
    description: Settings that are about to get another value, so that theirs are not judged.
    type: list
    elements: str
    default: []
  accepted:
    description: Settings whose findings are not to be refused.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show what is bad in a settings file
  ansible.builtin.debug:
    msg: "{{ lookup('ansible.builtin.file', 'settings.js') | pifleet.nodered.known_bad | map(attribute='problem') }}"
"""

RETURN = r"""
_value:
  description:
    - A list of mappings with C(setting), C(problem), C(remedy) and C(refuse), which says whether this leaves
      Node-RED open or locks people out.
  type: list
  elements: dict
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.pifleet.nodered.plugins.plugin_utils import _arguments
from ansible_collections.pifleet.nodered.plugins.plugin_utils._known_bad import findings
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings_error import SettingsError


def known_bad(
    text: object, filename: object = "settings.js", replaced: object = (), accepted: object = ()
) -> list[dict[str, object]]:
    try:
        found = findings(
            _arguments.text(text, "known_bad: the settings file"),
            filename=_arguments.text(filename, "known_bad: filename"),
            replaced=_arguments.names(replaced, "known_bad: replaced"),
        )
        unrefused = _arguments.names(accepted, "nodered_hardening_accepted")
    except (_arguments.ArgumentError, SettingsError) as error:
        raise AnsibleFilterError(str(error)) from None
    return [
        {
            "setting": one.setting,
            "problem": one.problem,
            "remedy": one.remedy,
            "refuse": one.grave and one.setting not in unrefused,
        }
        for one in found
    ]


class FilterModule:
    """A filter that finds weaknesses."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"known_bad": known_bad}
