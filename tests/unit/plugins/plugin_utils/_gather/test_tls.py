# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read on the controller and on the host before the role `tls` is planned."""

from __future__ import annotations

import dataclasses
import datetime
import json
import pathlib
import re
import time
import types

import pytest
import yaml
from ansible import constants
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates import _certificate, _certificate_make
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._authority import (
    AuthorityFolder,
    Candidate,
    candidate,
)
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._authority_change import (
    BOTH,
    MOVED,
    ONE,
    STAY,
    Authorities,
    Change,
)
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._certificate import Use, constraints_of
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._certificate_here import problem_of
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._certificate_names import constraints
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._client_files import ClientFolder
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._planned_certificates import prepare
from ansible_collections.pifleet.nodered.plugins.plugin_utils._gather import tls as gather
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan import tls
from ansible_collections.pifleet.nodered.tests.certificates import Authority, pem
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import (
    EMPTY,
    TLS_DEFAULTS,
    found,
    settings_with,
)

HOSTVARS = {"pi1": {"ansible_host": "192.168.1.2"}, "pi2": {"ansible_host": "203.0.113.4"}}
PASSPHRASE = "opens it"
AUTHORITY = {"nodered_tls_source": "authority", "nodered_tls_authority_passphrase": PASSPHRASE}
CLIENTS = {
    "nodered_tls_client_authority": "authority",
    "nodered_tls_client_users": ["ada"],
    "nodered_tls_client_passphrase": "for ada",
}
FILES = {"nodered_tls_source": "files", "nodered_tls_certificate": "/etc/pi.pem", "nodered_tls_key": "/etc/pi.key"}


@pytest.fixture
def controller(tmp_path, monkeypatch):
    """What is read for a host with these variables."""
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path / "run"))
    (tmp_path / "run").mkdir()

    class Controller:
        folder = AuthorityFolder(tmp_path / "authority")
        executed = []
        play = "a play"
        rotates = frozenset()
        answer = {"certificate": "PEM", "placed": True, "followed": False, "changed": False}

        def counted_module(self, _step, name, **arguments):
            self.executed.append((name, arguments))
            return self.answer

        def variables(self, more):
            return {
                "nodered_address": "192.168.1.2",
                "nodered_tls_authority_dir": str(self.folder.path),
                **TLS_DEFAULTS,
                **more,
            }

        def read(self, about=None, host="pi1", **variables):
            step = types.SimpleNamespace(
                play_id=self.play,
                task_vars={"hostvars": HOSTVARS},
                host=host,
                counted_module=self.counted_module,
            )
            about = dataclasses.replace(about or found(), rotates=self.rotates)
            read = gather.gather(step, about, self.variables(variables))
            assert json.loads(json.dumps(read)) == read, "it is kept as JSON"
            return read

        def planned(self, host="pi1", **variables):
            text = settings_with("https: '/etc/nodered-tls/nodered/current/key.pem'") if self.rotates else EMPTY
            about = found(text, host=host, clock=int(time.time()), controller=self.read(host=host, **variables))
            return tls.plan(about, self.variables(variables))

    return Controller()


def test_nothing_is_read_that_a_self_signed_certificate_does_not_need(controller):
    read = controller.read()
    assert read["inventory"]["own"] == ["pi1", "192.168.1.2"]
    assert read["inventory"]["others"] == ["pi2", "203.0.113.4"]
    assert (read["system_authorities"], read["files"], read["missing"], read["cannot_judge"]) == ("", {}, [], "")
    assert "authority" not in read
    assert controller.executed == []


def test_files_that_variables_name_are_read(controller, tmp_path):
    (tmp_path / "ca.pem").write_text("PEM\n")
    read = controller.read(nodered_tls_ca=str(tmp_path / "ca.pem"), nodered_tls_client_authority="/nowhere")
    assert (read["ca"], read["client_authority"], read["missing"]) == ("PEM", "", ["nodered_tls_client_authority"])


def test_a_new_authority_is_the_same_for_all_hosts_and_written_nowhere_but_in_the_run(controller):
    first = controller.read(**AUTHORITY, **CLIENTS)["authority"]
    second = controller.read(host="pi2", **AUTHORITY, **CLIENTS)["authority"]
    assert first == second
    assert (first["before"], first["due"], first["problem"]) == ("", ["ada", "proof"], "")
    assert "ENCRYPTED" in first["new"]["key"]
    assert not controller.folder.path.exists()


