# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what the role `sessions` puts beside the settings file. Private."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Any

from .._plan.sessions import COMPANION

if TYPE_CHECKING:
    from .._plan._base import Found, Wanted
    from .._run._step import Step

FILE = pathlib.Path(__file__).parents[3] / "roles" / "sessions" / "files" / COMPANION


def gather(step: Step, found: Found, wanted: Wanted) -> dict[str, Any]:
    """The text of the companion as `script`."""
    return {"script": FILE.read_bytes().decode("utf-8")}
