# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge what the firewall of the host lets in. Private; knows no Ansible."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .._firewall import _firewall_plan
from .._plan._base import Found
from ._base import Observed, Outcome, Skipped, finding

CHECKS = ("firewall-off", "firewall-wide", "firewall-bypassed", "firewall-boot")
_REMEDY = "Run pifleet.nodered.secure: the role ufw closes what is not used (nodered_ufw_keep, nodered_ufw_sources)."
_NOT_MANAGED = "nodered_ufw_manage is false, so the firewall was not read"
_MOST_NAMED = 20


def outcomes(found: Found, observed: Observed) -> Iterator[Outcome]:
    firewall = observed.firewall
    if firewall is None:
        for check in CHECKS:
            yield Skipped(check, _NOT_MANAGED)
        return
    others = firewall.get("other_firewalls") or ()
    if not firewall["installed"] or not firewall["active"]:
        for check in CHECKS[1:]:
            yield Skipped(check, "ufw is not active")
        if others:
            yield Skipped("firewall-off", f"{', '.join(others)} is active in place of ufw; its rules were not read")
        else:
            yield _off(firewall)
        return
    yield from _active(found, observed, firewall)


def _off(firewall: Mapping[str, Any]) -> Outcome:
    if not firewall["installed"]:
        evidence, remedy = "ufw is not installed.", f"Install it (apt install ufw). Then: {_REMEDY}"
    else:
        evidence, remedy = firewall["problem"] or "ufw is installed and not active.", _REMEDY
    return finding("firewall-off", "No firewall is active", evidence, remedy)


def _active(found: Found, observed: Observed, firewall: Mapping[str, Any]) -> Iterator[Outcome]:
    port = found.instance["port"]
    wide = _wide(observed, firewall, port)
    if wide:
        yield finding("firewall-wide", "The firewall lets in too much", "\n".join(wide), _REMEDY)
    if not (firewall["enabled"] and firewall["starts_at_boot"]):
        evidence = "ufw is active, and not enabled at boot."
        yield finding("firewall-boot", "The firewall does not start at boot", evidence, "Run: systemctl enable ufw")
    published = list(firewall["published"])
    if published:
        own = port in published
        named = ", ".join(map(str, published[:_MOST_NAMED]))
        yield finding(
            "firewall-bypassed",
            "Containers publish ports that the firewall does not filter",
            f"{'Node-RED is among them. ' if own else ''}Published ports: {named}.",
            "Publish on an address of the machine only (Docker: -p 127.0.0.1:PORT:PORT), or stop the container.",
            "high" if own else None,
        )


def _wide(observed: Observed, firewall: Mapping[str, Any], port: int | None) -> list[str]:
    lines = []
    if firewall["policies"]["incoming"] == "allow":
        lines.append("The default policy lets in every packet that no rule is about.")
    sources = observed.wanted.get("nodered_ufw_sources") or ()
    try:
        rules = _firewall_plan.too_wide(firewall, port=port, sources=sources)
    except _firewall_plan.PlanError:
        # The plan reports it.
        rules = _firewall_plan.too_wide(firewall, port=port, sources=())
    return lines + [f"The rule '{one}' lets in more than that." for one in rules]
