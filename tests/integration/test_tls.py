# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role tls over SSH: what it serves, how a renewal goes live, and what bad certificates do not do."""

from __future__ import annotations

import dataclasses
import datetime
import re
import socket
import ssl
import time

import pytest
import yaml
from ansible_collections.pifleet.nodered.tests.certificates import Authority, Issued, pem
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from .failed_logins import fail_to_log_in, logged
from .fleet import CHECKOUT

PAGE = (CHECKOUT / "docs" / "rotate.md").read_text()
FOLDER = "/etc/nodered-tls/nodered/current"
# Only what this is about: test_secure.py and the Molecule scenarios have all roles together.
ROLES = ["login", "tls"]
SECONDS_UNTIL_REFRESHED = 20
# Every 3.6 seconds.
OFTEN = {"nodered_tls_refresh_hours": 0.001}


@pytest.fixture
def secure(fleet, passwords):
    def run(pi, *options, roles=None, **variables):
        common = {"nodered_login_password_dir": str(passwords), "nodered_restart_timeout": 60}
        return fleet.play(roles or ROLES, *options, variables=common | variables, limit=pi.name)

    return run


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture
def ca_file(authority, tmp_path):
    path = tmp_path / "ca.pem"
    path.write_text(authority.certificate)
    return str(path)


def served(pi, port=1880):
    """The serial number of the certificate that a handshake shows."""
    return x509.load_pem_x509_certificate(ssl.get_server_certificate((pi.address, port)).encode()).serial_number


def wait_until_served(pi, serial):
    end = time.monotonic() + SECONDS_UNTIL_REFRESHED
    while served(pi) != serial:
        assert time.monotonic() < end, pi.journal()[-3000:]
        time.sleep(0.5)


def placed(pi):
    return x509.load_pem_x509_certificate(pi.read(f"{FOLDER}/certificate.pem").encode()).serial_number


def test_a_renewed_certificate_goes_live_without_a_restart(pi41, secure):
    first = secure(pi41, nodered_tls_source="selfsigned", nodered_tls_days=60, **OFTEN)
    assert not first.failed
    assert pi41.run(f"stat -L -c '%U %G %a' {FOLDER} {FOLDER}/key.pem") == "root pi 750\nroot pi 640\n"
    old, pid = served(pi41), pi41.main_pid()

    renewed = secure(pi41, "-vvv", nodered_tls_source="selfsigned", nodered_tls_renew_days=90, **OFTEN)
    assert not renewed.failed
    assert "PRIVATE KEY" not in renewed.output
    assert placed(pi41) != old
    wait_until_served(pi41, placed(pi41))
    assert pi41.main_pid() == pid

    old, now = placed(pi41), datetime.datetime.now(datetime.timezone.utc).isoformat()
    (options,) = re.findall(r"pifleet\.nodered\.rotate (-e nodered_rotate=certificates,clients)$", PAGE, re.MULTILINE)
    about = {"nodered_tls_source": "selfsigned", "nodered_rotate_made_before": now}
    rotated = secure(pi41, *options.split(), roles="rotate", **about, **OFTEN)
    assert not rotated.failed
    assert rotated.says("pi41: certificate new, expires 20", ", in use")
    assert served(pi41) == placed(pi41) != old
    assert pi41.main_pid() == pid

    pi41.run(f"head -c 100 {FOLDER}/key.pem > /tmp/half; cat /tmp/half > {FOLDER}/key.pem; rm /tmp/half")
    time.sleep(8)
    assert served(pi41) == placed(pi41), "a pair that is damaged later leaves the old one in use"
    assert pi41.main_pid() == pid


def test_a_pair_that_is_damaged_never_ends_in_status_0_and_the_next_run_mends_it(pi41, secure):
    assert not secure(pi41, nodered_tls_source="selfsigned").failed
    pi41.run(f"chmod 0600 {FOLDER}/key.pem && systemctl restart nodered")
    pi41.wait_until_it_has_ended()
    assert pi41.run("systemctl show -P ExecMainStatus nodered").strip() == "1"
    assert not pi41.serves()
    mended = secure(pi41, nodered_tls_source="selfsigned")
    assert not mended.failed
    assert mended.says("cannot read the pair")
    assert served(pi41) == placed(pi41)
    assert secure(pi41, nodered_tls_source="selfsigned").recap["pi41"]["changed"] == 0


