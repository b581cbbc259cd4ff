# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils import _restart
from ansible_collections.pifleet.nodered.plugins.module_utils._systemd import Unit


def unit(state, pid="0"):
    return Unit("nodered.service", {"ActiveState": [state], "MainPID": [pid], "ExecMainStatus": ["0"]})


class Starting:
    """`systemctl start`, which ends while the first look at the unit is under way."""

    done = False

    def poll(self):
        return 0 if self.done else None


@pytest.fixture
def starting(monkeypatch):
    starting = Starting()
    looks = iter([unit("inactive"), unit("active", "7")])

    def show(name):
        seen = next(looks)
        starting.done = True
        return [seen]

    monkeypatch.setattr(_restart._systemd, "show", show)
    monkeypatch.setattr(_restart, "POLL_SECONDS", 0)
    monkeypatch.setattr(_restart, "STABLE_SECONDS", 0)
    return starting


def test_a_unit_that_was_looked_at_before_its_start_was_done_has_not_ended(starting):
    assert _restart._looked_at("nodered.service", starting)[1] is None
    assert _restart._looked_at("nodered.service", starting)[1] is None


def test_a_unit_that_is_inactive_after_its_start_was_done_has_ended(starting):
    starting.done = True
    assert "exit status 0" in _restart._looked_at("nodered.service", starting)[1].text
