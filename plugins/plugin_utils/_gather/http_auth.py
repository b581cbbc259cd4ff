# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what the role `http_auth` needs from the controller. Private."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Any

from .._settings._http_auth import COMPANION
from . import _passwords

if TYPE_CHECKING:
    from .._plan._base import Found, Wanted
    from .._run._step import Step

FILE = pathlib.Path(__file__).parents[3] / "roles" / "http_auth" / "files" / COMPANION


def gather(step: Step, found: Found, wanted: Wanted) -> dict[str, Any]:
    """The random password of the host, as `_passwords.password` returns it, and the text of the companion, `script`."""
    password = _passwords.password(step, "http_auth", wanted)
    return {**password, "script": FILE.read_bytes().decode("utf-8")}
