# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Node-RED 1.0, where `https` can be no function, a bad settings file ends with status 0, and less can be closed."""

from __future__ import annotations

import json
import ssl

import pytest
import yaml
from cryptography import x509

from .fleet import FLEET_NAME, Fleet
from .sockets import base_url, basic, send_to_listener
from .two_step import CODE_REQUIRED, CODE_USED_ONCE, EXAMPLE, judge_login

CURRENT = "/etc/nodered-tls/nodered/current"
HOUSE = ("house", "correct horse battery")
# A release whose socket no setting can close, installed but not loaded.
OLD_DASHBOARD = {"name": "node-red-dashboard", "version": "2.26.2"}


@pytest.fixture(scope="module")
def old(fleet):
    """The oldest machine, added to the fleet for these tests."""
    both = Fleet.up(FLEET_NAME, ["pi10"])
    pi = both.pis["pi10"]
    pi.wait_until_it_serves()
    folder = f"/home/{pi.user}/.node-red/node_modules/{OLD_DASHBOARD['name']}"
    pi.run(f"mkdir -p {folder} && cat > {folder}/package.json", stdin=json.dumps(OLD_DASHBOARD))
    return both, pi


@pytest.fixture(scope="module")
def secure(old, tmp_path_factory):
    both, pi = old
    folder = tmp_path_factory.mktemp("old")

    def run(*options, **variables):
        common = {
            **EXAMPLE,
            "nodered_login_totp_dir": str(folder / "totp"),
            "nodered_http_auth_user": HOUSE[0],
            "nodered_http_auth_password": HOUSE[1],
            "nodered_tls_source": "selfsigned",
            "nodered_tls_days": 60,
            "nodered_login_password_dir": str(folder / "passwords"),
            "nodered_restart_timeout": 60,
        }
        return both.play("secure", *options, variables=common | variables, limit=pi.name)

    run.totp = folder / "totp"
    return run


@pytest.fixture(scope="module")
def first(secure, old):
    _fleet, pi = old
    stops = pi.journal().count("Stopped nodered.service")
    run = secure()
    assert not run.failed
    assert pi.journal().count("Stopped nodered.service") == stops + 1, "one restart for all roles together"
    return run


def served(pi):
    """The serial number of the certificate that a handshake shows."""
    return x509.load_pem_x509_certificate(ssl.get_server_certificate((pi.address, 1880)).encode()).serial_number


def placed(pi):
    return x509.load_pem_x509_certificate(pi.read(f"{CURRENT}/certificate.pem").encode()).serial_number


def test_it_serves_the_certificate_and_nothing_older_than_tls_1_2(first, old):
    _fleet, pi = old
    assert served(pi) == placed(pi)
    assert not pi.answers_in_the_clear()
    assert first.says("pass - Versions of TLS that are too old are refused")
    assert first.says("pass - The user can log in")
    # What its own example of https would need stands as it was, for nothing here needs it.
    assert '\n//var fs = require("fs");\n' in pi.settings
    assert "https: (function () {" in pi.settings


def test_what_can_be_closed_is_and_what_cannot_is_said(first, old):
    _fleet, pi = old
    base = base_url(pi.address)
    assert pi.get("/hello").status == 401
    assert send_to_listener(base, "/ws/in", {}) == 401
    assert send_to_listener(base, "/ws/in", basic(*HOUSE)) == 101
    assert first.says(
        "The sockets of node-red-dashboard 2.26.2 stay open: this release has no setting that could close them"
    )


def test_a_login_in_two_steps(first, secure, old):
    _fleet, pi = old
    assert [first.judged(title) for title in (CODE_REQUIRED, CODE_USED_ONCE)] == [["pass"]] * 2
    judge_login(pi, secure.totp)


def test_a_second_run_changes_nothing_and_a_renewal_gets_its_restart(first, secure, old):
    _fleet, pi = old
    pid, before = pi.main_pid(), served(pi)
    assert secure().recap["pi10"]["changed"] == 0
    assert pi.main_pid() == pid
    assert not secure(nodered_tls_days=397, nodered_tls_renew_days=90).failed
    assert pi.main_pid() != pid
    assert served(pi) == placed(pi) != before


def test_a_change_with_which_it_ends_with_status_0_is_undone(first, old, tmp_path):
    fleet, pi = old
    settings = pi.settings
    # A file that cannot be loaded, but only by the service itself: the check before it is written does not see that.
    throws = {"$js": "process.env.INVOCATION_ID ? (function () { throw new Error('under systemd'); })() : 1000"}
    wanted = {"path": pi.settings_file, "service": "nodered", "set": {"debugMaxLength": throws}}
    tasks = [{"pifleet.nodered.settings": wanted}, {"pifleet.nodered.restart": {"service": "nodered", "timeout": 25}}]
    path = tmp_path / "tasks.yml"
    path.write_text(yaml.safe_dump([{"hosts": "pi10", "become": True, "gather_facts": False, "tasks": tasks}]))
    run = fleet.play(path)
    assert run.failed
    assert run.says("Node-RED ended with exit status 0", "The change was rolled back")
    assert pi.settings == settings
    assert served(pi) == placed(pi)


def test_a_pair_that_is_damaged_keeps_systemd_trying_until_a_run_mends_it(first, secure, old):
    _fleet, pi = old
    pi.run(f"chmod 0600 {CURRENT}/key.pem && systemctl restart nodered")
    pi.wait_until_it_has_ended()
    assert pi.run("systemctl show -P ExecMainStatus nodered").strip() == "0"
    assert not pi.serves()
    mended = secure()
    assert not mended.failed
    assert mended.says("cannot read the pair")
    assert served(pi) == placed(pi)
