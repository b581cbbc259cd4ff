# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: the paths of which a sandbox of the service is made."""

from __future__ import annotations

import os
from typing import Any, Dict, Mapping, Optional

from ansible_collections.pifleet.nodered.plugins.module_utils._instance._options import Option
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._start_plan import StartPlan


def sandbox(plan: StartPlan, settings: Mapping[str, Any], folder: str) -> Dict[str, Any]:
    """The paths of which a sandbox is made, with links followed, and whether root chose the user directory."""
    named = (plan.line.flow_file.value if plan.line and plan.line.flow_file else None) or settings.get("flowFile")
    absolute = isinstance(named, str) and os.path.isabs(named) and "\0" not in named
    user_dir_real = os.path.realpath(folder)
    home = os.path.realpath(plan.account_home)
    return {
        "account_home": home,
        "user_dir": user_dir_real,
        # The service user can put a link where root has named a folder.
        "user_dir_by_root": user_dir_real == folder and user_dir_by_root(plan, folder),
        "flow_file": os.path.realpath(str(named)) if absolute else None,
        "known_hosts": os.path.isfile(os.path.join(home, ".ssh", "known_hosts")),
    }


def user_dir_by_root(plan: StartPlan, folder: str) -> bool:
    """Whether the unit itself names the user directory: who can write to a unit is root.

    A variable of an environment file does not count, as the service user can often write to that file. Neither does
    what a process shows, nor a file that a launcher reads.
    """
    line = plan.line
    if line is None or not plan.by_root:
        return False
    if line.user_dir:
        return chosen_by_unit(plan, line.user_dir)
    return folder == os.path.join(plan.home, ".node-red") and _by_unit(plan, "HOME")


def chosen_by_unit(plan: StartPlan, option: Option) -> bool:
    """Whether the unit itself names the path of this option."""
    at_home = option.value.startswith("~/")
    return _by_unit(plan, option.variable) and (not at_home or _by_unit(plan, "HOME"))


def _by_unit(plan: StartPlan, variable: Optional[str]) -> bool:
    """Whether a value comes from the unit, its drop-ins or systemd; None stands for one without a variable."""
    if variable is None or variable not in plan.environment:
        return True
    in_command = plan.line is not None and variable in plan.line.assignments
    origin = plan.origins.get(variable)
    return not in_command and (origin is None or origin in plan.unit.files)
