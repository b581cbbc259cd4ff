# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replace passwords and certificates of a Node-RED, which keeps the new ones after they were verified.

The module of the same name carries the documentation. In this order, so that the controller has the valid password at
every moment: it keeps both passwords; the host changes to the new one, and rolls back unless that is confirmed; the new
one is verified; the host confirms; the controller drops the old one.
"""

from __future__ import annotations

import dataclasses
import json
import secrets
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible_collections.pifleet.nodered.plugins.action import apply, plan
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core import _time_limit
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._arguments import ArgumentError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._budget import START_SECONDS
from ansible_collections.pifleet.nodered.plugins.plugin_utils._gather import ufw
from ansible_collections.pifleet.nodered.plugins.plugin_utils._gather._planning import gathered, planned
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords import _password_files
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan import (
    _rotation,
    _rotation_checks,
    _tls_summary,
    _verification,
)
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import Found, Plan
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._run_state import State, Store
from ansible_collections.pifleet.nodered.plugins.plugin_utils._run._rotated_certificates import RotatedCertificates
from ansible_collections.pifleet.nodered.plugins.plugin_utils._run._step import Result, TaskVars, message_lines

ARGUMENT_SPEC: dict[str, t.Any] = {
    "what": {"type": "list", "elements": "str", "choices": list(_rotation.CHOICES), "required": True}
}
# Planned to find out how the host is reached; what they would change is left to the playbook secure. Not `tls`, if
# certificates are rotated.
REACHED_BY = ("tls", "ufw")
# Of what the host returns.
_SHOWN = ("changed", "failed", "msg", "restore_point", "rolled_back", "warnings")


class ActionModule(plan.ActionModule, apply.ActionModule):
    """One remote execution finds out what is there. Three more change passwords: apply, verify where the host has to be
    asked itself, and confirm."""

    def run(self, tmp: str | None = None, task_vars: TaskVars | None = None) -> Result:
        super(apply.ActionModule, self).run(tmp, task_vars)
        _spec, options = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        # A new password is tried in any case.
        self.begin_with_role_defaults({**(task_vars or {}), "nodered_verify_login": True})
        self.rotates = frozenset(options["what"])
        try:
            _rotation.require_usable(self.rotates, self.variables)
            state = self.discovered()
            if state.pending:
                raise ArgumentError("plans of other roles wait to be applied. Rotate in a play of its own.")
            _rotation.require_finishes(self.rotates, state.instance)
        except ArgumentError as error:
            raise AnsibleActionFail(f"{self.host}: {error}") from None
        state.variables |= self.variables_for_later()
        result = self._planned(state)
        if result.get("failed") or self._task.check_mode:
            return result
        return self._rotated(self.store(), state, result)

    def task_for_firewall(self) -> str | None:
        return str(self._task._uuid) if ufw.manages(self.variables) else None

    def _found(self, state: State, role: str) -> Found:
        rotates = self.rotates if role in ("instance", *_rotation.roles(self.rotates)) else frozenset()
        return dataclasses.replace(super()._found(state, role), rotates=rotates)

    def _planned(self, state: State) -> Result:
        """Plan, and keep the plans in `state`."""
        state.plans = {}
        roles = ["instance", *_rotation.roles(self.rotates)]
        steps = [self._step(state, role) for role in roles]
        errors = [error for _found, one, _edit in steps for error in one.errors]
        if errors:
            return {"failed": True, "msg": plan.listed(self.host, errors)}
        for role in REACHED_BY:
            if role not in roles:
                state.plans[role] = self._checks_only(state, role)
        results = [self._result(*step) for step in steps]
        result = plan.together(results)
        if self._task.check_mode:
            planned_lines = [*_rotation.planned_lines(state.plans), *_tls_summary.planned_lines(state.plans["tls"])]
            lines = [*message_lines(result), *self._lines(planned_lines)]
            return {**result, "msg": lines, "_ansible_verbose_always": True}
        return result

    def _checks_only(self, state: State, role: str) -> Plan:
        """What the verification needs to know of this role."""
        found = gathered(role, self, self._found(state, role), self.variables)
        found = dataclasses.replace(found, text=state.source)
        whole, edit = planned(role, found, self.variables)
        if role == "tls" and (whole.changes or edit.changed):
            # The host has another certificate than the role wants, but the clients that it accepts are the same.
            return Plan(checks={name: value for name, value in whole.checks.items() if name in _verification.CLIENT})
        return Plan(checks=whole.checks)

    def _rotated(self, store: Store, state: State, result: Result) -> Result:
        self.files = _rotation.rotations(state.plans)
        self.tried = _rotation_checks.rotated(state)
        self.certificates = RotatedCertificates(self, state)
        self.is_verified = False
        # All steps after this one, and the start of each execution.
        self.seconds = int(self.budget.left) + 3 * START_SECONDS
        try:
            applied: Result = self._transaction(store, state) if result["changed"] else {"changed": False}
            if not (self.is_verified or applied.get("failed")):
                # Nothing has changed, or files of the controller only.
                applied = self.verified(store, state, applied)
        except AnsibleConnectionFailure as error:
            raise AnsibleConnectionFailure("\n".join([str(error), *self._after_failure({})])) from None
        if applied.get("failed"):
            applied["msg"] = "\n".join([*message_lines(applied), *self._after_failure(applied)])
        else:
            lines = self._lines([*_rotation.lines(state.plans), *self.certificates.lines()])
            applied = {**applied, "msg": [*message_lines(result), *message_lines(applied), *lines]}
            applied["_ansible_verbose_always"] = True
        shown = {name: value for name, value in applied.items() if name in (*_SHOWN, "_ansible_verbose_always")}
        return {**result, **shown, "changed": bool(result["changed"] or applied.get("changed"))}

    def _lines(self, lines: t.Sequence[str]) -> list[str]:
        return [f"{self.host}: {line}" for line in lines]

    def _after_failure(self, applied: Result) -> list[str]:
        rolled_back = bool(applied.get("rolled_back"))
        return self._lines([*_rotation.lines_after_failure(self.files, rolled_back=rolled_back, seconds=self.seconds)])

    def awaited(self) -> dict[str, t.Any]:
        # One of its own: the clock of an earlier change may go on.
        return {"confirmation": secrets.token_hex(8), "confirm_within": self.seconds, "rotated": self.tried}

    def verified(self, store: Store, state: State, result: Result, *, firewall_waits: bool = False) -> Result:
        """`result` after the new passwords and certificates were verified and the host has confirmed them; or after it
        has rolled them back."""
        self.is_verified = True
        waits = bool(state.instance["confirmation"])
        problems = self._problems(state)
        if problems:
            undone = self._answered(store, state, keep=False) if waits else {"rolled_back": False}
            messages = [f"{self.host}: {one}" for one in problems]
            if waits:
                messages += message_lines(undone)
            if undone["rolled_back"]:
                # The host has deleted it.
                result.pop("restore_point", None)
            return {**result, "failed": True, "rolled_back": undone["rolled_back"], "msg": "\n".join(messages)}
        if waits:
            confirmed = self._answered(store, state, keep=True)
            if confirmed.get("failed"):
                return {**result, **confirmed, "rolled_back": False}
            result = {**result, "changed": True}
        try:
            for path, pair in self.files.items():
                _password_files.promote(path, pair["new"])
        except _password_files.PasswordFileError as error:
            return {**result, "failed": True, "msg": f"{self.host}: {error}"}
        return {**result, "changed": bool(result.get("changed") or self.files)}

    def _problems(self, state: State) -> list[str]:
        """Why the new passwords and certificates are not verified."""
        if not state.instance["url"]:
            return [self._no_response(state)]
        unknown = _rotation_checks.unknown(state)
        if unknown:
            return unknown
        options = _rotation_checks.request(state)
        if not options["only"]:
            return []
        try:
            self.decide_origin(state)
            checks = [check for one in (options, *_rotation_checks.more_requests(state)) for check in self.probed(one)]
            return _rotation_checks.problems(state, checks) or self.certificates.problems()
        except AnsibleActionFail as error:
            return [str(error)]

    def _answered(self, store: Store, state: State, *, keep: bool) -> Result:
        """Have the host keep or roll back what waits. Not within the budget, which a failed verification may have used
        up."""
        answer = {name: state.instance[name] for name in ("service", "confirmation")}
        answer |= {"keep": keep, "timeout": state.restart_timeout, "remount": state.remount}
        seconds = START_SECONDS + apply.RESTARTS * state.restart_timeout + apply.MORE_SECONDS
        try:
            with _time_limit.within(seconds):
                result = self.module("apply", answer=json.dumps(answer))
        except _time_limit.Stalled:
            result = {"failed": True, "msg": f"The host did not answer within {seconds} seconds."}
        state.instance = {**state.instance, **result.pop("instance", {})}
        store.save(state)
        return {"rolled_back": False, **result}
