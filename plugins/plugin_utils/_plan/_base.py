# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a role plans from, and what it plans. Private; data only, knows no Ansible.

Each role has a module beside this one with `plan(found, wanted) -> Plan`. It reads nothing and writes nothing. The
action plugin `plan` collects what it needs, and `apply` sends what it returns.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...module_utils._core._text import short_line
from ...module_utils._linux import _unit_files, _user_units
from .._core._errors import SettingsError
from .._settings import _settings_js

UNIT_FOLDER = "/etc/systemd/system"
# Characters. Node's own text of a load error has up to 8000.
_LONGEST_CAUSE = 600
_LOOPBACK = re.compile(r"127[.]|::1$|localhost$")

Wanted = Mapping[str, Any]
"""The role's public variables by name, templated. One that is not defined is missing."""


@dataclass(frozen=True)
class Found:
    """One Node-RED as discovered, with what earlier roles of the same run have planned for it."""

    host: str
    """The inventory name."""
    instance: Mapping[str, Any]
    """What `instance_info` returned."""
    text: str
    """The settings file as the roles before this one have planned it."""
    planned: Mapping[str, Plan] = field(default_factory=dict)
    """The plans of earlier roles, by role."""
    later_roles: frozenset[str] = frozenset()
    """The roles of this play that have not planned yet."""
    firewall: Mapping[str, Any] | None = None
    """What `firewall_info` returns, if discovery has read it for this plan."""
    controller: Mapping[str, Any] = field(default_factory=dict)
    """What the action plugin has read for this role, on the controller or with one more execution on the host."""
    clock_error: float = 0
    """Seconds by which the clock of the host is ahead of that of the controller, at least; negative: behind."""
    rotates: frozenset[str] = frozenset()
    """What this run replaces although it is good, as `nodered_rotate` names it; empty if this is no rotation."""

    def setting(self, name: str) -> object:
        """The value of a setting as planned so far; None if it is absent. Raises SettingsError."""
        value = _settings_js.value(self.text, name, filename=str(self.instance["settings_file"]))
        return None if value is _settings_js.UNDEFINED else value

    def members(self, name: str) -> dict[str, object] | None:
        """The members of a setting that is an object; None if it is something else or not certain."""
        try:
            return _settings_js.members(self.text, name, filename=str(self.instance["settings_file"]))
        except SettingsError:
            return None

    @property
    def has_login(self) -> bool | None:
        """Whether the editor requires a login after what is planned so far; None if the settings cannot be loaded.

        That is judged by what the host's own node has loaded, not by the text: code can give a login on one host and
        none on another, where a variable is not set.
        """
        if any("adminAuth" in plan.set for plan in self.planned.values()):
            return True
        kind = self.instance["admin_auth"]
        return None if kind is None else bool(kind != "none")

    def overrides(self, *settings: str) -> list[Mapping[str, Any]]:
        """The options and variables that override one of these settings, a part of it, or what it is a part of."""
        return [one for one in self.instance["overrides"] if any(_overlap(one["setting"], name) for name in settings)]

    def drop_in_text(self, name: str, unit: str = "") -> str:
        """The text of a drop-in of this collection as it is now, empty if there is none."""
        return str(self.instance["drop_ins"].get(drop_in_path(unit or self.instance["service"] + ".service", name), ""))


@dataclass(frozen=True)
class DropIn:
    """A drop-in for a unit, such as `nodered.service` or `pi/nodered.service`. Without sections and options, it is
    removed.
    """

    unit: str
    name: str
    """Without `.conf`."""
    sections: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    """Words at the end of the service's command line."""

    def matches(self, present: str) -> bool:
        """Whether the file has this text already. The command line before the options is only known on the host."""
        lines = [line for line in present.splitlines() if not line.startswith("#")]
        commands = [line for line in lines if line.startswith("ExecStart=")]
        without = [line for line in lines if not line.startswith("ExecStart=") and line.strip()]
        if self.options:
            ends_so = bool(commands) and commands[-1].endswith(" " + " ".join(self.options))
            return ends_so and without == (self._lines() or ["[Service]"])
        return not commands and without == self._lines()

    @property
    def path(self) -> str:
        return drop_in_path(self.unit, self.name)

    @property
    def text(self) -> str:
        """The text of the file without the lines for `options`, which only the host can write."""
        return _unit_files.text(_unit_files.from_data(self.sections)) if self.sections else ""

    def _lines(self) -> list[str]:
        return [line for line in self.text.splitlines() if line.strip()]


