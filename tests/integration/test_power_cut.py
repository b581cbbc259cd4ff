# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The power fails at random moments of `secure.yml`: the machine comes back serving, and the next run completes.

Each round cuts all machines off at moments of their own while a run changes everything that a machine has: login, port,
certificate, passwords of pages, hardening, sessions, firewall. POWER_CUT_SEED in the environment repeats the moments of
a failed run; with `make power-cut` there are 20 of them.

What `docker kill` cannot show: what the kernel had not yet written to the disk is not lost here. That files are safely
there before they count is tested in tests/unit/plugins/module_utils/_files/test_durability.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import yaml

from .fleet import Fleet, Pi, Run, recap

# Each is a moment on each of four machines.
ROUNDS = int(os.environ.get("POWER_CUT_ROUNDS", "1"))
SEED = int(os.environ.get("POWER_CUT_SEED") or random.SystemRandom().randrange(10**6))
USER = "ada"
# The first thing that a run writes on a machine.
FIRST_WRITE = "Apply the plans"
# A machine without power does not close its connections.
SSH_ARGUMENTS = "-C -o ControlMaster=auto -o ControlPersist=60s -o ServerAliveInterval=1 -o ServerAliveCountMax=5"


@dataclass(frozen=True)
class Configuration:
    """One of two configurations that differ in everything."""

    password: str
    session_expiry: int
    port: int
    names: tuple[str, ...]
    refresh_hours: int
    page_user: str
    page_password: str
    audit_log: bool
    sandbox: str
    sessions: str

    @property
    def variables(self) -> dict[str, object]:
        return {
            "nodered_login_users": [{"username": USER, "password": self.password}],
            "nodered_login_session_expiry": self.session_expiry,
            "nodered_port": self.port,
            "nodered_tls_source": "selfsigned",
            "nodered_tls_names": list(self.names),
            "nodered_tls_refresh_hours": self.refresh_hours,
            "nodered_http_auth_user": self.page_user,
            "nodered_http_auth_password": self.page_password,
            "nodered_hardening_audit_log": self.audit_log,
            "nodered_hardening_sandbox": self.sandbox,
            "nodered_sessions_store": self.sessions,
            "nodered_ufw_manage": True,
        }

    @property
    def marks(self) -> list[object]:
        """What LOOK finds in effect, in the order in which the roles write it."""
        in_memory = self.sessions == "runtime"
        return [self.session_expiry, self.port, self.refresh_hours, self.page_user, self.audit_log, in_memory]


CONFIGURATIONS = [
    Configuration(
        password="a long password for the editor",
        session_expiry=7000,
        port=8881,
        names=("one.example.org",),
        refresh_hours=1,
        page_user="house",
        page_password="for pages",
        audit_log=True,
        sandbox="baseline",
        sessions="runtime",
    ),
    Configuration(
        password="another one for the editor",
        session_expiry=8000,
        port=8882,
        names=("two.example.org",),
        refresh_hours=2,
        page_user="garden",
        page_password="other pages",
        audit_log=False,
        sandbox="strict",
        sessions="disk",
    ),
]
LOOK = """
const found = require(process.argv[1]);
console.log(JSON.stringify([found.adminAuth.sessionExpiryTime, found.uiPort, found.httpsRefreshInterval,
    found.httpNodeAuth.user, found.logging.console.audit, "storageModule" in found]));
"""


@dataclass(frozen=True)
class Found:
    """The settings file of a machine after the cut: which configuration each role's part is of."""

    login: Configuration
    port: Configuration
    pages: Configuration
    new_parts: int


def look(pi: Pi, old: Configuration, new: Configuration) -> Found:
    """Load settings.js as Node-RED does; roles write one after the other, so the new parts come first."""
    marks = json.loads(pi.run(f"runuser -u {pi.user} -- node -e '{LOOK}' {pi.settings_file}"))
    parts = [new if mark == wanted else old for mark, wanted in zip(marks, new.marks, strict=True)]
    assert marks == [part.marks[number] for number, part in enumerate(parts)], f"{pi.name}: {marks}"
    new_parts = parts.count(new)
    assert parts == [new] * new_parts + [old] * (len(parts) - new_parts), f"{pi.name}: {marks}"
    return Found(login=parts[0], port=parts[1], pages=parts[3], new_parts=new_parts)


def assert_in_effect(pi: Pi, found: Found) -> None:
    port = found.port.port
    pi.wait_until_it_serves(port, seconds=60)
    assert pi.get("/flows", port=port).status == 401
    assert pi.login(USER, found.login.password, port=port)
    assert pi.get("/hello", port=port).status == 401
    assert not pi.answers_in_the_clear(port)


def ssh_answers(fleet: Fleet, pi: Pi) -> bool:
    folder = fleet.inventory.parent
    options = ["BatchMode=yes", "ConnectTimeout=5", "IdentitiesOnly=yes", f"UserKnownHostsFile={folder}/known_hosts"]
    command = ["ssh", "-F", "none", "-i", str(folder / "id_ed25519")]
    command += [word for option in options for word in ("-o", option)]
    done = subprocess.run(
        [*command, f"{pi.user}@{pi.address}", "sudo", "true"], stdin=subprocess.DEVNULL, timeout=30, check=False
    )
    return done.returncode == 0


@dataclass(frozen=True)
class Moment:
    """Some seconds after a run has come to a task for the nth time, however fast the controller is then."""

    task: str
    occurrence: int
    seconds: float


