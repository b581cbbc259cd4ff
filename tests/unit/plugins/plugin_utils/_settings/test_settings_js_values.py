# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What values mean to the engine: comparing, writing, expressions and passwords."""

from __future__ import annotations

import datetime
from collections import UserString
from collections.abc import Mapping

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords import _bcrypt
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings._settings_js import (
    UNDEFINED,
    SettingsError,
    edit,
    known,
    members,
    value,
)
from hypothesis import given, settings
from hypothesis import strategies as st


def source_of(expression: str) -> str:
    return f"module.exports = {{\n    a: {expression},\n}}\n"


def is_kept(expression: str, wanted: object) -> bool:
    """Whether the engine takes the expression for the wanted value."""
    return edit(source_of(expression), set={"a": wanted}).text == source_of(expression)


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("1880", 1880),
        ("1880", 1880.0),
        ("0x758", 1880),
        ("0b11", 3),
        ("0o17", 15),
        ("017", 15),
        ("1_880", 1880),
        ("1.88e3", 1880),
        ("1880 /* web */", 1880),
        ("(1880)", 1880),
        ("-1", -1),
        ("- 1.5", -1.5),
        (".5", 0.5),
        ("9007199254740993", 9007199254740992),
        ("'x'", "x"),
        ('"x"', "x"),
        ("`x`", "x"),
        (r"'\x78\u0078\u{78}\170'", "xxxx"),
        (
            r"'a\nb\
c'",
            "a\nbc",
        ),
        (r"'\'\"\\\0'", "'\"\\\0"),
        (r"'\ud83d\ude00'", "\U0001f600"),
        ("'caf\u00e9'", "caf\u00e9"),
        ("true", True),
        ("null", None),
        ("[1, 'x', [], ]", [1, "x", []]),
        ("{ b: 1, 'c': { d: null } }", {"c": {"d": None}, "b": 1}),
        ("{ b: 0, b: 1 }", {"b": 1}),
        ("{ ['b']: 1 }", {"b": 1}),
        ("{ 1: 'x', 0x10: 'y', 1.50: 'z' }", {"1": "x", "16": "y", "1.5": "z"}),
        (r"{ \u0062: 1 }", {"b": 1}),
        ("f( 1 , /* two */ 2)", {"$js": "f(1, 2)"}),
        ("x => { return 1 }", {"$js": "x=>{return 1}"}),
        ("x =>\n{ f()\nreturn /* one */ 1 }", {"$js": "x => { f() \n  return 1 }"}),
        ("process.env.PORT || 1880", {"$js": "process.env.PORT||1880 "}),
        ("{ b: f() }", {"b": {"$js": "f()"}}),
    ],
)
def test_a_value_that_means_the_same_is_left_alone(expression: str, wanted: object) -> None:
    assert is_kept(expression, wanted)


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("'1880'", 1880),
        ("1880", "1880"),
        ("1", True),
        ("true", 1),
        ("0", False),
        ("null", False),
        ("undefined", None),
        ("''", None),
        ("process.env.PORT || 1880", 1880),
        ("1 + 1", 2),
        ("!0", True),
        ("10n", 10),
        ("'a' + 'b'", "ab"),
        ("`a${1}`", "a1"),
        ("[1, , 2]", [1, None, 2]),
        ("[...[1]]", [1]),
        ("[]", {}),
        ("{}", []),
        ("{ ...{ b: 1 } }", {"b": 1}),
        ("{ b() {} }", {}),
        ("{ get b() { return 1 } }", {"b": 1}),
        ("{ b: 1 }", {"b": 1, "c": 2}),
        ("f('a b')", {"$js": "f('ab')"}),
        ("`a  b`", {"$js": "`a b`"}),
        ("f(1)", {"$js": "f(2)"}),
        ("function () { return\n5 }", {"$js": "function () { return 5 }"}),
        ("(b, c) => { b\n++c }", {"$js": "(b, c) => { b++\nc }"}),
        ("[, 1]", [1]),
        ("[1, , 2]", [1, 2]),
        ("[1, 2, , ]", [1, 2]),
        ("NaN", 0),
    ],
)
def test_a_value_that_means_something_else_is_edited(expression: str, wanted: object) -> None:
    assert not is_kept(expression, wanted)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("x", '"x"'),
        ('"', '"\\""'),
        ("'", '"\'"'),
        ("\\", '"\\\\"'),
        ("\n\r\t\b\f\v\0\x1f\x7f", '"\\n\\r\\t\\b\\f\\v\\x00\\x1f\\x7f"'),
        ("\u2028\u2029", '"\\u2028\\u2029"'),
        ("\u00e9\U0001f600", '"\u00e9\U0001f600"'),
        ("${x}`", '"${x}`"'),
        (1, "1"),
        (-1, "-1"),
        (1.5, "1.5"),
        (2.0, "2"),
        (1e300, "1e+300"),
        (True, "true"),
        (None, "null"),
        ([], "[]"),
        ({}, "{}"),
        ([1, "a"], '[1, "a"]'),
        ({"$js": " f(1) "}, "f(1)"),
        ({"if": 1, "a-b": 2, "1": 3}, '{\n        if: 1,\n        "a-b": 2,\n        "1": 3,\n    }'),
    ],
)
def test_values_are_written_as_javascript(wanted: object, expected: str) -> None:
    assert edit(source_of("f()"), set={"a": wanted}).text == source_of(expected)


