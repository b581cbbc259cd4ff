# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _sockets

LISTENER = {"id": "a", "type": "websocket-listener", "path": "/ws/in"}
BASE = {"id": "b", "type": "ui-base", "path": "/dashboard"}


def written(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))


def installed(folder, name, script, text):
    home = folder / "node_modules" / name
    written(home / "package.json", {"name": name, "version": "1.2.3"})
    written(home / script, text)


def test_the_flow_file_is_the_one_that_is_named_last(tmp_path):
    for name in ("flows_pi.json", "flows.json", "named.json"):
        written(tmp_path / name, [{"id": name}])
    assert _sockets.flows(str(tmp_path), {}, None, "pi") == [{"id": "flows_pi.json"}]
    assert _sockets.flows(str(tmp_path), {"flowFile": "flows.json"}, None, "pi") == [{"id": "flows.json"}]
    assert _sockets.flows(str(tmp_path), {"flowFile": "flows.json"}, "named.json", "pi") == [{"id": "named.json"}]


def test_the_flow_file_of_the_active_project_counts(tmp_path):
    written(tmp_path / ".config.projects.json", {"activeProject": "house"})
    written(tmp_path / "projects/house/package.json", {"node-red": {"settings": {"flowFile": "our.json"}}})
    written(tmp_path / "projects/house/our.json", [LISTENER])
    assert _sockets.flows(str(tmp_path), {"projects": True, "flowFile": "flows.json"}, None, "pi") == [LISTENER]


DEEP = "[" * 100_000


@pytest.mark.parametrize("text", ["", "{}", "[1, null]", "[[", "\ufeff[]", "null", '"text"', DEEP, '{"a":' * 100_000])
def test_a_flow_file_that_says_nothing_is_no_error(tmp_path, text):
    written(tmp_path / "flows.json", text)
    assert _sockets.flows(str(tmp_path), {"flowFile": "flows.json"}, None, "pi") == []


@pytest.mark.parametrize(
    "about",
    [
        [],
        5,
        "text",
        {"node-red": []},
        {"node-red": {"settings": []}},
        {"node-red": {"settings": {"flowFile": ["x"]}}},
        DEEP,
    ],
)
def test_a_project_that_is_described_wrongly_has_the_usual_flow_file(tmp_path, about):
    written(tmp_path / ".config.projects.json", {"activeProject": "house"})
    written(tmp_path / "projects/house/package.json", about)
    written(tmp_path / "projects/house/flows.json", [LISTENER])
    assert _sockets.flows(str(tmp_path), {"projects": True}, None, "pi") == [LISTENER]


@pytest.mark.parametrize("active", ["../..", "..", ".", "a/b", "/etc", "", "a\0b", ["house"], {"a": 1}, None, 5])
@pytest.mark.parametrize("wrapped", [True, False])
def test_no_project_is_looked_for_outside_its_folder(tmp_path, active, wrapped):
    written(tmp_path / ".config.projects.json", {"activeProject": active} if wrapped else [active])
    for folder in ("", "projects", "projects/a/b"):
        written(tmp_path / folder / "flows.json", [LISTENER])
    assert _sockets.flows(str(tmp_path), {"projects": True, "flowFile": "own.json"}, None, "pi") == []


@pytest.mark.parametrize("named", ["../../outside.json", "/etc/passwd", "a\0b"])
def test_no_flow_file_of_a_project_is_outside_its_folder(tmp_path, named):
    written(tmp_path / ".config.projects.json", {"activeProject": "house"})
    written(tmp_path / "projects/house/package.json", {"node-red": {"settings": {"flowFile": named}}})
    written(tmp_path / "outside.json", [LISTENER])
    assert _sockets.flows(str(tmp_path), {"projects": True, "flowFile": "own.json"}, None, "pi") == []


@pytest.mark.parametrize("named", ["a\0b", "a" * 5000, "\ud800"])
def test_a_name_that_no_file_can_have_is_no_error(tmp_path, named):
    assert _sockets.flows(str(tmp_path), {"flowFile": named}, None, "pi") == []


def test_a_flow_file_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(_sockets, "FLOWS_LIMIT", 100)
    written(tmp_path / "flows.json", [LISTENER] * 5)
    assert _sockets.flows(str(tmp_path), {"flowFile": "flows.json"}, None, "pi") == []


@pytest.mark.parametrize(
    "about", [[], "text", 5, {"version": "1\x1b[31m"}, {"version": "9" * 100}, {"version": ["1"]}, {}]
)
def test_a_version_that_is_none_is_unknown(tmp_path, about):
    written(tmp_path / "node_modules/node-red-dashboard/package.json", about)
    assert {one["version"] for one in _sockets.packages([str(tmp_path)])} <= {"unknown"}


def test_a_package_that_is_too_large_is_not_read(tmp_path):
    installed(tmp_path, "node-red-dashboard", "ui.js", "ioMiddleware" + " " * _sockets.SCRIPT_LIMIT)
    assert not _sockets.packages([str(tmp_path)])[0]["closable"]
    written(tmp_path / "node_modules/node-red-dashboard/package.json", "{}" + " " * _sockets.SMALL_LIMIT)
    assert _sockets.packages([str(tmp_path)]) == []


