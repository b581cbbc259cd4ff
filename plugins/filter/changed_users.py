# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: changed_users
author: The pifleet authors (@pifleet)
version_added: 0.3.0
short_description: Find the users of C(adminAuth) whose login changes
description:
  - Compares what the filter P(pifleet.nodered.admin_auth#filter) returned with the C(adminAuth) of a settings file.
  - The verification logs in only as a user whose login has changed, so that a password is not sent in each run.
positional: []
options:
  _input:
    description: What P(pifleet.nodered.admin_auth#filter) returned.
    type: dict
    required: true
  present:
    description: The C(adminAuth) in the settings file, as P(pifleet.nodered.settings_value#filter) returns it.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Show whose login would change
  ansible.builtin.debug:
    msg: "{{ wanted | pifleet.nodered.changed_users(present=text | pifleet.nodered.settings_value('adminAuth')) }}"
"""

RETURN = r"""
_value:
  description: User names, only of users with C(password). Those with C(password_hash) are left out.
  type: list
  elements: str
"""

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.pifleet.nodered.plugins.plugin_utils import _admin_auth, _settings_error


def changed_users(wanted: Any, *, present: Any) -> list[str]:
    try:
        return _admin_auth.changed_users(wanted, present)
    except (_admin_auth.LoginError, _settings_error.MissingLibraryError) as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"changed_users": changed_users}
