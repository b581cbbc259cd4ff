# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils import _sockets

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


@pytest.mark.parametrize("text", ["", "{}", "[1, null]", "[[", "\ufeff[]"])
def test_a_flow_file_that_says_nothing_is_no_error(tmp_path, text):
    written(tmp_path / "flows.json", text)
    assert _sockets.flows(str(tmp_path), {"flowFile": "flows.json"}, None, "pi") == []


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
