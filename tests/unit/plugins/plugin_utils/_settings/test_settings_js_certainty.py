# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What looks as if it were in effect but may not be is refused with its place, never taken for "nothing to do"."""

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings._settings_js import SettingsError, edit, value

LOGIN = {"type": "credentials", "users": [{"username": "admin", "password": "h", "permissions": "*"}]}
WITH_LOGIN = """
module.exports = {
  uiPort: 18811,
  adminAuth: { type: 'credentials', users: [{ username: 'admin', password: 'h', permissions: '*' }] },
};
"""

# Below WITH_LOGIN: each may change the user, and none the port.
CHANGING_THE_USER = """
module.exports.adminAuth.users.find(u => u.username === 'admin').password = 'x';
module.exports.adminAuth.users.find(({ username: name }) => name).password = 'x';
module.exports.adminAuth.users.filter(u => u.username === 'admin')[0].password = 'x';
module.exports.adminAuth.users.slice(0)[0].password = 'x';
module.exports.adminAuth.users.slice(0).forEach(u => { u.password = 'x' });
module.exports.adminAuth.users.concat([])[0].password = 'x';
module.exports.adminAuth.users.map(u => u)[0].password = 'x';
module.exports.adminAuth.users.valueOf()[0].password = 'x';
module.exports.adminAuth.valueOf().users = [];
module.exports.adminAuth?.valueOf?.().users.pop();
delete module.exports.adminAuth.users.find(u => u.username).password;
Object.assign(module.exports.adminAuth.users.find(u => u.username), { password: 'x' });
const user = module.exports.adminAuth.users.find(u => u.username); user.password = 'x';
const list = module.exports.adminAuth.users.filter(u => u.username); list[0].password = 'x';
for (const user of module.exports.adminAuth.users.filter(u => u.username)) { user.password = 'x' }
const { 'adminAuth': auth } = module.exports; auth.users = [];
(module.exports.adminAuth || {}).users = [];
tag`${module.exports.adminAuth}`; function tag(texts, auth) { auth.users = [] }
""".strip().split("\n")

