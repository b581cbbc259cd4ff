# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided on the controller, and what it takes on the Pi."""

from __future__ import annotations

import types

import pytest
from ansible import constants
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.task import Task
from ansible.template import Templar
from ansible_collections.pifleet.nodered.plugins.action import certificate as action
from ansible_collections.pifleet.nodered.plugins.plugin_utils import _certificate
from ansible_collections.pifleet.nodered.plugins.plugin_utils._authority import AuthorityFolder
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificate_here import problem_of
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificate_names import constraints
from ansible_collections.pifleet.nodered.tests.certificates import Authority

AUTHORITY = Authority()
GOOD = AUTHORITY.issue("192.0.2.7")
FOLDER = "/etc/nodered-tls/nodered/current"


class Observed(action.ActionModule):
    """Does not connect: keeps what would have been run on the host."""

    def __init__(self, on_host=None, *, check_mode=False, **arguments):
        loader = DataLoader()
        task = Task()
        task.args = {"service": "nodered", "authorities": AUTHORITY.certificate, **arguments}
        task.check_mode = check_mode
        shell = types.SimpleNamespace(tmpdir=None)
        connection = types.SimpleNamespace(transport="ssh", become=None, _shell=shell)
        super().__init__(task, connection, None, loader, Templar(loader=loader), None)
        self.on_host = {"changed": True, "folder": FOLDER, "certificate": GOOD.certificate, **(on_host or {})}
        self.executed = []

    def _execute_module(self, **options):
        self.executed.append({**options, "check_mode": self._task.check_mode})
        return {**self.on_host, "invocation": {"module_args": options["module_args"]}}


def present(**changes):
    known = {"folder": FOLDER, "certificate": GOOD.certificate, "problem": "", "follows": False}
    return {**known, "client_authorities": [], **changes}


def text(**options):
    return {"certificate": GOOD.certificate, "key": GOOD.key, **options}


def test_what_is_there_already_costs_no_execution():
    module = Observed(**text(present=present()))
    assert module.run(task_vars={})["changed"] is False
    assert module.executed == []


