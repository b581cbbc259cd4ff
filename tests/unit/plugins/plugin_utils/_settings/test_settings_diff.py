# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The difference shows what changes and no secret; neither do errors and what Node-RED prints."""

from __future__ import annotations

import difflib

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core import _failure
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords import _bcrypt
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings import _settings_diff
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings._settings_js import SettingsError, edit

SECRET = "hunter2"


def difference(source: str, *, remove: tuple[str, ...] = (), **wanted: object) -> list[str]:
    """The lines that Ansible would show, without its headers."""
    old, new = _settings_diff.masked(source, edit(source, set=wanted, remove=remove))
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def beside(line: str) -> list[str]:
    return difference(f"module.exports = {{\n    uiPort: 1880,\n{line}\n}}\n", uiPort=1881)


def test_a_changed_line_shows_its_plain_values() -> None:
    assert beside("    a: 1,")[1:4] == ["-    uiPort: 1880,", "+    uiPort: 1881,", "     a: 1,"]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("    a: 'hunter2',", "     a: '********',"),
        ("    a: \"x\", b: 'hunter2',", "     a: \"********\", b: '********',"),
        ("    a: `hunter2 ${b}`,", "     a: `********`,"),
        ("    a: /hunter2/g,", "     a: /********,"),
        ("    'hunter2': 1,", "     '********': 1,"),
        ("    a: 1, // password is hunter2", "     a: 1, //********"),
        ("    /* hunter2 */ a: 1,", "     /**********/ a: 1,"),
        ("    a: set('hunter2'),", "     a: set('********'),"),
        ("    password: 12345,", "     password: ********,"),
        ("    a: true, b: 1.5, c: d(e),", "     a: true, b: 1.5, c: d(e),"),
        ("    a: '',", "     a: '',"),
    ],
)
def test_an_unchanged_line_shows_no_text(line: str, shown: str) -> None:
    assert shown in beside(line)


def test_texts_over_several_lines_are_hidden_on_each() -> None:
    shown = beside("    /* a\n       hunter2\n    */\n    b: `\nhunter2`,")
    assert SECRET not in "\n".join(shown)


def test_unchanged_lines_stay_equal_and_those_far_away_are_empty() -> None:
    lines = "".join(f"    a{number}: 'x{number}',\n" for number in range(50))
    source = f"module.exports = {{\n{lines}    uiPort: 1880,\n{lines}}}\n"
    old, new = _settings_diff.masked(source, edit(source, set={"uiPort": 1881}))
    assert len(old.splitlines()) == len(new.splitlines()) == 103
    assert [(a, b) for a, b in zip(old.splitlines(), new.splitlines(), strict=True) if a != b] == [
        ("    uiPort: 1880,", "    uiPort: 1881,")
    ]
    assert old.splitlines()[:40] == [""] * 40


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_all_line_ends_are_shown_alike(end: str) -> None:
    source = "module.exports = {\n    uiPort: 1880,\n    a: 'b',\n}\n".replace("\n", end)
    old, new = _settings_diff.masked(source, edit(source, set={"uiPort": 1881}))
    assert old == "module.exports = {\n    uiPort: 1880,\n    a: '********',\n}\n"
    assert new == old.replace("1880", "1881")


def test_several_changes_keep_the_lines_between_them() -> None:
    source = "module.exports = {\n    uiPort: 1880,\n    a: 'x',\n    old: 1,\n    b: 'y', c: d,\n    uiHost: 'z',\n}\n"
    assert difference(source, remove=("old",), uiPort=1881, uiHost="0.0.0.0", flowFile="f.json") == [
        " module.exports = {",
        "-    uiPort: 1880,",
        "+    uiPort: 1881,",
        "     a: '********',",
        "-    old: 1,",
        "     b: '********', c: d,",
        "-    uiHost: 'z',",
        "+    uiHost: '0.0.0.0',",
        "+    flowFile: 'f.json',",
        " }",
    ]


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ({"httpAdminRoot": "/red"}, '+    httpAdminRoot: "/red",'),
        ({"diagnostics": {"enabled": True}}, "+        enabled: true,"),
        ({"logging.console.level": "warn"}, '+            level: "warn",'),
        ({"uiHost": "127.0.0.1"}, '+    uiHost: "127.0.0.1",'),
        (
            {"https": {"$js": "{ key: require('fs').readFileSync('/etc/k.pem') }"}},
            "+    https: { key: require('fs').re",
        ),
        ({"adminAuth": {"users": [{"username": "ada"}]}}, '+                username: "ada",'),
        ({"my.own": "x"}, '+        own: "x",'),
        ({"functionGlobalContext": {"a": "hunter2"}}, '+        a: "********",'),
        ({"credentialSecret": "hunter2"}, '+    credentialSecret: "********",'),
        ({"proxyOptions": "http://u:hunter2@h"}, '+    proxyOptions: "********",'),
        ({"a": {"$js": "b('hunter2')"}}, "+    a: b('********'),"),
        ({"a": {"$js": "{ auth: 'ada:hunter2' }"}}, "+    a: { auth: '********' },"),
        ({"uiPort": {"$js": "x /* hunter2 */"}}, "+    uiPort: x /**********/,"),
    ],
)
def test_of_a_changed_line_only_plain_settings_are_shown(wanted: dict[str, object], shown: str) -> None:
    lines = difference("module.exports = {\n    title: 1,\n}\n", **wanted)
    assert any(line.startswith(shown) for line in lines), lines


