# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The companion that logs failed logins, and the jail of fail2ban, as the role hardening plans them."""

from __future__ import annotations

import configparser
import hashlib
import re

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _fail2ban
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan import _request, hardening
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import Plan
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._run_state import State
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings import _settings_js
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings._admin_middleware import COMPANION
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import (
    found,
    instance,
    other_service,
)

DEFAULTS = {
    "nodered_hardening_files": "unchanged",
    "nodered_hardening_sandbox": "none",
    "nodered_hardening_writable_paths": [],
    "nodered_hardening_accepted": [],
    "nodered_hardening_never_banned": [],
}
SCRIPT = "1;\n"
FILTER, JAIL = "filter.d/pifleet-nodered.local", "jail.d/pifleet-nodered.local"
READY = {"installed": True, "running": True, "action": "nftables-multiport", "files": {}}
BOTH = {"log_failed_logins": True, "ban_failed_logins": True}


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def planned(*, text=None, tls_proxy_url=None, port=None, fail2ban=None, about=None, **wanted):
    variables = {f"nodered_hardening_{name}": value for name, value in wanted.items()}
    others = {"nodered_tls_proxy_url": tls_proxy_url, "nodered_port": port}
    variables |= {name: value for name, value in others.items() if value is not None}
    source = {} if text is None else {"text": text}
    later = ("port",) if port else ()
    given = {"later_roles": later, "controller": {"script": SCRIPT}, "fail2ban": fail2ban or READY}
    here = found(**source, **given, **(about or {}))
    return hardening.plan(here, {**DEFAULTS, **variables})


def jail(plan, name="pifleet-nodered"):
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.read_string(plan.fail2ban[f"jail.d/{name}.local"])
    return parsed[name]


def as_now(plan):
    """The instance after this plan was applied."""
    files = {name: digest(text) for name, text in plan.fail2ban.items()}
    return {"fail2ban": {**READY, "files": files}, "about": {"companions": {COMPANION: digest(SCRIPT)}}}


def test_without_a_variable_nothing_is_planned():
    plan = planned()
    assert (plan.companions, plan.fail2ban, plan.set, plan.errors, plan.notes) == ({}, {}, {}, [], [])
    here = as_now(planned(**BOTH))
    assert not planned(**here).changes


def test_log_and_ban_are_planned_once():
    plan = planned(**BOTH)
    assert plan.companions == {COMPANION: SCRIPT}
    assert list(plan.fail2ban) == [FILTER, JAIL]
    assert plan.needs_restart
    text = _settings_js.edit("module.exports = {\n}\n", set=plan.set).text
    again = planned(text=text, **as_now(plan), **BOTH)
    assert not again.changes
    assert not _settings_js.edit(text, set=again.set).changed


def test_the_jail_reads_the_journal_of_the_service_and_closes_its_port_only():
    section = jail(planned(**BOTH))
    assert section["journalmatch"] == "_SYSTEMD_UNIT=nodered.service"
    assert (section["port"], section["protocol"]) == ("1880", "tcp")
    assert (section["banaction"], section["filter"]) == ("nftables-multiport", "pifleet-nodered")
    assert (section["maxretry"], section["ignoreip"]) == ("5", "127.0.0.0/8 ::1")


@pytest.mark.parametrize(
    ("different", "port"),
    [
        ({"port": 1885}, "1885"),
        ({"about": {"socket_port": 8000}}, "8000"),
        ({"tls_proxy_url": "https://pi.example/"}, "443"),
        ({"tls_proxy_url": "https://pi.example:8443/"}, "8443"),
    ],
)
def test_the_port_is_that_of_the_clients_after_this_run(different, port):
    assert jail(planned(**BOTH, **different))["port"] == port


def test_behind_a_proxy_the_forwarded_address_counts():
    plan = planned(**BOTH, tls_proxy_url="https://pi.example/")
    assert ".behindProxy()" in plan.set["httpAdminMiddleware"]["$js"]


def test_listed_networks_are_never_banned():
    section = jail(planned(**BOTH, never_banned=["192.168.1.7/24", "2001:db8::1"]))
    assert section["ignoreip"] == "127.0.0.0/8 ::1 192.168.1.0/24 2001:db8::1/128"
    for wrong in (["x\nbantime = -1"], ["pi.example"], "192.168.1.7"):
        assert "nodered_hardening_never_banned" in planned(**BOTH, never_banned=wrong).errors[0]


