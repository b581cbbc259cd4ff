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


class Service:
    """A service whose command line is that of its unit, or of whatever drop-in came last."""

    def __init__(self, monkeypatch, path):
        self.words, self.path = ["/usr/bin/node-red"], path
        monkeypatch.setattr(_systemd, "command", lambda _unit: Command(self.words, [], []))

    def give(self, *options):
        """Write the drop-in and let it be in force; the command line then."""
        unit = Unit("nodered.service", {})
        directives = drop_in.command_line(unit, str(self.path), options)
        self.path.write_bytes(drop_in.text({"Service": directives}, options))
        self.words = list(directives[-1].words)
        return self.words


@pytest.fixture
def service(monkeypatch, tmp_path):
    return Service(monkeypatch, tmp_path / "50-pifleet-port.conf")


def test_options_are_given_once(service):
    assert service.give("-p", "1885") == ["/usr/bin/node-red", "-p", "1885"]
    assert service.give("-p", "1885") == ["/usr/bin/node-red", "-p", "1885"]


def test_as_many_words_go_as_were_given(service):
    service.give("-p", "1885", "--safe")
    assert service.give("-p", "1886") == ["/usr/bin/node-red", "-p", "1886"]
    assert service.give("--title", "a b", "-p", "1886") == ["/usr/bin/node-red", "--title", "a b", "-p", "1886"]


def test_no_word_goes_of_a_command_line_that_a_later_drop_in_sets(service):
    service.give("-p", "1885")
    service.words = ["/usr/bin/node-red", "--userDir", "/srv/flows"]
    assert service.give("-p", "1885") == ["/usr/bin/node-red", "--userDir", "/srv/flows", "-p", "1885"]


@pytest.mark.parametrize("comment", ["", "# Ends the command line with 5\n", "# Ends the command line with [\n"])
def test_a_drop_in_that_does_not_say_its_options_loses_those_that_begin_alike(service, comment):
    service.give("-p", "1885")
    service.path.write_text(comment + "[Service]\nExecStart=\nExecStart=/usr/bin/node-red -p 1885\n")
    assert service.give("-p", "1886") == ["/usr/bin/node-red", "-p", "1886"]
    service.path.write_text("[Service]\nExecStart=\nExecStart=/usr/bin/node-red -p 1886\n")
    service.words = ["/usr/bin/node-red", "--userDir", "/srv/flows"]
    assert service.give("-p", "1886") == ["/usr/bin/node-red", "--userDir", "/srv/flows", "-p", "1886"]


def test_a_command_line_whose_words_are_not_certain_is_not_written(monkeypatch, tmp_path):
    monkeypatch.setattr(_systemd, "command", lambda _unit: Command(["node-red", "a", "b"], [], [], exact=False))
    with pytest.raises(Failure, match="D-Bus"):
        drop_in.command_line(Unit("nodered.service", {}), str(tmp_path / "no.conf"), ["-p", "1885"])
