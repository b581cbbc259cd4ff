# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection: what the modules promise alike. What a module says itself wins."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
requirements:
  - Python 3.8 or later on the host
attributes:
  check_mode:
    support: full
    description: Can run in check mode and return changed status prediction without modifying target.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check mode), when in diff mode.
  idempotent:
    support: full
    description: A second run changes nothing.
  platform:
    support: full
    platforms: posix
    description: Systems on which the module works.
"""

    SYSTEMD = r"""
attributes:
  platform:
    details: Needs systemd, as on Raspberry Pi OS and Debian.
"""

    # Of the modules that docs/interfaces.md does not list as public.
    STEP = r"""
attributes:
  action:
    description: An action plugin of the same name does the work of the controller.
    support: full
requirements:
  - The Python libraries in C(meta/requirements.txt) of this collection on the controller
notes:
  - This module is a step of the roles of this collection, and private. Its options and results can change in any
    release. Use the roles.
"""

    # Comes before the standard fragment: of two that say the same, the first wins.
    INFO_MODULE = r"""
attributes:
  check_mode:
    description: Can run in check mode and return what it would return without it.
    details: The module changes nothing.
  diff_mode:
    support: none
    description: Will return details on what has changed in diff mode.
    details: The module changes nothing.
"""
