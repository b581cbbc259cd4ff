# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit asks a Node-RED from outside. Private; knows no Ansible. No password is sent."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from .._plan import _verification, http_auth
from .._plan._run_state import State

_ALWAYS = ("login_required", "flows_closed", "flows_write_closed", "comms_closed")
_OVER_TLS = ("old_tls_refused", "plain_http_refused")
# By the option that has to be given.
_WITH = {
    "node_root": "node_pages_closed",
    "static_roots": "static_closed",
    "dashboard_sockets": "dashboards_closed",
    "websockets": "websockets_closed",
    "closed_ports": "old_port_closed",
    **dict.fromkeys(("client_cert", "client_pair"), "client_certificate_required"),
}
_KEPT = ("url", "local_url", "run_on", "min_tls", "closed_ports", "admin_api", *_verification.CLIENT)


def request(state: State, open_paths: Sequence[str], *, has_client_certificate: bool) -> dict[str, Any]:
    """The options of `probe` for what is so now.

    Args:
        state: with the plans of all roles, and where it is asked from (`origin`).
        open_paths: those that the variables open, which are not asked for.
        has_client_certificate: whether the files with the client certificate of the variables are there yet.
    """
    main = _verification.main_request(_as_now(state))
    options = {name: main[name] for name in _KEPT if name in main}
    if not has_client_certificate:
        options = {name: value for name, value in options.items() if name not in ("client_cert", "client_key")}
    # The certificate is judged apart; what it is worth must not hide the rest.
    options |= {"validate_certs": False, **http_auth.pages(open_paths, state.instance)}
    return {**options, "only": _wanted(options)}


def _as_now(state: State) -> State:
    """Without what the firewall will do only after a change."""
    ufw = state.plans.get("ufw")
    if ufw is None or state.checks("ufw").get("settled"):
        return state
    return dataclasses.replace(state, plans={**state.plans, "ufw": dataclasses.replace(ufw, checks={})})


def _wanted(options: Mapping[str, Any]) -> list[str]:
    over_tls = _OVER_TLS if str(options["url"]).startswith("https:") else ()
    return [*_ALWAYS, *over_tls, *(check for option, check in _WITH.items() if options.get(option))]
