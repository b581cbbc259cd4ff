# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible sends to a Pi needs Python 3.8 and its standard library, and nothing else."""

from __future__ import annotations

import ast
import importlib.util
import pathlib
import sys
from collections.abc import Iterator

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core import _module

PLUGINS = pathlib.Path(_module.__file__).parents[2]
PACKAGE = "ansible_collections.pifleet.nodered.plugins"
SHIPPED = [path for folder in ("module_utils", "modules") for path in sorted((PLUGINS / folder).rglob("*.py"))]
# Ansible sends these along; at boot, where there is no Ansible, the second is not needed.
FROM_ANSIBLE = {
    "module_utils/_core/_module.py": "ansible.module_utils.basic",
    "module_utils/_linux/_background.py": "ansible.module_utils.common",
}


def imported(path: pathlib.Path) -> Iterator[str]:
    package = ".".join((PACKAGE, *path.relative_to(PLUGINS).parent.parts))
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield importlib.util.resolve_name("." * node.level + (node.module or ""), package)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(PLUGINS)))
def test_the_code_on_the_pi_is_python_3_8_without_more(path):
    ast.parse(path.read_text(), feature_version=(3, 8))
    own = (PACKAGE + ".module_utils.", FROM_ANSIBLE.get(str(path.relative_to(PLUGINS)), "."))
    others = [name for name in imported(path) if name.partition(".")[0] not in sys.stdlib_module_names]
    assert [name for name in others if not name.startswith(own)] == []
