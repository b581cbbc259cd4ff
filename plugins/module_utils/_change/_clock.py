# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: a clock that rolls back a change which is not confirmed in time.

It is a transient timer of systemd, which survives the controller and the connection. It runs the program that also
finishes an interrupted change at the next boot (`_boot`), since a boot deletes the timer.
"""

from __future__ import annotations

import contextlib

from ansible_collections.pifleet.nodered.plugins.module_utils._change import _change
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _systemd, _user_units

SECONDS_COMMAND = 60


def start(service: str, confirmation: str, seconds: int, remount: bool) -> None:
    """Roll back the change that waits for this confirmation in so many seconds. Raises Failure."""
    command = [
        "systemd-run",
        "--quiet",
        "--collect",
        "--unit=" + unit(service, confirmation),
        "--on-active=%ds" % seconds,
        "--timer-property=AccuracySec=100ms",
        # What hinders a rollback can end: another run, or a process that pretends to be a Node-RED.
        "--property=Restart=on-failure",
        "--property=RestartSec=60s",
        *_change.boot_command(service, remount),
        "--unconfirmed=" + confirmation,
    ]
    answer = _systemd.run(command, SECONDS_COMMAND)
    if answer.returncode != 0:
        raise Failure(
            "No timer can be started that would roll the change back: %s" % answer.stderr.strip(),
            "Look at systemctl status on the machine, and run again.",
        )


def stop(service: str, confirmation: str) -> None:
    """The change is confirmed or rolled back. A clock that goes on finds nothing to do."""
    with contextlib.suppress(Failure):
        _systemd.run(["systemctl", "stop", unit(service, confirmation) + ".timer"], SECONDS_COMMAND)


def unit(service: str, confirmation: str) -> str:
    """The name of the timer, and of the service that it starts, without suffix."""
    return "pifleet-%s-unconfirmed-%s" % (_user_units.file_name(service), confirmation)
