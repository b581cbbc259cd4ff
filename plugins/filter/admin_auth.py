# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: admin_auth
author: The pifleet authors (@pifleet)
version_added: 0.1.0
short_description: Turn a list of users into Node-RED's C(adminAuth)
description:
  - Checks a list of users and returns the value of C(adminAuth) for M(pifleet.nodered.settings).
  - Every mistake is refused with the place named, and never with a password in the message.
  - Passwords are not hashed here but marked with C($password), so that a hash that is still right can be kept.
positional: []
options:
  _input:
    description: Users with C(username), C(password) or C(password_hash), and C(permissions).
    type: list
    elements: dict
    required: true
  node_red:
    description: The Node-RED release that will read it. It decides which bcrypt hashes can be used.
    type: str
    required: true
  rounds:
    description: Bcrypt cost of new hashes.
    type: int
    default: 8
  default_permissions:
    description: What somebody without a login may do. V(*) is refused.
    type: raw
  session_expiry:
    description: Seconds until a login ends.
    type: int
  present:
    description: The C(adminAuth) that stands there now. What the other options do not decide is taken over.
    type: dict
"""

EXAMPLES = r"""
- name: Set the users of the editor
  pifleet.nodered.settings:
    path: /home/pi/.node-red/settings.js
    set:
      adminAuth: "{{ editor_users | pifleet.nodered.admin_auth(node_red='4.1.15') }}"
"""

RETURN = r"""
_value:
  description: The value of C(adminAuth).
  type: dict
"""

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.pifleet.nodered.plugins.plugin_utils import (
    _admin_auth,
    _arguments,
    _settings_error,
)


def admin_auth(
    users: Any,
    *,
    node_red: Any,
    rounds: Any = 8,
    default_permissions: Any = None,
    session_expiry: Any = None,
    present: Any = None,
) -> dict[str, object]:
    try:
        return _admin_auth.admin_auth(
            users,
            node_red=_arguments.release(node_red, "admin_auth: node_red"),
            rounds=_arguments.whole_number(rounds, "nodered_login_rounds"),
            default_permissions=default_permissions,
            session_expiry=None
            if session_expiry is None
            else _arguments.whole_number(session_expiry, "nodered_login_session_expiry"),
            present=_arguments.mapping(present or {}, "admin_auth: present"),
        )
    except (_admin_auth.LoginError, _arguments.ArgumentError, _settings_error.MissingLibraryError) as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"admin_auth": admin_auth}
