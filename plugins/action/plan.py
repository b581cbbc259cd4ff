# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan on the controller what a role changes. Nothing is written.

The module of the same name carries the documentation. What planning needs is imported here, once: Ansible loads the
class of an action plugin before it forks a process for each host.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.plugin_utils import _play, _settings_change, _settings_js
from ansible_collections.pifleet.nodered.plugins.plugin_utils._gather import http_auth as _gather_http_auth
from ansible_collections.pifleet.nodered.plugins.plugin_utils._gather import login as _gather_login
from ansible_collections.pifleet.nodered.plugins.plugin_utils._gather import sessions as _gather_sessions
from ansible_collections.pifleet.nodered.plugins.plugin_utils._gather import tls as _gather_tls
from ansible_collections.pifleet.nodered.plugins.plugin_utils._gather import ufw as _gather_ufw
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan import (
    _diff,
    hardening,
    http_auth,
    instance,
    login,
    port,
    sessions,
    tls,
    ufw,
)
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import Found, Plan, Wanted
from ansible_collections.pifleet.nodered.plugins.plugin_utils._run_state import State
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings_error import SettingsError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._step import Result, Step, TaskVars

ROLES = {
    "instance": instance,
    "login": login,
    "port": port,
    "tls": tls,
    "http_auth": http_auth,
    "hardening": hardening,
    "sessions": sessions,
    "ufw": ufw,
}
ARGUMENT_SPEC: dict[str, t.Any] = {"role": {"type": "str", "required": True, "choices": list(ROLES)}}
# What a role needs to know from the controller, or from one more execution on the host.
GATHER: dict[str, t.Callable[[Step, Found, Wanted], dict[str, t.Any]]] = {
    "login": _gather_login.gather,
    "http_auth": _gather_http_auth.gather,
    "sessions": _gather_sessions.gather,
    "tls": _gather_tls.gather,
    "ufw": _gather_ufw.gather,
}


class ActionModule(Step):
    """One remote execution if this play has not found the host's Node-RED yet; none otherwise (ufw, tls: one more)."""

    def run(self, tmp: str | None = None, task_vars: TaskVars | None = None) -> Result:
        super().run(tmp, task_vars)
        _spec, options = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        self.begin(task_vars or {})
        state = self.discovered()
        role = options["role"]
        state.variables |= self.variables_for_later()
        found = self._found(state, role)
        if role in GATHER:
            found = dataclasses.replace(found, controller=GATHER[role](self, found, self.variables))
        plan, edit = self._plan(role, found)
        self._keep(state, role, plan, edit)
        if plan.errors:
            notes = [f"{self.host}: {note}" for note in plan.notes]
            return {"failed": True, "msg": _listed(self.host, plan.errors), "warnings": [*plan.warnings, *notes]}
        return self._result(found, plan, edit)

    def _keep(self, state: State, role: str, plan: Plan, edit: _settings_js.Edit) -> None:
        """Keep the plan for the later roles and for applying. One role alone in check mode plans for nobody else."""
        whole_run = bool(self.task_vars.get("ansible_check_mode"))
        if self._task.check_mode and not whole_run:
            return
        state.check_mode = state.check_mode or self._task.check_mode
        if plan.errors:
            # An earlier plan of the role stays: it has the password for the hash that is in the text.
            state.failed = sorted({*state.failed, role})
        else:
            state.plans.pop(role, None)
            state.plans[role] = plan
            state.failed = [name for name in state.failed if name != role]
            state.text = edit.text
            state.changed_settings = list(dict.fromkeys([*state.changed_settings, *edit.changed]))
        self.store().save(state)

    def _found(self, state: State, role: str) -> Found:
        return Found(
            host=self.host,
            instance=state.instance,
            text=state.text,
            planned=state.plans,
            later_roles=_play.later_roles(self._task, self.task_vars) - set(state.plans) - {role},
        )

    def _plan(self, role: str, found: Found) -> tuple[Plan, _settings_js.Edit]:
        filename = str(found.instance["settings_file"])
        try:
            plan = ROLES[role].plan(found, self.variables)
            edit = _settings_js.edit(found.text, set=plan.set, remove=plan.remove, filename=filename)
            plan.errors += [] if plan.errors else _remaining_errors(role, found, plan, edit)
        except (SettingsError, Failure) as error:
            return Plan(errors=[str(error)]), _settings_js.Edit(found.text, ())
        return plan, edit

    def _result(self, found: Found, plan: Plan, edit: _settings_js.Edit) -> Result:
        result: Result = {
            "changed": bool(edit.changed) or plan.changes,
            "warnings": [*plan.warnings, *_settings_change.unknown_name_warnings(plan.set)],
        }
        if plan.notes:
            result |= {"msg": [f"{self.host}: {note}" for note in plan.notes], "_ansible_verbose_always": True}
        if self._task.diff and result["changed"]:
            result["diff"] = _diff.diffs(found, plan, edit)
        return result


def _remaining_errors(role: str, found: Found, plan: Plan, edit: _settings_js.Edit) -> list[str]:
    """What the role hardening has left to this role, and this role does not replace."""
    earlier = found.planned.get("hardening")
    if role == "hardening" or earlier is None:
        return []
    now = dataclasses.replace(found, text=edit.text, planned={**found.planned, role: plan})
    return [f"Role hardening: {error}" for error in hardening.remaining_errors(earlier, now)]


def _listed(host: str, errors: t.Sequence[str]) -> str:
    """All errors in one message that names the host."""
    if len(errors) == 1:
        return f"{host}: {errors[0]}"
    return f"{host}: {len(errors)} errors:\n" + "\n".join(f"- {error}" for error in errors)
