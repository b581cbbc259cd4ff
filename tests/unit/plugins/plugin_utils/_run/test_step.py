# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of a task as the plans read them, from Ansible's own loader and templar."""

from __future__ import annotations

import inspect
import json
import textwrap

import pytest
from ansible.parsing import vault
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.pifleet.nodered.plugins.plugin_utils._run._step import Variables, _clock_error

SECRETS = [("default", vault.VaultSecret(b"opens the vault"))]


@pytest.fixture
def variables(tmp_path, monkeypatch):
    """The variables in a YAML file in which VAULTED is an inline vault with this text."""
    if hasattr(vault, "VaultSecretsContext"):
        # Since 2.19, ansible-core sets this once for a process.
        monkeypatch.setattr(vault.VaultSecretsContext, "_current", vault.VaultSecretsContext(SECRETS))

    def read(text, secret):
        encrypted = textwrap.indent(vault.VaultLib(SECRETS).encrypt(secret.encode()).decode(), " " * 8)
        (tmp_path / "vars.yml").write_text(text.replace("VAULTED", "!vault |\n" + encrypted))
        loader = DataLoader()
        loader.set_vault_secrets(SECRETS)
        # Since 2.19, a template has to be trusted.
        trusted = "trusted_as_template" in inspect.signature(loader.load_from_file).parameters
        options = {"trusted_as_template": True} if trusted else {}
        values = loader.load_from_file(str(tmp_path / "vars.yml"), **options)
        return Variables(values, Templar(loader=loader, variables=values))

    return read


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("a: VAULTED\n", "sécret"),
        ("a: '{{ b }}'\nb: VAULTED\n", "sécret"),
        ("a:\n  - user: ada\n    password: VAULTED\n", [{"user": "ada", "password": "sécret"}]),
        ("a:\n  - password: '{{ b }}'\nb: VAULTED\n", [{"password": "sécret"}]),
    ],
)
def test_a_text_from_an_inline_vault_is_a_text(variables, text, wanted):
    value = variables(text, "sécret")["a"]
    assert value == wanted
    assert json.loads(json.dumps(value)) == wanted
    assert all(isinstance(one["password"], str) for one in value) if isinstance(value, list) else isinstance(value, str)


def test_a_value_that_is_no_text_keeps_its_type(variables):
    values = variables("a: 1880\nb: null\nc: [true, 1.5]\nd: VAULTED\n", "x")
    assert [values["a"], values["b"], values["c"]] == [1880, None, [True, 1.5]]


def test_a_variable_that_is_not_defined_is_missing(variables):
    values = variables("a: VAULTED\n", "x")
    assert values.get("b") is None
    assert "b" not in values


@pytest.mark.parametrize(
    "clock, error",
    # It was read at some time between 1000.5 and 1009.5, without the fraction of the second.
    [(1000, 0), (1005, 0), (1009, 0), (999, -0.5), (990, -9.5), (1010, 0.5), (1100, 90.5)],
)
def test_a_clock_is_wrong_by_what_no_delay_explains(clock, error):
    assert _clock_error(clock, 1000.5, 1009.5) == error
