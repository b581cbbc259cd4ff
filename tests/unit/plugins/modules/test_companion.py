# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._change import _change
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files._files import Attributes
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Unit
from ansible_collections.pifleet.nodered.plugins.modules import companion


def test_a_link_in_its_place_is_refused(tmp_path):
    (tmp_path / "our.js").symlink_to("/etc/passwd")
    with pytest.raises(Failure, match="link"):
        companion.present_file(str(tmp_path / "our.js"), None)


def test_taking_a_file_away_can_be_undone(tmp_path):
    path = tmp_path / "our.js"
    path.write_text("1;\n")
    companion.write(Unit("nodered.service", {}), str(path), None, Attributes(0, 0, 0o600, {}), None)
    assert not path.exists()
    _change.undo(_change.recorded("nodered"))
    assert path.read_text() == "1;\n"
