# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords that are derived from the secret of the fleet."""

from __future__ import annotations

import collections
import hmac
import itertools

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._arguments import ArgumentError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords import _password_files
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords._fleet_secret import (
    EARLIER,
    PURPOSES,
    derived,
    password,
)

SECRET = "0123456789abcdef0123456789abcdef"


def variables(secret=SECRET, **more):
    return {"nodered_fleet_secret": secret, **more}


def hkdf(secret, salt, info, length):
    """RFC 5869, written down a second time."""
    key, block, output = hmac.digest(salt, secret, "sha256"), b"", b""
    for number in itertools.count(1):
        if len(output) >= length:
            return output[:length]
        block = hmac.digest(key, block + info + bytes([number]), "sha256")
        output += block
    raise AssertionError


def test_a_password_is_hkdf_sha256_over_host_purpose_and_generation():
    material = hkdf(SECRET.encode(), b"pifleet.nodered password", b'["kitchen", "login", 3]', 48)
    number, expected = int.from_bytes(material, "big"), ""
    for _character in range(20):
        expected += _password_files.CHARACTERS[number % 62]
        number //= 62
    assert password(SECRET, "kitchen", "login", 3) == expected


def test_no_release_gives_a_fleet_other_passwords():
    found = [password(SECRET, "pi1", purpose, 1) for purpose in PURPOSES]
    assert found == ["v1oTvA6Y4DiCqPg9bYk9", "C0uWTQSobCYMgQTZBLfg"]


def test_hosts_purposes_generations_and_secrets_share_no_password():
    secrets, hosts = (SECRET, SECRET + "x"), ("pi1", "pi11", "küche")
    asked = itertools.product(secrets, hosts, PURPOSES, (1, 2, 11))
    found = [password(*each) for each in asked]
    assert len(set(found)) == len(found) == 36


def test_it_is_as_long_and_of_the_same_characters_as_a_random_one():
    found = [password(SECRET, f"pi{number}", "login", 1) for number in range(400)]
    assert {len(each) for each in found} == {len(_password_files.new())} == {20}
    counts = collections.Counter("".join(found))
    assert set(counts) == set(_password_files.CHARACTERS)
    assert max(counts.values()) < 2 * min(counts.values()), "each is as likely as any other"


def test_the_current_password_comes_first_then_earlier_ones():
    everything = [password(SECRET, "pi1", "login", number) for number in range(12, 0, -1)]
    assert derived(variables(nodered_password_generation="12"), "pi1", "login") == everything[: EARLIER + 1]
    assert derived(variables(nodered_password_generation=2), "pi1", "login") == everything[-2:]
    assert derived(variables(), "pi1", "login") == everything[-1:]


def test_without_a_secret_there_is_none():
    assert derived({"nodered_password_generation": "odd"}, "pi1", "login") == []


@pytest.mark.parametrize(
    "secret, message",
    [
        (SECRET[1:], "has 31 bytes and needs at least 32"),
        ("ö" * 15, "has 30 bytes"),
        ("", "has 0 bytes"),
        (None, "must be text, not empty"),
        (1234567890 * 10**30, "must be text, not a number"),
        ([SECRET], "must be text, not a list"),
        ({"secret": SECRET}, "must be text, not a dictionary"),
        (SECRET + "\n", "begins or ends with white space"),
        ("\t" + SECRET, "begins or ends with white space"),
        (SECRET + "\ud800", "no valid Unicode"),
    ],
)
def test_what_cannot_be_a_secret_is_rejected_and_not_shown(secret, message):
    with pytest.raises(ArgumentError, match=f"nodered_fleet_secret .*{message}") as caught:
        derived(variables(secret), "pi1", "login")
    assert SECRET[1:] not in str(caught.value)
    assert "1234567890" not in str(caught.value)


def test_sixteen_characters_of_two_bytes_are_enough():
    assert len(derived(variables("ö" * 16), "pi1", "login")) == 1


@pytest.mark.parametrize("generation", [0, -1, "0", "two", 1.5, None, True, [1]])
def test_an_odd_generation_is_rejected(generation):
    with pytest.raises(ArgumentError, match="nodered_password_generation must be"):
        derived(variables(nodered_password_generation=generation), "pi1", "login")
