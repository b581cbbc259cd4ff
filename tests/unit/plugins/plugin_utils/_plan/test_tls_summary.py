# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rotation reports of certificates and the authority."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._authority_change import BOTH, MOVED, ONE
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._certificate_make import (
    Authority,
    self_signed_pair,
)
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._certificate_names import constraints
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan import _tls_summary

NOW = datetime.datetime(2026, 11, 30, 12, tzinfo=datetime.timezone.utc)
BEFORE = "nodered_rotate_made_before"
DAY = datetime.timedelta(days=1)
OLD, NEW = (Authority.new(constraints(["pi1"]), NOW) for _each in range(2))
SELF_SIGNED = self_signed_pair(["pi1"], called="pi1", now=NOW - DAY / 24, days=397).certificate
EXPIRES = "expires 2027-12-30"
IN_FLEET = {
    BOTH: {"phase": BOTH, "issuer": OLD.pem, "beside": NEW.pem},
    MOVED: {"phase": MOVED, "issuer": NEW.pem, "beside": OLD.pem},
    ONE: {"phase": ONE, "issuer": NEW.pem, "beside": ""},
}


def issued(authority):
    return authority.host_pair(["pi1"], called="pi1", now=NOW, days=397).certificate


def rotation(phase=None, **different):
    kept = {"certificate": True, "made": True, "left": "", "made_before": (NOW - DAY).timestamp(), "issuer": ""}
    if phase:
        kept |= {"issuer": IN_FLEET[phase]["issuer"], "made_before": 0}
    authority = IN_FLEET[phase] if phase else {}
    both = bool(authority.get("beside"))
    return {**kept, "refresh": 3600, "authority": authority, "both": both, "folder": "/authority", **different}


def tls(certificate=SELF_SIGNED, replaced=600):
    return {"certificate": certificate, "replaced": replaced}


def line(about, present, presented=True):
    return _tls_summary.line(about, present, presented=presented, now=NOW.timestamp())


@pytest.mark.parametrize(
    "about, present, shown",
    [
        (rotation(), tls(), f"certificate new, {EXPIRES}, in use"),
        (rotation(made_before=NOW.timestamp()), tls(), f"certificate old, {EXPIRES}, in use"),
        (rotation(left="there is none yet"), tls(None), "certificate left unchanged: there is none yet"),
        (rotation(certificate=False, both=True), tls(), "authority both"),
        (rotation(BOTH), tls(issued(OLD)), f"certificate old, {EXPIRES}, in use; authority both"),
        (rotation(MOVED), tls(issued(NEW)), f"certificate new, {EXPIRES}, in use; authority both"),
        (rotation(MOVED), tls(issued(OLD)), f"certificate old, {EXPIRES}, in use; authority both"),
        (rotation(ONE), tls(issued(NEW)), f"certificate new, {EXPIRES}, in use; authority new"),
        (rotation(ONE, certificate=False), tls(), "authority new"),
        (rotation(certificate=False), tls(), ""),
    ],
)
def test_each_host_has_a_line_with_what_is_old_and_new(about, present, shown):
    assert line(about, present) == shown


def test_a_certificate_that_stays_as_it_is_new_enough_is_reported_with_its_time_and_how_to_replace_it():
    assert line(rotation(made=False), tls()) == (
        "certificate left unchanged, as it was made at 2026-11-30 11:00 UTC, which is new enough, expires 2027-12-30, "
        "in use; to replace it all the same, add -e nodered_rotate_made_before=2026-11-30T12:00:00Z"
    )
    assert line(rotation(MOVED, made=False), tls(issued(NEW))).startswith("certificate new,")
    assert line(rotation(made=False, made_before=NOW.timestamp()), tls()).startswith("certificate old,")


def test_a_certificate_that_node_red_reads_later_is_not_in_use_yet():
    assert line(rotation(), tls(), presented=False) == (
        f"certificate new, {EXPIRES}, in use from 2026-11-30 12:51 UTC at the latest; run again then to verify that"
    )
    assert "not seen from outside" in line(rotation(), tls(), presented=None)


@pytest.mark.parametrize("replaced, pending", [(None, False), (0, True), (3659, True), (3660, False)])
def test_node_red_has_an_hour_to_read_it(replaced, pending):
    assert _tls_summary.is_pending(rotation(), tls(replaced=replaced)) == pending


@pytest.mark.parametrize(
    "phase, certificate, presented, reached",
    [
        (BOTH, issued(OLD), True, True),
        (BOTH, issued(OLD), False, True),
        (MOVED, issued(NEW), True, True),
        (MOVED, issued(NEW), None, True),
        (MOVED, issued(NEW), False, False),
        (MOVED, issued(OLD), True, False),
        (ONE, issued(NEW), True, True),
    ],
)
def test_a_host_has_moved_when_it_presents_a_certificate_of_the_new_authority(phase, certificate, presented, reached):
    assert _tls_summary.has_reached(rotation(phase), tls(certificate), presented=presented) == reached
    assert _tls_summary.has_reached(rotation(phase, issuer=""), tls(), presented=None), "it has none of the authority"


def fleet_line(phase, reached, to_come=()):
    fleet = ["pi1", "pi2", "pi3"]
    return _tls_summary.of_the_fleet(rotation(phase), reached, fleet, to_come=to_come, now=NOW.timestamp())


def test_the_fleet_has_no_line_while_hosts_of_this_run_are_to_come():
    assert fleet_line(BOTH, {"pi1": BOTH}, ["pi2"]) == ""
    assert "not done yet on pi3." in fleet_line(BOTH, {"pi1": BOTH, "pi2": BOTH}, ["pi2"])


@pytest.mark.parametrize(
    "phase, reached, words",
    [
        (BOTH, {"pi1": BOTH}, ["step 1 of 3", "not done yet on pi2, pi3"]),
        (BOTH, {"pi1": BOTH, "pi2": BOTH, "pi3": MOVED}, ["done on all", "Install /authority/next/authority.pem"]),
        (MOVED, {"pi1": MOVED, "pi2": MOVED, "pi3": MOVED}, ["step 2 of 3", "the new .p12 file"]),
        (ONE, {"pi1": ONE, "pi2": MOVED, "pi3": ONE}, ["step 3 of 3", "not done yet on pi2."]),
        (ONE, {"pi1": ONE, "pi2": ONE, "pi3": ONE}, ["step 3 of 3", "done on all", "replaced-DATE"]),
        (ONE, {}, ["left unchanged, as it was made at 2026-11-30 12:00 UTC", f"{BEFORE}=2026-11-30T12:00:00Z"]),
    ],
)
def test_the_fleet_has_a_line_with_what_is_next(phase, reached, words):
    shown = fleet_line(phase, reached)
    assert [word for word in words if word not in shown] == []
