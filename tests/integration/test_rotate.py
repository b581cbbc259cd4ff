# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords are rotated on a real machine, and at every moment one of those in the controller's file is valid.

Runs are killed at random moments. With `make rotate-kills` these are 20, with a power cut of the machine after each
second one, and a run that completes after each. ROTATE_SEED in the environment repeats the moments of a failed run.
"""

from __future__ import annotations

import base64
import http.client
import os
import random
import re
import subprocess
import time

import pytest
import yaml

from .fleet import CHECKOUT, UNDISTURBED, kill
from .test_power_cut import SETTLED, cut_power

KILLS = int(os.environ.get("ROTATE_KILLS", "2"))
EACH_COMPLETES = KILLS > 2
SEED = int(os.environ.get("ROTATE_SEED") or random.SystemRandom().randrange(10**6))
PAGE = (CHECKOUT / "docs" / "rotate.md").read_text()
ROLES = ["login", "http_auth"]
RECORD = "/var/lib/pifleet.nodered/nodered/unconfirmed.json"
# Nothing listens there, so no login can be verified.
WRONG_ADDRESS = "127.0.0.9"


@pytest.fixture(autouse=True)
def no_clock_is_left(pi41):
    yield
    # That of a killed run would go on into the next test.
    pi41.run("systemctl stop 'pifleet-nodered-unconfirmed-*.timer'", check=False)


@pytest.fixture
def options(fleet, variables):
    """The arguments of a run for `Fleet.play` and `Fleet.command`."""
    return {"variables": {**variables, "nodered_tls_source": "none"}, "limit": "pi41"}


@pytest.fixture
def play(fleet, options):
    def run(playbook, *more, **different):
        return fleet.play(playbook, *more, **{**options, "variables": {**options["variables"], **different}})

    return run


@pytest.fixture
def killed(fleet, options):
    """Start a rotation, and kill it with all its processes when `wait` returns."""

    def run(wait, *arguments, **different):
        process = subprocess.Popen(
            fleet.command("rotate", **{**options, "variables": {**options["variables"], **different}}),
            env=fleet.environment(),
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait(*arguments)
        finally:
            kill(process.pid)
            process.wait()

    return run


@pytest.fixture
def files(passwords, tmp_path):
    return [passwords / "pi41", tmp_path / "http-auth" / "pi41"]


def example():
    """The variables of the page, whose passwords are in a vault."""
    return yaml.safe_load(
        PAGE.partition("# group_vars/nodered/passwords.yml")[2].partition("\n")[2].partition("```")[0]
    )


def kept(file):
    """The password in a file, and the next one if there is one."""
    first, *more = file.read_text().splitlines()
    assert len(more) < 2 and all(line.startswith("next=") for line in more)
    return [first, *(line.removeprefix("next=") for line in more)]


def opens_pages(pi, password):
    connection = http.client.HTTPConnection(pi.address, 1880, timeout=10)
    key = base64.b64encode(f"nodered:{password}".encode()).decode()
    connection.request("GET", "/no-such-page", headers={"Authorization": f"Basic {key}"})
    status = connection.getresponse().status
    connection.close()
    return status == 404


def valid(pi, files):
    """The positions of the valid passwords in both files."""
    pi.run(UNDISTURBED)
    pi.wait_until_it_serves()
    return (
        [number for number, password in enumerate(kept(files[0])) if pi.login("admin", password)],
        [number for number, password in enumerate(kept(files[1])) if opens_pages(pi, password)],
    )


def confirmation(pi):
    """What a change waits for."""
    return re.findall(r'"confirmation": "(\w+)"', pi.run(f"cat {RECORD}", check=False))


def until_it_waits(pi):
    end = time.monotonic() + 60
    while not (confirmation(pi) and "unconfirmed" in pi.run("systemctl list-timers 'pifleet-*'")):
        assert time.monotonic() < end
        time.sleep(0.1)


def test_at_every_moment_a_known_password_is_valid(pi41, play, killed, files):
    print(f"ROTATE_SEED={SEED}")
    moments = random.Random(SEED)
    assert not play(ROLES).failed

    checked = play("rotate", "--check")
    assert checked.says("login of admin: would get a new password") and checked.recap["pi41"]["changed"] == 1
    assert [len(kept(file)) for file in files] == [1, 1]

    begun = time.monotonic()
    failed = play("rotate", nodered_address=WRONG_ADDRESS)
    seconds = time.monotonic() - begun
    assert failed.failed
    assert failed.says("The change was rolled back", f"The old password is valid: the first line of {files[0]}")
    assert valid(pi41, files) == ([0], [0]) and not confirmation(pi41)
    both = [kept(file) for file in files]
    assert [len(passwords) for passwords in both] == [2, 2]

    for number in range(KILLS):
        # The rollback took about as long as the verification and the confirmation will.
        killed(time.sleep, moments.uniform(1, seconds))
        if number % 2 and EACH_COMPLETES:
            cut_power(pi41)
            pi41.run(SETTLED)
        login, pages = valid(pi41, files)
        assert len(login) == len(pages) == 1
        if EACH_COMPLETES or number == KILLS - 1:
            assert not play("rotate").failed
            assert valid(pi41, files) == ([0], [0]) and [len(kept(file)) for file in files] == [1, 1]

    killed(until_it_waits, pi41)
    assert valid(pi41, files) == ([1], [1])
    both = [kept(file) for file in files]
    new_token = pi41.login("admin", both[0][1])

    unchanged = play(ROLES)
    assert not unchanged.failed and unchanged.recap["pi41"]["changed"] == 0
    assert unchanged.says("Its rotation is not finished: run pifleet.nodered.rotate")
    assert [kept(file) for file in files] == both

    pi41.run(f"systemctl start pifleet-nodered-unconfirmed-{confirmation(pi41)[0]}.service")
    end = time.monotonic() + 60
    while confirmation(pi41):
        assert time.monotonic() < end
        time.sleep(0.3)
    assert valid(pi41, files) == ([0], [0])
    assert pi41.get("/settings", token=new_token).status == 401

    token = pi41.login("admin", both[0][0])
    run = play("rotate", "-vvv")
    assert not run.failed
    assert [kept(file) for file in files] == [[passwords[1]] for passwords in both], "no third password"
    assert valid(pi41, files) == ([0], [0]) and not confirmation(pi41)
    assert not pi41.login("admin", both[0][0]) and not opens_pages(pi41, both[1][0])
    assert pi41.get("/settings", token=token).status == 401
    assert run.says(*(f"new password, in {file} on the controller" for file in files))
    assert not [word for passwords in both for word in passwords if word in run.output]
    assert run.executions(pi41.address) <= 4

    secrets = {"vault_ada_password": "Gr8-unguessable-phrase", "vault_page_password": "only for the house"}
    given = play("rotate", "-vvv", **secrets, **example())
    assert not given.failed
    assert given.says("login of ada: new password, in nodered_login_users", "in nodered_http_auth_password")
    assert pi41.login("ada", secrets["vault_ada_password"]) and not pi41.login("admin", kept(files[0])[0])
    assert opens_pages(pi41, secrets["vault_page_password"]) and not opens_pages(pi41, kept(files[1])[0])
    assert not [word for word in secrets.values() if word in given.output]


def test_a_killed_rotation_of_one_password_is_finished_by_the_same_command_only(pi41, play, killed, files):
    assert not play(ROLES).failed
    killed(until_it_waits, pi41, nodered_rotate=["http_auth"])
    both = kept(files[1])
    assert len(both) == 2 and len(kept(files[0])) == 1 and valid(pi41, files) == ([0], [1])

    other = play("rotate", nodered_rotate=["login"])
    assert other.failed and other.says("Run again with nodered_rotate: [http_auth], which finishes it")
    assert confirmation(pi41) and kept(files[1]) == both and len(kept(files[0])) == 1

    assert not play("rotate", nodered_rotate=["http_auth"]).failed
    assert kept(files[1]) == both[1:] and valid(pi41, files) == ([0], [0]) and not confirmation(pi41)
