# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: settings_value
short_description: Read one setting from the text of a Node-RED settings file
version_added: 0.1.0
author:
  - the pifleet.nodered authors (@pifleet)
description:
  - Returns the value that a setting has in the text of a C(settings.js), as far as the text alone shows it.
  - Nothing is executed, so the environment and included files do not count.
  - A text whose exported object is not certain is refused, with the place, the source line and what to do about it.
requirements:
  - tree-sitter and tree-sitter-javascript on the controller
positional: name
options:
  _input:
    description: The text of the settings file.
    type: str
    required: true
  name:
    description: The setting, such as V(uiPort), or a dotted path, such as V(editorTheme.projects.enabled).
    type: str
    required: true
  filename:
    description: The name of the file as errors should show it.
    type: str
    default: settings.js
seealso:
  - plugin: pifleet.nodered.settings_js
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the port, or the default where the file names none
  ansible.builtin.debug:
    msg: "{{ text | pifleet.nodered.settings_value('uiPort') | default(1880) }}"
  vars:
    text: "{{ lookup('ansible.builtin.file', 'settings.js') }}"

# With uiPort: process.env.PORT || 1880, this shows {"$js": "process.env.PORT || 1880"}.
"""

RETURN = r"""
_value:
  description:
    - The value where it is a plain literal. Else a dictionary with the key C($js) and the expression's source text.
    - Undefined where the setting is not there.
  type: raw
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core import _arguments
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings._settings_js import (
    SettingsError,
    Undefined,
    value,
)
from jinja2 import Environment, pass_environment


@pass_environment
def settings_value(environment: Environment, source: object, name: object, filename: object = "settings.js") -> object:
    try:
        setting = _arguments.text(name, "settings_value: the name")
        found = value(
            _arguments.text(source, "settings_value: the settings file"),
            setting,
            filename=_arguments.text(filename, "settings_value: filename"),
        )
    except (_arguments.ArgumentError, SettingsError) as error:
        raise AnsibleFilterError(str(error)) from None
    if isinstance(found, Undefined):
        return environment.undefined(hint=f"the setting {setting} is not in {filename}", name=setting)
    return found


class FilterModule:
    """Filters for Node-RED settings files."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"settings_value": settings_value}
