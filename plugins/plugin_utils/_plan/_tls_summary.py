# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rotation reports of certificates and the private authority. Private; knows no Ansible and no clock.

`rotation` is `Plan.details["rotation"]` of the role `tls`, and `tls` is `instance["tls"]` after the change.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ...module_utils._core._text import listed
from .._certificates._authority_change import BOTH, MOVED, ONE, waiting_for
from .._certificates._certificate import expiry, is_issued_by
from .._certificates._certificate_make import authority_made, host_made
from ._base import Plan
from ._tls_certificates import LATEST_REFRESH
from ._tls_rotation import BEFORE

_STEPS = {BOTH: "1 of 3, trust both", MOVED: "2 of 3, new certificates", ONE: "3 of 3, trust the new one only"}


def line(rotation: Mapping[str, Any], tls: Mapping[str, Any], *, presented: bool | None, now: float) -> str:
    """The certificate of a host, and which authorities it trusts.

    `presented` is whether Node-RED presents the certificate that it was given; None if that was not seen. `now` is in
    seconds since 1970.
    """
    parts = []
    if rotation["certificate"] and rotation["left"]:
        parts.append(f"certificate left unchanged: {rotation['left']}")
    elif rotation["certificate"]:
        seen = {True: "in use", None: "not seen from outside"}.get(presented) or _later(rotation, tls, now)
        state, remedy = _state(rotation, tls["certificate"], now)
        parts.append(f"certificate {state}, expires {expiry(tls['certificate']):%Y-%m-%d}, {seen}")
        parts += [remedy] if remedy else []
    if rotation["authority"] or rotation["both"]:
        parts.append(f"authority {'both' if rotation['both'] else 'new'}")
    return "; ".join(parts)


def planned_lines(plan: Plan) -> list[str]:
    """The same in check mode, by the plan of the role `tls`."""
    rotation, due = plan.details.get("rotation"), plan.certificate.get("lines")
    if not rotation:
        return []
    if due:
        return [f"certificates would change: {', '.join(due)}"]
    left = rotation["left"] if rotation["certificate"] else ""
    return [f"certificate left unchanged: {left}" if left else "certificates: nothing would change"]


def is_pending(rotation: Mapping[str, Any], tls: Mapping[str, Any]) -> bool:
    """Whether Node-RED has not had the time yet to read the certificate that it was given."""
    return tls["replaced"] is not None and _seconds_left(rotation, tls) > 0


def has_reached(rotation: Mapping[str, Any], tls: Mapping[str, Any], *, presented: bool | None) -> bool:
    """Whether the host has what the phase of the authority requires."""
    if not rotation["issuer"] or rotation["authority"]["phase"] == BOTH:
        return True
    return presented is not False and _is_new(rotation, tls["certificate"])


def of_the_fleet(
    rotation: Mapping[str, Any],
    reached: Mapping[str, str],
    fleet: Sequence[str],
    *,
    to_come: Collection[str],
    now: float,
) -> str:
    """How far the exchange of the authority is, and what to do next; empty while hosts of this run are to come.

    `reached` is which phase each host has reached, `fleet` has all hosts, and `to_come` the others of this run.
    """
    phase, folder = rotation["authority"]["phase"], rotation["folder"]
    if phase == ONE and not reached:
        made = authority_made(rotation["authority"]["issuer"])
        return f"authority {_unchanged(made)}; {_replacing(now)}"
    waiting = waiting_for(phase, reached, fleet)
    if not {*waiting}.isdisjoint(to_come):
        return ""
    if waiting:
        return (
            f"authority, step {_STEPS[phase]}: not done yet on {listed(waiting)}. Run again with these hosts; the step "
            "after it waits for them. Remove a host that no longer exists from the inventory"
        )
    following = {
        BOTH: f"Install {folder}/next/authority.pem in each browser and phone, then run again: from then on that "
        "authority issues the certificates",
        MOVED: "Give each person the new .p12 file, then run again: from then on client certificates of the old "
        "authority are rejected",
        ONE: f"Remove the old authority from browsers and phones. {folder} has it in replaced-DATE; delete that",
    }
    return f"authority, step {_STEPS[phase]}: done on all hosts. {following[phase]}"


def _state(rotation: Mapping[str, Any], certificate: str, now: float) -> tuple[str, str]:
    """Whether the certificate is new or old, and how to replace one that this run has left, as it is new enough."""
    if not _is_new(rotation, certificate):
        return "old", ""
    if rotation["made"] or rotation["authority"]:
        return "new", ""
    return _unchanged(host_made(certificate)), _replacing(now)


def _unchanged(made: float) -> str:
    return f"left unchanged, as it was made at {_utc(made):%Y-%m-%d %H:%M} UTC, which is new enough"


def _replacing(now: float) -> str:
    return f"to replace it all the same, add -e {BEFORE}={_utc(now):%Y-%m-%dT%H:%M:%SZ}"


def _utc(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)


def _is_new(rotation: Mapping[str, Any], certificate: str) -> bool:
    if rotation["issuer"] and rotation["authority"]:
        return rotation["authority"]["phase"] != BOTH and is_issued_by(certificate, rotation["issuer"])
    return host_made(certificate) >= float(rotation["made_before"])


def _later(rotation: Mapping[str, Any], tls: Mapping[str, Any], now: float) -> str:
    when = _utc(now + _seconds_left(rotation, tls))
    return f"in use from {when:%Y-%m-%d %H:%M} UTC at the latest; run again then to verify that"


def _seconds_left(rotation: Mapping[str, Any], tls: Mapping[str, Any]) -> float:
    """Until Node-RED has read the certificate."""
    return float(rotation["refresh"] + LATEST_REFRESH - (tls["replaced"] or 0))