def certbot_files(pi, issued, number, *, half=False):
    """Put a certificate where certbot would, as root's own files behind links."""
    folder = "/etc/letsencrypt"
    pi.run(f"mkdir -p -m 0700 {folder}/live/pi {folder}/archive/pi")
    for name, text in (("privkey", issued.key), ("fullchain", issued.certificate)):
        file = f"{folder}/archive/pi/{name}{number}.pem"
        pi.run(f"umask 077; cat > {file} && ln -sfn {file} {folder}/live/pi/{name}.pem", stdin=text)
        if half:
            time.sleep(3)
    return {
        "nodered_tls_source": "files",
        "nodered_tls_certificate": f"{folder}/live/pi/fullchain.pem",
        "nodered_tls_key": f"{folder}/live/pi/privkey.pem",
    }


def test_what_a_renewal_brings_is_copied_and_goes_live(pi50, secure, authority, ca_file):
    issued = authority.issue(pi50.address)
    variables = certbot_files(pi50, issued, 1) | {"nodered_tls_ca": ca_file} | OFTEN
    assert not secure(pi50, **variables).failed
    assert served(pi50) == issued.serial
    assert secure(pi50, **variables).recap["pi50"]["changed"] == 0
    pid = pi50.main_pid()

    for number in (2, 3):
        renewed = authority.issue(pi50.address)
        certbot_files(pi50, renewed, number, half=True)
        wait_until_served(pi50, renewed.serial)
    assert pi50.main_pid() == pid

    certbot_files(pi50, authority.issue("www.example.org"), 4)
    said = "is no renewal of the certificate that Node-RED has: it is not made for " + pi50.address
    pi50.run(
        f"timeout 30 bash -c 'until journalctl -u pifleet-nodered-certificate | grep -qF \"{said}\"; do sleep 1; done'"
    )
    assert placed(pi50) == renewed.serial

    back = secure(pi50, nodered_tls_source="selfsigned", **OFTEN)
    assert not back.failed
    assert not pi50.run("ls /etc/systemd/system | grep pifleet", check=False)
    pi50.run("rm -rf /etc/letsencrypt")


def bad_certificates(authority, address):
    """The faults that the field knows, and what is said about them; tests/unit has the others."""
    good, weak = authority.issue(address), rsa.generate_private_key(65537, 1024)
    return {
        "expired": (content(authority.issue(address, since=-30, until=-1)), "expired on"),
        "mismatched": (content(Issued(good.certificate, authority.issue(address).key)), "key does not belong"),
        "half-written key": (content(Issued(good.certificate, good.key[:-60])), "half-written"),
        "too weak": (content(authority.issue(address, key=weak)), "too weak"),
        "wrong authority": (content(Authority("Somebody else").issue(address)), "nodered_tls_ca"),
        "missing file": (files("/etc/nowhere/privkey.pem"), "/etc/nowhere/privkey.pem cannot be read"),
        "mismatched files": (files("/root/other.key"), "does not belong"),
    }


def content(issued):
    return {
        "nodered_tls_source": "content",
        "nodered_tls_certificate": issued.certificate,
        "nodered_tls_key": issued.key,
    }


def files(key):
    return {"nodered_tls_source": "files", "nodered_tls_certificate": "/root/good.pem", "nodered_tls_key": key}


