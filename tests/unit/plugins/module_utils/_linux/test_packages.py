# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which package overwrites a file, by what dpkg-query prints, and by dpkg itself where it is there."""

from __future__ import annotations

import os
import subprocess
import time

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _packages

PATH = "/opt/kiosk/settings.js"
OUTPUTS = {
    "one": ("kiosk-nodered: /opt/kiosk/settings.js\n", [("kiosk-nodered", PATH)]),
    "an architecture": ("kiosk:armhf: /opt/kiosk/settings.js\n", [("kiosk:armhf", PATH)]),
    "two": ("kiosk-a, kiosk-b: /opt/kiosk/settings.js\n", [("kiosk-a", PATH), ("kiosk-b", PATH)]),
    "another file": ("kiosk: /opt/kiosk/settings.js.orig\n", []),
    "nothing": ("", []),
    "diverted on this machine": (
        f"local diversion from: {PATH}\nlocal diversion to: {PATH}.distrib\nkiosk: {PATH}\n",
        [],
    ),
    "diverted by another package": (f"diversion by b from: {PATH}\nb: {PATH}\n", [("b", PATH)]),
}


@pytest.mark.parametrize(("output", "owners"), OUTPUTS.values(), ids=OUTPUTS)
def test_owners_are_read_from_what_dpkg_prints(output, owners):
    assert _packages.owners(output, [PATH]) == owners


def test_configuration_files_are_read_from_what_dpkg_prints():
    shown = "\n /etc/default/kiosk 0123456789abcdef0123456789abcdef\n /etc/old file.js fedcba9876543210 obsolete\n"
    assert {"/etc/default/kiosk", "/etc/old file.js"} <= set(_packages.kept(shown))


@pytest.fixture
def fake_dpkg(tmp_path, monkeypatch):
    def write(text):
        (tmp_path / "dpkg-query").write_text("#!/bin/sh\n" + text)
        (tmp_path / "dpkg-query").chmod(0o755)
        monkeypatch.setitem(os.environ, "PATH", f"{tmp_path}:{os.environ['PATH']}")
        monkeypatch.setitem(_packages._ENVIRONMENT, "PATH", f"{tmp_path}:/usr/bin:/bin")

    return write


def package_of(path):
    with _packages.overwriting([path]) as answer:
        return answer()


SHOWS = 'case "$1" in --search) echo "kiosk: %s" ;; --show) printf \' %s 0123456789abcdef\\n\' ;; esac\n'


def test_a_file_that_is_no_configuration_file_is_overwritten(fake_dpkg):
    fake_dpkg(SHOWS % (PATH, "/etc/other"))
    assert package_of(PATH) == "kiosk"


def test_a_configuration_file_is_kept(fake_dpkg):
    fake_dpkg(SHOWS % (PATH, PATH))
    assert package_of(PATH) is None


def test_a_dpkg_that_hangs_is_not_waited_for(fake_dpkg, monkeypatch):
    fake_dpkg("sleep 60\n")
    monkeypatch.setattr(_packages, "SECONDS", 0.3)
    began = time.monotonic()
    assert package_of(PATH) is None
    assert time.monotonic() - began < 5


def test_a_machine_without_dpkg_has_no_packages(monkeypatch):
    def missing(*_arguments, **_options):
        raise FileNotFoundError

    monkeypatch.setattr(_packages._commands, "start", missing)
    assert package_of(PATH) is None


def test_the_real_dpkg_is_understood():
    plain = subprocess.run(["dpkg", "-L", "dpkg"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert package_of(next(path for path in plain if path.endswith("/cputable"))) == "dpkg"
    conffile = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Conffiles}", "dpkg"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert package_of(next(word for word in conffile if word.startswith("/etc/"))) is None
    assert package_of("/opt/*") is None
