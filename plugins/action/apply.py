# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply the plans of all roles for a host in one transaction, and verify the result.

The module of the same name carries the documentation.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing as t

from ansible.errors import AnsibleActionFail
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates import _planned_certificates
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._budget import CHANGING
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords import _password_files, _totp_files
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords._totp import TotpError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan import _request, hardening
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import Found, Plan
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._run_state import APPLY, State, Store
from ansible_collections.pifleet.nodered.plugins.plugin_utils._run import _guarded_firewall
from ansible_collections.pifleet.nodered.plugins.plugin_utils._run._step import Result, TaskVars, message_lines
from ansible_collections.pifleet.nodered.plugins.plugin_utils._run._verify_step import VerifyStep

# After this time, the host is not waited for any more. What it does goes on there: the wait for another restart, then
# stop, start, stop and start again for a rollback, each up to the timeout, and what each of them needs besides.
RESTARTS, MORE_SECONDS = 6, 400

# Without the module's private options. The module itself imports what only a Pi needs.
ARGUMENT_SPEC: dict[str, t.Any] = {"restart": {"type": "bool", "default": False}}


class ActionModule(VerifyStep):
    """One remote execution applies; where firewall rules change, four more guard it."""

    def run(self, tmp: str | None = None, task_vars: TaskVars | None = None) -> Result:
        super().run(tmp, task_vars)
        _spec, options = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        self.begin(task_vars or {})
        results = []
        if options["restart"] and not self.stores():
            self.discovered()
        for store in self.stores():
            state = t.cast(State, store.load())
            self.budget = state.budget
            result = self._restart(store, state) if options["restart"] else self._apply(store, state)
            if result.get("failed"):
                return result
            results.append(result)
        return _together(results)

    def _restart(self, store: Store, state: State) -> Result:
        """Restart, or have the transaction do it that this play is about to run."""
        if self._task.check_mode:
            return {"changed": True, "msg": "Node-RED would be restarted."}
        if state.pending and not state.failed:
            state.restart_requested = True
            store.save(state)
            return {"changed": False}
        asked = {"timeout": state.restart_timeout, "remount": state.remount}
        result = self._executed(store, state, "restart", service=state.instance["service"], **asked)
        return result if result.get("failed") else self.verified(store, state, result)

    def _apply(self, store: Store, state: State) -> Result:
        if state.failed:
            roles = ", ".join(state.failed)
            return {
                "failed": True,
                "msg": f"{self.host}: nothing was applied, because the plan of {roles} failed. Correct what it "
                "reports, then run again.",
            }
        if self._task.check_mode or state.check_mode or not (state.pending or state.restart_requested):
            return {"changed": False}
        errors = self._missing(state)
        if errors:
            return {"failed": True, "msg": f"{self.host}: nothing was applied. {' '.join(errors)}"}
        firewall = state.plans["ufw"].firewall if "ufw" in state.plans else {}
        if firewall:
            return _guarded_firewall.GuardedFirewall(self, store, state, firewall).run(
                lambda waits: self._transaction(store, state, firewall_waits=waits)
            )
        return self._transaction(store, state)

    def _missing(self, state: State) -> list[str]:
        """What the role hardening left to a role that has not planned."""
        plan = state.plans.get("hardening")
        found = Found(self.host, state.instance, state.text, state.plans)
        return hardening.errors_before_apply(plan, found) if plan else []

    def _transaction(self, store: Store, state: State, *, firewall_waits: bool = False) -> Result:
        """Send everything to the host, and verify it. What is kept on the controller is written immediately before."""
        try:
            for plan in state.plans.values():
                for path, password in plan.passwords.items():
                    _password_files.keep(path, password)
                for path, pair in plan.rotations.items():
                    _password_files.begin(path, **pair)
                for path, enrolment in plan.enrolments.items():
                    _totp_files.keep(path, **enrolment)
            certificate = self._certificate(state)
        except (_password_files.PasswordFileError, TotpError, _planned_certificates.PreparationError) as error:
            failed: Result = {"failed": True, "msg": f"{self.host}: {error}"}
            self._note(store, state, failed)
            return failed
        wanted = _request.request(state, certificate, firewall=firewall_waits, **self.awaited())
        changes = _request.changes(wanted)
        if not (changes or firewall_waits):
            return {"changed": False}
        result = self._executed(store, state, "apply", request=json.dumps(wanted))
        if result.get("failed") or not changes:
            # Node-RED is what it was. A new firewall is verified by its own probe.
            return result
        return self.verified(store, state, result, firewall_waits=firewall_waits)

    def awaited(self) -> dict[str, t.Any]:
        """The confirmation that the change waits for, for `_request.request`; none."""
        return {}

    def _executed(self, store: Store, state: State, name: str, **arguments: t.Any) -> Result:
        """The result of a module that may restart Node-RED, which is kept."""
        uncounted = RESTARTS * state.restart_timeout + MORE_SECONDS
        try:
            result = self.counted_module(CHANGING, name, uncounted=uncounted, **arguments)
        except AnsibleActionFail as error:
            result = {"failed": True, "msg": str(error)}
        self._note(store, state, result)
        if result.get("failed"):
            # It is long, and the message would be lost in it.
            result.pop("instance", None)
        return result

    def _certificate(self, state: State) -> dict[str, t.Any] | None:
        """The certificate that is sent, made now. The verification trusts it, too."""
        plan = state.plans.get("tls")
        if plan is None or not plan.certificate:
            return None
        prepared = _planned_certificates.prepare(plan.certificate)
        plan.checks |= prepared.checks
        return prepared.request

    def _note(self, store: Store, state: State, result: Result) -> None:
        """Keep what is so now; a failed transaction is not tried again in this play."""
        state.earlier = state.earlier or state.instance
        # Only the discovery looks for neighbours, so what it found of these stays.
        state.instance = {**state.instance, **result.get("instance", {})}
        state.restart_requested = False
        state.verified = False
        if result.get("failed"):
            state.failed = sorted({*state.failed, APPLY})
        else:
            state.source = state.text
            state.checksum = hashlib.sha256(state.text.encode("utf-8", "surrogateescape")).hexdigest()
            state.plans = {role: _applied(plan) for role, plan in state.plans.items()}
        store.save(state)


def _applied(plan: Plan) -> Plan:
    """The plan without what was applied; the firewall is a step of its own."""
    return dataclasses.replace(
        plan,
        companions={},
        private_files={},
        fail2ban={},
        drop_ins=[],
        sessions="",
        close_files="",
        certificate={},
        restore=0,
        restart="",
        passwords={},
        rotations={},
        enrolments={},
    )


def _together(results: t.Sequence[Result]) -> Result:
    """One result of the services of a host."""
    messages = [line for result in results for line in message_lines(result)]
    merged: Result = {"changed": any(result.get("changed") for result in results)}
    for result in results:
        merged |= {name: result[name] for name in ("restore_point", "rolled_back", "warnings") if result.get(name)}
    return merged | ({"msg": messages, "_ansible_verbose_always": True} if messages else {})