@pytest.fixture(scope="module")
def refused(fleet, authority, tmp_path_factory):
    """A run in which a machine with a good certificate has a name for each bad one; what it said about each."""
    pi = fleet.pis["pi41"]
    pi.reset()
    folder = tmp_path_factory.mktemp("tls")
    (folder / "ca.pem").write_text(authority.certificate)
    common = {"nodered_tls_ca": str(folder / "ca.pem"), "nodered_login_password_dir": str(folder / "passwords")}
    good = authority.issue(pi.address)
    assert not fleet.play(ROLES, variables=common | content(good), limit=pi.name).failed
    pi.run("cat > /root/good.pem", stdin=good.certificate)
    pi.run("cat > /root/other.key", stdin=authority.issue(pi.address).key)
    before = (pi.settings, pi.main_pid(), good.serial)

    inventory = yaml.safe_load(fleet.inventory.read_text())
    machine, bad = inventory["nodered"]["hosts"][pi.name], bad_certificates(authority, pi.address)
    names = {fault: f"fault{number}" for number, fault in enumerate(bad)}
    inventory["nodered"]["hosts"] = {
        names[fault]: {**machine, **variables} for fault, (variables, _said) in bad.items()
    }
    path = fleet.inventory.parent / "faults.yml"
    path.write_text(yaml.safe_dump(inventory))
    run = dataclasses.replace(fleet, inventory=path).play(ROLES, variables=common)
    assert (pi.settings, pi.main_pid(), served(pi)) == before
    return {fault: (run.failure(names[fault]), said) for fault, (_variables, said) in bad.items()}


@pytest.mark.parametrize("fault", bad_certificates(Authority(), "192.0.2.1"))
def test_a_bad_certificate_is_refused_and_the_old_one_stays(refused, fault):
    failure, said = refused[fault]
    assert said in failure


def test_a_key_that_only_root_can_read_is_named_and_the_old_configuration_keeps_serving(pi41, secure):
    """What many guides say: certbot's own files in settings.js. Node-RED would end at its next start."""
    pi41.run("install -m 0600 /dev/null /root/privkey.pem")
    read = "https: {key: require('fs').readFileSync('/root/privkey.pem')},\n"
    pi41.change_settings("module.exports = {\n", "module.exports = {\n    " + read)
    before = (pi41.settings, pi41.main_pid())
    refused = secure(pi41, nodered_tls_source="selfsigned")
    assert refused.failed
    assert refused.says("EACCES", "/root/privkey.pem", "Give the user that Node-RED runs as read access")
    assert (pi41.settings, pi41.main_pid()) == before
    assert pi41.is_open()


def test_tls_that_somebody_else_set_up_is_left_alone_until_told(pi41, secure, authority, ca_file):
    issued = authority.issue(pi41.address)
    for name, text in (("own.key", issued.key), ("own.pem", issued.certificate)):
        pi41.run(f"install -o {pi41.user} -m 0600 /dev/stdin ~{pi41.user}/{name}", stdin=text)
    read = f'require("fs").readFileSync("/home/{pi41.user}/own.%s")'
    own = f"https: {{key: {read % 'key'}, cert: {read % 'pem'}}},\n"
    pi41.change_settings("module.exports = {\n", "module.exports = {\n    " + own)
    pi41.run("systemctl restart nodered")
    pi41.wait_until_it_serves()
    left = secure(pi41, nodered_tls_source="selfsigned", nodered_tls_ca=ca_file)
    assert not left.failed
    assert left.says("nodered_tls_replace")
    assert served(pi41) == issued.serial
    replaced = secure(pi41, nodered_tls_source="selfsigned", nodered_tls_replace=True)
    assert not replaced.failed
    assert served(pi41) == placed(pi41)


def names_of(certificate):
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress))}


