# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that version 0.2.0 has secured: `secure` of today takes over what is there, and locks nobody out.

`make upgrade` runs all cases, `make test` the one with all roles.
"""

from __future__ import annotations

import contextlib
import pathlib
import socket
import threading

import pytest
import yaml

from . import earlier_release
from .test_read_only import LOGIN, MAKE_READ_ONLY, MAKE_WRITABLE
from .test_restore import POINTS
from .users import LOGIN_WORKS, PAGES_WORK, USERS

# Files that the collection, or a program that it uses, writes: path, mode, owner, target, sum. Folders do not count.
FILES = r"""
places="/etc/systemd/system /etc/nodered-tls /usr/local/lib/pifleet.nodered /etc/ufw /var/lib/pifleet.nodered"
home=~USER/.node-red
{ find $places ! -type d; find $home -maxdepth 1 ! -type d; } | while read -r path; do
  echo "$path|$(stat -c '%a %U %G' "$path") $(readlink "$path") $(sha256sum <"$path")"
done
"""
ALL_ROLES = {
    "nodered_login_users": USERS,
    "nodered_port": 1885,
    "nodered_tls_source": "authority",
    "nodered_tls_authority_passphrase": "a phrase for the authority",
    "nodered_tls_client_authority": "authority",
    "nodered_tls_client_users": ["ada"],
    "nodered_tls_client_passphrase": "a phrase for the client",
    "nodered_hardening_sandbox": "strict",
    "nodered_hardening_headers": True,
    "nodered_hardening_audit_log": True,
    "nodered_sessions_store": "runtime",
    "nodered_ufw_manage": True,
}
DEFAULTS = {"nodered_tls_source": "selfsigned", "nodered_ufw_manage": True}
SANDBOX = "/etc/systemd/system/nodered.service.d/60-pifleet-hardening.conf"


@pytest.fixture(scope="module")
def of_0_2_0(tmp_path_factory):
    return earlier_release.installed(tmp_path_factory.mktemp("0.2.0"))


@pytest.fixture
def secure(fleet, passwords, tmp_path):
    """Run `secure` with the same controller files each time."""
    files = {
        "nodered_login_password_dir": str(passwords),
        "nodered_http_auth_password_dir": str(tmp_path / "http-auth"),
        "nodered_tls_authority_dir": str(tmp_path / "authority"),
        "nodered_restart_timeout": 60,
    }

    def run(pi, variables, *options, environment=None):
        result = fleet.play("secure", *options, variables=files | variables, limit=pi.name, environment=environment)
        assert not result.failed
        return result

    return run


def files_of(pi) -> dict[str, str]:
    lines = pi.run(FILES.replace("USER", pi.user), check=False).splitlines()
    return dict(line.split("|", 1) for line in lines)


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {path for path in before | after if before.get(path) != after.get(path)}


def controller_files(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@contextlib.contextmanager
def nobody_is_cut_off(pi, *ports: int):
    """New connections to these ports are never dropped by a firewall; while Node-RED restarts, they are refused."""
    dropped: list[int] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            for port in ports:
                try:
                    socket.create_connection((pi.address, port), timeout=2).close()
                except ConnectionRefusedError:
                    pass
                except OSError:
                    dropped.append(port)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        ended.set()
        watching.join()
    assert dropped == []


def outside_of_restore_points(paths: set[str]) -> set[str]:
    """Those of these paths that are not in a restore point, which each run with a change leaves."""
    return {path for path in paths if not path.startswith(f"{POINTS}/")}


def waiting(pi) -> str:
    """The records, clocks and unit files that a change keeps until it is confirmed; empty after that."""
    records = pi.run(
        "ls -A /var/lib/pifleet.nodered/nodered /var/lib/pifleet.nodered/firewall | grep -v :", check=False
    )
    units = pi.run("ls /etc/systemd/system | grep pifleet-; systemctl list-units --plain --no-legend 'pifleet-*'")
    return (records + units).strip()


def test_all_roles_are_taken_over_and_old_passwords_work(pi, secure, of_0_2_0, tmp_path):
    pi.run(f"ln -s /run/sessions.json /home/{pi.user}/.node-red/.sessions.json")
    secure(pi, ALL_ROLES, environment=of_0_2_0)
    before, kept = files_of(pi), controller_files(tmp_path)

    with nobody_is_cut_off(pi, 22, 1885):
        first = secure(pi, ALL_ROLES | {"nodered_verify_login": True})
    assert first.judged(LOGIN_WORKS) == first.judged(PAGES_WORK) == ["pass"]
    assert first.says("The private authority in", "has no name constraints", "nodered_tls_authority_replace: true")
    assert first.says("Copies of settings.js", f"rm {pi.settings_file}.*~")
    # The sandbox closes more than that of 0.2.0. Everything else is as it was: settings.js, companions, certificates,
    # rules of ufw, copies of settings.js beside it, and all files of the controller.
    assert outside_of_restore_points(changed(before, files_of(pi))) == {SANDBOX}
    assert controller_files(tmp_path) == kept
    assert waiting(pi) == ""

    after, pid = files_of(pi), pi.main_pid()
    second = secure(pi, ALL_ROLES)
    assert second.recap[pi.name]["changed"] == 0
    assert (changed(after, files_of(pi)), pi.main_pid()) == (set(), pid)


@pytest.mark.exhaustive
def test_with_default_variables_nothing_changes(pi, secure, of_0_2_0, tmp_path):
    secure(pi, DEFAULTS, environment=of_0_2_0)
    before, pid, kept = files_of(pi), pi.main_pid(), controller_files(tmp_path)
    with nobody_is_cut_off(pi, 22, 1880):
        first = secure(pi, DEFAULTS | {"nodered_verify_login": True})
    assert first.judged(LOGIN_WORKS) == first.judged(PAGES_WORK) == ["pass"]
    assert first.recap[pi.name]["changed"] == 0
    assert (changed(before, files_of(pi)), pi.main_pid()) == (set(), pid)
    assert controller_files(tmp_path) == kept
    assert pi.login("admin", (tmp_path / "passwords" / pi.name).read_text().strip())


@pytest.mark.exhaustive
def test_on_a_read_only_root_nothing_changes(pi, secure, of_0_2_0):
    pi.run(MAKE_READ_ONLY)
    try:
        secure(pi, DEFAULTS | LOGIN | {"nodered_remount": True}, environment=of_0_2_0)
        before, pid = files_of(pi), pi.main_pid()
        first = secure(pi, DEFAULTS | LOGIN)
    finally:
        pi.run(MAKE_WRITABLE)
    assert first.recap[pi.name]["changed"] == 0
    assert (changed(before, files_of(pi)), pi.main_pid()) == (set(), pid)


@pytest.mark.exhaustive
def test_a_change_that_was_written_and_not_activated_is_activated(pi, fleet, secure, of_0_2_0, tmp_path):
    write = {"pifleet.nodered.settings": {"path": pi.settings_file, "service": "nodered", "set": {"uiPort": 1885}}}
    site = tmp_path / "site.yml"
    site.write_text(yaml.safe_dump([{"hosts": pi.name, "become": True, "gather_facts": False, "tasks": [write]}]))
    assert not fleet.play(site, environment=of_0_2_0).failed
    assert waiting(pi)
    secure(pi, DEFAULTS | {"nodered_port": 1885})
    assert pi.serves(1885)
    assert waiting(pi) == ""


@pytest.mark.exhaustive
def test_a_firewall_that_waits_for_its_confirmation_is_waited_for(pi, fleet, secure, of_0_2_0, tmp_path):
    guard = {"pifleet.nodered.firewall_guard": {"state": "armed", "seconds": 20}}
    site = tmp_path / "site.yml"
    site.write_text(yaml.safe_dump([{"hosts": pi.name, "become": True, "gather_facts": False, "tasks": [guard]}]))
    assert not fleet.play(site, environment=of_0_2_0).failed
    assert waiting(pi)
    secure(pi, DEFAULTS)
    assert "Status: active" in pi.run("ufw status")
    assert waiting(pi) == ""
