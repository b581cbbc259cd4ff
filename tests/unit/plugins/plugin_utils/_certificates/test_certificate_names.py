# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For which names a certificate is made, and an authority may make any."""

from __future__ import annotations

import time

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._certificate_names import (
    MOST_REPORTED,
    CertificateNameError,
    canonical,
    constraints,
    names_of_host,
)

# Another host of the inventory.
OTHERS = ("pi2", "192.168.1.3", "Pi3.Example.Org.", "fd00::3", "bücher", "local")


def names(*reported, others=OTHERS, **given):
    known = {"wanted": ["192.168.1.2"], "inventory": ["pi1"], "others": others}
    found = names_of_host(**{**known, **given}, reported=reported)
    assert not set(found.required) & set(found.optional)
    return [*found.required, *found.optional]


ALWAYS = names()


def test_names_of_the_inventory_count_whatever_they_are():
    given = {"wanted": ["www.example.org", "8.8.8.8", "*.example.org"], "inventory": ["PI1", "1.1.1.1"]}
    assert names(**given) == ["www.example.org", "8.8.8.8", "*.example.org", "pi1", "1.1.1.1", "localhost", "127.0.0.1"]


def test_a_name_of_another_host_counts_where_the_inventory_gives_it_to_this_one_as_well():
    """Several Node-REDs on one machine."""
    assert names("192.168.1.2", others=["pi1-test", "192.168.1.2"]) == ALWAYS


@pytest.mark.parametrize(
    "name, accepted",
    [
        ("raspberrypi", ["raspberrypi", "raspberrypi.local"]),
        ("RaspberryPi.", ["raspberrypi", "raspberrypi.local"]),
        ("kitchen-pi.local", ["kitchen-pi.local"]),
        ("pi9.corp.local", ["pi9.corp.local", "pi9.local"]),
        ("kitchen.fritz.box", ["kitchen.local"]),
        ("10.1.2.3", ["10.1.2.3"]),
        ("172.31.0.9", ["172.31.0.9"]),
        ("169.254.7.7", ["169.254.7.7"]),
        ("FE80:0::9", ["fe80::9"]),
        ("fd00::1:2", ["fd00::1:2"]),
        ("::1", ["::1"]),
    ],
)
def test_a_private_name_that_a_host_reports_counts(name, accepted):
    assert names(name) == [*ALWAYS, *accepted]


@pytest.mark.parametrize(
    "name",
    [
        *("8.8.8.8", "172.32.0.1", "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1"),
        *("2606:4700::1111", "::ffff:8.8.8.8", "::ffff:192.168.1.3", "::", "ff02::1", "64:ff9b::808:808"),
        *("*", "*.local", "pi*.local", "", ".", ".local", "a..local", "-", "a b", "a\nb", "a\0"),
        "a,DNS:www.mybank.com",
        *("127.1", "2130706433", "0x7f000001", "1.2.3.4.local.5", "192.168.001.003", "fe80::1%eth0", "10.0.0.0/8"),
        *("bücher", "bücher.local", "xn--bcher-kva.local", "xn--bcher-kva", "pi2.local"),
    ],
)
def test_a_name_that_is_not_private_or_that_no_certificate_can_hold_does_not_count(name):
    assert names(name) == ALWAYS


@pytest.mark.parametrize("name", ["www.mybank.com", "WWW.MyBank.COM.", "garden", "com", "www.pi2.local"])
def test_a_public_name_that_a_host_reports_leaves_its_local_form(name):
    assert set(names(name)) - set(ALWAYS) == {name.lower().partition(".")[0] + ".local"}


@pytest.mark.parametrize(
    "name",
    [
        *("pi2", "PI2", "pi2.", "pi2.local", "Pi2.LOCAL.", "pi2.example.org"),
        *("192.168.1.3", "pi3", "pi3.local", "pi3.example.org", "fd00:0:0::3", "FD00::0003"),
    ],
)
def test_the_name_of_another_host_does_not_count(name):
    assert names(name) == ALWAYS


def test_a_name_that_was_asked_for_and_that_no_certificate_can_hold_is_rejected():
    with pytest.raises(
        CertificateNameError, match="nodered_address or nodered_tls_names has 'bücher.local'(.|\n)*xn--"
    ):
        names(wanted=["pi", "bücher.local"])
    assert names(inventory=["Pi in the kitchen"]) == [name for name in ALWAYS if name != "pi1"]


def test_ten_thousand_names_take_little_computing_time_and_are_not_all_taken():
    started = time.thread_time()
    many = [f"10.1.{number // 250}.{number % 250}" for number in range(10_000)]
    found = names(*(f"name{number}" for number in range(10_000)), *many, others=[f"pi{n}" for n in range(10_000)])
    assert len(found) == len(ALWAYS) + MOST_REPORTED
    fleet = constraints([*(f"8.{n // 65536}.{n // 256 % 256}.{n % 256}" for n in range(0, 20_000, 2)), *found])
    assert fleet.lack(fleet) == []
    assert all(fleet.allow(name) for name in found)
    assert time.thread_time() - started < 5


PERMITTED = constraints(["pi1", "garden", "pi.example.org", "*.example.net", "203.0.113.4", "2001:db8::1", "a b"])


@pytest.mark.parametrize(
    "name",
    [
        *("pi1", "pi1.local", "localhost", "pi.example.org", "www.pi.example.org", "x.example.net", "*.local"),
        *("10.255.0.1", "192.168.1.2", "172.16.0.1", "169.254.1.1", "127.0.0.1", "203.0.113.4"),
        *("::1", "fe80::1", "fd12::1", "2001:db8::1"),
    ],
)
def test_an_authority_may_certify_what_is_private_and_what_the_inventory_has(name):
    assert PERMITTED.allow(name)


@pytest.mark.parametrize(
    "name",
    [
        *("www.mybank.com", "com", "garden", "www.garden", "example.org", "pi2", "notlocal", "xpi.example.org"),
        *("8.8.8.8", "203.0.113.5", "172.32.0.1", "2001:db8::2", "::ffff:10.0.0.1"),
    ],
)
def test_an_authority_may_certify_nothing_else(name):
    assert not PERMITTED.allow(name)


def test_the_operator_can_permit_more():
    more = constraints([], ["Example.ORG", "dev", "203.0.113.0/24", "2001:db8::/32", "1.1.1.1"])
    assert all(map(more.allow, ["pi7.example.org", "x.dev", "203.0.113.9", "2001:db8:7::1", "1.1.1.1"]))
    assert PERMITTED.lack(more) == ["dev", "example.org", "1.1.1.1/32", "2001:db8::/32", "203.0.113.0/24"]
    assert constraints(["pi1"]).lack(constraints(["pi1.local", "pi1", "10.0.0.7"])) == []


@pytest.mark.parametrize("entry", ["203.0.113.7/24", "example.org/", "exämple.org", ""])
def test_what_is_neither_domain_nor_network_is_rejected(entry):
    with pytest.raises(CertificateNameError, match="nodered_tls_authority_names has "):
        constraints([], [entry])


def test_a_domain_that_another_one_includes_is_left_out():
    found = constraints(["a.example.org", "example.org", "x.local", "10.1.1.1"])
    assert found.domains == {"local", "localhost", "example.org"}
    assert len(found.networks) == 8


def test_names_have_one_form():
    assert canonical("2001:DB8:0::1") == "2001:db8::1"
    assert canonical("PI_1.Local.") == "pi_1.local"
    assert canonical("a" * 64) is None
    assert canonical(".".join(["a" * 60] * 5)) is None
