# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet as tests see it: start it, look into a machine, ask its Node-RED, run a playbook against it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pathlib
import re
import shlex
import signal
import ssl
import subprocess
import time
import urllib.parse
from dataclasses import dataclass, field

import yaml

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent.parent
# Each worker of pytest-xdist has machines of its own.
FLEET_NAME = "test-" + os.environ.get("PYTEST_XDIST_WORKER", "gw0")
FLEET_SCRIPT = CHECKOUT / "containers" / "pi" / "fleet"
PLAYBOOKS = CHECKOUT / "playbooks"

# Everything that a test or the collection may have left on a machine, and Node-RED as it came out of the box. A machine
# whose user runs no Node-RED is not reset.
REMEMBER = """
test -e /root/pristine.js || ! test -e ~{user}/.node-red || cp -p ~{user}/.node-red/settings.js /root/pristine.js
"""
# A restart or a write that a killed controller has left behind holds this lock until it has ended.
UNDISTURBED = "mkdir -p /run/pifleet.nodered; flock -w 120 /run/pifleet.nodered/nodered.lock true"
LEFT = """
shopt -s nullglob
left=(/etc/systemd/system/nodered.service.d /var/lib/pifleet.nodered /etc/systemd/system/node-red.service
~{user}/.node-red/.sessions.json* ~{user}/.node-red/settings.js?* ~{user}/.node-red/.settings.js*
/etc/systemd/system/pifleet-* /etc/systemd/system/*.wants/pifleet-* /etc/nodered-tls
~{user}/.node-red/environment ~{user}/.node-red/package.json.test ~{user}/.node-red/pifleet-*.js*
~{user}/.node-red/.pifleet-* ~{user}/.node-red/..pifleet-*)
"""
# Whatever a test has made of the firewall.
FORGET_FIREWALL = """
systemctl stop 'pifleet-firewall-clock-*.timer' pifleet-firewall.service
rm -rf /etc/systemd/system/pifleet-firewall.service /etc/systemd/system/*/pifleet-firewall.service
sed -i '/cut off/d' /etc/ufw/before.rules
ufw --force reset; rm -f /etc/ufw/*.20[0-9]*_* /var/lib/pifleet.nodered/firewall/*
systemctl daemon-reload
"""
# Starting Node-RED takes seconds, and a test of what is refused leaves nothing.
IS_PRISTINE = (
    UNDISTURBED
    + LEFT
    + """
for path in "${{left[@]}}"; do ! [ -e "$path" -o -L "$path" ] || exit 1; done
cd ~{user}/.node-red
cmp --quiet /root/pristine.js settings.js
[ "$(stat -c '%U %a' .)" = '{user} 755' ]
! find settings.js .config.* '(' ! -perm 644 -o ! -user {user} -o ! -type f ')' | grep . || exit 1
! findmnt /home/{user}/small || exit 1
systemctl is-active nodered.service
"""
)
RESET = (
    UNDISTURBED
    + LEFT
    + """
systemctl stop nodered.service
mount | grep -q ' on /home/{user}/small ' && umount /home/{user}/small
systemctl disable --now pifleet-nodered-certificate.path
rm -rf "${{left[@]}}"
cp -p --remove-destination /root/pristine.js ~{user}/.node-red/settings.js
chmod 0755 ~{user}/.node-red && chmod 0644 ~{user}/.node-red/.config.*
systemctl daemon-reload && systemctl reset-failed && systemctl start nodered.service
"""
)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str

    def json(self) -> object:
        return json.loads(self.body)


