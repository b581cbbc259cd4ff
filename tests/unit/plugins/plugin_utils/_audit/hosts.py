# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A secured host as an audit sees it, to which tests add a fault."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

from ansible_collections.pifleet.nodered.plugins.module_utils._probe._probe import CHECKS
from ansible_collections.pifleet.nodered.plugins.plugin_utils._audit._base import Certificate, Observed
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import Found, Plan
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings import _known_bad
from ansible_collections.pifleet.nodered.tests.certificates import Authority, now
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan import builders
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.firewalls import allowed, firewall

ADDRESS = "192.168.1.20"
AUTHORITY = Authority()
# Releases that are maintained today will not always be.
NOW = datetime.datetime(2026, 12, 1, tzinfo=datetime.timezone.utc)
HASH = "$2b$08$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZabcde"
ADMIN_AUTH = (
    f'adminAuth: {{ type: "credentials", users: [{{ username: "ada", password: "{HASH}", permissions: "*" }}] }}'
)
SECURED = {
    "version": "5.0.7",
    "node_version": "24.1.0",
    "scheme": "https",
    "url": f"https://{ADDRESS}:1880/",
    "https": "function",
    "admin_auth": "credentials",
    "http_node_password": "bcrypt",
    "http_static_password": "bcrypt",
}
WANTED: dict[str, Any] = {
    "nodered_address": ADDRESS,
    "nodered_audit_expiry_days": 21,
    "nodered_hardening_accepted": [],
    "nodered_hardening_files": "private",
    "nodered_hardening_sandbox": "none",
    "nodered_http_auth_open_paths": [],
    "nodered_ufw_sources": [],
}
ASKED = [one for one in CHECKS if one.id not in ("client_certificate_required", "pages_work", "dashboards_work")]


def issued(*names: str, since: float = -1, until: float = 90, **options: Any) -> str:
    """A certificate for these names, valid from `since` to `until`, in days from NOW."""
    shift = (NOW - now()) / datetime.timedelta(days=1)
    return AUTHORITY.issue(*names, since=since + shift, until=until + shift, **options).certificate


def checks(**different: tuple[str, str]) -> dict[str, dict[str, str]]:
    """All checks of `probe` as passed, but for these: (status, what was found)."""
    results = {one.id: ("pass", "refused") for one in ASKED} | different
    titles = {one.id: one.title for one in CHECKS}
    return {
        name: {"id": name, "title": titles[name], "status": status, "expected": "", "found": found}
        for name, (status, found) in results.items()
    }


def found(text: str = builders.settings_with(ADMIN_AUTH), **different: Any) -> Found:
    """A secured host; `different` is as in `builders.instance`."""
    plans = {"hardening": Plan(), "http_auth": Plan(details={"managed": True})}
    host = builders.found(text, planned=plans)
    return dataclasses.replace(host, instance=builders.instance(**{**SECURED, **different}))


def observed(**different: Any) -> Observed:
    """What was seen of a secured host, but for this."""
    secured = {
        "wanted": WANTED,
        "now": NOW,
        "checks": checks(),
        "asked": f"https://{ADDRESS}:1880/",
        "certificate": Certificate(issued(ADDRESS)),
        "firewall": firewall(allowed(1880)),
    }
    return Observed(**{**secured, **different})


def read(text: str) -> Observed:
    """What was seen of a secured host with this settings file."""
    return observed(bad=_known_bad.findings(text, strict=True), unknown_settings=_known_bad.unknown(text))


def on(date: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(date).replace(tzinfo=datetime.timezone.utc)


def planned(host: Found, **plans: Plan) -> Found:
    return dataclasses.replace(host, planned={**host.planned, **plans})
