#!/usr/bin/python
# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rotate
short_description: Replace passwords and certificates of a Node-RED, and verify the new ones before the old ones go
description:
  - Replaces a random password by another one, or brings a password that was changed in the variables to the host.
  - The host changes to the new passwords and waits for a confirmation. A login with each of them is tried. Only then
    does the host keep them; without a confirmation it rolls back by itself, also after a reboot.
  - The controller keeps a random password and the one that replaces it in the same file until then, so the file has the
    valid one at every moment. After an interruption, the next rotation finishes what was begun.
  - All users of the editor have to log in again if a password changes.
  - Certificates are replaced if they were made before a time, see the variables of the role C(rotate). The private
    authority is replaced in three runs; two are trusted in between.
version_added: 1.0.0
author: The pifleet authors (@pifleet)
options:
  what:
    description:
      - What is replaced. V(login) is the login of the editor, V(http_auth) the password of pages and dashboards.
      - V(certificates) are the certificates of hosts, V(clients) those of clients, V(authority) is the private
        authority.
    type: list
    elements: str
    choices: [login, http_auth, certificates, clients, authority]
    required: true
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Without secrets.
  idempotent:
    support: partial
    details: >-
      Each run replaces random passwords again, and takes the replacement of an authority one step further, until it is
      complete. Given and derived passwords change with the variables. Certificates that are new stay.
extends_documentation_fragment:
  - pifleet.nodered.attributes.step
  - pifleet.nodered.attributes.systemd
  - pifleet.nodered.attributes
seealso:
  - module: pifleet.nodered.apply
"""

EXAMPLES = r"""
- name: Replace the login of the editor
  pifleet.nodered.rotate:
    what: [login]
  become: true
"""

RETURN = r"""
msg:
  description: What has become of each password and certificate, and where the password is on the controller.
  returned: success
  type: list
  elements: str
restore_point:
  description: The number of the restore point with what was before.
  returned: if something was changed
  type: int
rolled_back:
  description: Whether the host has rolled the change back.
  returned: if something was changed
  type: bool
"""
