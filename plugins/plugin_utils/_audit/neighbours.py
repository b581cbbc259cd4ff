# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Report what beside Node-RED breaks, or would break, by its protection. Private; knows no Ansible."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .._plan import _neighbours
from .._plan._base import Found
from ._base import Observed, Outcome, Skipped, finding

CHECKS = ("neighbours",)
_REMEDY = "See the evidence: each line names what to change."


def outcomes(found: Found, observed: Observed) -> Iterator[Outcome]:
    if "http_auth" in observed.rejected or "http_auth" not in found.planned:
        yield Skipped("neighbours", "the role http_auth rejects this host, see secure-rejects")
    notes = [*_pages(found, observed), *_moved(found), *_ports(found, observed)]
    if notes:
        yield finding("neighbours", "Something beside Node-RED breaks", "\n".join(notes), _REMEDY)


def _pages(found: Found, observed: Observed) -> list[str]:
    plan = found.planned.get("http_auth")
    if plan is None or not plan.details.get("managed"):
        return []
    return _neighbours.behind_password(found.instance, observed.wanted["nodered_http_auth_open_paths"])


def _moved(found: Found) -> list[str]:
    """What the plans of the roles hardening and port move."""
    hardening, port = found.planned.get("hardening"), found.planned.get("port")
    notes = _neighbours.at_another_root(found.instance, hardening.set.get("httpAdminRoot")) if hardening else []
    if port and "port" in port.details:
        notes = [*notes, *_neighbours.left_behind(found.instance, int(port.details["port"]))]
    return notes


def _ports(found: Found, observed: Observed) -> Sequence[str]:
    """Ports that change with each start, as far as a firewall closes them."""
    plan = found.planned.get("ufw")
    if plan is None or not observed.firewall:
        return []
    request = plan.details.get("request")
    if not request:
        return []
    changing = _neighbours.changing_ports(observed.firewall["listening"], request)
    return _neighbours.about_changing(changing, request["ephemeral_ports"]["first"])
