# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made for a certificate immediately before everything is sent."""

from __future__ import annotations

import json
import types

import pytest
from ansible_collections.pifleet.nodered.plugins.action import apply
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import Plan
from ansible_collections.pifleet.nodered.plugins.plugin_utils._run_state import APPLY, State
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import EMPTY, instance

MADE = {"made_by": "selfsigned", "names": ["pi1"], "called": "pi1", "days": 397}
LATER = {"nodered_address": "pi1", "nodered_remount": False, "nodered_restart_timeout": 60}


class Observed(apply.ActionModule):
    """Does not connect: keeps what would have been sent, and verified."""

    def __init__(self):
        self.host = "pi1"
        self.sent = []

    def module(self, name, **arguments):
        self.sent.append((name, json.loads(arguments["request"])))
        return {"changed": True, "instance": instance()}

    def verified(self, _store, state, result, **_options):
        self.trusted = state.checks("tls")["authorities"]
        return result


def applied(certificate):
    action = Observed()
    planned = {"authority": {}, "client_authority": "", "trusted": "the one before", **certificate}
    plan = Plan(certificate=planned, checks={"tls": {"authorities": "the one before"}})
    state = State(instance(), EMPTY, "", EMPTY, plans={"tls": plan}, variables=LATER)
    return action, state, action._transaction(types.SimpleNamespace(save=lambda _state: None), state)


def test_a_certificate_is_made_sent_and_trusted_and_its_key_is_in_no_result():
    action, state, result = applied({"pair": MADE})
    (_name, request) = action.sent[0]
    assert "PRIVATE KEY" in request["certificate"]["key"]
    assert action.trusted == f"the one before\n{request['certificate']['certificate'].strip()}"
    assert "PRIVATE KEY" not in str(result)
    assert state.plans["tls"].certificate == {}, "it is sent once"


@pytest.mark.parametrize("written", [False, True], ids=["missing", "of another run"])
def test_an_authority_that_cannot_be_used_prevents_the_change_and_names_the_host(tmp_path, written):
    if written:
        (tmp_path / "authority.pem").write_text("another one")
    authority = {"folder": str(tmp_path), "before": "", "new": None, "passphrase": "secret", "clients": []}
    action, state, result = applied({"pair": {}, "authority": authority})
    assert result["failed"]
    assert result["msg"].startswith(f"pi1: {tmp_path}/authority")
    assert "secret" not in str(result)
    assert action.sent == []
    assert state.failed == [APPLY]


def test_nothing_is_sent_if_only_the_controller_keeps_something():
    action, _state, _result = applied({"pair": {}})
    assert action.sent == []
