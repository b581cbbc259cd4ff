# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A settings file of an attacker costs little time, and ends with an error that says what to do."""

from __future__ import annotations

import time

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core import _failure, _masking
from ansible_collections.pifleet.nodered.plugins.plugin_utils._js import _tree
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords import _bcrypt
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings import _known_bad, _settings_diff, _settings_js

# At this size whatever takes time with the square of the length takes minutes.
SIZE = 120_000
# Of computing time. Linear work takes some tenths of a second, also on a slow machine.
SECONDS = 5.0

PIECES = [
    *("{b:{b:", "{", "[", "(", "`${", "f(", "x=>", "!", "a?b:", "a=", "a||", ".b", "[0]", "new ", "...[", "...a,"),
    *("'", '"', "`", "\\", "'\\'", "\\a", "'a',", "'\"`", ",", ":", "=", "==", ";", "a", "a ", "1", "0x", "1_"),
    *("://:x", "://", "://a:b@", "@", "user:pw@", "?token=", "/", "/[", "=/[", "/*", "*/", "/*'", "//", "<!--", "#\n"),
    *("password", "password:", "password: a\n", "password:a\n//", "password(", "password/*", "token: '", "auth:'"),
    *("Password=", "--password ", "-p ", "password is ", "secret_key_key", "'Basic ", "$2b$08$", "-----BEGIN "),
    *("^", " ^\n", "a\n^\n", '"a" is not valid JSON', "Unexpected identifier '", " ", "\n", "\r", "\r\n", "\u201c"),
    *("if(a)", "try{", "await ", "a:1,", "var a=module;", "module.exports.a=1;", "module,", "function a(){}", "\x1b"),
]


def filled(piece: str, size: int = SIZE) -> str:
    return piece * (size // len(piece))


def settings(value: str) -> str:
    return f"module.exports = {{\n    uiPort: 1880,\n    a: {value},\n}}\n"


def in_time(work, *arguments, **named):
    """What the work returns, or its refusal; it must not take long."""
    start = time.thread_time()
    try:
        return work(*arguments, **named)
    except _settings_js.SettingsError as error:
        return error
    finally:
        assert time.thread_time() - start < SECONDS


@pytest.fixture
def short(monkeypatch):
    """The limit of the computing time is reached early, so that the tests are done soon."""
    monkeypatch.setattr(_tree, "LONGEST", 0.1)


@pytest.mark.parametrize("piece", PIECES)
def test_masking_takes_time_in_proportion_to_the_length(piece):
    in_time(_failure.masked, f"{filled(piece, SIZE // 2)}\ntoken: '{filled(piece, SIZE // 2)}'")
    in_time(_masking.code_of_line, filled(piece))


@pytest.mark.parametrize("piece", PIECES)
def test_the_engine_ends_in_time(piece, short):
    for text in (filled(piece), settings(filled(piece))):
        in_time(_settings_js.edit, text, set={"uiPort": 1881, "b.c": [1]}, remove=["a"])


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"a{number}: 1, " for number in range(10000)),
        "".join(f"// a{number}: 1,\n" for number in range(10000)),
        "".join(f"...a{number},\n" for number in range(10000)),
        "".join(f"uiPort: {number},\n" for number in range(8000)),
        "".join(f"'a{number}': {{ b: 'c' }},\n" for number in range(6000)),
        "// a: { '" + filled("\\a") + "\n",
        "a" * SIZE + ": 1,",
        "__proto__: a,\n" * 8000,
    ],
    ids=["keys", "examples", "spreads", "one key", "quoted keys", "backslashes", "long name", "prototypes"],
)
def test_a_large_object_is_edited_or_refused_in_time(text, short):
    source = f"module.exports = {{\n    uiPort: 1880,\n{text}\n}}\n"
    in_time(_settings_js.edit, source, set={"a": {"b": "c"}}, remove=["uiPort"])
    in_time(_settings_js.value, source, "a.b.c")
    in_time(_known_bad.findings, source)
    edit = in_time(_settings_js.edit, source, set={"uiPort": 1881})
    if isinstance(edit, _settings_js.Edit):
        in_time(_settings_diff.masked, source, edit)


