# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a role's defaults, argument spec and README say of its variables is the same."""

from __future__ import annotations

import pathlib
import re

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._variable_names import VARIABLES

ROLES = sorted((pathlib.Path(__file__).parents[3] / "roles").iterdir())
NAMES = [role.name for role in ROLES]


def spec(role: pathlib.Path) -> dict[str, dict[str, object]]:
    return yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]


def defaults(role: pathlib.Path) -> dict[str, object]:
    return yaml.safe_load((role / "defaults" / "main.yml").read_text()) or {}


def defaults_comments(role: pathlib.Path) -> set[str]:
    """The variables without a default, which the defaults file names in a comment."""
    return set(re.findall(r"^# (nodered_\w+):", (role / "defaults" / "main.yml").read_text(), re.MULTILINE))


def readme_rows(role: pathlib.Path) -> dict[str, str]:
    rows = re.findall(r"^\| `(nodered_\w+)` \| [^|]+ \| ([^|]+) \|", (role / "README.md").read_text(), re.MULTILINE)
    return dict(rows)


@pytest.mark.parametrize("role", ROLES, ids=NAMES)
def test_argument_spec_and_readme_list_the_same_variables(role):
    assert set(spec(role)) == set(readme_rows(role))


@pytest.mark.parametrize("role", ROLES, ids=NAMES)
def test_every_variable_stands_in_the_defaults_file_with_a_value_or_in_a_comment(role):
    assert set(spec(role)) == set(defaults(role)) | defaults_comments(role)


@pytest.mark.parametrize("role", ROLES, ids=NAMES)
def test_argument_spec_and_defaults_give_the_same_default(role):
    specified = {name: option["default"] for name, option in spec(role).items() if "default" in option}
    assert specified == defaults(role)


@pytest.mark.parametrize("role", ROLES, ids=NAMES)
def test_a_simple_default_is_what_the_readme_shows(role):
    for name, value in defaults(role).items():
        if isinstance(value, (bool, int, list)):
            assert readme_rows(role)[name].strip() == f"`{str(value).lower()}`", name


@pytest.mark.parametrize("role", ROLES, ids=NAMES)
def test_every_description_is_text(role):
    """A colon and a space make a dictionary of it."""
    for entry in yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())["argument_specs"].values():
        options = [option["description"] for option in entry["options"].values()]
        for lines in (entry.get("description", []), *options):
            assert all(isinstance(line, str) for line in lines), lines


@pytest.mark.parametrize("role", ROLES, ids=NAMES)
def test_public_variables_begin_with_the_prefix_of_the_product(role):
    assert all(name.startswith("nodered_") for name in spec(role))


@pytest.mark.parametrize("role", ROLES, ids=NAMES)
def test_check_takes_the_same_variables_as_main(role):
    specs = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    assert specs.get("check", specs["main"])["options"] == specs["main"]["options"]


@pytest.mark.parametrize("users", [{"ada": {"password": "x"}}, "ada", 7, [["ada", "x"]]])
def test_users_in_another_form_reach_the_plan_whose_error_is_short(users):
    """ansible-core would name a Python type, and print the whole argument spec of the role."""
    login = next(role for role in ROLES if role.name == "login")
    assert ArgumentSpecValidator(spec(login)).validate({"nodered_login_users": users}).error_messages == []


def test_the_list_for_misspelled_names_has_every_public_variable():
    playbook = (ROLES[0].parent.parent / "playbooks" / "secure.yml").read_text()
    public = {name for role in ROLES for name in spec(role)} | set(re.findall(r"(?<!_)\bnodered_[a-z_]+", playbook))
    assert set(VARIABLES) == public


def tasks(found: object) -> list[dict[str, object]]:
    """Every task in a task file, blocks opened."""
    nested = [task for one in found for key in ("block", "rescue", "always") for task in tasks(one.get(key) or [])]
    return [*found, *nested]


def may_remount(module: str) -> bool:
    """Whether the module's argument spec has the option `remount`."""
    return '"remount":' in (ROLES[0].parent.parent / "plugins" / "modules" / f"{module}.py").read_text()


@pytest.mark.parametrize("role", ROLES, ids=NAMES)
def test_whatever_writes_is_told_whether_it_may_remount(role):
    for path in [*role.glob("tasks/*.yml"), *role.glob("handlers/*.yml")]:
        for task in tasks(yaml.safe_load(path.read_text())):
            for name in task:
                module = name.removeprefix("pifleet.nodered.")
                if module != name and not task.get("check_mode") and may_remount(module):
                    assert task[name].get("remount") == "{{ nodered_remount }}", f"{path.name}: {task['name']}"
