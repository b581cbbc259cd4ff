# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/interfaces.md lists the public interfaces that the code has: each of them, and no others."""

from __future__ import annotations

import ast
import pathlib
import re

import pytest
import yaml

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (CHECKOUT / "docs" / "interfaces.md").read_text()
KINDS = {"modules": "Modules", "filter": "Filters", "lookup": "Lookups"}


def section(title: str) -> str:
    """The text below this heading."""
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def items(title: str) -> dict[str, str]:
    """The items of the list in a section: name and text."""
    found = re.findall(r"^- `(\w[\w -]*)`:?((?:.*\n)(?:  .*\n)*)", section(title) + "\n", re.MULTILINE)
    return dict(found)


def words(text: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", text))


def names(kind: str) -> set[str]:
    return {path.stem for path in (CHECKOUT / "plugins" / kind).glob("*.py") if path.stem != "__init__"}


def documented(path: pathlib.Path, block: str) -> dict[str, object]:
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == block:
            return yaml.safe_load(ast.literal_eval(node.value)) or {}
    return {}


def options(path: pathlib.Path) -> set[str]:
    """The public options of a plugin, with those of the documentation fragments that it names."""
    found = set(documented(path, "DOCUMENTATION").get("options", {}))
    for fragment in fragments(path):
        name, _dot, part = fragment.removeprefix("pifleet.nodered.").partition(".")
        found |= set(fragment_options(name, part or "documentation"))
    return {name for name in found if not name.startswith("_")}


def fragments(path: pathlib.Path) -> list[str]:
    found = documented(path, "DOCUMENTATION").get("extends_documentation_fragment", [])
    return [found] if isinstance(found, str) else found


def private_modules() -> set[str]:
    return words(section("Not public").partition("They are steps")[0])


def fragment_options(name: str, part: str) -> dict[str, object]:
    source = ast.parse((CHECKOUT / "plugins" / "doc_fragments" / f"{name}.py").read_text())
    for node in ast.walk(source):
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id == part.upper()
        ):
            return (yaml.safe_load(ast.literal_eval(node.value)) or {}).get("options", {})
    raise AssertionError(f"{name} has no {part}")


@pytest.mark.parametrize("kind", KINDS)
def test_each_plugin_is_public_or_named_as_private(kind):
    private = private_modules() if kind == "modules" else set()
    public = set(items(KINDS[kind]))
    assert public | private == names(kind)
    assert not public & private


def test_the_documentation_of_a_private_module_says_so():
    modules = (CHECKOUT / "plugins" / "modules").glob("*.py")
    assert {path.stem for path in modules if "pifleet.nodered.attributes.step" in fragments(path)} == private_modules()


@pytest.mark.parametrize("kind", KINDS)
def test_the_options_and_results_of_each_public_plugin_are_listed(kind):
    for name, text in items(KINDS[kind]).items():
        path = CHECKOUT / "plugins" / kind / f"{name}.py"
        listed_options, _separator, listed_results = text.partition("; results")
        assert words(listed_options) == options(path), name
        assert words(listed_results) == (set(documented(path, "RETURN")) if kind == "modules" else set()), name


def test_the_variables_of_each_role_are_listed():
    roles = {path.name: path for path in (CHECKOUT / "roles").iterdir()}
    listed = items("Roles and their variables")
    assert set(listed) == set(roles)
    for name, text in listed.items():
        specs = yaml.safe_load((roles[name] / "meta" / "argument_specs.yml").read_text())["argument_specs"]
        assert words(text) == set(specs["main"]["options"]), name


def test_the_entry_points_of_roles_are_listed():
    text = section("Roles and their variables").partition("The entry points")[2].partition("`tasks_from")[0]
    files = {path.stem for path in CHECKOUT.glob("roles/*/tasks/*.yml")}
    assert words(text) - {"instance"} == files - {"check"}


def test_playbooks_and_their_tags_are_listed():
    listed = items("Playbooks")
    assert set(listed) == {path.stem for path in (CHECKOUT / "playbooks").glob("*.yml")}
    for name, text in listed.items():
        play = yaml.safe_load((CHECKOUT / "playbooks" / f"{name}.yml").read_text())[0]
        tags = {task["tags"] for task in play["tasks"] if task.get("tags")}
        assert words(text) - {"tags"} == tags - {"always"}, name


def test_handlers_are_listed():
    handlers = yaml.safe_load((CHECKOUT / "roles" / "instance" / "handlers" / "main.yml").read_text())
    assert set(items("Handlers")) == {handler.get("listen", handler["name"]) for handler in handlers}


def test_folders_on_the_controller_are_listed():
    variables = {
        name
        for path in CHECKOUT.glob("roles/*/meta/argument_specs.yml")
        for name in re.findall(r"^      (nodered_\w+_dir):$", path.read_text(), re.MULTILINE)
    }
    assert set(re.findall(r"^\| `(\w+)` \|", section("Files on the controller"), re.MULTILINE)) == variables


def test_all_modules_are_in_the_action_group():
    groups = yaml.safe_load((CHECKOUT / "meta" / "runtime.yml").read_text())["action_groups"]
    assert set(groups["nodered"]) == names("modules")


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_release_had_is_there_or_names_what_to_use_instead(kind):
    releases = yaml.safe_load((CHECKOUT / "changelogs" / "changelog.yaml").read_text())["releases"].values()
    entries = [entry for release in releases for entry in _listed(release, kind)]
    routing = yaml.safe_load((CHECKOUT / "meta" / "runtime.yml").read_text())["plugin_routing"].get(kind, {})
    removed = {entry["name"] for entry in entries} - names(kind)
    explained = {name for name, route in routing.items() if route["tombstone"]["warning_text"]}
    assert removed <= explained
    assert not explained & names(kind)


def _listed(release: dict[str, object], kind: str) -> list[dict[str, str]]:
    return release.get("modules", []) if kind == "modules" else release.get("plugins", {}).get(kind, [])
