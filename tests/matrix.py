# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run `secure` on every Node-RED release and Debian that is promised, and write the table for the documentation.

`make matrix`, or `make matrix VARIANTS="nr50-trixie bone"`. For each machine: `secure` with all roles and its
verification, a reboot, and a run that must change nothing. The table of a run with all machines is a part of
`docs/compatibility.md`; that of some machines is only printed.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import datetime
import re
import subprocess
import sys
from collections.abc import Sequence

from . import generated
from .integration.fleet import CHECKOUT, Fleet, Pi, Run

# Each machine takes about as much CPU time as it waits.
AT_ONCE = 2
LOGS = CHECKOUT / "build" / "matrix"
VARIABLES = {"nodered_tls_source": "selfsigned", "nodered_ufw_manage": True, "nodered_serial": "100%"}
BOARDS = ["root", "dietpi", "bone", "user-unit"]
VERSIONS = """
. /etc/os-release; echo "$VERSION_ID ($VERSION_CODENAME)"
python3 -c 'import platform; print(platform.python_version())'
node --version
systemctl --version | awk 'NR == 1 { print $2 }'
uname -m
"""
INTRODUCTION = """\
## Node-RED and Debian

`make matrix` wrote this table on {date}. Each row is one machine: `secure` with all roles and the verification from
outside, then a reboot, then a second run that must change nothing. All machines are containers with systemd; the CPU
architecture is that of the machine that ran them. Other architectures were not tested.

"""


@dataclasses.dataclass(frozen=True)
class Row:
    """How one machine did: for each step `yes`, or what failed."""

    variant: str
    node_red: str
    versions: Sequence[str] = ("",) * 5
    """Debian, Python, Node.js, systemd and CPU architecture."""
    secured: str = "-"
    rebooted: str = "-"
    unchanged: str = "-"

    @property
    def passed(self) -> bool:
        return self.secured == self.rebooted == self.unchanged == "yes"

    def cells(self) -> list[str]:
        return [self.node_red, *self.versions, self.variant, self.secured, self.rebooted, self.unchanged]


HEADER = [
    "Node-RED",
    "Debian",
    "Python",
    "Node.js",
    "systemd",
    "CPU",
    "machine",
    "secured",
    "after reboot",
    "unchanged",
]


def main(names: Sequence[str]) -> int:
    known = variants()
    chosen = list(names) or [name for name in known if name.startswith("nr")] + BOARDS
    with concurrent.futures.ProcessPoolExecutor(AT_ONCE) as pool:
        rows = list(pool.map(tested, chosen, (known[name] for name in chosen)))
    text = generated.table([HEADER, *(row.cells() for row in rows)])
    print(text)
    if not names:
        generated.write("matrix", INTRODUCTION.format(date=datetime.datetime.now(tz=datetime.UTC).date()) + text)
    return 0 if all(row.passed for row in rows) else 1


def variants() -> dict[str, str]:
    """The release of Node-RED on each machine that can be built, by name."""
    script = "import images; print(*(f'{v.name} {v.node_red}' for v in images.variants().values()), sep='\\n')"
    folder = CHECKOUT / "containers" / "pi"
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, check=True, capture_output=True, text=True)
    return dict(line.split() for line in done.stdout.splitlines())


def tested(variant: str, release: str) -> Row:
    """Start the machine, test it and remove it. What its runs print is kept in a file."""
    row = Row(variant, release)
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / f"{variant}.log").open("w") as log, contextlib.redirect_stdout(log):
        try:
            fleet = Fleet.fresh(f"matrix-{variant}", [variant])
            try:
                row = _tested(fleet, fleet.pis[variant], row)
            finally:
                fleet.down()
        except (subprocess.SubprocessError, AssertionError) as error:
            row = dataclasses.replace(row, secured=_first_line(str(error)))
    print(f"{variant}: secured {row.secured}, after reboot {row.rebooted}, unchanged {row.unchanged}", flush=True)
    return row


def _tested(fleet: Fleet, pi: Pi, row: Row) -> Row:
    row = dataclasses.replace(row, versions=pi.run(VERSIONS).splitlines())
    first = fleet.play("secure", variables=VARIABLES)
    if first.failed:
        return dataclasses.replace(row, secured=_failure(first))
    subprocess.run(["docker", "restart", "-t", "5", pi.container], check=True, capture_output=True, timeout=120)
    try:
        pi.wait_until_it_serves(seconds=120)
    except AssertionError as error:
        return dataclasses.replace(row, secured="yes", rebooted=_first_line(str(error)))
    second = fleet.play("secure", variables=VARIABLES)
    if second.failed:
        return dataclasses.replace(row, secured="yes", rebooted=_failure(second))
    changed = second.recap[pi.name]["changed"]
    return dataclasses.replace(
        row, secured="yes", rebooted="yes", unchanged=f"no: {changed} tasks changed" if changed else "yes"
    )


def _failure(run: Run) -> str:
    """The first error of a run, in one line."""
    found = re.search(r'^fatal: .*?"msg": "(.*?)"$', run.output, re.MULTILINE | re.DOTALL)
    return _first_line(found.group(1) if found else f"exit code {run.code}")


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0].replace("|", "/")[:200]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
