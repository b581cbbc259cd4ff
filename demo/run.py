# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three Node-RED machines that anybody could change: show that, secure them, prove it, say how to get in.

`make demo` calls it, inside the virtual environment that has ansible.
"""

from __future__ import annotations

import pathlib
import ssl
import subprocess
import sys
import urllib.error
import urllib.request

import yaml

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent
FLEET = CHECKOUT / "containers" / "pi" / "fleet"
STATE = CHECKOUT / "build" / "fleet" / "demo"
PORT = 1881
MACHINES = ["pi31", "pi41", "pi50"]


def main() -> int:
    headline(f"Starting {len(MACHINES)} machines with Node-RED 3.1, 4.1 and 5.0")
    call(FLEET, "up", "--name", "demo", *MACHINES)
    inventory = STATE / "inventory.yml"
    hosts = yaml.safe_load(inventory.read_text())["nodered"]["hosts"]

    headline("What a stranger may do before")
    for name, host in hosts.items():
        print(f"  {name}: {what_a_stranger_may_do(host['ansible_host'])}")

    headline(f"Securing them: a login, TLS, port {PORT} instead of 1880, and a firewall")
    call("ansible-playbook", "-i", inventory, "-e", f"nodered_port={PORT}", "pifleet.nodered.secure")

    headline("How to get in")
    print(table([("host", "URL", "user", "the password is in"), *(way_in(name, host) for name, host in hosts.items())]))
    print("\nEach has a certificate of its own, which your browser does not know yet: it asks once.")
    print("\nRemove it all with: make demo-down")
    return 0


def headline(text: str) -> None:
    print(f"\n== {text} ==", flush=True)


def call(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True, stdin=subprocess.DEVNULL, cwd=CHECKOUT)


def what_a_stranger_may_do(address: str) -> str:
    for url in (f"http://{address}:1880/flows", f"https://{address}:{PORT}/flows"):
        try:
            with urllib.request.urlopen(url, timeout=10, context=ssl._create_unverified_context()):
                return f"open: {url} gives every flow away, without a login"
        except urllib.error.HTTPError as error:
            return f"closed already (HTTP {error.code}); it was secured before. For a fresh start: make demo-down demo"
        except OSError:
            continue
    return "nothing answers"


def way_in(name: str, host: dict[str, str]) -> tuple[str, str, str, str]:
    password_file = (STATE / ".nodered-passwords" / name).relative_to(CHECKOUT)
    return name, f"https://{host['ansible_host']}:{PORT}/", "admin", str(password_file)


def table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join("  " + line.rstrip() for line in lines)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(f"\nThe demo stopped: {error.cmd[0]} ended with {error.returncode}; its messages stand above.")
