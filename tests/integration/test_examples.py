# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory, site playbook and pipelines of examples/, as their pages describe. AWX: test_ephemeral_controller.py."""

from __future__ import annotations

import json
import pathlib
import re
import shutil

import pytest
import yaml

from .fleet import CHECKOUT, Run

EXAMPLES = CHECKOUT / "examples"
# A collection has to work if everything else of it is deleted.
FOLDERS = ("meta", "playbooks", "plugins", "roles")
MACHINES = {"garage.local": "pi41", "greenhouse.local": "pi41-alex", "kitchen.local": "pi50"}
VAULT_PASSWORD = "opens the vault"
PASSWORDS = {f"vault_{name}": f"the password of {name}" for name in ("ada", "wall", "family")}


def console(page: str) -> list[str]:
    """The commands of a page, for a shell without a terminal."""
    blocks = re.findall(r"^```console\n(.*?)^```", (EXAMPLES / page).read_text(), re.MULTILINE | re.DOTALL)
    return [line.replace(" --ask-vault-pass", "") for block in blocks for line in block.splitlines()]


def github() -> str:
    (job,) = yaml.safe_load((EXAMPLES / "pipelines" / "github.yml").read_text())["jobs"].values()
    (command,) = [step["run"] for step in job["steps"] if step.get("name") == "Audit"]
    return command


def gitlab() -> str:
    (job,) = yaml.safe_load((EXAMPLES / "pipelines" / "gitlab.yml").read_text()).values()
    return "\n".join(job["script"])


@pytest.fixture
def repository(fleet, tmp_path) -> pathlib.Path:
    """A copy of the examples, with the addresses of the machines, and what the pipelines would install."""
    folder = tmp_path / "repository"
    shutil.copytree(EXAMPLES, folder)
    (folder / ".venv").symlink_to(CHECKOUT / ".venv")
    for name in FOLDERS:
        collection = folder / "collections" / "ansible_collections" / "pifleet" / "nodered"
        shutil.copytree(CHECKOUT / name, collection / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name, machine in MACHINES.items():
        variables = {**fleet.connection(machine), "nodered_ufw_manage": False, "nodered_restart_timeout": 60}
        own = folder / "inventory" / "host_vars" / name
        own.mkdir()
        (own / "connection.yml").write_text(yaml.safe_dump(variables))
        if (example := own.with_name(f"{name}.yml")).exists():
            example.rename(own / "main.yml")
    return folder


@pytest.fixture
def shell(fleet, repository, tmp_path):
    """Run a command in a folder of the repository, with the password of the vault."""
    vault_password = tmp_path / "vault-password"
    vault_password.write_text(VAULT_PASSWORD)

    def run(command: str, folder: str = ".", **environment: str) -> Run:
        own = {
            "ANSIBLE_COLLECTIONS_PATH": str(repository / "collections"),
            "ANSIBLE_VAULT_PASSWORD_FILE": str(vault_password),
        }
        return fleet.shell(command, repository / folder, **own, **environment)

    return run


def test_the_site_playbook_secures_and_the_pipelines_audit(fleet, repository, shell, pi41, pi50, alex, tmp_path):
    pis = {name: fleet.pis[machine] for name, machine in MACHINES.items()}
    check, apply = console("site/README.md")
    encrypt, graph = console("inventory/README.md")

    unfilled = shell(f"{check} --limit kitchen.local", "site")
    assert unfilled.failed
    assert unfilled.says("nodered_login_users", "password")

    (repository / "inventory" / "group_vars" / "nodered" / "vault.yml").write_text(yaml.safe_dump(PASSWORDS))
    assert not shell(encrypt, "inventory").failed
    assert set(re.findall(r"--(\w+\.local)", shell(graph, "inventory").output)) == set(pis)

    runner = {"RUNNER_TEMP": str(tmp_path), "VAULT_PASSWORD": VAULT_PASSWORD}
    before = shell(github(), **runner)
    assert before.failed
    assert before.says("The audit fails (nodered_audit_fail_on is high)")
    assert all("editor-open" in findings for findings in _findings(repository).values())
    assert (repository / "report" / "report.sarif").exists()

    assert not shell(check, "site").failed
    assert all(pi.is_open() for pi in pis.values())
    assert not shell(apply, "site").failed
    for name, pi in pis.items():
        assert pi.login("ada", PASSWORDS["vault_ada"], port=8881), name
        assert pi.get("/hello", port=8881).status == 401
        assert f'title: "{name}"' in pi.settings
    unchanged = shell(apply, "site")
    assert not unchanged.failed
    assert [counts["changed"] for counts in unchanged.recap.values()] == [0, 0, 0]

    assert not shell(gitlab()).failed
    assert set(_findings(repository)) == set(pis)
    assert (repository / "report" / "junit.xml").exists()


def _findings(repository: pathlib.Path) -> dict[str, set[str]]:
    """The checks that found something, by host."""
    report = json.loads((repository / "report" / "report.json").read_text())
    return {host["host"]: {finding["id"] for finding in host["findings"]} for host in report["hosts"]}
