# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection: the option that limits the time of a module."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  time_limit:
    description:
      - How many seconds the module may take on the machine. It fails when they are over.
      - The time in which it waits for another run of this collection, and that of a restart and of a rollback, do not
        count, and a rollback is not ended by it.
    type: float
    default: 60
    version_added: 1.0.0
"""