def test_what_was_planned_is_found_again_in_the_next_run(controller):
    plan = controller.planned(**AUTHORITY, **CLIENTS)
    assert plan.errors == []
    prepare(plan.certificate)
    read = controller.read(**AUTHORITY, **CLIENTS)["authority"]
    assert (read["before"], read["new"], read["due"]) == (controller.folder.certificate(), None, [])
    assert controller.planned(**AUTHORITY, **CLIENTS).certificate["authority"]["new"] is None


def given(key=None):
    made = candidate(constraints(["pi1", "192.168.1.2", "203.0.113.4"]), PASSPHRASE)
    texts = {"nodered_tls_authority_certificate": made.certificate, "nodered_tls_authority_key": key or made.key}
    return {**AUTHORITY, **CLIENTS, **texts}


def test_an_authority_that_is_given_needs_no_folder_and_makes_a_certificate_for_each_verification(controller):
    variables = given()
    read, again = (controller.read(**variables)["authority"] for _run in range(2))
    assert (read["new"], read["due"], read["problem"]) == (None, ["ada"], "")
    pair = read["proof"]
    assert pair["key"] != again["proof"]["key"]
    use = Use(authorities=read["before"], key=pair["key"], days_left=31, purpose="client")
    assert problem_of(pair["certificate"], use) == ""
    assert not controller.folder.path.exists()
    controller.folder.path.mkdir()
    controller.folder.certificate_file.write_text("another one")
    assert controller.read(**variables)["authority"]["before"] == read["before"]


def test_what_was_planned_with_a_given_authority_is_found_again_in_the_next_run(controller, tmp_path):
    variables = {**given(), "nodered_tls_client_dir": str(tmp_path / "kept")}
    prepare(controller.planned(**variables).certificate)
    assert (tmp_path / "kept" / "ada.p12").exists()
    assert not controller.folder.path.exists()
    assert controller.read(**variables)["authority"]["due"] == []


def test_a_given_authority_that_cannot_be_used_is_an_error_that_shows_nothing(controller):
    other = pem(Authority("Another").key)
    errors = controller.planned(**given(other)).errors
    assert "is not that of nodered_tls_authority_certificate" in errors[0]
    assert other.splitlines()[1] not in errors[0]
    replace = {"nodered_tls_authority_replace": True, "nodered_tls_authority_names": ["example.org"]}
    assert "cannot replace the authority in" in controller.planned(**given(), **replace).errors[0]


JOB = {"awx_job_id": 3}


def test_a_job_makes_no_authority_and_keeps_no_certificate_of_the_verification(controller):
    assert "would be lost when this run ends" in controller.planned(**AUTHORITY, **CLIENTS, **JOB).errors[0]
    prepare(controller.planned(**AUTHORITY, **CLIENTS).certificate)
    (controller.folder.clients / "proof.key").unlink()
    plan = controller.planned(**AUTHORITY, **CLIENTS, **JOB)
    assert plan.errors == []
    assert "BEGIN CERTIFICATE" in plan.checks["client_pair"]["certificate"]
    assert plan.certificate["authority"]["clients"] == {}


def test_a_job_makes_client_certificates_only_in_a_folder_that_is_kept(controller, monkeypatch, tmp_path):
    monkeypatch.setenv("AWX_PRIVATE_DATA_DIR", str(tmp_path / "job"))
    for folder, kept in ((None, False), (str(tmp_path / "job" / "project" / "clients"), False), ("/srv/clients", True)):
        plan = controller.planned(**given(), **({"nodered_tls_client_dir": folder} if folder else {}))
        assert bool(plan.errors) is not kept, folder
        assert kept or "The client certificates of ada, in" in plan.errors[0]


def test_a_job_with_a_self_signed_certificate_loses_nothing(controller):
    assert controller.planned(**JOB).errors == []


@pytest.mark.parametrize("renew_days", ["odd", float("nan"), float("inf"), -1])
def test_odd_days_are_left_to_the_plan(controller, renew_days):
    errors = controller.planned(**given(), nodered_tls_renew_days=renew_days).errors
    assert any("nodered_tls_renew_days" in error for error in errors)


