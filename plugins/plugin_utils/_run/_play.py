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
from ansible.playbook.task_include import TaskInclude

COLLECTION = "pifleet.nodered."
PLAN = COLLECTION + "plan"
# (action, first argument) of what Ansible puts around the tasks of a role.
_OF_ROLES = (("ansible.builtin.validate_argument_spec", None), ("meta", "role_complete"))

# Stands among the tasks of a play where Ansible runs the handlers that were notified (`Play.compile`).
_HANDLERS = object()


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

    Args and the selection by tags are as for `later_roles`. Handlers, which run between the sections of a play, and the
    rest of included tasks, which is not known here, are in between.
    """
    for one in [task, *_later_entries(task)]:
        if one is _HANDLERS or (one is not task and _is_in_unknown_tasks(task)):
            return None
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


def _is_in_unknown_tasks(task: t.Any) -> bool:
    """Whether the task was included while the play runs, and not as the only one of a role of this collection."""
    includes = [one for one in _ancestry(task) if isinstance(one, TaskInclude) and not one.statically_loaded]
    return any(not str(getattr(one, "_role_name", "")).startswith(COLLECTION) or one._from_files for one in includes)


def _later_tasks(task: t.Any) -> list[t.Any]:
    return [one for one in _later_entries(task) if one is not _HANDLERS]


def _later_entries(task: t.Any) -> list[t.Any]:
    """The tasks after this one, and _HANDLERS."""
    entries = list(_entries(task.get_play()))
    here = {one._uuid for one in _ancestry(task)}
    position = max(
        (index for index, one in enumerate(entries) if one is not _HANDLERS and one._uuid in here), default=-1
    )
    return entries[position + 1 :]


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


def _entries(play: t.Any) -> Iterator[t.Any]:
    """The play's tasks in the order in which they run, as far as they are known before, and _HANDLERS."""
    yield from _flat(play.pre_tasks)
    yield _HANDLERS
    for role in play.roles:
        # Those that tasks import or include are where these tasks are.
        if not role.from_include:
            for one in (*role.get_all_dependencies(), role):
                yield from _flat(one.get_task_blocks())
    yield from _flat(play.tasks)
    yield _HANDLERS
    yield from _flat(play.post_tasks)


def _flat(entries: Iterable[t.Any]) -> Iterator[t.Any]:
    for entry in entries:
        if isinstance(entry, Block):
            yield from _flat([*entry.block, *entry.rescue, *entry.always])
        else:
            yield entry
