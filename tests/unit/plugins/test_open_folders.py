# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests that act as another user can go on while another session of pytest starts, as in make test."""

from __future__ import annotations

import os
import subprocess
import sys


def test_another_session_of_pytest_does_not_close_the_folders(open_folders, tmp_path):
    (tmp_path / "test_empty.py").write_text("def test_empty(tmp_path):\n    pass\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(tmp_path), str(tmp_path)]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    assert [folder for folder in (tmp_path, *tmp_path.parents) if not folder.stat().st_mode & 0o001] == []
