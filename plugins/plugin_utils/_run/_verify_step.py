# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verification, as the action plugins `apply` and `verify` do it. Private."""

from __future__ import annotations

import dataclasses
import subprocess
import time

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _user_units
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._errors import is_out_of_time
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._target import ALL_CHECKS, TIMEOUT

from .._certificates import _client_files
from .._core._arguments import ArgumentError
from .._core._budget import VERIFYING
from .._core._connection import kind_of
from .._plan import _verification, _verify_from
from .._plan._base import load_error
from .._plan._run_state import State, Store
from ._step import Result, Step

# Seconds. `ssh -G` only reads files, but these can name programs to run (`Match exec`).
SSH_LIMIT = 5
# Connection plugins that read no configuration of OpenSSH, but have an option of their own.
_WITH_PROXY_COMMAND = ("paramiko", "paramiko_ssh", "libssh")
# The options of the connection plugin ssh that say how it connects.
_SSH_OPTIONS = ("ssh_executable", "ssh_args", "ssh_common_args", "ssh_extra_args", "host", "port", "remote_user")


class VerifyStep(Step):
    """A step that verifies from outside what is so now."""

    def verified(self, store: Store, state: State, result: Result, *, firewall_waits: bool = False) -> Result:
        """`result` with what was verified; failed with all failed checks in one message."""
        if not state.instance["url"]:
            return {**result, "failed": True, "msg": self._no_response(state)}
        if self.budget.is_over:
            return {**result, "failed": True, "msg": self.budget.message(self.host)}
        self.decide_origin(state)
        checks = self.probed(_verification.main_request(state))
        outside = _verification.outside_request(state)
        if outside:
            checks += [check for check in self.probed(outside) if check["id"] == "old_port_closed"]
        cut = [check for check in checks if self.budget.is_over and is_out_of_time(check["found"])]
        problems = _verification.load_errors(state)
        problems += _verification.failures(state, [check for check in checks if check not in cut])
        problems += _verification.remedy_for_new_port(state, checks)
        problems += _verification.left_writable(state, firewall_waits=firewall_waits)
        report = _verification.lines(state, checks)
        if problems or cut:
            messages = [self.budget.message(self.host)] if cut else []
            messages += [f"{self.host}: {one}" for one in problems]
            return {**result, "failed": True, "msg": "\n".join(messages)}
        state.verified = True
        store.save(state)
        shown = [_verification.summary(self.host, state, checks)]
        if result.get("changed"):
            # An unchanged run of many hosts does not repeat it.
            reports = [*_verification.started(state), *_verification.not_verified(state)]
            shown += [f"{self.host}: {line}" for line in reports]
        if state.origin and state.origin["note"]:
            shown.append(f"{self.host}: {state.origin['note']}")
        shown += report if self._display.verbosity else []
        return {**result, "msg": shown, "_ansible_verbose_always": True}

    def decide_origin(self, state: State) -> None:
        """Decide once from where this host is verified. Raises AnsibleActionFail."""
        if state.origin is not None:
            return
        connection = kind_of(self._connection)
        try:
            place = _verify_from.wanted_place(state.variables.get(_verify_from.VARIABLE), self._inventory)
            origin = _verify_from.decide(
                host=self.host,
                wanted=place,
                address=_verification.address(state),
                connection=connection,
                configuration="" if place else self._configuration(connection),
            )
        except ArgumentError as error:
            raise AnsibleActionFail(f"{self.host}: {error}") from None
        state.origin = dataclasses.asdict(origin)

    def _inventory(self) -> list[str]:
        return list(self.task_vars["groups"]["all"])

    def _configuration(self, connection: str) -> str:
        """How the connection reaches the host, as `ssh -G` prints it; empty if that cannot be found out."""
        if connection == "ssh":
            options = {name: self._connection.get_option(name) for name in _SSH_OPTIONS}
            try:
                done = subprocess.run(
                    _verify_from.ssh_command(options),
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    errors="replace",
                    timeout=SSH_LIMIT,
                    check=False,
                )
            except (OSError, ValueError, subprocess.TimeoutExpired):
                return ""
            return done.stdout
        if connection in _WITH_PROXY_COMMAND:
            return f"proxycommand {self._connection.get_option('proxy_command') or ''}"
        return ""

    def probed(self, options: _verification.Options) -> list[dict[str, str]]:
        """The checks of one probe, see `_verification.Options`. Raises AnsibleActionFail as `probe` does."""
        self.require_time()
        begun = time.monotonic()
        seconds = min(self.budget.left, ALL_CHECKS * float(str(options.get("timeout", TIMEOUT))))
        try:
            given = {**options}
            with _client_files.unseen(given.pop("client_pair", None), constants.DEFAULT_LOCAL_TMP) as files:
                result = self.action("probe", seconds=seconds, **given, **files)
        finally:
            self.count(VERIFYING, time.monotonic() - begun)
        return [dict(check) for check in result["checks"]]

    def _no_response(self, state: State) -> str:
        service, reported = state.instance["service"], state.instance["state"]
        start, journal = _user_units.by_hand(service, "start"), _user_units.journal_by_hand(service)
        look = f"Look at {journal} there, then run again."
        if reported == "inactive":
            look = f"Run {start} there (if it does not stay active, look at {journal}), then run again."
        remedy = load_error(state.instance) or look
        return f"{self.host}: {service} does not respond (systemd reports {reported}). {remedy}"
