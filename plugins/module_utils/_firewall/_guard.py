# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: a change of the firewall that is rolled back unless it is confirmed from outside.

The files of ufw are copied first, and if it is active, its rules in the kernel. Two things roll back to them: a clock
(a transient systemd timer), and a service that is enabled and not started, so that it runs at the next boot. Both run
one shell script, which needs nothing of Ansible. The first to rename the folder `armed` decides: the script, or the
confirmation. A firewall that was active stays active while the script restores the old rules.

Two runs can want to change the firewall of one machine at the same time, such as those for two Node-REDs that share it.
The folder `armed` holds the owner of the change that waits. No other owner can continue, confirm or undo it, and a lock
that is held between executions is not needed: the clock ends the change of an owner that is gone.

What was read-only stays writable in between, because ufw writes. The script and the confirmation make it read-only
again. Nothing here waits for the script while it holds the lock of _remount, which the script may wait for.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import time
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

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
# A reboot deletes it, so the script knows that there was one.
MARK = os.path.join(_own_folders.LOCKS, "firewall-armed")
SCRIPT = os.path.join(FOLDER, "way-back")
# What the script needs to remount when the machine comes up read-only.
MOUNTS = os.path.join(FOLDER, "mounts")
SERVICE = "pifleet-firewall.service"
SERVICE_PATH = os.path.join(_systemd.UNIT_FOLDER, SERVICE)
WANTED_PATH = os.path.join(_systemd.UNIT_FOLDER, "multi-user.target.wants", SERVICE)
CLOCKS = "pifleet-firewall-clock-*.timer"
PRIVATE = Attributes(0, 0, 0o600, {})
# How long a rollback may take: ufw starts Python several times, and a small Pi is slow.
SECONDS_BACK = 180
SECONDS_COMMAND = 90


def edited_before() -> bool:
    """Whether ufw was changed after a change of this collection was confirmed, and before the one that waits."""
    with contextlib.suppress(OSError), open(_confirmed_file(), encoding="utf-8") as stream:
        return stream.read() != _state.checksum(list(files_before().values()))
    return False


def _confirmed_file() -> str:
    """The file with the checksum of what ufw had when a change was last confirmed."""
    return os.path.join(_own_folders.STATE, "firewall-confirmed")


def files_before() -> Dict[str, str]:
    """The files that ufw writes, and where each is as it was before the change that waits; empty without ufw."""
    if not _state.installed():
        return {}
    armed = os.path.isdir(ARMED)
    return {path: os.path.join(ARMED, os.path.basename(path)) if armed else path for path in _state.paths()}


def waiting() -> bool:
    """Whether a change waits for its confirmation, or is being rolled back."""
    return os.path.isdir(ARMED) or os.path.isdir(RETURNING)


Rules = Sequence[Sequence[str]]
"""The words of rules, as `ufw` or `ufw delete` takes them."""
_ADDS, _DELETES = ("allow", "limit"), ("allow", "limit", "deny", "reject")


def arm(
    seconds: int,
    expected: Optional[str],
    again: bool = False,
    remount: bool = False,
    *,
    add: Rules = (),
    owner: str = "",
) -> Dict[str, Any]:
    """Save what ufw has, schedule the rollback to it in so many seconds, and add rules.

    `expected` is the checksum that was read. If a change waits already, its rollback stays, and the clock restarts.
    With `again`, one has to wait: it may have been rolled back, and what was changed until then (the rule for SSH) is
    gone with it. With `remount`, what ufw writes to is writable from then on.

    With an `owner`, a change of another one that waits, or a different checksum, is no Failure: `armed` is False then,
    and nothing was done.
    """
    if again:
        _require(owner)
    if owner and not again and not _is_free(owner, expected):
        return _not_armed()
    return _changed(seconds, _commands(add), lambda longer: _arm(longer, expected, again, remount, owner))


def close(
    seconds: int,
    deny: bool,
    enable: bool,
    remount: bool = False,
    *,
    add: Rules = (),
    delete: Rules = (),
    owner: str = "",
) -> Dict[str, Any]:
    """Add and delete rules and close what has no rule, immediately after the clock was restarted.

    Between two tasks of a play any time can pass (other hosts, a laptop that sleeps). A firewall that is enabled after
    a rollback has no rule for SSH any more, and nothing would undo it.
    """
    _require(owner)
    commands = _commands(add, delete)
    commands += [("default", "deny", "incoming")] if deny else []
    commands += [("--force", "enable")] if enable else []
    return _changed(seconds, commands, lambda longer: _arm(longer, None, True, remount, owner))


