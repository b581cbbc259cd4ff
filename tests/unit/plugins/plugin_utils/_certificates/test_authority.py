# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the private authority, and when it is replaced."""

from __future__ import annotations

import datetime
import os

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._authority import (
    AuthorityError,
    AuthorityFolder,
    candidate,
    effective_constraints,
    given,
    require_names,
    require_not_replaced,
    warning_about,
)
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._certificate import (
    CertificateError,
    Use,
    constraints_of,
)
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._certificate_here import problem_of
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._certificate_names import constraints
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._client_files import ClientFolder
from ansible_collections.pifleet.nodered.tests.certificates import Authority, pem
from cryptography.hazmat.primitives.asymmetric import ec

FLEET = constraints(["pi1"])
SECRET = "opens it"


@pytest.fixture
def folder(tmp_path):
    folder = AuthorityFolder(tmp_path / "new" / "authority")
    with folder.locked():
        folder.put(candidate(FLEET, SECRET))
    return folder


def unconstrained(folder):
    """As 0.2.0 has made them."""
    old = Authority("Node-RED fleet")
    folder.certificate_file.write_text(old.certificate)
    folder.key_file.write_text(pem(old.key, SECRET))


def files(folder):
    return {str(path.relative_to(folder.path)): path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}


def make(folder, *clients):
    place = ClientFolder(folder.clients)
    with place.locked():
        for client in clients:
            place.make(client, folder.opened(SECRET), days=60, passphrase="for ada")
    return place


def test_keys_can_be_read_by_their_owner_only(folder):
    make(folder, "ada", "proof")
    modes = {name: (folder.path / name).stat().st_mode & 0o777 for name in files(folder)}
    assert modes.pop("authority.pem") == 0o644
    clients = {f"clients/{name}" for name in ("ada.p12", "ada.pem", "proof.key", "proof.pem")}
    assert set(modes) == {"authority.key"} | clients
    assert set(modes.values()) == {0o600}
    assert (folder.path.stat().st_mode | folder.clients.stat().st_mode) & 0o077 == 0


def test_another_passphrase_is_rejected_and_not_shown(folder):
    with pytest.raises(AuthorityError, match="nodered_tls_authority_passphrase") as caught:
        folder.opened("a wrong one")
    assert "a wrong one" not in str(caught.value)


def test_a_key_of_another_authority_is_rejected(folder):
    folder.key_file.write_text(pem(ec.generate_private_key(ec.SECP256R1()), SECRET))
    with pytest.raises(AuthorityError, match="is not the key of authority.pem"):
        folder.opened(SECRET)


def test_an_authority_that_is_replaced_is_kept(folder):
    before = files(folder)
    folder.put(candidate(FLEET, SECRET))
    after = files(folder)
    kept = {os.path.basename(name): data for name, data in after.items() if name.startswith("replaced-")}
    assert kept == before
    assert after["authority.pem"] != before["authority.pem"]
    folder.opened(SECRET)


def test_a_run_that_ended_between_the_files_has_left_no_half_authority(folder):
    os.unlink(folder.certificate_file)
    assert effective_constraints(folder.certificate(), FLEET, replace=False) == (FLEET, True)
    folder.put(candidate(FLEET, SECRET))
    folder.opened(SECRET)


def test_an_authority_without_constraints_is_reported_and_replaced_on_request_only(folder):
    unconstrained(folder)
    assert "no name constraints" in warning_about(folder.certificate(), "here", FLEET)
    assert "nodered_tls_authority_replace: true" in warning_about(folder.certificate(), "here", FLEET)
    assert effective_constraints(folder.certificate(), FLEET, replace=False)[1] is False
    assert effective_constraints(folder.certificate(), FLEET, replace=True) == (FLEET, True)


def test_an_authority_that_lacks_a_name_is_reported_and_replaced_on_request_only(folder):
    wanted = constraints(["pi1", "pi2.example.org", "203.0.113.4"])
    assert "pi2.example.org, 203.0.113.4/32" in warning_about(folder.certificate(), "here", wanted)
    assert effective_constraints(folder.certificate(), wanted, replace=False) == (FLEET, False)
    effective, is_new = effective_constraints(folder.certificate(), constraints(["203.0.113.4"]), replace=True)
    assert is_new
    assert effective == constraints(["pi1", "203.0.113.4"]), "what it permitted before stays"


