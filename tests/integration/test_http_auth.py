# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role `http_auth`: who presses a button, sends to a websocket or gets a page, with the password and without."""

from __future__ import annotations

import dataclasses
import json

import pytest
import yaml
from ansible_collections.pifleet.nodered.plugins.module_utils._core import _http

from .sockets import PRESSES, base_url, basic, press_by_polling, press_by_websocket, send_to_listener, unverified

USER, PASSWORD = "house", "correct häuse battery"
VARIABLES = {"nodered_http_auth_user": USER, "nodered_http_auth_password": PASSWORD}
EVERYWHERE = ["pi31", "pi41", "pi50"]
STATIC = "    httpStatic: '/home/pi/static',\n"
DASHBOARD2 = "/home/pi/.node-red/node_modules/@flowfuse"


@dataclasses.dataclass
class Web:
    """A Node-RED as browsers and devices see it."""

    base: str

    def get(self, path: str, headers: dict[str, str] | None = None) -> _http.Response:
        return _http.request(self.base + path, headers=headers or {}, timeout=10, context=unverified())

    def counts(self) -> dict[str, int]:
        """What has reached the flows so far."""
        return json.loads(self.get("/counts", basic(USER, PASSWORD)).body)


def web(pi, port: int = 1880) -> Web:
    return Web(base_url(pi.address, port))


@pytest.fixture(scope="module")
def closed(fleet, tmp_path_factory):
    """All releases with the role in effect; on one, a dashboard is only installed afterwards."""
    for name in EVERYWHERE:
        pi = fleet.pis[name]
        pi.reset()
        pi.change_settings("module.exports = {\n", "module.exports = {\n" + STATIC)
    late = fleet.pis["pi50"]
    late.run(f"mv {DASHBOARD2} /home/pi/later && systemctl restart nodered")
    variables = VARIABLES | {
        "nodered_login_password_dir": str(tmp_path_factory.mktemp("passwords")),
        "nodered_serial": "100%",
    }
    run = fleet.play("secure", variables=variables, limit=",".join(EVERYWHERE))
    late.run(f"mv /home/pi/later {DASHBOARD2} && systemctl restart nodered")
    late.wait_until_it_serves()
    assert not run.failed
    return run, variables


@pytest.fixture(params=EVERYWHERE)
def node_red(request, fleet, closed):
    return web(fleet.pis[request.param])


@pytest.mark.parametrize("press", [press_by_polling, press_by_websocket], ids=["polling", "websocket"])
@pytest.mark.parametrize("dashboard", PRESSES)
def test_a_button_is_pressed_with_the_password_only(node_red, dashboard, press):
    before = node_red.counts()
    for stranger in ({}, basic(USER, PASSWORD + "x"), basic("nobody", PASSWORD), {"Authorization": "Bearer x"}):
        packets = press(node_red.base, dashboard, stranger)
        assert any(packet.startswith("44") for packet in packets)
        assert not any("ui-" in packet for packet in packets)
    elsewhere = {**basic(USER, PASSWORD), "Origin": "http://elsewhere.example"}
    assert any(packet.startswith("44") for packet in press(node_red.base, dashboard, elsewhere))
    assert node_red.counts() == before
    packets = press(node_red.base, dashboard, {**basic(USER, PASSWORD), "Origin": node_red.base})
    assert any(packet.startswith("40") for packet in packets)
    counter = {"ui": "presses", "dashboard": "presses2"}[dashboard]
    assert node_red.counts() == {**before, counter: before[counter] + 1}


def test_a_websocket_node_hears_those_with_the_password_only(node_red):
    before = node_red.counts()["messages"]
    assert send_to_listener(node_red.base, "/ws/in", {}) == 401
    assert send_to_listener(node_red.base, "/ws/in", basic(USER, "wrong")) == 401
    elsewhere = {**basic(USER, PASSWORD), "Origin": "http://elsewhere.example"}
    assert send_to_listener(node_red.base, "/ws/in", elsewhere) == 401
    assert node_red.counts()["messages"] == before
    assert send_to_listener(node_red.base, "/ws/in", basic(USER, PASSWORD)) == 101
    assert node_red.counts()["messages"] == before + 1


