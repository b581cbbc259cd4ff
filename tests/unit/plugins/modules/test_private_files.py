# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import os
import types

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._private_files import Exposed
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._identity import Identity
from ansible_collections.pifleet.nodered.plugins.modules import private_files

FOLDER = Exposed("/home/pi/.node-red", True, "own", 0o755, 0o700)
SESSIONS = Exposed("/home/pi/.node-red/.sessions.json", False, "own", 0o644, 0o600)
FOREIGN = Exposed(
    "/home/pi/.node-red/.config.runtime.json", False, "own", 0o644, None, "It belongs to root, not to pi."
)


@pytest.fixture
def machine(monkeypatch):
    """A machine where others get at three files, and what was closed there."""
    closed = []
    identity = Identity("pi", os.getuid(), os.getgid(), ())
    plan = types.SimpleNamespace(identity=identity, settings_file="/home/pi/settings.js")
    monkeypatch.setattr(private_files._find, "find", lambda service: (service, []))
    monkeypatch.setattr(private_files._start_plan, "plan", lambda unit: plan)
    monkeypatch.setattr(private_files._private_files, "exposed", lambda *where: [FOLDER, SESSIONS, FOREIGN])
    monkeypatch.setattr(private_files._private_files, "close", lambda one, who: closed.append(one.path) or True)
    return closed


def run(files=True, check_mode=False):
    return private_files.closed("nodered", "/home/pi/.node-red", files, False, check_mode)


def test_what_can_be_closed_is_and_the_rest_is_returned_with_the_reason(machine):
    result = run()
    assert result["changed"]
    assert machine == result["closed"] == [FOLDER.path, SESSIONS.path]
    assert result["left"] == [f"{FOREIGN.path}: It belongs to root, not to pi."]
    assert "0644 /home/pi/.node-red/.sessions.json" in result["diff"]["before"]
    assert "0600 /home/pi/.node-red/.sessions.json" in result["diff"]["after"]


def test_the_name_of_a_file_stays_on_its_line(machine, monkeypatch):
    names = [dataclasses.replace(one, path=one.path + "\n0600 /etc/shadow\x1b[1A") for one in (SESSIONS, FOREIGN)]
    monkeypatch.setattr(private_files._private_files, "exposed", lambda *where: names)
    result = run()
    for text in (*result["left"], result["diff"]["before"].rstrip("\n"), result["diff"]["after"].rstrip("\n")):
        assert "\\x0a0600 /etc/shadow\\x1b[1A" in text
        assert text.isprintable()


def test_the_user_directory_alone_can_be_closed(machine):
    assert run(files=False)["closed"] == [FOLDER.path]


def test_check_mode_closes_nothing(machine):
    assert run(check_mode=True)["changed"]
    assert machine == []