# Each exports another port than 18811, or may do so.
ANOTHER_PORT = r"""
var s = module.exports = { uiPort: 1 }, o = {};
(0 ? s : o).uiPort = 18811;
====
var s = module.exports = { uiPort: 1 }, o = {};
(o || s).uiPort = 18811;
====
var s = module.exports = { uiPort: 1 }, o = {};
Object.assign(0 ? s : o, { uiPort: 18811 });
====
var s = module.exports = { uiPort: 1 }, o = {};
var t = o || s; t.uiPort = 18811;
====
var s = module.exports = { uiPort: 1 };
var s = {};
s.uiPort = 18811;
====
var s = module.exports = { uiPort: 1 };
{ var s = {}; }
s.uiPort = 18811;
====
var s = module.exports = { uiPort: 1 };
for (var s of [{}]) ;
s.uiPort = 18811;
====
var s = module.exports = { uiPort: 1 };
for (var s = {}; 0;) ;
s.uiPort = 18811;
====
var s = module.exports = { uiPort: 1 };
try { var s = {}; } catch (error) {}
s.uiPort = 18811;
====
var s = { uiPort: 18811 };
{ var s = { uiPort: 2 }; }
module.exports = s;
====
var s = { uiPort: 18811 };
try { var s = { uiPort: 2 }; } catch (error) {}
module.exports = s;
====
var s = { uiPort: 18811 };
for (var s of [{ uiPort: 2 }]) {}
module.exports = s;
====
var s = { uiPort: 18811 };
if (1) var s = { uiPort: 2 };
module.exports = s;
====
var s = { uiPort: 18811 };
switch (1) { case 1: var s = { uiPort: 2 }; }
module.exports = s;
====
var s = { uiPort: 18811 };
{ function s() {} }
module.exports = s;
====
if (0) { var s = { uiPort: 18811 }; }
module.exports = s;
====
const s = { uiPort: 18811 };
{ const s = { uiPort: 2 }; module.exports = s; }
====
{ const s = module.exports = { uiPort: 18811 }; s.uiPort = 2; }
====
module.exports = { uiPort: 18811 };
{ const s = module.exports; s.uiPort = 2; }
====
module.exports = { uiPort: 18811 };
{ let s; s = module.exports; s.uiPort = 2; }
====
module.exports = { uiPort: 1, set uiPort(port) {} };
module.exports.uiPort = 3;
module.exports.uiPort = 18811;
====
module.exports = { uiPort: 1, set uiPort(port) {} };
Object.assign(module.exports, { uiPort: 18811 });
====
const o = {};
module.exports = { uiPort: 1 };
o.s = module.exports;
module.exports.uiPort = 18811;
o.s.uiPort = 2;
====
module.exports = { uiPort: 1 };
const o = { s: module.exports };
module.exports.uiPort = 18811;
o.s.uiPort = 2;
====
module.exports = { uiPort: 1 };
const [s] = [module.exports];
module.exports.uiPort = 18811;
s.uiPort = 2;
====
const s = { uiPort: 1 }, o = { s };
s.uiPort = 18811;
o.s.uiPort = 2;
module.exports = s;
====
let s;
module.exports = { uiPort: 1 };
if (process.env.LAB) s = module.exports;
module.exports.uiPort = 18811;
if (s) s.uiPort = 2;
====
exports.flowFile = 'x';
(() => { this.uiPort = 2; })();
====
exports.uiPort = 18811;
(function () { this.uiPort = 2; }).call(this);
====
exports.uiPort = 18811;
var self = this; patch(self);
====
exports.uiPort = 18811;
arguments[0].uiPort = 2;
====
module.exports = { uiPort: 18811 };
(() => { arguments[2].exports = {}; })();
====
module.exports = { uiPort: 18811 };
eval('module.exports.uiPort = 2');
====
module.exports = { uiPort: 18811 };
function patch(code) { eval(code); }
====
module.exports = { uiPort: 18811 };
Object.assign(module, { exports: { uiPort: 2 } });
====
module.exports = { uiPort: 18811 };
delete module.exports;
====
module.exports = { uiPort: 18811 };
module['exp' + 'orts'] = {};
====
module.exports = { uiPort: 18811 };
module[name].uiPort = 2;
====
module.exports = { uiPort: 18811 };
module = {};
====
var module = {};
module.exports = { uiPort: 18811 };
====
if (1) { var module = {}; }
module.exports = { uiPort: 18811 };
====
var exports = {};
exports.uiPort = 18811;
====
module.exports = { uiPort: 1 };
var nothing; nothing?.(module.exports.uiPort = 18811);
====
module.exports = { uiPort: 1 };
var nothing; nothing?.a.b(1)(module.exports.uiPort = 18811);
====
module.exports = { uiPort: 18811 };
with (module) { exports = {}; }
====
module.exports = { x: 1 };
module.exports.__proto__ = { uiPort: 18811 };
module.exports.__proto__.uiPort = 2;
""".strip("\n").split("\n====\n")


@pytest.mark.parametrize("statement", CHANGING_THE_USER)
def test_a_user_that_may_be_changed_in_a_roundabout_way_is_not_certain(statement: str) -> None:
    with pytest.raises(SettingsError, match="adminAuth is not certain") as refusal:
        edit(WITH_LOGIN + statement, set={"adminAuth": LOGIN})
    assert refusal.value.line == WITH_LOGIN.count("\n") + 1
    assert refusal.value.remedy


@pytest.mark.parametrize("statement", CHANGING_THE_USER)
def test_what_changes_a_user_does_not_keep_the_port_from_being_set(statement: str) -> None:
    source = WITH_LOGIN + statement
    assert edit(source, set={"uiPort": 1881}).text == source.replace("18811", "1881")


