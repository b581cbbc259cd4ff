# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each fault of an otherwise secured host is found, and nothing else is."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._audit import _judge, login
from ansible_collections.pifleet.nodered.plugins.plugin_utils._audit._base import Certificate
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import DropIn, Plan
from ansible_collections.pifleet.nodered.plugins.plugin_utils._report._catalogue import CHECKS
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._audit.hosts import (
    ADDRESS,
    ADMIN_AUTH,
    HASH,
    WANTED,
    checks,
    found,
    issued,
    observed,
    on,
    planned,
    read,
)
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import settings_with
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.firewalls import allowed, firewall
from cryptography.hazmat.primitives.asymmetric import rsa

OPEN = ("fail", "open: there is no login")
DEFAULT_USER = ("fail", f"open: {login.DEFAULT_USER} with the permissions *")
REFUSED = ("fail", "the answer to a request")
SAMPLE = "$2a$08$zZWtXTja0fB1pzD4sHCMyOCMYz2Z6dNbM6tl8sJogENOMcxWV9DN."
USUAL = "$2b$08$X3jlSx2XAakxPTT.rrLHTelhPT8G1hC9aSzqDvbFmJM.U54HjQYNe"
MD5 = "5f4dcc3b5aa765d61d8327deb882cf99"
LOCAL = {"host": "127.0.0.1", "scheme": "http", "url": "http://127.0.0.1:1880/"}


def results(host=None, seen=None):
    """The severity of each finding."""
    judgement = _judge.judged(host or found(), seen or observed())
    everything = [*(one.id for one in judgement.findings), *judgement.passed, *judgement.skipped]
    assert sorted(everything) == sorted(check.id for check in CHECKS), "each check has one result"
    return {one.id: one.severity for one in judgement.findings}


def with_settings(*members):
    return results(seen=read(settings_with(*members)))


def with_certificate(*names, **options):
    return results(seen=observed(certificate=Certificate(issued(*names, **options))))


def login_with(password, extra=""):
    return f'adminAuth: {{ type: "credentials", users: [{{ username: "ada", password: "{password}" }}]{extra} }}'


def test_a_secured_host_has_no_finding_and_every_check_is_done():
    judgement = _judge.judged(found(), observed())
    assert judgement == _judge.Judgement(passed=[check.id for check in CHECKS])


@pytest.mark.parametrize(
    "failed, wanted",
    [
        ({"login_required": OPEN, "flows_closed": OPEN}, {"editor-open": "critical"}),
        ({"flows_write_closed": REFUSED}, {"editor-open": "critical"}),
        ({"login_required": DEFAULT_USER, "flows_closed": OPEN}, {"default-permissions": "critical"}),
        ({"flows_closed": ("skip", "left out")}, {"anonymous-read": "medium"}),
        ({"comms_closed": REFUSED}, {"debug-open": "high"}),
        ({"plain_http_refused": REFUSED}, {"plain-http": "high"}),
        ({"old_port_closed": REFUSED}, {"plain-http": "high"}),
        ({"old_tls_refused": REFUSED}, {"tls-old": "medium"}),
        ({"node_pages_closed": REFUSED}, {"pages-open": "medium"}),
        ({"static_closed": REFUSED}, {"static-open": "medium"}),
        ({"dashboards_closed": REFUSED}, {"dashboard-open": "high"}),
        ({"websockets_closed": REFUSED}, {"websocket-open": "medium"}),
        ({"node_pages_closed": REFUSED, "client_certificate_required": ("pass", "")}, {}),
    ],
)
def test_what_requests_show(failed, wanted):
    assert results(seen=observed(checks=checks(**failed))) == wanted


def test_a_disabled_editor_with_an_open_api_is_named_so():
    seen = observed(checks=checks(login_required=OPEN))
    assert results(found(disable_editor=True), seen) == {"api-open": "critical"}


def test_what_only_the_machine_itself_reaches_is_less_severe():
    seen = observed(checks=checks(login_required=OPEN, node_pages_closed=REFUSED))
    assert results(found(**LOCAL), seen) == {"editor-open": "medium", "pages-open": "low"}


def test_anyone_may_read_if_the_operator_wants_it():
    wanted = {**WANTED, "nodered_login_default_permissions": "read"}
    seen = observed(wanted=wanted, checks=checks(flows_closed=("skip", "left out")))
    assert results(seen=seen) == {"anonymous-read": "info"}