def test_a_removed_value_is_hidden_unless_it_is_plain() -> None:
    source = "module.exports = {\n    a: 1,\n    mine: 'hunter2', // hunter2\n    uiHost: 'h',\n}\n"
    assert difference(source, remove=("a", "uiHost"))[1:] == [
        "-    a: 1,",
        "     mine: '********', //********",
        "-    uiHost: 'h',",
        " }",
    ]


def test_of_a_hash_its_kind_and_cost_are_shown() -> None:
    lines = difference(
        "module.exports = {\n    a: 1,\n}\n",
        **{"httpNodeAuth": {"user": "a", "pass": {"$password": "x", "$rounds": 4}}},
    )
    assert '+        pass: "$2b$04$********",' in lines


def test_a_difference_controls_no_terminal() -> None:
    value = "{ '\u009b': '\x1b[31m', b: c('\x1b[2J'), \u200e: 1 /*\u202e*/ }".replace("\u200e: 1", "d: 1")
    lines = beside(f"    a: {value},") + difference("module.exports = {\n    a: 1,\n}\n", a={"$js": value})
    assert not {"\x1b", "\u202e", "\u009b"} & set("".join(lines))
    assert "\\u202e" in "".join(difference("module.exports = {\n    a: 1,\n}\n", uiHost={"$js": "b\u202e"}))


def test_a_long_line_is_cut() -> None:
    lines = beside(f"    a: [{'1, ' * 5000}],")
    assert max(map(len, lines)) < 600


# Where people put secrets; each line once beside a change and once in a line with an error.
PLACES = [
    "a: 'hunter2'",
    'a: "hunter2"',
    "a: `hunter2`",
    "a: `${b('hunter2')} hunter2`",
    "a: /hunter2/",
    "'hunter2': 1",
    "['hunter2']: 1",
    "auth: 'user:hunter2'",
    "a: setPassword('hunter2')",
    "a: setPassword( 'x', 'hunter2' )",
    "a: 'HostName=x;SharedAccessKeyName=y;SharedAccessKey=hunter2'",
    "a: 'Server=x;User=y;Password=hunter2'",
    "a: 'mqtt://ada:hunter2@broker'",
    "a: `mosquitto_pub --password hunter2`",
    "password: 'hunter2'",
    "a: 1 // password is hunter2\n",
    "a: 1 /* password is hunter2 */",
    "// hunter2\n    a: 1",
    "/* hunter2\n     hunter2 */ a: 1",
    "/*\n     * hunter2\n     */\n    a: 1",
    "a: { b: ['hunter2', { c: f('hunter2') }] }",
    "a: b ? 'hunter2' : \"hunter2\"",
    "a: 'it\\'s hunter2'",
    "a: '\\\n hunter2'",
]


@pytest.mark.parametrize("place", PLACES)
def test_no_planted_secret_is_in_any_text(place: str) -> None:
    source = f"module.exports = {{\n    uiPort: 1880,\n    {place},\n    b: 1,\n}}\n"
    shown = ["\n".join(difference(source, uiPort=1881, c=1)), "\n".join(difference(source, remove=("b",)))]
    broken = [
        source.replace("b: 1,", "b: 1 c,"),
        source.replace(place, f"{place} oops"),
        source.replace(place, f"...x, {place}"),
    ]
    for text in [*broken, source.replace(place, f"#{place}"), source.replace("1880,", f"1880 oops, {place.strip()}")]:
        with pytest.raises(SettingsError) as caught:
            edit(text, set={"uiPort": 1881, "b": 2})
        shown.append(str(caught.value))
    assert SECRET not in "\n".join(shown)


@pytest.mark.parametrize(
    "text",
    [
        *(
            place
            for place in PLACES
            if "password" in place.lower() or "auth" in place or "://" in place or "Key=" in place
        ),
        "start mosquitto_pub --password hunter2 -t x",
        "start mosquitto_pub -P hunter2 -t x",
        "start program -p hunter2",
        "start program --api-key 'hunter2'",
        "curl -u ada:hunter2 http://x",
        "connect ada:hunter2@broker failed",
        "Server=x;Password=hunter2;",
        "Endpoint=sb://x/;SharedAccessKey=hunter2",
        "auth: 'ada:hunter2'",
        "auth: ada:hunter2",
        "the password is hunter2",
        "the token is 'hunter2'",
    ],
)
def test_no_planted_secret_is_in_what_programs_print(text: str) -> None:
    assert SECRET not in _failure.masked(f"12:00 [info] {text}\n")


@pytest.mark.parametrize(
    "text",
    [
        "the password is wrong",
        "Error: the token is not valid",
        "node-red -p 1881 -u /home/pi/.node-red",
        "mkdir -p /home/pi/x",
        "option --password-file /etc/x",
        "npm install node-red@4.1.0 @flowfuse/node-red-dashboard@1.2",
        "at Object.<anonymous> (/home/pi/.node-red/settings.js:12:5)",
        "at getToken (/home/pi/.node-red/settings.js:12:5)",
        "SyntaxError: Unexpected token (\n    at new Script (node:vm:117:7)",
        "basic auth: see https://nodered.org/docs",
        "[warn] mqtt-broker: Connection failed to broker: mqtt://broker:1883",
    ],
)
def test_honest_messages_stay_readable(text: str) -> None:
    assert _failure.masked(text) == text


def test_hashes_never_reach_the_context() -> None:
    hashed = _bcrypt.hash_password("x", rounds=4)
    assert hashed[7:] not in "\n".join(beside(f"    a: '{hashed}', // {hashed}"))
