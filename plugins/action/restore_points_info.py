# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List the restore points of a Node-RED.

The module of the same name carries the documentation.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pifleet.nodered.plugins.action import restore
from ansible_collections.pifleet.nodered.plugins.plugin_utils._run._step import Result

ARGUMENT_SPEC: dict[str, t.Any] = {}


class ActionModule(restore.ActionModule):
    """One remote execution."""

    argument_spec = ARGUMENT_SPEC

    def done(self, _options: t.Mapping[str, t.Any]) -> Result:
        _state, listed = self.restore_points(with_texts=False)
        lines = listed.lines() or ["no restore point: no run has changed anything here yet"]
        return {
            "changed": False,
            "msg": [f"{self.host}: {line}" for line in lines],
            "_ansible_verbose_always": True,
        }