def test_a_long_list_is_written_one_element_a_line() -> None:
    wanted = [f"https://example.com/catalogue{number}.json" for number in range(3)]
    lines = "".join(f'        "{element}",\n' for element in wanted)
    assert edit(source_of("f()"), set={"a": wanted}).text == source_of(f"[\n{lines}    ]")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"])).filter(lambda key: key != "__proto__" and key[:1] != "$"),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(before=JSON, wanted=JSON)
def test_what_is_written_reads_back_and_stays(before: object, wanted: object) -> None:
    source = edit(source_of("f() /* kept */"), set={"a": before}).text
    text = edit(source, set={"a": wanted}).text
    assert value(text, "a") == wanted
    assert "/* kept */" in text
    assert edit(text, set={"a": wanted}).text == text


class TaggedStr(str):
    """Like the text types of ansible-core: a subclass of str."""


class LazyDict(dict[str, object]):
    """Like the containers of ansible-core 2.19, whose items come by their methods."""


class VaultedText(UserString):
    """Like the vaulted text of ansible-core 2.17 and 2.18, which is no str."""


def test_ansible_types_are_written_as_what_they_are() -> None:
    wanted = LazyDict(b=TaggedStr("x"), c=[TaggedStr("y")], d=VaultedText("z"))
    text = edit(source_of("1"), set={TaggedStr("a"): wanted}).text
    assert value(text, "a") == {"b": "x", "c": ["y"], "d": "z"}


@pytest.mark.parametrize(
    "wanted",
    [
        float("nan"),
        float("inf"),
        b"x",
        datetime.date(2026, 1, 1),
        {1: "x"},
        {"__proto__": 1},
        {"$js": 1},
        {"$js": "1", "b": 1},
        {"$unknown": 1},
        {"$password": "x", "$cost": 8},
        {"$password": "x", "$rounds": "many"},
        "\ud800",
        {"b": object()},
    ],
)
def test_what_has_no_javascript_form_is_refused_by_name(wanted: object) -> None:
    with pytest.raises(SettingsError, match="a"):
        edit(source_of("1"), set={"a": wanted})


@pytest.mark.parametrize(
    "expression",
    [
        "",
        " ",
        "1; 2",
        "1, 2",
        "1 //",
        "1 /*",
        "1 <!--",
        "1) + (2",
        "}, b: {",
        "...x",
        "return 1",
        "var x = 1",
        "if (x) {}",
        "{ b: 1",
        "'x",
        "`x",
        "// x",
        "await x",
        "yield x",
        "function",
        "a b",
        "1 };",
    ],
)
def test_what_is_not_one_expression_is_refused(expression: str) -> None:
    with pytest.raises(SettingsError, match=r"\$js"):
        edit(source_of("1"), set={"a": {"$js": expression}})


@pytest.mark.parametrize(
    "expression",
    [
        "function () { return 1 }",
        "async () => { await x }",
        "class {}",
        "{ b: 1 }",
        "/[/]}/g",
        "`a${b}`",
        "x ? y : z",
        "/* why */ 2",
        "require('fs').readFileSync('x')",
        "x => x",
        "(1, 2)",
    ],
)
def test_an_expression_is_written_as_it_stands(expression: str) -> None:
    assert edit(source_of("0"), set={"a": {"$js": expression}}).text == source_of(expression)


def test_an_expression_gets_the_line_ends_of_the_file() -> None:
    source = source_of("1").replace("\n", "\r\n")
    text = edit(source, set={"a": {"$js": "function () {\n  return 1\n}\n"}}).text
    assert text == source.replace("1", "function () {\r\n  return 1\r\n}")


# Passwords

FAST = {"$rounds": 4}


