# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which versions are tested, and how the tables of them get into the documentation."""

from __future__ import annotations

import datetime
import re
import subprocess
import sys

import pytest
import yaml
from ansible_collections.pifleet.nodered.tests import generated, versions

BELOW_3_14 = '; python_version < "3.14"'
LOWEST = f"ansible-core==2.17.0\nbcrypt==4.2.0\npytest==9.2.0\ntree-sitter==0.25.0{BELOW_3_14}\n"


def test_each_target_replaces_its_own_part_of_the_page():
    page = generated.replaced(generated.replaced("# Page\n", "matrix", "one\n"), "versions", "two\n")
    changed = generated.replaced(page, "matrix", "three\n")
    assert changed == page.replace("one", "three")
    assert generated.replaced(changed, "matrix", "one\n") == page


def test_the_page_has_a_part_of_each_target():
    page = generated.PAGE.read_text()
    assert re.findall(r"^<!-- (.*) -->$", page, re.MULTILINE) == [
        *("make matrix", "end of make matrix"),
        *("make versions", "end of make versions"),
    ]


@pytest.mark.parametrize(
    "core, libraries, expected",
    [
        ("2.17", "lowest", ["ansible-core==2.17.0", "bcrypt==4.2.0", "tree-sitter==0.25.0" + BELOW_3_14]),
        ("2.17", "newest", ["ansible-core~=2.17.0", "bcrypt", "tree-sitter" + BELOW_3_14]),
        (
            "2.22",
            "lowest",
            ["ansible-core~=2.22.0rc1", "bcrypt==4.2.0", "tree-sitter==0.25.0" + BELOW_3_14],
        ),
    ],
)
def test_libraries_have_the_lowest_or_the_newest_version(core, libraries, expected):
    lines = versions.wanted(LOWEST, core, libraries).splitlines()
    assert [line for line in lines if not line.startswith(versions.TOOLS)] == expected
    assert "pytest" in lines


@pytest.mark.parametrize(
    "core, python, libraries, expected",
    [
        ("2.17", "3.11", "lowest", versions.CONTROLLER),
        ("2.18", "3.11", "lowest", versions.CORE_ALONE),
        ("2.18", "3.11", "newest", versions.CORE_ALONE),
        ("2.19", "3.11", "newest", versions.EVERYTHING),
        ("2.21", "3.13", "newest", versions.CORE_ALONE),
    ],
)
def test_what_does_not_depend_on_ansible_core_is_tested_once_with_each_python_and_age_of_libraries(
    core, python, libraries, expected
):
    assert versions.tests_of(core, python, libraries) == expected


IMPORTED = """
import importlib, pathlib, sys
for package in sys.argv[1:]:
    for file in pathlib.Path("plugins/plugin_utils", package).glob("*.py"):
        importlib.import_module(f"ansible_collections.pifleet.nodered.plugins.plugin_utils.{package}.{file.stem}")
print([name for name in sys.modules if name.partition(".")[0] == "ansible"])
"""


def test_what_is_tested_without_ansible_core_does_not_import_it():
    command = [sys.executable, "-c", IMPORTED, *versions.WITHOUT_CORE]
    path = {"PYTHONPATH": str(versions.CHECKOUT / "build" / "collections")}
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=versions.CHECKOUT, env=path)
    assert done.stdout == "[]\n"


def test_the_lowest_versions_are_those_that_are_promised():
    promised = (versions.CHECKOUT / "meta" / "requirements.txt").read_text()
    lowest = versions.LOWEST.read_text()
    bounds = re.findall(r"([\w-]+)>=([\d.]+)", promised)
    assert bounds
    assert [
        f"{name}=={bound}" for name, bound in bounds if not re.search(rf"^{name}=={bound}\b", lowest, re.MULTILINE)
    ] == []
    runtime = yaml.safe_load((versions.CHECKOUT / "meta" / "runtime.yml").read_text())
    assert f"ansible-core{runtime['requires_ansible'].replace('>=', '==')}" in lowest.split()
    assert f"{next(iter(versions.CORES))}.0" in runtime["requires_ansible"]


@pytest.mark.parametrize(
    "line, counts",
    [
        ("4121 passed, 3 warnings in 65.20s (0:01:05)", "4121 passed"),
        ("= 1 failed, 4120 passed, 2 skipped, 1 error in 65.20s =", "1 failed, 4120 passed, 1 error"),
        ("no tests ran in 0.01s", "error: no test ran"),
    ],
)
def test_the_table_has_the_counts_of_pytest(line, counts):
    assert versions.outcome(f"....\n{line}\n") == counts


def test_a_python_that_cannot_be_had_is_named():
    rows = [versions.Row("2.17.0", "3.11.2", "lowest", "4121 passed", "passed")]
    page = versions.part(rows, datetime.date(2026, 11, 30))
    assert "| 2.17.0 | 3.11.2 | lowest | 4121 passed | passed |" in page
    assert "no Python 3.10 and 3.12 and 3.13 and 3.14" in page


@pytest.mark.parametrize(
    "tests, sanity", [("1 failed, 7 passed", ""), ("7 passed", "failed"), ("error: no test ran", "")]
)
def test_a_failure_fails_the_run(tests, sanity):
    assert not versions.Row("2.17.0", "3.11.2", "lowest", tests, sanity).passed
    assert versions.Row("2.17.0", "3.11.2", "lowest", "7 passed", "passed").passed
