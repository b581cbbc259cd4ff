# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what the role `login` needs from the controller. Private."""

from __future__ import annotations

import pathlib
import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .._core import _kept_files
from .._core._arguments import ArgumentError
from .._passwords import _fleet_secret, _totp_files
from .._passwords._totp import COMPANION, Enrolment, TotpError, from_record, host_file, is_text_of, users_in
from .._plan._run_state import plans_in
from .._plan._two_step import FOLDER
from .._settings import _admin_auth
from . import _passwords

if TYPE_CHECKING:
    from .._plan._base import Found, Wanted
    from .._run._step import Step

FILE = pathlib.Path(__file__).parents[3] / "roles" / "login" / "files" / COMPANION


# The list of users is from the host.
MOST_USERS = 50


def gather(step: Step, found: Found, wanted: Wanted) -> dict[str, Any]:
    """The random password of the host, as `_passwords.password` returns it; for two-step logins `two_step`.

    That is `script`, the text of the companion; `problem`, why the folder or the secret of the fleet cannot be used,
    else empty; `derived`, whether the enrolments that the host has are from files here or from that secret; and for
    each user of `users` the `path` of the text file, and the enrolment that it has (`known`), that this play is going
    to write there (`planned`), that is derived from the secret of the fleet (`derived`), each None without one, and a
    `new` one.
    """
    password = _passwords.password(step, "login", wanted)
    return {**password, "two_step": _two_step(step, found, wanted)}


def _two_step(step: Step, found: Found, wanted: Wanted) -> dict[str, Any]:
    result: dict[str, Any] = {"script": FILE.read_bytes().decode("utf-8"), "problem": "", "users": {}, "derived": False}
    folder = wanted[FOLDER]
    users = _admin_auth.two_step_users(wanted["nodered_login_users"])
    if not users:
        return result
    if not isinstance(folder, str) or not folder:
        return result | {"problem": f"{FOLDER} must be the path of a folder on the controller."}
    try:
        here = str(step._loader.path_dwim(_kept_files.of_host(folder, step.host)))
        secret = _fleet_secret.secret_in(wanted)
        for user, generation in users.items():
            path = _totp_files.path_of(here, user)
            known, new = _totp_files.read(path), Enrolment.new(user, _random_bytes)
            derived = _totp_files.derived(secret, step.host, user, generation) if secret else None
            result["users"][user] = {"path": path, "known": known, "planned": _planned(step, path), "new": new}
            result["users"][user] |= {"derived": derived}
        return result | {"derived": bool(secret) and _is_derived(step.host, found, users, here, secret)}
    except ArgumentError as error:
        return result | {"problem": str(error)}
    except TotpError as error:
        return result | {"problem": f"{FOLDER}: {error}"}
    except UnicodeError:
        return result | {"problem": f"{FOLDER} or a user name has characters that no path can have."}


def _is_derived(host: str, found: Found, users: Mapping[str, int], folder: str, secret: str) -> bool:
    """Whether each enrolment that the host has is from a file here, or from the secret, also of earlier generations."""
    digest = found.instance["private_files"].get(host_file(found.instance["service"]))
    if not digest:
        return False
    candidates: dict[str, Sequence[Enrolment]] = {}
    for user in users_in((found.members("adminAuth") or {}).get("authenticate"))[:MOST_USERS]:
        known = _totp_files.read(_totp_files.path_of(folder, user))
        # The generation of a user who needs no code any more may not be known.
        numbers = _fleet_secret.generations(users.get(user, _fleet_secret.EARLIER + 1))
        candidates[user] = [known] if known else [_totp_files.derived(secret, host, user, one) for one in numbers]
    return is_text_of(digest, candidates)


def _random_bytes(_purpose: str, number: int) -> bytes:
    return secrets.token_bytes(number)


def _planned(step: Step, path: str) -> Enrolment | None:
    """What another service of this host or an earlier plan of this play is going to write there."""
    records = [plan.enrolments[path] for plan in plans_in(step.stores()) if path in plan.enrolments]
    return from_record(records[0]["record"]) if records else None