def test_no_more_paths_are_asked_than_a_run_has_time_for():
    nodes = [{**LISTENER, "path": f"/{number}"} for number in range(5000)]
    assert len(_sockets.websocket_paths("/", nodes)) == _sockets.MOST_PATHS
    bases = [{**BASE, "path": f"/{number}"} for number in range(5000)]
    closable = [{"name": "@flowfuse/node-red-dashboard", "closable": True}]
    assert len(_sockets.dashboard_paths(closable, {}, "/", bases)) == _sockets.MOST_PATHS


@pytest.mark.parametrize("path", ["/" + "a" * 300, ["/a"], {"a": 1}, 5, True, "/a\x1b", "/a\n"])
def test_a_path_that_is_none_is_left_out(path):
    assert _sockets.websocket_paths("/", [{**LISTENER, "path": path}]) == []
    closable = [{"name": "node-red-dashboard", "closable": True}]
    expected = [] if isinstance(path, str) else ["/ui/socket.io/"]
    assert _sockets.dashboard_paths(closable, {"uiPath": path}, "/", []) == expected


def test_a_named_pipe_in_its_place_holds_nothing_up(tmp_path):
    os.mkfifo(tmp_path / "flows.json")
    assert _sockets.flows(str(tmp_path), {"flowFile": "flows.json"}, None, "pi") == []


def test_a_dashboard_that_reads_no_middleware_cannot_be_closed(tmp_path):
    installed(tmp_path, "node-red-dashboard", "ui.js", "var uiSettings = redSettings.ui")
    installed(tmp_path, "@flowfuse/node-red-dashboard", "nodes/config/ui_base.js", "settings.ioMiddleware")
    installed(tmp_path, "node-red-contrib-uibuilder", "index.js", "")
    assert [(one["name"], one["closable"]) for one in _sockets.packages([str(tmp_path), "/nowhere"])] == [
        ("node-red-dashboard", False),
        ("@flowfuse/node-red-dashboard", True),
        ("node-red-contrib-uibuilder", False),
    ]


def test_sockets_are_below_the_root_of_the_flows_and_the_paths_of_the_dashboards():
    both = [{"name": name, "closable": True} for name in ("node-red-dashboard", "@flowfuse/node-red-dashboard")]
    assert _sockets.dashboard_paths(both, {}, "/", [BASE]) == ["/ui/socket.io/", "/dashboard/socket.io/"]
    moved = [{**BASE, "path": "panel/"}]
    assert _sockets.dashboard_paths(both, {"uiPath": "/old/"}, "/api/", moved) == [
        "/api/old/socket.io/",
        "/api/panel/socket.io/",
    ]
    assert _sockets.dashboard_paths(both[:1], {}, "/", [BASE]) == ["/ui/socket.io/"]
    assert _sockets.websocket_paths("/api/", [LISTENER]) == ["/api/ws/in"]


def test_nobody_asks_a_dashboard_that_cannot_be_closed_whether_it_is():
    old = [{"name": "node-red-dashboard", "closable": False}, {"name": "node-red-contrib-uibuilder", "closable": False}]
    assert _sockets.dashboard_paths(old, {}, "/", [BASE]) == []


@pytest.mark.parametrize("more", [{"d": True}, {"path": None}, {"path": "/${NAME}"}, {"path": "/a b"}, {"path": ""}])
def test_listeners_that_do_not_run_or_whose_path_is_not_known_are_left_out(more):
    assert _sockets.websocket_paths("/", [{**LISTENER, **more}]) == []


def test_static_roots_are_written_as_node_red_does():
    assert _sockets.static_roots({"staticRoots": ["/", "", "//", "files/", "/a/b"]}) == ["/", "/files/", "/a/b/"]
    assert _sockets.static_roots({}) == []
    assert _sockets.static_roots({"staticRoots": [5, None, ["/a"], "/" + "a" * 300, "/b c"]}) == ["/b c/"]
    assert _sockets.static_roots({"staticRoots": "/a"}) == []


def test_ports_of_nodes_are_known_where_the_kernel_could_have_chosen_them(tmp_path, monkeypatch):
    nodes = [
        {"type": "homekit-bridge", "port": "51826", "mdnsPort": ""},
        {"type": "tcp in", "port": 40000, "timeout": "45000"},
        {"type": "other", "serverport": "8080", "port": ["50000"], "listenPort": "5" * 5000},
    ]
    (tmp_path / "range").write_text("32768\t60999\n")
    monkeypatch.setattr(_sockets, "PORT_RANGE", str(tmp_path / "range"))
    assert _sockets.ephemeral_ports(nodes) == {"first": 32768, "last": 60999, "in_flows": [40000, 51826]}
    (tmp_path / "range").write_text("nonsense")
    assert _sockets.ephemeral_ports([]) == {"first": 32768, "last": 60999, "in_flows": []}
