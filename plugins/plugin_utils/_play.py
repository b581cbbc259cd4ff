# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: which roles of this collection a play is still going to plan for a host.

A condition (`when`) may depend on what later tasks find, so it is not evaluated.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Iterator

from ansible.playbook.block import Block

COLLECTION = "pifleet.nodered."
PLAN = COLLECTION + "plan"
# (action, first argument) of what Ansible puts around the tasks of a role.
_OF_ROLES = (("ansible.builtin.validate_argument_spec", None), ("meta", "role_complete"))


def later_roles(task: t.Any, variables: dict[str, t.Any]) -> frozenset[str]:
    """The roles with a planning task after this task, which the tags of the run select.

    Args:
        task: the task that runs (ansible.playbook.task.Task).
        variables: the variables of that task.
    """
    later = _later_tasks(task)
    return frozenset(role for one in later for role in _planned(one) if _is_selected(one, variables))


def next_plan(role: str, task: t.Any, variables: dict[str, t.Any]) -> str | None:
    """The id of the task that plans this role, if it is this task, or nothing but planning is in between; else None.

    Args and the selection by tags are as for `later_roles`.
    """
    for one in [task, *_later_tasks(task)]:
        is_plan = one.action == PLAN
        is_of_role = is_plan or (one.action, one.args.get("_raw_params")) in _OF_ROLES
        if is_of_role and not (is_plan and one.args.get("role") == role):
            continue
        if _is_selected(one, variables):
            return str(one._uuid) if is_plan else None
    return None


def _is_selected(task: t.Any, variables: dict[str, t.Any]) -> bool:
    """Whether the tags of the run select this task."""
    play = task.get_play()
    return bool(task.evaluate_tags(play.only_tags, play.skip_tags, all_vars=variables))


def _later_tasks(task: t.Any) -> list[t.Any]:
    tasks = list(_tasks(task.get_play()))
    here = {one._uuid for one in _ancestry(task)}
    position = max((index for index, one in enumerate(tasks) if one._uuid in here), default=-1)
    return tasks[position + 1 :]


def _planned(task: t.Any) -> Iterator[str]:
    """The role that this task plans. The tasks of an included role are not known before they run."""
    if task.action == PLAN and "role" in task.args:
        yield str(task.args["role"])
    included = str(getattr(task, "_role_name", ""))
    if included.startswith(COLLECTION) and "tasks" not in task._from_files:
        yield included[len(COLLECTION) :]


def _ancestry(task: t.Any) -> Iterator[t.Any]:
    """The task and what it is in: blocks, and the tasks that include or import."""
    while task is not None:
        yield task
        task = task._parent


def _tasks(play: t.Any) -> Iterator[t.Any]:
    """The play's tasks in the order in which they run, as far as they are known before."""
    yield from _flat(play.pre_tasks)
    for role in play.roles:
        # Those that tasks import or include are where these tasks are.
        if not role.from_include:
            for one in (*role.get_all_dependencies(), role):
                yield from _flat(one.get_task_blocks())
    yield from _flat(play.tasks)
    yield from _flat(play.post_tasks)


def _flat(entries: Iterable[t.Any]) -> Iterator[t.Any]:
    for entry in entries:
        if isinstance(entry, Block):
            yield from _flat([*entry.block, *entry.rescue, *entry.always])
        else:
            yield entry
