# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: where it keeps its own files on a machine."""

from __future__ import annotations

STATE = "/var/lib/pifleet.nodered"
# Not below STATE: a machine with a read-only root can be restarted too.
LOCKS = "/run/pifleet.nodered"
# How long a process that holds one of these locks is waited for.
LOCK_SECONDS = 300
