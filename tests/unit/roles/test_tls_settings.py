# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role tls writes for which release of Node-RED and Node.js."""

from __future__ import annotations

import pathlib

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

ROLE = pathlib.Path(__file__).resolve().parents[3] / "roles" / "tls"


def written(node_red: str, node: str | None) -> dict[str, object]:
    loader = DataLoader()
    variables = {}
    for part in ("defaults", "vars"):
        variables |= loader.load_from_file(str(ROLE / part / "main.yml"), trusted_as_template=True)
    found = {"version": node_red, "node_version": node, "https": "none"}
    variables["__nodered_instance"] = found | {"tls": {"folder": "/etc/nodered-tls/nodered/current"}}
    variables["__nodered_settings_text"] = "module.exports = {};"
    return Templar(loader=loader, variables=variables).template(variables["__nodered_tls_settings"])


@pytest.mark.parametrize("node_red, node", [("1.1.0", "12.22.12"), ("4.1.15", "20.20.2"), ("5.0.7", None)])
def test_a_function_is_called_again_for_a_renewed_pair(node_red, node):
    settings = written(node_red, node)
    assert settings["https"]["$js"].startswith("function () {")
    assert 'minVersion: "TLSv1.2"' in settings["https"]["$js"]
    assert settings["httpsRefreshInterval"] == 1.0


@pytest.mark.parametrize("node_red, node", [("1.0.6", "12.22.12"), ("1.3.7", "10.24.1"), ("0.20.8", "8.17.0")])
def test_an_object_stands_where_nobody_would_call_a_function_again(node_red, node):
    settings = written(node_red, node)
    assert settings["https"]["$js"].startswith("(function () {")
    assert settings["https"]["$js"].endswith("})()")
    assert "httpsRefreshInterval" not in settings


def test_a_node_that_overlooks_min_version_is_told_in_its_own_way():
    old = written("1.0.6", "8.17.0")["https"]["$js"]
    assert "minVersion" not in old
    assert "SSL_OP_NO_TLSv1_1\n" in old
