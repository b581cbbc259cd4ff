# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: make a change, and finish it at the next boot if the power fails before the
restart that confirms it.

Node-RED could start with files with which it does not respond, and no run would be there to undo them. So as long as a
change waits, the machine keeps the restart of this collection as a program, and a unit that runs it at boot.
"""

from __future__ import annotations

import argparse
import contextlib
import os
from typing import Iterator, Sequence

from ansible_collections.pifleet.nodered.plugins.module_utils._change import _change, _restart
from ansible_collections.pifleet.nodered.plugins.module_utils._core import _program
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files, _remount
from ansible_collections.pifleet.nodered.plugins.module_utils._files._files import Attributes
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import (
    _background,
    _systemd,
    _unit_files,
    _user_units,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._unit_files import Directive

# A small Pi that is booting is slow.
SECONDS = 300

ABOUT = "Written by pifleet.nodered; it is removed when the change is confirmed or rolled back."


@contextlib.contextmanager
def changing(service: str, folder: str, remount: bool) -> Iterator[None]:
    """Change this service alone, with a writable `folder`, so that a power cut leaves nothing unfinished.

    Raises Failure as `_change.locked` and `_remount.writable` do.
    """
    with _change.locked(service), writing(service, [folder], remount):
        yield


@contextlib.contextmanager
def writing(service: str, places: Sequence[str], remount: bool) -> Iterator[None]:
    """As `changing`, for a caller that holds the lock and writes to these `places`."""
    with _remount.writable([*places, *_change.places(service)], remount):
        try:
            _prepare(service, remount)
            yield
        finally:
            if not os.path.exists(_change.record_file(service)):
                _change.forget(service)


def _prepare(service: str, remount: bool) -> None:
    unit, link = _change.boot_unit(service), _change.boot_link(service)
    _write(_change.boot_program(service), _program.archive(__name__), 0o700)
    if os.path.islink(unit):
        # An administrator has masked it.
        return
    _write(unit, _unit_files.text(_unit(service, _change.boot_command(service, remount)), ABOUT).encode(), 0o755)
    with _files.explained(link):
        _files.make_folders(os.path.dirname(link), 0o755)
    if not os.path.islink(link):
        _files.make_link(link, unit)


def _write(path: str, data: bytes, folder_mode: int) -> None:
    with _files.explained(path):
        _files.make_folders(os.path.dirname(path), folder_mode)
    if not os.path.exists(path) or _files.read(path).data != data:
        _files.replace(path, data, Attributes(os.geteuid(), os.getegid(), 0o644, {}))


def _unit(service: str, command: Sequence[str]) -> _unit_files.Sections:
    about = "Restart %s to finish or roll back a change that the power failed in" % service
    user = _user_units.owner(service)
    manager = [_user_units.after_manager(user)] if user else []
    return {
        "Unit": [
            Directive("Description", [about]),
            Directive("ConditionPathExists", [_change.record_file(service)]),
            *([Directive("Wants", manager)] if manager else []),
            Directive("After", ["local-fs.target", "remote-fs.target", *manager]),
        ],
        "Service": [
            Directive("Type", ["exec"]),
            Directive("ExecStart", command),
            Directive("SyslogIdentifier", [_background.TAG]),
        ],
        "Install": [Directive("WantedBy", ["multi-user.target"])],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Finish or roll back a change of Node-RED that the power failed in.")
    parser.add_argument("service")
    parser.add_argument("--remount", action="store_true")
    parser.add_argument("--unconfirmed", default="", help="roll back the change that waits for this confirmation")
    given = parser.parse_args()
    try:
        if given.unconfirmed:
            result = _restart.roll_back_unconfirmed(given.service, given.unconfirmed, SECONDS, given.remount) or {}
        else:
            # While a machine boots, much takes longer than it does otherwise.
            with contextlib.suppress(Failure):
                _systemd.run(["systemctl", "is-system-running", "--wait"], SECONDS)
            result = _restart.finish(given.service, SECONDS, given.remount) or {}
    except Failure as failure:
        _background.log(str(failure), failed=True)
        raise SystemExit(1) from None
    if result.get("failed") and not result.get("serving"):
        raise SystemExit(1)
