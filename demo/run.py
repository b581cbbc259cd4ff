# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three Node-RED machines that anyone can change: show that, secure them, verify it, and show how to log in.

`make demo` calls it, inside the virtual environment that has ansible.
"""

from __future__ import annotations

import pathlib
import ssl
import subprocess
import sys
import typing
import urllib.error
import urllib.request

import yaml

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent
FLEET = CHECKOUT / "containers" / "pi" / "fleet"
STATE = CHECKOUT / "build" / "fleet" / "demo"
PORT = 1881
MACHINES = ["pi31", "pi41", "pi50"]
# The dashboard is asked for a page that no flow has, so only a password can make a difference.
CHECKS = {"read all flows": "/flows", "see the editor": "/settings", "use pages and dashboards": "/no-such-page"}
LOGINS = [
    ("the editor", "admin", ".nodered-passwords"),
    ("pages and dashboards", "nodered", ".nodered-passwords/http-auth"),
]


def main() -> int:
    headline(f"Starting {len(MACHINES)} machines with Node-RED 3.1, 4.1 and 5.0")
    call(FLEET, "up", "--name", "demo", *MACHINES)
    inventory = STATE / "inventory.yml"
    hosts = {name: host["ansible_host"] for name, host in read(inventory)["nodered"]["hosts"].items()}
    before = {name: seen_by_a_stranger(address) for name, address in hosts.items()}

    headline(f"Securing them: logins, TLS, port {PORT} instead of 1880, and a firewall")
    call("ansible-playbook", "-i", inventory, "-e", f"nodered_port={PORT}", "pifleet.nodered.secure")
    after = {name: seen_by_a_stranger(address) for name, address in hosts.items()}

    headline("What anyone in the network can do without a password")
    rows = [(name, check, before[name][check], after[name][check]) for name in hosts for check in CHECKS]
    print(table([("host", "", "before", "now"), *rows]))

    headline("How to log in")
    print(table([("host", "for", "URL", "user", "the password is in"), *logins(hosts)]))
    print("\nEach has a certificate of its own. Your browser does not know it yet and asks once.")
    print("\nRemove everything with: make demo-down")
    return 0


def read(inventory: pathlib.Path) -> dict[str, typing.Any]:
    return typing.cast("dict[str, typing.Any]", yaml.safe_load(inventory.read_text()))


def headline(text: str) -> None:
    print(f"\n== {text} ==", flush=True)


def call(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True, stdin=subprocess.DEVNULL, cwd=CHECKOUT)


def seen_by_a_stranger(address: str) -> dict[str, str]:
    """What each request without a password gets."""
    return {check: ask(address, path) for check, path in CHECKS.items()}


def ask(address: str, path: str) -> str:
    for url in (f"http://{address}:1880{path}", f"https://{address}:{PORT}{path}"):
        how = "plain HTTP" if url.startswith("http:") else "TLS"
        try:
            with urllib.request.urlopen(url, timeout=5, context=ssl._create_unverified_context()):
                return f"open, over {how}"
        except urllib.error.HTTPError as error:
            # A page that does not exist is one that anyone may ask for.
            return f"{'open' if error.code == 404 else 'closed'} (HTTP {error.code}), over {how}"
        except OSError:
            continue
    return "no response"


def logins(hosts: dict[str, str]) -> list[tuple[str, ...]]:
    return [
        (name, what, f"https://{address}:{PORT}/", user, str((STATE / folder / name).relative_to(CHECKOUT)))
        for name, address in hosts.items()
        for what, user, folder in LOGINS
    ]


def table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join("  " + line.rstrip() for line in lines)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(f"\nThe demo stopped: {error.cmd[0]} ended with {error.returncode}; see its messages above.")
