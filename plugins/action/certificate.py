# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make or check a certificate on the controller, where the Pi's clock and libraries do not matter; hand the pair over.

A key that is made here goes from this process to the host, and into no result, fact, file or task argument.

The module of the same name carries the documentation.
"""

from __future__ import annotations

import datetime
import hashlib
import typing as t

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible_collections.pifleet.nodered.plugins.modules.certificate import ARGUMENT_RULES, ARGUMENT_SPEC
from ansible_collections.pifleet.nodered.plugins.plugin_utils import _arguments, _certificate_make, _variables
from ansible_collections.pifleet.nodered.plugins.plugin_utils._authority import (
    AuthorityError,
    AuthorityFolder,
    require_names,
)
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificate import (
    CannotJudgeError,
    CertificateError,
    constraints_of,
    is_self_signed,
)
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificate_here import (
    problem_of,
    problem_of_authorities,
    require_judgement_here,
)
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificate_names import (
    CertificateNameError,
    names_of_host,
)
from ansible_collections.pifleet.nodered.plugins.plugin_utils._inventory import inventory_names

MODULE = "pifleet.nodered.certificate"

Options = dict[str, t.Any]


class ActionModule(ActionBase):
    """One remote execution, none where ``present`` says that the pair is there; with files, one more to read."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        _spec, options = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC, **ARGUMENT_RULES)
        self._task_vars = task_vars or {}
        try:
            require_judgement_here()
            return self._given(options)
        except (
            _arguments.ArgumentError,
            AuthorityError,
            CannotJudgeError,
            CertificateError,
            CertificateNameError,
        ) as error:
            return {"failed": True, "msg": str(error)}

    def _given(self, options: Options) -> dict[str, t.Any]:
        # node would take an authority that it cannot read for none at all, and let nobody in.
        authority = options["client_authority"]
        problem = problem_of_authorities(authority, called="the clients' authority") if authority else ""
        if problem:
            return {"failed": True, "msg": problem}
        if options["made_by"]:
            return self._made(options)
        if options["pair_from"]:
            options |= self._named_pair(options["pair_from"])
        result = self._from_files(options) if options["certificate_file"] else self._from_text(options)
        if not result.get("failed"):
            result["self_signed"] = is_self_signed(result["certificate"])
        return result

    def _named_pair(self, name: str) -> dict[str, str]:
        """The pair in the variable with this name. It is read here, as callback plugins receive each task argument."""
        found = _variables.named_mapping(name, "pair_from", self._task_vars, self._templar)
        return {part: _arguments.text(found.get(part), f"{name}.{part}") for part in ("certificate", "key")}

    def _made(self, options: Options) -> dict[str, t.Any]:
        names = self._names(options)
        reason = _reason(options, names)
        present = options["present"] or {}
        result = {
            "changed": bool(reason),
            "folder": present.get("folder"),
            "certificate": present.get("certificate") or "",
            "self_signed": options["made_by"] == "selfsigned",
            "names": names,
            "reason": reason,
        }
        if not reason or self._task.check_mode:
            return result
        pair = self._new_pair(options, names)
        problem = _problem(pair.certificate, {**options, "names": names}, key=pair.key, called="the new certificate")
        if problem:
            return {"failed": True, "msg": problem}
        return {**result, **self._module({**options, **pair._asdict()}, check_mode=False)}

    def _names(self, options: Options) -> list[str]:
        """For which names the certificate has to be made."""
        inventory = inventory_names(self._task_vars["hostvars"], constants.DEFAULT_LOCAL_TMP)
        own = self._task_vars["inventory_hostname"]
        names = names_of_host(
            wanted=options["names"],
            inventory=inventory.by_host.get(own, [own]),
            reported=options["reported"],
            others=inventory.others(own),
        )
        if options["made_by"] == "selfsigned" or not options["authorities"]:
            return names.required + names.optional
        permitted = constraints_of(options["authorities"])
        require_names(permitted, names.required)
        return names.required + [name for name in names.optional if permitted.allow(name)]

    def _new_pair(self, options: Options, names: list[str]) -> _certificate_make.Pair:
        now = datetime.datetime.now(datetime.timezone.utc)
        common = {"called": self._task_vars["inventory_hostname"], "now": now, "days": options["days"]}
        if options["made_by"] == "selfsigned":
            return _certificate_make.self_signed_pair(names, **common)
        passphrase = _variables.named_text(
            options["passphrase_from"], "passphrase_from", self._task_vars, self._templar
        )
        return AuthorityFolder(options["authority_folder"]).opened(passphrase).host_pair(names, **common)

    def _from_text(self, options: Options) -> dict[str, t.Any]:
        problem = _problem(options["certificate"], options, key=options["key"], called="the certificate")
        if problem:
            return {"failed": True, "msg": problem}
        if _is_present(options):
            folder = options["present"]["folder"]
            return {"changed": False, "folder": folder, "certificate": options["certificate"]}
        return self._module(options, check_mode=self._task.check_mode)

    def _from_files(self, options: Options) -> dict[str, t.Any]:
        found = self._module(options, check_mode=True)
        if found.get("failed"):
            return found
        problem = _problem(found["certificate"], options, called=options["certificate_file"])
        if problem:
            return {"failed": True, "msg": problem}
        if not found["changed"] or self._task.check_mode:
            return found
        return self._module(options, check_mode=False, _checked=found["certificate"])

    def _module(self, options: Options, *, check_mode: bool, **more: str) -> dict[str, t.Any]:
        names = ("service", "certificate", "key", "certificate_file", "key_file", "client_authority", "remount")
        given = {name: options[name] for name in names if options[name] is not None} | more
        before, self._task.check_mode = self._task.check_mode, check_mode
        try:
            result: dict[str, t.Any] = self._execute_module(
                module_name=MODULE, module_args=given, task_vars=self._task_vars
            )
        finally:
            self._task.check_mode = before
        result.pop("invocation", None)
        return result


def _reason(options: Options, names: list[str]) -> str:
    """Why a new pair is made; empty where the present one is good."""
    present = options["present"] or {}
    certificate = present.get("certificate") or ""
    if not certificate:
        return "there is none yet"
    authorities = options["authorities"] if options["made_by"] == "authority" else certificate
    if not authorities:
        return "its authority is new"
    return (
        present["problem"]
        or problem_of(certificate, names=names, authorities=authorities, days_left=options["renew_days"])
        or ("it follows other files" if present["follows"] else "")
        or ("" if _has_client_authority(options) else "the authority of its clients is new")
    )


def _problem(certificate: str, options: Options, *, called: str, key: str | None = None) -> str:
    return problem_of(certificate, names=options["names"], authorities=options["authorities"], key=key, called=called)


def _is_present(options: Options) -> bool:
    """Whether the Pi has exactly this already. Its key needs no comparison: it matches the certificate there, too."""
    present = options["present"] or {}
    return bool(
        present.get("certificate") == options["certificate"]
        and not present["problem"]
        and not present["follows"]
        and _has_client_authority(options)
    )


def _has_client_authority(options: Options) -> bool:
    """Whether the Pi has the wanted authority of clients, if one is wanted."""
    authority = options["client_authority"]
    if not authority:
        return True
    name = f"client-authority-{hashlib.sha256(authority.encode()).hexdigest()[:16]}.pem"
    return name in (options["present"] or {}).get("client_authorities", ())