class Play:
    """A run of `secure.yml` on every machine that tells when it came to which task."""

    def __init__(self, fleet: Fleet, configuration: Configuration, variables: dict[str, object], limit: str = "all"):
        # Connections of its own: one that a machine has lost with its power is kept for a while.
        self.connections = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen(
            fleet.command("secure", variables={**variables, **configuration.variables}, limit=limit),
            env={
                **fleet.environment(),
                "ANSIBLE_SSH_ARGS": SSH_ARGUMENTS,
                "ANSIBLE_SSH_CONTROL_PATH_DIR": self.connections.name,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self.tasks: list[tuple[str, float]] = []
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.append(line)
            if line.startswith(("TASK [", "RUNNING HANDLER [", "PLAY RECAP")):
                self.tasks.append((line, time.monotonic()))

    def end(self) -> Run:
        self.reader.join()
        output = "".join(self.lines)
        print(output)
        return Run(self.process.wait(), output, recap(output))

    def moment(self, fraction: float) -> Moment:
        """The moment at this fraction of the time in which the machines were being changed."""
        begin = next(when for task, when in self.tasks if FIRST_WRITE in task)
        moment = begin + fraction * (self.tasks[-1][1] - begin)
        number = max(number for number, (_task, when) in enumerate(self.tasks) if when <= moment)
        names = [task for task, _when in self.tasks[: number + 1]]
        return Moment(names[-1], names.count(names[-1]), moment - self.tasks[number][1])

    def wait_for(self, moment: Moment) -> None:
        """Wait until then, or until the run is over."""
        while [task for task, _when in self.tasks].count(moment.task) < moment.occurrence and self.reader.is_alive():
            time.sleep(0.05)
        time.sleep(moment.seconds)


def cut_power(pi: Pi) -> None:
    for command in ("kill", "start"):
        subprocess.run(["docker", command, pi.container], check=True, capture_output=True, timeout=60)


# The boot is over, and what the power cut interrupted is finished or undone.
SETTLED = """
timeout 240 bash -c 'until systemctl is-active multi-user.target; do sleep 0.3; done'
timeout 240 bash -c 'while systemctl is-active pifleet-nodered-interrupted; do sleep 0.3; done'
! systemctl is-failed pifleet-nodered-interrupted pifleet-firewall
"""


@contextlib.contextmanager
def let_in_past_ufw(pi: Pi, port: int) -> Iterator[None]:
    """The firewall is the old one after a power cut, and the next run lets in to a port that is new by then."""
    rule = f"INPUT -p tcp --dport {port} -j ACCEPT"
    pi.run(f"iptables -I {rule}")
    try:
        yield
    finally:
        pi.run(f"iptables -D {rule}")


def cut_power_at(moment: Moment, play: Play, pi: Pi) -> None:
    play.wait_for(moment)
    cut_power(pi)


@pytest.fixture
def machines(pi31, pi41, pi50, alex):
    machines = [pi31, pi41, pi50, alex]
    yield machines
    for pi in machines:
        pi.forget_firewall()


def test_a_power_cut_at_any_moment_leaves_a_machine_that_serves(fleet, machines, variables):
    print(f"POWER_CUT_SEED={SEED}")
    chance = random.Random(SEED)
    # Four that start at the same time take longer.
    patience = {"nodered_restart_timeout": 240}
    variables = {**variables, **patience, "nodered_serial": ["100%"], "nodered_max_fail_percentage": 100}
    old, new = CONFIGURATIONS
    whole = Play(fleet, old, variables)
    assert whole.end().code == 0
    for number in range(ROUNDS):
        tokens = {pi.name: pi.login(USER, old.password, port=old.port) for pi in machines}
        moments = {pi.name: whole.moment(chance.random()) for pi in machines}
        play = Play(fleet, new, variables)
        with ThreadPoolExecutor() as pool:
            for done in [pool.submit(cut_power_at, moments[pi.name], play, pi) for pi in machines]:
                done.result()
        play.end()
        for pi in machines:
            pi.run(SETTLED)
            found = look(pi, old, new)
            print(f"round {number}: {pi.name}: {moments[pi.name]}: {found.new_parts} new parts")
            assert ssh_answers(fleet, pi)
            with let_in_past_ufw(pi, found.port.port):
                assert_in_effect(pi, found)
        assert Play(fleet, new, variables).end().code == 0
        for pi in machines:
            assert_in_effect(pi, Found(new, new, new, len(new.marks)))
            assert pi.get("/flows", port=new.port, token=tokens[pi.name]).status == 401, "an old login is over"
        old, new = new, old
    again = Play(fleet, old, variables, limit="pi31,pi50").end()
    assert all(counts["changed"] == 0 and counts["failed"] == 0 for counts in again.recap.values())


def test_what_serves_nothing_after_a_power_cut_is_undone_by_the_machine_itself(fleet, pi41, tmp_path):
    settings = pi41.settings
    task = {
        "pifleet.nodered.settings": {"path": pi41.settings_file, "service": "nodered", "set": {"uiPort": "nowhere"}}
    }
    path = tmp_path / "tasks.yml"
    path.write_text(yaml.safe_dump([{"hosts": "pi41", "become": True, "gather_facts": False, "tasks": [task]}]))
    assert not fleet.play(path).failed
    cut_power(pi41)
    pi41.run(SETTLED)
    pi41.wait_until_it_serves()
    assert pi41.settings == settings
    assert "The change was rolled back" in pi41.run("journalctl -b --no-pager -t pifleet.nodered")
    assert "nowhere" in pi41.read(pi41.settings_file + ".rejected")
    assert pi41.run("ls /var/lib/pifleet.nodered/nodered; ls -R /etc/systemd/system | grep pifleet", check=False) == ""
