# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan a role, as the action plugins `plan` and `audit` do it. Private."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure

from .._core._errors import SettingsError
from .._plan import hardening, http_auth, instance, login, port, sessions, tls, ufw
from .._plan._base import Found, Plan, Wanted
from .._run._step import Step
from .._settings import _settings_js
from . import hardening as _gather_hardening
from . import http_auth as _gather_http_auth
from . import login as _gather_login
from . import sessions as _gather_sessions
from . import tls as _gather_tls
from . import ufw as _gather_ufw

ROLES: dict[str, t.Any] = {
    "instance": instance,
    "login": login,
    "port": port,
    "tls": tls,
    "http_auth": http_auth,
    "hardening": hardening,
    "sessions": sessions,
    "ufw": ufw,
}
"""In the order in which the playbook secure has them."""
# What a role needs to know from the controller, or from one more execution on the host.
GATHER: dict[str, t.Callable[[Step, Found, Wanted], dict[str, t.Any]]] = {
    "login": _gather_login.gather,
    "http_auth": _gather_http_auth.gather,
    "hardening": _gather_hardening.gather,
    "sessions": _gather_sessions.gather,
    "tls": _gather_tls.gather,
    "ufw": _gather_ufw.gather,
}


def gathered(role: str, step: Step, found: Found, wanted: Wanted) -> Found:
    """`found` with what this role needs to know beside it."""
    return dataclasses.replace(found, controller=GATHER[role](step, found, wanted)) if role in GATHER else found


def planned(role: str, found: Found, wanted: Wanted) -> tuple[Plan, _settings_js.Edit]:
    """The plan of this role, and the settings file with it. With errors in the plan, nothing of it counts."""
    filename = str(found.instance["settings_file"])
    try:
        plan: Plan = ROLES[role].plan(found, wanted)
        edit = _settings_js.edit(found.text, set=plan.set, remove=plan.remove, filename=filename)
        plan.errors += [] if plan.errors else _remaining_errors(role, found, plan, edit)
    except (SettingsError, Failure) as error:
        return Plan(errors=[str(error)]), _settings_js.Edit(found.text, ())
    return plan, edit


def _remaining_errors(role: str, found: Found, plan: Plan, edit: _settings_js.Edit) -> list[str]:
    """What the role hardening has left to this role, and this role does not replace."""
    earlier = found.planned.get("hardening")
    if role == "hardening" or earlier is None:
        return []
    now = dataclasses.replace(found, text=edit.text, planned={**found.planned, role: plan})
    return [f"Role hardening: {error}" for error in hardening.remaining_errors(earlier, now)]
