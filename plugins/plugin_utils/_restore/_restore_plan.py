# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the restore of a restore point, and report what is open afterwards. Private; knows no Ansible."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...module_utils._core._text import printable_line
from .._core._errors import SettingsError
from .._plan._base import Plan
from .._settings import _settings_js
from . import _restore_edits
from ._restore_points import (
    CERTIFICATE,
    FILES,
    FIREWALL,
    SESSIONS,
    SETTINGS,
    VARIABLE,
    Listed,
    Point,
    RestoreError,
    State,
)

UFW_INACTIVE = "open: ufw is not active, so all that listens can be reached"
CERTIFICATE_STAYS = "the certificate stays as it is now: no restore brings back an earlier one"
# What is open if one of these checks of `probe` fails.
_OPEN = {
    "login_required": "the editor",
    "flows_closed": "reading the flows",
    "flows_write_closed": "changing the flows",
    "comms_closed": "debug messages and status",
    "node_pages_closed": "pages of flows",
    "static_closed": "static files",
    "dashboards_closed": "dashboards",
    "websockets_closed": '"websocket in" nodes',
}
# What ends all logins if it changes, see `_change.Change.ends_sessions` on the host.
_LOGINS = ("adminAuth", "storageModule")


@dataclass
class Restore:
    """What is restored."""

    plan: Plan
    text: str
    """The settings file."""
    changed: list[str] = field(default_factory=list)
    """Names of settings that change. Those about logins are always among them, as their change ends all logins."""
    lines: list[str] = field(default_factory=list)
    """What else changes."""
    firewall: bool = False
    """Whether the firewall is restored."""
    certificate_differs: bool = False
    """Whether the certificate is another one now, which stays."""
    notes: list[str] = field(default_factory=list)

    @property
    def changes(self) -> bool:
        """Whether there is anything to restore."""
        return self.plan.changes or self.firewall


def planned(
    found: Listed,
    point: Point,
    *,
    instance: Mapping[str, Any],
    text: str,
    settings: str,
    force: bool,
    firewall_stays: str = "",
) -> Restore:
    """The restore of this point. `settings` is the path of the settings file, `text` what is in it now, and
    `firewall_stays` why the firewall must be left as it is.

    Raises RestoreError where something would be lost, or was not kept.
    """
    wanted = _settings(found, point, settings)
    lines, sessions = list(_file_lines(found, point)), _sessions(point, instance)
    rules, why = _firewall(found, point)
    stays = firewall_stays or why
    notes = [f"the firewall stays as it is: {stays}"] if rules and stays else []
    restore = Restore(Plan(), wanted, [], lines, firewall=bool(rules) and not stays, notes=notes)
    if _has_other_certificate(found, point):
        restore.certificate_differs = True
        notes.append(CERTIFICATE_STAYS)
    if wanted != text or lines or sessions:
        restore.plan = Plan(sessions=sessions, restore=point.number)
        restore.changed = _changed_settings(text, wanted)
    if restore.firewall:
        lines += [f"firewall: {line}" for line in rules]
        notes += [UFW_INACTIVE] if _has_disabled_ufw(found, point) else []
    lost = _restore_edits.edits(found, point, firewall=rules if restore.firewall else None) if restore.changes else []
    if lost and not force:
        raise RestoreError(_restore_edits.rejected(found, lost))
    return restore


def _settings(found: Listed, point: Point, path: str) -> str:
    """The settings file of the point. Raises RestoreError."""
    before = point.entry(SETTINGS)
    now = next((one for one in found.now if one.kind == SETTINGS), None)
    if before is None or now is None or before.path != now.path:
        raise RestoreError(
            f"The settings file is {printable_line(path)} now, and another one in restore point {point.number}. "
            "Put it back where it was, then run again."
        )
    wanted = found.texts.get(before.before.checksum)
    if before.before.form != "file" or wanted is None:
        raise RestoreError(f"Restore point {point.number} has no settings file. Choose another one.")
    return wanted


