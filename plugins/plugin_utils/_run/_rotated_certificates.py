# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""End the rotation of certificates on a host: see which one is presented, note the phase of the authority. Private."""

from __future__ import annotations

import time
import typing as t

from .._certificates._authority import AuthorityFolder
from .._certificates._authority_change import STAY, Authorities, Change
from .._core._arguments import names
from .._plan import _tls_summary, _verification
from .._plan._run_state import State
from .._plan._tls_rotation import FLEET
from ._verify_step import VerifyStep

# Seconds. Node-RED reads its certificate after `nodered_tls_refresh_hours`; a longer time is left to the next run.
LONGEST_WAIT, BETWEEN = 30, 1


class RotatedCertificates:
    """The certificates of one host, after the verification of what the rotation has changed there.

    First `problems`, then `lines`.
    """

    def __init__(self, step: VerifyStep, state: State) -> None:
        self._step, self._state = step, state
        plan = state.plans.get("tls")
        self._seen: bool | None = None
        self._rotation: t.Mapping[str, t.Any] = plan.details.get("rotation", {}) if plan else {}

    def problems(self) -> list[str]:
        """Why the rotation is not verified: Node-RED presents another certificate than it was given."""
        rotation, tls = self._rotation, self._state.instance["tls"]
        if rotation and rotation["certificate"] and not rotation["left"]:
            self._seen = self._presented()
        if self._seen is not False or _tls_summary.is_pending(rotation, tls):
            return []
        return [
            f"Node-RED presents another certificate than that in {tls['folder']}. Restart it (systemctl restart), then "
            "run again."
        ]

    def lines(self) -> list[str]:
        """What to report. Notes on the controller what the host has."""
        rotation, tls = self._rotation, self._state.instance["tls"]
        if not rotation:
            return []
        shown = [_tls_summary.line(rotation, tls, presented=self._seen, now=time.time())]
        if rotation["folder"]:
            shown.append(self._noted(_tls_summary.has_reached(rotation, tls, presented=self._seen)))
        return [line for line in shown if line]

    def _presented(self) -> bool | None:
        """Whether Node-RED presents the certificate that it has; None if that cannot be seen."""
        end = time.monotonic() + (LONGEST_WAIT if self._rotation["refresh"] < LONGEST_WAIT else 0)
        while True:
            checks = self._step.probed(_verification.certificate_request(self._state))
            status = next(check["status"] for check in checks if check["id"] == "certificate_trusted")
            if status != "fail" or time.monotonic() > end:
                return {"pass": True, "fail": False}.get(status)
            time.sleep(BETWEEN)

    def _noted(self, has_reached: bool) -> str:
        """Note on the controller what the host has, and return how far the fleet is."""
        folder, wanted = AuthorityFolder(self._rotation["folder"]), self._rotation["authority"]
        authorities = Authorities(folder)
        if not authorities.present().issuer:
            return ""
        with folder.locked():
            if has_reached:
                authorities.record(self._step.host, Change(STAY, **wanted) if wanted else None)
            reached = authorities.reached()
        if not wanted:
            return "authority: not used on this host"
        fleet = names(self._step.variables.get(FLEET) or [], FLEET)
        others = {*(self._step.variables.get("ansible_play_hosts") or [])} - {self._step.host}
        return _tls_summary.of_the_fleet(self._rotation, reached, fleet, to_come=others, now=time.time())