@pytest.mark.parametrize(
    "path", ["/hello", "/ui/", "/dashboard/home", "/dashboard/manifest.webmanifest", "/static.txt", "/none"]
)
def test_pages_and_static_files_want_the_password(node_red, path):
    stranger = node_red.get(path)
    assert stranger.status == 401
    assert stranger.headers["WWW-Authenticate"].startswith("Basic")
    assert node_red.get(path, basic(USER, "wrong")).status == 401
    assert node_red.get(path, basic(USER, PASSWORD)).status == (404 if path == "/none" else 200)


def test_the_run_says_what_it_has_proven(closed):
    run, _variables = closed
    assert run.says("pass - Dashboards require a password")
    assert run.says("pass - With the password, dashboards accept a connection")
    assert run.says("pass - Static files require a password")


def test_a_second_run_changes_nothing_and_costs_no_more(fleet, closed):
    _run, variables = closed
    second = fleet.play("secure", "-vvv", variables=variables, limit=",".join(EVERYWHERE))
    assert not second.failed
    for name in EVERYWHERE:
        assert second.recap[name]["changed"] == 0
        assert second.executions(fleet.pis[name].address) <= 1
    assert PASSWORD not in second.output


def test_named_paths_stay_open_and_the_editor_gets_a_root_of_its_own(fleet, pi41, variables):
    variables |= VARIABLES | {
        "nodered_http_auth_open_paths": ["/hello", "/ws"],
        "nodered_hardening_admin_root": "/admin",
    }
    run = fleet.play("secure", variables=variables, limit="pi41")
    assert not run.failed
    served = web(pi41)
    assert served.get("/hello").status == 200
    assert served.get("/hello/x").status == 404
    for path in ("/hello2", "/counts", "/hello/../counts", "/hello/%2e%2e/counts", "//hello/../ui/", "/ui/"):
        assert served.get(path).status == 401, path
    assert send_to_listener(served.base, "/ws/in", {}) == 101
    assert served.counts()["messages"] == 1
    assert any(packet.startswith("44") for packet in press_by_polling(served.base, "ui", {}))
    assert any(packet.startswith("40") for packet in press_by_polling(served.base, "ui", basic(USER, PASSWORD)))
    assert served.get("/admin/auth/login").status == 200
    again = fleet.play("secure", variables=variables, limit="pi41")
    assert again.recap["pi41"]["changed"] == 0


def test_a_start_that_fails_takes_the_file_beside_the_settings_back_too(fleet, pi41, tmp_path):
    settings = pi41.settings
    tasks = [
        {"ansible.builtin.import_role": {"name": "pifleet.nodered.http_auth"}},
        {
            "pifleet.nodered.settings": {
                "path": pi41.settings_file,
                "service": "nodered",
                "set": {"uiHost": "192.0.2.1"},
            },
            "notify": "Restart Node-RED",
        },
    ]
    path = tmp_path / "tasks.yml"
    path.write_text(yaml.safe_dump([{"hosts": "pi41", "become": True, "gather_facts": False, "tasks": tasks}]))
    run = fleet.play(path, variables=VARIABLES | {"nodered_restart_timeout": 25})
    assert run.failed
    pi41.wait_until_it_serves()
    assert pi41.settings == settings
    assert "pifleet" not in pi41.run("ls -A /home/pi/.node-red")
    assert web(pi41).get("/hello").status == 200


def test_middleware_of_somebody_else_is_kept_and_named(fleet, pi50, variables):
    own = "    httpNodeAuth: function (request, response, next) { next(); },\n"
    pi50.change_settings("module.exports = {\n", "module.exports = {\n" + own)
    settings = pi50.settings
    run = fleet.play("secure", "--check", variables=variables | VARIABLES, limit="pi50")
    assert not run.failed
    assert run.says("httpNodeAuth in /home/pi/.node-red/settings.js is custom code", "nodered_http_auth_replace")
    assert pi50.settings == settings