@pytest.mark.parametrize("log", [None, False])
def test_a_ban_needs_the_log(log):
    (error,) = planned(log_failed_logins=log, ban_failed_logins=True).errors
    assert "needs nodered_hardening_log_failed_logins: true" in error


@pytest.mark.parametrize(
    ("different", "note"),
    [
        ({"fail2ban": {**READY, "installed": False, "action": None}}, "fail2ban is not installed on pi1"),
        ({"fail2ban": {**READY, "action": None}}, "neither nft nor iptables"),
        ({"about": {"service": "pi/nodered"}}, "is a user unit"),
        ({"about": {"version": "1.0.6"}}, "failed logins are not logged there"),
    ],
)
def test_where_nothing_can_be_banned_that_is_reported_and_no_error(different, note):
    plan = planned(**BOTH, **different)
    assert (plan.errors, plan.fail2ban) == ([], {})
    assert any(note in line for line in plan.notes)


def test_a_fail2ban_that_does_not_run_is_reported():
    plan = planned(**BOTH, fail2ban={**READY, "running": False})
    assert list(plan.fail2ban) == [FILTER, JAIL]
    assert "fail2ban does not run on pi1" in plan.notes[0]


def test_with_false_both_are_removed():
    first = planned(**BOTH)
    text = _settings_js.edit("module.exports = {\n}\n", set=first.set).text
    plan = planned(text=text, **as_now(first), log_failed_logins=False, ban_failed_logins=False)
    assert plan.fail2ban == {FILTER: None, JAIL: None}
    assert plan.companions == {COMPANION: None}
    assert plan.remove == ["httpAdminMiddleware"]
    assert not planned(log_failed_logins=False, ban_failed_logins=False).changes


def test_a_companion_that_another_node_red_uses_stays():
    others = {"others": [other_service(shares=["settings_folder"])], "companions": {COMPANION: "0"}}
    assert planned(about=others, log_failed_logins=False).companions == {}


def test_the_request_has_the_files():
    plan = planned(**BOTH)
    variables = {"nodered_restart_timeout": 60, "nodered_remount": False, "nodered_restore_points": 5}
    state = State(instance=instance(), source="", checksum="", text="", plans={"hardening": plan}, variables=variables)
    request = _request.request(state, None)
    assert request["fail2ban"] == plan.fail2ban
    assert _request.changes({**request, "edit": None, "companions": {}, "drop_ins": [], "restart": False})
    assert Plan(fail2ban={JAIL: None}).needs_restart


def matches(line):
    expression = re.search(r"^failregex = (.*)$", planned(**BOTH).fail2ban[FILTER], re.MULTILINE)[1]
    found = re.match(expression.replace("<ADDR>", r"(?P<address>[0-9a-f.:]+)"), line)
    return found and found["address"]


def test_the_filter_takes_only_whole_lines_that_are_no_verification():
    head = "raspberrypi Node-RED[812]: pifleet-failed-logins.js: "
    assert matches(head + "failed login from 192.0.2.7") == "192.0.2.7"
    assert matches("raspberrypi node-red: pifleet-failed-logins.js: failed login from 2001:db8::1") == "2001:db8::1"
    assert not matches(head + "failed login of a verification from 192.0.2.7")
    assert not matches(head + "failed login from unknown")
    assert not matches("raspberrypi Node-RED[812]: 30 Nov 00:00 - [info] " + head + "failed login from 192.0.2.7")


@pytest.mark.parametrize("service", ["nodered", "node-red-b", "node-red@a", "a" * 60, "pi/nodered", "x]\ny"])
def test_the_name_of_a_jail_suits_fail2ban_and_iptables(service):
    name = _fail2ban.jail_name(service)
    assert re.fullmatch(r"pifleet-[A-Za-z0-9_-]{1,16}", name)
    assert name != _fail2ban.jail_name(service + "b")
    for file in _fail2ban.names(name).values():
        assert _fail2ban.path(file).startswith("/etc/fail2ban/")
