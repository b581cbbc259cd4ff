# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan changes, as Ansible shows differences. Private; knows no Ansible. No part of it holds a secret."""

from __future__ import annotations

from collections.abc import Iterable

from ...module_utils._core._text import printable_line
from .._settings import _settings_change
from .._settings._settings_js import Edit
from ._base import DropIn, Found, Plan

Diff = dict[str, str]


def diffs(found: Found, plan: Plan, edit: Edit) -> list[Diff]:
    """One entry for each file that changes, and one for everything else."""
    shown = []
    if edit.changed:
        shown.append(_settings_change.masked_diff(str(found.instance["settings_file"]), found.text, edit))
    shown += [_of_drop_in(found, one) for one in plan.drop_ins]
    if plan.sessions:
        shown.append(_of_sessions(found, plan.sessions))
    if plan.close_files:
        shown.append(_of_modes(found, plan.close_files))
    # The text of a companion is that of the collection.
    lines = [f"{'remove' if text is None else 'write'} {name}" for name, text in plan.companions.items()]
    lines += [
        f"{'remove' if text is None else 'write'} {name} (secrets, not shown)"
        for name, text in plan.private_files.items()
    ]
    lines += [f"{'remove' if text is None else 'write'} /etc/fail2ban/{name}" for name, text in plan.fail2ban.items()]
    lines += plan.certificate.get("lines", ())
    lines += [f"restart Node-RED: {reason}" for reason in [plan.restart] if reason]
    lines += [f"firewall: {line}" for line in plan.firewall.get("lines", ())]
    return [*shown, {"prepared": _text(lines)}] if lines else shown


def _of_drop_in(found: Found, drop_in: DropIn) -> Diff:
    path = printable_line(drop_in.path)
    options = f"# and the options {' '.join(drop_in.options)}\n" if drop_in.options else ""
    before = _text(found.drop_in_text(drop_in.name, drop_in.unit).splitlines())
    return {"before_header": path, "after_header": path, "before": before, "after": drop_in.text + options}


def _of_sessions(found: Found, state: str) -> Diff:
    repairs = found.instance["sessions"]["repairs"][state]
    return {
        "before": _text(f"{one['path']}: {one['before']}" for one in repairs),
        "after": _text(f"{one['path']}: {one['after']}" for one in repairs),
    }


def _of_modes(found: Found, which: str) -> Diff:
    """The modes before and after, of the files or of the user directory alone."""
    closed = [one for one in found.instance["exposed"] if one["wanted"] and (one["folder"] or which == "private")]
    return {
        "before": _text(f"{one['mode']} {one['path']}" for one in closed),
        "after": _text(f"{one['wanted']} {one['path']}" for one in closed),
    }


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{printable_line(line)}\n" for line in lines)
