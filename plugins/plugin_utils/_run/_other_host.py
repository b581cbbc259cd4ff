# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An action on another host of the inventory than that of its task. Private.

ansible-core decides about `delegate_to` before an action runs, so that an action cannot ask for it. What follows is
what its `TaskExecutor` does for a delegated task.
"""

from __future__ import annotations

import typing as t

from ansible import constants
from ansible.plugins.action import ActionBase

if t.TYPE_CHECKING:
    from ansible.plugins.connection import ConnectionBase

TaskVars = dict[str, t.Any]
Action = t.TypeVar("Action", bound=ActionBase)


def on_other_host(action: Action, name: str, task_vars: t.Mapping[str, t.Any]) -> tuple[Action, TaskVars]:
    """The same action with a connection to another host, without `become`, and the variables of that host.

    `name` must be in the inventory. The connection is opened when it is used, and prints no output at any verbosity.
    """
    variables = _variables_of(name, action, task_vars)
    templar = action._templar.copy_with_new_env(available_variables=variables)
    task = action._task.copy()
    task.delegate_to = name
    delegated = {**task_vars, "ansible_delegated_vars": {name: variables}}
    context = action._play_context.set_task_and_variable_override(task, delegated, templar)
    context.post_validate(templar=templar)
    context.become, context.no_log = False, True
    # Not the task's: ansible-core 2.21 replaces it by the plugin that the task's own host has.
    context.connection = templar.template(variables.get("ansible_connection", task.get_play().connection))
    connection = action._shared_loader_obj.connection_loader.get(
        context.connection, context, new_stdin=None, task_uuid=task._uuid
    )
    _set_options(connection, task, context, variables, templar)
    other = type(action)(
        task=task,
        connection=connection,
        play_context=context,
        loader=action._loader,
        templar=templar,
        shared_loader_obj=action._shared_loader_obj,
    )
    return other, variables


def _variables_of(name: str, action: ActionBase, task_vars: t.Mapping[str, t.Any]) -> TaskVars:
    """The variables of the host, those of the play and the extra variables, as a task on that host would get them."""
    hostvars = task_vars["hostvars"]
    host = hostvars._inventory.get_host(name)
    found: TaskVars = hostvars._variable_manager.get_vars(
        play=action._task.get_play(), host=host, include_hostvars=False
    )
    return found


def _set_options(
    connection: ConnectionBase, task: t.Any, context: t.Any, variables: t.Mapping[str, t.Any], templar: t.Any
) -> None:
    keys = {**task.dump_attrs(), "timeout": context.timeout}
    # Those of the task are no options of a connection.
    keys.pop("retries", None)
    if context.password:
        keys["password"] = context.password
    for kind, plugin in (("connection", connection), ("shell", connection._shell)):
        known = constants.config.get_plugin_vars(kind, plugin._load_name)
        options = {one: templar.template(variables[one]) for one in known if one in variables}
        plugin.set_options(task_keys=keys, var_options=options)
