# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the second step of logins for the role `login`. Private; knows no Ansible."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core._arguments import ArgumentError, names, release_name, release_numbers
from .._passwords import _ephemeral, _fleet_secret, _totp
from .._passwords._totp import Enrolment, TotpError
from ._base import Found, Plan, Wanted, other_services

RENEW = "nodered_login_totp_renew"
FOLDER = "nodered_login_totp_dir"
FIRST_RELEASE = (1, 0)
# Seconds. With one step of tolerance, each code works on a clock that is wrong by no more than that.
CLOCK_TOLERANCE = 30


@dataclass(frozen=True)
class TwoStep:
    """The second step of one Node-RED."""

    enrolments: Mapping[str, Enrolment] = field(default_factory=dict, repr=False)
    """By user."""
    setting: Mapping[str, str] | None = None
    """The value of `adminAuth.authenticate`; None without users."""
    changed: frozenset[str] = frozenset()
    """The users whose second step comes with this play, goes with it, or has another secret."""

    def credentials(self, user: str) -> dict[str, str]:
        """What the verification needs beside the password."""
        return {"totp_secret": self.enrolments[user].secret_text} if user in self.enrolments else {}


def plan(result: Plan, found: Found, wanted: Wanted, users: Collection[str], present: object) -> TwoStep:
    """Add to `result` what gives these users a second step, and takes it from the others.

    `present` is the value of `adminAuth` in the settings file. Raises ArgumentError.
    """
    before = frozenset(_totp.users_in(present.get("authenticate") if isinstance(present, Mapping) else None))
    if not users:
        _remove(result, found)
        return TwoStep(changed=before)
    problems = [*_problems_of_host(found), *_problems_of_names(wanted)]
    if problems:
        raise ArgumentError(*problems)
    renewed = names(wanted[RENEW], RENEW)
    problems = _problems_of_derived(found, renewed)
    if problems:
        raise ArgumentError(*problems)
    chosen = {user: _chosen(found, user, user in renewed, user in before) for user in users}
    enrolments = {user: enrolment for user, (enrolment, _is_new) in chosen.items()}
    name, text = _totp.host_file(found.instance["service"]), _totp.host_text(enrolments)
    differs = found.instance["private_files"].get(name) != _checksum(text)
    changed = (frozenset(users) if differs else frozenset()) | (before ^ frozenset(users))
    result.warnings += _judged_clock(found, certain=not changed)
    for user, (enrolment, is_new) in chosen.items():
        if is_new:
            _keep(result, found, user, enrolment)
    if differs:
        result.private_files[name] = text
        result.notes += _note_of_derived(found, enrolments)
    if found.instance["companions"].get(_totp.COMPANION) != _checksum(_script(found)):
        result.companions[_totp.COMPANION] = _script(found)
    path = os.path.join(found.instance["user_dir"], name)
    return TwoStep(enrolments, _totp.setting(list(users), path), changed)


def _problems_of_names(wanted: Wanted) -> list[str]:
    listed = [user.get("username") for user in wanted["nodered_login_users"] if isinstance(user, Mapping)]
    return [
        f"{RENEW}: {name} is not in nodered_login_users. Correct the name, or leave it out."
        for name in names(wanted[RENEW], RENEW)
        if name not in listed
    ]


def _problems_of_host(found: Found) -> list[str]:
    instance, problems = found.instance, []
    release = release_numbers(instance["version"] or "")
    if release and release < FIRST_RELEASE:
        problems.append(
            f"Two-step login needs Node-RED 1.0, and this is Node-RED {release_name(release)}. Upgrade Node-RED, or "
            "remove totp from the users of this host."
        )
    if instance["user_dir_read_only"] or instance["user_dir_read_only_at_boot"] or instance["overlay"]:
        problems.append(
            f"The file system of {instance['user_dir']} is read-only or loses its changes at the next boot, so "
            f"{found.host} could not remember which codes were used. Remove totp from the users of this host, or make "
            "that folder permanently writable."
        )
    if found.controller["two_step"]["problem"]:
        problems.append(found.controller["two_step"]["problem"])
    return problems


def _chosen(found: Found, user: str, renewed: bool, present: bool) -> tuple[Enrolment, bool]:
    """What this user shares with the host, and whether it is still to be written on the controller."""
    kept = found.controller["two_step"]["users"][user]
    if kept["derived"]:
        return kept["known"] or _derived(found, user, renewed, present), False
    if kept["known"] and not renewed:
        return kept["known"], False
    if present and not (renewed or kept["planned"]):
        raise ArgumentError(
            f"{user} has a two-step login on {found.host}, and its secret is not on this controller: {kept['path']} "
            "is missing. Copy it from the controller that has set up the login, or give the user a new secret: run "
            f'once with -e \'{{"{RENEW}": ["{user}"]}}\'.'
        )
    if found.controller["ephemeral"]:
        remedy = (
            f"Set {_fleet_secret.SECRET} from a vault, from which it is derived, or {FOLDER} to a folder that is kept."
        )
        what = f"The secret of the two-step login of {user}"
        raise ArgumentError(_ephemeral.lost(what, found.controller["ephemeral"], remedy))
    return kept["planned"] or kept["new"], True