def test_an_authority_without_constraints_is_replaced_on_request_only(controller):
    old = Authority("of 0.2.0")
    controller.folder.path.mkdir()
    controller.folder.certificate_file.write_text(old.certificate)
    controller.folder.key_file.write_text(pem(old.key, PASSPHRASE))
    assert controller.read(**AUTHORITY)["authority"]["new"] is None
    assert "no name constraints" in controller.planned(**AUTHORITY).warnings[0]
    read = controller.read(**AUTHORITY, nodered_tls_authority_replace="true")["authority"]
    assert read["new"]["certificate"] != read["before"] == old.certificate


@pytest.mark.parametrize("written", [False, True], ids=["of this run", "of an earlier run"])
def test_another_passphrase_than_that_of_the_authority_is_reported(controller, written):
    plan = controller.planned(**AUTHORITY)
    if written:
        prepare(plan.certificate)
    other = AUTHORITY | {"nodered_tls_authority_passphrase": "misspelled"}
    errors = controller.planned(host="pi2", **other).errors
    assert "cannot be opened with nodered_tls_authority_passphrase" in errors[0]
    assert "misspelled" not in str(errors)


@pytest.mark.parametrize("name", ["../ada", "", "proof", "a/b", "-x", ".hidden"])
def test_a_client_whose_name_is_no_file_name_is_an_error(controller, name):
    errors = controller.planned(**AUTHORITY, **CLIENTS | {"nodered_tls_client_users": [name]}).errors
    assert "nodered_tls_client_users" in errors[0]


def test_a_network_that_is_none_is_an_error(controller):
    assert (
        "which is no network" in controller.planned(**AUTHORITY, nodered_tls_authority_names=["1.2.3.4/24"]).errors[0]
    )


def test_an_authority_that_cannot_be_read_is_an_error(controller):
    controller.folder.certificate_file.mkdir(parents=True)
    assert "authority.pem on the controller cannot be used" in controller.planned(**AUTHORITY).errors[0]


def test_files_of_the_host_are_read_there_in_one_execution(controller):
    read = controller.read(**FILES)
    assert read["files"] == {"certificate": "PEM", "placed": True, "followed": False}
    arguments = {"service": "nodered", "certificate_file": "/etc/pi.pem", "key_file": "/etc/pi.key"}
    assert controller.executed == [("certificate_info", arguments)]
    controller.answer = {"failed": True, "msg": "/etc/pi.pem cannot be read."}
    assert controller.read(**FILES)["files"] == {"problem": "/etc/pi.pem cannot be read."}
    assert "BEGIN CERTIFICATE" in read["system_authorities"]


@pytest.mark.parametrize(
    "variables", [{"nodered_tls_key": "pi.key"}, {"nodered_tls_proxy_url": "https://pi/"}], ids=str
)
def test_the_host_is_not_asked_for_files_that_are_not_used(controller, variables):
    controller.read(**FILES | variables)
    assert controller.executed == []


def test_settings_that_cannot_be_read_are_left_to_the_plan(controller):
    assert controller.read(found(settings_with("https: { cert"))) == {}


def test_a_controller_that_cannot_judge_certificates_is_reported(controller, monkeypatch):
    monkeypatch.setattr(_certificate, "_IMPORT_ERROR", ImportError("No module named 'cryptography'"))
    assert "cryptography is missing" in controller.planned(**AUTHORITY).errors[0]


# A rotation of the private authority.

FLEET = ("pi1", "pi2")
ROTATE = {
    **{**AUTHORITY, **CLIENTS},
    "nodered_rotate_fleet": list(FLEET),
    "nodered_rotate_made_before": "2026-01-01",
}
LONG_AGO = datetime.datetime(2025, 12, 31, tzinfo=datetime.timezone.utc)


class Fleet:
    """Two hosts in a rotation; each run is a play of its own."""

    def __init__(self, controller):
        self.controller = controller
        self.authorities = Authorities(controller.folder)
        old = _certificate_make.Authority.new(constraints(["pi1", "192.168.1.2", "203.0.113.4"]), LONG_AGO)
        with controller.folder.locked():
            controller.folder.put(Candidate(old.pem, old.protected_key(PASSPHRASE)))
        self.old = old.pem

    def run(self, hosts=FLEET, *, verified=True, **variables):
        """The phase after a run that rotates the authority."""
        self.controller.rotates = frozenset(["authority"])
        self.controller.play = f"{self.controller.play}+"
        for host in hosts:
            plan = self.controller.planned(host=host, **ROTATE | variables)
            assert plan.errors == []
            change = Change(**self.controller.read(host=host, **ROTATE | variables)["authority"]["change"])
            if plan.certificate:
                prepare(plan.certificate)
            if verified:
                self.authorities.record(host, change)
        return self.phase

    def secure(self, **variables):
        self.controller.rotates = frozenset()
        for host in FLEET:
            plan = self.controller.planned(host=host, **AUTHORITY | CLIENTS | variables)
            assert plan.errors == []
            if plan.certificate:
                prepare(plan.certificate)
        return self.phase

    @property
    def phase(self):
        return self.authorities.present().phase

    def client(self):
        """Which authority has issued the .p12 file of ada."""
        text = (self.controller.folder.clients / "ada.pem").read_text()
        present = self.authorities.present()
        return [one for one in (present.issuer, present.beside) if one and is_issued_by(text, one)]


