# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The search of the installed nodes: what it reads, and what ends it."""

from __future__ import annotations

import json
import os
import time

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _palette

DIALOG = '<script type="text/javascript">\n$.getJSON("%s", show);\n</script>\n'


@pytest.fixture
def install(tmp_path):
    """Install a package with one node; its dialog requests `asks`."""

    def run(name: str, asks: str = "house/items", *, node: object = "lib/node.js", **files: str) -> None:
        home = tmp_path / "node_modules" / name
        (home / "lib").mkdir(parents=True)
        about = {"name": name, "version": "1.2.3", "node-red": {"nodes": {"one": node}}}
        (home / "package.json").write_text(json.dumps(about))
        (home / "lib" / "node.js").write_text("require('./routes');\n")
        (home / "lib" / "node.html").write_text(DIALOG % asks)
        (home / "lib" / "routes.js").write_text("RED.httpNode.get('/house/items', answer);\n")
        for path, text in files.items():
            (home / path).write_text(text)

    return run


def found(tmp_path) -> list[dict[str, object]]:
    return _palette.searched([str(tmp_path)])["findings"]


def test_what_a_dialog_requests_is_found_with_its_place(install, tmp_path):
    install("node-red-contrib-house")
    install("@me/lights", "/lights")
    assert _palette.searched([str(tmp_path)]) == {
        "findings": [
            {
                **{"package": "@me/lights", "version": "1.2.3", "finding": "root_path", "path": "/lights"},
                **{"file": "lib/node.html", "line": 2},
            },
            {
                **{"package": "node-red-contrib-house", "version": "1.2.3", "finding": "node_path_of_editor"},
                **{"path": "/house/items", "file": "lib/node.html", "line": 2},
            },
        ],
        "complete": True,
    }


def test_packages_without_nodes_and_those_of_node_red_itself_are_not_searched(install, tmp_path):
    install("node-red")
    install("@node-red/nodes")
    install("house")
    (tmp_path / "node_modules" / "house" / "package.json").write_text('{"keywords": ["node-red"], "version": "1.2.3"}')
    assert found(tmp_path) == []


def test_the_user_directory_comes_first(install, tmp_path):
    install("house")
    other = tmp_path / "other" / "node_modules" / "house"
    other.mkdir(parents=True)
    (other / "package.json").write_text((tmp_path / "node_modules" / "house" / "package.json").read_text())
    assert _palette.searched([str(tmp_path / "other"), str(tmp_path)])["findings"] == []
    assert len(_palette.searched([str(tmp_path), str(tmp_path / "other")])["findings"]) == 1


def test_scripts_that_a_dialog_loads_and_nodes_in_no_package_are_searched(install, tmp_path):
    install("house", "resources/house/dialog.js")
    (tmp_path / "node_modules" / "house" / "resources").mkdir()
    (tmp_path / "node_modules" / "house" / "resources" / "dialog.js").write_text("\n\nfetch('house/items');")
    (tmp_path / "nodes").mkdir()
    (tmp_path / "nodes" / "own.js").write_text("RED.httpAdmin.get('/own', answer);")
    (tmp_path / "nodes" / "own.html").write_text(DIALOG % "/own")
    assert [(one["package"], one["file"], one["line"]) for one in found(tmp_path)] == [
        ("nodes", "own.html", 2),
        ("house", "resources/dialog.js", 3),
    ]


def test_a_dashboard_is_searched_for_its_manifest(install, tmp_path):
    install("node-red-dashboard", "uisettings")
    (tmp_path / "node_modules" / "node-red-dashboard" / "dist").mkdir()
    page = tmp_path / "node_modules" / "node-red-dashboard" / "dist" / "index.html"
    page.write_text('<head>\n<link rel="manifest" href="manifest.json">')
    assert [(one["finding"], one["line"]) for one in found(tmp_path)] == [("manifest", 2)]
    page.write_text('<head>\n<link rel="manifest" href="manifest.json" crossorigin="use-credentials">')
    assert found(tmp_path) == []


@pytest.mark.parametrize("node", ["../../../secret.js", "/etc/passwd.js", "lib/node.txt", 7, None, ["lib/node.js"]])
def test_only_scripts_of_the_package_itself_are_read(install, tmp_path, node):
    install("house", node=node)
    (tmp_path / "secret.html").write_text(DIALOG % "/secret")
    (tmp_path / "secret.js").write_text("")
    assert found(tmp_path) == []


def test_texts_of_packages_are_short_and_printable(install, tmp_path):
    install("house", "/li\x1b]0;title\x07ghts" + "x" * 1000)
    install("evil\x1b[2J", "/evil")
    (one,) = found(tmp_path)
    assert one["path"].startswith("/li\\x1b]0;title\\x07ghts")
    assert len(one["path"]) < 130


def test_what_is_no_regular_file_or_too_large_is_left_out(install, tmp_path):
    install("a", "/a")
    for name in ("b", "c", "d"):
        install(name, "/" + name)
    modules = tmp_path / "node_modules"
    (modules / "b" / "package.json").unlink()
    os.mkfifo(modules / "b" / "package.json")
    os.truncate(modules / "c" / "lib" / "node.html", 50_000_000)
    (modules / "d" / "package.json").write_text("[" * 100_000 + '"node-red"')
    result = _palette.searched([str(tmp_path)])
    assert [one["package"] for one in result["findings"]] == ["a"]
    assert not result["complete"]


@pytest.mark.parametrize(
    ("limit", "value"),
    [("SECONDS", -1.0), ("MOST_FILES", 2), ("MOST_BYTES", 100), ("MOST_FOLDERS", 1), ("MOST_FINDINGS", 1)],
)
def test_the_search_ends_at_its_limits_and_reports_that(install, tmp_path, monkeypatch, limit, value):
    for name in ("a", "b", "c"):
        install(name, "/" + name)
    monkeypatch.setattr(_palette, limit, value)
    result = _palette.searched([str(tmp_path)])
    assert not result["complete"]
    assert len(result["findings"]) < 3


def test_many_folders_take_no_longer_than_the_limit(tmp_path):
    for number in range(5000):
        (tmp_path / "node_modules" / f"package-{number}").mkdir(parents=True)
    begin = time.monotonic()
    assert not _palette.searched([str(tmp_path)])["complete"]
    assert time.monotonic() - begin < 2 * _palette.SECONDS