def _keep(result: Plan, found: Found, user: str, enrolment: Enrolment) -> None:
    """Have it written on the controller, with the change."""
    kept = found.controller["two_step"]["users"][user]
    try:
        result.enrolments[kept["path"]] = {
            "record": _totp.record(enrolment, host=found.host, user=user),
            "picture": _totp.svg_code(_totp.uri(enrolment, host=found.host, user=user)),
            "replaces": kept["known"].secret_text if kept["known"] else "",
        }
    except TotpError as error:
        raise ArgumentError(f"Two-step login of {user}: {error}") from None
    result.notes.append(
        f"{user} needs a code after the password from this change on. The QR code and the recovery codes are written "
        f"to {kept['path']} on the controller; show it there with cat."
    )


def _derived(found: Found, user: str, renewed: bool, present: bool) -> Enrolment:
    """What is derived for this user, unless the host has something else, which a phone may have as well."""
    two_step = found.controller["two_step"]
    kept, file = two_step["users"][user], _totp.host_file(found.instance["service"])
    unknown = file in found.instance["private_files"] and not two_step["derived"]
    if present and unknown and not renewed:
        raise ArgumentError(
            f"{user} has a two-step login on {found.host} whose secret is not derived from {_fleet_secret.SECRET} as "
            f"it is now, and {kept['path']} is missing. Copy that file from the controller that has set up the login, "
            f'or give the user the derived secret: run once with -e \'{{"{RENEW}": ["{user}"]}}\'.'
        )
    derived: Enrolment = kept["derived"]
    return derived


def _note_of_derived(found: Found, enrolments: Mapping[str, Enrolment]) -> list[str]:
    """Where these users get the QR code, as no file shows it."""
    users = [user for user in enrolments if enrolments[user] is found.controller["two_step"]["users"][user]["derived"]]
    if not users:
        return []
    return [
        f"The second step of {', '.join(users)} is derived from {_fleet_secret.SECRET}; the lookup "
        "pifleet.nodered.two_step shows the QR code and the recovery codes."
    ]


def _problems_of_derived(found: Found, renewed: Sequence[str]) -> list[str]:
    """To renew what is derived takes another generation, and to derive what is in a file takes the file away."""
    problems = []
    for user, kept in found.controller["two_step"]["users"].items():
        if not kept["derived"] or user not in renewed:
            continue
        if kept["known"]:
            problems.append(
                f"{RENEW}: the secret of {user} is in {kept['path']}. With {_fleet_secret.SECRET}, a new one is "
                "derived and in no file: remove that file and run again."
            )
        elif found.controller["two_step"]["derived"]:
            problems.append(
                f"{RENEW}: the secret of {user} is derived from {_fleet_secret.SECRET}. For a new one, raise "
                "totp_generation of that user in nodered_login_users."
            )
    return problems


def _judged_clock(found: Found, *, certain: bool) -> list[str]:
    """Reject a clock with which codes are rejected; only a warning where codes are required already."""
    error = found.clock_error
    if abs(error) <= CLOCK_TOLERANCE:
        return []
    problem = (
        f"The clock of {found.host} is {abs(error):.0f} seconds or more {'ahead of' if error > 0 else 'behind'} that "
        "of the controller, so Node-RED would reject the codes of an authenticator app. Set the clock that is wrong "
        "(timedatectl set-ntp true), then run again."
    )
    if not certain:
        raise ArgumentError(problem)
    return [f"{problem} Until then, only a recovery code works."]


def _remove(result: Plan, found: Found) -> None:
    """Remove the companion, where no other Node-RED can require it.

    The file with the secrets stays: a restore point has none, and the settings that it restores can need them.
    """
    shared = any("settings_folder" in one["shares"] for one in other_services(found.instance))
    if _totp.COMPANION in found.instance["companions"] and not shared:
        result.companions[_totp.COMPANION] = None


def _script(found: Found) -> str:
    return str(found.controller["two_step"]["script"])


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def without_ours(present: Mapping[str, Any]) -> dict[str, Any]:
    """The members of `adminAuth` without an `authenticate` that this collection has written."""
    return {name: value for name, value in present.items() if name != "authenticate" or not _totp.is_ours(value)}
