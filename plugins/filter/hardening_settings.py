# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: hardening_settings
author: The pifleet authors (@pifleet)
version_added: 0.2.0
short_description: Turn the variables of the role hardening into Node-RED's settings
description:
  - Checks what is wanted and returns the settings for M(pifleet.nodered.settings).
  - Every mistake is refused with the variable named.
  - A setting that the release does not know is left out, and said.
positional: []
options:
  _input:
    description:
      - The role's variables without their prefix (C(disable_editor), C(admin_root), C(listen_address), C(headers),
        C(audit_log), C(function_modules), C(external_modules), C(diagnostics), C(telemetry), C(cookie_options)).
        None stands for one that is unset.
    type: dict
    required: true
  node_red:
    description: The Node-RED release that will read the settings. With none, nothing is left out.
    type: str
  text:
    description: The text of the settings file as it is.
    type: str
    required: true
  filename:
    description: The name of the file as errors should show it.
    type: str
    default: settings.js
"""

EXAMPLES = r"""
- name: Show which settings these wishes become
  ansible.builtin.debug:
    msg: "{{ {'audit_log': true} | pifleet.nodered.hardening_settings(node_red='4.1.15', text=text) }}"
  vars:
    text: "{{ lookup('ansible.builtin.file', 'settings.js') }}"
"""

RETURN = r"""
_value:
  description:
    - A mapping with C(set) and C(remove) as M(pifleet.nodered.settings) takes them, and C(left_out), a list of
      sentences about settings that the release does not know.
  type: dict
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.pifleet.nodered.plugins.plugin_utils import _arguments
from ansible_collections.pifleet.nodered.plugins.plugin_utils._hardening import plan
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings_error import SettingsError


def hardening_settings(
    wanted: object, node_red: object = None, text: object = "", filename: object = "settings.js"
) -> dict[str, object]:
    try:
        found = plan(
            _arguments.mapping(wanted, "hardening_settings: the input"),
            node_red=_arguments.release(node_red, "hardening_settings: node_red") if node_red else None,
            text=_arguments.text(text, "hardening_settings: text"),
            filename=_arguments.text(filename, "hardening_settings: filename"),
        )
    except (_arguments.ArgumentError, SettingsError) as error:
        raise AnsibleFilterError(str(error)) from None
    if found.mistakes:
        raise AnsibleFilterError("\n".join(found.mistakes))
    return {"set": found.set, "remove": found.remove, "left_out": found.left_out}


class FilterModule:
    """A filter for the role hardening."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"hardening_settings": hardening_settings}
