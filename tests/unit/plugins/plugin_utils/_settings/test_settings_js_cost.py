# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's work grows in proportion to the file and to the number of edits. benchmarks/engine.py has the times."""

from __future__ import annotations

import sys

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._js import _layout, _tree
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings import _settings_js
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings._settings_js import SettingsError, edit

# More than doubled work, as the clock of benchmarks/engine.py has it, too.
MOST_FACTOR = 2.4


@pytest.fixture(autouse=True)
def no_time_limit(monkeypatch):
    """Counting calls takes longer than the work, and these tests are about the work alone."""
    monkeypatch.setattr(_tree, "LONGEST", 60.0)


def each(form: str, count: int) -> str:
    return "".join(form.format(number) for number in range(count))


def names(form: str, count: int) -> dict[str, object]:
    return {form.format(number): -1 for number in range(count)}


def exported(members: str) -> str:
    return f"module.exports = {{\n{members}}};\n"


def calls(text: str, wanted: dict[str, object], removed: list[str]) -> int:
    """How many functions an edit calls."""
    count = 0

    def called(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    _settings_js._last_read.clear()
    sys.setprofile(called)
    try:
        edit(text, set=wanted, remove=removed)
    finally:
        sys.setprofile(None)
    return count


SHAPES = {
    "one line": lambda n: (f"module.exports = {{ {each('k{0}: {0}, ', n)} }}", names("k{0}", n), []),
    "one line, removed": lambda n: (f"module.exports = {{ {each('k{0}: {0}, ', n)} }}", {}, list(names("k{0}", n))),
    "removed": lambda n: (exported(each("k{0}: {0},\n", n)), {}, list(names("k{0}", n))),
    "members of one object": lambda n: (exported(f"a: {{\n{each('k{0}: {0},', n)} }},\n"), {"a": names("k{0}", n)}, []),
    "dotted names": lambda n: (exported(f"a: {{\n{each('k{0}: {0},', n)} }},\n"), names("a.k{0}", n), []),
    "statements": lambda n: (each("module.exports.k{0} = {0};\n", n), names("k{0}", n), []),
    "statements, removed": lambda n: (each("module.exports.k{0} = {0};\n", n), {}, list(names("k{0}", n))[1:]),
    "elements": lambda n: (exported(f"a: [{each('{0},', n)}],\n"), {"a": [-1] * n + ["x"] * n}, []),
    "examples": lambda n: (exported(each("//k{0}: {{ a: 1,\n//}},\n", n)), names("k{0}", n), []),
    "variables": lambda n: (
        each("const a{0} = {{ b: 1 }};\n", n) + exported(each("k{0}: a{0},\n", n)),
        names("k{0}", n),
        [],
    ),
    "spreads": lambda n: (
        each("const a{0} = {{ b{0}: 1 }};\n", n) + exported(each("...a{0},\n", n) + "k: 1,\n"),
        {"k": 2},
        [],
    ),
    "spreads of one variable": lambda n: (
        "const a = { b: 1 };\n" + exported(each("...a, k{0}: 1,\n", n) + "k: 1,\n"),
        {"k": 2},
        [],
    ),
    "arguments of one variable": lambda n: (
        f"const a = {{ b: 1 }};\nmodule.exports = Object.assign({{}}, {'a, ' * n}{{ k: 1 }});\n",
        {"k": 2},
        [],
    ),
    "merges of one variable": lambda n: (
        f"const a = {{ b: 1 }}, s = {{ k: 1 }};\n{'Object.assign(s, a);' * n}\n" + exported("...s,\nk: 1,\n"),
        {"k": 2},
        [],
    ),
    "unknown spreads": lambda n: (
        exported(each("...require('a{0}'),\n", n) + each("k{0}: {0},\n", n)),
        names("k{0}", n),
        [],
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_work_doubles_at_most_with_the_size(shape):
    make = SHAPES[shape]
    assert calls(*make(400)) <= MOST_FACTOR * calls(*make(200))


def test_an_object_that_is_spread_twice_into_each_next_one_is_read_once():
    chain = "".join(f"const a{number} = {{ ...a{number - 1}, ...a{number - 1} }};\n" for number in range(1, 60))
    source = f"const a0 = {{ b: 1 }};\n{chain}" + exported("...a59,\nk: 1,\n")
    assert edit(source, set={"k": 2}).text == source.replace("k: 1", "k: 2")


@pytest.mark.parametrize("steps", [101, 500, 5000])
def test_a_name_of_too_many_steps_is_refused_with_the_limit(steps):
    with pytest.raises(SettingsError, match=f"a name of {steps} steps .*at most 100"):
        edit(exported("k: 1,\n"), set={".".join("a" * steps): 1})


def test_a_name_of_many_steps_makes_its_objects():
    text = edit(exported("k: 1,\n"), set={".".join("a" * 100): 1}).text
    assert text.count("a: {") == 99


def test_a_file_that_is_too_deep_is_refused_with_the_limit():
    with pytest.raises(SettingsError, match="nested too deeply .*more than 1000 levels"):
        edit(exported("a: " + '"a" + ' * 1500 + '"b",\n'), set={"k": 1})


def test_a_file_of_too_many_nodes_is_refused_with_the_limit():
    with pytest.raises(SettingsError, match="more than 100000 names, values and signs"):
        edit(exported(f"a: [{'0,' * 60000}],\n"), set={"k": 1})


@pytest.mark.parametrize(
    "made",
    [
        "Object.assign(a, a);",
        "Object.assign(a, a, a);",
        "Object.assign(a, { ...a });",
        "Object.assign(a.b, a);",
        "Object.assign(a, c); Object.assign(c, a);",
    ],
)
def test_an_object_that_is_merged_into_itself_is_an_end(made):
    source = f"const a = {{ b: {{}} }}, c = {{ d: 1 }};\n{made}\n" + exported("...a,\nk: 1,\n")
    assert edit(source, set={"k": 2}).text == source.replace("k: 1", "k: 2")


def test_what_is_edited_twice_is_read_once(monkeypatch):
    """A role gets the text that the role before it made."""
    parsed = []
    monkeypatch.setattr(_tree.Source, "_refuse_brackets", lambda source: parsed.append(source.text))
    source = exported("k: 1,\nl: 1,\n")
    first = edit(source, set={"k": 2}).text
    assert edit(first, set={"k": 2}).text == first
    edit(first, set={"l": 2})
    assert parsed.count(first) == 1


@pytest.mark.parametrize("old", ["'\u20ac'", "{ b: [1, 2] }", "() => { return `${x}` }", "1 /* a */ + 2"])
@pytest.mark.parametrize("new", ["0", "`\u20ac${a}`", "{ c: { d: 1 } }", "async function () { await b() }"])
def test_an_edited_file_is_read_as_if_it_were_new(old, new):
    source = _tree.Source(exported(f"a: 1, // {old}\nb: {old},\n  c: [{old}],\n") * 3)
    places = [place for place in range(len(source.bytes)) if source.bytes.startswith(old.encode(), place)]
    changes = [_layout.Change(place, place + len(old.encode()), new) for place in places]
    text = _layout.applied(source, changes)
    assert str(source.edited(text, changes).root) == str(_tree.Source(text).root)
