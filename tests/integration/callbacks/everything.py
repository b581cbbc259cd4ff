# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A callback plugin that writes everything it receives to the file named by RECORDED_EVENTS, whatever `no_log` says."""

from __future__ import annotations

import os
import typing as t

from ansible.playbook.play import Play
from ansible.plugins.callback import CallbackBase

# What a log collector reads from a result, a task, an included file, a play's statistics.
ATTRIBUTES = ("_result", "_task_fields", "result", "task_fields", "args", "vars", "name", "_args", "_vars", "custom")


def recorded(event: str) -> t.Callable[..., None]:
    def hook(_self: CallbackBase, *given: object, **named: object) -> None:
        with open(os.environ["RECORDED_EVENTS"], "a", encoding="utf-8") as file:
            for value in (*given, *named.values()):
                if isinstance(value, Play):
                    # ansible-core hands over the play itself, with the variables that stand in it.
                    continue
                for source in (value, getattr(value, "_task", None), getattr(value, "task", None)):
                    file.writelines(
                        f"{event} {type(source).__name__}.{name}: {found!r}\n"
                        for name in ATTRIBUTES
                        if (found := getattr(source, name, None)) is not None
                    )
                file.write(f"{event}: {value!r}\n")

    return hook


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "everything"


for hook_name in dir(CallbackBase):
    if hook_name.startswith(("v2_playbook_on_", "v2_runner_")):
        setattr(CallbackModule, hook_name, recorded(hook_name))
