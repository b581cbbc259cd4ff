# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._change import _certificate_files
from ansible_collections.pifleet.nodered.plugins.module_utils._change._certificate_files import Wanted
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _certificate, _pair
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _systemd

WATCH = "pifleet-nodered-certificate.path"
PLAN = SimpleNamespace(service="nodered")
FILES = Wanted(
    certificate_file="/etc/letsencrypt/live/pi/fullchain.pem",
    key_file="/etc/letsencrypt/live/pi/key.pem",
    checked="certificate",
)


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
    monkeypatch.setattr(_systemd, "UNIT_FOLDER", str(tmp_path / "system"))
    monkeypatch.setattr(_certificate_files, "PROGRAM", str(tmp_path / "lib" / "follow-certificate"))
    monkeypatch.setattr(_certificate, "tls_folder", lambda _plan: str(tmp_path / "tls"))
    monkeypatch.setattr(_certificate, "reader", lambda _plan: _pair.Reader("root", "root", "node"))
    monkeypatch.setattr(_pair, "from_files", lambda *_: _pair.Pair(b"certificate", b"key"))
    monkeypatch.setattr(_pair, "placed", lambda _folder: _pair.Pair(b"certificate", b"key"))
    monkeypatch.setattr(_pair, "why_unusable", lambda *_: "")
    return commands


def place(wanted=FILES):
    _certificate_files.place(_certificate_files.work(wanted, PLAN), PLAN)


def test_files_that_are_renewed_are_followed_from_now_on(systemd):
    place()
    assert ["enable", WATCH] in systemd and ["restart", WATCH] in systemd
    systemd.clear()
    place()
    assert systemd == []


def test_a_watch_that_a_power_cut_has_kept_from_being_enabled_is_enabled_later(systemd, tmp_path):
    place()
    os.unlink(tmp_path / "system" / "multi-user.target.wants" / WATCH)
    os.rmdir(tmp_path / "system" / "multi-user.target.wants")
    systemd.clear()
    place()
    assert ["enable", WATCH] in systemd and ["restart", WATCH] in systemd


def test_files_are_no_longer_followed_when_the_pair_comes_from_elsewhere(systemd, tmp_path):
    place()
    place(Wanted(certificate="certificate", key="key"))
    assert ["disable", "--now", WATCH] in systemd
    assert not (tmp_path / "system" / WATCH).exists()


def test_a_certificate_that_was_exchanged_since_it_was_checked_is_rejected(systemd):
    with pytest.raises(Failure, match="has changed while it was checked"):
        place(FILES._replace(checked="another one"))


def test_the_authority_of_clients_is_placed_under_a_name_of_its_own(systemd, tmp_path):
    place(Wanted(certificate="certificate", key="key", client_authority="authority"))
    (file,) = (tmp_path / "tls").iterdir()
    assert file.name.startswith("client-authority-")
    assert file.read_text() == "authority"
