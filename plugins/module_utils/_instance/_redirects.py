# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: rules that send packets for one TCP port of this machine to another.

People reach Node-RED on port 80 by such a rule. It does not follow when Node-RED moves.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Any, Dict, Iterator, List, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils._core import _commands
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _identity, _systemd

# Without a table: the older iptables would load the module of one that is named and not in use.
COMMANDS = (("iptables-save",), ("ip6tables-save",), ("nft", "--terse", "--numeric", "list", "ruleset"))
# Where Debian, ufw and the usual instructions for a Pi keep them.
FILES = (
    "/etc/iptables/rules.v4",
    "/etc/iptables/rules.v6",
    "/etc/iptables.ipv4.nat",
    "/etc/nftables.conf",
    "/etc/rc.local",
    "/etc/ufw/before.rules",
)
SECONDS = 2.0
OUTPUT_LIMIT = 1024 * 1024
FILE_LIMIT = 256 * 1024
MOST = 20
LONGEST_LINE = 1000

_PORT = r"([0-9]{1,5})(?![0-9.])"
_TO = (
    re.compile(r"-j REDIRECT .{0,200}--to-ports? ()" + _PORT),
    re.compile(r"-j DNAT .{0,200}--to(?:-destination)? ([0-9a-fA-F.:\[\]]{0,50}):" + _PORT),
    re.compile(r"(?<![\w-])redirect to :?()" + _PORT),
    re.compile(r"(?<![\w-])dnat (?:ip6? )?to ([0-9a-fA-F.:\[\]]{0,50}):" + _PORT),
)
_FROM = re.compile(r"(?:--dports? |tcp dport )\{?\s{0,3}([0-9][0-9,:\s-]{0,60})")


def collected() -> List[Dict[str, Any]]:
    """The redirects of this machine, active and kept for the next boot; each `{from, address, to, where}`."""
    texts = [(words[0], text) for words in COMMANDS for text in [_printed(*words)] if text]
    texts += [(path, _files.text(path, limit=FILE_LIMIT)) for path in FILES if _identity.only_root_can_change(path)]
    found: Dict[Tuple[str, str, int], List[str]] = {}
    for where, text in texts:
        for redirect in redirects(text):
            found.setdefault(redirect, []).append(where)
    return [
        {"from": ports, "address": address, "to": to, "where": list(dict.fromkeys(where))}
        for (ports, address, to), where in list(found.items())[:MOST]
    ]


def _printed(program: str, *arguments: str) -> str:
    path = shutil.which(program, path=_systemd.SYSTEM_PATH)
    if path is None:
        return ""
    try:
        output = _commands.run(
            [path, *arguments], SECONDS, environment={"PATH": _systemd.SYSTEM_PATH}, limit=OUTPUT_LIMIT
        )
    except (OSError, subprocess.SubprocessError, _commands.TooMuch):
        return ""
    return output.stdout.decode("utf-8", "replace")


def redirects(text: str) -> Iterator[Tuple[str, str, int]]:
    """(ports, address, port) of each line of iptables-save, nft or a script with them that redirects TCP packets.

    `ports` is as it is written, such as `80` or `80,443`; empty for all. `address` is empty for this machine.
    """
    for line in text.splitlines():
        line = " ".join(line[:LONGEST_LINE].split())
        if line.startswith("#") or re.search(r"-p udp|udp dport", line):
            continue
        for pattern in _TO:
            match = pattern.search(line)
            if match:
                yield _ports(line), match.group(1).strip("[]"), int(match.group(2))
                break


def _ports(line: str) -> str:
    match = _FROM.search(line)
    return match.group(1).replace(" ", "").rstrip(",:-") if match else ""
