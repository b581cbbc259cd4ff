# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the file beside settings.js decides, in Node.js itself; its bcryptjs is a stand-in that counts."""

from __future__ import annotations

import base64
import json
import pathlib
import shutil
import subprocess

import pytest

SCRIPT = pathlib.Path(__file__).parents[3] / "roles" / "http_auth" / "files" / "pifleet-http-auth.js"

BCRYPTJS = """
exports.asked = 0;
exports.compare = function (password, hash, callback) {
    exports.asked++;
    setImmediate(function () {
        if (hash === 'broken') { return callback(new Error('broken')); }
        return callback(null, hash === 'hash of ' + password);
    });
};
"""
# Requests one after the other; each answer is what the server would do.
RED = """
const settings = require(process.argv[2]);
const requests = JSON.parse(process.argv[3]);
const answers = [];
function next() {
    const request = requests.shift();
    if (!request) {
        let asked = null;
        try { asked = require('bcryptjs').asked; } catch (error) {}
        console.log(JSON.stringify({ answers, asked }));
        return;
    }
    const done = function (answer) { answers.push(answer); next(); };
    if (request.kind === 'io') {
        const socket = { handshake: { headers: request.headers } };
        settings.ui.ioMiddleware(socket, (error) => done(error ? error.message : 'in'));
    } else if (request.kind === 'ws') {
        const info = { req: { url: request.path, headers: request.headers } };
        settings.webSocketNodeVerifyClient(info, (good, code) => done(good ? 'in' : code));
    } else {
        const response = { set: function () {}, sendStatus: done };
        const asked = { method: request.method || 'GET', path: request.path, headers: request.headers };
        settings.httpNodeAuth(asked, response, () => done('in'));
    }
}
next();
"""
SETTINGS = """
module.exports = {
    httpNodeAuth: %s,
    httpStaticAuth: %s,
    httpNodeRoot: '%s',
    ui: { ioMiddleware: require('./pifleet-http-auth.js').ioMiddleware },
    webSocketNodeVerifyClient: require('./pifleet-http-auth.js').verifyClient,
};
"""
WEB = "{ user: 'web', pass: 'hash of sécret:x' }"
EXCEPT = "require('./pifleet-http-auth.js').everywhereExcept(['/hook', '/.well-known'])"


@pytest.fixture
def ask(tmp_path):
    """Let Node-RED's process answer these requests: the answers, and how often bcrypt was asked."""
    (tmp_path / "user").mkdir()
    shutil.copy(SCRIPT, tmp_path / "user")
    bcryptjs = tmp_path / "lib" / "node-red" / "node_modules" / "bcryptjs"
    bcryptjs.mkdir(parents=True)
    (bcryptjs / "index.js").write_text(BCRYPTJS)
    (tmp_path / "lib" / "node-red" / "red.js").write_text(RED)

    def run(*requests, auth=WEB, static="undefined", root="/", main="lib/node-red/red.js"):
        settings = tmp_path / "user" / "settings.js"
        settings.write_text(SETTINGS % (auth, static, root))
        command = ["node", str(tmp_path / main), str(settings), json.dumps(requests)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd="/", check=False)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        return found["answers"], found["asked"]

    return run


def basic(user, password):
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


GOOD = basic("web", "sécret:x")


def io(headers=None, **more):
    return {"kind": "io", "headers": {"host": "pi:1880", **(headers or {}), **more}}


def ws(path="/ws/in", headers=None, **more):
    return {"kind": "ws", "path": path, "headers": {"host": "pi:1880", **(headers or {}), **more}}


def page(path, headers=None, **more):
    return {"path": path, "headers": headers or {}, **more}


def test_a_socket_opens_with_user_and_password_only(ask):
    wrong = [
        {},
        basic("web", "secret"),
        basic("bob", "sécret:x"),
        {"authorization": "Bearer x"},
        {"authorization": "Basic %%%"},
    ]
    answers, _asked = ask(*map(io, wrong), io(GOOD), *(ws(headers=headers) for headers in wrong), ws(headers=GOOD))
    assert answers == ["unauthorized"] * 5 + ["in"] + [401] * 5 + ["in"]


