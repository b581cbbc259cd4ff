# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _systemd, _unit_files
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Command, Unit
from ansible_collections.pifleet.nodered.plugins.modules import drop_in


@pytest.mark.parametrize("section", ["Srvice", "Socket", "Service]"])
def test_a_section_that_systemd_would_ignore_is_rejected(section):
    with pytest.raises(Failure, match="a service has no such section"):
        drop_in.wanted_sections({section: []})


def test_a_socket_unit_has_sections_of_its_own():
    sections = drop_in.wanted_sections({"Socket": [{"ListenStream": ""}, {"ListenStream": "1885"}]}, "Socket")
    assert _unit_files.text(sections) == "[Socket]\nListenStream=\nListenStream=1885\n"
    with pytest.raises(Failure, match="a socket has no such section"):
        drop_in.wanted_sections({"Service": []}, "Socket")


@pytest.mark.parametrize(
    ("expand", "line"),
    [
        (True, 'ExecStart=/usr/bin/env $OPTIONS "a b" -p 1885'),
        (False, 'ExecStart=:/usr/bin/env $OPTIONS "a b" -p 1885'),
    ],
)
def test_the_command_line_keeps_its_variables_and_ends_with_the_options(expand, line, monkeypatch, tmp_path):
    command = Command(["/usr/bin/env", "$OPTIONS", "a b"], [], [], expand)
    monkeypatch.setattr(_systemd, "command", lambda _unit: command)
    directives = drop_in.command_line(Unit("nodered.service", {}), str(tmp_path / "no.conf"), ["-p", "1885"])
    assert _unit_files.text({"Service": directives}).splitlines() == ["[Service]", "ExecStart=", line]
