# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Node.js makes of edited files, for every way to write settings: the wanted ones are in effect, the others stay.

One Node.js process evaluates all files, before and after each edit.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings._settings_js import SettingsError, edit, value
from ansible_collections.pifleet.nodered.tests.evaluated import ABSENT, evaluated, found_at, plain

# Each can be edited with certainty.
# An arrow stands for a tab.
EDITABLE = (
    r"""
module.exports = { uiPort: 1880 }
====
exports = module.exports = { uiPort: 1880, };
exports.x = 1;
====
var settings = module.exports = {
  uiPort: 1880 // port
}
settings.uiPort = 1;
====
const settings = { uiPort: 1880 };
module.exports = settings;
====
let settings;
settings = { uiPort: 1880 };
module.exports = settings;
====
let settings;
settings = module.exports = { uiPort: 1880 };
settings.flowFile = 'x';
====
const settings = module.exports = {};
settings['uiPort'] = 1880;
settings.editorTheme = {};
====
module.exports = {};
Object.assign(module.exports, { uiPort: 1880 });
====
module.exports = Object.assign({}, { uiPort: 1880 });
====
module.exports = Object.assign({ uiPort: 1880 }, { x: 1 });
====
module.exports = Object.assign({}, require('os').constants ? {} : {}, { uiPort: 1880 });
====
Object.assign(exports, { uiPort: 1880 });
====
Object.assign(module.exports, { uiPort: 1880 }, { x: 2 });
====
module.exports.uiPort = 1880;
module.exports.editorTheme = { projects: { enabled: false } };
====
exports.uiPort = 1880
exports['editorTheme'] = {}
exports.editorTheme.projects = {}
====
module.exports = { editorTheme: {} };
module.exports.editorTheme.projects = { enabled: false };
module.exports.uiPort = 3;
module['exports'].uiPort = 4;
====
module.exports = ({ uiPort: 1880 });
====
#!/usr/bin/env node
module.exports = { ['uiPort']: 1880 };
====
module.exports = { uiPort: 1880, uiPort: 1881, uiPort: 1882 };
====
module.exports = { get uiPort() { return 1880; } };
====
module.exports = { get uiPort() { return 1880; }, set uiPort(v) {} };
====
module.exports = { uiPort() { return 1; }, async adminAuth() {}, *zzz() {} };
====
const uiPort = 1880;
module.exports = { uiPort, adminAuth: null };
====
module.exports = { ...{ uiPort: 1880 }, x: 1 };
====
module.exports = { uiPort: 1880, ...{ uiPort: 2 } };
====
module.exports = { uiPort: 1880, ...(process.env.X && { flowFile: 'x' }) };
====
module.exports = { uiPort: 1880, ...(process.env.X ? { flowFile: 'x' } : {}) };
====
module.exports = { ...require('os').constants, uiPort: 1880 };
====
module.exports = { ...process.env.NOTHING, uiPort: 1880, adminAuth: undefined, editorTheme: { }, zzz: 1 };
====
module.exports = { uiPort: 1880 };
module.exports = { uiPort: 1999, b: 1 };
====
module.exports = { uiPort: 1880 };
console.log(module.exports.uiPort);
console.log(JSON.stringify(module.exports));
====
module.exports = { uiPort: 1880 };
if (module.exports.uiPort === 1880) { console.log('default'); }
====
module.exports = { uiPort: 1880 };
function unused() { return module.exports.uiPort; }
====
const settings = { uiPort: 1880 };
function merge(settings) { settings.uiPort = 3; return settings; }
module.exports = settings;
====
const settings = { uiPort: 1880, logging: { console: { handler: function (settings) { settings.level = 1; } } } };
module.exports = settings;
====
const settings = { uiPort: 1880, mw: (settings) => { settings.uiPort = 2 } };
module.exports = settings;
====
const settings = { uiPort: 1880, mw: () => { const settings = {}; settings.uiPort = 2 } };
module.exports = settings;
====
const theme = { projects: { enabled: false }, page: {} };
module.exports = { uiPort: 1880, editorTheme: theme };
====
const theme = { projects: { enabled: false }, page: {} };
theme.page.title = 'x';
module.exports = { uiPort: 1880, editorTheme: theme };
====
module.exports = { uiPort: 1880 }
delete module.exports.adminAuth
====
module.exports = { uiPort: 1880, zzz: 2 }
delete module.exports.zzz
module.exports.zzz = 4
====
module.exports = {
    uiPort: 1880 }
====
module.exports = {
    uiPort: 1880, /* a */ }
====
module.exports = {
    uiPort: 1880 // a
    // b
}
====
module.exports = {
    uiPort: 1880
    // adminAuth: {}
    , flowFile: 'x'
}
====
module.exports = {
      uiPort: 1880
    , flowFile: 'x'
    , editorTheme: { page: 1 }
}
====
module.exports = { /* nothing */ }
====
module.exports = {
    // nothing
}
====
module.exports = {
}
====
module.exports =
{
→uiPort: 1880,
→/* adminAuth: {
→→users: [],
→}, */
→editorTheme: {
→→// projects: { enabled: true },
→},
};
====
module.exports = {uiPort:1880,/*adminAuth:{},*/flowFile:'x'};
====
module.exports = { "uiP\u006frt": 1880, 0x10: 'a', 1.50: 'b' };
====
module.exports = { \u0075iPort: 1880, editorTheme: { } };
====
// uiPort: 1
module.exports = { // adminAuth: {
  uiPort: 1880 } // uiPort
====
module.exports = { if: 1, class: 2, uiPort: 1_880, default: { module: 'x' } };
====
module.exports = { uiPort: 01 + 1, httpNodeRoot: `a${1}`, re: /[/}]\/{/g, t: `}` };
====
;(function () { console.log('x'); })();
module.exports = { uiPort: 1880 };
====
var fs = require('fs');
var s = { uiPort: 1880 };
exports = module.exports = s;
====
module.exports = { uiPort: 1880 }, console.log('x');
====
module.exports = { uiPort: 1 };
var x = module.exports.uiPort = 1880;
====
var s = module.exports = { uiPort: 1 }, o = {};
(s && o).uiPort = 1880;
====
module.exports = (() => ({ uiPort: 1880 }))();
====
module.exports = (function () { const port = 1880; if (port) { console.log(port); } return { uiPort: port }; })();
====
module.exports = (function (port) {
    "use strict";
    return Object.freeze({
        uiPort: port,
        editorTheme: {},
    });
}(1880));
====
module.exports = { uiPort: 1880, editorTheme: (() => ({ page: 1 }))() };
====
module.exports = Object.freeze({ uiPort: 1880 });
====
const settings = Object.freeze({ uiPort: 1880, editorTheme: Object.seal({ page: 1 }) });
module.exports = settings;
====
const settings = { uiPort: 1880, editorTheme: { page: 1 } };
module.exports = Object.freeze(settings);
====
module.exports = { uiPort: 1880 };
Object.freeze(module.exports);
====
exports.uiPort = 1880;
Object.freeze(exports);
====
const editorTheme = { page: 1 };
module.exports = { uiPort: 1880, editorTheme };
====
"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.editorTheme = exports.uiPort = void 0;
exports.uiPort = 1880;
exports.editorTheme = { page: 1 };
====
"use strict";

Object.defineProperty(exports, "__esModule", {
  value: true
});
exports.x = exports.uiPort = void 0;
const uiPort = exports.uiPort = 1880;
const x = exports.x = { y: 1 };
====
"use strict";
var __importDefault = (this && this.__importDefault) || function (mod) {
    return (mod && mod.__esModule) ? mod : { "default": mod };
};
Object.defineProperty(exports, "__esModule", { value: true });
const path_1 = __importDefault(require("path"));
exports.uiPort = path_1.default.sep.length + 1879;
====
"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
module.exports = { uiPort: 1880 };
====
var settings = module.exports = { uiPort: 1880 };
var other = settings;
other.uiPort = 5;
====
var settings = module.exports = { uiPort: 1880, editorTheme: { projects: { enabled: false } } };
settings.editorTheme['projects']['enabled'] = false;
settings["editorTheme"].page = { title: 'T' };
====
module.exports = { uiPort: 1880, users: [ { a: 1 } ] };
module.exports.users.push({ a: 2 });
====
const settings = { uiPort: 1880 };
for (const settings of [{ uiPort: 1 }]) { settings.uiPort = 2; }
module.exports = settings;
====
module.exports = { uiPort: 1880 };
for (const [key, value] of Object.entries(module.exports)) { console.log(key, value); }
====
module.exports = { uiPort: 1880, adminAuth: null };
module.exports = Object.assign({}, module.exports, { flowFile: 'x' });
====
module.exports = { uiPort: 1880 };
for (const key in module.exports) { console.log(key); }
====
module.exports = { uiPort: 1880 };
Object.keys(module.exports).forEach(k => console.log(k));
====
const { join } = require('path');
module.exports = { uiPort: 1880, userDir: join(__dirname, 'x') };
====
const config = require('os');
module.exports = { uiPort: config.nothing || 1880, adminAuth: config.x };
====
module.exports = { uiPort: 1880, adminAuth: { type: 'credentials',
  users: [ { username: 'bob', password: 'x', permissions: '*' } /* last */ ] } };
====
module.exports = {
    uiPort: 1880,
    adminAuth: {
        // kept 1
        type: "strategy", // kept 2
        strategy: { name: 'x', /* kept 3 */ options: {} }
        // kept 4
    },
    editorTheme: { /* kept 5 */ },
    zzz: [ /* kept 6 */ 1, 2 /* kept 7 */, // kept 8
      3 ]
}
====
module.exports = function () { };
module.exports = { uiPort: 1880 };
====
module.exports = { uiPort: 1880 };
var exportsCopy = 1, my$module = 2, moduleX = 3;
====
{
  module.exports = { uiPort: 1880 };
}
====
module.exports = { uiPort: 1880 };
try {
    Object.assign(module.exports, require("./local"));
} catch (error) {}
module.exports.uiPort = 1880;
module.exports.editorTheme = {};
====
var s = module.exports = { uiPort: 1880 }, o = {};
(s, o).uiPort = 1;
Object.assign((s, o), { uiPort: 2 });
(o, s).editorTheme = {};
====
exports.x = 1;
exports.uiPort = 1880;
this.uiPort = 1;
function Timer() { this.uiPort = 2; }
class Store { constructor() { this.uiPort = arguments.length; } }
====
var s = { uiPort: 1880 };
function f(list) { for (var s of list) { s.uiPort = 1; } { var s = {}; } s.uiPort = 2; }
function g() { s.uiPort = 3; function s() {} }
try { f([]); } catch (s) { s.uiPort = 4; }
for (let s = {}; !s.uiPort;) { s.uiPort = 5; }
switch (1) { case 1: let s = {}; s.uiPort = 6; }
const h = function s() { s.uiPort = 7; };
{ const s = {}; s.uiPort = 8; }
{ class s {} s.uiPort = 9; }
module.exports = s;
====
exports.uiPort = 1880
exports.flowFile = 'x'
exports.adminAuth = null;
exports.editorTheme = {};
(function () { console.log('x'); })();
====
exports.x = function () { return 1 }
exports.uiPort = 1880;
[1].forEach(x => x)
====
module.exports = { editorTheme: {} }
module.exports.uiPort = 1880;
/x/.test('x')
====
exports.x = 1;
exports.uiPort = 1880; if (exports.uiPort) {
  console.log('x');
}
====
exports.x = 1;
exports.uiPort = 1880 /* one
two */
====
// «typographic» – in a comment…
var fs = 1; var fs = 2; function fs() {}
{ let fs = 3; const path = 4; }
const path = [1, , 2, ], async = 1, get = 2, of = 3;
module.exports = { uiPort: 1880, x: '«quoted» – …', async, get, of, await: 1, y: `…`, z: /–/ };
async function f() { await g(); try { await g() } finally { } }
const h = async () => { for await (const x of f()) { [1].map(async (y) => await y) } };
try { console.log('x', ) } catch { }
for (const x of []) { }
""".replace("→", "\t")
    .strip("\n")
    .split("\n====\n")
)

