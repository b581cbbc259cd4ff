# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked from where, with and without a firewall. The rest of the requests is tested on machines."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._probe import _probe
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._errors import why_unreachable
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan import _verification
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import Plan
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._run_state import State
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import EMPTY, instance

ADDRESS = "192.0.2.7"
URL = f"http://{ADDRESS}:1885/"
CHECKS = [{"id": "answers", "title": "It answers", "status": "fail", "expected": "this", "found": "that"}]


def state(place="controller", *, ufw=None, tls=None, **different):
    """A Node-RED that has moved from port 1880 to 1885."""
    plans = {role: Plan(checks=checks) for role, checks in (("ufw", ufw), ("tls", tls)) if checks is not None}
    now = instance(port=1885, url="http://127.0.0.1:1885/", **different)
    return State(
        now, EMPTY, "", EMPTY, plans,
        variables={"nodered_address": ADDRESS}, earlier=instance(), origin={"place": place, "note": ""},
    )  # fmt: skip


def seen(controller, *, rate_limit=False, settled=True):
    return {"controller": controller, "rate_limit": rate_limit, "settled": settled}


@pytest.mark.parametrize("place", ["controller", "host", "watcher"])
def test_everything_is_asked_from_the_place(place):
    request = _verification.main_request(state(place))
    assert (request["run_on"], request["url"], request["closed_ports"]) == (place, URL, [1880])
    assert request["local_url"] == "http://127.0.0.1:1885/"
    assert _verification.outside_request(state(place)) is None


@pytest.mark.parametrize("controller", ["closed", "limited", "unknown"])
def test_where_the_firewall_limits_the_controller_the_host_is_asked(controller):
    assert _verification.main_request(state(ufw=seen(controller)))["run_on"] == "host"
    assert _verification.main_request(state("watcher", ufw=seen(controller)))["run_on"] == "watcher"


def test_another_machine_would_meet_the_rate_limit_too():
    about = state("watcher", ufw=seen("closed", rate_limit=True))
    assert _verification.main_request(about)["run_on"] == "host"
    assert _verification.firewall_request(about)["run_on"] == "watcher"


def test_the_port_that_the_firewall_closes_to_the_controller_is_tried_from_there():
    for place in ("controller", "watcher"):
        request = _verification.outside_request(state(place, ufw=seen("closed")))
        assert request == {"url": URL, "closed_ports": [1885], "run_on": "controller"}
    assert _verification.outside_request(state("host", ufw=seen("closed"))) is None


def test_a_port_of_loopback_only_is_tried_from_the_place():
    hidden = {"host": "127.0.0.1"}
    assert _verification.main_request(state("watcher", **hidden))["run_on"] == "host"
    assert _verification.outside_request(state("watcher", **hidden))["run_on"] == "watcher"
    assert _verification.outside_request(state("host", **hidden)) is None
    assert _verification.firewall_request(state("watcher", **hidden)) is None


@pytest.mark.parametrize("client", [{"client_pair": {"certificate": "PEM"}}, {"client_cert": "/a", "client_key": "/b"}])
def test_node_red_is_visited_with_the_client_certificate_in_files_or_in_none(client):
    about = state(tls={"authorities": "", **client})
    for request in (_verification.main_request(about), _verification.firewall_request(about)):
        assert {name: value for name, value in request.items() if name.startswith("client_")} == client


def test_new_rules_are_tried_from_the_place():
    for place in ("host", "watcher"):
        for controller in ("open", "closed", "unknown"):
            about = state(place, ufw=seen(controller))
            request = _verification.firewall_request(about)
            assert (request["run_on"], request["closed_ports"]) == (place, [1880])
            assert _verification.firewall_checks(about) == ("answers", "old_port_closed")
    closed = state(ufw=seen("closed"))
    assert _verification.firewall_request(closed)["closed_ports"] == [1880, 1885]
    assert _verification.firewall_checks(closed) == ("old_port_closed",)
    assert _verification.firewall_request(state(ufw=seen("unknown"))) is None


def test_the_host_itself_reaches_the_port_behind_a_proxy():
    proxied = {"tls": {"proxy_url": "https://pi.example.org/red/"}}
    assert _verification.main_request(state(**proxied))["closed_ports"] == [1880, 1885]
    assert _verification.main_request(state("host", **proxied))["closed_ports"] == [1880]
    assert _verification.address(state(**proxied)) == "pi.example.org"
    assert _verification.address(state()) == ADDRESS


@pytest.mark.parametrize(
    "place, where",
    [
        ("controller", f"at {URL}"),
        ("host", "at http://127.0.0.1:1885/ on the host itself"),
        ("watcher", f"at {URL} from watcher"),
    ],
)
def test_the_report_names_the_place(place, where):
    assert f"verified {where}: 0 checks" in _verification.summary("pi1", state(place), CHECKS)
    assert f"not so {where}." in _verification.failures(state(place), CHECKS)[0]


def test_each_check_that_fails_has_a_remedy():
    assert [*_verification.REMEDIES] == [check.id for check in _probe.CHECKS]
    assert _verification.failures(state(), CHECKS)[0].endswith("proxy between. Then run again.")


def skipped(name):
    return {**CHECKS[0], "id": name, "status": "skip", "found": "left out: no user name and password were given"}


@pytest.mark.parametrize("role, name", [("login", "login_works"), ("http_auth", "pages_work")])
def test_a_password_that_this_run_has_not_changed_is_reported_as_not_tried(role, name):
    about = state()
    about.plans[role] = Plan(checks={"untried": True})
    (line,) = _verification.lines(about, [skipped(name)])
    assert line.endswith(
        "not tried, because this run has not changed the password; nodered_verify_login: true tries it"
    )
    about.plans[role] = Plan(checks={"untried": False})
    for other in (about, state()):
        (line,) = _verification.lines(other, [skipped(name)])
        assert line.endswith("left out: no user name and password were given")


def test_a_play_without_http_auth_does_not_verify_pages():
    about = state()
    assert _verification.not_verified(about) == [
        "not verified: pages and dashboards, as the role http_auth is not in this play"
    ]
    assert _verification.not_verified(state(node_root=None)) == []
    about.plans["http_auth"] = Plan()
    assert _verification.not_verified(about) == []


def unreachable(error):
    return [{**CHECKS[0], "found": why_unreachable(error, URL)}]


@pytest.mark.parametrize("error", [TimeoutError(), ConnectionRefusedError()])
def test_a_new_port_that_only_the_host_reaches_is_reported_with_the_remedy(error):
    (remedy,) = _verification.remedy_for_new_port(state(), unreachable(error))
    assert remedy.startswith("The change stays. Node-RED responds on the host itself: allow port 1885 there")
    assert "ufw allow 1885/tcp" in remedy


@pytest.mark.parametrize(
    "about, checks",
    [
        (state(), CHECKS),
        (state(), [{**unreachable(TimeoutError())[0], "status": "pass"}]),
        (state("host"), unreachable(TimeoutError())),
        (state(tls={"proxy_url": "https://pi.example.org/"}), unreachable(TimeoutError())),
        (state(ufw=seen("open")), unreachable(TimeoutError())),
        (dataclasses.replace(state(), earlier=None), unreachable(TimeoutError())),
    ],
)
def test_what_no_rule_for_a_new_port_would_help_has_no_such_remedy(about, checks):
    assert _verification.remedy_for_new_port(about, checks) == []
