# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._role_defaults import role_defaults


def test_the_defaults_of_all_roles_are_there_as_templates():
    defaults = role_defaults(DataLoader())
    assert defaults["nodered_ufw_keep"] == "listening"
    assert defaults["nodered_login_users"] == []
    templar = Templar(loader=DataLoader(), variables={**defaults, "ansible_host": "192.168.1.20"})
    assert templar.template(defaults["nodered_address"]) == "192.168.1.20"
