# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change the firewall of a host together with its Node-RED, with a rollback that runs on the host. Private.

The order: schedule the rollback and allow what is new; change Node-RED and verify it; close what is no longer used;
confirm over a new connection. If a step fails, or the run ends in between, all of it is rolled back.

All of it is in one task. Several inventory names can be one machine, and with the strategy `linear` a host that waits
for another one between tasks waits forever. Here the other one goes on, and its rollback ends it at the latest.
"""

from __future__ import annotations

import dataclasses
import os
import shlex
import socket
import time
import typing as t
import uuid

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.connection import ConnectionBase

from .._core import _time_limit
from .._core._connection import kind_of
from .._firewall._firewall_rules import NODE_RED
from .._plan import _verification, ufw
from .._plan._run_state import APPLY, State, Store
from ._step import Result, message_lines
from ._verify_step import VerifyStep

# The host is asked this often, in seconds, while another run changes its firewall or while it cannot be reached.
POLL_SECONDS = 5
# How much longer than the clock a host may take to restore its firewall: ufw is slow on a small Pi.
ROLLBACK_SECONDS = 60
PROBE_SECONDS = 5


class _Failed(Exception):
    """Why the firewall is not changed."""


class _Guard:
    """A change of the firewall of one host that is rolled back there unless it is confirmed."""

    def __init__(
        self,
        step: VerifyStep,
        store: Store,
        state: State,
        found: t.Mapping[str, t.Any],
        seconds: int,
        *,
        sleep: t.Callable[[float], None] = time.sleep,
        clock: t.Callable[[], float] = time.monotonic,
    ) -> None:
        """`found` is what `firewall_info` returned, and `seconds` how long the host waits for a confirmation."""
        self._step, self._store, self._state, self._found = step, store, state, found
        self._sleep, self._clock = sleep, clock
        self._owner = _new_owner()
        self._remount = state.remount
        self._seconds = seconds
        # Node-RED is restarted in between, and may take as long again to return to its old settings.
        self._deadline = self._seconds + 2 * state.restart_timeout
        self._armed = False
        self._confirmation_lost = False
        self._warnings: list[str] = []

    # --- what the steps need ---------------------------------------------------------------------------------------

    def _guard(self, state: str, **arguments: t.Any) -> Result:
        return self._module("firewall_guard", state=state, **arguments)

    def _module(self, name: str, **arguments: t.Any) -> Result:
        # After this time, the host has rolled back what is not confirmed.
        seconds = self._deadline + ROLLBACK_SECONDS
        try:
            with _time_limit.within(seconds):
                result = self._step.module(name, **arguments)
        except _time_limit.Stalled:
            raise AnsibleConnectionFailure(f"no answer within {seconds} seconds") from None
        self._warnings += result.get("warnings", ())
        if result.get("failed"):
            raise _Failed(_message(result))
        return result

    def _keep(self) -> None:
        """Confirm the change."""
        try:
            self._guard("confirmed", owner=self._owner)
        except AnsibleConnectionFailure:
            self._confirmation_lost = True
            raise

    def _read(self) -> dict[str, t.Any]:
        return dict(self._module("firewall_info")["firewall"])

    def _read_when_free(self) -> dict[str, t.Any]:
        """The firewall, as soon as no change of another run waits for its confirmation."""
        end = self._clock() + self._deadline + ROLLBACK_SECONDS
        firewall = self._read()
        while firewall["unconfirmed"]:
            if self._clock() >= end:
                raise _Failed(
                    "Another run is changing the firewall of this host. Wait until it has ended, then run again."
                )
            self._sleep(POLL_SECONDS)
            firewall = self._read()
        return firewall

    def _read_over_new_connection(self, *, closed: str, undone: str) -> dict[str, t.Any]:
        """The firewall. Raises _Failed with `closed` if it lets no new connection in, with `undone` if it is undone."""
        try:
            self._use_new_connection()
            firewall = self._read()
        except AnsibleConnectionFailure:
            raise _Failed(closed) from None
        if not firewall["unconfirmed"]:
            raise _Failed(undone)
        return firewall

    def _use_new_connection(self) -> None:
        """An open connection continues to work under any rules; only a new one shows that they let Ansible in."""
        connection = self._step._connection
        if type(connection).reset is not ConnectionBase.reset:
            connection.reset()
        if kind_of(connection) == "ssh":
            # The options of a user can name a control socket, and another fork can open the usual one again. Its own
            # socket, not none: without pipelining, a module takes several connections, and a user's rule `limit` for
            # SSH blocks the sixth. ssh uses the first value of an option that is given twice.
            folder = os.path.expanduser(connection.get_option("control_path_dir"))
            os.makedirs(folder, mode=0o700, exist_ok=True)
            path = os.path.join(folder, uuid.uuid4().hex[:10]).replace("%", "%%")
            own = shlex.quote(f'ControlPath="{path}"')
            connection.set_option("ssh_args", f"-o {own} {connection.get_option('ssh_args') or ''}")

    # --- after a failure -------------------------------------------------------------------------------------------

    def _failure(self, result: Result, cause: str) -> Result:
        """The failed result, after the old firewall is back."""
        cause = cause.removeprefix(f"{self._step.host}: ")
        lines = [cause]
        if result.get("changed") and not result.get("failed"):
            lines.append("The other changes are applied.")
        lines.append(self._rolled_back(cause.partition("\n")[0]) if self._armed else "The firewall was not changed.")
        self._state.failed = sorted({*self._state.failed, APPLY})
        self._store.save(self._state)
        return self._with_warnings({**result, "failed": True, "msg": f"{self._step.host}: " + "\n".join(lines)})

    def _rolled_back(self, reason: str) -> str:
        """Roll back, or wait until the host has done so, and say what the result is."""
        try:
            undone = self._undone(reason)["undone"]
        except AnsibleConnectionFailure:
            return (
                "The host cannot be reached. It restores its old firewall at the latest "
                f"{self._deadline} seconds after the change, or at its next boot. Then run again."
            )
        except (_Failed, AnsibleError) as error:
            return _cause(error)
        if undone is not None:
            return f"The host is reachable, and has its old firewall since {undone}{self._reopened()}"
        if self._confirmation_lost:
            return "The host is reachable, and its new firewall is confirmed: only the answer was lost. Run again."
        return "The host is reachable, and its firewall was not changed."

    def _undone(self, reason: str) -> Result:
        """What the host reports about the rollback. Raises AnsibleConnectionFailure if it stays unreachable."""
        end = self._clock() + self._deadline + ROLLBACK_SECONDS
        while True:
            try:
                return self._guard("undone", reason=reason, owner=self._owner)
            except AnsibleConnectionFailure:
                if self._clock() >= end:
                    raise
                self._sleep(POLL_SECONDS)
                self._forget_connection()

    def _forget_connection(self) -> None:
        try:
            self._use_new_connection()
        except AnsibleConnectionFailure:
            # Some connections reconnect at once. The next attempt shows whether they can.
            return

    def _with_warnings(self, result: Result) -> Result:
        warnings = [*result.get("warnings", ()), *self._warnings]
        return {**result, "warnings": warnings} if warnings else result

    def _reopened(self) -> str:
        """What was done after a rollback so that Node-RED can be reached, as the end of a message."""
        return ""


class GuardedFirewall(_Guard):
    """One change of the firewall of one host."""

    def __init__(
        self,
        step: VerifyStep,
        store: Store,
        state: State,
        planned: t.Mapping[str, t.Any],
        **times: t.Callable[..., t.Any],
    ) -> None:
        """`planned` is the `firewall` of the plan of the role `ufw`."""
        super().__init__(step, store, state, planned["found"], int(planned["seconds"]), **times)
        self._planned = planned
        self._decided = ufw.decide(self._found, planned["request"])

    def run(self, change: t.Callable[[bool], Result]) -> Result:
        """Change firewall and Node-RED. `change` applies everything else and verifies it, and keeps it in the state.

        It is given whether a change of the firewall waits meanwhile, so that ufw needs to write. Returns its result,
        failed if anything failed. What `change` has applied is not undone here if only the firewall fails.
        """
        result: Result = {"changed": False}
        try:
            if self._planned["undo_first"]:
                self._undo_earlier()
            self._arm()
            if self._armed:
                result = change(True)
                if result.get("failed"):
                    raise _Failed(_message(result))
                self._close()
                self._confirm()
        except (_Failed, AnsibleError) as error:
            return self._failure(result, _cause(error))
        if not self._armed:
            # No rule changes.
            result = change(False)
        return result if result.get("failed") else self._finished(result)

    # --- the steps -------------------------------------------------------------------------------------------------

    def _undo_earlier(self) -> None:
        """End the change that waits. It is not undone while its run can go on: that can be for another Node-RED."""
        firewall = self._read()
        if firewall["unconfirmed"] and _can_go_on(firewall["owner"]):
            firewall = self._read_when_free()
        elif firewall["unconfirmed"]:
            self._guard("undone", reason="The run that changed the rules did not end.")
            firewall = self._read()
        self._decide_again(firewall)

    def _arm(self) -> None:
        """Schedule the rollback and allow what is new. Wait while another run changes the firewall of this host."""
        while self._decided.changes:
            # If this fails, it is unknown how far it came.
            self._armed = True
            answer = self._guard(
                "armed",
                seconds=self._deadline,
                checksum=self._found["checksum"],
                add=ufw.rules(self._decided)["add"],
                owner=self._owner,
                remount=self._remount,
            )
            self._armed = bool(answer["armed"])
            if self._armed:
                return
            self._decide_again(self._read_when_free())
            self._require_no_more_than_planned()

    def _close(self) -> None:
        """Adapt the rules to where Node-RED really responds, and close what is not used. From here on, time counts."""
        allowed = ufw.rules(self._decided)["add"]
        if self._planned["request"]["other_units"]:
            # Another Node-RED of the machine can have moved meanwhile, also without a change of the firewall.
            self._found = {**self._found, "listening": self._read()["listening"]}
        self._decided = ufw.decide(self._found, self._request())
        if self._decided.refusals:
            raise _Failed(self._decided.refusals[0])
        rules = ufw.rules(self._decided)
        # `ufw delete` takes the rule without its comment.
        unused = [rule[:-2] for rule in allowed if rule not in rules["add"]]
        self._deadline = self._seconds
        try:
            self._guard(
                "closed",
                seconds=self._seconds,
                add=[rule for rule in rules["add"] if rule not in allowed],
                delete=[*rules["delete"], *unused],
                deny=self._decided.deny,
                enable=self._decided.enable,
                owner=self._owner,
                remount=self._remount,
            )
        except AnsibleConnectionFailure:
            # A new connection shows whether the rules let it in, and what they are.
            return

    def _confirm(self) -> None:
        """Keep the new rules, if a new connection gets through and they do what they should."""
        firewall = self._read_over_new_connection(
            closed="The new rules let no new SSH connection in. Find the rule that blocks it (ufw status, "
            "/etc/ufw/before.rules), then run again.",
            undone=f"The host has restored its old firewall already: {self._seconds} seconds "
            "(nodered_ufw_confirm_seconds) were not enough. Give it more, then run again.",
        )
        missing = ufw.lines(ufw.decide(firewall, self._request()))
        if missing:
            raise _Failed(
                f"ufw does not have the rules that it was given. Missing: {'; '.join(missing)}. "
                "See ufw status on the host, then run again."
            )
        self._probe()
        self._keep()

    def _probe(self) -> None:
        """Verify from outside what the new rules let in. A connection that was open before shows nothing."""
        self._step.decide_origin(self._state)
        options = _verification.firewall_request(self._state)
        if options is None:
            return
        expected = _verification.firewall_checks(self._state)
        checks = self._step.probed({**options, "timeout": PROBE_SECONDS})
        failures = _verification.failures(self._state, [check for check in checks if check["id"] in expected])
        if failures:
            raise _Failed("With the new rules: " + " ".join(failures))

    def _finished(self, result: Result) -> Result:
        confirmed = self._armed
        if self._planned["enable_at_boot"]:
            try:
                self._guard("at_boot")
            except (_Failed, AnsibleError) as error:
                text = f"{self._step.host}: ufw is not started at boot. {_cause(error)}"
                return {**result, "failed": True, "msg": text}
        state = self._state
        plan = state.plans["ufw"]
        checks = {**plan.checks, "settled": True}
        state.plans["ufw"] = dataclasses.replace(plan, firewall={}, checks=checks)
        if confirmed and not self._warnings:
            # They were writable for ufw, and are not any more.
            state.instance["read_only"] = (state.earlier or state.instance)["read_only"]
        self._store.save(state)
        result = {**result, "changed": True}
        if confirmed:
            text = f"{self._step.host}: the firewall is changed, and a new connection has confirmed it"
            result |= {"msg": [*message_lines(result), text], "_ansible_verbose_always": True}
        return self._with_warnings(result)

    # --- what is decided ---------------------------------------------------------------------------------------------

    def _decide_again(self, firewall: dict[str, t.Any]) -> None:
        self._found = firewall
        self._decided = ufw.decide(firewall, self._planned["request"])
        if self._decided.refusals:
            raise _Failed(self._decided.refusals[0])

    def _require_no_more_than_planned(self) -> None:
        """Another run has changed the firewall. What it has done already is fine, but the user has seen the plan.

        Only rules of this collection may be deleted beyond it, such as one that the other run made to keep a port. Only
        for another Node-RED of the machine may one be added beyond it, as that can have moved.
        """
        now, planned = self._decided, self._planned
        others = ufw.heard_from_others(self._found, planned["request"])
        more = [one for one in now.add if one.arguments() not in planned["add"] and one.port not in others]
        lost = [one for one in now.delete if not one.ours and one.arguments() not in planned["delete"]]
        if more or lost or (now.deny and not planned["deny"]) or (now.enable and not planned["enable"]):
            raise _Failed("The rules or settings of ufw were changed after they were read. Run again.")

    def _request(self) -> dict[str, t.Any]:
        return ufw.responding_at(self._planned["request"], self._state.instance)

    def _reopened(self) -> str:
        """Allow the port that Node-RED moved to, which the old rules do not know, and say so."""
        port = self._state.instance["port"]
        if not self._found["active"] or port in (None, self._planned["request"]["found_port"]):
            return ""
        rules = ufw.rules(ufw.decide(self._found, self._request()))["add"]
        rules = [rule for rule in rules if rule[-1] == NODE_RED]
        if not rules:
            return ""
        try:
            self._guard("armed", seconds=self._seconds, add=rules, owner=self._owner, remount=self._remount)
            self._use_new_connection()
            self._guard("confirmed", owner=self._owner)
        except (_Failed, AnsibleError) as error:
            return f"\nPort {port}, where Node-RED responds now, could not be allowed: {_cause(error)}"
        return f"\nPort {port}, where Node-RED responds now, was allowed."


class RestoredFirewall(_Guard):
    """The firewall of a restore point, around the restore of everything else."""

    def run(self, point: int, change: t.Callable[[bool], Result]) -> Result:
        """Restore the firewall, apply everything else with `change`, and keep both if all of it passes.

        The rules come first, so that Node-RED can be verified with them.
        """
        result: Result = {"changed": False}
        try:
            self._armed = True
            given = {"seconds": self._deadline, "owner": self._owner, "remount": self._remount}
            self._armed = bool(self._guard("armed", checksum=self._found["checksum"], **given)["armed"])
            if not self._armed:
                raise _Failed("Another run changes it, or it was changed after it was read. Run again.")
            self._guard("restored", service=self._state.instance["service"], restore_point=point, **given)
            self._read_over_new_connection(
                closed="The restored rules let no new SSH connection in. Choose another restore point, or set "
                "nodered_ufw_manage: false.",
                undone="The host has restored the firewall from before already. Run again.",
            )
            result = change(True)
            if result.get("failed"):
                raise _Failed(_message(result))
            self._keep()
        except (_Failed, AnsibleError) as error:
            return self._failure(result, _cause(error))
        text = f"{self._step.host}: the firewall is restored, and a new connection has confirmed it"
        result = {**result, "changed": True, "msg": [*message_lines(result), text], "_ansible_verbose_always": True}
        return self._with_warnings(result)


def _new_owner() -> str:
    """The name of this change: the controller, the process of the run (the parent of this fork), and a number."""
    return f"{socket.gethostname()} {os.getppid()} {uuid.uuid4().hex}"


def _can_go_on(owner: str) -> bool:
    """Whether the run with this change can still go on. One of another controller can, as far as is known here."""
    controller, _space, rest = owner.partition(" ")
    if not owner or controller != socket.gethostname():
        return bool(owner)
    try:
        os.kill(int(rest.partition(" ")[0]), 0)
    except (ValueError, OverflowError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def _message(result: Result) -> str:
    return (
        "\n".join(message_lines(result))
        or "A module failed without a message. See journalctl -t pifleet.nodered there."
    )


def _cause(error: Exception) -> str:
    if isinstance(error, AnsibleConnectionFailure):
        return f"The connection to the host failed: {error}. See that it works, then run again."
    return str(error)