def _firewall(found: Listed, point: Point) -> tuple[list[str], str]:
    """How the firewall differs, in lines, and why it cannot be restored."""
    before = {one.path: one.before for one in point.entries if one.kind == FIREWALL}
    now = {one.path: one.before for one in found.now if one.kind == FIREWALL}
    if before == now or not now:
        return [], ""
    if set(before) != set(now) or any(one.form != "file" for one in before.values()):
        return ["it differs"], "ufw was not there when the restore point was made"
    rules = [_restore_edits.rules(found, states) for states in (now, before)]
    return _restore_edits.changed_rules(*rules) or ["settings of ufw"], ""


def _has_disabled_ufw(found: Listed, point: Point) -> bool:
    """Whether ufw was not enabled when this point was made."""
    states = {one.path: one.before for one in point.entries if one.kind == FIREWALL}
    return "ENABLED=yes" not in _restore_edits.rules(found, states).splitlines()


def _file_lines(found: Listed, point: Point) -> Iterator[str]:
    wanted = {entry.path: entry.before for entry in point.entries if entry.kind in FILES}
    for entry in found.now:
        if entry.kind not in FILES:
            continue
        before = wanted.get(entry.path, State())
        if before != entry.before:
            yield f"{'remove' if before.form == 'absent' else 'restore'} {printable_line(entry.path)}"


def _has_other_certificate(found: Listed, point: Point) -> bool:
    before = point.entry(CERTIFICATE)
    now = next((one for one in found.now if one.kind == CERTIFICATE), None)
    return bool(before and now and before.before.form != "absent" and before.before != now.before)


def _changed_settings(now: str, wanted: str) -> list[str]:
    """The settings that change; of those about logins, all where that is not certain."""
    try:
        logins = [name for name in _LOGINS if _settings_js.value(now, name) != _settings_js.value(wanted, name)]
        return [*logins, *(name for name in _settings_js.changed(now, wanted) if name not in _LOGINS)]
    except SettingsError:
        return list(_LOGINS)


def _sessions(point: Point, instance: Mapping[str, Any]) -> str:
    """How the sessions file has to be, where that differs: only old releases have it behind a link."""
    entry = point.entry(SESSIONS)
    if entry is None:
        return ""
    repairs = instance["sessions"]["repairs"]
    if entry.before.form == "link":
        return "link" if repairs["link"] else ""
    return "file" if any(str(one["before"]).startswith("a link") for one in repairs["file"]) else ""


def diffs(settings: str, text: str, restore: Restore) -> list[dict[str, str]]:
    """What a restore changes, as Ansible shows differences, without secrets."""
    shown = []
    if restore.text != text:
        path = printable_line(settings)
        before, after = _restore_edits.masked(text, restore.text)
        shown.append(
            {"before_header": path, "after_header": path, "before": before, "after": after}
            if before != after
            else {"prepared": f"{path}: only what is masked changes\n"}
        )
    return [*shown, {"prepared": "".join(f"{line}\n" for line in restore.lines)}] if restore.lines else shown


def nothing_line(restore: Restore, point: Point) -> str:
    """That nothing is restored."""
    run = f"as before the run of {point.date} (restore point {point.number})"
    if not restore.certificate_differs:
        return f"everything is already {run}"
    return (
        f"nothing to restore: all but the certificate is {run}. For an earlier state, set {VARIABLE} to a number of "
        "the list"
    )


def open_lines(instance: Mapping[str, Any], checks: Sequence[Mapping[str, str]]) -> list[str]:
    """What is open on this Node-RED; one line that nothing was found, otherwise."""
    found = [_open_line(one) for one in checks if one["status"] == "fail"]
    if instance["scheme"] == "http":
        found.append("open: passwords and flows are sent without TLS")
    return found or ["the requests from outside found nothing open"]


def _open_line(check: Mapping[str, str]) -> str:
    """What a check that has failed has found."""
    # Where a check has examined several paths, each has its own result.
    opened, how = _OPEN.get(check["id"]), check["found"].replace("open: ", "")
    if opened is None or how == check["found"]:
        return f"not confirmed: {check['title']} ({check['found']})"
    return f"open: {opened} ({how})"
