# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan on the controller what a role changes. Nothing is written.

The module of the same name carries the documentation. What planning needs is imported here, once: Ansible loads the
class of an action plugin before it forks a process for each host.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pifleet.nodered.plugins.plugin_utils._gather import ufw
from ansible_collections.pifleet.nodered.plugins.plugin_utils._gather._planning import ROLES, gathered, planned
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan import _diff
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import Found, Plan
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._run_state import State
from ansible_collections.pifleet.nodered.plugins.plugin_utils._run import _play
from ansible_collections.pifleet.nodered.plugins.plugin_utils._run._step import Result, Step, TaskVars
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings import _settings_change, _settings_js

ARGUMENT_SPEC: dict[str, t.Any] = {"role": {"type": "str", "required": True, "choices": list(ROLES)}}


class ActionModule(Step):
    """One remote execution if this play has not found the host's Node-RED yet; none otherwise (tls: perhaps one more,
    and ufw too, if other tasks come before it).
    """

    def run(self, tmp: str | None = None, task_vars: TaskVars | None = None) -> Result:
        super().run(tmp, task_vars)
        _spec, options = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        self.begin(task_vars or {})
        state = self.discovered()
        state.variables |= self.variables_for_later()
        # What all roles need is checked by the role `instance`, whose own task a run with tags can leave out.
        roles = dict.fromkeys([options["role"]] if "instance" in state.plans else ["instance", options["role"]])
        steps = [self._step(state, role) for role in roles]
        plans = [plan for _found, plan, _edit in steps]
        errors = [error for plan in plans for error in plan.errors]
        if errors:
            notes = [f"{self.host}: {note}" for plan in plans for note in plan.notes]
            warnings = [warning for plan in plans for warning in plan.warnings]
            return {"failed": True, "msg": listed(self.host, errors), "warnings": [*warnings, *notes]}
        return together([self._result(*step) for step in steps])

    def _step(self, state: State, role: str) -> tuple[Found, Plan, _settings_js.Edit]:
        """Plan a role, and keep its plan."""
        found = gathered(role, self, self._found(state, role), self.variables)
        plan, edit = planned(role, found, self.variables)
        self._keep(state, role, plan, edit)
        return found, plan, edit

    def task_for_firewall(self) -> str | None:
        """The task that plans the firewall, if no other task can change it before. Without one, that of a new port."""
        planning = {self._task.args["role"], *_play.later_roles(self._task, self.task_vars)}
        if "ufw" in planning and ufw.manages(self.variables):
            return _play.next_plan("ufw", self._task, self.task_vars)
        if self.variables.get("nodered_port") is not None:
            return _play.next_plan("port", self._task, self.task_vars)
        return None

    def _keep(self, state: State, role: str, plan: Plan, edit: _settings_js.Edit) -> None:
        """Keep the plan for later roles and for applying, but not that of a single role in check mode."""
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
            firewall=state.firewall_for(self._task._uuid),
            clock_error=state.clock_error,
            later_roles=_play.later_roles(self._task, self.task_vars) - set(state.plans) - {role},
        )

    def _result(self, found: Found, plan: Plan, edit: _settings_js.Edit) -> Result:
        result: Result = {
            "changed": bool(edit.changed) or plan.changes,
            "warnings": [*plan.warnings, *_settings_change.unknown_name_warnings(plan.set)],
        }
        if plan.notes:
            result["msg"] = [f"{self.host}: {note}" for note in plan.notes]
        if self._task.diff and result["changed"]:
            result["diff"] = _diff.diffs(found, plan, edit)
        return result


def together(results: t.Sequence[Result]) -> Result:
    merged: Result = {"changed": any(result["changed"] for result in results)}
    for name in ("warnings", "msg", "diff"):
        lines = [line for result in results for line in result.get(name, ())]
        merged |= {name: lines} if lines else {}
    return merged | ({"_ansible_verbose_always": True} if "msg" in merged else {})


def listed(host: str, errors: t.Sequence[str]) -> str:
    """All errors in one message that names the host."""
    if len(errors) == 1:
        return f"{host}: {errors[0]}"
    return f"{host}: {len(errors)} errors:\n" + "\n".join(f"- {error}" for error in errors)
