# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module prints is printable, and no module goes around that."""

from __future__ import annotations

import ast
import pathlib

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core import _module
from ansible_collections.pifleet.nodered.tests.module_process import result_of

FOLDER = pathlib.Path(_module.__file__).parents[2] / "modules"
# The others only document an action plugin.
MODULES = sorted(path for path in FOLDER.glob("*.py") if "def main" in path.read_text())
HOSTILE = "a\x1b]0;b\x07\u202ec"
VISIBLE = "a\\x1b]0;b\\x07\\u202ec"


def end(call):
    """What a module prints that ends with this call."""
    program = f"""
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _background
from ansible_collections.pifleet.nodered.plugins.module_utils._core._module import Module
TEXT = {HOSTILE!r}
module = Module(argument_spec={{"known": {{"type": "str"}}}})
_background.warn(TEXT)
module.{call}
"""
    return result_of(["-"], {}, program)


def test_a_result_is_printable_with_its_warnings():
    result = end("exit_json(changed=True, **{TEXT: [{'name': TEXT}]})")
    assert result["changed"] is True
    assert result[VISIBLE] == [{"name": VISIBLE}]
    assert VISIBLE in str(result["warnings"]).replace("\\\\", "\\")


def test_an_error_is_printable():
    result = end("fail_json(TEXT, found=TEXT)")
    assert result["failed"] is True
    assert (result["msg"], result["found"]) == (VISIBLE, VISIBLE)
    assert end("fail_json(msg=TEXT)")["msg"] == VISIBLE


def test_a_module_tells_the_time_that_it_took_and_whether_that_was_too_much():
    program = """
import time
from ansible_collections.pifleet.nodered.plugins.module_utils._core._module import Module
module = Module(argument_spec={})
module.finish(lambda: time.sleep(SECONDS) or {"changed": False}, 0.5)
"""
    in_time = result_of(["-"], {}, "SECONDS = 0.2" + program)
    assert 0.1 < in_time["spent"] < 0.5 and in_time["waited"] == 0
    late = result_of(["-"], {}, "SECONDS = 5" + program)
    assert late["failed"] and late["out_of_time"] and late["spent"] >= 0.5


def imported(path):
    """The names that a file imports, with those of their modules."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_no_module_prints_by_itself(path):
    names = list(imported(path))
    assert f"{_module.__name__}.Module" in names
    assert not [name for name in names if "module_utils.basic" in name]
    calls = [ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    assert not {"print", "module.warn", "module.deprecate", "module.log"} & set(calls)
    assert not [call for call in calls if call.startswith("sys.std")]


def test_only_one_component_knows_ansibles_module_and_one_its_warnings():
    users = {path.stem: list(imported(path)) for path in pathlib.Path(_module.__file__).parents[1].rglob("*.py")}
    assert [stem for stem, names in users.items() if any("module_utils.basic" in name for name in names)] == ["_module"]
    assert [stem for stem, names in users.items() if any("common.warnings" in name for name in names)] == [
        "_background"
    ]
