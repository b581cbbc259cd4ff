# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core import _own_folders
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import (
    _certificate,
    _pair,
    _start_plan,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _systemd
from ansible_collections.pifleet.nodered.plugins.modules import certificate

WATCH = "pifleet-nodered-certificate.path"


@pytest.fixture
def systemd(tmp_path, monkeypatch):
    """The machine's systemd: the commands that it was given."""
    commands = []

    def run(command, _timeout):
        commands.append(command[1:])
        if command[1] == "enable":
            wants = tmp_path / "system" / "multi-user.target.wants"
            wants.mkdir()
            (wants / command[-1]).symlink_to(tmp_path / "system" / command[-1])
        return SimpleNamespace(returncode=0, stdout="", stderr="")

    monkeypatch.setattr(_systemd, "run", run)
    monkeypatch.setattr(_systemd, "show", lambda *_: [SimpleNamespace(name="nodered.service", loaded=True)])
    monkeypatch.setattr(certificate, "UNIT_FOLDER", str(tmp_path / "system"))
    monkeypatch.setattr(certificate, "PROGRAM", str(tmp_path / "lib" / "follow-certificate"))
    monkeypatch.setattr(_own_folders, "LOCKS", str(tmp_path / "run"))
    monkeypatch.setattr(_start_plan, "plan", lambda _unit: SimpleNamespace(service="nodered"))
    monkeypatch.setattr(_certificate, "tls_folder", lambda _plan: str(tmp_path / "tls"))
    monkeypatch.setattr(_certificate, "reader", lambda _plan: _pair.Reader("root", "root", "node"))
    monkeypatch.setattr(_pair, "from_files", lambda *_: _pair.Pair(b"certificate", b"key"))
    monkeypatch.setattr(_pair, "placed", lambda _folder: _pair.Pair(b"certificate", b"key"))
    monkeypatch.setattr(_pair, "why_unusable", lambda *_: "")
    return commands


def give():
    params = {"service": "nodered", "client_authority": None, "_checked": None, "remount": False}
    files = {
        "certificate_file": "/etc/letsencrypt/live/pi/fullchain.pem",
        "key_file": "/etc/letsencrypt/live/pi/key.pem",
    }
    return certificate.give({**params, **files}, False)["changed"]


def test_files_that_are_renewed_are_followed_from_now_on(systemd):
    assert give()
    assert ["enable", WATCH] in systemd and ["restart", WATCH] in systemd
    systemd.clear()
    assert not give()
    assert systemd == []


def test_a_watch_that_a_power_cut_has_kept_from_being_enabled_is_enabled_later(systemd, tmp_path):
    give()
    os.unlink(tmp_path / "system" / "multi-user.target.wants" / WATCH)
    os.rmdir(tmp_path / "system" / "multi-user.target.wants")
    systemd.clear()
    assert give()
    assert ["enable", WATCH] in systemd and ["restart", WATCH] in systemd
