# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: a change of the firewall that undoes itself unless it is confirmed from outside.

What ufw has on the disk is copied first, and where it is active, what it has in the kernel. Two things lead back to it:
a clock (a transient systemd timer), and a service that is enabled and not started, so that it runs at the next boot.
Both run one shell script, which needs nothing of Ansible. The first to rename the folder `armed` decides: the script,
or the confirmation. A firewall that was active stays active while the script puts the old rules back.

What was read-only stays writable in between, as ufw writes. The script and the confirmation make it read-only again.
Nothing here waits for the script while it holds the lock of _remount, which the script may wait for.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import time
from typing import Any, Dict, List, Optional, Sequence

from ansible_collections.pifleet.nodered.plugins.module_utils._core import _own_folders
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files, _remount
from ansible_collections.pifleet.nodered.plugins.module_utils._files._files import Attributes
from ansible_collections.pifleet.nodered.plugins.module_utils._firewall import _rollback_script, _state
from ansible_collections.pifleet.nodered.plugins.module_utils._firewall._state import Connection
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _background, _mounts, _systemd
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._mounts import Mount

FOLDER = os.path.join(_own_folders.STATE, "firewall")
ARMED = os.path.join(FOLDER, "armed")
RETURNING = os.path.join(FOLDER, "returning")
# What was confirmed or put back: only to be deleted.
OVER = os.path.join(FOLDER, "over")
UNDONE = os.path.join(FOLDER, "undone")
# It goes with a restart of the machine, so whoever misses it knows that there was one.
MARK = os.path.join(_own_folders.LOCKS, "firewall-armed")
SCRIPT = os.path.join(FOLDER, "way-back")
# What the script needs to remount when the machine comes up read-only.
MOUNTS = os.path.join(FOLDER, "mounts")
SERVICE = "pifleet-firewall.service"
SERVICE_PATH = os.path.join(_systemd.UNIT_FOLDER, SERVICE)
WANTED_PATH = os.path.join(_systemd.UNIT_FOLDER, "multi-user.target.wants", SERVICE)
CLOCKS = "pifleet-firewall-clock-*.timer"
PRIVATE = Attributes(0, 0, 0o600, {})
# How long the way back may take: ufw starts Python several times, and a small Pi is slow.
SECONDS_BACK = 180
SECONDS_COMMAND = 90


def waiting() -> bool:
    """Whether a change waits for its confirmation, or is being undone."""
    return os.path.isdir(ARMED) or os.path.isdir(RETURNING)


def arm(seconds: int, expected: Optional[str], again: bool = False, remount: bool = False) -> Dict[str, Any]:
    """Save what ufw has, and see to it that it comes back in so many seconds. `expected` is the checksum that was read.

    Where a change waits already, what to go back to stays, and the clock starts anew. With `again`, one has to wait:
    the way back may have been taken meanwhile, and what was changed until then (the rule for SSH) is gone with it.
    With `remount`, what ufw writes to is writable from then on.
    """
    if again and not os.path.isdir(ARMED):
        raise _nothing_to_confirm()
    if os.path.isdir(RETURNING):
        raise _being_put_back()
    connection = _state.connection()
    if not os.path.isdir(ARMED) and expected is not None and expected != _state.checksum():
        raise Failure(
            "ufw's rules or settings were changed by somebody else after they were read.",
            "Nothing was touched. Run again.",
        )
    with _remount.writable(_places(), remount) as opened:
        if os.path.isdir(ARMED):
            _remember(connection)
        elif again:
            raise _nothing_to_confirm()
        else:
            _save(connection, opened)
        _start_clock(seconds)
        if not os.path.isdir(ARMED):
            # The old clock struck before the new one ran, and the way back has stopped both.
            raise _nothing_to_confirm()
        _remount.hold(opened)
    return {"changed": True, "connection": _as_dictionary(connection)}


def close(seconds: int, deny: bool, enable: bool, remount: bool = False) -> Dict[str, Any]:
    """Close what has no rule, where the way back is still there, and in the same breath as the clock starts anew.

    Between two tasks of a play any time can pass (other hosts, a laptop that sleeps). A firewall that is enabled after
    the way back was taken has no rule for SSH any more, and nothing would undo it.
    """
    ufw = shutil.which("ufw", path=_state.SYSTEM_PATH) or "ufw"
    commands = [[ufw, "default", "deny", "incoming"]] if deny else []
    commands += [[ufw, "--force", "enable"]] if enable else []
    # A command that takes longer is ended, so the clock cannot strike before or between them.
    result = arm(seconds + len(commands) * SECONDS_COMMAND, None, again=True, remount=remount)
    for command in commands:
        _call(*command)
    _start_clock(seconds)
    return result