@pytest.mark.parametrize(
    "changes",
    [
        {"certificate": None},
        {"certificate": AUTHORITY.issue("192.0.2.7").certificate},
        {"problem": "the key does not belong to the certificate"},
        {"follows": True},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_whatever_differs_is_written_in_one_execution(changes):
    module = Observed(**text(present=present(**changes)))
    result = module.run(task_vars={})
    assert result["changed"]
    assert len(module.executed) == 1
    assert "PRIVATE" not in str(result)


def test_another_authority_of_clients_is_written():
    module = Observed(**text(present=present(), client_authority=AUTHORITY.certificate))
    assert module.run(task_vars={})["changed"]


def test_an_authority_of_clients_that_cannot_be_read_is_refused():
    module = Observed(**text(client_authority="/etc/ca.pem"))
    assert "clients' authority" in module.run(task_vars={})["msg"]
    assert module.executed == []


def test_a_bad_certificate_never_reaches_the_host():
    module = Observed(**text(key=AUTHORITY.issue("192.0.2.7").key))
    result = module.run(task_vars={})
    assert "does not belong" in result["msg"]
    assert "PRIVATE" not in result["msg"]
    assert module.executed == []


def test_where_nothing_can_be_judged_nothing_is_written(monkeypatch):
    monkeypatch.setattr(_certificate, "_IMPORT_ERROR", ImportError("No module named 'cryptography'"))
    for module in (Observed(**text()), Observed(**text(client_authority=AUTHORITY.certificate))):
        result = module.run(task_vars={})
        assert result["failed"]
        assert "cryptography is missing on the controller" in result["msg"]
        assert module.executed == []


FILES = {"certificate_file": "/etc/pi.pem", "key_file": "/etc/pi.key"}


def test_files_are_looked_at_before_they_are_copied():
    module = Observed(**FILES, names=["192.0.2.7"])
    assert module.run(task_vars={})["changed"]
    assert [each["check_mode"] for each in module.executed] == [True, False]


def test_files_that_are_copied_already_cost_one_execution():
    module = Observed({"changed": False}, **FILES)
    assert not module.run(task_vars={})["changed"]
    assert len(module.executed) == 1


def test_a_bad_certificate_in_a_file_is_named_and_not_copied():
    module = Observed({"certificate": AUTHORITY.issue("example.org").certificate}, **FILES, names=["192.0.2.7"])
    assert "/etc/pi.pem is not made for 192.0.2.7" in module.run(task_vars={})["msg"]
    assert [each["check_mode"] for each in module.executed] == [True]


def test_check_mode_changes_nothing():
    module = Observed(check_mode=True, **FILES)
    assert module.run(task_vars={})["changed"]
    assert [each["check_mode"] for each in module.executed] == [True]


VARIABLES = {
    "inventory_hostname": "pi1",
    "hostvars": {"pi1": {"ansible_host": "192.168.1.2"}, "pi2": {"ansible_host": "192.168.1.3"}},
    "pair": {"certificate": GOOD.certificate, "key": GOOD.key},
    "vault_passphrase": "opens it",
}
HOSTILE = ["www.mybank.com", "8.8.8.8", "pi2", "192.168.1.3", "raspberrypi", "10.0.0.7"]


def test_a_pair_in_a_variable_is_read_here():
    module = Observed(pair_from="pair", present=present(certificate=None))
    result = module.run(task_vars=VARIABLES)
    assert result["changed"]
    assert module.executed[0]["module_args"]["key"] == GOOD.key
    assert "PRIVATE" not in str(result) + str(module._task.args)


@pytest.mark.parametrize("pair", [{"certificate": GOOD.certificate}, {"certificate": 1, "key": 2}, GOOD.key], ids=type)
def test_a_variable_that_has_no_pair_is_rejected_and_not_shown(pair):
    module = Observed(pair_from="pair", present=present())
    result = module.run(task_vars={"pair": pair})
    assert result["failed"]
    assert "pair" in result["msg"]
    assert "PRIVATE" not in result["msg"]


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Have a certificate made; the module that would have run on the host, and the result."""
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    folder = AuthorityFolder(tmp_path / "authority")
    with folder.locked():
        folder.make("opens it", constraints(["pi1", "pi2", "192.168.1.2"]))

    def made(by="authority", **options):
        options = {"names": ["192.168.1.2"], "present": present(certificate=None), "reported": HOSTILE, **options}
        options = {"authorities": folder.certificate(), **options}
        module = Observed(made_by=by, authority_folder=str(folder.path), passphrase_from="vault_passphrase", **options)
        return module, module.run(task_vars=VARIABLES)

    return made


def test_a_certificate_is_made_for_names_of_the_inventory_and_private_ones_that_are_reported(made):
    module, result = made("selfsigned", authorities="")
    own = ["192.168.1.2", "pi1", "localhost", "127.0.0.1"]
    assert result["names"] == [*own, "www.local", "raspberrypi", "raspberrypi.local", "10.0.0.7"]
    given = module.executed[0]["module_args"]
    assert problem_of(given["certificate"], names=result["names"], key=given["key"]) == ""
    assert "PRIVATE" not in str(result) + str(module._task.args)


def test_the_authority_leaves_out_what_a_host_reports_and_it_may_not_certify(made):
    module, result = made()
    assert result["names"] == [
        *("192.168.1.2", "pi1", "localhost", "127.0.0.1", "www.local", "raspberrypi.local", "10.0.0.7")
    ]
    assert result["reason"] == "there is none yet"


def test_a_name_that_the_authority_may_not_certify_is_rejected(made):
    module, result = made(names=["192.168.1.2", "www.mybank.com"])
    assert result["failed"]
    assert "nodered_tls_authority_names" in result["msg"]
    assert module.executed == []


def test_a_good_pair_costs_no_execution(made):
    module, _result = made()
    placed = present(certificate=module.executed[0]["module_args"]["certificate"])
    module, result = made(present=placed)
    assert (result["changed"], result["reason"], module.executed) == (False, "", [])
    module, result = made(present=placed, names=["192.168.1.2", "pi7.local"])
    assert "not made for pi7.local" in result["reason"]
    for changes, reason in (
        ({"problem": "it is damaged"}, "it is damaged"),
        ({"follows": True}, "it follows other files"),
    ):
        assert made(present={**placed, **changes})[1]["reason"] == reason
    assert (
        made(present=placed, client_authority=AUTHORITY.certificate)[1]["reason"]
        == "the authority of its clients is new"
    )
    assert made(present=placed, authorities="", check_mode=True)[1]["reason"] == "its authority is new"
    assert "no authority that is trusted" in made(present=present())[1]["reason"]


def test_check_mode_makes_nothing(made):
    module, result = made(check_mode=True)
    assert result["changed"]
    assert module.executed == []
