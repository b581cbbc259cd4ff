# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the controller loses its files when the run ends, as in a job of AWX. Private; knows no Ansible.

Markers, by their sources:

- `awx_job_id` and `tower_job_id` are extra variables of each job (AWX 24.6.1, awx/main/models/unified_jobs.py,
  `UnifiedJob.awx_meta_vars`, with `JOB_VARIABLE_PREFIXES` of awx/main/constants.py).
- AWX_PRIVATE_DATA_DIR is the folder that AWX makes for one job and removes after it (awx/main/tasks/jobs.py,
  `BaseTask.build_env` and `BaseTask.run`). In the container of the job the same folder is /runner.
- AWX_ISOLATED_DATA_DIR is the folder for the artifacts of a run, `artifacts/IDENT` in the private data directory.
  ansible-runner sets it for each run, in a container (/runner) and without one (ansible-runner 2.4.3,
  src/ansible_runner/config/_base.py, `BaseConfig.prepare_env`), so ansible-navigator does, too.

ansible-runner itself removes no folder, and a folder can be mounted from elsewhere: so the variable overrides them.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping
from typing import Any

from .._core._arguments import truth

VARIABLE = "nodered_controller_ephemeral"
JOB_VARIABLES = ("awx_job_id", "tower_job_id")
PRIVATE, ARTIFACTS = "AWX_PRIVATE_DATA_DIR", "AWX_ISOLATED_DATA_DIR"


def marker(variables: Mapping[str, Any], environment: Mapping[str, str]) -> str:
    """What shows that files are lost when the run ends, for a message; empty if they are kept.

    Args:
        variables: those of a host.
        environment: the environment variables of this process.

    Raises:
        ArgumentError: if `nodered_controller_ephemeral` is neither yes nor no.
    """
    if variables.get(VARIABLE) is not None:
        return f"{VARIABLE} is true" if truth(variables[VARIABLE], VARIABLE) else ""
    for name in JOB_VARIABLES:
        if name in variables:
            return f"the variable {name} is set, as in a job of AWX"
    for name in (PRIVATE, ARTIFACTS):
        if environment.get(name):
            return f"{name} is set in the environment, as in a job of AWX or ansible-runner"
    return ""


def is_in_private_folder(path: str, environment: Mapping[str, str]) -> bool:
    """Whether this path is in the private data directory of the job, links followed. False for what is no path."""
    folders = [environment[PRIVATE]] if environment.get(PRIVATE) else []
    artifacts = pathlib.PurePath(environment.get(ARTIFACTS) or "/").parent
    # They can also be elsewhere.
    if artifacts.name == "artifacts":
        folders.append(str(artifacts.parent))
    try:
        place = pathlib.Path(os.path.realpath(path))
    except ValueError:
        return False
    return any(place.is_relative_to(os.path.realpath(folder)) for folder in folders)


def lost(what: str, shown_by: str, remedy: str) -> str:
    """An error: `what` would be made and lost. `shown_by` is what `marker` returned."""
    return (
        f"{what} would be lost when this run ends, because the controller is ephemeral ({shown_by}). {remedy} If that "
        f"folder is kept, set {VARIABLE}: false."
    )
