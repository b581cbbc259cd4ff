# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: bcrypt_hash
short_description: Hash a password for a Node-RED login
version_added: 0.1.0
author:
  - the pifleet.nodered authors (@pifleet)
description:
  - Returns the bcrypt hash of a password, in the form that Node-RED stores for its logins.
  - Rejects an empty password, one with a NUL character, and one of more than 72 bytes in UTF-8, because bcrypt would
    cut it silently.
notes:
  - Each call makes a new salt, so the result is another one each time and a task that writes it always changes.
    Use M(pifleet.nodered.settings) with C($password) instead, which keeps a hash that still fits.
requirements:
  - libpass (passlib) and bcrypt on the controller
options:
  _input:
    description: The plaintext password.
    type: str
    required: true
  rounds:
    description: The cost, from 4 to 31. One more doubles the time of a login.
    type: int
    default: 8
  ident:
    description: The prefix. Node-RED 0.18 and older can only read V(2a).
    type: str
    choices: [2a, 2b, 2y]
    default: 2b
seealso:
  - module: pifleet.nodered.settings
"""

EXAMPLES = r"""
- name: Show a hash for an inventory file
  ansible.builtin.debug:
    msg: "{{ my_password | pifleet.nodered.bcrypt_hash(rounds=10) }}"
"""

RETURN = r"""
_value:
  description: The bcrypt hash.
  type: str
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core import _arguments
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._errors import MissingLibraryError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords._bcrypt import PasswordError, hash_password


def bcrypt_hash(password: object, rounds: int = 8, ident: str = "2b") -> str:
    try:
        text = _arguments.text(password, "the password")
        return hash_password(text, rounds=_arguments.whole_number(rounds, "rounds"), ident=ident)
    except (_arguments.ArgumentError, PasswordError, MissingLibraryError) as error:
        raise AnsibleFilterError(f"bcrypt_hash: {error}") from None


class FilterModule:
    """A filter that hashes passwords."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"bcrypt_hash": bcrypt_hash}
