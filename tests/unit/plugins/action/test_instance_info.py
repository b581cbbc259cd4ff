# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib
import re

from ansible_collections.pifleet.nodered.plugins.action import instance_info

CHECKOUT = pathlib.Path(__file__).resolve().parents[4]


def test_every_filter_of_the_roles_is_imported_before_ansible_forks():
    text = "".join(path.read_text() for path in (CHECKOUT / "roles").rglob("*.yml"))
    used = set(re.findall(r"\|\s*pifleet\.nodered\.(\w+)", text))
    assert used == set(instance_info.FILTERS)
