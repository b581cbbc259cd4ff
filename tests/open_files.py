# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this process has open."""

from __future__ import annotations

import os


def open_files() -> list[str]:
    """What each descriptor leads to: a path, or a text such as `/memfd:client (deleted)` or `socket:[7]`."""
    links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    # That of the listing itself is closed by now.
    return [os.readlink(link) for link in links if os.path.lexists(link)]
