#!/usr/bin/python
# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: verify
short_description: Verify from outside what a Node-RED lets through
description:
  - Sends the requests that must fail and those that must succeed to the running Node-RED, as the roles of this play
    have planned. See M(pifleet.nodered.probe) for the checks.
  - Returns one line if all checks pass, and each check with C(-v). Fails with all failed checks.
  - Fails, too, if the settings file cannot be loaded now, as Node-RED would not start again with it.
  - Does nothing if this play has verified it since its last change.
  - The role C(instance) uses it with C(tasks_from=prove).
version_added: 1.0.0
author: The pifleet authors (@pifleet)
extends_documentation_fragment:
  - pifleet.nodered.attributes.step
  - pifleet.nodered.attributes.info_module
  - pifleet.nodered.attributes
attributes:
  check_mode:
    details: Verifies nothing in check mode, as nothing was applied.
options: {}
"""

EXAMPLES = r"""
- name: Verify what Node-RED lets through
  pifleet.nodered.verify:
  become: true
"""

RETURN = r"""
msg:
  description: What was verified.
  returned: success
  type: list
  elements: str
"""
