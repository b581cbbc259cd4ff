# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failed logins from another machine, and what the journal and fail2ban have of them."""

from __future__ import annotations

import re

import yaml

from .fleet import CHECKOUT, Pi

_DOCUMENTATION = (CHECKOUT / "docs" / "failed-logins.md").read_text()
# The variables of the documentation.
EXAMPLE = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", _DOCUMENTATION, re.DOTALL)[0])
_SHOW_LOG, _SHOW_BANS, _UNBAN = (
    line for block in re.findall(r"```console\n(.*?)```", _DOCUMENTATION, re.DOTALL) for line in block.splitlines()
)
LINE = re.search(r"```text\n(.*?) 192\.0\.2\.7\n```", _DOCUMENTATION)[1]
REFUSED = "000"


def fail_to_log_in(attacker: Pi, url: str) -> str:
    """The status of a login with a wrong password and a made-up address, sent from a machine to this Node-RED.

    000 if it cannot connect.
    """
    form = "client_id=node-red-editor&grant_type=password&scope=&username=ada&password=wrong"
    return attacker.run(
        "curl -sk -o /dev/null -w '%{http_code}' --max-time 10 -H 'X-Forwarded-For: 203.0.113.9' "
        f"-d '{form}' {url}/auth/token",
        check=False,
    )


def logged(pi: Pi) -> list[str]:
    """The addresses of failed logins, as the documentation shows them."""
    return re.findall(rf"{re.escape(LINE)} (\S+)$", pi.run(_SHOW_LOG, check=False), re.MULTILINE)


def banned(pi: Pi) -> list[str]:
    """The addresses that fail2ban has banned, as the documentation shows them."""
    return re.search(r"Banned IP list:(.*)", pi.run(_SHOW_BANS))[1].split()


def wait_for_ban(pi: Pi) -> None:
    pi.run(f"timeout 20 bash -c 'until {_SHOW_BANS} | grep -q \"Currently banned:.*1\"; do sleep 0.3; done'")


def unban(pi: Pi, address: str) -> None:
    pi.run(_UNBAN.replace("192.0.2.7", address))
