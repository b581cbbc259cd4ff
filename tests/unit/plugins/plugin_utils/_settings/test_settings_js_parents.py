# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A dotted name below a parent that the exported object does not write: its other members must stay."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings._settings_js import SettingsError, edit
from ansible_collections.pifleet.nodered.tests.judged import Case, edited, judge

SHARED = (
    'const shared = { logging: { console: { level: "warn" } },'
    ' adminAuth: { type: "credentials", users: [{ username: "a", password: "h" }] } };\n'
)
OTHER = "const other = { flowFile: 'x', logging: { metrics: true }, adminAuth: { tokens: 1 } };\n"
WISHES: list[dict[str, object]] = [
    {"logging.console.audit": True},
    {"logging.console.level": "info"},
    {"adminAuth.sessionExpiryTime": 60.0},
    {"adminAuth.users": []},
    {"logging.file.level": "info"},
    {"logging.console.audit": True, "adminAuth.sessionExpiryTime": 60.0, "uiPort": 1881.0},
]
REMOVED = ["logging.console.level", "adminAuth.users", "logging"]

# What the parent holds is written in the file, and nothing else holds it.
KNOWN = [
    SHARED + "module.exports = { ...shared, uiPort: 1880 };",
    SHARED + "module.exports = { uiPort: 1880, ...shared };",
    SHARED + "module.exports = {\n  ...shared,\n  // logging: { console: {} },\n  uiPort: 1880\n};",
    SHARED.replace("const", "var") + "module.exports = { ...(shared) };",
    SHARED + "module.exports = Object.assign({}, shared, { uiPort: 1880 });",
    SHARED + "module.exports = Object.assign({ uiPort: 1880 }, shared);",
    SHARED + "module.exports = { uiPort: 1880 };\nObject.assign(module.exports, shared);",
    SHARED + "Object.assign(exports, shared, { uiPort: 1880 });",
    SHARED + OTHER + "module.exports = { ...other, ...shared };",
    SHARED + "const more = { ...shared, x: 1 };\nmodule.exports = { ...more, uiPort: 1880 };",
    SHARED.replace("= {", "= Object.freeze({", 1).replace("};\n", "});\n") + "module.exports = { ...shared };",
    "module.exports = { ...Object.freeze({ logging: { console: { level: 'warn' } } }), uiPort: 1880 };",
    "module.exports = { ...{ logging: Object.freeze({ console: { level: 'warn' } }) }, uiPort: 1880 };",
    "const quiet = { console: { level: 'warn' } };\nmodule.exports = { logging: { ...quiet } };",
    "const quiet = { level: 'warn' };\nmodule.exports = { logging: { console: { ...quiet } } };",
    "const quiet = { level: 'warn' };\nconst s = { logging: { console: quiet } };\nmodule.exports = { ...s };",
]

# The parent may come from what the text does not tell.
UNKNOWN = [
    "module.exports = { ...require('./base'), uiPort: 1880 };",
    "module.exports = {\n  uiPort: 1880,\n  ...require('./base')\n};",
    "function make() { return { logging: { console: { level: 'warn' } }, adminAuth: { users: [1] } }; }\n"
    "module.exports = { ...make(), uiPort: 1880 };",
    "module.exports = { ...(process.env.LAB && { logging: { console: { level: 'warn' } }, adminAuth: { users: [1] } })"
    ", uiPort: 1880 };",
    "module.exports = { ...(process.env.LAB ? { logging: { console: {} }, adminAuth: {} } : {}), uiPort: 1880 };",
    "module.exports = { ...(process.env.LAB || { logging: { console: {} }, adminAuth: {} }), uiPort: 1880 };",
    "module.exports = Object.assign({}, require('./base'), { uiPort: 1880 });",
    "module.exports = { logging: { console: { level: 'warn' } }, adminAuth: { users: [1] } };\n"
    "module.exports = { ...module.exports, x: 1 };",
    "const part = 'logg' + 'ing', login = 'admin' + 'Auth';\n"
    "module.exports = { [part]: { console: { level: 'warn' } }, [login]: { users: [1] }, uiPort: 1880 };",
    "module.exports = { __proto__: { logging: { console: { level: 'warn' } }, adminAuth: { users: [1] } }, a: 1 };",
    "const base = { logging: { console: {} }, adminAuth: { users: [1] } };\n"
    "module.exports = { '__proto__': base, uiPort: 1 };",
    "const shared = JSON.parse(process.env.LAB || '{}');\nmodule.exports = { ...shared, uiPort: 1880 };",
    "let shared = { logging: { console: { level: 'warn' } }, adminAuth: { users: [1] } };\n"
    "if (process.env.LAB) { shared = {}; }\nmodule.exports = { ...shared, uiPort: 1880 };",
    "module.exports = { uiPort: 1880 };\nif (process.env.LAB) { module.exports.logging = { console: {} };"
    " module.exports.adminAuth = { users: [1] }; }",
    "module.exports = { uiPort: 1880 };\nObject.assign(module.exports, require('./base'));",
    "exports.uiPort = 1880;\nObject.assign(exports, require('./base'));",
    "const [first] = [{ logging: { console: { level: 'warn' } }, adminAuth: { users: [1] } }];\n"
    "module.exports = { ...first };",
    "const shared = { logging: { console: { level: 'warn' } }, adminAuth: { users: [1] } };\n"
    "{ const shared = { logging: { console: { level: 'q' } } };\nmodule.exports = { ...shared }; }",
]

