# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: settings_js
short_description: Edit the text of a Node-RED settings file
version_added: 0.1.0
author:
  - the pifleet.nodered authors (@pifleet)
description:
  - Takes the text of a C(settings.js) and returns it with the wanted settings active and all else unchanged.
    Comments, order, quotes, indentation, line ends and a byte-order mark stay.
  - The text is edited as a JavaScript syntax tree. An active property is changed in place. A new one goes directly
    below its commented-out example, or to the end of the exported object.
  - What counts is what Node-RED would see. Of duplicate keys the last one is edited, and a later assignment such as
    C(module.exports.uiPort = 1881) is edited where it stands.
  - Values are compared by meaning. If all settings are as wanted, the same text is returned, byte for byte.
  - A text that cannot be edited with certainty is refused, with the place, the source line and what to do about it.
  - A text of more than 256 KiB, 20000 opening brackets or 100000 names, values and signs, code that is nested more than
    1000 levels deep, and a text that takes more than 1 second of computing time are refused, too, since it may come
    from an attacker.
  - An edit of Node-RED's own file takes about 1 MB of memory. Dense code takes 70 to 150 times its size, in rare shapes
    more; its syntax tree alone takes 30 to 130 times. No text within these limits takes more than about 60 MB.
  - To edit a file on a host use M(pifleet.nodered.settings), which also checks and backs up.
requirements:
  - tree-sitter and tree-sitter-javascript on the controller
  - libpass (passlib) and bcrypt on the controller, for V($password)
options:
  _input:
    description: The text of the settings file.
    type: str
    required: true
  set:
    description:
      - The wanted settings. A key is a setting, such as V(uiPort), or a dotted path, such as
        V(editorTheme.projects.enabled); its parents are made as needed.
      - A value is anything that YAML can hold as text, number, boolean, null, list or dictionary.
      - 'The dictionary C({"$js": "<expression>"}) stands for one JavaScript expression, written as it is.'
      - 'The dictionary C({"$password": "<plaintext>", "$rounds": 8}) becomes a bcrypt hash. A hash that is in the file
        already stays if it fits the password and its cost is not lower. C($ident) chooses the prefix, V(2b) by
        default.'
      - 'The dictionary C({"$fallback": 1885}) keeps the setting''s own expression and changes the number in it that
        counts where the environment says nothing else, as in C(process.env.PORT || 1880), also where it stands in a
        variable. Where there is no such number, or it is not certain, nothing changes.'
      - In V(adminAuth.users) the users of the file and the wanted ones are matched by C(username).
    type: dict
    default: {}
  remove:
    description: Settings or dotted paths that should not be there. Their comments stay.
    type: list
    elements: str
    default: []
  filename:
    description: The name of the file as errors should show it.
    type: str
    default: settings.js
seealso:
  - module: pifleet.nodered.settings
  - plugin: pifleet.nodered.settings_value
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show what a settings file would look like with another port
  ansible.builtin.debug:
    msg: "{{ source | pifleet.nodered.settings_js(set={'uiPort': 1881}) }}"
  vars:
    source: "{{ lookup('ansible.builtin.file', 'settings.js', rstrip=false) }}"

- name: Write a settings file with a login, on the controller
  ansible.builtin.copy:
    content: "{{ source | pifleet.nodered.settings_js(set=wanted) }}"
    dest: out/settings.js
    mode: "0600"
  no_log: true
  vars:
    source: "{{ lookup('ansible.builtin.file', 'settings.js', rstrip=false) }}"
    wanted:
      adminAuth:
        type: credentials
        users:
          - username: admin
            password: {"$password": "{{ vault_nodered_password }}"}
            permissions: "*"
      https: {"$js": "{ key: require('fs').readFileSync('/etc/nodered/key.pem') }"}
"""

RETURN = r"""
_value:
  description: The text of the settings file with the wanted settings.
  type: str
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core import _arguments
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings._settings_js import SettingsError, edit


def settings_js(source: object, set: object = None, remove: object = None, filename: object = "settings.js") -> str:
    try:
        return edit(
            _arguments.text(source, "settings_js: the settings file"),
            set=_arguments.mapping(set or {}, "settings_js: set"),
            remove=_arguments.names(remove or [], "settings_js: remove"),
            filename=_arguments.text(filename, "settings_js: filename"),
        ).text
    except (_arguments.ArgumentError, SettingsError) as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    """Filters for Node-RED settings files."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"settings_js": settings_js}
