# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verification, as the action plugins `apply` and `verify` do it. Private."""

from __future__ import annotations

from ._plan import _verification
from ._run_state import State, Store
from ._step import Result, Step


class VerifyStep(Step):
    """A step that verifies from outside what is so now."""

    def verified(self, store: Store, state: State, result: Result, *, firewall_waits: bool = False) -> Result:
        """`result` with what was verified; failed with all failed checks in one message."""
        if not state.instance["url"]:
            return {**result, "failed": True, "msg": self._no_response(state)}
        checks = self.probed(_verification.main_request(state))
        outside = _verification.outside_request(state)
        if outside:
            checks += [check for check in self.probed(outside) if check["id"] == "old_port_closed"]
        problems = _verification.failures(state, checks)
        problems += _verification.left_writable(state, firewall_waits=firewall_waits)
        report = _verification.lines(checks)
        if problems:
            return {**result, "failed": True, "msg": "\n".join(f"{self.host}: {one}" for one in problems)}
        state.verified = True
        store.save(state)
        shown = [_verification.summary(self.host, state, checks)] + (report if self._display.verbosity else [])
        return {**result, "msg": shown, "_ansible_verbose_always": True}

    def probed(self, options: dict[str, object]) -> list[dict[str, str]]:
        """The checks of one probe. Raises AnsibleActionFail as `probe` does."""
        result = self.action("probe", **options)
        return [dict(check) for check in result["checks"]]

    def _no_response(self, state: State) -> str:
        service = state.instance["service"]
        return (
            f"{self.host}: {service} does not respond (systemd reports {state.instance['state']}). Look at "
            f"journalctl -u {service} there, then run again."
        )
