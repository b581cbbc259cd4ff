# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the verification asks Node-RED, and how its result is reported. Private; knows no Ansible.

Each role contributes to `Plan.checks` and `Plan.credentials`. What is missing there is not checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .._run_state import State
from . import http_auth
from ._base import is_loopback

Options = dict[str, Any]
"""Options of the module `probe`."""
Check = Mapping[str, str]


def url(state: State) -> str:
    """Where Node-RED is reached from outside."""
    proxy = state.checks("tls").get("proxy_url")
    if proxy:
        return str(proxy)
    now, address = state.instance, str(state.variables["nodered_address"])
    host = f"[{address}]" if ":" in address else address
    return f"{now['scheme']}://{host}:{now['port']}{now['admin_root'] or '/'}"


def is_local_only(state: State) -> bool:
    """Whether only the host itself can reach Node-RED, without a proxy."""
    return not state.checks("tls").get("proxy_url") and is_loopback(state.instance["host"])


def main_request(state: State) -> Options:
    """The request that checks everything."""
    now, tls = state.instance, state.checks("tls")
    from_host = is_local_only(state) or _seen_by_controller(state) != "open"
    return {
        "url": url(state),
        "local_url": now["url"],
        "run_on": "host" if from_host else "controller",
        "authorities": tls.get("authorities", now["tls"]["certificate"] or ""),
        "min_tls": str(tls.get("min_tls", "1.2")),
        "closed_ports": _left_ports(state),
        "admin_api": now["admin_root"] is not None,
        **{name: tls[name] for name in ("client_cert", "client_key") if tls.get(name)},
        **_merged(plan.credentials for plan in state.plans.values()),
        **(http_auth.pages_to_check(state.plans["http_auth"], now) if "http_auth" in state.plans else {}),
    }


def outside_request(state: State) -> Options | None:
    """What the controller checks where the host itself is asked everything else: that the port cannot be reached."""
    closed_by_host = is_local_only(state) and not is_loopback(state.variables["nodered_address"])
    # While a change of the firewall waits, nothing is closed yet.
    closed_by_firewall = _seen_by_controller(state) == "closed" and state.checks("ufw")["settled"]
    if not (closed_by_host or closed_by_firewall) or state.instance["port"] is None:
        return None
    return {"url": url(state), "closed_ports": [state.instance["port"]]}


def firewall_request(state: State) -> Options | None:
    """What shows that new firewall rules do what they should; None if nothing can be reached from the controller."""
    seen = _seen_by_controller(state)
    if seen == "unknown" or is_local_only(state):
        return None
    closed = [state.instance["port"]] if seen == "closed" else []
    main = main_request(state)
    kept = ("url", "authorities", "client_cert", "client_key")
    return {**{name: main[name] for name in kept if name in main}, "closed_ports": _left_ports(state) + closed}


def failures(state: State, checks: Sequence[Check]) -> list[str]:
    """What each failed check expected and found."""
    return [
        f"{check['title']}: not so at {url(state)}. Expected {check['expected']}; found {check['found']}."
        for check in checks
        if check["status"] == "fail"
    ]


def left_writable(state: State, *, firewall_waits: bool = False) -> list[str]:
    """An error for each file system that was read-only and is not now. A waiting firewall change needs it writable."""
    before = state.earlier or state.instance
    mounts = [one["mount"] for one in before["read_only"]]
    now = [one["mount"] for one in state.instance["read_only"]]
    return [
        f"{mount} was read-only and is still writable, because a process holds a file open there (see the warning "
        f"above, or journalctl -t pifleet.nodered). Stop that process, then: mount -o remount,ro {mount}"
        for mount in mounts
        if mount not in now and not firewall_waits
    ]


def summary(host: str, state: State, checks: Sequence[Check]) -> str:
    """One line about a verification that passed."""
    done = sum(1 for check in checks if check["status"] == "pass")
    skipped = sum(1 for check in checks if check["status"] == "skip")
    left_out = f", {skipped} left out" if skipped else ""
    return f"{host}: verified at {url(state)}: {done} checks passed{left_out}"


def lines(checks: Sequence[Check]) -> list[str]:
    """One line for each check."""
    return [f"{check['status']} - {check['title']} - {check['found']}" for check in checks]


def _seen_by_controller(state: State) -> str:
    """What the controller finds at Node-RED's port behind the firewall: open, limited, closed or unknown."""
    return str(state.checks("ufw").get("controller", "open"))


def _left_ports(state: State) -> list[int]:
    """Where Node-RED responded when the run began and must not now; behind a proxy, where only the proxy reaches it."""
    now = state.instance["port"]
    before = (state.earlier or state.instance)["port"]
    left = [before] if before not in (now, None) else []
    return left + ([now] if state.checks("tls").get("proxy_url") and now is not None else [])


def _merged(parts: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {name: value for part in parts for name, value in part.items()}
