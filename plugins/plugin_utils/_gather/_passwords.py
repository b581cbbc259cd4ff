# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The random password of a host, which a file on the controller keeps or the secret of the fleet gives. Private."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .._core import _kept_files
from .._core._arguments import ArgumentError
from .._passwords import _ephemeral, _fleet_secret, _password_files
from .._plan._base import Wanted
from .._plan._run_state import plans_in

if TYPE_CHECKING:
    from .._run._step import Step

_KNOWN = ("known_password", "next_password", "planned_password", "planned_next")


def password(step: Step, purpose: str, wanted: Wanted) -> dict[str, Any]:
    """The password of this host with this purpose (the role), its file, and what is or could be in that.

    A relative path of the folder is relative to the playbook, as for the lookups of Ansible.

    Returns:
        `password_file`: its path. `known_password`: what it holds, None without a file. `next_password`: the one that
        replaces it, None if it is not being rotated. `planned_password` and `planned_next`: what this play is going to
        write as such, None if nothing. `new_password`: a random one. `derived_passwords`: those that are
        derived from the secret of the fleet, the current one first; empty without a secret. `ephemeral`: what shows
        that files are lost when this run ends, empty if they are kept. `problem`: why the file or the secret cannot
        be used, else empty.
    """
    variable = f"nodered_{purpose}_password_dir"
    found: dict[str, Any] = dict.fromkeys(_KNOWN)
    found |= {"password_file": "", "new_password": _password_files.new(), "problem": ""}
    found |= {"derived_passwords": [], "ephemeral": ""}
    try:
        found["derived_passwords"] = _fleet_secret.derived(wanted, step.host, purpose)
        found["ephemeral"] = _ephemeral.marker(wanted, os.environ)
    except ArgumentError as error:
        return found | {"problem": str(error)}
    folder = wanted[variable]
    if not isinstance(folder, str) or not folder:
        return found | {"problem": f"{variable} must be the path of a folder on the controller."}
    try:
        path = str(step._loader.path_dwim(_kept_files.of_host(folder, step.host)))
        known = _password_files.read(path)
    except (ArgumentError, _password_files.PasswordFileError) as error:
        return found | {"problem": f"{variable}: {error}"}
    except UnicodeError:
        return found | {"problem": f"{variable} has characters that no path can have."}
    found["password_file"] = path
    if known:
        found |= {"known_password": known.password, "next_password": known.next}
    return found | _planned(step, path)


def _planned(step: Step, path: str) -> dict[str, str]:
    """What another role, another service of this host or an earlier plan of the same role is going to write there."""
    plans = plans_in(step.stores())
    first = [plan.passwords[path] for plan in plans if path in plan.passwords]
    following = [plan.rotations[path]["new"] for plan in plans if path in plan.rotations]
    return {
        **({"planned_password": first[0]} if first else {}),
        **({"planned_next": following[0]} if following else {}),
    }
