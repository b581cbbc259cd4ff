# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the private authority and its client certificates on the controller. Nothing is run on the host.

The module of the same name carries the documentation.
"""

from __future__ import annotations

import typing as t

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible_collections.pifleet.nodered.plugins.modules.authority import ARGUMENT_SPEC
from ansible_collections.pifleet.nodered.plugins.plugin_utils._arguments import ArgumentError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._authority import (
    PROOF,
    AuthorityError,
    AuthorityFolder,
    effective_constraints,
    require_client_name,
    require_names,
    warning_about,
)
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificate import CannotJudgeError, CertificateError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificate_here import require_judgement_here
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificate_names import (
    CertificateNameError,
    Constraints,
    constraints,
    require_canonical,
)
from ansible_collections.pifleet.nodered.plugins.plugin_utils._inventory import inventory_names
from ansible_collections.pifleet.nodered.plugins.plugin_utils._variables import named_text

Options = dict[str, t.Any]


class ActionModule(ActionBase):
    """No remote execution."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        _spec, options = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        self._task_vars = task_vars or {}
        try:
            require_judgement_here()
            return self._kept(options, _wanted_constraints(options, self._task_vars))
        except (ArgumentError, AuthorityError, CannotJudgeError, CertificateError, CertificateNameError) as error:
            return {"failed": True, "msg": str(error)}

    def _kept(self, options: Options, wanted: Constraints) -> dict[str, t.Any]:
        folder = AuthorityFolder(options["folder"])
        if self._task.check_mode:
            return self._made(folder, options, wanted)
        with folder.locked():
            return self._made(folder, options, wanted)

    def _made(self, folder: AuthorityFolder, options: Options, wanted: Constraints) -> dict[str, t.Any]:
        certificate = folder.certificate()
        effective, is_new = effective_constraints(certificate, wanted, replace=options["replace"])
        require_names(
            effective, [require_canonical(name, "nodered_address or nodered_tls_names") for name in options["needs"]]
        )
        passphrase = self._text(options, "passphrase_from")
        if certificate:
            # Also before it is replaced: its successor has the same passphrase, which may be misspelled.
            folder.opened(passphrase)
        if is_new and not self._task.check_mode:
            folder.make(passphrase, effective)
        pending = is_new and self._task.check_mode
        clients = self._clients(folder, options, passphrase, all_due=pending)
        return {
            "changed": is_new or bool(clients),
            "made": is_new,
            "clients": clients,
            "certificate": "" if pending else folder.certificate(),
            "warnings": [] if is_new else _warnings(folder, wanted),
        }

    def _clients(self, folder: AuthorityFolder, options: Options, passphrase: str, *, all_due: bool) -> list[str]:
        """Make the client certificates that are due; for whom."""
        wanted = [*map(require_client_name, options["clients"]), *([PROOF] if options["verification"] else [])]
        due = [client for client in wanted if all_due or folder.is_due(client, options["renew_days"])]
        if due and not self._task.check_mode:
            authority = folder.opened(passphrase)
            for client in due:
                packed_with = "" if client == PROOF else self._text(options, "client_passphrase_from")
                folder.make_client(client, authority, days=options["days"], passphrase=packed_with)
        return due

    def _text(self, options: Options, option: str) -> str:
        """The passphrase in the variable that the option names. Read here, as callbacks receive task arguments."""
        found = named_text(options[option], option, self._task_vars, self._templar)
        if not found:
            raise ArgumentError(f"{options[option]} is empty. Give a passphrase, from a vault.")
        return found


def _warnings(folder: AuthorityFolder, wanted: Constraints) -> list[str]:
    warning = warning_about(folder.certificate(), str(folder.path), wanted)
    return [warning] if warning else []


def _wanted_constraints(options: Options, task_vars: dict[str, t.Any]) -> Constraints:
    names = inventory_names(task_vars["hostvars"], constants.DEFAULT_LOCAL_TMP)
    return constraints(names.all, [*options["permit"], *names.authority_names])
