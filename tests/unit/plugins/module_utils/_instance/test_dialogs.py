# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What editor dialogs request, read from their scripts. The examples are written as public nodes are written."""

from __future__ import annotations

import time

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _dialogs, _palette

NODE_ROUTES = """
module.exports = function (RED) {
    RED.httpNode.get('/house/items', RED.auth.needsPermission('house.read'), answer);
    RED.httpNode.get("/sun/services/:service?", answer);
    const app = RED.httpNode || RED.httpAdmin;
    app.post(`/bot/${kind}/globals`, answer);
    RED.httpNode.use('/both', answer);
    RED.httpNode.use('/', answer);
    RED.httpNode.use(node.path, answer);
    // RED.httpNode.get('/old', answer);
    RED.httpAdmin.get('/both/:id', answer);
    RED.httpAdmin.get('/lights', answer);
}
"""


def findings(script: str) -> list[tuple[str, str]]:
    node, admin = _dialogs.routes(NODE_ROUTES)
    return [(kind, path) for kind, path, _position in _dialogs.requested(_dialogs.requests(script), node, admin)]


def test_routes_are_known_as_far_as_they_are_written():
    node, admin = _dialogs.routes(NODE_ROUTES)
    assert {(one.path, one.below) for one in node} == {
        ("/house/items", False),
        ("/sun/services", True),
        ("/bot", True),
        ("/both", True),
    }
    assert {(one.path, one.below) for one in admin} == {("/both", True), ("/lights", False)}


@pytest.mark.parametrize(
    "script",
    [
        '$.getJSON("house/items", config).done(show);',
        "$.getJSON('./house/items?kind=' + kind, show);".replace("./", ""),
        "jQuery.get ( `house/items`, show)",
        "var url = 'house/items';\n$.ajax({ type: 'GET', url: url, success: show });",
        "$.ajax({\n    url: 'house/items',\n    type: 'GET' })",
        "request.open('GET', 'house/items', true);",
        "fetch('house/items').then(show)",
        "window.fetch('house/items').then(show)",
    ],
)
def test_a_relative_request_of_a_path_for_flows_depends_on_the_root_of_the_editor(script):
    assert findings(script) == [("node_path_of_editor", "/house/items")]


@pytest.mark.parametrize(
    ("script", "path"),
    [
        ("$.getJSON('/house/items', show)", "/house/items"),
        ("$.get(root + 'sun/services/' + name)", "/sun/services"),
        (
            "var root = (RED.settings.httpNodeRoot || '').replace(/\\/$/, '') + '/sun/services/';\n"
            "$.ajax(root + name, { dataType: 'json' })",
            "/sun/services",
        ),
        ("$.post(`${RED.settings.httpNodeRoot}bot/${kind}/globals`)", "/bot"),
        ("new EventSource('/house/items')", "/house/items"),
    ],
)
def test_a_request_of_a_path_for_flows_is_found(script, path):
    assert findings(script) == [("node_path", path)]


@pytest.mark.parametrize(
    ("script", "path"),
    [
        ("$.getJSON('/lights', show)", "/lights"),
        ("$.get( \"/Admin/\"+node.id+'/'+action )", "/Admin/..."),
        ("$.ajax({dataType:'json',url:'/lights',cache:!1}).done(show)", "/lights"),
        ("let url = '/lights?id=' + id; $.ajax({ url })", None),
        ("let url = '/lights?id=' + id; $.ajax({ url: url })", "/lights?id=..."),
        ("fetch(`/lights/${id}`, { method: 'POST' })", "/lights/..."),
    ],
)
def test_an_address_from_the_root_of_the_server_is_found(script, path):
    assert findings(script) == ([("root_path", path)] if path else [])


@pytest.mark.parametrize(
    "script",
    [
        "$.getJSON('lights', show)",
        "$.getJSON('both/1', show)",
        "$.getJSON('/' + adminRoot + '/lights', show)",
        "$.get(RED.settings.apiRootUrl + '/lights')",
        "$.get('https://example.com/house/items')",
        "$.get('//example.com/lights')",
        "// $.getJSON('/lights', show)",
        "show(); // like $.getJSON('/lights')",
        "/* $.getJSON('/lights', show);\n $.getJSON('/house/items') */",
        "map.get('/lights'); cache.fetch('/lights'); prefetch('/lights')",
        "window.open('/lights', '_blank')",
        "var path = '/house/items', defaults = { path: { value: '/house/items' } };",
        "$.getJSON('old')",
    ],
)
def test_what_does_not_break_is_not_found(script):
    assert findings(script) == []


def test_only_scripts_of_the_editor_count_and_no_help_text():
    page = (
        '<script type="text/html" data-template-name="x"><p>$.get("/lights")</p></script>\n'
        "<script type='text/markdown' data-help-name='x'>fetch('/lights')</script>\n"
        '<script type="text/javascript">one</script><script>two</script>\n<SCRIPT>no</SCRIPT><script src=x>three'
    )
    assert [(page[begin : begin + 3], text) for begin, text in _dialogs.scripts(page)] == [
        ("one", "one"),
        ("two", "two"),
        ("thr", "three"),
    ]


def test_modules_of_the_same_package_are_named():
    script = "const a = require('./lib/a'), b = require( \"../b.js\" ), fs = require('fs');\nimport c from './c.js';"
    assert _dialogs.local_modules(script) == ["./lib/a", "../b.js", "./c.js"]


@pytest.mark.parametrize(
    ("page", "position"),
    [
        ('<head><link rel="manifest" href="manifest.json">', 6),
        ('<link rel="icon" href="i"><link href=m.json rel=manifest >', 26),
        ('<link rel="manifest" href="manifest.json" crossorigin="use-credentials">', None),
        ("<title>manifest</title>", None),
    ],
)
def test_a_manifest_is_found_that_browsers_request_without_a_password(page, position):
    assert _dialogs.manifest(page) == position


@pytest.mark.parametrize(
    "part",
    [
        *("$.get(", "fetch(`${", "a=", "'\\'", "/*", "<script>", "<link", "httpNode=", "a=RED.httpNode;"),
        *("require('./", "RED.httpNode.get('/", "//", "((((", "x='/y'+", "$.ajax({ url: x", "`" + "${" * 50),
    ],
)
def test_a_hostile_file_takes_no_longer_than_its_size(part):
    text = part * (_palette.FILE_LIMIT // len(part))
    begin = time.process_time()
    asked = [one for _position, script in [(0, text), *_dialogs.scripts(text)] for one in _dialogs.requests(script)]
    node, admin = _dialogs.routes(text)
    list(_dialogs.requested(asked, node, admin))
    _dialogs.local_modules(text)
    _dialogs.manifest(text)
    assert time.process_time() - begin < 4
