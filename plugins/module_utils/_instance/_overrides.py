# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: the options and variables that override the settings file."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _node
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._options import Option
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._start_plan import StartPlan

# The value of an override is returned if it is harmless; any other value could be a password.
HARMLESS = (
    "uiPort",
    "uiHost",
    "httpAdminRoot",
    "httpNodeRoot",
    "httpRoot",
    "disableEditor",
    "flowFile",
    "userDir",
    "safeMode",
)

# Node-RED 4.1 red.js: environment variables that change settings after the file is loaded.
VARIABLES = {
    "NODE_RED_ENABLE_SAFE_MODE": "safeMode",
    "NODE_RED_ENABLE_PROJECTS": "editorTheme.projects.enabled",
    "NODE_RED_ENABLE_TOURS": "editorTheme.tours",
    "NODE_RED_DISABLE_TELEMETRY": "telemetry.enabled",
}


def overrides(plan: StartPlan, loaded: _node.Loaded) -> List[Dict[str, Any]]:
    """The options and variables that override the settings file, the strongest last."""
    found: List[Dict[str, Any]] = []
    # A launcher may have set a variable, too.
    launcher = None if plan.direct else (plan.line and plan.line.file) or plan.unit.text("FragmentPath")
    port = plan.environment.get("PORT")
    if port and loaded.reads_port and str(loaded.from_file.get("uiPort")) == port:
        found.append(_override("uiPort", "PORT", port, plan.origins.get("PORT", launcher), "PORT"))
    line = plan.line
    if line is None:
        return found
    for number, option in enumerate(line.defines):
        for name in loaded.defined[number] if loaded.defined else _defined_names(option):
            found.append(_from_option(plan, name, "-D", option, loaded.in_effect.get(name)))
    for name, setting in VARIABLES.items():
        value = plan.environment.get(name)
        if value:
            found.append(_override(setting, name, value, plan.origins.get(name, launcher), name))
    for setting, channel, flag in (
        ("safeMode", "--safe", line.safe),
        ("flowFile", "command line", line.flow_file),
        ("userDir", "-u", line.user_dir),
        ("uiPort", "-p", line.port),
    ):
        if flag:
            found.append(_from_option(plan, setting, channel, flag, flag.value))
    return found


def _defined_names(option: Option) -> List[str]:
    name, equals, _value = option.value.partition("=")
    return [name] if equals else []


def _from_option(plan: StartPlan, setting: str, channel: str, option: Option, value: Any) -> Dict[str, Any]:
    variable = option.variable
    in_file = plan.line.file if plan.line else None
    where = (
        plan.origins.get(variable) if variable else in_file or plan.unit.file_with(r"^[ \t]*ExecStart[ \t]*=[ \t]*\S")
    )
    return _override(setting, channel, value, where, variable)


def _override(setting: str, channel: str, value: Any, where: Optional[str], variable: Optional[str]) -> Dict[str, Any]:
    return {
        "setting": setting,
        "channel": channel,
        "where": where,
        "variable": variable,
        "value": str(value) if setting in HARMLESS and value is not None else None,
    }
