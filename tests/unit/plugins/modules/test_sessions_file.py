# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.pifleet.nodered.plugins.module_utils._instance._sessions import Repair
from ansible_collections.pifleet.nodered.plugins.modules import sessions_file


def test_each_file_stays_on_its_line_of_the_difference():
    found = [Repair("/home/pi/a\nb\x1b[1A", "a link to c\nd\x07", "a file"), Repair("/run/e", "a file", "nothing")]
    difference = sessions_file.result("/home/pi/a", found)["diff"]
    assert difference["before"] == "/home/pi/a\\x0ab\\x1b[1A: a link to c\\x0ad\\x07\n/run/e: a file\n"
    assert difference["after"] == "/home/pi/a\\x0ab\\x1b[1A: a file\n/run/e: nothing\n"
