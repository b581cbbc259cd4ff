# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: a change of the firewall that undoes itself unless it is confirmed from outside.

What ufw has on the disk is copied first. Two things lead back to it: a clock (a transient systemd timer), and a service
that is enabled and not started, so that it runs at the next boot. Both run one shell script, which needs nothing of
Ansible. Whoever renames the folder `armed` first decides: the script, or the confirmation.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import time
from typing import Any, Dict, List, Optional

from ansible_collections.pifleet.nodered.plugins.module_utils import (
    _background,
    _change,
    _files,
    _firewall,
    _systemd,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import Attributes
from ansible_collections.pifleet.nodered.plugins.module_utils._firewall import Connection

FOLDER = os.path.join(_change.STATE_FOLDER, "firewall")
ARMED = os.path.join(FOLDER, "armed")
CONFIRMED = os.path.join(FOLDER, "confirmed")
RETURNING = os.path.join(FOLDER, "returning")
UNDONE = os.path.join(FOLDER, "undone")
# It goes with a restart of the machine, so whoever misses it knows that there was one.
MARK = os.path.join(_change.LOCK_FOLDER, "firewall-armed")
SCRIPT = os.path.join(FOLDER, "way-back")
SERVICE = "pifleet-firewall.service"
SERVICE_PATH = "/etc/systemd/system/" + SERVICE
CLOCKS = "pifleet-firewall-clock-*.timer"
PRIVATE = Attributes(0, 0, 0o600, {})
# How long the way back may take: ufw starts Python several times, and a small Pi is slow.
SECONDS_BACK = 180
SECONDS_COMMAND = 90

UNIT = """\
[Unit]
Description=Put back the firewall that was there before a change that nobody confirmed
After=ufw.service local-fs.target

[Service]
Type=oneshot
ExecStart=/bin/sh {script}
SyslogIdentifier={tag}

[Install]
WantedBy=multi-user.target
"""

WAY_BACK = """\
#!/bin/sh
# Puts ufw back to what it was before a change that nobody confirmed. Written by pifleet.nodered; it removes itself.
PATH={path}
cd {folder} || exit 1

remove_itself() {{
    systemctl stop '{clocks}'
    rm -f {service_path} /etc/systemd/system/multi-user.target.wants/{service} {script} {mark}
    systemctl daemon-reload
}}

copy_back() {{
    for path in {paths}; do
        cp -p "returning/${{path##*/}}" "$path.pifleet" && mv -f "$path.pifleet" "$path" || return 1
    done
}}

# ufw ends at once where the power has failed while it wrote its files, so these may have to come first.
put_back() {{
    ufw --force disable || {{ copy_back && ufw --force disable; }} || return 1
    copy_back || return 1
    if [ -e returning/active ]; then
        ufw --force enable || return 1
    else
        while read -r program policy; do
            "$program" -w $policy
        done <returning/policies
    fi
    sync
}}

# Whoever renames it first decides. "returning" is there already where the power failed on the way back.
if ! [ -d returning ] && ! mv armed returning 2>/dev/null; then
    remove_itself
    exit 0
fi
if [ -s returning/reason ]; then
    reason=$(cat returning/reason)
elif [ -e {mark} ]; then
    reason="nobody confirmed the new rules in time."
else
    reason="the machine was restarted before anybody confirmed the new rules."
fi
echo "Putting the old firewall back: $reason"
tries=0
until put_back; do
    tries=$((tries + 1))
    if [ "$tries" -ge 12 ]; then
        echo "The old firewall could not be put back; its files are in {folder}/returning. The next boot tries again."
        exit 1
    fi
    sleep 5
done
echo "$(date -u +%Y-%m-%dT%H:%M:%SZ): $reason" >undone
rm -rf returning
echo "The old firewall is back."
remove_itself
"""


def waiting() -> bool:
    """Whether a change waits for its confirmation, or is being undone."""
    return os.path.isdir(ARMED) or os.path.isdir(RETURNING)


def arm(seconds: int, expected: Optional[str], again: bool = False) -> Dict[str, Any]:
    """Save what ufw has, and see to it that it comes back in so many seconds. `expected` is the checksum that was read.

    Where a change waits already, what to go back to stays, and the clock starts anew. With `again`, one has to wait:
    the way back may have been taken meanwhile, and what was changed until then (the rule for SSH) is gone with it.
    """
    if again and not os.path.isdir(ARMED):
        raise _nothing_to_confirm()
    if os.path.isdir(RETURNING):
        raise Failure("The old firewall is being put back right now.", "Wait until that has ended, then run again.")
    connection = _firewall.connection()
    if os.path.isdir(ARMED):
        _remember(connection)
    else:
        if expected is not None and expected != _firewall.checksum():
            raise Failure(
                "ufw's rules or settings were changed by somebody else after they were read.",
                "Nothing was touched. Run again.",
            )
        _save(connection)
    _start_clock(seconds)
    if not os.path.isdir(ARMED):
        # The old clock struck before the new one ran, and the way back has stopped both.
        raise _nothing_to_confirm()
    return {"changed": True, "connection": _as_dictionary(connection)}


def close(seconds: int, deny: bool, enable: bool) -> Dict[str, Any]:
    """Close what has no rule, where the way back is still there, and in the same breath as the clock starts anew.

    Between two tasks of a play any time can pass (other hosts, a laptop that sleeps). A firewall that is enabled after
    the way back was taken has no rule for SSH any more, and nothing would undo it.
    """
    ufw = shutil.which("ufw", path=_firewall.SYSTEM_PATH) or "ufw"
    commands = [[ufw, "default", "deny", "incoming"]] if deny else []
    commands += [[ufw, "--force", "enable"]] if enable else []
    # A command that takes longer is ended, so the clock cannot strike before or between them.
    result = arm(seconds + len(commands) * SECONDS_COMMAND, None, again=True)
    for command in commands:
        _call(*command)
    _start_clock(seconds)
    return result


def _save(connection: Optional[Connection]) -> None:
    for left_over in (os.path.join(FOLDER, "arming"), CONFIRMED):
        shutil.rmtree(left_over, ignore_errors=True)
    with _files.explained(FOLDER):
        os.makedirs(_change.STATE_FOLDER, mode=0o700, exist_ok=True)
        os.makedirs(FOLDER, mode=0o700, exist_ok=True)
        arming = os.path.join(FOLDER, "arming")
        os.mkdir(arming, 0o700)
    for path in _firewall.paths():
        found = _files.read(path)
        _files.replace(os.path.join(arming, os.path.basename(path)), found.data, found.attributes)
    _write(os.path.join(arming, "policies"), _firewall.chain_policies())
    _write(os.path.join(arming, "connections"), json.dumps([_as_dictionary(connection)]))
    if _firewall.active():
        _write(os.path.join(arming, "active"), "")
    with _files.explained(MARK):
        os.makedirs(_change.LOCK_FOLDER, mode=0o700, exist_ok=True)
    _write(MARK, "")
    _write(SCRIPT, _script())
    _files.replace(SERVICE_PATH, UNIT.format(script=SCRIPT, tag=_background.TAG).encode(), Attributes(0, 0, 0o644, {}))
    _call("systemctl", "daemon-reload")
    _call("systemctl", "enable", SERVICE)
    _files.remove(UNDONE)
    with _files.explained(ARMED):
        os.rename(arming, ARMED)
        _files.sync_folder(FOLDER)


def _script() -> str:
    return WAY_BACK.format(
        path=_firewall.SYSTEM_PATH,
        folder=FOLDER,
        clocks=CLOCKS,
        service=SERVICE,
        service_path=SERVICE_PATH,
        script=SCRIPT,
        mark=MARK,
        paths=" ".join(_firewall.paths()),
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
    now, before = _as_dictionary(_firewall.connection()), _connections()
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
    try:
        os.rename(ARMED, CONFIRMED)
    except FileNotFoundError:
        raise _nothing_to_confirm() from None
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
    _systemd.run(["systemctl", "stop", CLOCKS])
    _call("systemctl", "disable", SERVICE)
    for path in (SERVICE_PATH, SCRIPT, MARK):
        _files.remove(path)
    _call("systemctl", "daemon-reload")
    shutil.rmtree(CONFIRMED, ignore_errors=True)


def undo(reason: str) -> Dict[str, Any]:
    """Take the way back now, or wait until it has been taken. Where there is none, that is said and nothing is done."""
    if not waiting():
        return {"changed": False, "undone": _undone()}
    with contextlib.suppress(Failure, OSError):
        _write(os.path.join(ARMED, "reason"), reason)
    done = _systemd.run(["systemctl", "start", SERVICE], SECONDS_BACK)
    if waiting() or done.returncode != 0:
        raise Failure(
            "The old firewall could not be put back: %s" % (done.stderr.strip() or "see the journal"),
            "See journalctl -t %s on the machine. The next boot tries again." % _background.TAG,
        )
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