# In each, something may give uiPort another value than the one that we would write.
REFUSED = r"""
module.exports = require('./x');
====
module.exports = function () { return {}; };
====
module.exports = process.env.X ? { uiPort: 1 } : { uiPort: 2 };
====
module.exports = { uiPort: 1 } || {};
====
if (process.env.X) { module.exports = { uiPort: 1 }; } else { module.exports = { uiPort: 2 } }
====
module.exports = { uiPort: 1 };
if (process.env.X) { module.exports.uiPort = 2; }
====
module.exports = { uiPort: 1 };
if (process.env.X) module.exports = {};
====
module.exports = { uiPort: 1 };
override(module.exports);
====
const settings = { uiPort: 1 };
override(settings);
module.exports = settings;
====
const settings = { uiPort: 1 };
module.exports = settings;
require('./local')(settings);
====
module.exports = { uiPort: 1 };
Object.assign(module.exports, require('./local'));
====
module.exports = { uiPort: 1, ...require('./local') };
====
module.exports = { uiPort: 1, [process.env.K]: 2 };
====
const s = { uiPort: 1 };
const t = { ...s };
module.exports = { uiPort: 1, ...t };
t.uiPort = 2;
====
module.exports = { uiPort: 1 };
class Later { port = (module.exports.uiPort = 2); }
module.exports.uiPort = 3;
====
module.exports = { uiPort: 1 };
module.exports = Object.assign(module.exports, require("./local"));
====
module.exports = { uiPort: 1 };
for (const k of ['uiPort']) { module.exports[k] = 2; }
====
module.exports = { uiPort: 1 };
['uiPort'].forEach(k => { module.exports[k] = 2; });
====
module.exports = { uiPort: 1 };
try { module.exports.uiPort = JSON.parse(x).port; } catch (e) {}
====
module.exports = { uiPort: 1 };
delete module.exports.uiPort;
====
let settings = { uiPort: 1 };
settings = Object.assign({}, settings);
module.exports = settings;
====
var settings = { uiPort: 1 };
var settings = { uiPort: 2 };
module.exports = settings;
====
module.exports = settings;
var settings = { uiPort: 1 };
====
export default { uiPort: 1 };
====
import fs from 'fs';
module.exports = { uiPort: 1 };
====
module.exports = { uiPort: 1 };
module.exports.uiPort += 1;
====
module.exports = { uiPort: 1 };
module.exports.uiPort ||= 2;
====
module.exports = { uiPort: 1 };
module.exports.uiPort++;
====
return;
module.exports = { uiPort: 1 };
====
if (process.env.X) { return }
module.exports = { uiPort: 1 };
====
module.exports = { uiPort: 1 };
setTimeout(() => { module.exports.uiPort = 2 }, 1);
====
module.exports = { uiPort: 1 };
const { exports: e } = module; e.uiPort = 2;
====
module.exports = { uiPort: 1 };
const e = module; e.exports.uiPort = 2;
patch(module);
====
module.exports = { uiPort: 1 };
const holder = { settings: module.exports }; holder.settings.uiPort = 2;
====
module.exports = { uiPort: 1 };
Object.defineProperty(module.exports, 'uiPort', { value: 2 });
====
module.exports = { uiPort: 1 };
[module.exports.uiPort] = [3];
====
module.exports = { uiPort: 1 };
({ a: module.exports.uiPort } = { a: 3 });
====
var a = 1
====

====
{"uiPort": 1880}
====
module.exports = null;
====
module.exports = [ { uiPort: 1 } ];
====
module.exports = class { };
====
module.exports = new Settings();
====
module.exports = async () => ({ uiPort: 1 });
====
module.exports = (await import('x')).default;
====
var settings = { uiPort: 1 };
module.exports = settings;
(function (s) { s.uiPort = 2; })(settings);
====
var settings = { uiPort: 1 };
function f() { settings.uiPort = 2; }
f();
module.exports = settings;
====
exports = { uiPort: 1 };
====
module.exports = { uiPort: 1 };
process.env.X && (module.exports.uiPort = 2);
====
module.exports = { uiPort: 1 };
process.env.X ? module.exports.uiPort = 2 : 0;
====
module.exports = { uiPort: 1 };
with (module.exports) { uiPort = 2 }
====
module.exports = { uiPort: 1 };
switch (1) { case 1: module.exports.uiPort = 2 }
====
module.exports = { uiPort: 1 };
this.uiPort = 2; module.exports = this;
====
module.exports = { uiPort: 1, set uiPort(v) {} };
module.exports.uiPort = 3;
====
const s = { uiPort: 1 };
Object.freeze(s);
s.uiPort = 3;
module.exports = s;
====
const s = { uiPort: 1 };
lock();
s.uiPort = 3;
module.exports = s;
function lock() { Object.freeze(s); }
====
const s = Object.freeze({ uiPort: 1 });
s.uiPort = 3;
module.exports = s;
====
module.exports = Object.freeze({ uiPort: 1 });
module.exports.uiPort = 3;
====
module.exports = Object.seal({ uiPort: 1 });
delete module.exports.uiPort;
====
const s = Object.freeze(Object.assign({}, { uiPort: 1 }));
s.uiPort = 3;
module.exports = s;
====
exports.uiPort = 1;
Object.defineProperty(exports, 'uiPort', { value: 2 });
exports.uiPort = 3;
====
exports.uiPort = 1;
Object.defineProperty(exports, process.env.LAB, { value: 2 });
====
module.exports = Object.defineProperty({ uiPort: 1 }, 'uiPort', { value: 2 });
====
global.s = module.exports = { uiPort: 1 };
global.s.uiPort = 2;
====
const c = {};
c.s = module.exports = { uiPort: 1 };
c.s.uiPort = 2;
====
module.exports = (async () => ({ uiPort: 1 }))();
====
module.exports = (function* () { return { uiPort: 1 }; })();
====
module.exports = (() => { if (process.env.LAB) { return {}; } return { uiPort: 1 }; })();
====
module.exports = (() => { const s = { uiPort: 1 }; s.uiPort = 2; return s; })();
====
const s = { uiPort: 1 };
module.exports = ((s) => s)({ uiPort: 2 });
""".strip("\n").split("\n====\n")