def test_a_password_that_was_right_is_not_hashed_again(ask):
    answers, asked = ask(io(GOOD), io(GOOD), ws(headers=GOOD), io(basic("web", "other")), io(GOOD))
    assert answers == ["in", "in", "in", "unauthorized", "in"]
    assert asked == 2


def test_a_stranger_costs_no_hashing(ask):
    assert ask(io(), io(basic("bob", "x")), ws()) == (["unauthorized", "unauthorized", 401], 0)


@pytest.mark.parametrize(
    "more, answer",
    [
        ({"origin": "http://pi:1880"}, "in"),
        ({"origin": "https://PI:1880"}, "in"),
        ({"origin": "http://elsewhere:1880"}, "unauthorized"),
        ({"origin": "http://pi"}, "unauthorized"),
        ({"origin": "null"}, "unauthorized"),
        ({"origin": "https://house.example", "x-forwarded-host": "house.example, proxy"}, "in"),
        ({"origin": "https://house.example", "x-forwarded-host": "other.example"}, "unauthorized"),
    ],
)
def test_a_page_of_another_origin_gets_in_with_no_password(ask, more, answer):
    assert ask(io(GOOD, **more))[0] == [answer]
    assert ask(ws(headers=GOOD, **more))[0] == [answer if answer == "in" else 401]


@pytest.mark.parametrize(
    "auth", ["undefined", "{ user: 'web' }", "{ user: 'web', pass: 'broken' }", "{ user: 'web', pass: 7 }"]
)
def test_settings_that_are_wrong_let_nobody_in(ask, auth):
    assert ask(io(GOOD), ws(headers=GOOD), auth=auth)[0] == ["unauthorized", 401]


def test_without_bcrypt_nobody_gets_in_and_nothing_crashes(ask, tmp_path):
    (tmp_path / "other.js").write_text(RED)
    assert ask(io(GOOD), ws(headers=GOOD), main="other.js")[0] == ["unauthorized", 401]


def test_a_node_red_inside_another_program_is_found(ask, tmp_path):
    (tmp_path / "app.js").write_text("process.argv[1] = 'app';\nrequire('./lib/node-red/red.js');\n")
    assert ask(io(GOOD), main="app.js")[0] == ["in"]


OPEN = ["/hook", "/hook/", "/hook/a%20b", "/.well-known/acme"]
NOT_OPEN = [
    "/",
    "/hooks",
    "/other",
    "/HOOK",
    "/hook/../other",
    "/hook/..",
    "/hook/%2e%2e/other",
    "/hook/%2E%2E%2Fx",
    "/hook//x",
    "/hook\\x",
]


def test_named_paths_are_open_and_nothing_that_only_looks_like_them(ask):
    answers, _asked = ask(*map(page, OPEN + NOT_OPEN), auth=EXCEPT, static=WEB)
    assert answers == ["in"] * len(OPEN) + [401] * len(NOT_OPEN)
    answers, _asked = ask(*map(ws, OPEN + NOT_OPEN), auth=EXCEPT, static=WEB)
    assert answers == ["in"] * len(OPEN) + [401] * len(NOT_OPEN)


def test_with_open_paths_the_password_is_that_of_static_files(ask):
    requests = [
        page("/x", GOOD),
        page("/x", basic("web", "no")),
        io(GOOD),
        ws(headers=GOOD),
        page("/x", method="OPTIONS"),
    ]
    assert ask(*requests, auth=EXCEPT, static=WEB)[0] == ["in", 401, "in", "in", "in"]


def test_open_paths_of_sockets_are_below_the_root_of_the_flows(ask):
    answers, _asked = ask(ws("/api/hook?x=1"), ws("/hook"), ws("/apix/hook"), auth=EXCEPT, static=WEB, root="/api/")
    assert answers == ["in", 401, 401]
