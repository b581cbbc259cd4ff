# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbook rotate does to passwords and reports. Private; knows no Ansible.

`_tls_rotation` is about certificates.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from .._core._arguments import ArgumentError
from .._passwords import _fleet_secret
from .._passwords._password_files import NEXT
from ._base import Plan, Wanted
from ._random_password import LOOKUP, RandomPassword
from ._tls_rotation import KINDS

PASSWORDS = ("login", "http_auth")
"""The roles whose passwords are replaced."""
_ROLES = {"login": ("login",), "tls": KINDS, "http_auth": ("http_auth",)}
CHOICES = (*PASSWORDS, *KINDS)
"""What can be rotated."""
_NEW, _FINISHED, _UNCHANGED, _LEFT = "new", "finished", "unchanged", "left"


def roles(rotates: Collection[str]) -> list[str]:
    """The roles that plan this, in the order of the playbook secure."""
    return [role for role, kinds in _ROLES.items() if not set(kinds).isdisjoint(rotates)]


def require_usable(rotates: Collection[str], wanted: Wanted) -> None:
    """Raise ArgumentError if these cannot be rotated without others."""
    if not rotates:
        raise ArgumentError("nodered_rotate must name at least one thing to rotate.")
    folders = [wanted[f"nodered_{role}_password_dir"] for role in PASSWORDS]
    one_of_both = len({*PASSWORDS} & {*rotates}) == 1
    if folders[0] == folders[1] and one_of_both and not _fleet_secret.secret_in(wanted):
        raise ArgumentError(
            "nodered_login_password_dir and nodered_http_auth_password_dir are the same folder, so editor and pages "
            "share a password. Set nodered_rotate to [login, http_auth]."
        )


def require_finishes(rotates: Collection[str], instance: Mapping[str, Any]) -> None:
    """Raise ArgumentError if a change waits for a confirmation, and these do not try each of its new passwords."""
    needed = waiting(instance)
    if not set(needed).issubset(rotates):
        raise ArgumentError(
            "An earlier rotation waits for its confirmation, which needs a login with each new password. Run again "
            f"with nodered_rotate: [{', '.join(needed)}], which finishes it, or after the host has rolled it back."
        )


def waiting(instance: Mapping[str, Any]) -> list[str]:
    """The roles whose new passwords must be tried before the host is told to keep them."""
    return [role for role in PASSWORDS if instance["confirmation"] and role in instance["rotated"]]


# For the plans of the roles


def of_password(whose: str, random: RandomPassword | None, *, changes: bool, variable: str) -> dict[str, str]:
    """`Plan.rotation` of a password that is planned. `variable` has it if it is given and not random."""
    if random is None:
        where, remedy = f"in {variable}", f"set another password in {variable}"
    elif random.derived:
        where = f"derived from {_fleet_secret.SECRET}; {LOOKUP} shows it"
        remedy = f"set a higher {_fleet_secret.GENERATION}"
    else:
        where, remedy = f"in {random.path} on the controller", ""
    state = _NEW if changes else _FINISHED if random and random.replaces else _UNCHANGED
    return {"whose": whose, "state": state, "text": remedy if state == _UNCHANGED else where}


def left(whose: str, why: str) -> dict[str, str]:
    """`Plan.rotation` of what is left unchanged."""
    return {"whose": whose, "state": _LEFT, "text": why}


# For the run


def rotations(plans: Mapping[str, Plan]) -> dict[str, dict[str, str]]:
    """The password files that change."""
    return {path: pair for plan in plans.values() for path, pair in plan.rotations.items()}


def lines(plans: Mapping[str, Plan]) -> list[str]:
    """What has become of each password, for the summary of a host."""
    return [_line(plan.rotation) for plan in plans.values() if plan.rotation]


def planned_lines(plans: Mapping[str, Plan]) -> list[str]:
    """The same in check mode."""
    texts = {
        _NEW: "would get a new password",
        _FINISHED: "the rotation that an earlier run has begun would be finished",
    }
    return [
        f"{one['whose']}: {texts[one['state']]}" if one["state"] in texts else _line(one)
        for one in (plan.rotation for plan in plans.values())
        if one
    ]


def _line(rotation: Mapping[str, str]) -> str:
    texts = {
        _NEW: "new password, {}",
        _FINISHED: "the rotation that an earlier run has begun is finished. The password is {}",
        _UNCHANGED: "unchanged. To rotate it, {}",
        _LEFT: "left unchanged: {}",
    }
    return f"{rotation['whose']}: {texts[rotation['state']].format(rotation['text'])}"


def lines_after_failure(files: Collection[str], *, rolled_back: bool, seconds: int) -> Iterator[str]:
    """Which password the host has, and what to do. `seconds`: when it rolls back by itself at the latest."""
    for path in sorted(files):
        if rolled_back:
            yield f"The old password is valid: the first line of {path}."
        else:
            yield f"Either the first password in {path} is valid, or the one after {NEXT}."
    if not rolled_back:
        valid = ", and the old passwords are valid" if files else ""
        yield f"Unless the change was confirmed, the host rolls it back within {seconds} seconds{valid}."
    yield "Correct what is named above and run pifleet.nodered.rotate again: it finishes what was begun."
