# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the file beside settings.js logs, in Node.js itself; requests and responses are stand-ins."""

from __future__ import annotations

import json
import pathlib
import subprocess

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings._admin_middleware import COMPANION

SCRIPT = pathlib.Path(__file__).parents[3] / "roles" / "hardening" / "files" / COMPANION
# Each request goes through the middleware, gets its body, and ends. After all of them, an hour passes.
RUN = """
const EventEmitter = require('events');
const ended = [];
global.setTimeout = (call) => { ended.push(call); return { unref() {} }; };
const script = require(process.argv[1]);
const given = JSON.parse(process.argv[2]);
const others = eval('(' + (given.others || 'undefined') + ')');
const middleware = script[given.kind](others);
const passed = [];
given.requests.forEach((one) => {
    const request = Object.assign({ socket: { remoteAddress: one.peer } }, one);
    const response = Object.assign(new EventEmitter(), { statusCode: 200, order: [] });
    middleware(request, response, (error) => {
        passed.push(response.order.concat(error ? [String(error.message || error)] : []));
        request.body = one.sent;
        response.statusCode = one.status;
        if (one.status) { response.emit('finish'); }
        response.emit('close');
    });
});
ended.forEach((call) => call());
console.log(JSON.stringify(passed));
"""
PASSWORD = {"grant_type": "password", "username": "admin", "password": "hunter2"}


def request(**different):
    """A wrong login."""
    usual = {"method": "POST", "path": "/auth/token", "headers": {}, "peer": "192.0.2.7", "status": 403}
    return {**usual, "sent": PASSWORD, **different}


def run(*requests, kind="direct", others=""):
    given = json.dumps({"kind": kind, "others": others, "requests": requests})
    command = ["node", "-e", RUN, str(SCRIPT), given]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr.splitlines()


def logged(*requests, kind="direct"):
    passed, lines = run(*requests, kind=kind)
    assert passed == [[]] * len(requests), "each request goes on"
    return [line.replace(f"{COMPANION}: ", "", 1) for line in lines]


@pytest.mark.parametrize("status", [400, 401, 403, 500])
@pytest.mark.parametrize("path", ["/auth/token", "/AUTH/token/"])
def test_a_failed_login_is_one_line_with_the_address_and_without_the_user_name(status, path):
    assert logged(request(status=status, path=path)) == ["failed login from 192.0.2.7"]


def test_a_client_that_does_not_wait_for_the_answer_is_logged():
    assert logged(request(status=0)) == ["failed login from 192.0.2.7"]


@pytest.mark.parametrize(
    "different",
    [
        {"status": 200},
        {"path": "/auth/login"},
        {"path": "/auth/token/x"},
        {"method": "GET"},
        {"sent": None},
        {"sent": {"grant_type": "exchange_code"}},
        {"sent": "grant_type=password"},
    ],
    ids=str,
)
def test_anything_else_is_not_logged(different):
    assert logged(request(**different)) == []


@pytest.mark.parametrize("name", ["probe-0123456789abcdef"])
def test_a_verification_has_a_line_of_its_own(name):
    assert logged(request(sent={**PASSWORD, "username": name})) == ["failed login of a verification from 192.0.2.7"]


@pytest.mark.parametrize(
    "name",
    [
        *("probe-admin", "xprobe-0123456789abcdef", "probe-0123456789abcdef\n", None, {}, ["probe-0123456789abcdef"]),
        # It cannot become a text: to try that in an event would end Node-RED.
        *({"toString": "x"}, [{"toString": "x"}]),
    ],
)
def test_other_names_are_no_verification(name):
    assert logged(request(sent={**PASSWORD, "username": name})) == ["failed login from 192.0.2.7"]


@pytest.mark.parametrize(
    ("peer", "shown"),
    [
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:DB8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        (None, "unknown"),
        ("192.0.2.7\nfailed login from 192.0.2.8", "unknown"),
    ],
)
def test_addresses_are_written_in_one_form(peer, shown):
    assert logged(request(peer=peer)) == [f"failed login from {shown}"]


FORWARDED = {"x-forwarded-for": "198.51.100.1, 203.0.113.9"}


@pytest.mark.parametrize(
    ("kind", "peer", "headers", "shown"),
    [
        ("direct", "192.0.2.7", FORWARDED, "192.0.2.7"),
        ("direct", "127.0.0.1", FORWARDED, "127.0.0.1"),
        ("behindProxy", "127.0.0.1", FORWARDED, "203.0.113.9"),
        ("behindProxy", "::ffff:127.0.0.1", FORWARDED, "203.0.113.9"),
        ("behindProxy", "::1", {"x-forwarded-for": "2001:db8::5"}, "2001:db8::5"),
        ("behindProxy", "192.0.2.7", FORWARDED, "192.0.2.7"),
        ("behindProxy", "127.0.0.1", {}, "127.0.0.1"),
        ("behindProxy", "127.0.0.1", {"x-forwarded-for": "203.0.113.9, 8.8.8.8\r\nx"}, "unknown"),
        ("behindProxy", "127.0.0.1", {"x-forwarded-for": "a" * 100_000}, "unknown"),
    ],
)
def test_a_forwarded_address_counts_only_behind_the_declared_proxy(kind, peer, headers, shown):
    assert logged(request(peer=peer, headers=headers), kind=kind) == [f"failed login from {shown}"]


def test_the_journal_is_not_filled_and_no_address_takes_the_lines_of_others():
    lines = logged(*[request()] * 100, request(peer="192.0.2.8"))
    assert lines == [
        *["failed login from 192.0.2.7"] * 12,
        "failed login from 192.0.2.8",
        "88 more failed logins within a minute",
    ]
    many = logged(*[request(peer=f"10.0.{number // 250}.{number % 250}") for number in range(500)])
    assert len(many) == 121
    assert many[-1] == "380 more failed logins within a minute"


def test_other_middleware_runs_after_it_as_in_express():
    others = """[
        (request, response, next) => { response.order.push('first'); next(); },
        'no function',
        [(request, response, next) => { response.order.push('second'); next(); }],
        (error, request, response, next) => { response.order.push('skipped'); next(); },
    ]"""
    passed, lines = run(request(), others=others)
    assert passed == [["first", "second"]]
    assert lines == [f"{COMPANION}: failed login from 192.0.2.7"]


@pytest.mark.parametrize("failing", ["next(new Error('refused'))", "throw new Error('refused')"])
def test_an_error_of_other_middleware_goes_on_as_in_express(failing):
    others = f"""[
        (request, response, next) => {{ {failing}; }},
        (request, response, next) => {{ response.order.push('skipped'); next(); }},
        (error, request, response, next) => {{ response.order.push('handled'); next(error); }},
    ]"""
    assert run(request(), others=others)[0] == [["handled", "refused"]]


def test_a_request_that_cannot_be_watched_goes_on():
    passed, lines = run(request(socket=None))
    assert passed == [[]]
    assert len(lines) == 1
    assert "a login was not watched: " in lines[0]
