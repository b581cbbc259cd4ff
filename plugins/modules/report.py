#!/usr/bin/python
# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: report
short_description: Write the report of an audit
description:
  - Writes what M(pifleet.nodered.audit) has found on all hosts of this play to files on the controller, and prints a
    summary. Only their owner can read the files.
  - Run it once, as the last task of the play, with C(run_once).
  - Fails if there is a finding of the severity O(fail_on) or a worse one.
version_added: 1.0.0
author:
  - The pifleet authors (@pifleet)
extends_documentation_fragment:
  - pifleet.nodered.attributes.step
  - pifleet.nodered.attributes
attributes:
  check_mode:
    details: Writes no files in check mode.
  diff_mode:
    support: none
  idempotent:
    support: none
    details: Each run writes the files again, with the time of the audit. That does not count as a change.
options:
  directory:
    description: The folder on the controller. A relative path is relative to the playbook.
    type: path
    required: true
  fail_on:
    description:
      - The severity from which on a finding makes the task fail.
      - With another value than V(never), a host that could not be audited makes it fail as well.
    type: str
    choices: [never, info, low, medium, high, critical]
    default: never
seealso:
  - module: pifleet.nodered.audit
"""

EXAMPLES = r"""
- name: Write the report
  pifleet.nodered.report:
    directory: /srv/reports/nodered
    fail_on: high
  run_once: true
"""

RETURN = r"""
msg:
  description: The summary.
  returned: always
  type: list
  elements: str
"""
