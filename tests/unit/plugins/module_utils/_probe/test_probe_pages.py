# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe's verdicts on what is served beside the editor."""

from __future__ import annotations

from email.message import Message

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core._http import Response
from ansible_collections.pifleet.nodered.plugins.module_utils._probe import _examination, _page_checks, _probe
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._errors import ProbeError
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._examination import Examination
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._target import Target
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._websocket import ABSENT, OPEN, REFUSED
from ansible_collections.pifleet.nodered.tests.unit.plugins.module_utils._probe.probing import probe

PASSWORD = "for the hoüse"
BASIC = 'Basic realm="Authorization Required"'


def response(status, challenge=None):
    headers = Message()
    if challenge:
        headers["WWW-Authenticate"] = challenge
    return Response(status, headers, b"")


def examination(url="http://127.0.0.1:1880/admin", **given):
    return Examination(Target(url, timeout=1, **given))


def verdict(identity, **given):
    check = next(check for check in _probe.CHECKS if check.id == identity)
    return check.judge(examination(**given))


@pytest.fixture
def answers(monkeypatch):
    """What the server answers: by path, and by whether the request had a password."""
    asked = []

    def serve(given):
        def request(url, headers, **_options):
            asked.append((url, headers.get("Authorization")))
            return next(answer for root, answer in given if url.startswith("http://127.0.0.1:1880" + root))

        monkeypatch.setattr(_examination, "request", request)
        return asked

    return serve


@pytest.mark.parametrize(
    "answer, status",
    [
        (response(401, BASIC), "pass"),
        (response(401), "pass"),
        (response(403), "pass"),
        (response(404), "fail"),
        (response(200), "fail"),
        (response(302), "fail"),
    ],
)
def test_a_page_is_closed_where_a_password_is_needed_to_hear_that_it_is_not_there(answers, answer, status):
    asked = answers([("/", answer)])
    assert verdict("node_pages_closed", node_root="/api/").status == status
    url, password = asked[0]
    assert url.startswith("http://127.0.0.1:1880/api/probe-")
    assert password is None


def test_the_static_folder_that_is_open_is_named(answers):
    answers([("/files/", response(404)), ("/", response(401, BASIC))])
    found = verdict("static_closed", static_roots=["/", "/files/"])
    assert found.status == "fail"
    assert found.found.startswith("/files/: open")
    assert "; " not in found.found


@pytest.fixture
def sockets(monkeypatch):
    asked = []

    def serve(polling, websocket):
        for name, outcome in (("socket_io_by_polling", polling), ("socket_io_by_websocket", websocket)):

            def connect(url, headers, *_options, outcome=outcome):
                asked.append((url, headers.get("Authorization")))
                return outcome

            monkeypatch.setattr(_page_checks, name, connect)
        return asked

    return serve


@pytest.mark.parametrize(
    "polling, websocket, status",
    [
        (REFUSED, REFUSED, "pass"),
        (ABSENT, ABSENT, "pass"),
        (OPEN, REFUSED, "fail"),
        (REFUSED, OPEN, "fail"),
        ("HTTP 500, but no socket.io", REFUSED, "fail"),
    ],
)
def test_a_dashboard_is_closed_where_both_ways_are(sockets, polling, websocket, status):
    asked = sockets(polling, websocket)
    assert verdict("dashboards_closed", dashboard_sockets=["/ui/socket.io/"]).status == status
    assert asked == [("http://127.0.0.1:1880/ui/socket.io/", None)] * 2


@pytest.mark.parametrize("outcome, status", [(OPEN, "pass"), (REFUSED, "fail"), (ABSENT, "skip")])
def test_a_dashboard_has_to_work_with_the_password(sockets, outcome, status):
    asked = sockets(outcome, outcome)
    web = {"dashboard_sockets": ["/ui/socket.io/"], "http_username": "house", "http_password": PASSWORD}
    assert verdict("dashboards_work", **web).status == status
    assert asked[0][1] == "Basic aG91c2U6Zm9yIHRoZSBob8O8c2U="


@pytest.mark.parametrize("answer, status", [(101, "fail"), (401, "pass"), (404, "pass")])
def test_a_websocket_that_opens_is_an_open_door(monkeypatch, answer, status):
    monkeypatch.setattr(_page_checks, "upgrade_status", lambda *_arguments: answer)
    assert verdict("websockets_closed", websockets=["/ws/in"]).status == status


def test_a_websocket_that_is_hung_up_on_is_not_there(monkeypatch):
    def hang_up(*_arguments):
        raise ConnectionResetError

    monkeypatch.setattr(_page_checks, "upgrade_status", hang_up)
    assert verdict("websockets_closed", websockets=["/ws/in"]).found == "/ws/in: nothing is there"


@pytest.mark.parametrize("answer, status", [(404, "pass"), (200, "pass"), (401, "fail"), (503, "fail")])
def test_pages_and_files_have_to_be_served_with_the_password(answers, answer, status):
    asked = answers([("/", response(answer))])
    web = {"node_root": "/", "static_roots": ["/", "/files/"], "http_username": "house", "http_password": PASSWORD}
    assert verdict("pages_work", **web).status == status
    assert len(asked) == 2
    assert all(password for _url, password in asked)


@pytest.mark.parametrize("identity", ["pages_work", "dashboards_work"])
def test_the_password_never_crosses_the_network_in_the_clear(answers, sockets, identity):
    asked = answers([]), sockets(OPEN, OPEN)
    check = next(check for check in _probe.CHECKS if check.id == identity)
    web = {"node_root": "/", "dashboard_sockets": ["/ui/"], "http_username": "house", "http_password": PASSWORD}
    found = check.judge(examination("http://192.0.2.1:1880", **web))
    assert found.status == "skip"
    assert "in plain text" in found.found
    assert asked == ([], [])


def test_what_was_not_given_is_not_asked_for():
    assert [check["id"] for check in probe("http://127.0.0.1:1")][-1] == "read_only_cannot_write"
    found = probe("http://127.0.0.1:1", websockets=["/ws"], dashboard_sockets=["/ui/socket.io/"])
    assert [check["id"] for check in found][-3:] == ["dashboards_closed", "websockets_closed", "dashboards_work"]
    assert found[-1]["status"] == "skip"


@pytest.mark.parametrize("path", ["ws", "/a b", "/a?b", "http://x/", "/a\r\nX: y", "/a\n"])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(ProbeError, match="path"):
        probe("http://127.0.0.1:1", websockets=[path])


def test_a_user_without_a_password_is_refused():
    with pytest.raises(ProbeError, match="together"):
        probe("http://127.0.0.1:1", http_username="house")


def test_the_password_is_not_part_of_what_an_error_could_show():
    assert PASSWORD not in repr(examination(http_username="house", http_password=PASSWORD))
