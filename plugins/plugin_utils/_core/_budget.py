# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The time that one Node-RED may cost a run. Private; pure.

Each step has limits of its own. A hostile service user could stay just below every one of them, and the rest of the
batch would wait. So all steps share one budget: the work on the machine, and the waiting for its answers.

What does not count: a restart and a rollback (`nodered_restart_timeout`), the wait for another run, the change of the
firewall (`nodered_ufw_confirm_seconds`; it touches nothing of the service user's), and the load of the controller.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.pifleet.nodered.plugins.module_utils._core._deadline import SECONDS

from ._arguments import ArgumentError, whole_number

VARIABLE = "nodered_time_limit"
# With less, no Pi can be secured.
LEAST_LIMIT = 30
# What an execution needs around the module, for which a busy controller may be to blame: SSH login, start of Python.
START_SECONDS = 20
# A step for which less is left is not begun.
LEAST_SECONDS = 1

FINDING, CERTIFICATE, FIREWALL = "finding Node-RED", "reading the certificate", "reading the firewall"
CHANGING, VERIFYING = "applying the changes", "verifying the result"


@dataclass
class Budget:
    """What one Node-RED has used up in this play."""

    spent: dict[str, float] = field(default_factory=dict)
    """Seconds by step, in the order of the steps."""
    seconds: float = SECONDS
    """What there is."""

    @property
    def left(self) -> float:
        return max(0.0, self.seconds - sum(self.spent.values()))

    @property
    def is_over(self) -> bool:
        return self.left < LEAST_SECONDS

    def count(self, step: str, seconds: float) -> None:
        self.spent[step] = self.spent.get(step, 0.0) + seconds

    def message(self, host: str) -> str:
        """Why the run ends for this host, and what to do."""
        steps = ", ".join(f"{step} {seconds:.0f}" for step, seconds in self.spent.items())
        return (
            f"{host}: the {self.seconds:.0f} seconds that this host may cost a run are over, so the run ended for it. "
            f"In seconds: {steps}. The machine is overloaded, or its service user delays the run. Look there at what "
            "is busy or stopped (top), at how long the settings file takes to load, and at journalctl -t "
            f"pifleet.nodered. Then run again, with a larger {VARIABLE} if the machine is only slow, or leave the host "
            f"out with --limit '!{host}'."
        )


def limit(variables: Mapping[str, object]) -> int:
    """The seconds that these variables give a host. Raises ArgumentError."""
    seconds = whole_number(variables.get(VARIABLE, SECONDS), VARIABLE)
    if seconds < LEAST_LIMIT:
        raise ArgumentError(f"{VARIABLE} is in seconds and must be at least {LEAST_LIMIT}.")
    return seconds


def counted(answer: Mapping[str, object], elapsed: float) -> float:
    """The seconds of an execution that count, if it took `elapsed` on the controller's clock.

    Root on the machine is trusted with what concerns it alone, so what its answer reports counts. Without such an
    answer, and for a start that takes longer than a busy controller needs, the controller's clock decides.
    """
    spent, waited = _seconds(answer.get("spent")), _seconds(answer.get("waited"))
    if spent is None or waited is None:
        return elapsed
    return spent + max(0.0, elapsed - spent - waited - START_SECONDS)


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None
