# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an unchanged run of `secure` costs, compared with a plain ping play: `python benchmarks/fleet.py`.

Starts 8 new machines, secures them once, and runs both plays on them with the same settings: one batch, 8 forks,
pipelining, no facts. Then it runs both on up to 200 inventory names, which are aliases of the 8 machines: the cost for
each host has to stay the same. Prints a table; times are medians of `ROUNDS` runs.
"""

from __future__ import annotations

import os
import pathlib
import re
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

import yaml

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent
FLEET = CHECKOUT / "containers" / "pi" / "fleet"
NAME = "benchmark"
FOLDER = CHECKOUT / "build" / "fleet" / NAME
MACHINES = 8
ALIASES = (MACHINES, 50, 100, 200)
ROUNDS = 3
PING = "- hosts: all\n  gather_facts: false\n  become: true\n  tasks:\n    - ansible.builtin.ping:\n"
SETTINGS = {
    "ANSIBLE_FORKS": str(MACHINES),
    "ANSIBLE_PIPELINING": "true",
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
}


@dataclass(frozen=True)
class Run:
    """One run of ansible-playbook: seconds of wall time and of CPU, and what it printed."""

    wall: float
    cpu: float
    output: str

    @property
    def lines(self) -> int:
        return len(self.output.splitlines())

    def tasks(self) -> list[int]:
        """Tasks for each host, ok and skipped, as the recap counts them."""
        found = re.findall(r"ok=(\d+) .* skipped=(\d+)", self.output)
        return [int(done) + int(skipped) for done, skipped in found]


def main() -> None:
    subprocess.run([FLEET, "down", "--name", NAME], check=True, cwd=CHECKOUT)
    subprocess.run(
        [FLEET, "up", "--name", NAME, *(f"pi41:bench{number}" for number in range(MACHINES))], check=True, cwd=CHECKOUT
    )
    inventory = FOLDER / "inventory.yml"
    ping = FOLDER / "ping.yml"
    ping.write_text(PING)
    first = play(inventory, "pifleet.nodered.secure")
    pings = [play(inventory, str(ping)) for _round in range(ROUNDS)]
    runs = [unchanged(inventory) for _round in range(ROUNDS)]
    print(f"{MACHINES} machines, medians of {ROUNDS} runs\n")
    print(f"tasks for each host, first run       {max(first.tasks())}")
    print(f"tasks for each host, unchanged       {max(runs[0].tasks())}")
    print(f"lines of output, unchanged           {runs[0].lines}")
    for what, each in (("wall time", "wall"), ("CPU time", "cpu")):
        base, own = (statistics.median(getattr(run, each) for run in some) for some in (pings, runs))
        print(f"{what}: ping {base:.2f} s, secure {own:.2f} s, factor {own / base:.1f}")
    print("\ninventory names  wall s  CPU s  CPU s for each host  of a ping play")
    play(aliases(inventory, MACHINES), "pifleet.nodered.secure")
    for count in ALIASES:
        names = aliases(inventory, count)
        run, base = unchanged(names), play(names, str(ping))
        print(
            f"{count:15}  {run.wall:6.1f}  {run.cpu:5.1f}  {run.cpu / count:19.3f}  {base.cpu / count:14.3f}",
            flush=True,
        )


def play(inventory: pathlib.Path, *arguments: str) -> Run:
    """Run a playbook; fails if it fails."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        ["ansible-playbook", "-i", str(inventory), "-e", "nodered_serial=100%", *arguments],
        env={**os.environ, **SETTINGS},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(time.monotonic() - begun, cpu, done.stdout)


def unchanged(inventory: pathlib.Path) -> Run:
    """Run `secure` on hosts that are secured; fails if it changes one."""
    run = play(inventory, "pifleet.nodered.secure")
    if re.search(r" changed=[1-9]", run.output):
        sys.exit(f"This run changed a host:\n{run.output}")
    return run


def aliases(inventory: pathlib.Path, count: int) -> pathlib.Path:
    """An inventory with so many names for the same machines.

    Each name has the passwords of its machine, whose certificate is for all of its names.
    """
    data = yaml.safe_load(inventory.read_text())
    hosts = list(data["nodered"]["hosts"].items())
    named = {f"alias{number}": hosts[number % len(hosts)] for number in range(count)}
    data["nodered"]["hosts"] = {
        alias: {
            **host,
            "nodered_tls_names": [
                f"alias{number}" for number in range(max(ALIASES)) if hosts[number % len(hosts)][0] == name
            ],
        }
        for alias, (name, host) in named.items()
    }
    for folder in (FOLDER / ".nodered-passwords", FOLDER / ".nodered-passwords" / "http-auth"):
        for alias, (name, _host) in named.items():
            (folder / alias).write_text((folder / name).read_text())
    path = inventory.with_name("aliases.yml")
    path.write_text(yaml.safe_dump(data))
    return path


if __name__ == "__main__":
    main()