@pytest.mark.parametrize("source", ANOTHER_PORT)
def test_a_port_that_may_be_another_one_is_refused(source: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        edit(source, set={"uiPort": 18811})
    assert refusal.value.line is not None
    assert refusal.value.remedy


@pytest.mark.parametrize(
    "statement",
    [
        "console.log(module.exports.adminAuth.users.map(u => u.username).join(', '));",
        "const count = module.exports.adminAuth.users.filter(u => u.permissions === '*').length;",
        "if (module.exports.adminAuth.users.some(u => u.permissions === '*')) { console.log('admins'); }",
        "module.exports.adminAuth.users.slice(1);",
        "console.log(`${module.exports.adminAuth.type}`);",
    ],
)
def test_reading_users_casts_no_doubt_on_them(statement: str) -> None:
    source = WITH_LOGIN + statement
    assert edit(source, set={"adminAuth": LOGIN}).text == source
    assert edit(source, set={"adminAuth": {**LOGIN, "sessionExpiryTime": 60}}).changed == ("adminAuth",)


def test_a_list_of_texts_cannot_be_changed_through_its_elements() -> None:
    source = "module.exports = { nodesDir: ['/a', '/b'] };\nconst first = module.exports.nodesDir.find(d => d);\n"
    assert edit(source, set={"nodesDir": ["/a", "/b"]}).text == source


@pytest.mark.parametrize(
    "spread", ["...require('./base')", "...process.env", "...(process.env.LAB && { audit: true })"]
)
def test_an_object_that_may_have_more_members_is_not_what_is_wanted(spread: str) -> None:
    source = f"module.exports = {{ logging: {{ {spread} }} }};\nmodule.exports.logging.level = 'info';\n"
    with pytest.raises(SettingsError, match=r"settings\.js:2:"):
        edit(source, set={"logging": {"level": "info"}})
    with pytest.raises(SettingsError, match=r"settings\.js:1:"):
        value(source, "logging")
    assert value(source, "logging.level") == "info"


@pytest.mark.parametrize("write", ["nodesDir[0] = '/b'", "nodesDir.push('/b')"])
def test_a_list_that_changes_later_is_not_read_as_it_is_written(write: str) -> None:
    source = f"module.exports = {{ uiPort: 1, nodesDir: ['/a'] }};\nmodule.exports.{write};\n"
    with pytest.raises(SettingsError, match=r"settings\.js:2:"):
        value(source, "nodesDir")
    assert value(f"{source}const port = module.exports.uiPort;\n", "uiPort") == 1


@pytest.mark.parametrize("statement", ["{ exports.a = { b: 1 }; }", "exports.a = { b: 1 }, exports.c = 1;"])
def test_an_assignment_that_would_leave_a_block_is_not_removed(statement: str) -> None:
    with pytest.raises(SettingsError, match="part of a larger statement"):
        edit(f"exports.d = 1;\n{statement}\n", remove=["a"])


SPREAD_LAST = """module.exports = {
  adminAuth: null,
  uiPort: 1880,
  ...require('./site'),
};
"""
SPREAD_FIRST = """module.exports = {
  ...require('./site'),
  adminAuth: null,
  uiPort: 1880,
};
"""
MOVE = "Move this spread above adminAuth in the same object, because what comes later wins."


def remedy_for(source: str, **wish: object) -> str | None:
    with pytest.raises(SettingsError) as refusal:
        edit(source, **wish)
    return refusal.value.remedy


def test_a_spread_below_a_setting_is_to_be_moved_above_it_which_helps() -> None:
    assert remedy_for(SPREAD_LAST, set={"adminAuth": LOGIN}) == MOVE
    with pytest.raises(SettingsError) as refusal:
        value(SPREAD_LAST, "adminAuth")
    assert refusal.value.remedy == MOVE
    assert value(SPREAD_FIRST, "adminAuth") is None
    assert value(edit(SPREAD_FIRST, set={"adminAuth": LOGIN}).text, "adminAuth") == LOGIN


@pytest.mark.parametrize(
    "source",
    [
        SPREAD_LAST.replace("...require('./site')", "[process.env.KEY]: 1"),
        SPREAD_LAST + "Object.assign(module.exports, require('./site'));\n",
        SPREAD_LAST.replace("...require('./site'),", "") + "Object.assign(module.exports, require('./site'));\n",
        SPREAD_LAST.replace("adminAuth: null,", "") + "module.exports.adminAuth = null; change(module.exports);\n",
    ],
    ids=["a computed key", "another doubt", "no spread", "a function"],
)
def test_where_moving_would_not_help_it_is_no_remedy(source: str) -> None:
    assert remedy_for(source, set={"adminAuth": LOGIN}) not in (None, MOVE)


def test_a_setting_to_remove_could_still_come_from_the_spread() -> None:
    assert remedy_for(SPREAD_LAST, remove=["adminAuth"]) not in (None, MOVE)
    assert remedy_for(SPREAD_FIRST, remove=["adminAuth"]) not in (None, MOVE)
