# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import shlex

import pytest
import yaml
from ansible import context
from ansible.parsing.dataloader import DataLoader
from ansible.utils.context_objects import CLIArgs
from ansible.utils.vars import load_extra_vars
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._arguments import (
    ArgumentError,
    dictionary_problem,
    how_to_write,
    list_problem,
    names,
)


@pytest.fixture
def extra_vars(monkeypatch):
    """What the options on a command line of Ansible give."""

    def read(words):
        assert words[0] == "-e"
        monkeypatch.setattr(context, "CLIARGS", CLIArgs({"extra_vars": tuple(words[1:])}))
        load_extra_vars.__dict__.pop("extra_vars", None)
        return load_extra_vars(DataLoader())

    return read


@pytest.mark.parametrize("example", [["192.168.1.0/24"], {"palette": {"allowInstall": False}}])
def test_a_list_or_dictionary_can_be_written_as_the_remedy_shows(example, extra_vars):
    remedy = how_to_write("nodered_x", example)
    in_file, on_command_line = re.fullmatch("Write (.*) in a file, or (-e .*) on the command line[.]", remedy).groups()
    assert yaml.safe_load(in_file) == {"nodered_x": example}
    assert extra_vars(shlex.split(on_command_line)) == {"nodered_x": example}


def test_text_in_place_of_a_list_is_not_shown_and_the_remedy_is():
    assert list_problem("[192.168.1.0/24]", "nodered_ufw_sources", "192.168.1.0/24") == (
        'nodered_ufw_sources must be a list, not text. Write nodered_ufw_sources: ["192.168.1.0/24"] in a file, or '
        """-e '{"nodered_ufw_sources": ["192.168.1.0/24"]}' on the command line."""
    )
    assert list_problem([], "nodered_ufw_sources", "192.168.1.0/24") == ""


def test_a_list_in_place_of_a_dictionary_has_the_remedy():
    problem = dictionary_problem([], "nodered_x", {"secure": True})
    assert problem.startswith('nodered_x must be a dictionary, not a list. Write nodered_x: {"secure": true} in a file')
    assert dictionary_problem({}, "nodered_x", {"secure": True}) == ""


def test_names_must_be_a_list_of_texts():
    assert names(["a"], "nodered_x") == ["a"]
    with pytest.raises(ArgumentError, match="nodered_x must be a list, not text"):
        names("a", "nodered_x")
    with pytest.raises(ArgumentError, match="must be a name, not a number"):
        names([1], "nodered_x")