@pytest.mark.parametrize(
    "members, wanted",
    [
        ([login_with(SAMPLE)], {"password-sample": "critical"}),
        ([login_with(USUAL)], {"password-known": "critical"}),
        ([login_with("hunter2")], {"password-plaintext": "high"}),
        ([login_with(MD5)], {"password-md5": "high"}),
        ([f"httpNodeAuth: {{ user: 'a', pass: '{MD5}' }}"], {"password-md5": "high"}),
        ([login_with(HASH.replace("$08$", "$05$"))], {"hash-weak": "low"}),
        ([login_with(HASH, ', default: { permissions: "*" }')], {"default-permissions": "critical"}),
        (["adminAuth: { type: 'credential', users: [] }"], {"login-broken": "high"}),
        (["httpNodeAuth: { user: 'a' }"], {"login-broken": "high"}),
        (["httpAdminAuth: { user: 'a', pass: 'b' }"], {"old-login": "high"}),
        (["credentialSecret: false"], {"credential-secret": "medium"}),
        (["credentialSecret: 'a-secret-key'"], {"credential-secret": "medium"}),
        (["uihost: '127.0.0.1'"], {"setting-misspelled": "high"}),
        (["uiport: 1885"], {"setting-misspelled": "low"}),
        (["weatherStation: 1"], {"setting-unknown": "info"}),
    ],
)
def test_what_the_settings_file_shows(members, wanted):
    assert with_settings(*members) == wanted


def test_what_the_variables_accept_is_only_mentioned():
    seen = read(settings_with(login_with(SAMPLE), "uihost: '127.0.0.1'"))
    accepting = {**WANTED, "nodered_hardening_accepted": ["adminAuth.users", "uihost"]}
    assert results(seen=dataclasses.replace(seen, wanted=accepting)) == {
        "password-sample": "info",
        "setting-misspelled": "info",
    }


def test_a_low_cost_that_the_variables_ask_for_is_only_mentioned():
    seen = read(settings_with(login_with(HASH.replace("$08$", "$05$"))))
    assert results(seen=dataclasses.replace(seen, wanted={**WANTED, "nodered_login_rounds": 5})) == {
        "hash-weak": "info"
    }


def test_no_password_hash_or_secret_is_shown():
    members = [login_with(USUAL), f"httpNodeAuth: {{ user: 'a', pass: '{MD5}' }}", "credentialSecret: 'topsecret'"]
    shown = str(_judge.judged(found(), read(settings_with(*members))))
    assert not any(secret in shown for secret in (USUAL, MD5, "topsecret", "raspberry"))


def test_a_password_that_was_not_compared_has_not_passed():
    judgement = _judge.judged(found(), read(settings_with(login_with(HASH.replace("$08$", "$14$")))))
    assert judgement.findings == []
    assert set(judgement.skipped) == {"password-sample", "password-known"}


def test_a_file_that_cannot_be_read_with_certainty_leaves_its_checks_out():
    assert results(seen=observed(unread="settings.js:1:1: ...")) == {"settings-unreadable": "medium"}
    broken = {"settings_error": "SyntaxError", "admin_auth": None}
    assert results(found(**broken), observed(unread="settings.js:1:1: ...")) == {"settings-unreadable": "high"}


def test_what_is_not_asked_for_because_the_file_cannot_be_loaded_has_not_passed():
    asked = {name: check for name, check in checks().items() if name in ("answers", "node_pages_closed")}
    judgement = _judge.judged(found(settings_error="SyntaxError"), observed(checks=asked))
    assert "pages-open" in judgement.passed
    for check in ("static-open", "dashboard-open", "websocket-open"):
        assert "cannot be loaded" in judgement.skipped[check]


@pytest.mark.parametrize(
    "host, seen", [(found(admin_auth="strategy"), observed()), (found(), observed(computed=["httpNodeAuth"]))]
)
def test_passwords_that_code_decides_about_are_not_judged(host, seen):
    judgement = _judge.judged(host, seen)
    assert "decides about passwords" in judgement.skipped["password-sample"]


@pytest.mark.parametrize(
    "options, wanted",
    [
        ({"until": 60}, {}),
        ({"until": 20}, {"certificate-expires": "medium"}),
        ({"since": -90, "until": -1}, {"certificate-expired": "high"}),
        ({"key": rsa.generate_private_key(65537, 1024)}, {"certificate-weak": "medium"}),
    ],
)
def test_what_the_certificate_shows(options, wanted):
    assert with_certificate(ADDRESS, **options) == wanted


def test_a_certificate_for_another_name_or_of_an_unknown_authority_is_found():
    assert with_certificate("elsewhere.example") == {"certificate-mismatch": "medium"}
    unknown = Certificate(issued(ADDRESS), untrusted="unable to get local issuer certificate")
    assert results(seen=observed(certificate=unknown)) == {"certificate-untrusted": "low"}


