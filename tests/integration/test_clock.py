# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines whose clock is wrong, as a Pi's is until it gets the time from the network.

All containers share one clock. So Node-RED, and each node that a module starts, is told another time by libfaketime,
and the modules' Python by its own start-up file; systemd and sshd are not.
"""

from __future__ import annotations

import contextlib
import datetime
import email.utils
import pathlib
import ssl
import subprocess
import time

import pytest
from cryptography import x509

from .machine import ensure_installed
from .two_step import EXAMPLE

DAY = 86400
FOLDER = "/usr/local/lib/another-clock"
PYTHON = f"{FOLDER}/python3"
DROP_IN = "/run/systemd/system/nodered.service.d/clock.conf"
# libfaketime for what Python starts, but not for itself: it breaks time.sleep of Python 3.11 (clock_nanosleep).
SITE = """
import os, time
real, strftime = time.time, time.strftime
time.time = lambda: real() + {offset}
time.strftime = lambda form, moment=None: strftime(form, moment or time.localtime(time.time()))
os.environ.update({environment})
"""


@contextlib.contextmanager
def another_clock(pi, offset: int):
    """Let Node-RED and the modules of this machine take it to be so many seconds later."""
    ensure_installed({"faketime": "faketime", "openssl": "openssl"})
    (library,) = pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    environment = {
        "LD_PRELOAD": f"{FOLDER}/{library.name}",
        "FAKETIME": f"{offset:+d}s",
        # A monotonic clock is right on every machine.
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    pi.run(f"mkdir -p {FOLDER} && cat > {FOLDER}/sitecustomize.py", stdin=SITE.format(**locals()))
    pi.copy(library, FOLDER)
    python = f'#!/bin/sh\nPYTHONPATH={FOLDER} exec /usr/bin/python3 "$@"\n'
    pi.run(f"install -m 0755 /dev/stdin {PYTHON}", stdin=python)
    lines = ["[Service]", *(f"Environment={name}={value}" for name, value in environment.items())]
    pi.run(f"install -D -m 0644 /dev/stdin {DROP_IN} && systemctl daemon-reload", stdin="\n".join(lines))
    try:
        pi.run("systemctl restart nodered")
        pi.wait_until_it_serves()
        yield
    finally:
        pi.run(f"rm -f {DROP_IN}; systemctl daemon-reload; systemctl restart nodered")


def clock_of(pi) -> float:
    """What Node-RED takes the time to be."""
    return email.utils.parsedate_to_datetime(pi.get("/auth/login").headers["Date"]).timestamp()


@pytest.fixture(scope="module")
def wrong(fleet):
    """A machine in 1970 and one in 2035."""
    past, future = fleet.pis["pi41"], fleet.pis["pi50"]
    for pi in (past, future):
        pi.reset()
    with another_clock(past, DAY - int(time.time())), another_clock(future, 9 * 365 * DAY):
        yield past, future


@pytest.fixture
def secure(fleet, tmp_path):
    python = tmp_path / "python.yml"
    python.write_text(f"all: {{hosts: {{pi41: &it {{ansible_python_interpreter: {PYTHON}}}, pi50: *it}}}}")

    def run(limit, *, playbook="secure", **variables):
        common = {
            "nodered_serial": "100%",
            "nodered_login_password_dir": str(tmp_path / "passwords"),
            "nodered_http_auth_password_dir": str(tmp_path / "http-auth"),
            "nodered_tls_source": "authority",
            "nodered_tls_authority_dir": str(tmp_path / "authority"),
            "nodered_tls_authority_passphrase": "only for this test",
        }
        return fleet.play(playbook, "-i", str(python), variables=common | variables, limit=limit)

    return run


def test_a_clock_that_would_let_no_client_in_is_named_and_all_stays_as_it_was(wrong, secure):
    past, _future = wrong
    before = (past.settings, past.main_pid())
    refused = secure("pi41", nodered_tls_client_authority="authority")
    assert refused.failed
    assert refused.says("The clock of pi41 reports 1970-01-02", "timedatectl set-ntp true")
    assert (past.settings, past.main_pid()) == before
    assert past.is_open()


def test_a_clock_that_would_reject_each_code_is_named_and_no_secret_is_made(wrong, secure, tmp_path):
    past, future = wrong
    refused = secure("pi41,pi50", playbook=["login"], **EXAMPLE, nodered_login_totp_dir=str(tmp_path / "totp"))
    assert [refused.recap[pi.name]["failed"] for pi in wrong] == [1, 1]
    assert refused.says("The clock of pi41 is", "seconds or more behind that of the controller")
    assert refused.says("The clock of pi50 is", "seconds or more ahead of that of the controller")
    assert past.is_open()
    assert future.is_open()
    assert not (tmp_path / "totp").exists()


def test_a_certificate_goes_by_the_controllers_clock(wrong, secure, tmp_path):
    past, future = wrong
    assert clock_of(past) < 2 * DAY
    assert clock_of(future) > time.time() + 8 * 365 * DAY
    assert not secure("pi41,pi50").failed
    assert clock_of(past) < 2 * DAY
    authority = tmp_path / "authority" / "authority.pem"
    for pi in wrong:
        shown = ssl.get_server_certificate((pi.address, 1880), ca_certs=str(authority), timeout=10)
        certificate = x509.load_pem_x509_certificate(shown.encode())
        age = datetime.datetime.now(datetime.timezone.utc) - certificate.not_valid_before_utc
        assert datetime.timedelta(days=2) <= age < datetime.timedelta(days=2, hours=1)
        # A visitor whose clock is behind may come in because of that, such as a browser on another Pi.
        assert accepted(pi, authority, behind="36h")
        assert not accepted(pi, authority, behind="72h")
    again = secure("pi41,pi50")
    assert not again.failed
    assert [again.recap[pi.name]["changed"] for pi in wrong] == [0, 0]


def accepted(pi, authority: pathlib.Path, *, behind: str) -> bool:
    visitor = [
        "openssl",
        "s_client",
        "-verify_return_error",
        "-CAfile",
        str(authority),
        "-connect",
        f"{pi.address}:1880",
    ]
    done = subprocess.run(
        ["faketime", "-f", f"-{behind}", *visitor],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0 or "certificate is not yet valid" in done.stdout + done.stderr
    return done.returncode == 0
