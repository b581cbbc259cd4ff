# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that a restore point keeps."""

from __future__ import annotations

from ansible_collections.pifleet.nodered.plugins.module_utils._change import _managed


def test_a_file_with_a_name_that_none_of_ours_has_does_not_prevent_a_restore(tmp_path):
    for name in ("pifleet-http-auth.js", "pifleet-ä.js", "pifleet-a b.js", "pifleet-\n.js", "mine.js"):
        (tmp_path / name).touch()
    assert _managed._companions(str(tmp_path), None) == [str(tmp_path / "pifleet-http-auth.js")]
