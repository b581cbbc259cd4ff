# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Report what the playbook secure would change with the same variables, as its own plans say. Private; no Ansible."""

from __future__ import annotations

from collections.abc import Iterator

from ...module_utils._core._text import printable_line
from .._plan._base import Found, Plan
from .._settings._settings_js import Edit
from ._base import Observed, Outcome, finding

_MODES = {"private": "modes of files with secrets", "directory": "mode of the user directory"}
CHECKS = ("secure-rejects", "drift")


def outcomes(_found: Found, observed: Observed) -> Iterator[Outcome]:
    errors = [f"{role}: {error}" for role, messages in observed.rejected.items() for error in messages]
    if errors:
        remedy = "Correct what is named, then run pifleet.nodered.secure."
        yield finding("secure-rejects", "The playbook secure rejects this host", "\n".join(errors), remedy)
    lines = [f"{role}: {line}" for role, changes in observed.changes.items() for line in changes]
    if lines:
        remedy = "See the change with --check --diff, then run pifleet.nodered.secure."
        yield finding("drift", "The playbook secure would change this host", "\n".join(lines), remedy)


def changes(plan: Plan, edit: Edit) -> list[str]:
    """What this plan changes, in lines that hold no secret. `edit` is the settings file with it."""
    lines = [f"settings: {', '.join(edit.changed)}"] if edit.changed else []
    lines += [f"{one.path}" for one in plan.drop_ins]
    lines += [f"{'remove' if text is None else 'write'} {name}" for name, text in plan.companions.items()]
    lines += [f"{'remove' if text is None else 'write'} {name}" for name, text in plan.private_files.items()]
    lines += [f"{'remove' if text is None else 'write'} /etc/fail2ban/{name}" for name, text in plan.fail2ban.items()]
    lines += [f"files of restore point {plan.restore}"] if plan.restore else []
    lines += [f"sessions file: {plan.sessions}"] if plan.sessions else []
    lines += [_MODES[plan.close_files]] if plan.close_files else []
    lines += plan.certificate.get("lines", ())
    lines += [f"restart: {plan.restart}"] if plan.restart else []
    lines += [f"firewall: {line}" for line in plan.firewall.get("lines", ())]
    return [printable_line(line) for line in lines]
