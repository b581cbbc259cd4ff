# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made on the controller immediately before it is sent."""

from __future__ import annotations

import threading

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates import _certificate, _planned_certificates
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._authority import AuthorityFolder, candidate
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._authority_change import ONE, STAY, Change
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._certificate import Use
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._certificate_here import problem_of
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._certificate_names import constraints
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._planned_certificates import (
    PreparationError,
    prepare,
)

PASSPHRASE = "opens it"
FLEET = constraints(["pi1"])
NEW = candidate(FLEET, PASSPHRASE)
NAMES = ["192.168.1.20", "pi1"]


@pytest.fixture
def folder(tmp_path):
    return AuthorityFolder(tmp_path / "authority")


def made(by):
    return {"made_by": by, "names": NAMES, "called": "pi1", "days": 397}


def planned(pair=None, authority=None, client_authority="", trusted=""):
    parts = {"pair": pair or {}, "authority": authority or {}, "client_authority": client_authority}
    return {**parts, "trusted": trusted, "lines": ["new certificate"]}


def authority(folder, *, before="", new=NEW, **different):
    kept = {"folder": str(folder.path), "before": before, "new": new._asdict() if new else None, "key": ""}
    kept |= {"change": Change(STAY, ONE, new.certificate if new else before, "")._asdict(), "made_before": 0}
    common = {"passphrase": PASSPHRASE, "client_passphrase": "for ada", "days": 397, "renew_days": 30}
    clients = {name: str(folder.clients) for name in different.pop("clients", ())}
    return {**kept, **common, "clients": clients, **different}


def test_a_self_signed_pair_is_trusted_with_the_one_before():
    request, checks = prepare(planned(made("selfsigned"), trusted="the one before"))
    assert problem_of(request["certificate"], Use(names=NAMES, key=request["key"])) == ""
    assert checks == {"authorities": f"the one before\n{request['certificate'].strip()}"}
    assert set(request) == {"certificate", "key"}


def test_a_new_authority_is_written_and_issues_the_pair(folder):
    request, checks = prepare(planned(made("authority"), authority(folder)))
    assert folder.certificate() == NEW.certificate
    assert problem_of(request["certificate"], Use(names=NAMES, authorities=NEW.certificate, key=request["key"])) == ""
    assert checks == {}, "the plan knows the authority already"


def test_an_authority_that_is_needed_for_clients_only_does_not_issue_the_pair(folder):
    request, checks = prepare(planned(made("selfsigned"), authority(folder, clients=["proof"])))
    assert _certificate.is_self_signed(request["certificate"])
    assert checks["authorities"] == request["certificate"].strip()
    assert (folder.clients / "proof.key").exists()


def test_the_hosts_of_a_run_share_a_new_authority_and_its_clients(folder):
    results, plan = [], planned(made("authority"), authority(folder, clients=["ada", "proof"]))
    forks = [threading.Thread(target=lambda: results.append(prepare(plan))) for _fork in range(4)]
    for fork in forks:
        fork.start()
    for fork in forks:
        fork.join()
    assert len(results) == 4
    assert not list(folder.path.glob("replaced-*"))
    for request, _checks in results:
        assert problem_of(request["certificate"], Use(names=NAMES, authorities=folder.certificate())) == ""
    client = (folder.clients / "ada.p12").read_bytes()
    prepare(plan)
    assert (folder.clients / "ada.p12").read_bytes() == client


def test_an_authority_that_is_replaced_is_kept(folder):
    prepare(planned(authority=authority(folder)))
    other = candidate(FLEET, PASSPHRASE)
    prepare(planned(authority=authority(folder, before=NEW.certificate, new=other)))
    assert folder.certificate() == other.certificate
    assert [path.read_text() for path in folder.path.glob("replaced-*/authority.pem")] == [NEW.certificate]


@pytest.mark.parametrize("new", [None, candidate(FLEET, PASSPHRASE)], ids=["used", "made"])
def test_an_authority_that_another_run_has_made_meanwhile_is_not_replaced(folder, new):
    prepare(planned(authority=authority(folder)))
    with pytest.raises(PreparationError, match="has changed since the run began"):
        prepare(planned(made("authority"), authority(folder, before="another", new=new)))
    assert folder.certificate() == NEW.certificate


def test_an_authority_that_cannot_be_opened_is_reported_without_the_passphrase(folder):
    prepare(planned(authority=authority(folder)))
    with pytest.raises(PreparationError, match="nodered_tls_authority_passphrase") as caught:
        prepare(planned(authority=authority(folder, before=NEW.certificate, new=None, passphrase="misspelled")))
    assert "misspelled" not in str(caught.value)


def test_a_folder_that_cannot_be_used_is_named(folder):
    folder.path.write_text("a file in its place")
    with pytest.raises(PreparationError, match=f"{folder.path} on the controller cannot be used"):
        prepare(planned(authority=authority(folder)))


@pytest.mark.parametrize(
    "pair",
    [
        {"certificate": "from the vault", "key": "likewise"},
        {"certificate_file": "/etc/pi.pem", "key_file": "/etc/pi.key", "checked": "text"},
        {},
    ],
    ids=["content", "files", "none"],
)
def test_a_pair_from_elsewhere_is_sent_as_it_was_planned(pair):
    assert prepare(planned(pair)) == (pair, {})
    request, _checks = prepare(planned(pair, client_authority="PEM"))
    assert request == {**pair, "client_authority": "PEM"}


def test_client_certificates_alone_send_nothing(folder):
    assert prepare(planned(authority=authority(folder, clients=["ada"]))) == ({}, {})
    assert (folder.clients / "ada.p12").exists()


def test_an_authority_that_is_given_issues_the_pair_and_is_written_nowhere(folder):
    as_text = authority(folder, before=NEW.certificate, new=None, key=NEW.key)
    request, _checks = prepare(planned(made("authority"), as_text))
    assert problem_of(request["certificate"], Use(names=NAMES, authorities=NEW.certificate, key=request["key"])) == ""
    assert not folder.path.exists()


def test_client_certificates_go_into_the_folder_of_each(folder, tmp_path):
    clients = {"ada": str(tmp_path / "kept"), "proof": str(folder.clients)}
    prepare(planned(authority={**authority(folder), "clients": clients}))
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["ada.p12", "ada.pem"]
    assert sorted(path.name for path in folder.clients.iterdir()) == ["proof.key", "proof.pem"]


def test_a_new_certificate_that_would_be_rejected_is_not_sent(monkeypatch):
    monkeypatch.setattr(_planned_certificates, "problem_of", lambda *_, **__: "the new certificate is bad")
    with pytest.raises(PreparationError, match="the new certificate is bad"):
        prepare(planned(made("selfsigned")))


def test_a_controller_that_cannot_make_certificates_is_reported(monkeypatch):
    monkeypatch.setattr(_certificate, "_IMPORT_ERROR", ImportError("No module named 'cryptography'"))
    with pytest.raises(PreparationError, match="cryptography is missing"):
        prepare(planned(made("selfsigned")))
