# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection: the option with which a module may write to a read-only file system."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  remount:
    description:
      - Whether a file system that is read-only may be remounted read-write for the writes of this module. It is made
        read-only again right after them, also when something fails.
      - Otherwise a read-only file system is a reason to fail before anything is written.
    type: bool
    default: false
    version_added: 0.2.0
"""
