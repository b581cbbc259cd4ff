#!/usr/bin/python
# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: restore
short_description: Restore what was before a run
description:
  - Each run of the roles that changes something keeps on the host what was there before, as a restore point. This
    module restores the settings file, the files and drop-ins of this collection, and ufw from one.
  - What is restored is applied as the roles apply their plans. The machine's own node loads the settings, Node-RED is
    restarted and must respond, and otherwise everything is rolled back on the machine. All users have to log in again
    if the login changes. Then it is verified from outside, and what is open is reported.
  - If a file was edited since, nothing is restored, and a diff without secrets shows what would be lost.
  - If the firewall differs, it is restored around that. The host restores the present one unless Node-RED responds and
    a new connection confirms the change, see M(pifleet.nodered.firewall_guard). It is left alone with several Node-REDs
    on the machine, and with C(nodered_ufw_manage=false).
  - Certificates and keys stay as they are, as those of the restore point may have expired. Files that were closed to
    other users stay closed.
  - A restore is a change like any other and leaves a restore point. Restoring V(last) then undoes it.
version_added: 1.0.0
author: The pifleet authors (@pifleet)
options:
  point:
    description:
      - V(last) is the newest one, the state before the last change. V(original) is the state before the first run. A
        number is that restore point, see M(pifleet.nodered.restore_points_info).
    type: str
    required: true
  force:
    description: Restore even if files were edited since. The edited files are in the restore point of this restore.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Without secrets.
  idempotent:
    support: partial
    details: >-
      Restoring V(original) or a number twice changes nothing the second time; each restore of V(last) undoes the one
      before.
extends_documentation_fragment:
  - pifleet.nodered.attributes.step
  - pifleet.nodered.attributes.systemd
  - pifleet.nodered.attributes
seealso:
  - module: pifleet.nodered.apply
  - module: pifleet.nodered.restore_points_info
"""

EXAMPLES = r"""
- name: Undo the last change
  pifleet.nodered.restore:
    point: last
  become: true
"""

RETURN = r"""
msg:
  description: What was restored and what is open.
  returned: success
  type: list
  elements: str
restore_point:
  description: The number of the restore point that this restore has left.
  returned: if something was restored
  type: int
"""
