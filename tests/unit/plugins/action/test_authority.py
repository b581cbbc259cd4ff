# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The private authority on the controller: what a run makes, warns of and rejects."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import types

import pytest
from ansible import constants
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.task import Task
from ansible.template import Templar
from ansible_collections.pifleet.nodered.plugins.action import authority as action
from ansible_collections.pifleet.nodered.plugins.plugin_utils import _certificate
from ansible_collections.pifleet.nodered.tests.certificates import Authority, pem

SECRETS = {"vault_authority": "opens the authority", "vault_clients": "opens the clients"}
HOSTVARS = {"pi1": {"ansible_host": "192.168.1.2"}, "pi2": {"ansible_host": "203.0.113.4"}}


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))

    def run(*, check_mode=False, variables=None, **arguments):
        loader = DataLoader()
        task = Task()
        task.args = {"folder": str(tmp_path / "authority"), "passphrase_from": "vault_authority", **arguments}
        task.check_mode = check_mode
        connection = types.SimpleNamespace(transport="ssh", become=None, _shell=types.SimpleNamespace(tmpdir=None))
        module = action.ActionModule(task, connection, None, loader, Templar(loader=loader), None)
        return module.run(task_vars={"hostvars": HOSTVARS, "inventory_hostname": "pi1", **SECRETS, **(variables or {})})

    return run


def test_the_authority_is_made_once(run, tmp_path):
    first = run(needs=["192.168.1.2", "pi1", "203.0.113.4"])
    assert (first["changed"], first["made"], first["warnings"]) == (True, True, [])
    second = run()
    assert (second["changed"], second["certificate"]) == (False, first["certificate"])
    assert all(secret not in str(first) for secret in (*SECRETS.values(), "PRIVATE"))


def test_check_mode_writes_nothing(run, tmp_path):
    found = run(check_mode=True, verification=True, clients=["ada"], client_passphrase_from="vault_clients")
    assert (found["changed"], found["certificate"], found["clients"]) == (True, "", ["ada", "proof"])
    assert not (tmp_path / "authority").exists()


def test_clients_are_made_once(run, tmp_path):
    wanted = {"clients": ["ada"], "client_passphrase_from": "vault_clients", "verification": True}
    assert run(**wanted)["clients"] == ["ada", "proof"]
    assert run(**wanted)["changed"] is False
    assert (tmp_path / "authority" / "clients" / "ada.p12").exists()


@pytest.mark.parametrize("name", ["../ada", "", "proof", "a/b", "-x", ".hidden"])
def test_a_client_whose_name_is_no_file_name_is_rejected(run, tmp_path, name):
    found = run(clients=[name], client_passphrase_from="vault_clients")
    assert found["failed"]
    assert "nodered_tls_client_users" in found["msg"]


def test_a_name_that_the_authority_may_not_certify_is_rejected_before_anything_is_written(run, tmp_path):
    for name in ("www.mybank.com", "8.8.8.8"):
        found = run(needs=[name])
        assert found["failed"]
        assert f"is not allowed to make a certificate for {name}" in found["msg"]
    assert not (tmp_path / "authority" / "authority.pem").exists()
    assert run(needs=["www.example.org", "8.8.8.8"], permit=["example.org", "8.8.8.0/24"])["made"]


def test_an_authority_without_constraints_is_reported_and_replaced_on_request(run, tmp_path):
    old = Authority("of 0.2.0")
    run()
    (tmp_path / "authority" / "authority.pem").write_text(old.certificate)
    (tmp_path / "authority" / "authority.key").write_text(pem(old.key, SECRETS["vault_authority"]))
    kept = run()
    assert (kept["changed"], kept["certificate"]) == (False, old.certificate)
    assert "no name constraints" in kept["warnings"][0]
    assert run(check_mode=True, replace=True, verification=True)["certificate"] == ""
    replaced = run(replace=True, verification=True)
    assert replaced["made"]
    assert replaced["certificate"] not in ("", old.certificate)
    assert run(replace=True, verification=True)["changed"] is False


@pytest.mark.parametrize("arguments", [{}, {"replace": True}], ids=str)
def test_a_wrong_passphrase_is_rejected_before_anything_is_written(run, arguments):
    before = run()["certificate"]
    found = run(variables={"vault_authority": "misspelled"}, permit=["example.org"], **arguments)
    assert found["failed"]
    assert "nodered_tls_authority_passphrase" in found["msg"]
    assert "misspelled" not in str(found)
    assert run()["certificate"] == before


@pytest.mark.parametrize(
    "variables, said",
    [({"vault_authority": ""}, "is empty"), ({"vault_authority": 1234}, "must be text"), ({}, "not defined")],
    ids=["empty", "number", "undefined"],
)
def test_a_passphrase_that_is_none_is_rejected(run, variables, said):
    found = run(variables=variables, passphrase_from="vault_authority" if variables else "nowhere")
    assert found["failed"]
    assert said in found["msg"]


def test_a_controller_that_cannot_make_certificates_says_so(run, monkeypatch):
    monkeypatch.setattr(_certificate, "_IMPORT_ERROR", ImportError("No module named 'cryptography'"))
    assert "cryptography is missing" in run()["msg"]


def test_the_actions_can_be_loaded_without_the_library():
    """Else nobody would be told which one is missing."""
    program = (
        "import sys\nsys.modules['cryptography'] = None\n"
        "from ansible_collections.pifleet.nodered.plugins.action import authority, certificate\n"
        "authority.require_judgement_here()"
    )
    environment = os.environ | {"PYTHONPATH": str(pathlib.Path(action.__file__).parents[5])}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert "the Python library cryptography is missing on the controller" in done.stderr
