# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the private authority, and when it is replaced."""

from __future__ import annotations

import os

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._authority import (
    AuthorityError,
    AuthorityFolder,
    candidate,
    effective_constraints,
    require_names,
    warning_about,
)
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificate import CertificateError, constraints_of
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificate_names import constraints
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


def test_keys_can_be_read_by_their_owner_only(folder):
    authority = folder.opened(SECRET)
    for client in ("ada", "proof"):
        folder.make_client(client, authority, days=60, passphrase="for ada")
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
    authority = folder.opened(SECRET)
    assert folder.is_due("ada", 30)
    for client in ("ada", "proof"):
        folder.make_client(client, authority, days=60, passphrase="for ada")
        assert not folder.is_due(client, 30)
        assert folder.is_due(client, 59)
    os.unlink(folder.clients / "ada.p12")
    assert folder.is_due("ada", 30)
    folder.put(candidate(FLEET, SECRET))
    assert folder.is_due("proof", 30)
