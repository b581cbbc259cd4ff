# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verify from outside what a Node-RED lets through.

The module of the same name carries the documentation.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pifleet.nodered.plugins.plugin_utils._run._step import Result, TaskVars
from ansible_collections.pifleet.nodered.plugins.plugin_utils._run._verify_step import VerifyStep

ARGUMENT_SPEC: dict[str, t.Any] = {}


class ActionModule(VerifyStep):
    """No remote execution, or one where the host itself has to be asked."""

    def run(self, tmp: str | None = None, task_vars: TaskVars | None = None) -> Result:
        super().run(tmp, task_vars)
        self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        self.begin(task_vars or {})
        if self._task.check_mode:
            return {"changed": False}
        state = self.discovered()
        store = self.store()
        if state.verified:
            return {"changed": False}
        return self.verified(store, state, {"changed": False})
