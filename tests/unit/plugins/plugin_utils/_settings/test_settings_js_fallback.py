# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`$fallback`: the number in a setting's own expression that counts where the environment says nothing else."""

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core._masking import masked
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings._settings_js import SettingsError, edit

BEAGLEBONE = """\
var port = process.env.LISTEN_PID > 0 ? 'systemd' : 1880; // socket activation

module.exports = {
    // the tcp port that the Node-RED web server is listening on
    //uiPort: process.env.PORT || 1880,
    uiPort: process.env.PORT || port,
    flowFile: "flows.json",
}
"""


def with_port(expression: str, before: str = "") -> str:
    return f"{before}module.exports = {{\n    uiPort: {expression},\n}}\n"


def moved(source: str) -> str:
    return edit(source, set={"uiPort": {"$fallback": 1885}}).text


def test_the_number_in_the_variable_changes_and_nothing_else():
    assert moved(BEAGLEBONE) == BEAGLEBONE.replace("'systemd' : 1880", "'systemd' : 1885")


def test_a_second_edit_changes_nothing():
    again = edit(moved(BEAGLEBONE), set={"uiPort": {"$fallback": 1885}})
    assert (again.text, again.changed) == (moved(BEAGLEBONE), ())


@pytest.mark.parametrize(
    "expression",
    [
        "1880",
        "process.env.PORT || 1880",
        "process.env.PORT ?? (1880)",
        "process.env.LISTEN_PID > 0 ? 'systemd' : 1880",
        "process.env.PORT || (process.env.LISTEN_PID > 0 ? 'systemd' : 1880)",
    ],
)
def test_the_number_is_found_where_the_environment_says_nothing(expression):
    assert moved(with_port(expression)) == with_port(expression.replace("1880", "1885"))


@pytest.mark.parametrize(
    "source",
    [
        with_port("process.env.PORT"),
        with_port("'systemd'"),
        with_port("port()"),
        with_port("!process.env.LISTEN_PID ? 1880 : 'systemd'"),
        with_port("on ? 'systemd' : 1880", "var on = require('fs').existsSync('/run/socket');\n"),
        with_port("other || 1880", "var other = 1881;\n"),
        with_port("port"),
        with_port("port", "var port = port;\n"),
        with_port("port", "var port = 1880;\nport = 1881;\n"),
        with_port("port", "var port = 1880;\nif (process.env.X) { port = 1881; }\n"),
        with_port("port", "var port = 1880;\nvar port = 1881;\n"),
        with_port("port", "function port() { return 1880; }\n"),
        "module.exports = {\n    flowFile: 'flows.json',\n}\n",
        with_port("1880") + "if (process.env.X) { module.exports.uiPort = 1881; }\n",
    ],
)
def test_what_is_not_certain_stays_as_it_is(source):
    assert moved(source) == source


def test_a_later_assignment_is_the_one_that_counts():
    source = with_port("1880") + "module.exports.uiPort = process.env.PORT || 1882;\n"
    assert moved(source) == source.replace("1882", "1885")


def test_other_settings_of_the_same_edit_are_made_too():
    found = edit(BEAGLEBONE, set={"uiPort": {"$fallback": 1885}, "flowFile": "other.json"})
    assert found.text == BEAGLEBONE.replace(": 1880;", ": 1885;").replace("flows.json", "other.json")
    assert found.changed == ("uiPort", "flowFile")


@pytest.mark.parametrize("value", ["1885", True, -1, 1.5, None, {"$js": "1885"}])
def test_only_a_whole_number_can_be_fallen_back_to(value):
    with pytest.raises(SettingsError):
        edit(BEAGLEBONE, set={"uiPort": {"$fallback": value}})


def test_it_stands_for_a_whole_setting_only():
    with pytest.raises(SettingsError, match="fallback"):
        edit(BEAGLEBONE, set={"editorTheme": {"x": {"$fallback": 1885}}})


def test_a_masked_text_shows_the_number():
    assert "1885" in masked(moved(BEAGLEBONE))


@pytest.mark.parametrize(
    ("expression", "before"),
    [
        ("PORT || 1880", "const { PORT } = process.env;\n"),
        ("PORT || 1880", "const { HOME, PORT, ...rest } = process.env;\n"),
        ("PORT ?? 1880", "const PORT = process.env.PORT;\n"),
        ("port || 1880", "const { PORT: port } = process.env;\n"),
        ("port || 1880", "const env = process.env, port = env.PORT;\n"),
        ("env.PORT || 1880", "const env = process.env;\n"),
        ("env.PORT || 1880", "const { env } = process;\n"),
        ("env.PORT || 1880", "const { env } = require('process');\n"),
        ("Number(PORT) || 1880", "const { PORT } = process.env;\n"),
        ("PORT > 0 ? PORT : 1880", "const { PORT } = process.env;\n"),
        ("PORT", "const { PORT = 1880 } = process.env;\n"),
        ("port", "const { PORT: port = 1880 } = process.env;\n"),
        ("port", "const { PORT } = process.env;\nconst port = PORT || 1880;\n"),
    ],
)
def test_variables_from_the_environment_are_the_environment(expression, before):
    source = with_port(expression, before)
    assert moved(source) == source.replace("1880", "1885")


@pytest.mark.parametrize(
    ("expression", "before"),
    [
        ("PORT || 1880", "let { PORT } = process.env;\nPORT = 1881;\n"),
        ("PORT || 1880", "const { PORT } = { PORT: 1881 };\n"),
        ("PORT || 1880", "const { PORT = 1881 } = process.env;\n"),
        ("PORT || 1880", "const { PORT = 1881, ...PORT2 } = process.env;\n"),
        ("PORT", "const { PORT = 1880 } = { PORT: 1 };\n"),
        ("PORT", "const { PORT = 1880 } = process.env;\nconst other = PORT;\nmodule.exports.x = other;\n"),
        ("PORT, x: PORT", "const { PORT = 1880 } = process.env;\n"),
        ("PORT || 1880", "const PORT = 1881;\n"),
    ],
)
def test_other_variables_are_not_taken_for_the_environment(expression, before):
    assert moved(with_port(expression, before)) == with_port(expression, before)


def test_a_variable_of_a_block_is_not_the_one_of_the_file():
    source = "var port = 1880;\n{ const port = 1881; module.exports = { uiPort: port }; }\nconsole.log(port);\n"
    assert moved(source) == source


def test_a_dotted_name_falls_back_to_a_number_too():
    source = "module.exports = { a: { b: process.env.B || 1880 } };\n"
    assert edit(source, set={"a.b": {"$fallback": 1885}}).text == source.replace("1880", "1885")
