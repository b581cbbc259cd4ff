# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests' own machines: what a run that was killed left behind is not in the way of the next."""

from __future__ import annotations

import subprocess

from .fleet import FLEET_NAME, Fleet


def test_a_machine_of_a_run_that_was_killed_is_removed():
    name = FLEET_NAME + "-left"
    left = Fleet.fresh(name, ["pi41", "pi31:gone"])
    try:
        subprocess.run(["docker", "kill", left.pis["gone"].container], check=True, timeout=60)
        assert set(Fleet.fresh(name, ["pi41"]).pis) == {"pi41"}
    finally:
        left.down()