LOGIN = {"type": "credentials", "users": [{"username": "admin", "password": "h", "permissions": "*"}]}
WISHES: list[tuple[dict[str, object], list[str]]] = [
    ({"uiPort": 18811}, []),
    ({"adminAuth": LOGIN}, []),
    ({"editorTheme.projects.enabled": True}, []),
    ({"added": [1, "a"]}, []),
    ({}, ["uiPort"]),
    ({}, ["adminAuth"]),
    ({}, ["editorTheme"]),
    ({"uiPort": 18811, "adminAuth": LOGIN, "editorTheme.projects.enabled": True, "added": {"b": [{}]}}, []),
    ({"added": 1, "more": 2}, ["uiPort", "editorTheme"]),
]
VARIANTS = {
    "as it is": lambda text: text,
    "CRLF": lambda text: text.replace("\n", "\r\n") + "\r\n",
    "byte-order mark": lambda text: "\ufeff" + text,
}

Case = tuple[str, str, int]


def edited(case: Case) -> str | None:
    """The text after the edit, or None where it is refused."""
    source, variant, wish = case
    wanted, removed = WISHES[wish]
    try:
        return edit(VARIANTS[variant](source), set=wanted, remove=removed).text
    except SettingsError:
        return None


CASES: list[Case] = [
    (source, variant, wish)
    for source in EDITABLE
    for variant in VARIANTS
    for wish in range(len(WISHES))
    # Node.js itself does not load #! behind a byte-order mark.
    if not (source.startswith("#!") and variant == "byte-order mark")
]


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, dict[str, object]]:
    """What Node.js finds exported, by source text."""
    texts = {VARIANTS[variant](source) for source, variant, _wanted in CASES}
    texts |= {text for case in CASES if (text := edited(case)) is not None}
    return evaluated(texts, tmp_path_factory.mktemp("settings"))