@pytest.fixture
def fleet(controller):
    return Fleet(controller)


def is_issued_by(certificate, authority):
    return problem_of(certificate, Use(authorities=authority, purpose="client")) == ""


def test_a_run_takes_one_step_for_all_hosts_and_secure_keeps_it(fleet):
    assert (fleet.secure(), fleet.phase) == (ONE, ONE)
    assert fleet.run() == BOTH
    assert fleet.secure() == BOTH
    assert fleet.client() == [fleet.old]
    present = fleet.authorities.present()
    assert fleet.run() == MOVED
    assert fleet.client() == [present.beside]
    assert fleet.secure() == MOVED
    assert fleet.client() == [present.beside]
    assert fleet.run() == ONE
    assert fleet.authorities.present().issuer == present.beside
    assert fleet.run() == ONE, "the new authority is not due"
    assert fleet.secure() == ONE


def test_a_host_that_was_left_out_keeps_the_old_authority_trusted(fleet):
    assert fleet.run(["pi1"]) == BOTH
    assert fleet.run(["pi1"]) == BOTH
    assert fleet.run(["pi2"]) == BOTH, "the host is reached in this run, so the next one goes on"
    assert fleet.run(["pi2"]) == MOVED
    assert fleet.run() == MOVED
    assert fleet.run(["pi1"]) == ONE
    now = {"nodered_rotate_made_before": datetime.datetime.now(datetime.timezone.utc).isoformat()}
    assert fleet.run(["pi1"], **now) == ONE, "pi2 still trusts the old one"
    assert fleet.run(["pi2"], **now) == ONE
    assert fleet.run(["pi1"], **now) == BOTH, "the next rotation"


def test_a_host_that_was_not_verified_has_not_reached_the_phase(fleet):
    assert fleet.run() == BOTH
    assert fleet.run() == MOVED
    assert fleet.run(verified=False) == ONE


def test_the_hosts_of_a_run_take_the_step_of_the_first_one(fleet):
    assert fleet.run(["pi1"]) == BOTH
    fleet.authorities.record("pi2", Change(STAY, *fleet.authorities.present()))
    assert fleet.run(["pi1"], verified=False) == MOVED
    assert fleet.run(["pi1", "pi2"]) == MOVED, "pi1 was not verified when the run began"


def test_check_mode_and_a_killed_run_write_nothing(fleet):
    before = fleet.authorities.present()
    fleet.controller.rotates = frozenset(["authority"])
    assert fleet.controller.planned(**ROTATE).certificate["authority"]["change"]["step"] == "begin"
    assert fleet.authorities.present() == before
    assert fleet.run() == BOTH


def test_an_authority_that_is_new_is_not_replaced(controller):
    prepare(controller.planned(**AUTHORITY, **CLIENTS).certificate)
    rotate = {**ROTATE, "nodered_rotate_made_before": None}
    controller.rotates = frozenset(["authority"])
    assert controller.read(**rotate)["authority"]["change"]["step"] == ""


def test_a_first_run_makes_the_authority_that_a_rotation_would_replace(controller):
    controller.rotates = frozenset(["authority"])
    read = controller.read(**ROTATE)["authority"]
    assert read["new"]
    assert (read["change"]["step"], read["change"]["issuer"]) == ("", read["new"]["certificate"])


def test_a_new_authority_can_certify_what_the_old_one_can_and_the_inventory_needs(fleet):
    fleet.run(nodered_tls_authority_names=["example.org"], nodered_tls_authority_replace=True)
    new = constraints_of(fleet.authorities.present().beside)
    assert new.allow("www.example.org")
    assert not constraints_of(fleet.old).lack(constraints(["203.0.113.4"]))
    assert new.allow("203.0.113.4")
    assert fleet.run(nodered_tls_authority_replace=True) == MOVED


