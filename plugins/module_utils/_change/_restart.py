# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: restart Node-RED, wait until it responds, and roll the change back if it does not.

What counts is the response, not the state that systemd reports: some failures end Node-RED with exit status 0, some
leave it running without a port, and the installer's unit restarts a failing one forever.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import subprocess
import time
from typing import Any, Dict, List, Optional, Sequence, Set, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils._change import (
    _ban_files,
    _change,
    _clock,
    _points,
    _sessions_file,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._change._change import Change
from ansible_collections.pifleet.nodered.plugins.module_utils._core import _commands, _deadline
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure, masked, secrets_in
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _remount
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import (
    _description,
    _endpoint,
    _find,
    _node,
    _running,
    _service_ports,
    _serving,
    _sessions,
    _start_plan,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._find import Seen
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._running import Running
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._serving import Endpoint
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._start_plan import StartPlan
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import (
    _background,
    _identity,
    _processes,
    _systemd,
    _user_units,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Unit

# How long it must keep responding, as the same process, after its first good response.
STABLE_SECONDS = 5.0
POLL_SECONDS = 0.5
# A TLS handshake that keeps failing on an open port will not get better.
TLS_PATIENCE_SECONDS = 8.0
JOURNAL_LINES = 20
# Node-RED keeps a list of its nodes there, and writes it at its first start and after an update.
READ_ONLY_REMEDY = (
    "Node-RED itself has to write to its user directory, which is read-only. Make that writable, start Node-RED once, "
    "make it read-only again, and run again."
)
# Of messages without an error, only the last few help.
QUIET_LINES = 6
JOURNAL_WIDTH = 300
SYSTEMD_PID = 1
_COMPLAINT = re.compile(r"\[error\]|\w*Error\b|Exception|^Failed|fatal", re.IGNORECASE)


@dataclasses.dataclass
class State:
    """What is known about the instance; it changes as files and processes do."""

    plan: StartPlan
    loaded: _node.Loaded
    remount: bool = False
    """Whether read-only file systems may be remounted for writes."""

    @property
    def name(self) -> str:
        return self.plan.unit.name

    @property
    def units(self) -> List[str]:
        """What is started, in this order, and stopped."""
        return [self.plan.socket.name, self.name] if self.plan.socket else [self.name]

    @property
    def where(self) -> Endpoint:
        return _endpoint.expected(self.plan, self.loaded)

    @property
    def runs(self) -> bool:
        return self.plan.unit.state == "active" and _processes.process(self.plan.unit.main_pid) is not None


@dataclasses.dataclass(frozen=True)
class Trouble:
    """Why Node-RED does not respond, and what to do about that in particular."""

    text: str
    remedy: str = ""


NOTHING_LOADED = _node.Loaded(None, "", (), {}, {}, (), False)


def restart(service: Optional[str], timeout: float, remount: bool, seconds: float) -> Dict[str, Any]:
    """Restart this service. The result is that of the module: `instance` and `rolled_back`, or `failed` and `msg`.

    Raises Failure if the work before or after the restart takes more than so many seconds.
    """
    with _deadline.within(seconds):
        unit, others = _find.find(service)
        # Twice, as undoing takes as long as trying.
        with _change.locked(unit.service, 2 * timeout):
            return restart_locked(unit.name, others, timeout, remount)


def described(
    name: str, others: Sequence[Seen], remount: bool, loaded: Optional[_node.Loaded] = None
) -> Dict[str, Any]:
    """The result of a change that needs no restart."""
    return dict(_result(_read_state(name, remount, loaded), others), changed=True, rolled_back=False)


def finish(service: str, timeout: float, remount: bool) -> Optional[Dict[str, Any]]:
    """Finish a change of this service that a power cut interrupted; the result of `restart`, None if there is none.

    A Node-RED that responds by itself after a boot, even late (a network, a broker), needs no restart.
    """
    with _change.locked(service, timeout):
        change = _change.interrupted(service)
        if change is None or _is_off(service):
            return None
        _background.log("The power failed before a change of %s was finished. It is finished now." % service)
        if change.confirmation:
            return _roll_back_unconfirmed(service, change, timeout, remount, "before the machine was started again")
        unit, others = _find.find(service)
        state = _read_state_after_start(unit.name, remount, timeout)
        if not change.ends_sessions() and _responds_within(state, timeout):
            _forget(state)
            _background.log("%s responds with the change." % unit.name)
            return _result(_refreshed(state), others)
        return restart_locked(unit.name, others, timeout, remount)


def roll_back_unconfirmed(service: str, confirmation: str, timeout: float, remount: bool) -> Optional[Dict[str, Any]]:
    """Roll back the change that waits for this confirmation; the result of `restart`, None if none waits for it."""
    with _change.locked(service, timeout):
        change = _change.unconfirmed(service, confirmation)
        return _roll_back_unconfirmed(service, change, timeout, remount, "in time") if change else None


def _roll_back_unconfirmed(service: str, change: Change, timeout: float, remount: bool, when: str) -> Dict[str, Any]:
    unit, others = _find.find(service)
    state = _read_state_after_start(unit.name, remount, timeout)
    return roll_back_locked(state.name, others, change, timeout, remount, "It was not confirmed %s." % when)


def roll_back_locked(
    name: str, others: Sequence[Seen], change: Change, timeout: float, remount: bool, why: str
) -> Dict[str, Any]:
    """Roll back a change with which Node-RED responds, for a caller that holds the lock."""
    state = _read_state(name, remount)
    with _change.rollback():
        return _roll_back(state, change, others, Trouble(why, "Run again."), timeout, responded=True)


def confirm_locked(name: str, others: Sequence[Seen], change: Change, remount: bool) -> Dict[str, Any]:
    """Keep a change that waits for its confirmation, for a caller that holds the lock.

    Raises Failure if that cannot be recorded; then it still waits.
    """
    state = _read_state(name, remount)
    service = state.plan.service
    with _remount.writable(_change.places(service), remount):
        # From here on, neither the clock nor a boot rolls it back.
        _change.await_confirmation(service, "")
        _change.forget(service)
    _clock.stop(service, change.confirmation)
    return dict(_result(_refreshed(state), others), changed=True, rolled_back=False)


def _is_off(service: str) -> bool:
    """Whether this service is switched off: it does not run, and a boot starts neither it nor its socket."""
    unit = _systemd.show(service)[0]
    return not unit.in_use and _systemd.socket_of(unit) is None


def _read_state_after_start(name: str, remount: bool, timeout: float) -> State:
    """As `_read_state`, when the process that shows how Node-RED is started may still have to start."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            return _read_state(name, remount)
        except Failure:
            if time.monotonic() > deadline or not _systemd.show(name)[0].working:
                raise
        time.sleep(4 * POLL_SECONDS)


def _responds_within(state: State, timeout: float) -> bool:
    """Whether it responds in that time, with as many starts as it takes; not tried if it certainly cannot."""
    deadline = time.monotonic() + timeout
    while not (state.loaded.error or state.where.problem) and time.monotonic() < deadline:
        if _responds(_systemd.show(state.name)[0], state.where)[0]:
            return True
        time.sleep(4 * POLL_SECONDS)
    return False


def restart_locked(
    name: str,
    others: Sequence[Seen],
    timeout: float,
    remount: bool,
    loaded: Optional[_node.Loaded] = None,
    confirm_within: int = 0,
) -> Dict[str, Any]:
    """As `restart`, for a caller that holds the lock and may have loaded the settings file already.

    A change that waits for its confirmation goes on waiting; with `confirm_within`, it is rolled back after so many
    seconds.
    """
    unit = _systemd.show(name)[0]
    if any(one and one.text("NeedDaemonReload") == "yes" for one in (unit, _systemd.socket_of(unit))):
        _systemd.reload(name)
    state = _read_state(name, remount, loaded)
    recorded = _change.recorded(state.plan.service)
    change = _undoable(state, recorded)
    ends_sessions = _ends_sessions(recorded, change)
    written = change or (recorded if ends_sessions else None)
    if written:
        # Checked before anything is stopped, since what cannot be written cannot be undone either.
        _remount.to_remount(_change.places_of_undo(state.plan.service, written), remount)
    trouble = _foreseen(state)
    # From here on, no time limit interrupts the work: it ends with a restart or a rollback.
    with _change.rollback():
        if trouble:
            return _refuse(state, change, others, trouble, timeout)
        started = time.monotonic()
        try:
            trouble = _stop_and_start(state, change, timeout, ends_sessions)
            if change and confirm_within and not trouble:
                _clock.start(state.plan.service, change.confirmation, confirm_within, remount)
        except (Failure, OSError) as failure:
            # A failure halfway must not leave Node-RED stopped.
            trouble = Trouble(str(failure))
            if change is None:
                _start_in_background(state)
        if trouble:
            return _roll_back(state, change, others, trouble, timeout)
        if not (change and change.confirmation):
            _forget(state)
        took = time.monotonic() - started
    state = _refreshed(state)
    _background.log("%s was restarted and responds%s." % (name, " at " + state.where.url if state.where.url else ""))
    return dict(_result(state, others), changed=True, rolled_back=False, seconds=round(took, 1))


def _read_state(
    name: str, remount: bool, loaded: Optional[_node.Loaded] = None, last: Optional[Running] = None
) -> State:
    """`last` is the Node-RED that ran a moment ago, which shows what a launcher does."""
    plan = _start_plan.plan(_systemd.show(name)[0], last)
    if loaded is not None:
        return State(plan, loaded, remount)
    # A fresh installation has no settings file: its first start writes the default.
    loaded = _start_plan.load(plan) if os.path.exists(plan.settings_file) else NOTHING_LOADED
    return State(plan, loaded, remount)


def _refreshed(state: State) -> State:
    return dataclasses.replace(state, plan=dataclasses.replace(state.plan, unit=_systemd.show(state.name)[0]))


def _undoable(state: State, change: Optional[Change]) -> Optional[Change]:
    """The change to undo if Node-RED does not respond; None if a running Node-RED has responded with it since."""
    unit = state.plan.unit
    if change is None or change.counts(unit.main_pid):
        return change
    responds = not state.loaded.error and state.runs and _endpoint.serving(unit, state.where) is not None
    # Started since (after a power cut), but it does not respond: still a change to undo.
    return None if responds or not change.in_place() else change


def _ends_sessions(recorded: Optional[Change], undoable: Optional[Change]) -> bool:
    """Whether logins have changed, also if a start after a power cut has activated the new ones already."""
    return recorded is not None and recorded.ends_sessions() and (undoable is not None or recorded.in_place())


def _foreseen(state: State) -> Optional[Trouble]:
    """Why a start with these files cannot succeed; checked while the old Node-RED still responds."""
    if state.loaded.error:
        return Trouble(
            "The settings file %s cannot be loaded. Node.js reports:\n%s"
            % (state.plan.settings_file, state.loaded.error),
            _node.explain(state.loaded.error, state.plan.settings_file, state.plan.identity),
        )
    if state.where.problem:
        return Trouble(state.where.problem, _remedy_for_port(state))
    return _held_by_another(state, family=set(_service_ports.family(state.plan.unit)))


def _remedy_for_port(state: State) -> str:
    socket = state.plan.socket
    if socket is not None and _endpoint.takes_socket(state.plan, state.loaded):
        return "Give %s one ListenStream= with a TCP port (systemctl edit %s)." % (socket.name, socket.name)
    return "Set uiPort to a number from 1 to 65535."


def _held_by_another(state: State, family: Set[int]) -> Optional[Trouble]:
    """Who else holds the port; None when it is free, our own, or systemd's for our socket unit."""
    where = state.where
    if where.port is None or where.headless:
        return None
    if _endpoint.takes_socket(state.plan, state.loaded):
        family = family | {SYSTEMD_PID}
    for pid, listener in _processes.holders(where.host, where.port):
        ours = pid in family if pid is not None else bool(family) and listener.uid == state.plan.identity.uid
        if not ours:
            return Trouble(
                "Port %d is already held by %s." % (where.port, _holder_name(pid, listener)),
                "Choose another port for Node-RED, or stop what holds this one (ss -ltnp 'sport = :%d')." % where.port,
            )
    return None


def _holder_name(pid: Optional[int], listener: _processes.Listener) -> str:
    holder = _processes.process(pid) if pid is not None else None
    if holder is None:
        return "another process (of the user with number %d)" % listener.uid
    if holder.pid == SYSTEMD_PID:
        return "process 1 (%s, for a socket unit: systemctl list-sockets)" % holder.name
    unit = _processes.unit_of(holder.pid)
    return "process %d (%s%s)" % (holder.pid, holder.name, ", " + unit if unit else "")


def _stop_and_start(state: State, change: Optional[Change], timeout: float, ends_sessions: bool) -> Optional[Trouble]:
    """Stop, end old sessions if logins changed, start, wait. What is wrong if it does not respond, else None."""
    _stop(state, timeout)
    held = _held_by_another(state, family=set())
    if held and change:
        return held
    if ends_sessions:
        # Old tokens stay valid after a password change (Node-RED 4.1, auth/tokens.js), and a running Node-RED would
        # write them back, so they go between stop and start.
        try:
            _end_sessions(state)
        except Failure as failure:
            return Trouble(failure.problem, failure.remedy)
    return _start_and_wait(state, timeout)


def _stop(state: State, timeout: float) -> None:
    # With its socket: a request would start the service again.
    name = state.name
    try:
        answer = _systemd.control(state.units, "stop", timeout=timeout)
    except Failure:
        answer = None
    if answer is None or answer.returncode != 0:
        _systemd.control([name], "kill", "--signal=SIGKILL", timeout=30)
        answer = _systemd.control(state.units, "stop", timeout=60)
    if answer.returncode != 0:
        raise Failure(
            "%s cannot be stopped: %s" % (name, answer.stderr.strip()),
            "See %s on the machine." % _user_units.by_hand(name, "status"),
        )


def _start_in_background(state: State) -> None:
    _systemd.control(state.units, "start", "--no-block", timeout=30)


def _end_sessions(state: State) -> None:
    user_dir = _start_plan.user_dir(state.plan, state.loaded.in_effect)
    place = _sessions.place_of(state.plan, user_dir)
    # Those in /run can be deleted on any machine.
    with _remount.writable([user_dir] if _sessions_file.on_disk(place) else [], state.remount, whole_run=False):
        _sessions_file.end(place, state.plan.service)


def _start_and_wait(state: State, timeout: float) -> Optional[Trouble]:
    deadline = time.monotonic() + timeout
    cursor = _journal_cursor(state.name)
    _systemd.control(state.units, "reset-failed", timeout=30)
    trouble = _start_socket(state)
    if trouble:
        return trouble
    # In the background: a unit with slow preparations (ExecStartPre) would keep it waiting beyond the deadline.
    starting = _systemd.start_in_background(state.name)
    try:
        trouble = _wait(state, starting, deadline, timeout)
    finally:
        # Its end is not waited for without a limit: that of a user unit can be hidden by that user (ptrace(2)).
        _commands.end(starting)
    return _with_messages(trouble, _journal_since(cursor, state)) if trouble else None


def _with_messages(trouble: Trouble, messages: str) -> Trouble:
    """The trouble with the last messages of Node-RED, which may also show the remedy."""
    if not messages:
        return trouble
    remedy = trouble.remedy or (READ_ONLY_REMEDY if "EROFS" in messages else "")
    return Trouble("%s\nIts last messages:\n%s" % (trouble.text, messages), remedy)


def _start_socket(state: State) -> Optional[Trouble]:
    """Let systemd listen before the service starts: a service that finds no socket opens a port of its own."""
    socket = state.plan.socket
    if socket is None:
        return None
    answer = _systemd.control([socket.name], "start", timeout=60)
    if answer.returncode == 0:
        return None
    reason = (_processes.why_not_listen(*socket.address) if socket.address else None) or answer.stderr.strip()
    return Trouble(
        "%s cannot listen on %s: %s" % (socket.name, ", ".join(socket.streams), reason),
        "Choose an address and a port that are free on this machine (ss -ltnp; ip address).",
    )


def _wait(state: State, starting: "subprocess.Popen[bytes]", deadline: float, timeout: float) -> Optional[Trouble]:
    """Wait until it has responded as the same process for some seconds. What is wrong if it does not, else None."""
    where, reason = state.where, "it has not started yet"
    good: Optional[Tuple[Tuple[int, int, Optional[int]], float]] = None
    tls_fails_since: Optional[float] = None
    while time.monotonic() < deadline:
        unit, ended = _unit_and_end(state.name, starting)
        if ended:
            return ended
        serving, reason, tls_failed = _responds(unit, where)
        # A launcher (PM2) that goes on can start Node-RED again and again.
        node_red = _running.node_red_of(unit) if serving else None
        identity = (unit.main_pid, unit.number("NRestarts"), node_red.pid if node_red else None)
        now = time.monotonic()
        if serving:
            if good is None or good[0] != identity:
                good = (identity, now)
            elif now - good[1] >= STABLE_SECONDS:
                return None
        else:
            good = None
        tls_fails_since = (tls_fails_since or now) if tls_failed else None
        if tls_fails_since and now - tls_fails_since > TLS_PATIENCE_SECONDS:
            return Trouble(
                "Node-RED listens, but %s." % reason,
                "Look at https in settings.js: it needs a key and the certificate that belongs to it.",
            )
        if not serving and unit.main_pid:
            held = _held_by_another(state, family=set(_service_ports.family(unit)))
            if held:
                return held
        time.sleep(POLL_SECONDS)
    return Trouble(
        "It did not respond within %d seconds: %s." % (timeout, reason),
        "If this machine needs longer, give it more time (nodered_restart_timeout, option timeout).",
    )


def _unit_and_end(name: str, starting: "subprocess.Popen[bytes]") -> Tuple[Unit, Optional[Trouble]]:
    """The unit now, and how Node-RED ended if it did."""
    # In this order: otherwise a start that ends between the two would make the unit look as if it had ended.
    start = starting.poll()
    unit = _systemd.show(name)[0]
    return unit, _ended(unit, start)


def _ended(unit: Unit, start: Optional[int]) -> Optional[Trouble]:
    """How Node-RED ended, if it did. Exit status 0 is an end like any other: it is that of many failures (red.js)."""
    waiting_to_restart = unit.state == "activating" and unit.text("SubState").startswith("auto-restart")
    if unit.state == "failed" or waiting_to_restart or (unit.state == "inactive" and start is not None):
        how = {2: "by signal %d", 3: "by signal %d (core dumped)"}.get(
            unit.number("ExecMainCode"), "with exit status %d"
        )
        return Trouble("Node-RED ended %s." % (how % unit.number("ExecMainStatus")))
    return None


def _responds(unit: Unit, where: Endpoint) -> Tuple[bool, str, bool]:
    """Whether a process of this service responds there: (responds, reason, whether TLS is what fails)."""
    if _processes.process(unit.main_pid) is None:
        return False, "its process does not run", False
    if where.headless:
        return True, "", False
    sockets = _service_ports.listeners(unit)
    if where.port is None:
        found = _serving.found_among(sockets, where)
        return found is not None, "it listens on no port", False
    matching = [one for one in sockets if one.port == where.port]
    if not matching:
        ports = ", ".join(sorted({str(one.port) for one in sockets})) or "none"
        return False, "it does not listen on port %d (but on: %s)" % (where.port, ports), False
    answer = _serving.ask(where)
    return answer.serving, answer.reason, answer.tls_failed


def _refuse(
    state: State, change: Optional[Change], others: Sequence[Seen], trouble: Trouble, timeout: float
) -> Dict[str, Any]:
    """The result for a start that cannot succeed: undo, and do not stop a Node-RED that runs with the old files."""
    remedy = trouble.remedy or _general_remedy(state.name)
    if change is not None and not (state.runs and change.runs_old(state.plan.unit.main_pid)):
        return _roll_back(state, change, others, trouble, timeout)
    if not state.runs:
        text = trouble.text + "\nNode-RED was not running and was not started."
        return _failed(state, others, text, remedy, changed=False)
    if change is None or not change.in_place():
        text = trouble.text + "\nNode-RED was not stopped and continues with its present configuration."
        return _failed(state, others, text, remedy, changed=False)
    kept = _undo(state, change)
    parts = [
        trouble.text,
        "The change was rolled back. Node-RED was not stopped and continues with the old configuration.",
    ]
    return _failed(
        _read_state(state.name, state.remount),
        others,
        "\n".join(parts + _lines_about_rejected(kept)),
        remedy,
        rolled_back=True,
        rejected=kept,
    )


def _roll_back(
    state: State,
    change: Optional[Change],
    others: Sequence[Seen],
    trouble: Trouble,
    timeout: float,
    responded: bool = False,
) -> Dict[str, Any]:
    parts = [("" if responded else "Node-RED does not respond after the restart. ") + trouble.text]
    remedy = trouble.remedy or _general_remedy(state.name)
    if change is None:
        # What is recorded was confirmed before, so it must not be undone later, either.
        _forget(state)
        parts.append("No change by this collection waited for this restart, so there was nothing to roll back.")
        return _failed(_refreshed(state), others, "\n".join(parts), remedy)
    kept: List[str] = []
    undone = False
    try:
        not_stopped = _try_to_stop(state, timeout)
        if responded and change.ends_sessions():
            _end_new_sessions(state)
        kept = _undo(state, change)
        undone = True
        state = _read_state(state.name, state.remount, last=state.plan.running)
        second = not_stopped or _start_and_wait(state, timeout)
    except (Failure, OSError) as failure:
        second = Trouble(str(failure))
        _start_in_background(state)
    if not undone:
        parts.append("The change could not be rolled back: " + str(second and second.text))
        points = _points.folder(state.plan.service)
        restart_by_hand = _user_units.by_hand(state.name, "restart")
        remedy = "Put the old files back by hand (%s has them), then: %s" % (points, restart_by_hand)
    elif second:
        parts.append(
            "The change was rolled back, but Node-RED does not respond with its old configuration either: "
            + second.text
        )
        by_hand = (_user_units.journal_by_hand(state.name), _user_units.by_hand(state.name, "status"))
        look = "Log in to the machine and look at: %s; %s" % by_hand
        remedy = READ_ONLY_REMEDY if second.remedy == READ_ONLY_REMEDY else look
    else:
        parts.append(
            "The change was rolled back, and Node-RED responds again with its old configuration at %s."
            % state.where.url
        )
    parts.extend(_lines_about_rejected(kept))
    return _failed(
        _refreshed(state), others, "\n".join(parts), remedy, rolled_back=undone, rejected=kept, serving=not second
    )


def _end_new_sessions(state: State) -> None:
    """End those of logins that are rolled back. What hinders it is logged, and hinders no rollback."""
    try:
        _end_sessions(state)
    except (Failure, OSError) as failure:
        _background.log(str(failure), failed=True)
    finally:
        # The rollback works as the same user, who can have stopped what ends the sessions.
        _identity.give_time_again()


def _try_to_stop(state: State, timeout: float) -> Optional[Trouble]:
    """Stop the service; what is wrong if it cannot be stopped. The old files are restored nevertheless."""
    try:
        _stop(state, timeout)
    except Failure as failure:
        return Trouble(failure.problem, failure.remedy)
    return None


def _undo(state: State, change: Change) -> List[str]:
    """Restore the old files; where the rejected texts are kept."""
    with _remount.writable(_change.places_of_undo(state.plan.service, change), state.remount):
        rejected = _change.rejected_texts(change)
        _change.undo(change)
        kept = _change.keep(rejected)
        if change.touches_unit():
            _systemd.reload(state.name)
        _ban_files.reload_undone(change)
        _change.forget(state.plan.service)
    return kept


def _forget(state: State) -> None:
    """Drop the record of a change that is confirmed. Where that cannot be done, a later restart does it."""
    service = state.plan.service
    if _change.has_record(service):
        with contextlib.suppress(Failure), _remount.writable(_change.places(service), state.remount):
            _change.forget(service)


def _lines_about_rejected(paths: Sequence[str]) -> List[str]:
    return ["The rejected text is kept in %s." % path for path in paths]


def _general_remedy(name: str) -> str:
    return "Correct what is named above and run again. All messages: %s" % _user_units.journal_by_hand(name)


def _failed(
    state: State,
    others: Sequence[Seen],
    text: str,
    remedy: str,
    changed: bool = True,
    rolled_back: bool = False,
    rejected: Sequence[str] = (),
    serving: Optional[bool] = None,
) -> Dict[str, Any]:
    message = text + "\n" + remedy
    _background.log(message, failed=True)
    result = dict(
        _result(state, others),
        failed=True,
        changed=changed,
        msg=message,
        rolled_back=rolled_back,
        rejected=list(rejected),
    )
    if serving is not None:
        result["serving"] = serving
    return result


def _result(state: State, others: Sequence[Seen]) -> Dict[str, Any]:
    instance = _description.describe(state.plan, state.loaded, others)
    instance.update(_change.described(state.plan.service, state.plan.unit.main_pid))
    return {"instance": instance}


def _journal_cursor(name: str) -> Optional[str]:
    """Where the journal ends now. The time would be uncertain, as a Pi has no clock that survives a power cut."""
    try:
        fields = _user_units.journal_fields(name)
        answer = _systemd.run(["journalctl", "--no-pager", "-q", "-n", "0", "--show-cursor", *fields], 30)
    except Failure:
        # A journal of gigabytes on an SD card may take longer; the restart matters more.
        return None
    cursor = answer.stdout.strip().rpartition("-- cursor: ")[2]
    return cursor or None


def _journal_since(cursor: Optional[str], state: State) -> str:
    """The last lines that the service wrote since then, without secrets."""
    since = ["--after-cursor=" + cursor] if cursor else ["-b"]
    try:
        answer = _systemd.run(
            [
                "journalctl",
                "--no-pager",
                "-q",
                "-o",
                "cat",
                "-n",
                "200",
                *_user_units.journal_fields(state.name),
                *since,
            ],
            60,
        )
    except Failure:
        return ""
    # Only the messages of Node-RED, not those of systemd about the unit.
    unit = _user_units.split(state.name).unit
    lines = [line.rstrip() for line in answer.stdout.splitlines() if line.strip() and unit not in line]
    first = next((number for number, line in enumerate(lines) if _COMPLAINT.search(line)), None)
    shown = lines[-QUIET_LINES:] if first is None else lines[first : first + JOURNAL_LINES]
    return masked("\n".join("  " + line[:JOURNAL_WIDTH] for line in shown), secrets_in(state.plan.environment))