@dataclass
class Plan:
    """What a role changes, reports and has verified for one Node-RED. Empty: nothing."""

    set: dict[str, object] = field(default_factory=dict)
    """Settings to set, as `_settings_js.edit` takes them."""
    remove: list[str] = field(default_factory=list)
    companions: dict[str, str | None] = field(default_factory=dict)
    """Files beside the settings file that differ: name to new text, None to remove it."""
    private_files: dict[str, str | None] = field(default_factory=dict)
    """Files in the user directory that only the service user can read and that differ: name to new text with secrets,
    None to remove it."""
    fail2ban: dict[str, str | None] = field(default_factory=dict)
    """Files below /etc/fail2ban that differ: path there to new text, None to remove it."""
    drop_ins: list[DropIn] = field(default_factory=list)
    """Those that differ."""
    sessions: str = ""
    """How the sessions file has to be (`file`, `absent`, `link`), where that differs."""
    close_files: str = ""
    """Which files are closed to other users (`private`, `directory`), where one is open."""
    certificate: dict[str, Any] = field(default_factory=dict)
    """What `_certificates.prepare` needs to make and send a certificate, where one is due."""
    firewall: dict[str, Any] = field(default_factory=dict)
    """Rules to add and delete, and defaults to change, where something differs."""
    restore: int = 0
    """The number of the restore point whose companions and drop-ins come back."""
    restart: str = ""
    """Why Node-RED must be restarted although nothing above requires it."""
    errors: list[str] = field(default_factory=list)
    """Each names the variable and the remedy. With one, nothing is applied on this host."""
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What the user should know, also if nothing changes."""
    passwords: dict[str, str] = field(default_factory=dict)
    """New random passwords: path on the controller to text. Written before anything is sent."""
    rotations: dict[str, dict[str, str]] = field(default_factory=dict)
    """Random passwords that replace others, as `_password_files.begin` takes them: path on the controller to `old` and
    `new`. Both are kept before anything is sent, and the new one alone when it is verified."""
    enrolments: dict[str, dict[str, Any]] = field(default_factory=dict)
    """New secrets of two-step logins, as `_totp_files.keep` takes them: path on the controller to `record`, `picture`
    and `replaces`. Written before anything is sent."""
    checks: dict[str, Any] = field(default_factory=dict)
    """What the verification needs to know of this role, see `_verification`."""
    credentials: dict[str, str] = field(default_factory=dict)
    """What the verification logs in with, by the names of the options of `probe`."""
    more_credentials: list[dict[str, str]] = field(default_factory=list)
    """The same for further users whose passwords change; a rotation tries them, too."""
    rotation: dict[str, str] = field(default_factory=dict)
    """What a rotation does to the passwords of this role, see `_rotation`; empty in every other run."""
    details: dict[str, Any] = field(default_factory=dict)
    """What later roles may know of this plan, such as whether the role manages its settings."""

    @property
    def needs_restart(self) -> bool:
        """Whether something beside the settings requires a restart."""
        files = self.companions or self.private_files or self.fail2ban or self.drop_ins
        return bool(files or self.sessions or self.restore or self.restart)

    @property
    def changes(self) -> bool:
        """Whether something beside the settings changes."""
        return self.needs_restart or bool(self.close_files or self.certificate or self.firewall)

    @classmethod
    def loaded(cls, data: Mapping[str, Any]) -> Plan:
        """From what `dataclasses.asdict` returned, also after JSON."""
        drop_ins = [DropIn(**{**one, "options": tuple(one["options"])}) for one in data["drop_ins"]]
        return cls(**{**data, "drop_ins": drop_ins})


def is_loopback(host: object) -> bool:
    """Whether only the machine itself reaches this address or name; nothing counts as all addresses."""
    return bool(_LOOPBACK.match(str(host or "")))


def is_behind_proxy(wanted: Wanted) -> bool:
    """Whether other machines reach Node-RED through a proxy of the user."""
    return wanted.get("nodered_tls_proxy_url") is not None


def is_hidden(found: Found, wanted: Wanted) -> bool:
    """Whether no other machine may reach Node-RED itself after this run: behind a proxy, or on loopback."""
    address = found.instance["host"]
    if "hardening" in found.planned:
        address = found.planned["hardening"].set.get("uiHost", address)
    elif "hardening" in found.later_roles:
        address = wanted.get("nodered_hardening_listen_address") or address
    return is_behind_proxy(wanted) or is_loopback(address)


def other_services(instance: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The services with other Node-REDs that run, or start at boot, as `instance_info` returns them.

    Any user can start a process that looks like a Node-RED, but not a system service.
    """
    return [one for one in instance["others"] if one["service"] and one["in_use"]]


def drop_in_path(unit: str, name: str) -> str:
    """Where a drop-in of this collection is, for a unit such as `nodered.service` or `pi/nodered.service`."""
    user, unit = _user_units.split(unit)
    folder = f"~{user}/{_user_units.UNIT_FOLDER}" if user else UNIT_FOLDER
    return f"{folder}/{unit}.d/{name}.conf"


def is_user_unit(instance: Mapping[str, Any]) -> bool:
    """Whether the service user's own systemd runs this Node-RED (systemctl --user)."""
    return bool(_user_units.split(instance["service"]).user)


def overridden(found: Found, what: str, *settings: str) -> list[str]:
    """An error for each option or variable that overrides one of these settings; `what` would have no effect."""
    return [override_error(found, one, what) for one in found.overrides(*settings)]


def override_error(found: Found, override: Mapping[str, Any], what: str) -> str:
    """That this option or variable leaves `what` without effect."""
    return (
        f"{override['channel']} in {override['where']} sets {override['setting']} and overrides "
        f"{found.instance['settings_file']}, so {what} written there would have no effect. Remove that option, then "
        "run again."
    )


def load_error(instance: Mapping[str, Any]) -> str:
    """That the settings file cannot be loaded, on one line; empty if it can be."""
    if not instance["settings_error"]:
        return ""
    cause = short_line(" ".join(instance["settings_error"].split()), _LONGEST_CAUSE)
    differs = " The settings of the Node-RED that runs may differ from it." if instance["url"] else ""
    return (
        f"The settings file {instance['settings_file']} cannot be loaded by Node.js on the host, so Node-RED does not "
        f"start again with it.{differs} The cause: {cause}. Correct the file, or restore the state before the last run"
        ", which undoes that run as well (pifleet.nodered.restore with nodered_restore=last). Then run again."
    )


def _overlap(one: str, other: str) -> bool:
    """Whether one setting is the other or a part of it, such as `logging` and `logging.console.audit`."""
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")
