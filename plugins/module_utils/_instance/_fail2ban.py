# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: fail2ban, and the files that this collection gives it."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import itertools
import os
import re
import shutil
from typing import Any, Dict

from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _systemd

FOLDER = "/etc/fail2ban"
FILTERS, JAILS = "filter.d", "jail.d"
CLIENT = "fail2ban-client"
# Seconds. It is a Python program, and a small Pi is slow.
SECONDS = 60
# The actions that fail2ban brings, in this order, with the program that each runs. Both ban on the ports of the jail
# alone. The action `ufw` would ban on all ports.
ACTIONS = (("nftables-multiport", "nft"), ("iptables-multiport", "iptables"))
_SOCKET = "/run/fail2ban/fail2ban.sock"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LARGEST = 64 * 1024
_MOST = 40
_NAME = re.compile(r"(filter|jail)\.d/pifleet-[A-Za-z0-9_-]+\.local")
# The chain of a jail in iptables is f2b-NAME, of at most 28 characters.
_LONGEST = 24


def jail_name(service: str) -> str:
    """The name of the jail for this service, such as `pifleet-nodered`."""
    name = "pifleet-" + re.sub(r"[^A-Za-z0-9_-]", "_", service)
    if name == "pifleet-" + service and len(name) <= _LONGEST:
        return name
    return "%s-%s" % (name[: _LONGEST - 9], hashlib.sha256(service.encode()).hexdigest()[:8])


def names(jail: str) -> Dict[str, str]:
    """The names of the filter and of the jail's file, below `FOLDER`."""
    return {"filter": "%s/%s.local" % (FILTERS, jail), "jail": "%s/%s.local" % (JAILS, jail)}


def paths(service: str) -> Dict[str, str]:
    """The files of this service, whether they exist or not: path to name."""
    return {path(name): name for name in names(jail_name(service)).values()}


def path(name: str) -> str:
    """The path of a file with such a name. Raises Failure for any other name."""
    if not _NAME.fullmatch(name):
        raise Failure("%r is no file that this collection gives fail2ban." % name, "Use the roles instead.")
    return os.path.join(FOLDER, name)


def described() -> Dict[str, Any]:
    """Whether it is installed and runs, the action with which it can ban, and our files with their SHA-256."""
    installed = os.path.isdir(os.path.join(FOLDER, JAILS)) and shutil.which(CLIENT, path=_PATH) is not None
    actions = [action for action, program in ACTIONS if shutil.which(program, path=_PATH)] if installed else []
    found = {}
    paths = glob.iglob(os.path.join(FOLDER, "*.d", "pifleet-*.local")) if installed else iter(())
    for one in itertools.islice(paths, _MOST):
        with contextlib.suppress(Failure):
            found[os.path.relpath(one, FOLDER)] = _files.read(one).checksum
    return {
        "installed": installed,
        "running": installed and os.path.exists(_SOCKET),
        "action": actions[0] if actions else None,
        "files": found,
    }


def reload(*jails: str) -> None:
    """Have a fail2ban that runs read its files again. Raises Failure if it cannot, or has not started these jails."""
    if _systemd.run([CLIENT, "ping"], SECONDS).returncode != 0:
        return
    _require(["--test"], "fail2ban rejects its files")
    _require(["reload"], "fail2ban has not read its files again")
    for jail in jails:
        _require(["status", jail], "fail2ban has not started the jail %s" % jail)


def _require(arguments: Any, problem: str) -> None:
    answer = _systemd.run([CLIENT, *arguments], SECONDS)
    if answer.returncode != 0:
        lines = (answer.stderr.strip() or answer.stdout.strip()).splitlines()
        raise Failure(
            "%s: %s." % (problem, lines[-1][:300].rstrip(".") if lines else "no message"),
            "See journalctl -u fail2ban and /var/log/fail2ban.log there. It needs the package python3-systemd to read "
            "the journal.",
        )