def test_a_pair_that_node_red_cannot_use_is_found():
    problem = "the key does not belong to the certificate"
    placed = {"folder": "/etc/nodered-tls/nodered/current", "certificate": issued(ADDRESS), "problem": problem}
    assert results(found(tls=placed)) == {"certificate-unusable": "high"}


def test_a_certificate_that_was_not_seen_is_not_judged():
    judgement = _judge.judged(found(), observed(certificate=Certificate(why_unknown="no connection")))
    assert judgement.findings == []
    assert judgement.skipped["certificate-expired"] == "no connection"


def test_plain_http_is_found_unless_only_the_machine_or_a_proxy_reaches_it():
    plain = {"scheme": "http", "url": f"http://{ADDRESS}:1880/"}
    assert results(found(**plain)) == {"tls-missing": "high"}
    assert results(found(**LOCAL)) == {}
    assert results(found(**LOCAL), observed(wanted={**WANTED, "nodered_tls_proxy_url": f"https://{ADDRESS}/"})) == {}


FILE = {"path": "/home/pi/.node-red/.sessions.json", "folder": False, "mode": "0644", "wanted": "0600", "problem": None}
FOLDER = {"path": "/home/pi/.node-red", "folder": True, "mode": "0755", "wanted": "0700", "problem": None}


@pytest.mark.parametrize(
    "exposed, files, severity",
    [
        ([FOLDER, FILE], "private", "high"),
        ([FILE], "private", "medium"),
        ([FOLDER], "private", "low"),
        ([FILE], "directory", "info"),
        ([FOLDER, FILE], "directory", "high"),
        ([FOLDER, FILE], "unchanged", "info"),
    ],
)
def test_files_that_others_can_read_are_found(exposed, files, severity):
    seen = observed(wanted={**WANTED, "nodered_hardening_files": files})
    assert results(found(exposed=exposed), seen) == {"files-readable": severity}


@pytest.mark.parametrize(
    "different",
    [
        {"user_dir_writable": False, "user_dir_owner": "root"},
        {"user_dir_read_only": True},
        {"user_dir_read_only_at_boot": True},
        {
            "sessions": {
                "repairs": {"file": [{"path": FILE["path"], "before": "a mount of its own", "refusal": None}]},
            }
        },
    ],
)
def test_a_sessions_file_that_cannot_be_written_is_found(different):
    assert results(found(**different)) == {"sessions-unwritable": "high"}


def test_sessions_in_memory_need_no_file():
    assert results(found(user_dir_read_only=True, storage_module="pifleet")) == {}


def test_root_and_ways_to_it_are_found():
    assert results(found(user="root")) == {"runs-as-root": "high"}
    host = found(ways_to_root=["sudo without a password"])
    assert results(host) == {"ways-to-root": "medium"}
    assert results(host, observed(wanted={**WANTED, "nodered_hardening_accepted": ["ways_to_root"]})) == {
        "ways-to-root": "info"
    }


def test_a_sandbox_counts_only_if_it_is_in_effect():
    host = found(ways_to_root=["sudo without a password"])
    seen = observed(wanted={**WANTED, "nodered_hardening_sandbox": "strict"})
    assert results(host, seen) == {}
    waiting = planned(host, hardening=Plan(drop_ins=[DropIn("nodered.service", "60-pifleet-hardening")]))
    assert results(waiting, seen) == {"ways-to-root": "medium"}


def test_a_node_red_that_does_not_respond_is_found_and_nothing_is_claimed_about_it():
    host = found(url=None, scheme=None, port=None, host=None, admin_root=None, running=False, state="failed")
    judgement = _judge.judged(host, observed(checks={}, not_asked="it does not respond"))
    assert [one.id for one in judgement.findings] == ["node-red-down"]
    assert {"editor-open", "pages-open", "tls-missing", "debug-open"} <= set(judgement.skipped)


def test_the_remedies_for_a_user_unit_are_those_of_its_own_systemd():
    """A sandbox is not possible there."""
    host = found(service="pi/flows", url=None, ways_to_root=["group docker"])
    judgement = _judge.judged(host, observed(checks={}, not_asked="it does not respond"))
    assert {one.id: one.remedy for one in judgement.findings} == {
        "ways-to-root": "Take these rights away.",
        "node-red-down": "Look at journalctl --user-unit flows as user pi on the host.",
    }


def test_a_stopped_node_red_is_to_be_started():
    judgement = _judge.judged(found(url=None, state="inactive"), observed(checks={}, not_asked="it does not respond"))
    assert judgement.findings[0].remedy == "Start it on the host: systemctl start nodered."


