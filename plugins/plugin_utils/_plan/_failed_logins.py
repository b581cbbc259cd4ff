# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan for the role `hardening` what logs failed logins, and the jail of fail2ban that bans their addresses. Private;
knows no Ansible.
"""

from __future__ import annotations

import hashlib
import ipaddress
from urllib.parse import urlsplit

from ...module_utils._instance import _fail2ban
from .._core import _arguments
from .._core._arguments import ArgumentError
from .._settings._admin_middleware import COMPANION
from ._base import Found, Plan, Wanted, is_user_unit, other_services

LOG = "nodered_hardening_log_failed_logins"
BAN = "nodered_hardening_ban_failed_logins"
NEVER = "nodered_hardening_never_banned"

_HEAD = (
    "# Written by pifleet.nodered, so do not edit it. Files that are read later override it, such as jail.d/zz.local.\n"
)
# The lines of a verification have other words. journald puts host and identifier before the message.
_FILTER = """\
[Definition]
failregex = ^\\s*\\S+ \\S+: pifleet-failed-logins\\.js: failed login from <ADDR>\\s*$
ignoreregex =
"""
_JAIL = """\
[{name}]
enabled = true
filter = {name}
backend = systemd
journalmatch = _SYSTEMD_UNIT={unit}
port = {port}
protocol = tcp
banaction = {action}
ignoreself = true
ignoreip = {ignored}
maxretry = 5
findtime = 10m
bantime = 1h
"""


def plan(result: Plan, found: Found, wanted: Wanted, *, logged: bool | None, port: object) -> None:
    """Add to `result` the companion and the files of fail2ban.

    `logged`: whether failed logins are logged after this run, None if that is left as it is. `port` is the port of
    Node-RED after this run.
    """
    _plan_companion(result, found, logged)
    try:
        ban = None if wanted.get(BAN) is None else _arguments.truth(wanted[BAN], BAN)
        files = _files(result, found, wanted, logged=bool(logged), port=port) if ban else None
    except ArgumentError as error:
        result.errors += error.problems
        return
    if ban is None:
        return
    present = found.instance["fail2ban"]["files"]
    for name in _fail2ban.names(_jail(found)).values():
        text = (files or {}).get(name)
        if text is not None and present.get(name) != _checksum(text):
            result.fail2ban[name] = text
        elif text is None and name in present:
            result.fail2ban[name] = None


def _plan_companion(result: Plan, found: Found, logged: bool | None) -> None:
    present = found.instance["companions"].get(COMPANION)
    if logged and present != _checksum(str(found.controller["script"])):
        result.companions[COMPANION] = str(found.controller["script"])
    shared = any("settings_folder" in one["shares"] for one in other_services(found.instance))
    if logged is False and present and not shared:
        result.companions[COMPANION] = None


def _files(result: Plan, found: Found, wanted: Wanted, *, logged: bool, port: object) -> dict[str, str]:
    """The texts of the filter and the jail; none where there cannot be any, which is noted. Raises ArgumentError."""
    if not _arguments.truth(wanted.get(LOG) or False, LOG):
        raise ArgumentError(f"{BAN} needs {LOG}: true, as fail2ban reads what that logs.")
    ignored = _never_banned(wanted)
    missing = _missing(found, logged=logged)
    if missing:
        result.notes.append(missing)
        return {}
    if not found.instance["fail2ban"]["running"]:
        result.notes.append(
            f"fail2ban does not run on {found.host}, so no address is banned. Start it there (systemctl enable --now "
            "fail2ban; journalctl -u fail2ban shows what is wrong, such as a jail whose log file does not exist)."
        )
    name = _jail(found)
    text = _JAIL.format(
        name=name,
        unit=f"{found.instance['service']}.service",
        port=_arguments.whole_number(_port(wanted, port), "The port of Node-RED"),
        action=found.instance["fail2ban"]["action"],
        ignored=" ".join(["127.0.0.0/8", "::1", *ignored]),
    )
    names = _fail2ban.names(name)
    return {names["filter"]: _HEAD + _FILTER, names["jail"]: _HEAD + text}


def _missing(found: Found, *, logged: bool) -> str:
    """Why nothing is banned on this host; empty if something is."""
    fail2ban, host = found.instance["fail2ban"], found.host
    if not logged:
        return f"{BAN} has no effect on {host}, as failed logins are not logged there."
    if not fail2ban["installed"]:
        return (
            f"fail2ban is not installed on {host}, so failed logins are logged, and no address is banned. Install it "
            f"there (apt install fail2ban python3-systemd), or leave {BAN} out."
        )
    if not fail2ban["action"]:
        return f"{host} has neither nft nor iptables, so fail2ban cannot ban there. Install nftables there."
    if is_user_unit(found.instance):
        return (
            f"{found.instance['service']} on {host} is a user unit, whose user can write any line to its journal, so "
            "no address is banned for it. Make it a service of the machine (see the README of the role instance)."
        )
    return ""


def _never_banned(wanted: Wanted) -> list[str]:
    listed = _arguments.names(wanted[NEVER], NEVER, "192.168.1.0/24")
    try:
        return [str(ipaddress.ip_network(one, strict=False)) for one in listed]
    except ValueError:
        raise ArgumentError(f"{NEVER} must be a list of IP addresses and networks such as 192.168.1.0/24.") from None


def _port(wanted: Wanted, port: object) -> object:
    """The port that clients connect to. Behind a proxy, it is that of the proxy."""
    proxy = wanted.get("nodered_tls_proxy_url")
    if proxy is None:
        return port
    try:
        return urlsplit(str(proxy)).port or 443
    except ValueError:
        # The role tls reports it.
        return 443


def _jail(found: Found) -> str:
    return _fail2ban.jail_name(found.instance["service"])


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
