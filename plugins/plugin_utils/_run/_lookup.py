# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The base class of the lookups that show what is derived from the secret of the fleet. Private."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from .._core._arguments import ArgumentError
from .._core._errors import MissingLibraryError
from .._passwords import _fleet_secret
from .._passwords._totp import TotpError
from ._step import Variables, plain


class DerivedLookup(LookupBase):  # type: ignore[misc]
    """Shows one text for each term."""

    NAME = ""
    VARIABLES: tuple[str, ...] = (_fleet_secret.SECRET, _fleet_secret.GENERATION)
    """What `shown` may read."""

    def run(self, terms: list[t.Any], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        known = variables or {}
        host = str(self.get_option("host") or known.get("inventory_hostname"))
        try:
            return [self.shown(term, host, self._variables(host, known)) for term in terms]
        except (ArgumentError, MissingLibraryError, TotpError) as error:
            raise AnsibleLookupError(f"The lookup pifleet.nodered.{self.NAME} for {host}: {error}") from None

    def shown(self, term: object, host: str, variables: t.Mapping[str, t.Any]) -> str:
        """The text for this term and this host (inventory name).

        Raises ArgumentError, MissingLibraryError and TotpError.
        """
        raise NotImplementedError

    def _variables(self, host: str, known: dict[str, t.Any]) -> t.Mapping[str, t.Any]:
        """Those of this host, which is that of the task or another one of the inventory."""
        if host == known.get("inventory_hostname"):
            return Variables(known, self._templar)
        if host not in known.get("hostvars", {}):
            raise ArgumentError("this host is not in the inventory. Correct the name.")
        found = known["hostvars"][host]
        # Templated already.
        return {name: plain(found[name]) for name in self.VARIABLES if name in found}


def missing(files: str) -> ArgumentError:
    """That there is no secret; `files` is the variable with the folder that is used without one."""
    return ArgumentError(
        f"{_fleet_secret.SECRET} is not set for this host. What it has is in files on the controller, see {files}. If "
        "the secret is in a vault, give that to this command, too."
    )
