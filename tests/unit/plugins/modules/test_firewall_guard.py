# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module firewall_guard hands over; what it does is tested with `_guard`."""

from __future__ import annotations

import types

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._firewall import _guard, _state
from ansible_collections.pifleet.nodered.plugins.modules import firewall_guard

DEFAULTS = {
    "seconds": 60,
    "checksum": None,
    "again": False,
    "add": [],
    "delete": [],
    "deny": False,
    "enable": False,
    "owner": "",
    "reason": "The change failed.",
    "remount": False,
}


@pytest.fixture
def called(monkeypatch):
    """What was called, with its arguments."""
    calls = []

    def noting(name):
        def note(*arguments, **options):
            calls.append((name, arguments, options))
            return {"changed": True}

        return note

    for name in ("arm", "close", "confirm", "undo", "start_at_boot"):
        monkeypatch.setattr(_guard, name, noting(name))
    monkeypatch.setattr(_state, "installed", lambda: True)
    monkeypatch.setattr(_state, "starts_at_boot", lambda: False)
    return calls


def act(state, *, check_mode=False, **given):
    return firewall_guard.act(
        types.SimpleNamespace(params={**DEFAULTS, "state": state, **given}, check_mode=check_mode)
    )


def test_the_words_of_rules_are_text(called):
    act("armed", add=[["allow", 22]], owner="one", checksum="abc", seconds=30)
    act("closed", add=[["limit", 22]], delete=[["allow", 1880]], deny=True, owner="one", remount=True)
    assert called == [
        ("arm", (30, "abc", False, False), {"add": [["allow", "22"]], "owner": "one"}),
        (
            "close",
            (60, True, False, True),
            {"add": [["limit", "22"]], "delete": [["allow", "1880"]], "owner": "one"},
        ),
    ]


@pytest.mark.parametrize(
    "state, expected",
    [
        ("confirmed", ("confirm", ("one",), {})),
        ("undone", ("undo", ("The change failed.", "one"), {})),
        ("at_boot", ("start_at_boot", (), {})),
    ],
)
def test_each_state_has_its_function(called, state, expected):
    act(state, owner="one")
    assert called == [expected]


@pytest.mark.parametrize("state, changes", [("armed", True), ("closed", True), ("confirmed", False), ("at_boot", True)])
def test_check_mode_changes_nothing(called, state, changes):
    assert act(state, check_mode=True) == {"changed": changes}
    assert called == []


def test_without_ufw_or_time_nothing_is_done(called, monkeypatch):
    with pytest.raises(Failure, match="seconds must be at least 1"):
        act("armed", seconds=0)
    monkeypatch.setattr(_state, "installed", lambda: False)
    with pytest.raises(Failure, match="ufw is not installed"):
        act("armed")
    assert called == []
