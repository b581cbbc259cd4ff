# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller learns of a pair in files, and what the transaction does with it."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
from types import SimpleNamespace

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._change import _certificate_files
from ansible_collections.pifleet.nodered.plugins.module_utils._change._certificate_files import Wanted
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _certificate, _pair, _start_plan
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _systemd
from ansible_collections.pifleet.nodered.plugins.modules import certificate_info
from ansible_collections.pifleet.nodered.tests.certificates import Authority

NODE = shutil.which("node")
pytestmark = [
    pytest.mark.skipif(NODE is None, reason="Node.js tries out every pair"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away"),
]
GOOD, RENEWED = (Authority().issue("192.0.2.7") for _number in range(2))


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine whose Node-RED has no certificate yet."""

    def run(command, _timeout):
        if command[1] == "enable":
            wants = tmp_path / "system" / "multi-user.target.wants"
            wants.mkdir()
            (wants / command[-1]).symlink_to(tmp_path / "system" / command[-1])
        return SimpleNamespace(returncode=0, stdout="", stderr="")

    monkeypatch.setattr(_systemd, "run", run)
    monkeypatch.setattr(_systemd, "show", lambda *_: [SimpleNamespace(name="nodered.service", loaded=True)])
    monkeypatch.setattr(_systemd, "UNIT_FOLDER", str(tmp_path / "system"))
    monkeypatch.setattr(_certificate_files, "PROGRAM", str(tmp_path / "lib" / "follow-certificate"))
    monkeypatch.setattr(_certificate, "TLS_FOLDER", str(tmp_path / "tls"))
    plan = SimpleNamespace(service="nodered")
    monkeypatch.setattr(_start_plan, "plan", lambda _unit: plan)
    monkeypatch.setattr(_certificate, "reader", lambda _plan: _pair.Reader("root", "root", NODE))

    class Machine:
        files = (str(tmp_path / "pi.pem"), str(tmp_path / "pi.key"))
        folder = tmp_path / "tls" / "nodered"

        def has(self, issued):
            for path, text in zip(self.files, (issued.certificate, issued.key), strict=True):
                pathlib.Path(path).write_text(text)

        def compared(self):
            result = certificate_info.compared("nodered", *self.files)
            assert "PRIVATE" not in json.dumps(result)
            return result

        def apply(self, **wanted):
            _certificate_files.place(_certificate_files.work(Wanted(**wanted), plan), plan)

        def apply_files(self, checked=GOOD):
            self.apply(certificate_file=self.files[0], key_file=self.files[1], checked=checked.certificate)

    machine = Machine()
    machine.has(GOOD)
    return machine


def test_a_pair_in_files_is_placed_and_followed_once(machine):
    assert machine.compared() == {
        "changed": False,
        "certificate": GOOD.certificate,
        "placed": False,
        "followed": False,
    }
    machine.apply_files()
    assert (machine.compared()["placed"], machine.compared()["followed"]) == (True, True)
    machine.has(RENEWED)
    assert (machine.compared()["placed"], machine.compared()["followed"]) == (False, True)


def test_a_watch_that_is_not_enabled_follows_nothing(machine, tmp_path):
    machine.apply_files()
    os.unlink(tmp_path / "system" / "multi-user.target.wants" / "pifleet-nodered-certificate.path")
    assert (machine.compared()["placed"], machine.compared()["followed"]) == (True, False)


def test_files_that_are_no_pair_are_an_error(machine):
    pathlib.Path(machine.files[1]).write_text(RENEWED.key)
    with pytest.raises(Failure, match="does not belong"):
        machine.compared()


def test_a_certificate_that_was_exchanged_after_the_check_is_not_placed(machine):
    machine.has(RENEWED)
    with pytest.raises(Failure, match="has changed while it was checked"):
        machine.apply_files()
    assert not machine.folder.exists()


def test_an_authority_of_clients_alone_changes_neither_the_pair_nor_what_follows_it(machine):
    machine.apply_files()
    before = (os.readlink(machine.folder / "current"), machine.compared())
    machine.apply(client_authority="PEM")
    assert [path.read_text() for path in machine.folder.glob("client-authority-*.pem")] == ["PEM"]
    assert (os.readlink(machine.folder / "current"), machine.compared()) == before


def test_a_pair_as_text_ends_the_copying(machine):
    machine.apply_files()
    machine.apply(certificate=RENEWED.certificate, key=RENEWED.key)
    assert (machine.folder / "current" / "certificate.pem").read_text() == RENEWED.certificate
    assert not any(os.path.exists(path) for path in _certificate_files.unit_paths("nodered"))