@dataclass
class Pi:
    """One machine: `run` looks inside without Ansible, `get` asks its Node-RED from outside."""

    name: str
    container: str
    address: str
    user: str

    @property
    def settings_file(self) -> str:
        return f"/home/{self.user}/.node-red/settings.js"

    def run(self, command: str, *, check: bool = True, stdin: str | None = None) -> str:
        done = subprocess.run(
            ["docker", "exec", *(["-i"] if stdin is not None else []), self.container, "bash", "-c", command],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert not check or done.returncode == 0, f"{self.name}: {command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def read(self, path: str) -> str:
        return self.run(f"cat {shlex.quote(path)}")

    def write(self, path: str, text: str) -> None:
        """Write in place, so that owner and mode stay what they are."""
        self.run(f"cat > {shlex.quote(path)}", stdin=text)

    def copy(self, source: str | pathlib.Path, target: str) -> None:
        """Copy a file or folder of this computer to the machine, as `docker cp` does. A link is followed."""
        command = ["docker", "cp", "--follow-link", str(source), f"{self.container}:{target}"]
        subprocess.run(command, check=True, capture_output=True, timeout=120)

    @property
    def settings(self) -> str:
        return self.read(self.settings_file)

    def change_settings(self, old: str, new: str) -> None:
        text = self.settings
        assert old in text
        self.write(self.settings_file, text.replace(old, new))

    def main_pid(self) -> int:
        return int(self.run("systemctl show -P MainPID nodered.service"))

    def journal(self) -> str:
        return self.run("journalctl --no-pager --output=short-unix")

    def reset(self) -> None:
        if not self.is_pristine():
            self.run(RESET.format(user=self.user), check=False)
        self.wait_until_it_serves()

    def forget_firewall(self) -> None:
        """Have the firewall that it had before a test."""
        self.run(FORGET_FIREWALL, check=False)

    def is_pristine(self) -> bool:
        command = ["docker", "exec", self.container, "bash", "-ec", IS_PRISTINE.format(user=self.user)]
        return subprocess.run(command, stdout=subprocess.DEVNULL, timeout=180, check=False).returncode == 0

    def wait_until_it_serves(self, port: int = 1880, *, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not self.serves(port):
            assert time.monotonic() < end, f"{self.name}: nothing answers on {port}\n" + self.run(
                "systemctl status nodered.service; journalctl -n 30 --no-pager -u nodered", check=False
            )
            time.sleep(0.3)

    def wait_until_it_has_ended(self) -> None:
        """And systemd is about to start it again."""
        ended = '[ "$(systemctl show -P SubState nodered)" = auto-restart ]'
        self.run(f"timeout 60 bash -c 'until {ended}; do sleep 0.3; done'")

    def serves(self, port: int = 1880) -> bool:
        try:
            return self.get("/auth/login", port=port).status == 200
        except OSError:
            return False

    def get(self, path: str, *, port: int = 1880, token: str | None = None) -> Answer:
        return self._ask("GET", path, port, token, None)

    def post(self, path: str, form: dict[str, str], *, port: int = 1880, token: str | None = None) -> Answer:
        return self._ask("POST", path, port, token, form)

    def _ask(self, method: str, path: str, port: int, token: str | None, form: dict[str, str] | None) -> Answer:
        """In the clear, or over TLS where that is all that is spoken; whose certificate it is does not matter here."""
        try:
            return self._ask_by(http.client.HTTPConnection(self.address, port, timeout=10), method, path, token, form)
        except ConnectionRefusedError:
            raise
        except ConnectionError:
            anyone = ssl._create_unverified_context()
            secure = http.client.HTTPSConnection(self.address, port, timeout=10, context=anyone)
            return self._ask_by(secure, method, path, token, form)

    @staticmethod
    def _ask_by(
        connection: http.client.HTTPConnection, method: str, path: str, token: str | None, form: dict[str, str] | None
    ) -> Answer:
        headers = {"Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        body = None
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urllib.parse.urlencode(form)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read().decode())
        except http.client.HTTPException as error:
            raise ConnectionError(repr(error)) from error
        finally:
            connection.close()

    def login(self, username: str, password: str, *, port: int = 1880) -> str | None:
        """The token that Node-RED gives for these credentials, or None where it refuses them."""
        form = {"client_id": "node-red-editor", "grant_type": "password", "scope": "*"}
        for scope in ("*", "read"):
            answer = self.post(
                "/auth/token", {**form, "scope": scope, "username": username, "password": password}, port=port
            )
            if answer.status == 200:
                return answer.json()["access_token"]
        return None

    def answers_in_the_clear(self, port: int = 1880) -> bool:
        connection = http.client.HTTPConnection(self.address, port, timeout=10)
        try:
            self._ask_by(connection, "GET", "/auth/login", None, None)
        except ConnectionError:
            return False
        return True

    def is_open(self, port: int = 1880) -> bool:
        return self.get("/flows", port=port).status == 200


@dataclass
class Run:
    """What a playbook run printed, and how it ended."""

    code: int
    output: str = field(repr=False)
    recap: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        return self.code != 0

    def says(self, *words: str) -> bool:
        """Whether the output holds all of these, wherever its lines were broken."""
        return all(word in self.output for word in words)

    def failure(self, host: str) -> str:
        """What was printed about the task that failed on this host; empty where none did."""
        lines = rf"^fatal: \[{re.escape(host)}\]: (.*?)(?=^\w+: \[|^[A-Z ]+ [\[*]|\Z)"
        return "".join(re.findall(lines, self.output, re.MULTILINE | re.DOTALL))

    def judged(self, title: str) -> list[str]:
        """How the verification of each host judged the check with this title: pass, fail or skip."""
        return re.findall(rf'"(pass|fail|skip) - {re.escape(title)} - ', self.output)

    def executions(self, address: str) -> int:
        """Remote executions on one host, at -vvv and with pipelining: each is one ssh command."""
        return len(re.findall(rf"^<{re.escape(address)}> SSH: EXEC ", self.output, re.MULTILINE))


@dataclass
class Fleet:
    name: str
    inventory: pathlib.Path
    pis: dict[str, Pi]

    @classmethod
    def fresh(cls, name: str, variants: list[str]) -> Fleet:
        """A fleet of new machines; what a run that was killed has left of it is removed."""
        cls._remove(name)
        return cls.up(name, variants)

    @classmethod
    def up(cls, name: str, variants: list[str]) -> Fleet:
        subprocess.run(
            [FLEET_SCRIPT, "up", "--name", name, *variants], check=True, stdin=subprocess.DEVNULL, timeout=1500
        )
        inventory = CHECKOUT / "build" / "fleet" / name / "inventory.yml"
        hosts = yaml.safe_load(inventory.read_text())["nodered"]["hosts"]
        pis = {
            host: Pi(host, f"pifleet-{name}-{host}", settings["ansible_host"], settings["ansible_user"])
            for host, settings in hosts.items()
        }
        for pi in pis.values():
            pi.run(REMEMBER.format(user=pi.user))
        return cls(name, inventory, pis)

    def down(self) -> None:
        self._remove(self.name)

    @staticmethod
    def _remove(name: str) -> None:
        subprocess.run([FLEET_SCRIPT, "down", "--name", name], check=True, stdin=subprocess.DEVNULL, timeout=120)

    def play(
        self,
        playbook: str | pathlib.Path | list[str],
        *options: str,
        variables: dict[str, object] | None = None,
        limit: str = "all",
        environment: dict[str, str] | None = None,
    ) -> Run:
        """Run a playbook of the collection (by name), a file, or one of these roles; return what it printed.

        Without a word about TLS in the variables it is left as it is, for most tests are about something else.
        """
        if not any(name.startswith("nodered_tls") for name in variables or {}):
            variables = {**(variables or {}), "nodered_tls_source": "none"}
        command = self.command(playbook, *options, variables=variables, limit=limit)
        return self._ran(command, CHECKOUT, environment or {}, 900)

    def shell(self, command: str, folder: pathlib.Path, **environment: str) -> Run:
        """Run a command of a page in this folder, in a shell as those of GitHub and GitLab."""
        return self._ran(["bash", "-e", "-o", "pipefail", "-c", command], folder, environment, 300)

    def _ran(self, command: list[str], folder: pathlib.Path, environment: dict[str, str], seconds: float) -> Run:
        done = subprocess.run(
            command,
            cwd=folder,
            env=self.environment() | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
        print(done.stdout)
        return Run(done.returncode, done.stdout, recap(done.stdout))

    def command(
        self,
        playbook: str | pathlib.Path | list[str],
        *options: str,
        variables: dict[str, object] | None = None,
        limit: str = "all",
    ) -> list[str]:
        """The command line of such a run. Without a word about the firewall, that is left as it is as well."""
        variables = dict(variables or {})
        if not any(name.startswith("nodered_ufw") for name in variables):
            variables["nodered_ufw_manage"] = False
        path = self.site(playbook) if isinstance(playbook, list) else playbook
        path = path if isinstance(path, pathlib.Path) else f"pifleet.nodered.{path}"
        extra = ["--extra-vars", json.dumps(variables)]
        # With -v the verification lists its checks.
        verbosity = [] if any(option.startswith("-v") for option in options) else ["-v"]
        command = ["ansible-playbook", "-i", str(self.inventory), "--limit", limit, *verbosity]
        return [*command, *extra, *options, str(path)]

    def connection(self, name: str) -> dict[str, str]:
        """The variables of a machine for an inventory elsewhere."""
        group = yaml.safe_load(self.inventory.read_text())["nodered"]
        variables = {**group["vars"], **group["hosts"][name]}
        here = str(self.inventory.parent)
        return {key: value.replace("{{ inventory_dir }}", here) for key, value in variables.items()}

    def site(self, roles: list[str]) -> pathlib.Path:
        """A site playbook with these roles alone, which takes less time than all of them."""
        path = self.inventory.parent / f"{'-'.join(roles)}.yml"
        play = {"hosts": "nodered", "become": True, "gather_facts": False}
        path.write_text(yaml.safe_dump([play | {"roles": [f"pifleet.nodered.{role}" for role in roles]}]))
        return path

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / "build" / "collections"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_FORKS": "4",
        }


def kill(pid: int) -> None:
    """Kill a run with all its processes: since ansible-core 2.19, workers have sessions of their own."""
    parents = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    family = [pid]
    for one in family:
        family += [child for child, parent in parents.items() if parent == one]
    for one in family:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)


def recap(output: str) -> dict[str, dict[str, int]]:
    lines = re.findall(r"^(\S+)\s+: (ok=\d+ .*)$", output, re.MULTILINE)
    return {host: {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", counts)} for host, counts in lines}
