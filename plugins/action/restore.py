# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the restore of a restore point, apply it and report what is open.

The module of the same name carries the documentation.
"""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible_collections.pifleet.nodered.plugins.action import apply
from ansible_collections.pifleet.nodered.plugins.plugin_utils._audit import _request
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core import _variable_names
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._arguments import ArgumentError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._budget import FINDING
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan import _verification, instance, ufw
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import other_services
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._run_state import State, Store
from ansible_collections.pifleet.nodered.plugins.plugin_utils._restore import _restore_plan, _restore_points
from ansible_collections.pifleet.nodered.plugins.plugin_utils._restore._restore_points import (
    Listed,
    Point,
    RestoreError,
)
from ansible_collections.pifleet.nodered.plugins.plugin_utils._run._guarded_firewall import RestoredFirewall
from ansible_collections.pifleet.nodered.plugins.plugin_utils._run._step import Result, TaskVars, message_lines

ARGUMENT_SPEC: dict[str, t.Any] = {
    "point": {"type": "str", "required": True},
    "force": {"type": "bool", "default": False},
}
# Of what the host returns.
_SHOWN = ("changed", "failed", "msg", "restore_point", "rolled_back", "warnings", "_ansible_verbose_always")


class ActionModule(apply.ActionModule):
    """One remote execution finds the restore points; a second one restores, with four more if the firewall differs. One
    more where the host is asked itself."""

    argument_spec = ARGUMENT_SPEC

    def run(self, tmp: str | None = None, task_vars: TaskVars | None = None) -> Result:
        super(apply.ActionModule, self).run(tmp, task_vars)
        _spec, options = self.validate_argument_spec(argument_spec=self.argument_spec)
        self.begin_with_role_defaults(task_vars or {})
        try:
            self._require_variables()
            return self.done(options)
        except (RestoreError, ArgumentError) as error:
            return {"failed": True, "msg": f"{self.host}: {error}"}

    def done(self, options: t.Mapping[str, t.Any]) -> Result:
        """Restore. Raises RestoreError and ArgumentError."""
        state, listed = self.restore_points(with_texts=True)
        point = _restore_points.chosen(listed, options["point"])
        return self._restored(state, listed, point, force=options["force"])

    def _require_variables(self) -> None:
        """Raise ArgumentError for variables of the collection that are misspelled or cannot be used."""
        problems = [instance.misspelled_error(*one) for one in _variable_names.misspelled(self.variables)]
        if problems:
            raise ArgumentError(*problems)
        instance.require_usable(self.variables)
        ufw.confirm_seconds(self.variables)

    def restore_points(self, *, with_texts: bool) -> tuple[State, Listed]:
        """What was discovered, with the restore points. Keeps the firewall."""
        self.more_to_find = {"restore_points": "texts" if with_texts else "list"}
        if with_texts and ufw.manages(self.variables):
            self.more_to_find = {**self.more_to_find, "firewall": True}
        state = self.discovered()
        if state.pending:
            raise RestoreError("Plans of other roles wait to be applied. Restore in a play of its own.")
        found = self.found
        if "restore_points" not in found:
            # An earlier task of this play has found the host's Node-RED.
            service = state.instance["service"]
            arguments: dict[str, t.Any] = {"service": service, **self.more_to_find}
            found = self.counted_module(FINDING, "instance_info", **arguments)
        if found.get("failed"):
            raise AnsibleActionFail(str(found["msg"]))
        self.firewall = found.get("firewall")
        return state, _restore_points.listed(found["restore_points"])

    def _firewall_stays(self, state: State) -> str:
        """Why the firewall is not restored; empty if it can be."""
        if not ufw.manages(self.variables):
            return "nodered_ufw_manage is false"
        if other_services(state.instance):
            return "other Node-REDs of this machine have rules in it as well"
        if not self.firewall or not self.firewall["installed"] or self.firewall["problem"]:
            return "ufw cannot be used on this machine now"
        if self.firewall["unconfirmed"]:
            raise RestoreError("A change of the firewall waits for its confirmation. Wait, then run again.")
        return ""

    def _restored(self, state: State, listed: Listed, point: Point, *, force: bool) -> Result:
        settings = str(state.instance["settings_file"])
        restore = _restore_plan.planned(
            listed,
            point,
            instance=state.instance,
            text=state.text,
            settings=settings,
            force=force,
            firewall_stays=self._firewall_stays(state),
        )
        if self.firewall and self.firewall["installed"] and not self.firewall["active"] and not restore.firewall:
            restore.notes.append(_restore_plan.UFW_INACTIVE)
        self.point, notes = point, [f"{self.host}: {note}" for note in restore.notes]
        if not restore.changes:
            text = _restore_plan.nothing_line(restore, point)
            return {"changed": False, "msg": [f"{self.host}: {text}", *notes], "_ansible_verbose_always": True}
        result: Result = {"changed": True}
        if self._task.diff:
            result["diff"] = _restore_plan.diffs(settings, state.text, restore)
        if self._task.check_mode:
            return result
        state.text, state.changed_settings = restore.text, restore.changed
        state.plans["restore"] = restore.plan
        applied = self._applied(state, restore)
        if not applied.get("failed"):
            applied = {**applied, "msg": [*message_lines(applied), *notes], "_ansible_verbose_always": True}
        return {**result, **{name: value for name, value in applied.items() if name in _SHOWN}}

    def _applied(self, state: State, restore: _restore_plan.Restore) -> Result:
        store = self.store()
        if not restore.firewall:
            return self._transaction(store, state)
        seconds = ufw.confirm_seconds(self.variables)
        guarded = RestoredFirewall(self, store, state, t.cast(Result, self.firewall), seconds)
        return guarded.run(self.point.number, lambda waits: self._transaction(store, state, firewall_waits=waits))

    def verified(self, store: Store, state: State, result: Result, *, firewall_waits: bool = False) -> Result:
        """`result` with what is open now, which is no failure: that may be how it was."""
        if not state.instance["url"]:
            return {**result, "failed": True, "msg": self._no_response(state)}
        self.decide_origin(state)
        checks = self.probed(_request.request(state, [], has_client_certificate=False))
        silent = [check for check in checks if check["id"] == "answers" and check["status"] == "fail"]
        problems = _verification.failures(state, silent) + _verification.left_writable(
            state, firewall_waits=firewall_waits
        )
        if problems:
            return {**result, "failed": True, "msg": "\n".join(f"{self.host}: {one}" for one in problems)}
        state.verified = True
        store.save(state)
        first = f"as before the run of {self.point.date} (restore point {self.point.number})"
        lines = [f"restored, {first}; Node-RED responds at {_verification.url(state)}"]
        lines += _restore_plan.open_lines(state.instance, checks)
        return {**result, "msg": [f"{self.host}: {line}" for line in lines], "_ansible_verbose_always": True}
