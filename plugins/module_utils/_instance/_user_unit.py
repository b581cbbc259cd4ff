# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: a Node-RED that the systemd of a user manages (systemctl --user).

What that systemd answers, the service user decides, and so do its unit files. So it is not handled, but named, with the
unit of the machine that does the same.
"""

from __future__ import annotations

import re
from typing import Optional, Sequence

from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._core._text import printable_line
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _command_line
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _identity, _processes
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._processes import Process
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Word


def name_of(pid: int) -> Optional[str]:
    """The user unit that the process is in; None where it is in none."""
    group = _processes.control_group(pid) or ""
    match = re.search(r"/user@\d+\.service/(?:.*/)?([^/]+\.service)(?:/|$)", group)
    return printable_line(match.group(1)) if match else None


def failure(processes: Sequence[Process]) -> Optional[Failure]:
    """The Failure for the first of these Node-REDs that is in a user unit; None where none is."""
    for process in processes:
        name = name_of(process.pid)
        if name:
            return _failure(process, name)
    return None


def _failure(process: Process, name: str) -> Failure:
    user = _identity.name_of(process.uid)
    line = _command_line.parse([Word(word) for word in process.arguments])
    start = (
        " ".join(process.arguments)
        if line and len(process.arguments) > 1 and not line.defines
        else "/usr/bin/env node-red"
    )
    unit = [
        *("[Unit]", "After=network.target", "[Service]", "User=" + user),
        "WorkingDirectory=" + printable_line(_processes.link(process.pid, "cwd") or "~"),
        *("ExecStart=" + printable_line(start), "Restart=on-failure", "[Install]", "WantedBy=multi-user.target"),
    ]
    return Failure(
        "Node-RED (pid %d) runs as %s, a systemd user unit of %s (systemctl --user). Only that user's own systemd can "
        "restart it, so a change could not be rolled back." % (process.pid, name, user),
        "Make it a service of the machine. As %s: systemctl --user disable --now %s. Then put these lines into "
        "/etc/systemd/system/nodered.service, with the ExecStart and the variables of %s, and run systemctl enable "
        "--now nodered:\n  %s" % (user, name, name, "\n  ".join(unit)),
    )
