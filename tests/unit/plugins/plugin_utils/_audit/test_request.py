# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit asks from outside."""

from __future__ import annotations

import dataclasses

from ansible_collections.pifleet.nodered.plugins.plugin_utils._audit._request import request
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import Plan
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._run_state import State
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._verify_from import CONTROLLER, HOST, Origin
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import EMPTY, instance

ADDRESS = "192.168.1.20"
SECRET = "Corr3ct-horse"


def asked(plans=None, open_paths=(), has_client_certificate=False, **different):
    state = State(instance(**different), EMPTY, "", EMPTY, plans or {}, variables={"nodered_address": ADDRESS})
    state.origin = dataclasses.asdict(Origin())
    return request(state, open_paths, has_client_certificate=has_client_certificate)


def test_an_open_node_red_is_asked_about_everything_beside_tls():
    sockets = {"dashboard_sockets": ["/ui/socket.io/"], "websockets": ["/ws"], "static_roots": ["/files"]}
    options = asked(**sockets)
    assert options["url"] == f"http://{ADDRESS}:1880/"
    assert options["run_on"] == CONTROLLER
    assert {name: options[name] for name in sockets} == sockets
    assert not {"old_tls_refused", "plain_http_refused", "old_port_closed"} & set(options["only"])
    assert {"login_required", "node_pages_closed", "dashboards_closed"} < set(options["only"])


def test_no_password_is_used_not_even_a_wrong_one():
    credentials = {"username": "admin", "password": SECRET}
    options = asked({"login": Plan(credentials=credentials)})
    assert SECRET not in str(options)
    assert not {"wrong_password_refused", "login_works", "read_only_cannot_write", "pages_work"} & set(options["only"])


def test_an_untrusted_certificate_hides_nothing():
    options = asked(scheme="https")
    assert options["validate_certs"] is False
    assert {"old_tls_refused", "plain_http_refused"} < set(options["only"])


def test_open_paths_are_not_asked_for():
    options = asked(open_paths=["/hooks"], websockets=["/hooks/ws", "/ws"])
    assert options["websockets"] == ["/ws"]


def test_a_firewall_counts_as_it_is_now():
    closed = {"controller": "closed", "rate_limit": False}
    assert asked({"ufw": Plan(checks={**closed, "settled": True})})["run_on"] == HOST
    assert asked({"ufw": Plan(checks={**closed, "settled": False})})["run_on"] == CONTROLLER


def test_a_client_certificate_that_is_in_no_file_is_used():
    pair = {"certificate": "PEM", "key": "KEY"}
    options = asked({"tls": Plan(checks={"client_pair": pair})}, scheme="https")
    assert options["client_pair"] == pair
    assert "client_certificate_required" in options["only"]


def test_a_client_certificate_is_used_once_it_is_there():
    plans = {"tls": Plan(checks={"client_cert": "/c.pem", "client_key": "/c.key"})}
    assert "client_cert" not in asked(plans, scheme="https")
    options = asked(plans, has_client_certificate=True, scheme="https")
    assert options["client_cert"] == "/c.pem"
    assert "client_certificate_required" in options["only"]


def test_behind_a_proxy_the_port_of_node_red_itself_must_be_closed():
    options = asked({"tls": Plan(checks={"proxy_url": f"https://{ADDRESS}/"})})
    assert options["url"] == f"https://{ADDRESS}/"
    assert options["closed_ports"] == [1880]
    assert "old_port_closed" in options["only"]