def _being_put_back() -> Failure:
    return Failure("The old firewall is being put back right now.", "Wait until that has ended, then run again.")


def _places() -> List[str]:
    """Where ufw and the way back write."""
    return [*_state.paths(), os.path.dirname(SERVICE_PATH), _own_folders.STATE]


def _read_only_later(opened: Sequence[Mount]) -> List[Mount]:
    """What may be read-only when the way back is taken: also what somebody else made writable until the next boot."""
    table = _mounts.table()
    later = [mount for mount in map(table.holding, _places()) if table.read_only_at_boot(mount)]
    return list({mount.point: mount for mount in [*later, *_remount.held(), *opened]}.values())


def _save(connection: Optional[Connection], opened: Sequence[Mount]) -> None:
    _clear()
    arming = os.path.join(FOLDER, "arming")
    _copy_to(arming, connection)
    _place_way_back(opened)
    _files.remove(UNDONE)
    with _files.explained(ARMED):
        os.rename(arming, ARMED)
        _files.sync_folder(FOLDER)


def _clear() -> None:
    """Take away what a killed run has left. Its clock, or a script that runs on, would delete the next way back."""
    _stop_clocks()
    if _systemd.run(["systemctl", "is-active", SERVICE]).stdout.strip() == "activating":
        raise _being_put_back()
    for left_over in (os.path.join(FOLDER, "arming"), OVER):
        shutil.rmtree(left_over, ignore_errors=True)


def _copy_to(arming: str, connection: Optional[Connection]) -> None:
    with _files.explained(FOLDER):
        os.makedirs(_own_folders.STATE, mode=0o700, exist_ok=True)
        os.makedirs(FOLDER, mode=0o700, exist_ok=True)
        os.mkdir(arming, 0o700)
    for path in _state.paths():
        found = _files.read(path)
        _files.replace(os.path.join(arming, os.path.basename(path)), found.data, found.attributes)
    _write(os.path.join(arming, "connections"), json.dumps([_as_dictionary(connection)]))
    # Of an active firewall, the rules, in files named after the program that loads them. The file policies stands for
    # an inactive one.
    texts = _state.loaded_rules() if _state.active() else {"policies": _state.chain_policies()}
    for name, text in texts.items():
        _write(os.path.join(arming, name), text)


def _place_way_back(opened: Sequence[Mount]) -> None:
    with _files.explained(MARK):
        os.makedirs(_own_folders.LOCKS, mode=0o700, exist_ok=True)
    _write(MARK, "")
    _write(MOUNTS, _remount.described(_read_only_later(opened)))
    _write(SCRIPT, _script())
    unit = _rollback_script.unit(SCRIPT, _background.TAG)
    _files.replace(SERVICE_PATH, unit.encode(), Attributes(0, 0, 0o644, {}))
    _call("systemctl", "daemon-reload")
    _call("systemctl", "enable", SERVICE)


def _script() -> str:
    return _rollback_script.script(
        {
            "PATH": _state.SYSTEM_PATH,
            "folder": FOLDER,
            "run": _own_folders.LOCKS,
            "lock": os.path.join(_own_folders.LOCKS, _remount.LOCK),
            "held": os.path.join(_own_folders.LOCKS, _remount.HELD),
            "mark": MARK,
            "clocks": CLOCKS,
            "service": SERVICE_PATH,
            "wanted": WANTED_PATH,
            "paths": " ".join(_state.paths()),
        }
    )


def _remember(connection: Optional[Connection]) -> None:
    known = _connections()
    one = _as_dictionary(connection)
    _write(os.path.join(ARMED, "connections"), json.dumps(known + [one] if one not in known else known))


def _connections() -> List[Optional[Dict[str, Any]]]:
    with _files.explained(ARMED), open(os.path.join(ARMED, "connections"), encoding="utf-8") as stream:
        return list(json.load(stream))