def login(password: str, username: str = "admin", **options: object) -> dict[str, object]:
    user = {"username": username, "password": {"$password": password, **FAST, **options}, "permissions": "*"}
    return {"adminAuth": {"type": "credentials", "users": [user]}}


def hash_in(text: str, index: int = 0) -> str:
    found = value(text, "adminAuth")
    assert isinstance(found, Mapping)
    return str(found["users"][index]["password"])


def test_a_password_becomes_a_hash_that_verifies() -> None:
    hashed = hash_in(edit(source_of("1"), set=login("correct horse")).text)
    assert _bcrypt.verify("correct horse", hashed)
    assert hashed.startswith("$2b$04$")


def test_the_default_cost_is_8() -> None:
    text = edit(source_of("1"), set={"a": {"$password": "x"}}).text
    assert '"$2b$08$' in text


def test_a_hash_that_still_fits_is_kept() -> None:
    text = edit(source_of("1"), set=login("correct horse")).text
    assert edit(text, set=login("correct horse")).text == text


@pytest.mark.parametrize("ident", ["2a", "2b", "2y"])
def test_a_hash_of_another_kind_is_kept_unless_one_is_asked_for(ident: str) -> None:
    text = edit(source_of("1"), set=login("x", **{"$ident": ident})).text
    assert hash_in(text).startswith(f"${ident}$")
    assert edit(text, set=login("x")).text == text
    other = "2a" if ident == "2b" else "2b"
    assert hash_in(edit(text, set=login("x", **{"$ident": other})).text).startswith(f"${other}$")


@pytest.mark.parametrize(
    "password",
    [{"$password": "other", "$rounds": 4}, {"$password": "x", "$rounds": 5}],
    ids=["another password", "a higher cost"],
)
def test_a_hash_that_does_not_fit_is_replaced(password: dict[str, object]) -> None:
    text = edit(source_of("1"), set={"httpNodeAuth": {"user": "u", "pass": {"$password": "x", "$rounds": 4}}}).text
    result = edit(text, set={"httpNodeAuth": {"user": "u", "pass": password}})
    assert result.changed == ("httpNodeAuth",)
    assert result.text.count("$2b$") == 1


def test_a_hash_of_a_higher_cost_is_kept() -> None:
    text = edit(source_of("1"), set={"a": {"$password": "x", "$rounds": 5}}).text
    assert edit(text, set={"a": {"$password": "x", "$rounds": 4}}).text == text


@pytest.mark.parametrize(
    ("before", "value"),
    [
        ("const users = [USER, {}];\n", "users"),
        ("const user = USER;\n", "[user, {}]"),
        ("const user = USER, users = [user];\n", "[...users]"),
        ("const users = () => [USER];\n", "users()"),
        ("", "[].concat([USER])"),
        ("", 'JSON.parse(\'[{"username": "admin", "password": "HASH"}]\')'),
    ],
)
def test_a_hash_that_fits_is_kept_where_the_list_is_not_written_out(before: str, value: str) -> None:
    hashed = _bcrypt.hash_password("x", rounds=4)
    user = "{ username: 'eva', password: 'OTHER' }, { username: 'admin', password: 'HASH' }"
    source = f"{before}module.exports = {{ adminAuth: {{ users: {value} }} }};\n".replace("USER", user)
    if "const user =" in before:
        source = source.replace("{ username: 'eva', password: 'OTHER' }, ", "")
    source = source.replace("HASH", hashed).replace("OTHER", _bcrypt.hash_password("x", rounds=4))
    wanted = [{"username": "admin", "password": {"$password": "x", "$rounds": 4}}]
    text = edit(source, set={"adminAuth.users": wanted}).text
    assert hash_in(text) == hashed


@pytest.mark.parametrize(
    "admin_auth",
    [
        "{ ...(process.env.LAB && USERS) }",
        "((given) => ({ ...{}, ...given }))(USERS)",
        "((given) => ({ ...{}, ...given }))({ users: process.env.LAB || [USER] })",
    ],
)
@pytest.mark.parametrize("name", ["adminAuth", "adminAuth.users"])
def test_a_hash_that_fits_is_kept_where_the_list_is_not_certain(admin_auth: str, name: str) -> None:
    hashed = _bcrypt.hash_password("x", rounds=4)
    user = f"{{ username: 'admin', password: '{hashed}' }}"
    code = admin_auth.replace("USERS", "{ users: [USER] }").replace("USER", user)
    wanted: object = [{"username": "admin", "password": {"$password": "x", "$rounds": 4}}]
    source = f"module.exports = {{ adminAuth: {code} }};\n"
    text = edit(source, set={name: {"users": wanted} if name == "adminAuth" else wanted}).text
    assert text.count("'$2b$04") == text.count(hashed)


