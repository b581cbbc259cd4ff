# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: password
short_description: Show a password that is derived from the secret of the fleet
version_added: 1.0.0
author:
  - the pifleet.nodered authors (@pifleet)
description:
  - Returns a random password of a host, as the roles derive it from the variable C(nodered_fleet_secret), the inventory
    name of the host, and C(nodered_password_generation).
  - Nothing is read from the host. If its password was set otherwise, the login differs; the roles report that.
notes:
  - Everyone who can read the output of a run can read what a task shows. Call this on a terminal, not in a job whose
    output is kept.
  - Without C(nodered_fleet_secret), passwords are in files on the controller (C(nodered_login_password_dir),
    C(nodered_http_auth_password_dir)).
requirements:
  - cryptography on the controller
options:
  _terms:
    description:
      - Which password. V(login) is that of the user C(admin) of the editor, V(http_auth) that of pages and dashboards.
    type: list
    elements: str
    required: true
  host:
    description: The inventory name of the host. The one of the task when unset.
    type: str
"""

EXAMPLES = r"""
# On a terminal, with the inventory and the vault of the fleet:
#   ansible -i inventory.yml kitchen --ask-vault-pass -m ansible.builtin.debug \
#     -a "msg={{ lookup('pifleet.nodered.password', 'login') }}"

- name: Show the password of the dashboards of a host
  ansible.builtin.debug:
    msg: "{{ lookup('pifleet.nodered.password', 'http_auth', host='kitchen') }}"
"""

RETURN = r"""
_raw:
  description: One password for each term.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._arguments import ArgumentError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords import _fleet_secret
from ansible_collections.pifleet.nodered.plugins.plugin_utils._run._lookup import DerivedLookup, missing


class LookupModule(DerivedLookup):
    """Derives passwords."""

    NAME = "password"

    def shown(self, term: object, host: str, variables: t.Mapping[str, t.Any]) -> str:
        if term not in _fleet_secret.PURPOSES:
            # Not shown: it may be a password.
            raise ArgumentError(f"the term must be one of {', '.join(_fleet_secret.PURPOSES)}.")
        found = _fleet_secret.derived(variables, host, str(term))
        if not found:
            raise missing(f"nodered_{term}_password_dir")
        return found[0]
