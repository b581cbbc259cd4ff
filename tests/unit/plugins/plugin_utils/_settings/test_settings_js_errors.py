# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refusals: the place, the source line with a caret, and what to do."""

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._js import _tree
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings._settings_js import (
    MissingLibraryError,
    SettingsError,
    edit,
)


def refusal(source: str, *, remove: tuple[str, ...] = (), **settings: object) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        edit(source, set=settings or {"uiPort": 1881}, remove=remove)
    return caught.value


def test_a_refusal_names_place_line_and_remedy() -> None:
    error = refusal("module.exports = {\n    uiPort: 1,\n    ...local,\n}\n")
    assert (error.filename, error.line, error.column) == ("settings.js", 3, 5)
    lines = str(error).split("\n")
    assert lines[0].startswith("settings.js:3:5: the value of uiPort is not certain")
    assert lines[1:3] == ["  3 |     ...local,", "    |     ^"]
    assert lines[3].startswith("Move this spread above uiPort")


def test_columns_count_characters_not_bytes() -> None:
    error = refusal("module.exports = { uiPort: '\u00e9\u00e9\U0001f600', ...b }")
    assert error.column == 35


def test_the_caret_keeps_its_place_behind_tabs() -> None:
    frame = str(refusal("module.exports = { uiPort: 1,\n\t\t...b,\n}")).split("\n")
    assert frame[1:3] == ["  2 | \t\t...b,", "    | \t\t^"]


def test_the_caret_keeps_its_place_behind_a_secret() -> None:
    frame = str(refusal("module.exports = { password: 'a-very-long-secret', uiPort: 1, ...b }")).split("\n")
    assert "secret" not in frame[1]
    assert frame[1][frame[2].index("^") :].startswith("...b")


@pytest.mark.parametrize(
    "source",
    [
        "module.exports = {\n  title: 'hunter2' oops,\n}",
        "module.exports = {\n  title: 'it's hunter2',\n}",
        "module.exports = {\n  title: 'it' s hunter2',\n}",
        'module.exports = {\n  title: "hunter2,\n}',
        "module.exports = {\n  title: `\nhunter2` oops,\n}",
        "module.exports = {\n  title: `a\n${'hunter2'} b` oops,\n}",
        "module.exports = {\n  a: 1, // 'hunter2'\n  b: 2 c: 3\n}",
        "module.exports = {\n  a: 1 /* 'hunter2' */ b: 3\n}",
        "module.exports = {\n  uiPort: f('hunter2'), ...g('hunter2')\n}",
        "module.exports = {\n  password: f(\n    'hunter2' oops),\n}",
        "module.exports = {\n  uiPort: 1,\n  ['hunter2' + x]: 1\n}",
        "module.exports = {\n  uiPort: 1, ...b // password is hunter2\n}",
        "module.exports = {\n  uiPort: 1, /* hunter2 */ ...b\n}",
        "module.exports = {\n  uiPort: 1, /* a\n hunter2 */ ...b\n}",
        "module.exports = {\n  uiPort: 1,\n  # hunter2\n}",
        "module.exports = {\n  uiPort: 1 a: /hunter2/\n}",
        "module.exports = {\n  uiPort: 1, ...b(/hunter2/)\n}",
        "module.exports = {\n  password: hunter2' oops,\n}",
        "module.exports = {\n  uiPort: 1, ...b, c: `\nhunter2`\n}",
    ],
)
def test_the_shown_line_holds_no_text_of_any_string(source: str) -> None:
    error = str(refusal(source))
    assert "hunter2" not in error
    assert " | " in error


def test_strings_of_any_length_are_shown_alike() -> None:
    frames = {str(refusal(f"module.exports = {{ uiPort: '{text}', ...b }}")).split("\n")[1] for text in ("x", "y" * 30)}
    assert frames == {"  1 | module.exports = { uiPort: '********', ...b }"}


def test_a_long_line_is_cut_around_the_place() -> None:
    frame = str(refusal(f"module.exports = {{ uiPort: '{'x' * 5000}', ...b, c: '{'y' * 5000}' }}")).split("\n")
    assert len(frame[1]) < 120
    assert frame[1][frame[2].index("^") :].startswith("...b")


