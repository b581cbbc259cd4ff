# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan changes, in lines."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._audit import drift
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import DropIn, Plan
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings._settings_js import Edit

UNCHANGED = Edit("", ())


def test_a_plan_that_changes_nothing_has_no_line():
    assert drift.changes(Plan(set={"uiPort": 1880}, notes=["a note"], checks={"tls": {}}), UNCHANGED) == []


def test_everything_that_changes_has_a_line_and_no_value():
    plan = Plan(
        set={"adminAuth": {"users": [{"password": {"$password": "hunter2"}}]}},
        companions={"pifleet-http-auth.js": "secret text", "pifleet-sessions.js": None},
        private_files={".pifleet-two-step.json": "secret text"},
        drop_ins=[DropIn("nodered.service", "50-pifleet-port")],
        sessions="file",
        close_files="private",
        certificate={"lines": ["new certificate"], "pair": {"key": "secret key"}},
        restart="The settings were changed before.",
        firewall={"lines": ["enable"]},
        passwords={"/inventory/.nodered-passwords/pi1": "hunter2"},
    )
    assert drift.changes(plan, Edit("", ("adminAuth",))) == [
        "settings: adminAuth",
        "/etc/systemd/system/nodered.service.d/50-pifleet-port.conf",
        "write pifleet-http-auth.js",
        "remove pifleet-sessions.js",
        "write .pifleet-two-step.json",
        "sessions file: file",
        "modes of files with secrets",
        "new certificate",
        "restart: The settings were changed before.",
        "firewall: enable",
    ]


EXAMPLES = {str: "private", int: 3, list: [DropIn("nodered.service", "x")], dict: {"lines": ["a line"], "name": None}}


@pytest.mark.parametrize("name", [one.name for one in dataclasses.fields(Plan)])
def test_everything_that_can_change_the_host_has_a_line(name):
    plan = Plan(**{name: EXAMPLES[type(getattr(Plan(), name))]})
    assert bool(drift.changes(plan, UNCHANGED)) is plan.changes
