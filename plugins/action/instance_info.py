# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module of the same name, which carries the documentation, and import here what the roles' filters need.

Ansible forks a process for each task, and what a template imports there is gone with it: imported, even compiled, anew
for the next task. The class of an action plugin it loads before it forks (ansible/plugins/strategy/linear.py), and this
one comes first in each role. It saves a quarter of the controller's time: 12.3 s of an unchanged run of `secure` became
9.0 s (one host, ansible-core 2.19, 2 cores).
"""

from __future__ import annotations

import contextlib
import importlib

from ansible.plugins.action.normal import ActionModule as NormalActionModule

FILTERS = (
    "admin_auth",
    "certificate_problem",
    "changed_users",
    "firewall_plan",
    "hardening_sandbox",
    "hardening_settings",
    "http_auth",
    "known_bad",
    "misspelled",
    "settings_value",
    "unit_file",
)

for name in FILTERS:
    # What cannot be imported is told where it is used.
    with contextlib.suppress(Exception):
        importlib.import_module("ansible_collections.pifleet.nodered.plugins.filter." + name)


class ActionModule(NormalActionModule):
    """What Ansible does for a module that has no action plugin."""