def without(exported: object, names: list[str]) -> object:
    """The exported object without the named settings, and without parents that only they needed."""
    assert isinstance(exported, dict)
    rest = {key: member for key, member in exported.items() if key not in names}
    for name in names:
        if "." in name:
            rest.pop(name.split(".")[0], None)
    return rest


def check(case: Case, exports: Mapping[str, dict[str, object]]) -> None:
    source, variant, wish = case
    wanted, removed = WISHES[wish]
    text = edited(case)
    if text is None:
        # Other names than uiPort may come from what the text does not show.
        assert "uiPort" not in wanted or removed or len(wanted) > 1
        assert any(mark in source for mark in ("...", "delete ", "require(", "Object.entries(", "assign({}, module"))
        return
    before, after = exports[VARIANTS[variant](source)], exports[text]
    exported = plain(after)
    for name, expected in wanted.items():
        assert found_at(exported, name) == expected
    for name in removed:
        assert found_at(exported, name) == ABSENT
    assert without(exported, [*wanted, *removed]) == without(plain(before), [*wanted, *removed])
    assert edit(text, set=wanted, remove=removed).text == text


@pytest.mark.parametrize("source", EDITABLE)
def test_wanted_settings_are_in_effect_and_the_others_stay(
    source: str, exports: Mapping[str, dict[str, object]]
) -> None:
    for case in CASES:
        if case[0] == source:
            check(case, exports)