def test_client_certificates_are_replaced_by_their_date(controller):
    prepare(controller.planned(**AUTHORITY, **CLIENTS).certificate)
    rotate = {**AUTHORITY, **CLIENTS}
    controller.rotates = frozenset(["clients"])
    assert controller.read(**rotate)["authority"]["due"] == []
    folder = ClientFolder(controller.folder.clients)
    old = controller.folder.opened(PASSPHRASE).client_pair(
        "ada", now=datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=3), days=397
    )
    (folder.path / "ada.pem").write_text(old.certificate)
    packed = (folder.path / "ada.p12").read_bytes()
    controller.rotates = frozenset()
    assert controller.read(**rotate)["authority"]["due"] == []
    controller.rotates = frozenset(["clients"])
    plan = controller.planned(**rotate)
    assert plan.certificate["lines"][0] == "new client certificates: ada"
    prepare(plan.certificate)
    assert (folder.path / "ada.p12").read_bytes() != packed
    packed = (folder.path / "ada.p12").read_bytes()
    prepare(plan.certificate)
    assert (folder.path / "ada.p12").read_bytes() == packed, "another host of the run"
    assert controller.read(**rotate)["authority"]["due"] == []


def test_an_authority_that_is_given_is_trusted_with_the_other_one(controller):
    other = candidate(constraints(["pi1", "192.168.1.2", "203.0.113.4"]), PASSPHRASE).certificate
    variables = {**given(), "nodered_tls_authority_trusted": other}
    change = controller.read(**variables)["authority"]["change"]
    assert change["beside"] == other
    assert other.strip() in controller.planned(**variables).certificate["client_authority"]
    controller.rotates = frozenset(["authority"])
    assert controller.read(**variables, nodered_rotate_fleet=list(FLEET))["authority"]["change"] == change, (
        "the variables decide"
    )
    controller.rotates = frozenset(["authority", "certificates"])
    rotation = controller.planned(**variables).details["rotation"]
    assert (rotation["authority"], rotation["both"], rotation["folder"]) == ({}, True, "")
    assert rotation["made_before"] > 0, "certificates are replaced by their date"
    assert not controller.folder.path.exists()


def test_the_variables_of_a_rotation_count_in_a_rotation_only(fleet):
    assert fleet.secure(**ROTATE) == ONE
    assert fleet.client() == [fleet.old]
    assert fleet.controller.planned(**ROTATE | {"nodered_rotate_made_before": "odd"}).errors == []


def test_a_rotation_with_variables_that_cannot_be_used_is_an_error(controller):
    controller.rotates = frozenset(["certificates"])
    errors = controller.planned(**ROTATE | {"nodered_rotate_made_before": "odd"}).errors
    assert "nodered_rotate_made_before must be a time" in errors[0]


PAGE = (pathlib.Path(__file__).parents[5] / "docs" / "rotate.md").read_text()
EXAMPLES = re.findall(r"```yaml\n# group_vars/nodered/authority.yml: .*?\n(.*?)```", PAGE, re.DOTALL)


def test_the_steps_of_the_page_exchange_an_authority_that_is_given_as_text(controller):
    old, new = (candidate(constraints(["pi1", "192.168.1.2", "203.0.113.4"]), PASSPHRASE) for _each in range(2))
    vault = {"vault_authority_passphrase": PASSPHRASE}
    for name, one in {"old": old, "new": new}.items():
        vault |= {f"vault_{name}_certificate": one.certificate, f"vault_{name}_key": one.key}
    first, second = (
        {name: vault.get(value.strip("{} "), value) for name, value in yaml.safe_load(example).items()}
        for example in EXAMPLES
    )
    third = {name: value for name, value in second.items() if name != "nodered_tls_authority_trusted"}
    for variables, issuer, beside in ((first, old, new), (second, new, old), (third, new, None)):
        plan = controller.planned(**{**variables, **CLIENTS})
        assert plan.errors == []
        assert plan.certificate["authority"]["before"] == issuer.certificate
        accepted = plan.certificate["client_authority"]
        assert [one.certificate.strip() in accepted for one in (old, new)] == [
            one in (issuer, beside) for one in (old, new)
        ]
