#!/usr/bin/python
# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: audit
short_description: Audit a Node-RED without changing anything
description:
  - Examines the Node-RED of a host in two ways. One execution on the host finds what it is, how it is configured, and
    what the firewall lets in. Requests from outside show what is answered, without any password.
  - Compares it with what the playbook C(secure) would make of it with the same variables, by the plans of its roles.
  - Prints one line for each finding, and keeps the result in the private folder of the run until
    M(pifleet.nodered.report) writes it to files.
  - A host that cannot be reached, or whose Node-RED cannot be examined, does not fail the task. It is reported as such.
  - The role C(audit) uses it.
version_added: 1.0.0
author:
  - The pifleet authors (@pifleet)
extends_documentation_fragment:
  - pifleet.nodered.attributes.step
  - pifleet.nodered.attributes.info_module
  - pifleet.nodered.attributes
options: {}
seealso:
  - module: pifleet.nodered.report
"""

EXAMPLES = r"""
- name: Examine Node-RED
  pifleet.nodered.audit:
  become: true
"""

RETURN = r"""
msg:
  description: One line for the host, and one for each finding.
  returned: always
  type: list
  elements: str
  sample:
    - "kitchen: 1 critical; 40 checks passed"
    - "kitchen: critical: Anyone can open the editor and change the flows (editor-open)"
"""
