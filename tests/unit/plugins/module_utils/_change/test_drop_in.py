# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._change import _change, _drop_in
from ansible_collections.pifleet.nodered.plugins.module_utils._change._drop_in import DropIn
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _systemd
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Command, Unit

UNIT = Unit("nodered.service", {})


def port(*options: str, **sections: object) -> DropIn:
    return DropIn("nodered.service", "50-pifleet-port", sections, options)


@pytest.fixture
def runs(monkeypatch):
    """Set what systemd starts now."""

    def start(*words: str, expand: bool = True) -> None:
        monkeypatch.setattr(_systemd, "command", lambda _unit: Command(list(words), [], [], expand))

    start("/usr/bin/node-red")
    return start


def written() -> list[str]:
    with open(port().path, encoding="utf-8") as stream:
        return [line for line in stream.read().splitlines() if line.startswith("ExecStart=")]


@pytest.mark.parametrize(
    ("expand", "line"),
    [
        (True, 'ExecStart=/usr/bin/env $OPTIONS "a b" -p 1885'),
        (False, 'ExecStart=:/usr/bin/env $OPTIONS "a b" -p 1885'),
    ],
)
def test_the_command_line_keeps_its_variables_and_ends_with_the_options(runs, expand, line):
    runs("/usr/bin/env", "$OPTIONS", "a b", expand=expand)
    assert _drop_in.write(UNIT, port("-p", "1885"))
    assert written() == ["ExecStart=", line]


def test_as_many_words_are_replaced_as_were_added_then(runs):
    _drop_in.write(UNIT, port("-p", "1885", "-v"))
    runs("/usr/bin/node-red", "-p", "1885", "-v")
    _drop_in.write(UNIT, port("-p", "1886"))
    assert written() == ["ExecStart=", "ExecStart=/usr/bin/node-red -p 1886"]


def test_the_words_of_a_later_file_stay(runs):
    _drop_in.write(UNIT, port("-p", "1885"))
    runs("/usr/bin/node-red", "-D", "uiPort=1900")
    _drop_in.write(UNIT, port("-p", "1886"))
    assert written() == ["ExecStart=", "ExecStart=/usr/bin/node-red -D uiPort=1900 -p 1886"]


def test_a_file_of_an_earlier_release_is_understood(runs):
    os.makedirs(os.path.dirname(port().path))
    with open(port().path, "w", encoding="utf-8") as stream:
        stream.write("[Service]\nExecStart=\nExecStart=/usr/bin/node-red -p 1885\n")
    runs("/usr/bin/node-red", "-p", "1885")
    _drop_in.write(UNIT, port("-p", "1886"))
    assert written() == ["ExecStart=", "ExecStart=/usr/bin/node-red -p 1886"]


def test_a_second_time_changes_nothing(runs):
    wanted = port("-p", "1885", Service=[{"AmbientCapabilities": "CAP_NET_BIND_SERVICE"}])
    assert _drop_in.write(UNIT, wanted)
    runs("/usr/bin/node-red", "-p", "1885")
    assert not _drop_in.write(UNIT, wanted)


def test_without_sections_and_options_the_file_goes_and_can_be_put_back():
    _drop_in.write(UNIT, port(Service=[{"UMask": "0077"}]))
    _change.forget("nodered")
    assert _drop_in.write(UNIT, port())
    assert not os.path.exists(port().path)
    _change.undo(_change.recorded("nodered"))
    assert os.path.exists(port().path)
    assert not _drop_in.write(UNIT, DropIn("nodered.service", "other", {}, ()))