def test_a_refusal_controls_no_terminal() -> None:
    with pytest.raises(SettingsError) as caught:
        edit(
            "module.exports = {\n\tuiPort\x9b: 2, uiPort: 2, ...b, c\u202e: 1 }",
            set={"uiPort": 1},
            filename="/home/\x1b[2J\n/settings.js",
        )
    lines = str(caught.value).split("\n")
    assert lines[0].startswith("/home/\\x1b[2J\\x0a/settings.js:2:25: ")
    assert lines[1:3] == ["  2 | \tuiPort\\x9b: 2, uiPort: 2, ...b, c\\u202e: 1 }", "    | \t" + " " * 26 + "^"]


def test_a_name_of_any_length_is_cut() -> None:
    name = "a" * 50000
    assert len(str(refusal(f"let {name} = 1;\nlet {name} = 2;\nmodule.exports = {{}}\n"))) < 2000


def test_the_file_name_is_the_callers() -> None:
    with pytest.raises(SettingsError, match=r"^/home/pi/\.node-red/settings\.js:1:1: "):
        edit("", set={"uiPort": 1}, filename="/home/pi/.node-red/settings.js")


@pytest.mark.parametrize(
    ("source", "place", "problem"),
    [
        ("module.exports = {\n  a: 1\n  b: 2\n}\n", (2, 7), "a comma is missing"),
        ("module.exports = {\n  a: 'x'\n  // note\n  b: 2,\n}\n", (2, 9), "a comma is missing"),
        ("module.exports = {\n  a: { b: 1 }\n  c: [1 2],\n  d: 1\n}\n", None, "not JavaScript"),
        ("module.exports = {\n  a: [1 2],\n}\n", (2, 8), "a comma is missing"),
        ("module.exports = {\n  a: 1,\n# b\n  c: 2\n}\n", (3, 1), "# begins no comment"),
        ("module.exports = {\n  a: {\n    b: 'x'\n    #c: 2\n  },\n}\n", (4, 5), "# begins no comment"),
        ("module.exports = {\n  a: 1,\n  #c: 2,\n}\n", (3, 3), "# begins no comment"),
        ("module.exports = {\n<<<<<<< HEAD\n  a: 1\n=======\n  a: 2\n>>>>>>> x\n}\n", (2, 1), "a merge conflict"),
        ("module.exports = {\n  a: {\n    b: 1,\n  c: 2,\n}\n", (1, 18), "this { is never closed"),
        ("module.exports = {\n  a: 1,\n  // b: 2,\n  , c: 3\n}\n", (4, 3), "this comma follows another one"),
        ("module.exports = {\n  a: 1,, b: 2\n}\n", (2, 8), "this comma follows another one"),
        ("module.exports = {\n  a: { , },\n}\n", (2, 8), "or nothing"),
        ("module.exports = {\n  a: f(1, , 2),\n}\n", (2, 11), "this comma follows another one"),
        ("module.exports = {\n  a: \u201cx\u201d,\n}\n", (2, 6), "\u201c is no character of JavaScript"),
        ("module.exports = {\n  \u2018a\u2019: 1,\n}\n", (2, 3), "\u2018 is no character of JavaScript"),
        ("module.exports = {\n  a: 1,\u200b\n}\n", (2, 8), "invisible character (U+200B)"),
        ("module.exports = {\n  a: () => { await f() },\n}\n", (2, 14), "await is only allowed in an async function"),
        ("module.exports = {\n  a: await f(),\n}\n", (2, 6), "await is only allowed in an async function"),
        ("module.exports = {}\ntry { f() }\ng()\n", (2, 1), "no catch and no finally"),
        ("module.exports = {\n  a: <b>c</b>,\n}\n", (2, 6), "this is HTML"),
        ("const a;\nmodule.exports = {}\n", (1, 7), "a const needs a value"),
        ("module.exports = {\n  default,\n}\n", (2, 3), "default is no name of a variable"),
        ("const fs = 1;\nconst fs = 2;\nmodule.exports = {}\n", (2, 7), "the variable fs is there already"),
        ("let fs = 1;\nvar fs = 2;\nmodule.exports = {}\n", (2, 5), "the variable fs is there already"),
        ("function fs() {}\nclass fs {}\nmodule.exports = {}\n", (2, 1), "the variable fs is there already"),
        ("const require = f;\nmodule.exports = {}\n", (1, 7), "the variable require is there already"),
        ("", (1, 1), "is empty"),
        (" \n\n", (1, 1), "is empty"),
        ("var a = 1;\n", (1, 1), "exports nothing"),
        ("export default { uiPort: 1 }\n", (1, 1), "ES module"),
        ("import a from 'a';\nmodule.exports = {}\n", (1, 1), "ES module"),
        ("module.exports = require('./x')\n", (1, 18), "the result of a call"),
        ("module.exports = async () => ({})\n", (1, 18), "a function"),
        ("module.exports = x ? {} : {}\n", (1, 18), "chosen by a condition"),
        ("module.exports = x || {}\n", (1, 18), "computed"),
        ("if (x) {\n  module.exports = {}\n}\n", (2, 3), "program's course"),
        ("return\nmodule.exports = {}\n", (1, 1), "returns here"),
        ("let s = {};\ns = f(s);\nmodule.exports = s;\n", (2, 1), "assigned again"),
        ("module.exports = {};\npatch(module.exports);\n", (2, 1), "may change it"),
        ("module.exports = {};\nmodule.exports[k] = 1;\n", (2, 1), "computed"),
        ("module.exports = {\n  [k]: 1,\n  uiPort: 1,\n  [k]: 2\n}\n", (4, 3), "key is computed"),
    ],
)
def test_what_is_not_certain_is_refused_at_its_place(source: str, place: tuple[int, int] | None, problem: str) -> None:
    error = refusal(source)
    assert problem in error.problem
    assert error.remedy
    if place is not None:
        assert (error.line, error.column) == place


