# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._failure import Failure
from ansible_collections.pifleet.nodered.plugins.modules import companion


def test_a_file_with_this_content_is_no_change(tmp_path):
    path = tmp_path / "our.js"
    path.write_text("'use strict';\n")
    assert companion.compared(str(path), b"'use strict';\n", companion.present_file(str(path))) == {
        "changed": False,
        "path": str(path),
    }


def test_a_missing_file_is_shown_as_one(tmp_path):
    result = companion.compared(str(tmp_path / "our.js"), b"1;\n", companion.present_file(str(tmp_path / "our.js")))
    assert result["changed"]
    assert result["diff"]["before_header"] == "(no file)"
    assert result["diff"]["after"] == "1;\n"


def test_a_link_in_its_place_is_refused(tmp_path):
    (tmp_path / "our.js").symlink_to("/etc/passwd")
    with pytest.raises(Failure, match="link"):
        companion.present_file(str(tmp_path / "our.js"))