def test_the_authority_certifies_no_name_that_only_the_host_claims(pi31, pi41, secure, tmp_path):
    """A machine takes names and addresses from its network, and from whoever has become root there."""
    variables = {
        "nodered_tls_source": "authority",
        "nodered_tls_authority_dir": str(tmp_path / "authority"),
        "nodered_tls_authority_passphrase": "only for this test",
    }
    # sudo looks its machine's name up.
    pi31.run("echo 127.0.1.1 www.mybank.com >>/etc/hosts; hostname www.mybank.com; ip address add 8.8.8.8/32 dev lo")
    pi31.run(f"ip address add {pi41.address}/32 dev lo; ip address add 10.99.0.1/32 dev lo")
    try:
        assert not secure(pi31, **variables).failed
        certificate = x509.load_pem_x509_certificate(pi31.read(f"{FOLDER}/certificate.pem").encode())
        assert {"pi31", pi31.address, "localhost", "10.99.0.1"} <= names_of(certificate)
        assert not names_of(certificate) & {"www.mybank.com", "8.8.8.8", pi41.address}
        trusting = ssl.create_default_context(cafile=tmp_path / "authority" / "authority.pem")
        with socket.create_connection((pi31.address, 1880), 10) as plain:
            trusting.wrap_socket(plain, server_hostname=pi31.address).close()

        before = pi31.main_pid()
        rejected = secure(pi31, **variables, nodered_tls_names=["www.mybank.com"])
        assert rejected.failed
        assert rejected.says("is not allowed to make a certificate for www.mybank.com", "nodered_tls_authority_names")
        assert pi31.main_pid() == before
        assert placed(pi31) == certificate.serial_number

        old = Authority("An authority of 0.2.0")
        (tmp_path / "authority" / "authority.pem").write_text(old.certificate)
        (tmp_path / "authority" / "authority.key").write_text(pem(old.key, "only for this test"))
        replaced = secure(pi31, **variables, nodered_tls_authority_replace=True)
        assert not replaced.failed
        assert served(pi31) != certificate.serial_number
        assert secure(pi31, **variables, nodered_tls_authority_replace=True).recap["pi31"]["changed"] == 0
    finally:
        pi31.run("hostname pi31; ip address flush dev lo scope global")


PROXY = """
import socket, ssl, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/root/proxy.pem")
def copy(source, target):
    try:
        while True:
            piece = source.recv(65536)
            if not piece:
                break
            target.sendall(piece)
    except OSError:
        pass
    target.close()
def serve(plain, address):
    try:
        visitor, head = context.wrap_socket(plain, server_side=True), b""
        while b"\\r\\n\\r\\n" not in head:
            more = visitor.recv(65536)
            if not more:
                return
            head += more
        forwarded = f"\\r\\nX-Forwarded-For: {address[0]}\\r\\n\\r\\n".encode()
        head = head.replace(b"\\r\\n\\r\\n", forwarded, 1)
        node_red = socket.create_connection(("127.0.0.1", 1880))
        node_red.sendall(head.replace(b"\\r\\n", b"\\r\\nX-Forwarded-Proto: https\\r\\n", 1))
    except OSError:
        return
    threading.Thread(target=copy, args=(visitor, node_red), daemon=True).start()
    copy(node_red, visitor)
with socket.create_server(("", 8443)) as server:
    while True:
        threading.Thread(target=serve, args=server.accept(), daemon=True).start()
"""


def test_behind_a_proxy_node_red_listens_on_loopback_only(pi31, secure, authority, ca_file):
    issued = authority.issue(pi31.address)
    pi31.run("umask 077; cat > /root/proxy.pem", stdin=issued.certificate + issued.key)
    pi31.run("cat > /root/proxy.py", stdin=PROXY)
    pi31.run("systemd-run --unit proxy python3 /root/proxy.py")
    try:
        variables = {"nodered_tls_proxy_url": f"https://{pi31.address}:8443/", "nodered_tls_ca": ca_file}
        variables["nodered_hardening_log_failed_logins"] = True
        roles = [*ROLES, "hardening"]
        run = secure(pi31, roles=roles, **variables)
        assert not run.failed
        assert run.says("pass - The user can log in", "pass - The certificate is trusted")
        assert not pi31.serves()
        assert "HTTP/1.1 302" in pi31.run("curl -si http://127.0.0.1:1880/")
        fail_to_log_in(pi31, f"https://{pi31.address}:8443")
        assert set(logged(pi31)) == {pi31.address}, "the address that the proxy has added, not one from the client"
        assert secure(pi31, roles=roles, **variables).recap["pi31"]["changed"] == 0
    finally:
        pi31.run("systemctl stop proxy")
