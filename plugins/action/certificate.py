# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check a certificate on the controller, where the Pi's clock and libraries do not matter, and hand the pair over.

The module of the same name carries the documentation.
"""

from __future__ import annotations

import hashlib
import inspect
import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.pifleet.nodered.plugins.module_utils import _pair
from ansible_collections.pifleet.nodered.plugins.modules.certificate import ARGUMENT_RULES, ARGUMENT_SPEC
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificate import CannotJudgeError, is_self_signed
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificate_here import (
    problem_of,
    problem_of_authorities,
)

MODULE = "pifleet.nodered.certificate"

Options = dict[str, t.Any]


class ActionModule(ActionBase):
    """One remote execution, none where ``present`` says that the pair is there; with files, one more to read."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        _spec, options = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC, **ARGUMENT_RULES)
        try:
            return self._given(options, task_vars)
        except CannotJudgeError as error:
            return {"failed": True, "msg": str(error)}

    def _given(self, options: Options, task_vars: dict[str, t.Any] | None) -> dict[str, t.Any]:
        # node would take an authority that it cannot read for none at all, and let nobody in.
        authority = options["client_authority"]
        problem = problem_of_authorities(authority, called="the clients' authority") if authority else ""
        if problem:
            return {"failed": True, "msg": problem}
        result = (
            self._from_files(options, task_vars) if options["certificate_file"] else self._from_text(options, task_vars)
        )
        if not result.get("failed"):
            result["self_signed"] = is_self_signed(result["certificate"])
        return result

    def _from_text(self, options: Options, task_vars: dict[str, t.Any] | None) -> dict[str, t.Any]:
        problem = _problem(options["certificate"], options, key=options["key"], called="the certificate")
        if problem:
            return {"failed": True, "msg": problem}
        if _is_present(options):
            folder = options["present"]["folder"]
            return {"changed": False, "folder": folder, "certificate": options["certificate"]}
        return self._module(options, task_vars, check_mode=self._task.check_mode)

    def _from_files(self, options: Options, task_vars: dict[str, t.Any] | None) -> dict[str, t.Any]:
        found = self._module(options, task_vars, check_mode=True)
        if found.get("failed"):
            return found
        problem = _problem(found["certificate"], options, called=options["certificate_file"])
        if problem:
            return {"failed": True, "msg": problem}
        if not found["changed"] or self._task.check_mode:
            return found
        return self._module(options, task_vars, check_mode=False)

    def _module(self, options: Options, task_vars: dict[str, t.Any] | None, *, check_mode: bool) -> dict[str, t.Any]:
        names = ("service", "certificate", "key", "certificate_file", "key_file", "client_authority", "remount")
        given = {name: options[name] for name in names if options[name] is not None}
        if options["certificate_file"]:
            given["_program"] = inspect.getsource(_pair)
        before, self._task.check_mode = self._task.check_mode, check_mode
        try:
            result: dict[str, t.Any] = self._execute_module(module_name=MODULE, module_args=given, task_vars=task_vars)
        finally:
            self._task.check_mode = before
        result.pop("invocation", None)
        return result


def _problem(certificate: str, options: Options, *, called: str, key: str | None = None) -> str:
    return problem_of(certificate, names=options["names"], authorities=options["authorities"], key=key, called=called)


def _is_present(options: Options) -> bool:
    """Whether the Pi has exactly this already. Its key needs no comparison: it matches the certificate there, too."""
    present = options["present"] or {}
    authority = options["client_authority"]
    wanted = f"client-authority-{hashlib.sha256(authority.encode()).hexdigest()[:16]}.pem" if authority else None
    return bool(
        present.get("certificate") == options["certificate"]
        and not present["problem"]
        and not present["follows"]
        and (wanted is None or wanted in present["client_authorities"])
    )
