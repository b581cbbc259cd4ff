# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All files of a report are written whole and private, and hold no secret."""

from __future__ import annotations

import json
import os
import pathlib

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._report import _html, _write
from ansible_collections.pifleet.nodered.plugins.plugin_utils._report._findings import ReportError
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._report import fleets
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._report.fleets import finding, host

FILES = ["index.html", "junit.xml", "report.sarif", "metrics.prom", "report.json"]


def test_only_the_owner_reads_the_files_and_enters_the_folder(tmp_path):
    before = os.umask(0)
    try:
        written = _write.write(tmp_path / "deep" / "report", fleets.mixed_fleet(), fleets.CHECKS)
    finally:
        os.umask(before)
    assert written.files == [tmp_path / "deep" / "report" / name for name in FILES]
    assert {path.name: path.stat().st_mode & 0o777 for path in written.files} == dict.fromkeys(FILES, 0o600)
    assert (tmp_path / "deep" / "report").stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in (tmp_path / "deep" / "report").iterdir()) == sorted(FILES)


def test_a_folder_that_is_there_keeps_its_mode(tmp_path):
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages").chmod(0o755)
    _write.write(tmp_path / "pages", fleets.mixed_fleet(), fleets.CHECKS)
    assert (tmp_path / "pages").stat().st_mode & 0o777 == 0o755


def test_the_second_report_is_compared_with_the_first(tmp_path):
    first = _write.write(tmp_path, fleets.fleet(host(passed=["editor-open"])), fleets.CHECKS)
    assert first.changes is None and not first.warnings
    second = _write.write(tmp_path, fleets.fleet(host(findings=[finding()])), fleets.CHECKS)
    assert [one.id for one in second.changes.new] == ["editor-open"]
    assert len(json.loads((tmp_path / "report.json").read_text())["changes"]["new"]) == 1
    assert "New findings" in (tmp_path / "index.html").read_text()
    third = _write.write(tmp_path, fleets.fleet(host(findings=[finding()])), fleets.CHECKS)
    assert not third.changes.any


def test_an_earlier_report_that_cannot_be_read_is_a_warning_and_replaced(tmp_path):
    (tmp_path / "report.json").write_text('{"version": 2}')
    written = _write.write(tmp_path, fleets.mixed_fleet(), fleets.CHECKS)
    assert written.changes is None
    assert written.warnings == [
        f"{tmp_path}/report.json: it is no report of version 1. It is replaced; the report shows no changes since then."
    ]
    assert json.loads((tmp_path / "report.json").read_text())["version"] == 1


def test_what_fails_while_it_is_made_leaves_the_earlier_report(tmp_path, monkeypatch):
    _write.write(tmp_path, fleets.mixed_fleet(), fleets.CHECKS)
    before = {name: (tmp_path / name).read_bytes() for name in FILES}

    def broken(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(_html, "render", broken)
    with pytest.raises(ReportError):
        _write.write(tmp_path, fleets.fleet(), fleets.CHECKS)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_folder_that_cannot_be_written_is_an_error_with_the_remedy(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError, match="cannot be written to .*/file/report: .*set nodered_report_dir"):
        _write.write(tmp_path / "file" / "report", fleets.mixed_fleet(), fleets.CHECKS)


def test_no_file_holds_a_secret_or_what_controls_a_terminal(tmp_path):
    _write.write(tmp_path, fleets.mixed_fleet(), fleets.CHECKS)
    for path in _write.write(tmp_path, fleets.hostile_fleet(), fleets.CHECKS).files:
        text = path.read_text(encoding="utf-8")
        assert [one for one in fleets.NEVER if one in text] == [], path.name


def test_the_files_of_the_page_are_in_the_collection():
    folder = pathlib.Path(_html.__file__).parent / "page"
    assert sorted(path.name for path in folder.iterdir()) == ["index.html.j2", "page.css", "page.js"]