# Which of the wishes lie below the spread inside.
UNKNOWN_INSIDE = [
    ("module.exports = { logging: { ...require('./base') } };", "logging.console.audit"),
    ("module.exports = { logging: { ...(process.env.LAB && { console: { level: 'q' } }) } };", "logging.console.audit"),
    ("module.exports = { a: { b: { ...make(), x: 1 } } };\nfunction make() { return { c: { d: 1 } }; }", "a.b.c.e"),
    ("module.exports = { logging: Object.assign({}, require('./base'), { x: 1 }) };", "logging.console.audit"),
    ("module.exports = { logging: { [process.env.LAB]: { level: 'q' } } };", "logging.console.audit"),
    ("module.exports = { logging: { __proto__: { console: { level: 'q' } } } };", "logging.console.audit"),
]


@pytest.mark.parametrize("source", KNOWN)
def test_the_other_members_of_a_known_parent_stay(source: str, tmp_path: pathlib.Path) -> None:
    cases = [Case(source, wish) for wish in WISHES] + [Case(source, removed=[name]) for name in REMOVED]
    judge(cases, tmp_path)


@pytest.mark.parametrize("source", KNOWN)
def test_a_member_of_a_known_parent_is_set(source: str) -> None:
    text = edited(Case(source, {"logging.console.audit": True}))
    assert text is not None
    assert "audit: true" in text


@pytest.mark.parametrize("source", UNKNOWN)
@pytest.mark.parametrize("name", ["logging.console.audit", "logging.console.level", "adminAuth.users", "adminAuth.x.y"])
def test_a_parent_that_may_come_from_elsewhere_is_not_made_anew(source: str, name: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        edit(source, set={name: True})
    assert refusal.value.line is not None
    assert refusal.value.remedy
    assert "^" in str(refusal.value)


@pytest.mark.parametrize(("source", "name"), UNKNOWN_INSIDE)
def test_a_parent_that_may_come_from_a_spread_inside_is_not_made_anew(source: str, name: str) -> None:
    with pytest.raises(SettingsError, match="not certain"):
        edit(source, set={name: True})


def test_the_rejection_names_the_spread_and_what_to_write() -> None:
    with pytest.raises(SettingsError) as refusal:
        edit("module.exports = {\n  ...require('./base'),\n};\n", set={"logging.console.audit": True})
    assert (refusal.value.line, refusal.value.column) == (2, 3)
    assert "logging.console.audit is part of logging" in refusal.value.problem
    assert "logging: { ... }" in refusal.value.remedy


# evaluate.js does not look into an object that inherits.
@pytest.mark.parametrize("source", [source for source in UNKNOWN if "__proto__" not in source])
def test_a_whole_setting_can_be_set_or_is_rejected(source: str, tmp_path: pathlib.Path) -> None:
    judge(
        [Case(source, {"logging": {"x": True}}), Case(source, {"uiPort": 1881.0}), Case(source, {"new": "x"})], tmp_path
    )


@pytest.mark.parametrize(
    "source",
    [
        "module.exports = { uiPort: 1880 };",
        "module.exports = { ...require('./base'), logging: {} };",
        "module.exports = { ...require('./base'), logging: null };",
        "module.exports = { [process.env.LAB]: 1, logging: { console: {} } };",
        "module.exports = { ...(process.env.LAB && { flowFile: 'x' }), uiPort: 1880 };",
        "const shared = { flowFile: 'x' };\nmodule.exports = { ...shared, uiPort: 1880 };",
        "exports.uiPort = 1880;",
    ],
)
def test_a_parent_that_is_certainly_absent_is_made(source: str) -> None:
    text = edited(Case(source, {"logging.console.audit": True}))
    assert text is not None
    assert "audit: true" in text
