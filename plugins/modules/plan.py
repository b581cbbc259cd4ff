#!/usr/bin/python
# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: plan
short_description: Plan what a role changes on a host
description:
  - Plans on the controller what one role of this collection changes, from its variables and from what was found on the
    host. Writes nothing. M(pifleet.nodered.apply) applies the plans of all roles at once.
  - The first plan of a play for a host finds its Node-RED, with one remote execution.
  - Reports C(changed) if something would change, with a diff that shows no secret. Fails with all errors at once.
version_added: 1.0.0
author: The pifleet authors (@pifleet)
options:
  role:
    description: The role.
    type: str
    required: true
    choices: [instance, login, port, tls, http_auth, hardening, sessions, ufw]
attributes:
  check_mode:
    support: full
    details: A plan that was made in check mode is never applied.
  diff_mode:
    support: full
  idempotent:
    support: full
extends_documentation_fragment:
  - pifleet.nodered.attributes.step
  - pifleet.nodered.attributes
"""

EXAMPLES = r"""
- name: Plan the role login
  pifleet.nodered.plan:
    role: login
  notify: Apply the plans
"""

RETURN = r"""
msg:
  description: What the user should know.
  returned: if there is something
  type: list
  elements: str
"""
