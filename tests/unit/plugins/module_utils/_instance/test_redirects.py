# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that redirect packets for a TCP port, as iptables-save, nft and scripts at boot write them."""

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _redirects


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("-A PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 1880", ("80", "", 1880)),
        (
            "iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j REDIRECT --to-port 1880 || true",
            ("80", "", 1880),
        ),
        (
            "-A PREROUTING -p tcp -m multiport --dports 80,8080:8090 -j REDIRECT --to-ports 1880",
            ("80,8080:8090", "", 1880),
        ),
        (
            "-A OUTPUT -o lo -p tcp -m tcp --dport 443 -j DNAT --to-destination 127.0.0.1:1880",
            ("443", "127.0.0.1", 1880),
        ),
        ("-A PREROUTING -p tcp --dport 443 -j DNAT --to-destination [::1]:1880", ("443", "::1", 1880)),
        ("-A PREROUTING -p tcp -j REDIRECT --to-ports 1880", ("", "", 1880)),
        ("\t\ttcp dport 80 counter packets 0 bytes 0 redirect to :1880", ("80", "", 1880)),
        ('iifname "eth0" tcp dport { 80, 8080 } redirect to 1880', ("80,8080", "", 1880)),
        ("tcp dport 8080-8090 dnat ip to 192.168.1.20:1880", ("8080-8090", "192.168.1.20", 1880)),
        ('tcp dport 80 dnat to 127.0.0.1:1880 comment "it"', ("80", "127.0.0.1", 1880)),
    ],
)
def test_a_redirect_is_found(line, found):
    assert list(_redirects.redirects(line)) == [found]


@pytest.mark.parametrize(
    "line",
    [
        "# iptables -t nat -A PREROUTING -p tcp --dport 80 -j REDIRECT --to-port 1880",
        "-A PREROUTING -p udp -m udp --dport 53 -j REDIRECT --to-ports 5353",
        "udp dport 53 redirect to :5353",
        "-A PREROUTING -p tcp --dport 80 -j ACCEPT",
        "-A DOCKER -p tcp --dport 80 -j DNAT --to-destination 172.17.0.2",
        ":PREROUTING ACCEPT [0:0]",
        "-A X -j REDIRECT --to-ports 1880999999",
    ],
)
def test_other_lines_are_not(line):
    assert list(_redirects.redirects(line)) == []


def test_the_places_of_one_redirect_are_listed_together(monkeypatch, tmp_path):
    kept = tmp_path / "rules.v4"
    kept.write_text("*nat\n-A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 1880\nCOMMIT\n")
    monkeypatch.setattr(_redirects, "FILES", (str(kept),))
    monkeypatch.setattr(_redirects, "COMMANDS", (("iptables-save",),))
    monkeypatch.setattr(_redirects, "_printed", lambda program: kept.read_text())
    monkeypatch.setattr(_redirects._identity, "only_root_can_change", lambda path: True)
    assert _redirects.collected() == [
        {"from": "80", "address": "", "to": 1880, "where": ["iptables-save", str(kept)]},
    ]


def test_a_program_that_is_missing_or_fails_lists_nothing(monkeypatch):
    monkeypatch.setattr(_redirects, "FILES", ())
    monkeypatch.setattr(_redirects, "COMMANDS", (("no-such-program",), ("false",), ("sleep", "60")))
    monkeypatch.setattr(_redirects, "SECONDS", 0.2)
    assert _redirects.collected() == []
