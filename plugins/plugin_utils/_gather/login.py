# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what the role `login` needs from the controller. Private."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _passwords

if TYPE_CHECKING:
    from .._plan._base import Found, Wanted
    from .._step import Step


def gather(step: Step, found: Found, wanted: Wanted) -> dict[str, Any]:
    """The random password of the host, as `_passwords.password` returns it."""
    return _passwords.password(step, "login", wanted)
