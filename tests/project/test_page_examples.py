# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pages show to copy: names and values exist, playbooks get arguments that they know, and tests run the rest.

A block of other commands has a comment before it, which the reader does not see: `<!-- tested: FILE -->` names the test
that runs it, `<!-- outside: REASON -->` says why none can.
"""

from __future__ import annotations

import os
import pathlib
import re
import shlex
import subprocess
import typing
from collections.abc import Iterator

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._variable_names import VARIABLES

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
PAGES = [
    *(CHECKOUT / name for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md")),
    *sorted(page for page in (CHECKOUT / "docs").rglob("*.md") if page.parent.name != "site"),
    *sorted((CHECKOUT / "roles").glob("*/README.md")),
    *sorted((CHECKOUT / "examples").rglob("*.md")),
]
BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>tested|outside): (?P<by>[^>]+) -->\n+)?^```(?P<language>\w*)\n(?P<text>.*?)^```",
    re.MULTILINE | re.DOTALL,
)
SHELLS = {"", "bash", "console", "sh"}
# What is in a block without a language, too.
COMMAND = re.compile(
    r"^(?:sudo |\.venv/bin/)?(?:ansible|apt|bash|cat|cd|exit|git|make|mkdir|pip|python3|source|ssh|systemctl)\b"
)
HOSTS = ["kitchen", "pi.example.org"]


class Block(typing.NamedTuple):
    page: pathlib.Path
    mark: str
    by: str
    language: str
    text: str


def blocks() -> Iterator[Block]:
    for page in PAGES:
        for found in BLOCK.finditer(page.read_text()):
            yield Block(page, found["mark"] or "", found["by"] or "", found["language"], found["text"])


def name(page: pathlib.Path) -> str:
    return str(page.relative_to(CHECKOUT))


SHELL_BLOCKS = [one for one in blocks() if one.language in SHELLS - {""} or COMMAND.match(one.text)]
YAML_BLOCKS = [one for one in blocks() if one.language == "yaml"]
COMMANDS = [(block, line) for block in SHELL_BLOCKS for line in block.text.splitlines()]
OUR_PLAYBOOKS = sorted(
    {line for _page, line in COMMANDS if re.match(r"ansible-playbook .*pifleet\.nodered\.\w+", line)}
)


TESTED = {line for block, line in COMMANDS if block.mark == "tested"}


def ident(block: Block) -> str:
    return f"{name(block.page)}-{block.text.splitlines()[0][:40]}"


def is_run(line: str) -> bool:
    """Whether a test runs this command: one below, or one that runs the same of another page."""
    return line in OUR_PLAYBOOKS or line in TESTED or bool(re.fullmatch(r"make [a-z-]+", line))


@pytest.mark.parametrize("block", SHELL_BLOCKS, ids=ident)
def test_a_test_runs_each_command_or_the_page_names_the_reason(block):
    if block.mark == "tested":
        read = block.page.parent.name if block.page.name == "README.md" else block.page.name
        assert read in (CHECKOUT / block.by).read_text(), f"{block.by} does not read {name(block.page)}"
    elif block.mark != "outside":
        assert [line for line in block.text.splitlines() if not is_run(line)] == []


@pytest.mark.parametrize("command", OUR_PLAYBOOKS)
def test_a_playbook_gets_hosts_tags_and_variables_that_it_knows(command, tmp_path):
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump({"nodered": {"hosts": dict.fromkeys(HOSTS)}}))
    words = [word for word in shlex.split(command) if word != "--ask-vault-pass"]
    inventory = [] if "-i" in words else ["-i", "inventory.yml"]
    done = subprocess.run(
        [*words, *inventory, "--list-tasks"],
        cwd=tmp_path,
        env=os.environ | {"ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / "build" / "collections")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "TAGS:" in done.stdout
    for tags in re.findall(r"--tags (\S+)", command):
        for tag in tags.split(","):
            assert re.search(rf"TAGS: \[(?:.*, )?{tag}[,\]]", done.stdout), tag


def test_each_target_of_make_exists():
    targets = set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
    used = {line.split()[1] for _page, line in COMMANDS if line.startswith("make ")}
    assert used
    assert used <= targets


def test_each_variable_in_an_example_exists():
    shown = {
        (name(block.page), variable)
        for block in blocks()
        if block.language in {"yaml", "ini", *SHELLS} and block.language
        for variable in re.findall(r"(?<![\w.])nodered_\w+", block.text)
    }
    assert len(shown) > 50
    assert {one for one in shown if one[1] not in VARIABLES} == set()


def specs() -> dict[str, dict[str, object]]:
    """The argument specs of all roles as one."""
    found: dict[str, dict[str, object]] = {}
    for path in (CHECKOUT / "roles").glob("*/meta/argument_specs.yml"):
        found |= yaml.safe_load(path.read_text())["argument_specs"]["main"]["options"]
    return found


def variables_of(document: object) -> Iterator[dict[str, object]]:
    """Every mapping with variables of the roles, in variable files, inventories, plays and tasks."""
    if isinstance(document, dict):
        ours = {key: value for key, value in document.items() if str(key).startswith("nodered_")}
        if ours:
            yield ours
    for value in document.values() if isinstance(document, dict) else document if isinstance(document, list) else []:
        yield from variables_of(value)


def is_fixed(value: object) -> bool:
    return "{{" not in str(value)


@pytest.mark.parametrize("block", YAML_BLOCKS, ids=ident)
def test_the_variables_of_an_example_have_the_types_of_the_argument_specs(block):
    known = specs()
    for found in variables_of(yaml.safe_load(block.text)):
        fixed = {key: value for key, value in found.items() if is_fixed(value) and key in known}
        spec = {
            key: {option: value for option, value in known[key].items() if option in {"type", "elements", "choices"}}
            for key in fixed
        }
        result = ArgumentSpecValidator(spec).validate(fixed)
        assert result.error_messages == []


def modules_of(document: object) -> Iterator[tuple[str, object]]:
    if isinstance(document, dict):
        yield from (
            (key.rpartition(".")[2], value)
            for key, value in document.items()
            if str(key).startswith("pifleet.nodered.")
        )
    for value in document.values() if isinstance(document, dict) else document if isinstance(document, list) else []:
        yield from modules_of(value)


def test_the_modules_of_an_example_have_the_options_that_it_sets():
    used = [(block.page, *one) for block in YAML_BLOCKS for one in modules_of(yaml.safe_load(block.text))]
    assert used
    for page, module, options in used:
        source = (CHECKOUT / "plugins" / "modules" / f"{module}.py").read_text()
        documentation = yaml.safe_load(
            re.search(r'^DOCUMENTATION = r?"""(.*?)^"""', source, re.MULTILINE | re.DOTALL)[1]
        )
        assert set(options or {}) <= set(documentation["options"]), name(page)
