# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports go one way, so a part can be read, tested and replaced without those that build on it."""

from __future__ import annotations

import ast
import importlib.util
import pathlib
from collections.abc import Iterator

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core import _module

PLUGINS = pathlib.Path(_module.__file__).parents[2]
NAME = "ansible_collections.pifleet.nodered.plugins"
FILES = sorted(PLUGINS.rglob("*.py"))

LAYERS = ["modules action filter lookup", "plugin_utils", "module_utils"]
# Packages of one line are independent of each other. `module_utils` is the code on the Pi.
PACKAGES = {
    "plugin_utils": [
        "_gather _audit _restore",
        "_run _report",
        "_plan",
        "_settings",
        "_js _passwords _certificates _firewall",
        "_core",
    ],
    "module_utils": ["_probe _firewall _change", "_instance", "_files", "_linux", "_core"],
}


def levels(layers: list[str]) -> dict[str, int]:
    return {name: level for level, line in enumerate(layers) for name in line.split()}


def imported(path: pathlib.Path) -> Iterator[tuple[str, ...]]:
    """What a file imports of this collection, as its path below plugins."""
    package = ".".join((NAME, *path.relative_to(PLUGINS).parent.parts))
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom):
            continue
        module = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
        if module.startswith(NAME + "."):
            for alias in node.names:
                yield (*module[len(NAME) + 1 :].split("."), alias.name)


def may_import(importer: tuple[str, ...], other: tuple[str, ...]) -> bool:
    level = levels(LAYERS)
    if importer[0] != other[0]:
        # An action plugin carries out the module of the same name, and knows its arguments.
        same = {importer[0], other[0]} == {"action", "modules"} and importer[1:] == other[1:2]
        return same or level[importer[0]] < level[other[0]]
    if importer[0] not in PACKAGES or importer[1] == other[1]:
        return True
    level = levels(PACKAGES[importer[0]])
    return level[importer[1]] < level[other[1]]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PLUGINS)))
def test_imports_go_one_way(path):
    importer = path.relative_to(PLUGINS).with_suffix("").parts
    if importer[0] != "doc_fragments":
        assert [other for other in imported(path) if not may_import(importer, other)] == []


@pytest.mark.parametrize("side", PACKAGES)
def test_all_shared_code_is_in_a_package(side):
    folders = [path for path in (PLUGINS / side).iterdir() if path.name != "__pycache__"]
    assert {path.name for path in folders} == set(levels(PACKAGES[side]))
    # Where one is missing, Ansible does not send the package.
    assert all((path / "__init__.py").is_file() for path in folders)
