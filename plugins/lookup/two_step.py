# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: two_step
short_description: Show a two-step login that is derived from the secret of the fleet
version_added: 1.0.0
author:
  - the pifleet.nodered authors (@pifleet)
description:
  - Returns what an authenticator app needs of a user with C(totp) in C(nodered_login_users), and the recovery codes, as
    the role C(login) derives them from the variable C(nodered_fleet_secret), the inventory name of the host, and
    C(totp_generation) of the user.
  - The text has the C(otpauth) address, the recovery codes, and a QR code for a terminal with a dark background.
notes:
  - Everyone who can read the output of a run can read what a task shows. Call this on a terminal, not in a job whose
    output is kept.
  - A user whose secret is in a file on the controller (C(nodered_login_totp_dir)) has that one.
requirements:
  - cryptography and segno on the controller
options:
  _terms:
    description: Names of users.
    type: list
    elements: str
    required: true
  host:
    description: The inventory name of the host. The one of the task when unset.
    type: str
seealso:
  - plugin: pifleet.nodered.password
    plugin_type: lookup
"""

EXAMPLES = r"""
# On a terminal, with the inventory and the vault of the fleet:
#   ansible -i inventory.yml kitchen --ask-vault-pass -m ansible.builtin.debug \
#     -a "msg={{ lookup('pifleet.nodered.two_step', 'ada').splitlines() }}"

- name: Show the second step of a user
  ansible.builtin.debug:
    msg: "{{ lookup('pifleet.nodered.two_step', 'ada', host='kitchen').splitlines() }}"
"""

RETURN = r"""
_raw:
  description: One text for each user.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._arguments import ArgumentError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords import _fleet_secret, _totp, _totp_files
from ansible_collections.pifleet.nodered.plugins.plugin_utils._run._lookup import DerivedLookup, missing
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings import _admin_auth

USERS = "nodered_login_users"


class LookupModule(DerivedLookup):
    """Derives secrets and recovery codes."""

    NAME = "two_step"
    VARIABLES = (_fleet_secret.SECRET, USERS)

    def shown(self, term: object, host: str, variables: t.Mapping[str, t.Any]) -> str:
        secret = _fleet_secret.secret_in(variables)
        if not secret:
            raise missing("nodered_login_totp_dir")
        users = _admin_auth.two_step_users(variables.get(USERS))
        user = str(term)
        if user not in users:
            raise ArgumentError(f"no user in {USERS} has this name and totp: true. Correct the name.")
        return _totp.record(_totp_files.derived(secret, host, user, users[user]), host=host, user=user)
