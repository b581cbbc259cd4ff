# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: http_auth
author: The pifleet authors (@pifleet)
version_added: 0.1.0
short_description: Find the settings that put a password in front of Node-RED's pages and sockets
description:
  - Looks at the text of a C(settings.js) and returns what to set in it with M(pifleet.nodered.settings).
  - Passwords are not hashed here but marked with C($password), so that a hash that is still right can be kept.
  - Every mistake is refused with the variable named, and never with a password in the message.
requirements:
  - tree-sitter and tree-sitter-javascript on the controller
positional: []
options:
  _input:
    description: The text of the settings file.
    type: str
    required: true
  found:
    description: What M(pifleet.nodered.instance_info) found.
    type: dict
    required: true
  user:
    description: The name to log in with.
    type: str
    required: true
  password:
    description: The plaintext password. Without one, the credentials that are there are kept.
    type: str
  rounds:
    description: Bcrypt cost of new hashes.
    type: int
    default: 8
  static_user:
    description: Another name for static files.
    type: str
  static_password:
    description: Another password for static files.
    type: str
  open_paths:
    description: Paths of flows that ask for no password.
    type: list
    elements: str
    default: []
  replace:
    description: Whether to replace code that somebody else put in the place of ours.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Close the pages of the flows
  pifleet.nodered.settings:
    path: "{{ found.instance.settings_file }}"
    set: "{{ (text | pifleet.nodered.http_auth(found=found.instance, user='web', password=web_password)).settings }}"
"""

RETURN = r"""
_value:
  description:
    - C(settings) are to be set, and C(needs_companion) says whether they require the file C(pifleet-http-auth.js).
    - C(left_alone) and C(not_closed) say what stays as it is, and what cannot be closed on this machine.
    - C(managed) is false where all of it is somebody's own.
  type: dict
"""

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.pifleet.nodered.plugins.plugin_utils import (
    _arguments,
    _http_auth,
    _settings_error,
)


# Ansible's own wrapper of filters has a parameter named instance, so the option cannot be called so.
def http_auth(source: Any, *, found: Any, user: Any, rounds: Any = 8, **options: Any) -> dict[str, object]:
    try:
        plan = _http_auth.plan(
            _arguments.text(source, "http_auth: the settings file"),
            instance=_http_auth.checked_instance(found),
            user=user,
            password=options.pop("password", None),
            rounds=_arguments.whole_number(rounds, "nodered_http_auth_rounds"),
            **options,
        )
        return _http_auth.as_mapping(plan)
    except (_arguments.ArgumentError, _http_auth.HttpAuthError, _settings_error.SettingsError) as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"http_auth": http_auth}
