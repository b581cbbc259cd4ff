# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The private authority of two machines is rotated while client certificates are in use."""

from __future__ import annotations

import datetime
import http.client
import re
import ssl

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from .fleet import CHECKOUT

PAGE = (CHECKOUT / "docs" / "rotate.md").read_text()
FLEET = ["pi41", "pi50"]
BOTH = ",".join(FLEET)
SECRETS = {
    "nodered_tls_authority_passphrase": "opens the authority",
    "nodered_tls_client_passphrase": "opens that of ada",
}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "authority"


@pytest.fixture
def variables(folder, passwords):
    return {
        "nodered_hosts": BOTH,
        "nodered_serial": 2,
        "nodered_login_password_dir": str(passwords),
        "nodered_restart_timeout": 60,
        "nodered_tls_source": "authority",
        "nodered_tls_authority_dir": str(folder),
        "nodered_tls_client_authority": "authority",
        "nodered_tls_client_users": ["ada"],
        # Every 3.6 seconds.
        "nodered_tls_refresh_hours": 0.001,
        **SECRETS,
    }


@pytest.fixture
def rotate(fleet, variables):
    """The example of the page."""
    (options,) = re.findall(r"pifleet\.nodered\.rotate (-e nodered_rotate=authority)$", PAGE, re.MULTILINE)

    def run(*more, limit=BOTH):
        done = fleet.play("rotate", "-vvv", *options.split(), *more, variables=variables, limit=limit)
        assert not done.failed
        assert not [secret for secret in ("PRIVATE KEY", *SECRETS.values()) if secret in done.output]
        return done

    return run


@pytest.fixture
def client(folder, tmp_path):
    """Files with the client certificate that ada has installed now."""

    def install(name):
        data, passphrase = (folder / "clients" / "ada.p12").read_bytes(), SECRETS["nodered_tls_client_passphrase"]
        key, certificate, _more = pkcs12.load_key_and_certificates(data, passphrase.encode())
        form = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        (tmp_path / name).write_bytes(pem + key.private_bytes(serialization.Encoding.PEM, *form))
        return tmp_path / name

    return install


def gets_in(pi, client, authority):
    """Whether a browser with this client certificate, which trusts this authority, gets an answer."""
    context = ssl.create_default_context(cadata=authority)
    context.load_cert_chain(client)
    connection = http.client.HTTPSConnection(pi.address, 1880, timeout=10, context=context)
    try:
        connection.request("GET", "/auth/login")
        return connection.getresponse().status == 200
    except ssl.SSLCertVerificationError:
        raise
    except (ssl.SSLError, ConnectionError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def test_the_authority_is_rotated_while_client_certificates_are_in_use(
    pi41, pi50, fleet, variables, rotate, client, folder
):
    pis = [pi41, pi50]
    assert not fleet.play(["login", "tls"], variables=variables, limit=BOTH).failed
    old, first = (folder / "authority.pem").read_text(), client("first")
    assert all(gets_in(pi, first, old) for pi in pis)

    # By default, an authority of today is new enough.
    variables["nodered_rotate_made_before"] = datetime.datetime.now(datetime.timezone.utc).isoformat()
    # One host is left out.
    run = rotate(limit="pi41")
    assert run.says("pi41: certificate old, expires 20", "authority both", "not done yet on pi50.")
    new = (folder / "next" / "authority.pem").read_text()
    assert rotate().says("step 1 of 3", "done on all hosts", f"Install {folder}/next/authority.pem")
    assert (folder / "next" / "authority.pem").read_text() == new
    assert all(gets_in(pi, first, old) for pi in pis)
    between = fleet.play(["login", "tls"], variables=variables, limit=BOTH)
    assert [between.recap[name]["changed"] for name in FLEET] == [0, 0]

    pids = [pi.main_pid() for pi in pis]
    run = rotate()
    assert run.says(
        "pi41: certificate new, expires 20", "pi50: certificate new", "in use; authority both", "step 2 of 3"
    )
    assert [pi.main_pid() for pi in pis] == pids, "the new certificate is read without a restart"
    second = client("second")
    assert all(gets_in(pi, one, new) for pi in pis for one in (first, second))

    run = rotate()
    assert run.says("in use; authority new", "step 3 of 3", "done on all hosts")
    assert all(gets_in(pi, second, new) for pi in pis)
    assert not any(gets_in(pi, first, new) for pi in pis)
    assert (folder / "authority.pem").read_text() == new
    assert [path.read_text() for path in folder.glob("replaced-*/authority.pem")] == [old]