@pytest.mark.parametrize(
    "statement",
    [
        "var a{0} = module.exports;",
        "module.exports.a{0} = 1;",
        "var a{0} = a{1};",
        "delete s.b;",
        "Object.assign(s, {{}});",
    ],
)
def test_many_statements_are_followed_or_refused_in_time(statement, short):
    statements = "\n".join(statement.format(number, number - 1) for number in range(1, 4000))
    source = f"const s = {{ uiPort: 1880 }}\n{statements}\nmodule.exports = s\n"
    in_time(_settings_js.edit, source, set={"uiPort": 1881}, remove=["b"])
    in_time(_known_bad.findings, source)


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("[", "]"),
        ("{b:", "}"),
        ("(", ")"),
        ("`${", "}`"),
        ("f(", ")"),
        ("x=>(", ")"),
        ("!", ""),
        ("a=", ""),
        ("a[", "]"),
    ],
)
@pytest.mark.parametrize("levels", [90, 900, 19000])
def test_no_depth_ends_in_an_error_of_python(opening, closing, levels):
    source = settings(opening * levels + "1" + closing * levels)
    for work in (_settings_js.edit, _settings_js.value, _known_bad.findings):
        arguments = {"edit": {"set": {"a": {"b": [1]}}}, "value": {"name": "a"}, "findings": {}}[work.__name__]
        in_time(work, source, **arguments)


def test_a_path_of_many_steps_is_refused_or_followed():
    source = settings("{ a: " * 400 + "1" + " }" * 400) + f"module.exports{'.a' * 390} = 1\n"
    assert "nested too deeply" in str(in_time(_settings_js.value, source, "a"))
    assert "not the name of a setting" in str(in_time(_settings_js.value, source, ".".join("a" * 400)))


def test_a_file_that_is_too_large_is_refused():
    error = in_time(_settings_js.edit, f"// {'x' * _tree.LARGEST}\n" + settings("1"), set={"uiPort": 1881})
    assert "more than 256 KiB" in error.problem
    assert "require()" in error.remedy


def test_a_file_with_too_many_brackets_never_reaches_the_parser():
    # tree-sitter 0.26 ends the process at 87000 of these.
    error = in_time(_settings_js.edit, "{b:" * 87000, set={"uiPort": 1881})
    assert "more than 20000 opening brackets" in error.problem


def test_a_file_that_takes_too_long_is_refused_with_a_remedy(short):
    error = in_time(_settings_js.edit, filled("auth: '"), set={"uiPort": 1881})
    assert "s of computing time" in error.problem
    assert error.remedy


def test_the_parser_reads_the_same_in_pieces_as_at_once():
    text = "// \u00e9\U0001f600\n" * 200 + "module.exports = { a: '\u20ac', b: `\U0001f600${c}` }\n" * 200
    whole = _tree._parser().parse(text.encode())
    assert str(_tree.Source(text).root) == str(whole.root_node)
    assert not whole.root_node.has_error


def test_numbers_of_any_length_are_read():
    assert _settings_js.value(settings("9" * 5000), "a") == float("inf")
    assert _settings_js.value(settings("0x" + "f" * 5000), "a") == float("inf")


def test_a_hash_that_takes_days_to_verify_is_replaced():
    costly = "$2b$31$" + "." * 53
    text = f"module.exports = {{ httpNodeAuth: {{ user: 'a', pass: '{costly}' }} }}\n"
    edit = in_time(_settings_js.edit, text, set={"httpNodeAuth.pass": {"$password": "x", "$rounds": 4}})
    assert edit.changed == ("httpNodeAuth.pass",)
    assert costly not in edit.text


def test_hashes_of_many_users_are_not_all_verified(monkeypatch):
    verified = []
    monkeypatch.setattr(_bcrypt, "verify", lambda password, hashed: verified.append(hashed))
    user = f"{{ username: 'a', password: '$2b$14${'.' * 53}' }},"
    _known_bad.findings(f"module.exports = {{ adminAuth: {{ type: 'credentials', users: [{user * 500}] }} }}\n")
    assert sum(2 ** _bcrypt.cost(hashed) for hashed in verified) <= _known_bad.MOST_ITERATIONS
    assert verified


def test_what_findings_quote_is_short_and_printable():
    users = f"{{ username: '\\x1b[31m{'x' * 1000}', password: 'y' }},"
    found = _known_bad.findings(f"module.exports = {{ adminAuth: {{ type: '\\x1b', users: [{users * 200}] }} }}\n")
    assert len(found) <= _known_bad.MOST_USERS + 1
    for finding in found:
        assert "\x1b" not in finding.problem + finding.remedy
        assert len(finding.problem + finding.remedy) < 400


def test_hashing_a_password_does_not_count_as_work_on_the_file(monkeypatch):
    """On a slow controller, one hash takes longer than any file."""
    monkeypatch.setattr(_tree, "LONGEST", 0.3)
    users = [{"username": f"user{number}", "password": {"$password": "a", "$rounds": 12}} for number in range(3)]
    begun = time.thread_time()
    edit = _settings_js.edit("module.exports = {};\n", set={"adminAuth": {"type": "credentials", "users": users}})
    assert edit.changed
    assert time.thread_time() - begun > 0.3, "else this proves nothing"
