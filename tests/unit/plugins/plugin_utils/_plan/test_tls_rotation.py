# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which certificates a rotation replaces, by its variables."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._arguments import ArgumentError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._tls_rotation import USUAL_SECONDS, Rotation

NOW = datetime.datetime(2026, 11, 30, 12, tzinfo=datetime.timezone.utc).timestamp()
ALL = ["certificates", "clients", "authority"]


def rotation(*what, **variables):
    return Rotation.of(frozenset(what), variables, NOW)


def test_a_run_that_is_no_rotation_replaces_nothing():
    ignored = {"nodered_rotate_made_before": "odd", "nodered_rotate_fleet": 3}
    assert rotation(**ignored) == rotation("login", "http_auth", **ignored) == Rotation()
    assert Rotation().certificate_before(issued=False) == Rotation().clients_before == 0


def test_what_is_replaced_is_named():
    assert rotation("certificates").certificate_before(issued=True) == NOW - USUAL_SECONDS
    assert rotation("certificates").clients_before == 0
    assert rotation("clients").clients_before == NOW - USUAL_SECONDS
    assert rotation("clients").certificate_before(issued=False) == 0
    wanted = Rotation(authority=True, made_before=NOW - USUAL_SECONDS, fleet=("pi1",))
    assert rotation("authority", "login", nodered_rotate_fleet=["pi1"]) == wanted


def test_an_authority_that_is_replaced_issues_its_certificates_anew_once():
    both = rotation(*ALL)
    assert both.certificate_before(issued=True) == both.clients_before == 0
    assert both.certificate_before(issued=False) > 0


@pytest.mark.parametrize(
    "given",
    [
        "2026-11-30",
        "2026-11-30T00:00Z",
        "2026-11-30T02:00+02:00",
        datetime.date(2026, 11, 30),
        datetime.datetime(2026, 11, 30),
        datetime.datetime(2026, 11, 30, tzinfo=datetime.timezone.utc),
    ],
    ids=repr,
)
def test_a_time_is_in_utc_with_and_without_quotes(given):
    assert rotation("clients", nodered_rotate_made_before=given).made_before == NOW - 12 * 3600


@pytest.mark.parametrize("given", ["yesterday", "", 7, [], "2026-11-30T12:01Z"], ids=repr)
def test_a_time_that_is_none_or_in_the_future_is_an_error(given):
    with pytest.raises(ArgumentError, match="nodered_rotate_made_before"):
        rotation("clients", nodered_rotate_made_before=given)


def test_a_list_that_is_none_is_an_error():
    with pytest.raises(ArgumentError, match="nodered_rotate_fleet must be a list"):
        rotation("authority", nodered_rotate_fleet="pi1")
