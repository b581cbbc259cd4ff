# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what the role `login` needs from the controller. Private."""

from __future__ import annotations

import pathlib
import secrets
from typing import TYPE_CHECKING, Any

from .. import _admin_auth, _totp_files
from .._plan._two_step import FOLDER
from .._totp import COMPANION, Enrolment, TotpError, from_record
from . import _passwords

if TYPE_CHECKING:
    from .._plan._base import Found, Wanted
    from .._step import Step

FILE = pathlib.Path(__file__).parents[3] / "roles" / "login" / "files" / COMPANION


def gather(step: Step, found: Found, wanted: Wanted) -> dict[str, Any]:
    """The random password of the host, as `_passwords.password` returns it; for two-step logins `two_step`.

    That is `script`, the text of the companion; `problem`, why the folder cannot be used, else empty; and for each
    user of `users` the `path` of the text file, and the enrolment that it has (`known`), that this play is going to
    write there (`planned`), each None without one, and a `new` one.
    """
    password = _passwords.password(step, "login", wanted)
    return {**password, "two_step": _two_step(step, wanted)}


def _two_step(step: Step, wanted: Wanted) -> dict[str, Any]:
    result: dict[str, Any] = {"script": FILE.read_bytes().decode("utf-8"), "problem": "", "users": {}}
    folder = wanted[FOLDER]
    users = _admin_auth.two_step_users(wanted["nodered_login_users"])
    if users and (not isinstance(folder, str) or not folder):
        return result | {"problem": f"{FOLDER} must be the path of a folder on the controller."}
    try:
        for user in users:
            path = _totp_files.path_of(str(step._loader.path_dwim(f"{folder}/{step.host}")), user)
            known, new = _totp_files.read(path), Enrolment.new(user, _random_bytes)
            result["users"][user] = {"path": path, "known": known, "planned": _planned(step, path), "new": new}
    except TotpError as error:
        return result | {"problem": f"{FOLDER}: {error}"}
    except UnicodeError:
        return result | {"problem": f"{FOLDER} or a user name has characters that no path can have."}
    return result


def _random_bytes(_purpose: str, number: int) -> bytes:
    return secrets.token_bytes(number)


def _planned(step: Step, path: str) -> Enrolment | None:
    """What another service of this host or an earlier plan of this play is going to write there."""
    states = [state for state in (store.load() for store in step.stores()) if state]
    records = [plan.enrolments[path] for state in states for plan in state.plans.values() if path in plan.enrolments]
    return from_record(records[0]["record"]) if records else None