def restore(seconds: int, files: Mapping[str, bytes], remount: bool = False, *, owner: str = "") -> Dict[str, Any]:
    """Have ufw as it was with these files, by path, immediately after the clock was restarted.

    An active firewall stays active if it is to be active: its rules are exchanged in one step for each kind of address.
    """
    _require(owner)
    texts = {os.path.basename(path): data.decode("utf-8", "surrogateescape") for path, data in files.items()}
    if set(files) != set(_state.paths()):
        raise Failure("The restore point does not have all files of ufw.", "Choose another one.")
    wanted = _state.settings_in(texts[os.path.basename(_state.DEFAULTS)] + "\n" + texts["ufw.conf"])
    result = _arm(seconds + 6 * SECONDS_COMMAND, None, True, remount, owner)
    if wanted.get("ENABLED", "").lower() != "yes":
        _ufw("--force", "disable")
        _put(files)
    elif not _state.active():
        _put(files)
        _ufw("--force", "enable")
    else:
        _exchange(files, wanted)
    _start_clock(seconds)
    return result


def _put(files: Mapping[str, bytes]) -> None:
    for path, data in files.items():
        _files.replace(path, data, _files.read(path).attributes)


def _exchange(files: Mapping[str, bytes], wanted: Mapping[str, str]) -> None:
    """Put the rules of these files into the files of ufw and into the kernel, and set the default policies."""
    _put({path: data for path, data in files.items() if path.endswith(".rules")})
    for program, name in (("iptables-restore", "user.rules"), ("ip6tables-restore", "user6.rules")):
        if program == "iptables-restore" or _state.settings().get("IPV6", "").lower() == "yes":
            _call("sh", "-c", 'exec "$0" -w -n <"$1"', program, os.path.join(_state.FOLDER, name))
    now, policies = _state.policies(_state.settings()), _state.policies(dict(wanted))
    for direction, policy in policies.items():
        if policy != now[direction]:
            _ufw("default", policy, direction)


def start_at_boot() -> Dict[str, Any]:
    """Have systemd load the rules of ufw at boot."""
    if _state.starts_at_boot():
        return {"changed": False}
    _call("systemctl", "enable", "ufw.service")
    return {"changed": True}


def _commands(add: Rules, delete: Rules = ()) -> List[Tuple[str, ...]]:
    """What `ufw` is given for these rules. Raises Failure for words that are no rule, such as another command."""
    for rules, actions in ((add, _ADDS), (delete, _DELETES)):
        for rule in rules:
            if len(rule) < 2 or rule[0] not in actions:
                raise Failure(
                    "%r is not a rule." % " ".join(rule), "Begin it with %s, as for ufw." % " or ".join(actions)
                )
    return [tuple(rule) for rule in add] + [("delete", *rule) for rule in delete]


def _changed(seconds: int, commands: Sequence[Sequence[str]], armed: Callable[[int], Dict[str, Any]]) -> Dict[str, Any]:
    """The result of `armed`, with these commands of ufw run while the clock cannot end."""
    # A command that takes longer is ended, so the rollback cannot begin before or between them.
    result = armed(seconds + len(commands) * SECONDS_COMMAND)
    if result["armed"] and commands:
        for command in commands:
            _ufw(*command)
        _start_clock(seconds)
    return result


def _arm(seconds: int, expected: Optional[str], again: bool, remount: bool, owner: str) -> Dict[str, Any]:
    if os.path.isdir(RETURNING):
        raise _being_put_back()
    connection = _state.connection()
    if not os.path.isdir(ARMED) and expected is not None and expected != _state.checksum():
        raise Failure("The rules or settings of ufw were changed after they were read.", "Nothing was done. Run again.")
    with _remount.writable(_places(), remount) as opened:
        if owner and not again and not _is_free(owner, expected):
            # Another owner was faster, and this waited for it.
            return _not_armed()
        if os.path.isdir(ARMED):
            _remember(connection)
        elif again:
            raise _nothing_to_confirm()
        else:
            _save(connection, opened, owner)
        _start_clock(seconds)
        if not os.path.isdir(ARMED):
            # The old clock ended before the new one ran, and the rollback has stopped both.
            raise _nothing_to_confirm()
        _remount.hold(opened)
    return {"changed": True, "armed": True, "connection": _as_dictionary(connection)}


def _is_free(owner: str, expected: Optional[str]) -> bool:
    """Whether this owner can begin its change, or continue it."""
    if waiting():
        return current_owner() == owner
    return expected is None or expected == _state.checksum()


def _not_armed() -> Dict[str, Any]:
    return {"changed": False, "armed": False, "connection": _as_dictionary(_state.connection())}


def current_owner() -> str:
    """Whose change waits, or is being undone; empty for one without an owner."""
    for folder in (ARMED, RETURNING):
        with contextlib.suppress(OSError), open(os.path.join(folder, "owner"), encoding="utf-8") as stream:
            return stream.read()
    return ""


def _require(owner: str) -> None:
    """Raise Failure unless a change of this owner waits for its confirmation. Without an owner, any change will do."""
    if not os.path.isdir(ARMED):
        raise _nothing_to_confirm()
    if owner and current_owner() != owner:
        raise Failure(
            "It is too late: this change was rolled back, and another run changes the firewall now.",
            "Give it more time (nodered_ufw_confirm_seconds), then run again.",
        )


def _being_put_back() -> Failure:
    return Failure("The host is rolling back an earlier change.", "Wait until that has ended, then run again.")