def _start_clock(seconds: int) -> None:
    # The new one runs before the old ones stop, so that there is a way back at every moment.
    running = _systemd.run(["systemctl", "list-units", "--plain", "--no-legend", "--all", CLOCKS]).stdout
    name = "pifleet-firewall-clock-%d" % time.monotonic_ns()
    _call(
        "systemd-run",
        "--quiet",
        "--unit=" + name,
        "--on-active=%ds" % seconds,
        "--timer-property=AccuracySec=100ms",
        "systemctl",
        "start",
        "--no-block",
        SERVICE,
    )
    older = [line.split()[0] for line in running.splitlines() if line.split()]
    if older:
        _call("systemctl", "stop", *older)


def confirm() -> Dict[str, Any]:
    """Keep the new rules, where this came in over a connection that is newer than they are."""
    if not os.path.isdir(ARMED):
        raise _nothing_to_confirm()
    now, before = _as_dictionary(_state.connection()), _connections()
    if now is None and before != [None]:
        raise Failure(
            "The new rules are not confirmed: this came in without SSH, and what changed them did not.",
            "Use the same connection for the whole play.",
        )
    if now is not None and now in before:
        raise Failure(
            "The new rules are not confirmed: this is still the SSH connection from before (from %(client)s, port "
            "%(client_port)d), and it proves nothing." % now,
            "Run Ansible from another machine with its own SSH connection, and without a connection that is kept open "
            "by something else.",
        )
    with _files.explained(ARMED):
        try:
            os.rename(ARMED, OVER)
        except FileNotFoundError:
            raise _nothing_to_confirm() from None
    with _remount.released():
        _remove_way_back()
    _background.log("The new firewall is confirmed%s." % (", from " + now["client"] if now else ""))
    return {"changed": False, "connection": now}


def _nothing_to_confirm() -> Failure:
    if os.path.exists(UNDONE):
        return Failure(
            "It is too late: the old firewall is back since %s" % _undone(),
            "Give it more time (nodered_ufw_confirm_seconds), then run again.",
        )
    if os.path.isdir(RETURNING):
        return Failure("It is too late: the old firewall is being put back.", "Wait until it is, then run again.")
    return Failure("No change of the firewall waits for a confirmation.", "Arm the way back before the change.")


def _remove_way_back() -> None:
    _stop_clocks()
    for path in (WANTED_PATH, SERVICE_PATH, SCRIPT, MARK, MOUNTS):
        _files.remove(path)
    _call("systemctl", "daemon-reload")
    shutil.rmtree(OVER, ignore_errors=True)


def _stop_clocks() -> None:
    _systemd.run(["systemctl", "stop", CLOCKS])


def undo(reason: str) -> Dict[str, Any]:
    """Take the way back now, or wait until it has been taken. Where there is none, that is said and nothing is done."""
    if not waiting():
        return {"changed": False, "undone": _undone()}
    with contextlib.suppress(Failure, OSError):
        _write(os.path.join(ARMED, "reason"), reason)
    held = _remount.held()
    done = _systemd.run(["systemctl", "start", SERVICE], SECONDS_BACK)
    if waiting() or done.returncode != 0:
        raise Failure(
            "The old firewall could not be put back: %s" % (done.stderr.strip() or "see the journal"),
            "See journalctl -t %s on the machine. The next boot tries again." % _background.TAG,
        )
    # What was too busy for the script is tried again here, where who keeps it busy can be said.
    _remount.make_read_only(held)
    return {"changed": True, "undone": _undone()}


def _undone() -> Optional[str]:
    """When the way back was taken, and why; None where it was not since the last change."""
    with contextlib.suppress(OSError), open(UNDONE, encoding="utf-8") as stream:
        return stream.read().strip()
    return None


def _write(path: str, text: str) -> None:
    _files.replace(path, text.encode("utf-8", "surrogateescape"), PRIVATE)


def _as_dictionary(connection: Optional[Connection]) -> Optional[Dict[str, Any]]:
    return dataclasses.asdict(connection) if connection else None


def _call(*arguments: str) -> None:
    answer = _systemd.run(arguments, SECONDS_COMMAND)
    if answer.returncode != 0:
        raise Failure(
            "%s failed: %s" % (" ".join(arguments[:2]), answer.stderr.strip()), "See systemctl status on the machine."
        )
