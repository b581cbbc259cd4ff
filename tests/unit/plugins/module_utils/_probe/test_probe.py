# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe's verdicts, against a small server that gives the answers seen from Node-RED 3.1, 4.1 and 5.0."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import json
import socket
import threading
import types
from urllib.parse import parse_qs

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core._totp import code, step_at, to_text
from ansible_collections.pifleet.nodered.plugins.module_utils._probe import (
    _answers,
    _comms_checks,
    _login_checks,
    _urls,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._errors import ProbeError
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._urls import is_this_machine
from ansible_collections.pifleet.nodered.tests.unit.plugins.module_utils._probe.probing import probe

PASSWORD = "Corr3ct-horse"
BEARER = {"WWW-Authenticate": 'Bearer realm="Users"'}
BASIC = {"WWW-Authenticate": 'Basic realm="Authorization Required"'}
EDITOR = {"httpNodeRoot": "/", "version": "4.1.15"}


class FakeNodeRed(http.server.ThreadingHTTPServer):
    """Answers as a secured Node-RED does, but for what a test changes in it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.admin_auth = True
        self.offer: dict = {"type": "credentials", "prompts": []}
        self.users = {"admin": (PASSWORD, "*"), "looker": (PASSWORD, "read")}
        self.default: object = None
        self.enforces_write = True
        self.lets_everybody_in = False
        self.revokes = True
        self.locked = False
        self.comms: str | None = "refuse"
        self.instead: tuple[int, dict, bytes] | None = None
        self.sessions: dict[str, tuple[str, object]] = {}
        self.issued: list[str] = []
        # The codes that a user can still type after the password.
        self.codes: dict[str, list[str]] = {}
        self.uses_up_codes = True
        self.received: list[tuple[str, str]] = []
        self.bodies: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def with_code(self, password: str, typed: str) -> str | None:
        """What was typed, if that is the password with a code that was not used."""
        code = next((code for code in self.codes["admin"] if typed == password + code), None)
        if code is not None and self.uses_up_codes:
            self.codes["admin"].remove(code)
        return None if code is None else typed


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeNodeRed

    def log_message(self, *_args: object) -> None:
        pass

    def reply(self, status: int, value: object = None, headers: dict | None = None, raw: bytes | None = None) -> None:
        body = raw if raw is not None else (b"" if value is None else json.dumps(value).encode())
        self.send_response(status)
        for name, text in {"Connection": "close", "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def user(self) -> tuple[str, object] | None:
        token = self.headers.get("Authorization", "").replace("Bearer ", "")
        if token in self.server.sessions:
            return self.server.sessions[token]
        return ("anonymous", self.server.default) if self.server.default else None

    def allowed(self, scope: str) -> bool:
        if not self.server.admin_auth:
            return True
        user = self.user()
        if user is None:
            self.reply(401, raw=b"Unauthorized", headers=BEARER)
            return False
        if not _answers.grants(user[1], scope):
            self.reply(401)
            return False
        return True

    def begin(self) -> bool:
        self.server.received.append((self.command, self.path))
        length = int(self.headers.get("Content-Length") or 0)
        self.form = {name: values[0] for name, values in parse_qs(self.rfile.read(length).decode()).items()}
        self.server.bodies.append(json.dumps(self.form))
        if self.server.instead:
            status, headers, body = self.server.instead
            self.reply(status, raw=body, headers=headers)
            return False
        return True

    def do_GET(self) -> None:
        if not self.begin():
            return
        if self.path == "/auth/login":
            self.reply(200, self.server.offer if self.server.admin_auth else {})
        elif self.path == "/settings" and self.allowed("settings.read"):
            user = self.user()
            about = {"username": user[0], "permissions": user[1]} if user else None
            if about and about["username"] == "anonymous":
                about["anonymous"] = True
            self.reply(200, {**EDITOR, **({"user": about} if about else {})})
        elif self.path == "/flows" and self.allowed("flows.read"):
            self.reply(200, [])
        elif self.path == "/comms" and self.server.comms:
            self.talk()
        elif self.path == "/" and self.server.comms:
            self.reply(200, raw=b"<html>")
        elif self.path in ("/", "/comms"):
            self.reply(404, raw=b"Cannot GET /")

    def do_DELETE(self) -> None:
        if self.begin() and (not self.server.enforces_write or self.allowed("flows.write")):
            self.reply(404)

    def do_POST(self) -> None:
        if not self.begin():
            return
        if self.path == "/auth/revoke":
            if self.server.revokes:
                self.server.sessions.pop(self.form["token"], None)
            self.reply(200)
        elif self.server.locked and self.form["username"] in self.server.users:
            self.reply(500, {"error": "server_error", "error_description": "Too many login attempts"})
        else:
            self.log_in(self.form["username"], self.form["password"])

    def log_in(self, username: str, password: str) -> None:
        known = self.server.users.get(username)
        if username in self.server.codes and known is not None:
            known = (self.server.with_code(known[0], password), known[1])
        if not self.server.lets_everybody_in and (known is None or known[0] != password):
            self.reply(403, {"error": "invalid_grant"})
            return
        token = f"token-{len(self.server.issued)}"
        self.server.issued.append(token)
        self.server.sessions[token] = (username, known[1] if known else "*")
        self.reply(200, {"access_token": token, "expires_in": 604800, "token_type": "Bearer"})

    def talk(self) -> None:
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        self.close_connection = True
        self.rfile.read(6 + len('{"subscribe":"debug"}'))
        if self.server.comms == "refuse":
            self.wfile.write(b'\x89\x00\x81\x0f{"auth":"fail"}\x88\x00')
        elif self.server.comms == "retained":
            self.wfile.write(b'\x81\x0e{"topic":"hb"}')
        elif self.server.comms == "silent":
            self.rfile.read(1)


@pytest.fixture
def node_red(monkeypatch):
    monkeypatch.setattr(_comms_checks, "COMMS_LIMIT", 0.4)
    server = FakeNodeRed()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def by_id(checks):
    return {check["id"]: check for check in checks}


def statuses(checks):
    return {check["id"]: check["status"] for check in checks}


def test_a_secured_node_red_passes_every_check(node_red):
    checks = probe(node_red.url, username="admin", password=PASSWORD)
    assert statuses(checks) == {
        "answers": "pass",
        "login_required": "pass",
        "flows_closed": "pass",
        "flows_write_closed": "pass",
        "comms_closed": "pass",
        "login_offered": "pass",
        "wrong_password_refused": "pass",
        "login_works": "pass",
        "read_only_cannot_write": "skip",
    }


def test_every_check_has_a_title_and_says_what_was_expected_and_found(node_red):
    for check in probe(node_red.url, username="admin", password=PASSWORD):
        assert set(check) == {"id", "title", "status", "expected", "found"}
        assert all(isinstance(text, str) and text for text in check.values())


def test_an_open_node_red_fails(node_red):
    node_red.admin_auth = False
    node_red.comms = "silent"
    found = by_id(probe(node_red.url))
    assert found["answers"]["status"] == "pass"
    assert "4.1.15" in found["answers"]["found"]
    for check in ("login_required", "flows_closed", "flows_write_closed", "comms_closed", "login_offered"):
        assert found[check]["status"] == "fail", check


def test_an_open_node_red_is_sent_nothing_but_questions(node_red):
    node_red.admin_auth = False
    probe(node_red.url, username="admin", password=PASSWORD)
    assert {method for method, _path in node_red.received} == {"GET"}


def test_a_message_on_the_websocket_means_that_everybody_may_listen(node_red):
    node_red.comms = "retained"
    assert statuses(probe(node_red.url))["comms_closed"] == "fail"


def test_a_disabled_editor_has_no_websocket_to_close(node_red):
    node_red.comms = None
    assert statuses(probe(node_red.url))["comms_closed"] == "pass"


def test_a_default_user_who_may_do_everything_is_an_open_door(node_red):
    node_red.default = "*"
    found = by_id(probe(node_red.url))
    assert found["login_required"]["status"] == "fail"
    assert "default user" in found["login_required"]["found"]
    assert found["flows_write_closed"]["status"] == "fail"


@pytest.mark.parametrize("permissions", ["write", "*.write", "inject.write"])
def test_a_default_user_who_may_change_anything_is_an_open_door(node_red, permissions):
    node_red.default = ["settings.read", permissions]
    assert statuses(probe(node_red.url))["login_required"] == "fail"


def test_a_default_user_who_may_only_read_is_named(node_red):
    node_red.default = "read"
    found = by_id(probe(node_red.url))
    assert found["login_required"]["status"] == "pass"
    assert "default user with the permissions read" in found["login_required"]["found"]
    assert found["flows_closed"]["status"] == "skip"
    assert found["comms_closed"]["status"] == "skip"
    assert found["flows_write_closed"]["status"] == "pass"


def test_a_default_user_who_may_not_see_the_settings_but_write_is_found(node_red):
    node_red.default = ["flows.write"]
    assert statuses(probe(node_red.url))["flows_write_closed"] == "fail"


def test_a_default_user_who_may_only_read_the_flows_is_somebodys_decision(node_red):
    node_red.default = ["flows.read", "status.read"]
    node_red.comms = "retained"
    found = statuses(probe(node_red.url))
    assert found["login_required"] == found["flows_write_closed"] == "pass"
    assert found["flows_closed"] == found["comms_closed"] == "skip"


def test_permissions_that_cannot_be_understood_count_as_everything():
    assert _answers.permissions_of({"permissions": {"x": 1}}) == "*"
    assert _answers.permissions_of({"permissions": 7}) == "*"


def test_an_answer_that_is_nested_without_end_is_not_node_red(node_red):
    node_red.instead = (200, {}, b"[" * 200_000)
    assert statuses(probe(node_red.url))["answers"] == "fail"


def test_a_login_that_nobody_can_use_is_not_a_login(node_red):
    node_red.offer = {}
    found = by_id(probe(node_red.url, username="admin", password=PASSWORD))
    assert found["login_required"]["status"] == "pass"
    assert found["login_offered"]["status"] == "fail"
    assert found["login_works"]["status"] == "fail"


def test_a_login_at_another_provider_is_left_out(node_red):
    node_red.offer = {"type": "strategy", "prompts": []}
    found = statuses(probe(node_red.url, username="admin", password=PASSWORD))
    assert found["login_offered"] == "pass"
    assert found["wrong_password_refused"] == "skip"
    assert found["login_works"] == "skip"


def test_every_session_is_ended(node_red):
    probe(node_red.url, username="admin", password=PASSWORD)
    assert node_red.issued and not node_red.sessions


def test_the_session_is_ended_when_the_probe_breaks_off(node_red, monkeypatch):
    def interrupted(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr(_login_checks, "_read_only_attempt", interrupted)
    with pytest.raises(KeyboardInterrupt):
        probe(node_red.url, username="admin", password=PASSWORD)
    assert node_red.issued and not node_red.sessions


def test_the_session_of_a_made_up_user_is_ended_too(node_red):
    node_red.lets_everybody_in = True
    assert statuses(probe(node_red.url))["wrong_password_refused"] == "fail"
    assert node_red.issued and not node_red.sessions


def test_a_session_that_survives_its_end_fails(node_red):
    node_red.revokes = False
    assert statuses(probe(node_red.url, username="admin", password=PASSWORD))["login_works"] == "fail"


def test_a_wrong_password_is_tried_once(node_red):
    found = by_id(probe(node_red.url, username="admin", password="wrong"))
    assert found["login_works"]["status"] == "fail"
    assert sum('"admin"' in body for body in node_red.bodies) == 1


def test_the_made_up_user_is_another_one_each_time(node_red):
    probe(node_red.url)
    probe(node_red.url)
    names = {json.loads(body)["username"] for body in node_red.bodies if "username" in body}
    assert len(names) == 2
    assert not names & set(node_red.users)


def test_a_locked_user_is_told_from_a_wrong_password(node_red):
    node_red.locked = True
    found = by_id(probe(node_red.url, username="admin", password=PASSWORD))
    assert found["login_works"]["status"] == "fail"
    assert "ten minutes" in found["login_works"]["found"]


def test_a_user_who_may_only_read_is_seen_to_be_refused(node_red):
    assert statuses(probe(node_red.url, username="looker", password=PASSWORD))["read_only_cannot_write"] == "pass"


def test_a_write_that_is_not_refused_fails(node_red):
    node_red.enforces_write = False
    found = statuses(probe(node_red.url, username="looker", password=PASSWORD))
    assert found["read_only_cannot_write"] == "fail"
    assert found["flows_write_closed"] == "fail"


def test_a_user_who_may_write_never_tries_to(node_red):
    probe(node_red.url, username="admin", password=PASSWORD)
    assert sum(method == "DELETE" for method, _path in node_red.received) == 1  # the anonymous one


def test_nothing_is_ever_deployed(node_red):
    for user in ("admin", "looker"):
        probe(node_red.url, username=user, password=PASSWORD)
    posted = {path for method, path in node_red.received if method not in ("GET", "DELETE")}
    assert posted <= {"/auth/token", "/auth/revoke"}


def test_the_password_is_in_no_result(node_red):
    for password in (PASSWORD, "Wr0ng-horse"):
        assert password not in json.dumps(probe(node_red.url, username="admin", password=password))


def test_a_basic_challenge_is_not_node_reds_login(node_red):
    node_red.instead = (401, BASIC, b"Unauthorized")
    found = by_id(probe(node_red.url))
    assert found["answers"]["status"] == "fail"
    assert "not Node-RED's login" in found["answers"]["found"]
    assert {check["status"] for name, check in found.items() if name != "answers"} == {"skip"}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((404, {}, b"Cannot GET /auth/login"), "httpAdminRoot"),
        ((200, {}, b"<html>It works!</html>"), "something else"),
        ((200, {}, b'{"hello": "world"}'), "something else"),
        ((200, {}, b"{}"), "something else"),
        ((302, {"Location": "https://pi/auth/login"}, b""), "https://pi/auth/login"),
        ((503, {}, b"Not started"), "starting"),
    ],
)
def test_another_answer_is_told_from_node_red(node_red, answer, words):
    node_red.instead = answer
    found = by_id(probe(node_red.url))["answers"]
    assert found["status"] == "fail"
    assert words in found["found"]


def test_what_a_server_says_reaches_the_terminal_cut_and_without_control_characters(node_red):
    node_red.instead = (401, {"WWW-Authenticate": "Basic realm=\x1b[2J" + "x" * 500}, b"")
    found = by_id(probe(node_red.url))["answers"]["found"]
    assert "\x1b" not in found
    assert len(found) < 300


def test_an_admin_api_that_was_switched_off_is_not_there(node_red):
    node_red.instead = (404, {}, b"Cannot GET")
    found = statuses(probe(node_red.url, admin_api=False, username="admin", password=PASSWORD))
    assert set(found.values()) == {"pass", "skip"}
    assert found["login_required"] == found["flows_closed"] == "pass"


def test_an_admin_api_that_should_be_switched_off_but_answers_fails(node_red):
    assert statuses(probe(node_red.url, admin_api=False))["answers"] == "fail"


def test_nothing_listening_is_a_failure_with_a_reason():
    found = by_id(probe(f"http://127.0.0.1:{unused_port()}"))
    assert found["answers"]["status"] == "fail"
    assert "refuses the connection" in found["answers"]["found"]
    assert found["login_required"]["status"] == "skip"


def test_a_server_that_never_answers_is_given_up():
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as silent:
        found = by_id(probe(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.2))
    assert "in time" in found["answers"]["found"]


def test_an_old_port_on_which_nothing_answers_passes(node_red):
    assert statuses(probe(node_red.url, closed_ports=[unused_port()]))["old_port_closed"] == "pass"


def test_an_old_port_that_answers_is_named(node_red):
    old = int(node_red.url.rpartition(":")[2])
    found = by_id(probe(f"http://127.0.0.1:{unused_port()}", closed_ports=[old]))["old_port_closed"]
    assert found["status"] == "fail"
    assert str(old) in found["found"]


def test_an_old_port_that_accepts_connections_and_is_silent_is_not_closed(node_red):
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as silent:
        old = silent.getsockname()[1]
        assert statuses(probe(node_red.url, closed_ports=[old], timeout=0.3))["old_port_closed"] == "fail"


def test_only_the_checks_asked_for_are_returned(node_red):
    checks = probe(node_red.url, username="looker", password=PASSWORD, only=["login_works", "read_only_cannot_write"])
    assert statuses(checks) == {"login_works": "pass", "read_only_cannot_write": "pass"}


def test_a_password_is_not_sent_over_plain_http(monkeypatch, node_red):
    monkeypatch.setattr(_urls, "is_this_machine", lambda host: False)
    found = by_id(probe(node_red.url, username="admin", password=PASSWORD))["login_works"]
    assert found["status"] == "skip"
    assert "in plain text" in found["found"]
    assert not any(PASSWORD in body for body in node_red.bodies)


@pytest.mark.parametrize(
    ("url", "validate_certs", "allowed"),
    [
        ("http://192.0.2.7:1880", True, False),
        ("https://192.0.2.7:1880", True, True),
        ("https://192.0.2.7:1880", False, False),
        ("http://raspberrypi.local:1880", True, False),
        ("http://127.0.0.1:1880", True, True),
        ("http://[::1]:1880", True, True),
        ("http://localhost:1880", True, True),
        ("https://127.0.0.1:1880", False, True),
        ("http://localhost.example:1880", True, False),
        ("http://127.0.0.1.example:1880", True, False),
        ("http://127.1:1880", True, False),
    ],
)
def test_a_password_goes_to_verified_tls_or_stays_on_this_machine(url, validate_certs, allowed):
    assert (_urls.why_no_password(url, validate_certs=validate_certs) is None) is allowed


def test_an_address_of_this_machine_is_recognised():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unsent:
        try:
            unsent.connect(("192.0.2.7", 9))
        except OSError:
            pytest.skip("no route: this machine has no address but loopback")
        assert is_this_machine(unsent.getsockname()[0])


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:1880",
        "ftp://pi",
        "http://",
        "http://pi:70000",
        "http://pi:x",
        "http://pi/?a=1",
        "http://pi/#x",
        "http://[1",
    ],
)
def test_something_else_than_a_url_is_refused(url):
    with pytest.raises(ProbeError):
        probe(url)


def test_a_password_in_the_url_is_refused_without_repeating_it():
    with pytest.raises(ProbeError) as refused:
        probe(f"http://admin:{PASSWORD}@pi:1880")
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize("url", ["http://pi:1880/a b", "http://pi\x00:1880", "http://müller:1880"])
def test_characters_that_no_url_has_are_refused(url):
    with pytest.raises(ProbeError, match="percent-encoded"):
        probe(url)


@pytest.mark.parametrize(
    "argument", [{"timeout": 0}, {"closed_ports": [0]}, {"closed_ports": [65536]}, {"only": ["nothing"]}]
)
def test_arguments_out_of_range_are_refused(argument):
    with pytest.raises(ProbeError):
        probe("http://127.0.0.1:1", **argument)


def test_a_user_name_without_a_password_is_refused():
    with pytest.raises(ProbeError):
        probe("http://127.0.0.1:1880", username="admin")


def test_a_missing_authority_is_named():
    with pytest.raises(ProbeError, match="/no/such/ca.pem"):
        probe("https://127.0.0.1:1880", ca="/no/such/ca.pem")


@pytest.mark.parametrize(
    ("permissions", "scope", "granted"),
    [
        ("*", "flows.write", True),
        ("read", "flows.read", True),
        ("*.read", "flows.read", True),
        ("read", "flows.write", False),
        ("write", "flows.read", False),
        ("flows.*", "flows.read", False),
        (["flows.read", "write"], "nodes.write", True),
        ([], "flows.read", False),
        ("", "flows.read", False),
        (None, "flows.read", False),
    ],
)
def test_permissions_grant_what_node_red_would_grant(permissions, scope, granted):
    assert _answers.grants(permissions, scope) is granted


def unused_port() -> int:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
        return free.getsockname()[1]


# A login in two steps

SECRET = b"12345678901234567890"
TWO_STEPS = {"username": "admin", "password": PASSWORD, "totp_secret": to_text(SECRET)}


@pytest.fixture
def two_steps(node_red, monkeypatch):
    """A Node-RED that wants a code of `admin`, at a time that stands still."""
    monkeypatch.setattr(_login_checks, "time", types.SimpleNamespace(time=lambda: 1_790_000_000.0))
    step = step_at(1_790_000_000)
    node_red.codes = {"admin": [code(SECRET, step), code(SECRET, step + 1)]}
    return node_red


def test_a_login_in_two_steps_passes(two_steps):
    checks = statuses(probe(two_steps.url, **TWO_STEPS))
    assert [checks[name] for name in ("code_required", "login_works", "code_used_once")] == ["pass"] * 3
    assert two_steps.sessions == {}
    assert (
        list(checks).index("code_required") < list(checks).index("login_works") < list(checks).index("code_used_once")
    )


def test_the_next_code_is_used_where_the_present_one_was(two_steps):
    del two_steps.codes["admin"][0]
    checks = statuses(probe(two_steps.url, **TWO_STEPS))
    assert [checks[name] for name in ("code_required", "login_works", "code_used_once")] == ["pass"] * 3
    assert two_steps.codes == {"admin": []}


def test_a_password_that_is_enough_fails_and_its_session_is_ended(two_steps):
    two_steps.codes["admin"].append("")
    checks = by_id(probe(two_steps.url, **TWO_STEPS))
    assert checks["code_required"]["status"] == "fail"
    assert checks["code_required"]["found"] == "open: the password was enough"
    assert two_steps.sessions == {}


def test_a_code_that_works_twice_fails_and_its_session_is_ended(two_steps):
    two_steps.uses_up_codes = False
    checks = by_id(probe(two_steps.url, **TWO_STEPS))
    assert checks["login_works"]["status"] == "pass"
    assert checks["code_used_once"]["found"] == "the code was accepted twice"
    assert two_steps.sessions == {}


def test_another_secret_fails_with_few_attempts(two_steps):
    checks = statuses(probe(two_steps.url, **TWO_STEPS | {"totp_secret": to_text(bytes(20))}))
    assert checks["login_works"] == "fail"
    assert checks["code_used_once"] == "skip"
    assert sum('"admin"' in body for body in two_steps.bodies) == 3


def test_a_code_that_has_expired_meanwhile_is_no_proof(two_steps, monkeypatch):
    times = iter([1_790_000_000.0, 1_790_000_000.0 + 90])
    monkeypatch.setattr(_login_checks, "time", types.SimpleNamespace(time=lambda: next(times)))
    checks = by_id(probe(two_steps.url, **TWO_STEPS))
    assert checks["login_works"]["status"] == "pass"
    assert (checks["code_used_once"]["status"], checks["code_used_once"]["found"][:8]) == ("skip", "left out")


def test_a_locked_user_is_told_from_a_required_code(two_steps):
    two_steps.locked = True
    checks = by_id(probe(two_steps.url, **TWO_STEPS))
    assert checks["code_required"]["status"] == "fail"
    assert "has locked this user name" in checks["code_required"]["found"]


def test_where_the_secret_is_not_sent_the_checks_are_left_out(node_red):
    checks = statuses(probe(node_red.url, two_step=True))
    assert checks["code_required"] == checks["code_used_once"] == "skip"


def test_neither_secret_nor_code_is_in_a_result(two_steps):
    codes = list(two_steps.codes["admin"])
    shown = str(probe(two_steps.url, **TWO_STEPS))
    assert not [secret for secret in (*codes, to_text(SECRET)) if secret in shown]


@pytest.mark.parametrize("options", [{"totp_secret": "1"}, {"totp_secret": "", "username": None, "password": None}])
def test_a_secret_that_cannot_be_used_is_an_error_that_does_not_repeat_it(options):
    with pytest.raises(ProbeError, match="totp_secret (must be Base32|needs a user name)"):
        probe("http://127.0.0.1:9", **{**TWO_STEPS, **options})