def _places() -> List[str]:
    """Where ufw and the rollback write."""
    return [*_state.paths(), os.path.dirname(SERVICE_PATH), _own_folders.STATE]


def _read_only_later(opened: Sequence[Mount]) -> List[Mount]:
    """What can be read-only at a rollback: also what an administrator made writable until the next boot."""
    table = _mounts.table()
    later = [mount for mount in map(table.holding, _places()) if table.read_only_at_boot(mount)]
    return list({mount.point: mount for mount in [*later, *_remount.held(), *opened]}.values())


def _save(connection: Optional[Connection], opened: Sequence[Mount], owner: str) -> None:
    _clear()
    arming = os.path.join(FOLDER, "arming")
    _copy_to(arming, connection)
    _write(os.path.join(arming, "owner"), owner)
    _place_way_back(opened)
    _files.remove(UNDONE)
    with _files.explained(ARMED):
        os.rename(arming, ARMED)
        _files.sync_folder(FOLDER)


def _clear() -> None:
    """Remove what a killed run has left. Its clock, or a script that still runs, would delete the next rollback."""
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
            "PATH": _systemd.SYSTEM_PATH,
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
    # The new one runs before the old ones stop, so that a rollback is scheduled at every moment.
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


def confirm(owner: str = "") -> Dict[str, Any]:
    """Keep the new rules, if the connection in use was opened after they were set."""
    _require(owner)
    now, before = _as_dictionary(_state.connection()), _connections()
    if now is None and before != [None]:
        raise Failure(
            "The new rules are not confirmed: this connection does not use SSH, and the one that changed them does.",
            "Use the same type of connection for the whole play.",
        )
    if now is not None and now in before:
        raise Failure(
            "The new rules are not confirmed: this is still the SSH connection from before (from %(client)s, port "
            "%(client_port)d), which works under any rules." % now,
            "Run Ansible with an SSH connection of its own, not through one that another program keeps open.",
        )
    with _files.explained(ARMED):
        try:
            os.rename(ARMED, OVER)
        except FileNotFoundError:
            raise _nothing_to_confirm() from None
    with _remount.released():
        _write(_confirmed_file(), _state.checksum())
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
        return Failure("It is too late: the host is rolling back.", "Wait until that has ended, then run again.")
    return Failure("No change of the firewall waits for a confirmation.", "Arm the rollback before the change.")


def _remove_way_back() -> None:
    _stop_clocks()
    for path in (WANTED_PATH, SERVICE_PATH, SCRIPT, MARK, MOUNTS):
        _files.remove(path)
    _call("systemctl", "daemon-reload")
    shutil.rmtree(OVER, ignore_errors=True)


def _stop_clocks() -> None:
    _systemd.run(["systemctl", "stop", CLOCKS])


def undo(reason: str, owner: str = "") -> Dict[str, Any]:
    """Roll back now, or wait until that is done. If no change (of this owner) waits, nothing is done."""
    if not waiting() or (owner and current_owner() != owner):
        return {"changed": False, "undone": _undone(owner)}
    with contextlib.suppress(Failure, OSError):
        _write(os.path.join(ARMED, "reason"), reason)
    held = _remount.held()
    done = _systemd.run(["systemctl", "start", SERVICE], SECONDS_BACK)
    if waiting() or done.returncode != 0:
        raise Failure(
            "The old firewall could not be restored: %s" % (done.stderr.strip() or "see the journal"),
            "See journalctl -t %s on the machine. The next boot tries again." % _background.TAG,
        )
    # What was too busy for the script is tried again here, where the process that keeps it busy can be named.
    _remount.make_read_only(held)
    return {"changed": True, "undone": _undone(owner)}


def _undone(owner: str = "") -> Optional[str]:
    """When the last change (of this owner) was rolled back, and why; None if it was not."""
    with contextlib.suppress(OSError), open(UNDONE, encoding="utf-8") as stream:
        text, _newline, whose = stream.read().partition("\n")
        return text.strip() if not owner or whose.strip() == owner else None
    return None


def _write(path: str, text: str) -> None:
    _files.replace(path, text.encode("utf-8", "surrogateescape"), PRIVATE)


def _as_dictionary(connection: Optional[Connection]) -> Optional[Dict[str, Any]]:
    return dataclasses.asdict(connection) if connection else None


def _ufw(*words: str) -> None:
    program = shutil.which("ufw", path=_systemd.SYSTEM_PATH) or "ufw"
    answer = _systemd.run([program, *words], SECONDS_COMMAND)
    if answer.returncode != 0:
        raise Failure(
            "ufw %s failed: %s" % (" ".join(words), (answer.stderr or answer.stdout).strip()),
            "Run this command on the machine, correct what it reports, then run again.",
        )


def _call(*arguments: str) -> None:
    answer = _systemd.run(arguments, SECONDS_COMMAND)
    if answer.returncode != 0:
        raise Failure(
            "%s failed: %s" % (" ".join(arguments[:2]), answer.stderr.strip()), "See systemctl status on the machine."
        )
