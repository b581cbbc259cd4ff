# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles report about nodes, dashboards, ports and redirects that their change breaks."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords import _bcrypt
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan import hardening, http_auth, port, ufw
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import (
    EMPTY,
    found,
    random_password,
    settings_with,
)
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.firewalls import firewall

CLOSED = settings_with("httpNodeAuth: { user: 'bob', pass: '" + _bcrypt.hash_password("his own", rounds=8) + "' }")
PASSWORDS = {"http_node_password": "bcrypt", "http_static_password": "none"}


def palette(*findings: dict[str, Any], complete: bool = True) -> dict[str, Any]:
    return {"findings": list(findings), "complete": complete}


def finding(kind: str, path: str = "/house/items", package: str = "node-red-contrib-house") -> dict[str, Any]:
    return {"package": package, "version": "1.2.3", "finding": kind, "path": path, "file": "house.html", "line": 7}


# The password for pages


def notes_of_http_auth(*open_paths: str, text: str = EMPTY, **different: Any) -> list[str]:
    controller = {**random_password("/controller/pi1", "Random123"), "script": "x"}
    wanted = {
        "nodered_http_auth_user": "nodered",
        "nodered_http_auth_rounds": 8,
        "nodered_http_auth_open_paths": list(open_paths),
        "nodered_http_auth_replace": False,
        "nodered_verify_login": False,
    }
    plan = http_auth.plan(found(text, controller=controller, **different), wanted)
    assert not plan.errors
    return [note for note in plan.notes if "Random" not in note and "/controller" not in note]


@pytest.mark.parametrize("kind", ["node_path", "node_path_of_editor"])
@pytest.mark.parametrize("text", [EMPTY, CLOSED])
def test_dialogs_behind_the_password_are_reported_with_the_remedy(kind, text):
    different = PASSWORDS if text == CLOSED else {}
    (note,) = notes_of_http_auth(text=text, palette=palette(finding(kind)), **different)
    assert "node-red-contrib-house 1.2.3 (/house/items in house.html:7)" in note
    assert "add /house/items to nodered_http_auth_open_paths" in note


def test_each_package_is_named_once_and_each_path_listed():
    others = [finding("node_path", f"/{name}", name) for name in "abcd"]
    (note,) = notes_of_http_auth(palette=palette(finding("node_path"), finding("node_path", "/house/rooms"), *others))
    assert note.count("node-red-contrib-house") == 1
    assert "and 2 more" in note
    assert "/house/items, /house/rooms, /a, /b, /c and /d" in note


def test_older_releases_need_an_update_for_open_paths():
    (note,) = notes_of_http_auth(palette=palette(finding("node_path")), version="3.1.15")
    assert "update Node-RED to 4.0 or newer and add /house/items" in note


def test_paths_that_are_open_are_not_reported():
    manifest = finding("manifest", "", "node-red-dashboard")
    of_palette = {"palette": palette(finding("node_path"), manifest)}
    assert notes_of_http_auth("/house", "/ui/manifest.json", **of_palette) == []
    assert len(notes_of_http_auth("/hous", **of_palette)) == 2


@pytest.mark.parametrize(
    ("kind", "different"),
    [
        ("root_path", {}),
        ("node_path", {"disable_editor": True}),
        # It leads to the editor, which has no such path: 404, and no prompt.
        ("node_path_of_editor", {"admin_root": "/admin/"}),
    ],
)
def test_dialogs_that_no_password_breaks_are_not_reported(kind, different):
    assert notes_of_http_auth(palette=palette(finding(kind)), **different) == []


def test_custom_code_that_stays_closes_nothing_new():
    custom = {"text": settings_with("httpNodeAuth: require('./own.js')"), "http_node_password": "middleware"}
    (note,) = notes_of_http_auth(palette=palette(finding("node_path")), **custom)
    assert "custom code" in note


@pytest.mark.parametrize(
    ("package", "path"),
    [
        ("node-red-dashboard", "/ui/manifest.json"),
        ("@flowfuse/node-red-dashboard", "/dashboard/manifest.webmanifest"),
    ],
)
def test_a_dashboard_that_phones_cannot_install_is_reported(package, path):
    (note,) = notes_of_http_auth(palette=palette(finding("manifest", "", package)), disable_editor=True)
    assert f"{package} 1.2.3" in note
    assert f"add {path} to nodered_http_auth_open_paths" in note


def test_a_search_that_ended_early_is_reported():
    (note,) = notes_of_http_auth(palette=palette(complete=False))
    assert "Not all installed nodes" in note


# The root of the editor


def notes_of_hardening(root: object, **different: Any) -> list[str]:
    wanted = {
        "nodered_hardening_files": "unchanged",
        "nodered_hardening_sandbox": "none",
        "nodered_hardening_writable_paths": [],
        "nodered_hardening_accepted": [],
        "nodered_hardening_admin_root": root,
    }
    return hardening.plan(found(**different), wanted).notes


@pytest.mark.parametrize("kind", ["root_path", "node_path_of_editor"])
def test_dialogs_that_do_not_follow_the_editor_are_reported(kind):
    (note,) = notes_of_hardening("/admin", palette=palette(finding(kind, "/lights/...")))
    assert "while the editor is at /admin: node-red-contrib-house 1.2.3 (/lights/... in house.html:7)" in note