@pytest.mark.parametrize("source", REFUSED)
def test_a_value_that_may_be_overruled_is_refused(source: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        edit(source, set={"uiPort": 18811})
    assert refusal.value.line is not None
    assert refusal.value.remedy


@pytest.mark.parametrize("spread", ["...{}", "...none", "...(process.env.LAB && {})"])
def test_an_object_that_is_set_has_no_spread_left(spread: str) -> None:
    source = f"const none = {{}};\nmodule.exports = {{\n    logging: {{ {spread}, file: {{}} }},\n}};\n"
    result = edit(source, set={"logging": {"file": {}}}).text
    assert "..." not in result
    assert value(result, "logging") == {"file": {}}


def test_an_object_that_is_set_has_no_accessor_left() -> None:
    source = "module.exports = { logging: { get file() { return 1; }, set file(path) {} } };\n"
    result = edit(source, set={"logging": {"file": 2}}).text
    assert result == "module.exports = { logging: { file: 2 } };\n"


@pytest.mark.parametrize("member", ["[key]: 1", "...(process.env.LAB && { uiPort: 1 })"])
def test_setting_what_may_be_there_and_is_deleted_below_names_the_deletion(member: str) -> None:
    source = f"const key = 'uiPort';\nmodule.exports = {{ {member} }};\ndelete module.exports.uiPort;\n"
    with pytest.raises(SettingsError, match=r"settings\.js:3:1: uiPort is deleted here"):
        edit(source, set={"uiPort": 1881})


@pytest.mark.parametrize(
    "statement",
    ["const login = module.exports.adminAuth; login.x", "module.exports.copy = module.exports.adminAuth"],
)
@pytest.mark.parametrize("written", ["", "adminAuth: null"])
def test_a_parent_that_is_made_is_kept_nowhere_else(written: str, statement: str) -> None:
    source = f"module.exports = {{ {written} }};\n{statement};\n"
    with pytest.raises(SettingsError, match=r"settings\.js:2:"):
        edit(source, set={"adminAuth.type": "credentials"})
