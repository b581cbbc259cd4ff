# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module in a process of its own, as Ansible does."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any


def result_of(python: list[str], arguments: dict[str, Any], program: str | None = None) -> dict[str, Any]:
    """What the module prints last, for these arguments.

    `python` is what Python is told to run (`["-m", NAME]`), or `["-"]` for the text in `program`.
    """
    done = subprocess.run(
        [sys.executable, *python, json.dumps({"ANSIBLE_MODULE_ARGS": arguments})],
        input=program,
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))
