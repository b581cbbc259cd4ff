# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._failure import Failure
from ansible_collections.pifleet.nodered.plugins.modules import drop_in


def test_the_text_ends_in_one_line_end():
    assert drop_in.wanted_text("present", "[Service]\nUMask=0077\n\n") == "[Service]\nUMask=0077\n"


def test_comments_may_stand_before_the_first_section():
    assert drop_in.wanted_text("present", "# why\n; and how\n\n[Unit]\nAfter=x\n")


def test_no_file_is_wanted_when_it_should_be_absent():
    assert drop_in.wanted_text("absent", None) is None


@pytest.mark.parametrize("content", ["UMask=0077\n[Service]\n", "[Srvice]\nUMask=0077", "", "# nothing\n"])
def test_what_systemd_would_ignore_is_refused(content):
    with pytest.raises(Failure, match="section"):
        drop_in.wanted_text("present", content)


def test_a_socket_unit_has_sections_of_its_own():
    text = "[Socket]\nListenStream=\nListenStream=1885\n"
    assert drop_in.wanted_text("present", text, "Socket") == text
    with pytest.raises(Failure, match="a service has not"):
        drop_in.wanted_text("present", text)
    with pytest.raises(Failure, match="a socket has not"):
        drop_in.wanted_text("present", "[Service]\nUMask=0077\n", "Socket")
