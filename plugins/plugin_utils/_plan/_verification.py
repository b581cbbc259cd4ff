# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the verification asks Node-RED, and how its result is reported. Private; knows no Ansible.

Each role contributes to `Plan.checks` and `Plan.credentials`. What is missing there is not checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from . import http_auth
from ._base import is_loopback, load_error
from ._run_state import State
from ._verification_remedies import REMEDIES
from ._verify_from import CONTROLLER, HOST

Options = dict[str, Any]
"""Options of the module `probe`, and `client_pair` (see CLIENT)."""
CLIENT = ("client_cert", "client_key", "client_pair")
"""As whom Node-RED is visited: two paths on the controller, or a pair of PEM texts that is in no file."""
Check = Mapping[str, str]

_BY_PASSWORD = {"login": ("login_works", "code_required"), "http_auth": ("pages_work", "dashboards_work")}
"""The checks that need the password of a role."""
_NOT_TRIED = "not tried, because this run has not changed the password; nodered_verify_login: true tries it"


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


def address(state: State) -> str:
    """The name or address at which Node-RED is asked."""
    return str(urlsplit(str(state.checks("tls").get("proxy_url") or "")).hostname or state.variables["nodered_address"])


def main_request(state: State) -> Options:
    """The request that checks everything."""
    now, tls, place = state.instance, state.checks("tls"), _main_place(state)
    return {
        "url": url(state),
        "local_url": now["url"],
        "run_on": place,
        "authorities": tls.get("authorities", now["tls"]["certificate"] or ""),
        "min_tls": str(tls.get("min_tls", "1.2")),
        "closed_ports": _left_ports(state, place),
        "admin_api": now["admin_root"] is not None,
        **{name: tls[name] for name in CLIENT if tls.get(name)},
        **_merged(plan.credentials for plan in state.plans.values()),
        **(http_auth.pages_to_check(state.plans["http_auth"], now) if "http_auth" in state.plans else {}),
    }


def certificate_request(state: State) -> Options:
    """The request that shows whether Node-RED presents the certificate that it was given, as only that is trusted."""
    main = main_request(state)
    kept = {name: main[name] for name in ("url", "local_url", "run_on", *CLIENT) if name in main}
    return {**kept, "authorities": state.instance["tls"]["certificate"], "only": ["certificate_trusted"]}


def outside_request(state: State) -> Options | None:
    """What is checked from outside where the host itself is asked everything else: that the port cannot be reached."""
    if _place(state) == HOST or state.instance["port"] is None:
        return None
    request = {"url": url(state), "closed_ports": [state.instance["port"]]}
    if is_local_only(state) and not is_loopback(state.variables["nodered_address"]):
        return {**request, "run_on": _place(state)}
    # While a change of the firewall waits, nothing is closed yet.
    closed_by_firewall = _seen_by_controller(state) == "closed" and state.checks("ufw")["settled"]
    return {**request, "run_on": CONTROLLER} if closed_by_firewall else None


def firewall_request(state: State) -> Options | None:
    """What shows that new firewall rules do what they should; None if nothing can be reached from there."""
    seen, place = _seen_by_controller(state), _place(state)
    if is_local_only(state) or (place == CONTROLLER and seen == "unknown"):
        return None
    closed = [state.instance["port"]] if place == CONTROLLER and seen == "closed" else []
    main = main_request(state)
    kept = ("url", "local_url", "authorities", *CLIENT)
    ports = _left_ports(state, place) + closed
    return {**{name: main[name] for name in kept if name in main}, "run_on": place, "closed_ports": ports}


def firewall_checks(state: State) -> tuple[str, ...]:
    """Which checks of `firewall_request` count."""
    closed = _place(state) == CONTROLLER and _seen_by_controller(state) == "closed"
    return ("old_port_closed",) if closed else ("answers", "old_port_closed")


def failures(state: State, checks: Sequence[Check]) -> list[str]:
    """What each failed check expected and found, and what to do."""
    return [
        f"{check['title']}: not so at {_where(state)}. Expected {check['expected']}; found {check['found']}. "
        f"{REMEDIES[check['id']]} Then run again."
        for check in checks
        if check["status"] == "fail"
    ]