@pytest.mark.parametrize("replace", [False, True])
def test_a_good_authority_stays_whatever_is_requested(folder, replace):
    assert warning_about(folder.certificate(), "here", FLEET) == ""
    assert effective_constraints(folder.certificate(), FLEET, replace=replace) == (FLEET, False)
    assert constraints_of(folder.certificate()) == FLEET


def test_a_name_that_does_not_fit_is_rejected_with_a_remedy():
    require_names(FLEET, ["pi1", "10.0.0.1"])
    with pytest.raises(CertificateError, match=r"www\.mybank\.com, 8\.8\.8\.8(.|\n)*nodered_tls_authority_names"):
        require_names(FLEET, ["pi1.local", "www.mybank.com", "8.8.8.8"])


def test_a_client_certificate_is_due_when_it_is_missing_old_or_from_another_authority(folder):
    certificate = folder.certificate()
    assert ClientFolder(folder.clients).is_due("ada", certificate, 30)
    clients = make(folder, "ada", "proof")
    for client in ("ada", "proof"):
        assert not clients.is_due(client, certificate, 30)
        assert clients.is_due(client, certificate, 59)
    os.unlink(folder.clients / "ada.p12")
    assert clients.is_due("ada", certificate, 30)
    folder.put(candidate(FLEET, SECRET))
    assert clients.is_due("proof", folder.certificate(), 30)


# As text


NEW = candidate(FLEET, SECRET)
ELSEWHERE = Authority("Made by openssl")


@pytest.mark.parametrize(
    "certificate, key, passphrase",
    [
        (NEW.certificate, NEW.key, SECRET),
        (f"Subject: fleet\n{NEW.certificate}\n", f"\n{NEW.key}\n", SECRET),
        (ELSEWHERE.certificate, pem(ELSEWHERE.key), ""),
        (ELSEWHERE.certificate, pem(ELSEWHERE.key), "one that is not needed"),
    ],
    ids=["encrypted", "more text", "plain", "plain with a passphrase"],
)
def test_an_authority_can_be_given_as_text(certificate, key, passphrase):
    authority = given(certificate, key, passphrase)
    pair = authority.host_pair(["pi1"], called="pi1", now=datetime.datetime.now(datetime.timezone.utc), days=30)
    assert problem_of(pair.certificate, Use(names=["pi1"], authorities=certificate, key=pair.key)) == ""


@pytest.mark.parametrize(
    "certificate, key, passphrase, message",
    [
        (NEW.certificate, NEW.key, "misspelled", "nodered_tls_authority_key cannot be opened"),
        (NEW.certificate, NEW.key, "", "nodered_tls_authority_key cannot be opened"),
        (NEW.certificate, pem(ELSEWHERE.key), SECRET, "is not that of nodered_tls_authority_certificate"),
        (NEW.certificate, "", SECRET, "is no key in PEM form"),
        (NEW.certificate, "ü" + NEW.key[:40], SECRET, "is no key in PEM form"),
        (NEW.certificate + ELSEWHERE.certificate, NEW.key, SECRET, "must be one certificate"),
        (NEW.key, NEW.key, SECRET, "nodered_tls_authority_certificate is not a complete certificate"),
        ("", NEW.key, SECRET, "nodered_tls_authority_certificate is not a complete certificate"),
    ],
)
def test_texts_that_are_no_authority_are_rejected_and_not_shown(certificate, key, passphrase, message):
    with pytest.raises((AuthorityError, CertificateError), match=message) as caught:
        given(certificate, key, passphrase)
    lines = [line for line in (key + certificate).splitlines() if len(line) == 64]
    assert not any(line in str(caught.value) for line in lines)
    assert "misspelled" not in str(caught.value)


def test_an_authority_that_is_given_is_replaced_by_no_run():
    more = constraints(["pi1", "pi2.example.org"])
    require_not_replaced(NEW.certificate, more, replace=False)
    require_not_replaced(NEW.certificate, FLEET, replace=True)
    with pytest.raises(AuthorityError, match="nodered_tls_authority_replace: true cannot replace the authority in"):
        require_not_replaced(NEW.certificate, more, replace=True)
