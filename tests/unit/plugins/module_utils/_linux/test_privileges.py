# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the service user can become root. The texts are those of `sudo -l` 1.9.13 and 1.9.16."""

from __future__ import annotations

import grp
import os
import pwd

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _privileges, _systemd

ALL = ["sudo without a password"]
ME = pwd.getpwuid(os.getuid()).pw_name


def listed(*entries, defaults="env_reset, mail_badpass, use_pty"):
    return f"Matching Defaults entries for pi on pi41:\n    {defaults}\n\n" + (
        "User pi may run the following commands on pi41:\n" + "".join(f"    {entry}\n" for entry in entries)
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("User nobody is not allowed to run sudo on pi41.\n", []),
        (listed("(ALL : ALL) ALL"), []),
        (listed("(ALL : ALL) ALL", "(ALL) NOPASSWD: ALL"), ALL),
        (listed("(ALL : ALL) NOPASSWD: ALL"), ALL),
        (listed("(root) SETENV: NOPASSWD: ALL"), ALL),
        (listed("(#0) NOPASSWD: ALL"), ALL),
        (listed("(ALL : ALL) ALL", defaults="env_reset, !authenticate"), ALL),
        (listed("(ALL) PASSWD: ALL", defaults="!authenticate"), []),
        (listed("(eve) NOPASSWD: ALL"), []),
        (listed("(ALL, !root) NOPASSWD: ALL"), []),
        (listed("(root) NOPASSWD: /usr/sbin/reboot, /usr/bin/vcgencmd"), []),
        (listed("(root) NOPASSWD: /usr/sbin/reboot, PASSWD: ALL"), []),
        (listed("(root) PASSWD: /usr/sbin/reboot, NOPASSWD: ALL"), ALL),
        (listed("(root) NOPASSWD: /usr/sbin/reboot, ALL"), ALL),
        (listed("(root) NOPASSWD: !ALL"), []),
        (
            listed("(root) NOPASSWD: /usr/bin/apt update, /bin/a\\, b, /usr/bin/vi /etc/x"),
            ["sudo without a password for /usr/bin/apt update", "sudo without a password for /usr/bin/vi /etc/x"],
        ),
        (listed("(root) NOPASSWD: /usr/sbin/reboot,\n        /bin/bash"), ["sudo without a password for /bin/bash"]),
        (listed("(root) NOPASSWD: /opt/*"), ["sudo without a password for /opt/*"]),
    ],
)
def test_what_sudo_allows_without_a_password(text, expected):
    assert _privileges.passwordless_sudo(text, "nobody") == expected


def test_a_program_that_the_user_can_write_is_enough(tmp_path, monkeypatch):
    account = pwd.getpwnam(ME)
    monkeypatch.setattr(_privileges.pwd, "getpwnam", lambda _name: account)
    program = tmp_path / "program"
    program.write_text("")
    text = listed(f"(root) NOPASSWD: {program}, {account.pw_dir}/missing")
    expected = [f"sudo without a password for {path}" for path in (program, account.pw_dir + "/missing")]
    assert _privileges.passwordless_sudo(text, ME) == expected


@pytest.fixture
def nobody(monkeypatch):
    """The account nobody, which every system has, without sudo."""
    monkeypatch.setattr(_privileges, "_sudo_list", lambda _user: "")
    return "nobody"


def test_groups_that_lead_to_root_are_reported(nobody):
    assert _privileges.ways_to_root(nobody, ["docker", "dialout", "disk"], []) == ["group disk", "group docker"]


def test_the_groups_of_the_account_count(nobody, monkeypatch):
    disk = grp.getgrnam("disk").gr_gid
    monkeypatch.setattr(_privileges.os, "getgrouplist", lambda _user, gid: [gid, disk, 54321])
    assert _privileges.ways_to_root(nobody, [], []) == ["group disk"]


def test_a_unit_file_that_others_can_write_is_reported(nobody, tmp_path):
    unit = tmp_path / "nodered.service"
    unit.write_text("")
    unit.chmod(0o644)
    expected = [] if os.getuid() == 0 else [f"unit file {unit}"]
    assert _privileges.ways_to_root(nobody, [], [str(unit), str(tmp_path / "missing"), "/dev/null"]) == expected
    unit.chmod(0o664)
    assert _privileges.ways_to_root(nobody, [], [str(unit)]) == [f"unit file {unit}"]


def test_root_needs_no_way():
    assert _privileges.ways_to_root("root", ["docker"], []) == []


def test_a_sudo_that_is_missing_or_hangs_is_no_error(monkeypatch):
    def hang(arguments, _timeout):
        raise Failure("It did not answer.")

    monkeypatch.setattr(_systemd, "run", hang)
    monkeypatch.setattr(_privileges.os, "geteuid", lambda: 0)
    monkeypatch.setattr(_privileges.shutil, "which", lambda _name, path: "/usr/bin/sudo")
    assert _privileges.ways_to_root("nobody", [], []) == []
    monkeypatch.setattr(_privileges.shutil, "which", lambda _name, path: None)
    assert _privileges.ways_to_root("nobody", [], []) == []
