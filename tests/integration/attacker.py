# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An attacker with the rights of the user that runs Node-RED, and a run of the collection that is being attacked."""

from __future__ import annotations

import pathlib
import secrets
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

from .fleet import CHECKOUT, Fleet, Pi, Run, kill, recap

HERE = pathlib.Path(__file__).parent
# The operator logs in as a user of its own, who may do everything, and the service user may do nothing with sudo.
OPERATOR = "ops"
OPERATED = f"""
id {OPERATOR} >/dev/null 2>&1 || useradd --create-home --shell /bin/bash {OPERATOR}
echo '{OPERATOR} ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/{OPERATOR} && chmod 0440 /etc/sudoers.d/{OPERATOR}
install -d -o {OPERATOR} -m 0700 ~{OPERATOR}/.ssh
install -o {OPERATOR} -m 0600 ~{{user}}/.ssh/authorized_keys ~{OPERATOR}/.ssh/
mv /etc/sudoers.d/010_pi-nopasswd /root/
"""
# What an attacker brings along, where only root can change it.
KIT = "/root/hostile-kit"
# What tells that code of the attacker has run as root, or was about to.
AS_ROOT = "/var/tmp/*-ran-as-0"
TRACES = ("Traceback", "MODULE FAILURE", "ended without a result", "Report this as an issue", "Unexpected Exception")


class Attacker:
    """What runs on a machine as its service user, without sudo. `leave` ends it and takes its files away."""

    def __init__(self, pi: Pi) -> None:
        self.pi = pi
        self.home = f"/home/{pi.user}"
        self.folder = f"{self.home}/hostile"
        self.user_dir = f"{self.home}/.node-red"
        self._started: list[str] = []

    def arrive(self) -> None:
        """Bring what `equip` has put on the machine, and keep as root what has to stay as it is."""
        self.pi.run(
            f"cp -r {KIT} {self.folder} && chown -R {self.pi.user}: {self.folder}"
            f" && tar -C {self.user_dir} --exclude ./node_modules -cf /root/hostile-before.tar ."
        )

    def run(self, command: str) -> str:
        return self.pi.run(f"cd /; {self._as_user} bash -c {shlex.quote(command)}")

    def write(self, path: str, text: str) -> None:
        self.pi.run(f"{self._as_user} tee {shlex.quote(path)} >/dev/null", stdin=text)

    def start(self, program: str, *arguments: str) -> str:
        """Let a program run in the background; the unit that holds it."""
        # Of its own, as its journal is that of this program alone.
        unit = f"hostile-{secrets.token_hex(4)}"
        self._started.append(unit)
        words = shlex.join(["/usr/bin/python3", f"{self.folder}/{program}", *arguments])
        self.pi.run(f"systemd-run --quiet --collect --unit {unit} --uid {self.pi.user} -p NoNewPrivileges=yes {words}")
        return unit

    def stop(self) -> None:
        """End the programs in an orderly way, and let go on what they have stopped."""
        self.pi.run(f"systemctl stop {' '.join(self._started)}; pkill -CONT -u {self.pi.user}", check=False)
        self._started.clear()

    def leave(self) -> None:
        """End everything of the attacker, and take away what it has left; Node-RED is for `Pi.reset`."""
        self.stop()
        end = f"crontab -u {self.pi.user} -r; systemctl restart cron; pkill -KILL -f {self.home}/[h]ostile"
        self.pi.run(end, check=False)
        self.pi.run(
            f"find {self.user_dir} -mindepth 1 -maxdepth 1 ! -name node_modules -exec rm -rf {{}} +"
            f" && tar -C {self.user_dir} -xf /root/hostile-before.tar"
            f" && rm -rf {self.folder} {self.user_dir}.decoy /var/tmp/*-ran-as-*"
        )

    def crontab_now(self, line: str) -> None:
        """Have cron run this as the service user, as it does after the next boot."""
        self.pi.run(f"crontab -u {self.pi.user} -", stdin=f"@reboot {line}\n")
        self.pi.run("rm -f /run/crond.reboot; systemctl restart cron")

    def has_been_root(self) -> str:
        return self.pi.run(f"ls -d {AS_ROOT}", check=False)

    @property
    def _as_user(self) -> str:
        user = self.pi.user
        return f"setpriv --reuid {user} --regid {user} --init-groups --no-new-privs env HOME={self.home}"


def equip(pi: Pi) -> None:
    """Make a machine ready for attackers: an operator of its own, and what they bring along."""
    pi.run(OPERATED.format(user=pi.user))
    pi.run(f"mkdir -p {KIT}/bin")
    for program in ("exchange.py", "stop.py", "pause.py", "listen.py"):
        pi.write(f"{KIT}/{program}", (HERE / "hostile" / program).read_text())
    pi.write(f"{KIT}/evil_server.py", (HERE / "evil_server.py").read_text())
    for program, name in (("fake_node.py", "node"), ("fake_node_red.py", "node-red")):
        pi.write(f"{KIT}/bin/{name}", "#!/usr/bin/python3\n" + (HERE / "hostile" / program).read_text())
    pi.run(f"chmod 0755 {KIT}/bin/*")


@dataclass
class AttackedRun(Run):
    seconds: float = 0

    @property
    def traces(self) -> list[str]:
        """Errors that were never meant for a user."""
        return [trace for trace in TRACES if trace in self.output]


def play(
    fleet: Fleet,
    playbook: str | pathlib.Path | list[str],
    *options: str,
    pis: Sequence[Pi],
    patience: float = 400,
    **variables: object,
) -> AttackedRun:
    """Run a playbook of the operator against these machines, and end it where it takes longer than `patience` seconds.

    That ends a run that hangs, also while other tests keep this machine busy; how long one may take, a test compares.
    The output is complete: everything that a terminal would have received.
    """
    variables = {"nodered_tls_source": "none", "nodered_restart_timeout": 60, "ansible_user": OPERATOR, **variables}
    command = fleet.command(playbook, *options, variables=variables, limit=",".join(pi.name for pi in pis))
    begin = time.monotonic()
    with tempfile.TemporaryFile() as output:
        controller = subprocess.Popen(
            command,
            env=fleet.environment() | {"ANSIBLE_TIMEOUT": "60"},
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            code = controller.wait(patience)
        except subprocess.TimeoutExpired:
            code = -signal.SIGKILL
            kill(controller.pid)
            controller.wait()
            for pi in pis:
                pi.run(f"pkill -KILL -u {OPERATOR}; pkill -KILL -f '^/usr/bin/python[3]( -I)?$'", check=False)
        output.seek(0)
        text = output.read().decode("utf-8", "surrogateescape")
    print(text.encode("unicode_escape").decode().replace("\\n", "\n"))
    seconds = time.monotonic() - begin
    assert code != -signal.SIGKILL, f"the run was still going on after {seconds:.0f} seconds"
    return AttackedRun(code, text, recap(text), seconds)
