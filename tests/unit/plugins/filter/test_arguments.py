# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a playbook hands to a filter ends in a result or in an error that names it and the remedy."""

from __future__ import annotations

import random

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.pifleet.nodered.plugins.filter import bcrypt_hash, settings_js, settings_value
from jinja2 import Environment

SOURCE = "module.exports = {\n    uiPort: process.env.PORT || 1880,\n}\n"
SECRET = "hunter2"
CALLS = {
    "bcrypt_hash": (
        bcrypt_hash.bcrypt_hash,
        "x",
        {"rounds": 4, "ident": "2b"},
    ),
    "settings_js": (
        settings_js.settings_js,
        SOURCE,
        {"set": {"uiPort": 1, "a": [{"b": {"$password": "x", "$rounds": 4}}]}, "remove": ["b"], "filename": "s.js"},
    ),
    "settings_value": (
        lambda given, **options: settings_value.settings_value(Environment(), given, **options),
        SOURCE,
        {"name": "uiPort", "filename": "s.js"},
    ),
}


@pytest.mark.parametrize("arguments", [{"rounds": "hunter2"}, {"rounds": 99}, {"ident": "hunter2"}])
def test_bcrypt_hash_shows_no_value_that_it_refuses(arguments: dict[str, object]) -> None:
    with pytest.raises(AnsibleFilterError, match="rounds|ident") as refusal:
        bcrypt_hash.bcrypt_hash("x", **arguments)
    assert "hunter2" not in str(refusal.value)


def test_a_number_may_come_as_text_from_the_command_line() -> None:
    assert bcrypt_hash.bcrypt_hash("x", rounds="4").startswith("$2b$04$")


def nested(levels: int) -> list[object]:
    found: list[object] = []
    for _level in range(levels):
        found = [found]
    return found


ODD: list[object] = [
    *(None, True, 0, -1, 1.5, float("nan"), float("inf"), 2**53 + 1, 10**400),
    *("", "x", "\ud800", "\0", "__proto__", "x" * 10000, "4.1.15", "module.exports = {", b"x", range(3), object()),
    *([], [[]], [None], [{}], {}, {1: 2}, {None: 1}, {(1, 2): 3}, {"__proto__": 1}, {"$x": 1}, {"$js": "("}),
    *({"$password": ["x"]}, {"$password": "x", "$rounds": 99}, {"a": {1: SECRET}}, set(), nested(3000)),
    f"module.exports = {{ uiPort: {'[' * 3000}{']' * 3000} }}",
    f"module.exports = {{ httpAdminMiddleware: {'{a:' * 3000}1{'}' * 3000} }}",
    f"var {'[' * 3000}a{']' * 3000} = []; module.exports = {{}}",
]


def with_something_odd(value: object, chance: random.Random) -> object:
    """The value with one odd thing somewhere in it, or in its place."""
    if isinstance(value, dict) and value and chance.random() < 0.7:
        key = chance.choice(list(value))
        if chance.random() < 0.2:
            return {**value, chance.choice([1, None, (1, 2), b"k"]): 1}
        return {**value, key: with_something_odd(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.7:
        return [with_something_odd(value[0], chance), *value[1:]]
    return chance.choice(ODD)


@pytest.mark.parametrize("name", CALLS)
def test_whatever_a_playbook_hands_over_ends_in_a_result_or_a_clear_error(name: str) -> None:
    call, given, options = CALLS[name]
    chance = random.Random(name)
    for _round in range(150):
        option = chance.choice(["", *options])
        try:
            if option:
                call(given, **{**options, option: with_something_odd(options[option], chance)})
            else:
                call(with_something_odd(given, chance), **options)
        except AnsibleFilterError as error:
            assert len(str(error)) > 20, str(error)
            assert SECRET not in str(error)


@pytest.mark.parametrize("number", [2**53 + 1, -(2**63) + 1, 10**400])
def test_a_number_that_node_would_read_as_another_one_is_refused(number: int) -> None:
    with pytest.raises(AnsibleFilterError, match="nearest one"):
        settings_js.settings_js(SOURCE, set={"uiPort": number})
    assert "9007199254740992" in settings_js.settings_js(SOURCE, set={"uiPort": 2**53})
