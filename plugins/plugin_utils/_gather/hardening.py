# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what the role `hardening` needs from the controller. Private."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Any

from .._settings._admin_middleware import COMPANION

if TYPE_CHECKING:
    from .._plan._base import Found, Wanted
    from .._run._step import Step

FILE = pathlib.Path(__file__).parents[3] / "roles" / "hardening" / "files" / COMPANION


def gather(_step: Step, _found: Found, _wanted: Wanted) -> dict[str, Any]:
    """The text of the companion, `script`."""
    return {"script": FILE.read_bytes().decode("utf-8")}