def test_removing_what_would_then_come_from_elsewhere_is_refused_there() -> None:
    error = refusal("module.exports = {\n  ...local,\n  uiPort: 1,\n}\n", remove=("uiPort",), added=1)
    assert (error.line, error.column) == (2, 3)


@pytest.mark.parametrize("name", ["", ".", "a.", ".a", "a..b", "__proto__", "a.__proto__"])
def test_what_is_no_name_of_a_setting_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="not the name of a setting"):
        edit("module.exports = {}", set={name: 1})
    with pytest.raises(SettingsError, match="not the name of a setting"):
        edit("module.exports = {}", remove=[name])


def test_a_setting_cannot_be_set_and_removed() -> None:
    assert "wanted twice" in str(refusal("module.exports = {}", remove=("a",), a=1))


def test_a_setting_cannot_be_wanted_as_a_whole_and_in_part() -> None:
    with pytest.raises(SettingsError, match=r"a and a\.b are both wanted"):
        edit("module.exports = {}", set={"a": {}, "a.b": 1})


def test_remove_is_a_list() -> None:
    with pytest.raises(SettingsError, match="Give a list"):
        edit("module.exports = {}", remove="uiPort")


def test_a_part_of_what_is_no_object_is_refused() -> None:
    source = "module.exports = {\n  editorTheme: require('./theme'),\n}\n"
    with pytest.raises(SettingsError, match="editorTheme, whose value is not an object literal") as caught:
        edit(source, set={"editorTheme.projects.enabled": True})
    assert (caught.value.line, caught.value.column) == (2, 16)


def test_a_missing_parser_is_named_with_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tree, "_IMPORT_ERROR", ImportError("No module named 'tree_sitter'"))
    _tree._parser.cache_clear()
    with pytest.raises(MissingLibraryError, match=r"tree-sitter(.|\n)*-m pip install -r /\S+/requirements\.txt"):
        edit("module.exports = {}", set={"a": 1})


@pytest.mark.parametrize("opening", ["[", "{ a: ", "(", "!", "f(", "x => "])
def test_nesting_without_end_is_refused_not_a_crash(opening: str) -> None:
    closing = {"[": "]", "{ a: ": "}", "(": ")", "f(": ")"}.get(opening, "")
    source = f"module.exports = {{ uiPort: {opening * 30000}module{closing * 30000} }}"
    with pytest.raises(SettingsError, match="nested too deeply"):
        edit(source, set={"uiPort": 1, "a.a": 1})


def test_a_wanted_value_nested_without_end_is_refused() -> None:
    wanted: list[object] = []
    for _level in range(5000):
        wanted = [wanted]
    with pytest.raises(SettingsError, match="nested too deeply"):
        edit("module.exports = {}", set={"a": wanted})