@pytest.mark.parametrize("root", [None, "/", False])
def test_an_editor_that_stays_or_is_gone_breaks_no_dialog(root):
    notes = notes_of_hardening(root, palette=palette(finding("root_path")), admin_auth="credentials")
    assert not [note for note in notes if "Dialogs" in note]


def test_dialogs_that_follow_the_editor_are_not_reported():
    assert notes_of_hardening("/admin", palette=palette(finding("node_path"))) == []


# Redirects


def redirect(ports: str = "80", to: int = 1880, address: str = "", *where: str) -> dict[str, Any]:
    return {"from": ports, "address": address, "to": to, "where": list(where) or ["iptables-save"]}


def planned_port(wanted: int, *redirects: dict[str, Any], **different: Any) -> tuple[list[str], list[str]]:
    plan = port.plan(found(redirects=list(redirects), **different), {"nodered_port": wanted})
    return plan.errors, plan.notes


@pytest.mark.parametrize("address", ["", "127.0.0.1", "::1", "0.0.0.0", "192.168.1.20"])
def test_a_redirect_to_the_old_port_is_reported(address):
    errors, notes = planned_port(1885, redirect("80", 1880, address, "iptables-save", "/etc/iptables/rules.v4"))
    assert errors == []
    assert notes == [
        "Packets for port 80 are redirected to port 1880, which Node-RED leaves. Change that rule to port 1885 (see "
        "iptables-save and /etc/iptables/rules.v4)."
    ]


@pytest.mark.parametrize(
    ("wanted", "one"),
    [
        (1880, redirect()),
        (1885, redirect("80", 1885)),
        (1885, redirect("53", 5353)),
        (1885, redirect("80", 1880, "172.17.0.2")),
        (1885, redirect("80", 1880, "not an address")),
    ],
)
def test_redirects_that_still_lead_somewhere_are_not_reported(wanted, one):
    assert planned_port(wanted, one) == ([], [])


@pytest.mark.parametrize("ports", ["80", "80,443", "79:81", "70-90"])
def test_a_port_from_which_packets_are_redirected_is_rejected(ports):
    errors, _notes = planned_port(80, redirect(ports, 8080))
    assert errors == [
        f"Packets for port {ports} are redirected to port 8080 on pi1, so Node-RED could not be reached on "
        "nodered_port 80. Remove that rule (see iptables-save), then run again."
    ]


@pytest.mark.parametrize(("now", "one"), [(80, redirect("80", 8080)), (1880, redirect("", 8080))])
def test_a_port_that_is_in_use_or_not_named_is_not_rejected(now, one):
    errors, _notes = planned_port(80, one, port=now)
    assert errors == []


# Ports that change


def listener(number: int, unit: str | None = "nodered.service", protocol: str = "tcp") -> dict[str, Any]:
    return {"port": number, "protocol": protocol, "process": "node-red", "unit": unit}


def planned_ufw(
    *listening: dict[str, Any], wanted: dict[str, Any] | None = None, active: bool = False, **different: Any
):
    ssh = {"port": 22, "protocol": "tcp", "process": "sshd", "unit": "ssh.service"}
    seen = firewall(active=active, enabled=active, rules=[], listening=[ssh, listener(1880), *listening])
    return ufw.plan(found(controller={"firewall": seen, "remote": True}, **different), wanted or {})


def added(plan) -> list[str]:
    return [" ".join(words) for words in plan.firewall["add"] if "kept" in " ".join(words)]


def about_ports(plan) -> list[str]:
    return [note for note in plan.notes if "the kernel chose" in note]


@pytest.mark.parametrize("active", [True, False])
def test_no_rule_is_made_for_a_port_that_the_kernel_chose(active):
    plan = planned_ufw(listener(41234), active=active)
    assert added(plan) == []
    (note,) = about_ports(plan)
    assert "TCP port 41234" in note
    assert "below 32768" in note
    assert not [other for other in plan.notes if other != note and "41234" in other]


@pytest.mark.parametrize(
    ("one", "different"),
    [
        (listener(51826), {"ephemeral_ports": {"first": 32768, "last": 60999, "in_flows": [51826]}}),
        (listener(8981), {}),
        (listener(61000), {}),
        (listener(41234, "homebridge.service"), {}),
        (listener(41234, None), {}),
    ],
)
def test_a_port_that_stays_is_kept(one, different):
    plan = planned_ufw(one, **different)
    assert added(plan) == [f"allow from any to any port {one['port']} proto tcp comment pifleet.nodered kept"]
    assert about_ports(plan) == []


def test_a_port_that_the_user_names_is_kept():
    plan = planned_ufw(listener(41234), wanted={"nodered_ufw_keep": ["41234/tcp"]})
    assert added(plan) == ["allow from any to any port 41234 proto tcp comment pifleet.nodered kept"]
    assert about_ports(plan) == []


def test_the_port_of_node_red_itself_is_allowed_wherever_it_is():
    plan = planned_ufw(listener(40000), port=40000)
    assert [words for words in plan.firewall["add"] if "40000" in words]
    assert about_ports(plan) == []