def test_without_an_answer_the_settings_in_effect_decide_about_the_editor():
    # What is planned does not count.
    host = planned(found(admin_auth="none"), login=Plan(set={"adminAuth": {}}))
    unanswered = {**checks(), **checks(answers=("fail", "refuses the connection"))}
    judgement = _judge.judged(host, observed(checks=unanswered))
    assert [one.id for one in judgement.findings] == ["editor-open"]
    assert "refuses the connection" in judgement.findings[0].evidence
    assert "refuses the connection" in judgement.skipped["pages-open"]
    assert results(found("module.exports = { httpAdminRoot: false }", admin_auth="none"), observed(not_asked="x")) == {}


def test_without_a_client_certificate_tls_is_checked_and_the_rest_is_left_out():
    left_out = dict.fromkeys(checks(), ("skip", "left out: it needs a client certificate"))
    seen = observed(checks=checks(**left_out | {"plain_http_refused": REFUSED, "old_tls_refused": ("pass", "")}))
    judgement = _judge.judged(found(), seen)
    assert [one.id for one in judgement.findings] == ["plain-http"]
    assert "tls-old" in judgement.passed
    assert {"editor-open", "pages-open", "debug-open"} <= set(judgement.skipped)


@pytest.mark.parametrize(
    "walls, wanted",
    [
        ({"installed": False, "ssh": {}, "other_firewalls": []}, {"firewall-off": "medium"}),
        ({"installed": False, "ssh": {}, "other_firewalls": ["nftables"]}, {}),
        (firewall(active=False), {"firewall-off": "medium"}),
        (firewall(policies={"incoming": "allow", "outgoing": "allow", "routed": "deny"}), {"firewall-wide": "medium"}),
        (firewall(allowed(1, "", to_port="any", protocol="any")), {"firewall-wide": "medium"}),
        (firewall(allowed(1, "", to_port="any", from_address="192.168.1.0/24")), {}),
        (firewall(starts_at_boot=False), {"firewall-boot": "medium"}),
        (firewall(enabled=False), {"firewall-boot": "medium"}),
        (firewall(published=[8080]), {"firewall-bypassed": "low"}),
        (firewall(published=[1880]), {"firewall-bypassed": "high"}),
        (None, {}),
    ],
)
def test_what_the_firewall_lets_in(walls, wanted):
    assert results(seen=observed(firewall=walls)) == wanted


def test_a_rule_for_more_addresses_than_the_variables_name_is_too_wide():
    limited = observed(wanted={**WANTED, "nodered_ufw_sources": ["192.168.1.0/24"]}, firewall=firewall(allowed(1880)))
    assert results(seen=limited) == {"firewall-wide": "medium"}


@pytest.mark.parametrize(
    "different, date, wanted",
    [
        ({"version": "4.1.15"}, "2026-12-31", {}),
        ({"version": "4.1.15"}, "2027-01-01", {"node-red-eol": "medium"}),
        ({"version": "0.20.8"}, "2026-11-29", {"node-red-eol": "medium"}),
        ({"node_version": "20.20.2"}, "2026-11-29", {"node-eol": "medium"}),
        ({"node_version": "6.17.1"}, "2026-11-29", {"node-eol": "medium"}),
        ({"node_version": None}, "2026-11-29", {}),
        ({"node_version": "99.0.0"}, "2026-11-29", {}),
        ({"version": "5.0.7"}, "2027-04-01", {}),
    ],
)
def test_releases_past_their_end_are_found(different, date, wanted):
    # The certificate of the other hosts is too young for these dates.
    seen = observed(now=on(date), certificate=Certificate(why_unknown="left out"))
    assert results(found(**different), seen) == wanted


def test_what_breaks_beside_node_red_is_found_where_pages_have_a_password():
    dialog = {"package": "house", "version": "1", "finding": "node_path", "path": "/x", "file": "x.html", "line": 1}
    host = found(palette={"findings": [dialog], "complete": True})
    assert results(host) == {"neighbours": "low"}
    assert results(planned(host, http_auth=Plan(details={"managed": False}))) == {}


def test_what_secure_would_change_or_reject_is_found():
    assert results(seen=observed(changes={"port": ["uiPort"]})) == {"drift": "low"}
    assert results(seen=observed(rejected={"port": ["nodered_port must be ..."]})) == {"secure-rejects": "low"}


def test_several_outcomes_of_one_check_are_one_finding_with_the_worst_severity():
    text = settings_with(ADMIN_AUTH, "uiport: 1885", "uihost: '127.0.0.1'")
    judgement = _judge.judged(found(), read(text))
    (one,) = judgement.findings
    assert one.severity == "high"
    assert "uiport" in one.evidence
    assert "uihost" in one.evidence
