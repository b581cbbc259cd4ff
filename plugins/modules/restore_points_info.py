#!/usr/bin/python
# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: restore_points_info
short_description: List the restore points of a Node-RED
description:
  - Each run of the roles that changes something keeps on the host what was there before, as a restore point. This
    module lists them, the newest first. M(pifleet.nodered.restore) restores one.
  - The role C(restore) uses it.
version_added: 1.0.0
author: The pifleet authors (@pifleet)
extends_documentation_fragment:
  - pifleet.nodered.attributes.info_module
  - pifleet.nodered.attributes
options: {}
seealso:
  - module: pifleet.nodered.restore
"""

EXAMPLES = r"""
- name: List the restore points
  pifleet.nodered.restore_points_info:
  become: true
"""

RETURN = r"""
msg:
  description: One line for each restore point, with its number, date, and what the run after it has changed.
  returned: success
  type: list
  elements: str
"""
