# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import io
import subprocess
import sys
import zipfile

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._change import _boot
from ansible_collections.pifleet.nodered.plugins.module_utils._core import _program
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _pair

FOREIGN = "ansible_collections.pifleet.nodered.plugins.module_utils._probe._probe"


@pytest.mark.parametrize("module", [_pair, _boot], ids=["certificates", "boot"])
def test_the_program_runs_without_the_collection(module, tmp_path):
    path = tmp_path / "program.zip"
    path.write_bytes(_program.archive(module.__name__))
    done = subprocess.run([sys.executable, "-I", str(path), "--help"], capture_output=True, text=True, check=True)
    assert "usage:" in done.stdout


def test_the_same_code_is_the_same_file_whatever_else_is_imported(monkeypatch):
    """It is compared with what a machine has, by modules of Ansible that import different things."""
    before = _program.archive(_pair.__name__)
    monkeypatch.setitem(sys.modules, FOREIGN, sys)
    assert _program.archive(_pair.__name__) == before
    names = zipfile.ZipFile(io.BytesIO(before)).namelist()
    assert not any("_restart" in name or "_probe" in name for name in names)
