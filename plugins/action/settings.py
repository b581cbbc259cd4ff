# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edit settings.js on the controller: read it from the Pi, edit the text here, hand the new text to the module.

The JavaScript parser and bcrypt stay on the controller, and so does every plaintext password. The module of the same
name, which carries the documentation, only ever gets the finished text.

With ``set: {$variable: NAME}``, the settings are the value of that variable. It is read here, so that it is not a task
argument, which callback plugins would receive.
"""

from __future__ import annotations

import json
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.pifleet.nodered.plugins.modules.settings import ARGUMENT_SPEC
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core import _arguments, _variables
from ansible_collections.pifleet.nodered.plugins.plugin_utils._run import _step
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings import _settings_change, _settings_js

VARIABLE = "$variable"


class ActionModule(ActionBase):
    """One remote execution reads, a second one writes; with ``source`` from `instance_info` the first is saved."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        _spec, options = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        options["set"] = self._wanted(options["set"] or {}, task_vars or {})
        wanted, remove = options["set"], options["remove"] or []
        where = {name: options[name] for name in ("path", "user", "service")}
        source = options["source"] or self._module(task_vars, **where)
        if source.get("failed"):
            return source
        before = _settings_change.text_of(source)
        try:
            edit = _settings_js.edit(before, set=wanted, remove=remove, filename=options["path"])
        except _settings_js.SettingsError as error:
            return {"failed": True, "msg": str(error)}
        result = {
            "changed": bool(edit.changed),
            "path": source.get("path", options["path"]),
            "settings": list(edit.changed),
            "warnings": _settings_change.unknown_name_warnings(wanted),
        }
        if not edit.changed:
            return result
        if not self._task.check_mode:
            written = self._write(edit, source["checksum"], options, task_vars)
            if written.get("failed"):
                return written
            result["backup_file"] = written.get("backup_file")
            result["warnings"] += written.get("warnings", [])
        if self._task.diff:
            result["diff"] = _settings_change.masked_diff(result["path"], before, edit)
        return result

    def _wanted(self, given: t.Mapping[str, t.Any], task_vars: dict[str, t.Any]) -> t.Mapping[str, t.Any]:
        """The settings as given, or those of the variable that is named instead.

        Only as a whole: a part of what is set may come from the Pi, which must not choose a variable to be sent to it.
        """
        if set(given) != {VARIABLE}:
            return given
        try:
            return _variables.named_mapping(given[VARIABLE], f"set: {VARIABLE}", task_vars, self._templar)
        except _arguments.ArgumentError as error:
            raise AnsibleActionFail(str(error)) from None

    def _write(
        self, edit: _settings_js.Edit, checksum: str, options: dict[str, t.Any], task_vars: dict[str, t.Any] | None
    ) -> dict[str, t.Any]:
        return self._module(
            task_vars,
            **{name: options[name] for name in ("path", "backup", "validate", "node", "user", "service", "remount")},
            _edit=json.dumps(
                _settings_change.as_data(
                    edit.text,
                    checksum=checksum,
                    set=options["set"],
                    remove=options["remove"] or [],
                    changed=edit.changed,
                )
            ),
        )

    def _module(self, task_vars: dict[str, t.Any] | None, **arguments: t.Any) -> dict[str, t.Any]:
        """Run the module of this action with the arguments that are given."""
        given = {name: value for name, value in arguments.items() if value is not None}
        return _step.run_unseen(self, "settings", given, task_vars)
