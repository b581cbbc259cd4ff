# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: password
short_description: Show a password that is derived from the secret of the fleet
version_added: 0.3.0
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
#   ansible kitchen -m ansible.builtin.debug -a "msg={{ lookup('pifleet.nodered.password', 'login') }}"

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

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.pifleet.nodered.plugins.plugin_utils import _fleet_secret
from ansible_collections.pifleet.nodered.plugins.plugin_utils._arguments import ArgumentError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings_error import MissingLibraryError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._step import Variables, plain


class LookupModule(LookupBase):  # type: ignore[misc]
    """Derives passwords."""

    def run(self, terms: list[t.Any], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        known = variables or {}
        host = self.get_option("host") or known.get("inventory_hostname")
        try:
            return [self._password(term, host, known) for term in terms]
        except (ArgumentError, MissingLibraryError) as error:
            raise AnsibleLookupError(f"The lookup pifleet.nodered.password for {host}: {error}") from None

    def _password(self, purpose: object, host: object, known: dict[str, t.Any]) -> str:
        if purpose not in _fleet_secret.PURPOSES:
            # Not shown: it may be a password.
            raise ArgumentError(f"the term must be one of {', '.join(_fleet_secret.PURPOSES)}.")
        found = _fleet_secret.derived(self._variables(str(host), known), str(host), str(purpose))
        if not found:
            raise ArgumentError(
                f"{_fleet_secret.SECRET} is not set for this host. Its passwords are in files on the controller, see "
                f"nodered_{purpose}_password_dir. If it is in a vault, give that to this command, too."
            )
        return found[0]

    def _variables(self, host: str, known: dict[str, t.Any]) -> t.Mapping[str, t.Any]:
        """Those of this host, which is that of the task or another one of the inventory."""
        if host == known.get("inventory_hostname"):
            return Variables(known, self._templar)
        if host not in known.get("hostvars", {}):
            raise ArgumentError("this host is not in the inventory. Correct the name.")
        found = known["hostvars"][host]
        # Templated already.
        return {name: plain(found[name]) for name in (_fleet_secret.SECRET, _fleet_secret.GENERATION) if name in found}
