# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: take apart what JSON holds whose shape cannot be trusted."""

from __future__ import annotations

from typing import Any, List


def part(value: Any, *names: str) -> Any:
    """What is found by these names, one below the other; None where something else than a mapping is in between."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def text_part(value: Any, *names: str) -> str:
    """As `part`; empty where that is no text."""
    found = part(value, *names)
    return found if isinstance(found, str) else ""


def list_part(value: Any, *names: str) -> List[Any]:
    """As `part`; empty where that is no list."""
    found = part(value, *names)
    return found if isinstance(found, list) else []
