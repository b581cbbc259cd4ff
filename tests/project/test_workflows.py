# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the workflows of a forge and the hooks of git run are commands of the Makefile. Their syntax: make lint."""

from __future__ import annotations

import pathlib
import re

import pytest
import yaml

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((CHECKOUT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))


def commands(job: dict[str, object]) -> list[str]:
    """What a job runs, once for each target of its matrix."""
    targets = job.get("strategy", {}).get("matrix", {}).get("target", [""])
    runs = [step["run"] for step in job.get("steps", []) if "run" in step]
    return [run.replace("${{ matrix.target }}", target) for run in runs for target in targets]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_runs_targets_of_the_makefile_and_nothing_else(path):
    jobs = yaml.safe_load(path.read_text())["jobs"].values()
    for command in [command for job in jobs for command in commands(job)]:
        target = re.fullmatch(r'(?:sudo )?make ([a-z-]+)(?: TAG="\$GITHUB_REF_NAME")?', command)
        assert target, command
        assert target[1] in TARGETS


def test_the_workflows_run_all_that_make_test_runs():
    makefile = (CHECKOUT / "Makefile").read_text()
    recipe = re.search(r"^test: .*\n((?:\t.*\n)+)", makefile, re.MULTILINE)[1]
    wanted = TARGETS & set(recipe.split())
    jobs = yaml.safe_load((CHECKOUT / ".github" / "workflows" / "test.yml").read_text())["jobs"].values()
    run = {command.split()[-1] for job in jobs for command in commands(job)}
    # make versions tests these two, and all between them.
    wanted = wanted - {"lowest", "newest"} | {"versions"}
    assert {"unit", "integration"} < wanted <= run


def test_the_hooks_of_git_run_targets_of_the_makefile():
    (repository,) = yaml.safe_load((CHECKOUT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    assert {hook["entry"].removeprefix("make ") for hook in repository["hooks"]} <= TARGETS
