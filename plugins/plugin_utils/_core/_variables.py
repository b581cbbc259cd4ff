# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: read variables that a task only names.

Every callback plugin receives a task's arguments, also with `no_log`, so a password must not be one of them. A task
that gives the name of a variable keeps its value inside the action plugin.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ._arguments import ArgumentError, mapping


class Templar(Protocol):
    """What is used here of Ansible's own class."""

    def template(self, variable: object) -> object:
        """The variable's value."""


def named_mapping(name: object, what: str, task_vars: Mapping[str, object], templar: Templar) -> Mapping[str, object]:
    """The dictionary in the variable with this name. Raises ArgumentError, which names it and shows no value."""
    return mapping(_named(name, what, task_vars, templar), str(name))


def _named(name: object, what: str, task_vars: Mapping[str, object], templar: Templar) -> object:
    if not isinstance(name, str) or not name.isidentifier():
        raise ArgumentError(f"{what} must be the name of a variable, not an expression and not a value.")
    if name not in task_vars:
        raise ArgumentError(f"{what} names the variable {name}, which is not defined. Correct the name.")
    return templar.template(task_vars[name])
