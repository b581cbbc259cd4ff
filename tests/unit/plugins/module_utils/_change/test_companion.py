# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._change import _change, _companion
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Unit

UNIT = Unit("nodered.service", {})


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "settings.js").write_text("module.exports = {};\n")
    return _files.read(str(tmp_path / "settings.js"))


def test_a_link_in_its_place_is_rejected(tmp_path, settings):
    (tmp_path / "our.js").symlink_to("/etc/passwd")
    with pytest.raises(Failure, match="link"):
        _companion.write(UNIT, settings, None, "our.js", "1;\n")


@pytest.mark.parametrize("name", ["../our.js", "a/b.js", ".our.js", ""])
def test_a_name_with_a_folder_is_rejected(settings, name):
    with pytest.raises(Failure, match="cannot be the name"):
        _companion.write(UNIT, settings, None, name, "1;\n")


def test_the_settings_file_itself_is_never_written(settings):
    with pytest.raises(Failure, match="itself"):
        _companion.write(UNIT, settings, None, "settings.js", "1;\n")


def test_writing_twice_changes_nothing_and_removing_can_be_undone(tmp_path, settings):
    assert _companion.write(UNIT, settings, None, "our.js", "1;\n")
    assert not _companion.write(UNIT, settings, None, "our.js", "1;\n")
    _change.forget("nodered")
    assert _companion.write(UNIT, settings, None, "our.js", None)
    assert not (tmp_path / "our.js").exists()
    _change.undo(_change.recorded("nodered"))
    assert (tmp_path / "our.js").read_text() == "1;\n"