def remedy_for_new_port(state: State, checks: Sequence[Check]) -> list[str]:
    """What to do if other machines do not reach a new port, where Node-RED responds to the host itself."""
    now, before = state.instance["port"], (state.earlier or state.instance)["port"]
    unmoved = now in (None, before)
    not_outside = _main_place(state) == HOST or state.checks("tls").get("proxy_url")
    if unmoved or not_outside or state.checks("ufw") or not any(_is_unreachable(check) for check in checks):
        return []
    return [
        f"The change stays. Node-RED responds on the host itself: allow port {now} there (ufw allow {now}/tcp), or run "
        "the role ufw."
    ]


def _is_unreachable(check: Check) -> bool:
    """Whether the packets do not arrive, as `why_unreachable` words it."""
    silent = ("does not answer in time", "refuses the connection")
    return (check["id"], check["status"]) == ("answers", "fail") and any(words in check["found"] for words in silent)


def load_errors(state: State) -> list[str]:
    """That Node-RED would not start again, and what was not verified because the settings are not known."""
    error = load_error(state.instance)
    untried = state.checks("http_auth").get("managed")
    unverified = 'Static files, dashboards and "websocket in" nodes were not verified, as their paths are not known.'
    return [error, *([unverified] if untried else [])] if error else []


def left_writable(state: State, *, firewall_waits: bool = False) -> list[str]:
    """An error for each file system that was read-only and is not now. A waiting firewall change needs it writable."""
    before = state.earlier or state.instance
    mounts = [one["mount"] for one in before["read_only"]]
    # A run for another Node-RED of the machine can keep them writable.
    now = [*(one["mount"] for one in state.instance["read_only"]), *state.instance["held_writable"]]
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
    return f"{host}: verified at {_where(state)}: {done} checks passed{left_out}"


def started(state: State) -> list[str]:
    """That a change has started a service that was stopped. One with a socket waits for its first request so."""
    before = state.earlier or state.instance
    stopped = before["state"] == "inactive" and not before["socket"]
    return [f"{before['service']} was stopped before this run, and is started by it"] if stopped else []


def not_verified(state: State) -> list[str]:
    """What a play without the role http_auth leaves unverified, for the user."""
    now = state.instance
    pages = any(now[name] for name in ("node_root", "static_roots", "dashboard_sockets", "websockets"))
    if "http_auth" in state.plans or not pages:
        return []
    return ["not verified: pages and dashboards, as the role http_auth is not in this play"]


def lines(state: State, checks: Sequence[Check]) -> list[str]:
    """One line for each check."""
    untried = [name for role, names in _BY_PASSWORD.items() if state.checks(role).get("untried") for name in names]
    return [
        f"{check['status']} - {check['title']} - "
        f"{_NOT_TRIED if check['status'] == 'skip' and check['id'] in untried else check['found']}"
        for check in checks
    ]


def _place(state: State) -> str:
    """From where is verified what can be: `controller`, `host` or another inventory name."""
    return str(state.origin["place"]) if state.origin else CONTROLLER


def _main_place(state: State) -> str:
    """From where everything is checked: where Node-RED can be reached, and as often as it takes."""
    place, seen = _place(state), _seen_by_controller(state)
    hidden = seen != "open" if place == CONTROLLER else bool(state.checks("ufw").get("rate_limit"))
    return HOST if hidden or is_local_only(state) else place


def _where(state: State) -> str:
    """At which URL, and from where if that is not the controller, as the user reads it."""
    if _place(state) == CONTROLLER:
        return url(state)
    if _main_place(state) == HOST:
        return f"{state.instance['url']} on the host itself"
    return f"{url(state)} from {_place(state)}"


def _seen_by_controller(state: State) -> str:
    """What the controller finds at Node-RED's port behind the firewall: open, limited, closed or unknown."""
    return str(state.checks("ufw").get("controller", "open"))


def _left_ports(state: State, place: str) -> list[int]:
    """Where Node-RED responded when the run began and must not now; behind a proxy, where only the proxy reaches it."""
    now = state.instance["port"]
    before = (state.earlier or state.instance)["port"]
    left = [before] if before not in (now, None) else []
    # The host itself reaches it as the proxy does.
    behind_proxy = state.checks("tls").get("proxy_url") and now is not None and place != HOST
    return left + ([now] if behind_proxy else [])


def _merged(parts: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {name: value for part in parts for name, value in part.items()}