def test_users_keep_their_hash_when_the_list_changes() -> None:
    first = edit(source_of("1"), set=login("one", "ann")).text
    wanted = [
        {"username": "new", "password": {"$password": "two", **FAST}},
        {"username": "ann", "password": {"$password": "one", **FAST}},
    ]
    text = edit(first, set={"adminAuth.users": wanted}).text
    assert hash_in(text, 1) == hash_in(first)


def test_a_single_user_object_counts_as_a_list_of_one() -> None:
    hashed = _bcrypt.hash_password("x", rounds=4)
    user = f"{{ username: 'admin', password: '{hashed}' }}"
    source = source_of("1").replace("}\n", f"    adminAuth: {{ users: {user} }},\n}}\n")
    text = edit(source, set=login("x")).text
    assert hash_in(text) == hashed


@pytest.mark.parametrize("password", ["", "x" * 73, "\u00e9" * 40, "a\0b"])
def test_a_password_that_bcrypt_cannot_hold_is_refused_without_showing_it(password: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        edit(source_of("1"), set=login(password))
    assert "adminAuth.users.0.password" in str(refusal.value)
    assert not password or password not in str(refusal.value)


def test_a_refusal_shows_no_password() -> None:
    with pytest.raises(SettingsError) as refusal:
        edit("module.exports = { credentialSecret: 'hunter2' oops", set=login("hunter3"))
    assert "hunter" not in str(refusal.value) + repr(refusal.value)


# Reading


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1880", 1880),
        ("0x10", 16),
        ("1.5", 1.5),
        ("'x'", "x"),
        ("null", None),
        ("undefined", UNDEFINED),
        ("[1, { b: true }]", [1, {"b": True}]),
        ("process.env.PORT || 1880", {"$js": "process.env.PORT || 1880"}),
        ("{ b: 1, c: f() }", {"$js": "{ b: 1, c: f() }"}),
        ("{ ...b }", {"$js": "{ ...b }"}),
    ],
)
def test_value_reads_literals_and_gives_the_text_of_the_rest(expression: str, expected: object) -> None:
    assert value(source_of(expression), "a") == expected


def test_value_is_undefined_where_nothing_stands() -> None:
    source = "module.exports = {\n    // b: 1,\n    a: { c: 1 },\n}\n"
    assert [value(source, name) for name in ("b", "a.b", "a.c.d", "b.c")] == [UNDEFINED] * 4


def test_value_follows_a_dotted_path_and_later_writes() -> None:
    source = "const s = { a: { b: 1, c: 2 } };\ns.a.b = 3;\nmodule.exports = s;\n"
    assert value(source, "a.b") == 3
    assert value(source, "a") == {"b": 3, "c": 2}


def test_value_gives_the_text_of_a_method() -> None:
    assert value("module.exports = { https() { return 1 } }", "https") == {"$js": "https() { return 1 }"}


def test_value_refuses_what_is_not_certain() -> None:
    with pytest.raises(SettingsError, match="not certain"):
        value("module.exports = { a: 1, ...b }", "a")


def test_known_gives_every_setting_as_far_as_the_text_tells_it():
    source = "const a = { uiPort: 1, ui: { path: 'x', on: f() }, now: g() };\nmodule.exports = a;\na.uiPort = 2;\n"
    assert known(source) == {"uiPort": 2, "ui": {"path": "x", "on": UNDEFINED}, "now": UNDEFINED}
    assert known("module.exports = { uiPort: 1, ...require('./site') }") == {"uiPort": UNDEFINED}


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("{}", {}),
        ("{b: 1, 'c': f()}", {"b": 1, "c": {"$js": "f()"}}),
        ("{b: [{c: 1}], d: (t) => null}", {"b": [{"c": 1}], "d": {"$js": "(t) => null"}}),
        *((each, None) for each in ("1", "null", "[1]", "f()", "{b() {}}", "{get b() {}}", "{...b}", "{[b]: 1}")),
    ],
)
def test_members_of_an_object_are_read_one_by_one(expression, wanted):
    assert members(source_of(expression), "a") == wanted


def test_an_absent_setting_has_no_members_and_a_later_one_counts():
    assert members(source_of("{b: 1}"), "b") is None
    assert members(source_of("{b: 1}") + "module.exports.a.c = f();\n", "a") == {"b": 1, "c": {"$js": "f()"}}
    assert members(source_of("{b: 1}") + "if (f()) { module.exports.a = {}; }\n", "a") is None
