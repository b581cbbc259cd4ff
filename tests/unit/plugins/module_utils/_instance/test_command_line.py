# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _command_line
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._options import Option
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Word


def parse(text):
    return _command_line.parse([Word(word) for word in text.split()])


@pytest.mark.parametrize(
    "text, program, node",
    [
        ("/usr/bin/env node-red-pi --max_old_space_size=256 -- -p 1881", "node-red-pi", None),
        ("/usr/bin/node-red", "node-red", None),
        (
            "/usr/bin/node /usr/lib/node_modules/node-red/red.js",
            "/usr/lib/node_modules/node-red/red.js",
            "/usr/bin/node",
        ),
        ("node --max-old-space-size=256 -r dotenv/config red.js -v", "red.js", "node"),
        ("/usr/bin/env -S node --inspect red.js", "red.js", "node"),
        ("/opt/node-red/red.js", "/opt/node-red/red.js", None),
        ("nice -n 5 node-red", "node-red", None),
        ("/usr/bin/tini -s -- node-red", "node-red", None),
        ("authbind --deep /usr/bin/node-red", "/usr/bin/node-red", None),
        ("/usr/bin/node20 --import x.mjs red.js -p 1", "red.js", "/usr/bin/node20"),
    ],
)
def test_the_program_is_found_behind_its_launchers(text, program, node):
    line = parse(text)
    assert line.program.endswith(program)
    assert line.node == node


@pytest.mark.parametrize("text", ["", "/home/pi/start.sh", "node server.js", "node", "python3 red.py", "env"])
def test_what_does_not_start_node_red_is_not_followed(text):
    assert parse(text) is None


@pytest.mark.parametrize(
    "text, flow_file",
    [
        ("--max-old-space-size=128 -v", None),
        ("--max-old-space-size 128 -v", "128"),
        ("-pv 1881", "1881"),
        ("-p 1881 -p abc", None),
        ("--foo bar", "bar"),
        ("--safe false x.json", "x.json"),
    ],
)
def test_options_that_node_red_does_not_know_are_parsed_as_by_nopt(text, flow_file):
    line = parse("node-red " + text)
    assert line.port is None
    assert (line.flow_file.value if line.flow_file else None) == flow_file


@pytest.mark.parametrize("node", ["node", "nodejs", "/usr/bin/node20", "node-22", "node18.20"])
def test_node_has_many_names(node):
    assert parse(node + " /opt/node-red/red.js").node == node


@pytest.mark.parametrize("program", ["node-red-admin", "nodemon", "node-gyp", "node_exporter"])
def test_what_begins_like_node_is_not_node(program):
    assert parse(program + " /opt/node-red/red.js") is None


def test_env_sets_variables():
    assert parse("/usr/bin/env PORT=1881 FOO=bar node-red").assignments == {"PORT": "1881", "FOO": "bar"}


@pytest.mark.parametrize(
    "text", ["-p 1881", "--port 1881", "--port=1881", "-p=1881", "-port 1881", "--po 1881", "-vp 1881"]
)
def test_the_port_is_understood_in_every_way_that_nopt_takes(text):
    assert parse("node-red " + text).port == Option("1881")


def test_of_several_options_the_last_counts():
    assert parse("node-red -p 1881 -p 1882").port == Option("1882")


def test_a_port_that_is_no_number_is_ignored_as_by_nopt():
    assert parse("node-red -p abc").port is None


def test_definitions_files_and_flow_file_are_told_apart():
    line = parse("node-red -s /etc/s.js -u /data -D a.b=1 -D @/x.json --safe flows.json")
    assert line.settings == Option("/etc/s.js")
    assert line.user_dir == Option("/data")
    assert [option.value for option in line.defines] == ["a.b=1", "@/x.json"]
    assert line.flow_file == Option("flows.json")
    assert line.safe


def test_after_two_dashes_there_are_no_options():
    line = parse("node-red -- -p")
    assert line.port is None
    assert line.flow_file == Option("-p")


def test_an_unknown_flag_takes_no_value():
    assert parse("node-red --no-telemetry --whatever flows.json").flow_file == Option("flows.json")


def test_node_red_pi_hands_long_options_to_node():
    line = parse("node-red-pi --max_old_space_size=256 -- -p 1881 --port 1882 --userDir /data")
    assert line.port == Option("1881")
    assert line.user_dir == Option("/data")
    # The value of --port, which went to node without it.
    assert line.flow_file == Option("1882")


def test_an_option_remembers_the_variable_that_it_came_from():
    line = _command_line.parse([Word("node-red"), Word("-p", "NODE_RED_OPTIONS"), Word("1881", "NODE_RED_OPTIONS")])
    assert line.port == Option("1881", "NODE_RED_OPTIONS")


@pytest.mark.parametrize(
    "path, expected",
    [("/a/../b", "/b"), ("~/x", "/home/pi/x"), ("x/y", "/work/x/y"), ("~pi/x", "/work/~pi/x")],
)
def test_a_path_is_made_absolute_as_nopt_does_it(path, expected):
    assert _command_line.resolved(path, "/work", "/home/pi") == expected


@pytest.mark.parametrize(
    "words, expected",
    [
        (["node-red", "-D", "adminAuth.users=hunter2"], ["node-red", "-D", "adminAuth.users=..."]),
        (["node-red", "--define", "a=hunter2", "-p", "1"], ["node-red", "--define", "a=...", "-p", "1"]),
        (["node-red", "-D=a=hunter2"], ["node-red", "-D=a=..."]),
        (["/usr/bin/env", "SECRET=hunter2", "node-red"], ["/usr/bin/env", "SECRET=...", "node-red"]),
        (["node-red-pi", "$NODE_OPTIONS", "--", "$X"], ["node-red-pi", "$NODE_OPTIONS", "--", "$X"]),
    ],
)
def test_values_that_could_be_passwords_are_taken_out(words, expected):
    assert _command_line.without_values(words) == expected
