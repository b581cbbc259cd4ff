# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters translate between Ansible and the engine, and nothing else."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.pifleet.nodered.plugins.filter import bcrypt_hash, settings_js, settings_value
from jinja2 import Environment, StrictUndefined, UndefinedError

SOURCE = "module.exports = {\n    uiPort: process.env.PORT || 1880,\n}\n"


def environment() -> Environment:
    made = Environment(undefined=StrictUndefined)  # noqa: S701 - no HTML
    for module in (bcrypt_hash, settings_js, settings_value):
        made.filters.update(module.FilterModule().filters())
    return made


def rendered(template: str, **variables: object) -> str:
    return environment().from_string(template).render(source=SOURCE, **variables)


def test_settings_js_edits() -> None:
    text = rendered("{{ source | settings_js(set=wanted, remove=['x']) }}", wanted={"uiPort": 1881})
    assert text == SOURCE.replace("process.env.PORT || 1880", "1881")


def test_settings_js_returns_the_same_text_when_nothing_is_to_do() -> None:
    assert settings_js.settings_js(SOURCE) == SOURCE
    assert settings_js.settings_js(SOURCE, set=None, remove=None) == SOURCE


def test_settings_js_shows_where_a_file_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match=r"s\.js:1:24: (.|\n)*\^"):
        settings_js.settings_js("module.exports = { a: 1 b: 2 }", set={"a": 1}, filename="s.js")


@pytest.mark.parametrize("arguments", [{"set": [1]}, {"remove": "uiPort"}, {"remove": 1}, {"set": {"a": {"$x": 1}}}])
def test_settings_js_refuses_wrong_arguments(arguments: dict[str, object]) -> None:
    with pytest.raises(AnsibleFilterError):
        settings_js.settings_js(SOURCE, **arguments)


@pytest.mark.parametrize("source", [None, b"x", 1])
def test_a_source_is_text(source: object) -> None:
    with pytest.raises(AnsibleFilterError, match="must be text"):
        settings_js.settings_js(source)
    with pytest.raises(AnsibleFilterError, match="must be text"):
        settings_value.settings_value(environment(), source, "uiPort")


def test_settings_value_reads() -> None:
    assert rendered("{{ (source | settings_value('uiPort'))['$js'] }}") == "process.env.PORT || 1880"


def test_settings_value_is_undefined_where_nothing_stands() -> None:
    assert rendered("{{ source | settings_value('uiHost') | default('none') }}") == "none"
    with pytest.raises(UndefinedError, match="uiHost is not in settings.js"):
        rendered("{{ source | settings_value('uiHost') }}")


def test_settings_value_shows_where_a_file_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match=r"settings\.js:1:1"):
        settings_value.settings_value(environment(), "", "uiPort")


def test_bcrypt_hash_hashes() -> None:
    assert rendered("{{ 'x' | bcrypt_hash(rounds=4, ident='2a') }}").startswith("$2a$04$")


@pytest.mark.parametrize("password", ["", "x" * 73, 1, None])
def test_bcrypt_hash_refuses_what_cannot_be_hashed(password: object) -> None:
    with pytest.raises(AnsibleFilterError) as refusal:
        bcrypt_hash.bcrypt_hash(password)
    assert "xxx" not in str(refusal.value)
