# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The defaults of the variables of all roles, for an action that plans without their tasks. Private."""

from __future__ import annotations

import inspect
import pathlib
from typing import Any

ROLES = pathlib.Path(__file__).parents[3] / "roles"


def role_defaults(loader: Any) -> dict[str, Any]:
    """The defaults of each role of this collection, as templates. `loader` is Ansible's own (DataLoader)."""
    # Since ansible-core 2.19, a template has to be trusted.
    trusted = "trusted_as_template" in inspect.signature(loader.load_from_file).parameters
    options = {"trusted_as_template": True} if trusted else {}
    found: dict[str, Any] = {}
    for path in sorted(ROLES.glob("*/defaults/main.yml")):
        found |= loader.load_from_file(str(path), **options) or {}
    return found
