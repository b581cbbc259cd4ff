# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Code that uses a setting's value: an edit must not make it fail, nor change other settings through it."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings._settings_js import SettingsError, edit
from ansible_collections.pifleet.nodered.tests.judged import Case, edited, judge

SETTINGS = """\
module.exports = {
  uiPort: 1880,
  httpAdminRoot: '/admin',
  nodesDir: ['/srv/a'],
  logging: { console: { level: 'warn' }, metrics: false },
  adminAuth: { type: 'credentials', users: [{ username: 'a', password: 'h' }] },
};
"""
ALL = ["uiPort", "httpAdminRoot", "nodesDir", "logging", "adminAuth", "logging.console", "adminAuth.users"]
VALUES: dict[str, object] = {
    "uiPort": 1881.0,
    "httpAdminRoot": "/x",
    "nodesDir": "/srv/b",
    "logging": {"file": {"level": "info"}},
    "adminAuth": {"type": "strategy"},
    "logging.console": "off",
    "logging.console.level": "info",
    "adminAuth.users": [],
    "logging.file": {},
}

# A statement below SETTINGS, what cannot be removed with it, and what cannot be set.
USED = [
    ('if (process.env.LAB) module.exports.nodesDir.push("/srv/b");', "nodesDir", "nodesDir"),
    ("module.exports.nodesDir.push('/srv/b');", "nodesDir", "nodesDir"),
    ("delete module.exports.logging.console.level;", "logging logging.console", "logging"),
    ("if (process.env.LAB) delete module.exports.logging.console.level;", "logging logging.console", "logging"),
    ("if (process.env.LAB) { module.exports.logging.console.level = 'q'; }", "logging logging.console", "logging"),
    ("Object.assign(module.exports.logging, { metrics: true });", "logging", ""),
    ("Object.assign(module.exports.logging, require('os').constants ? {} : {});", "logging", ""),
    ("const c = module.exports.logging.console; c.level = 'q';", "logging logging.console", "logging"),
    ("const c = module.exports.logging.console; console.log(c.level);", "logging logging.console", "logging"),
    ("let c; c = module.exports.logging.console; c.level = 'q';", "logging logging.console", "logging"),
    ("console.log(module.exports.adminAuth.users.length);", "adminAuth adminAuth.users", "adminAuth"),
    ("const n = module.exports.adminAuth.users.length;", "adminAuth adminAuth.users", "adminAuth"),
    ("const { users } = module.exports.adminAuth;", "adminAuth", ""),
    ("const { adminAuth } = module.exports; console.log(adminAuth.users.length);", "adminAuth", ""),
    ("for (const user of module.exports.adminAuth.users) { console.log(user); }", "adminAuth adminAuth.users", ""),
    ("for (const dir of module.exports.nodesDir) { console.log(dir); }", "nodesDir", ""),
    ("console.log(require('path').sep, require('path').join(module.exports.httpAdminRoot, 'x'));", "", ""),
    ("const path = require('path'); console.log(path.join(module.exports.httpAdminRoot));", "httpAdminRoot", ""),
    ("console.log(Object.keys(module.exports.logging));", "logging", ""),
    ("module.exports.httpAdminRoot.toUpperCase();", "httpAdminRoot", ""),
    ("console.log(`${module.exports.logging.console.level}`);", "logging logging.console", "logging"),
    ("module['exports']['adminAuth'].users.slice();", "adminAuth adminAuth.users", "adminAuth"),
    ("function f() { return module.exports.adminAuth.users.length; }", "adminAuth adminAuth.users", "adminAuth"),
    (
        "module.exports.mw = (req) => module.exports.adminAuth.users[0].username;",
        "adminAuth adminAuth.users",
        "adminAuth",
    ),
    ("['adminAuth'].forEach(n => console.log(module.exports[n].users));", "adminAuth", ""),
    ("if (module.exports.adminAuth.users) { console.log('x'); }", "adminAuth", ""),
    ("const s = module.exports; s.nodesDir.push('/srv/b');", "nodesDir", "nodesDir"),
    ("const s = module.exports; if (process.env.LAB) s.nodesDir.push('/srv/b');", "nodesDir", "nodesDir"),
]

# What makes another setting of the value of one: neither removed nor set.
FLOWING = [
    ("module.exports.httpNodeRoot = module.exports.httpAdminRoot;", "httpAdminRoot"),
    ("module.exports.httpNodeRoot = module.exports.httpAdminRoot + '/x';", "httpAdminRoot"),
    ("module.exports.httpNodeRoot = `${module.exports.httpAdminRoot}/x`;", "httpAdminRoot"),
    ("module.exports.httpNodeRoot = String(module.exports.httpAdminRoot);", "httpAdminRoot"),
    ("module.exports.httpNodeRoot = module.exports.httpAdminRoot.slice(1);", "httpAdminRoot"),
    ("const root = module.exports.httpAdminRoot; module.exports.httpNodeRoot = root;", "httpAdminRoot"),
    ("const r = module.exports.httpAdminRoot; const s = r + 'x'; module.exports.httpNodeRoot = s;", "httpAdminRoot"),
    ("const { httpAdminRoot } = module.exports; module.exports.httpNodeRoot = httpAdminRoot;", "httpAdminRoot"),
    ("if (module.exports.httpAdminRoot === '/admin') { module.exports.httpNodeRoot = '/x'; }", "httpAdminRoot"),
    ("if (module.exports.httpAdminRoot) { module.exports.httpNodeRoot = '/x'; }", "httpAdminRoot"),
    ("module.exports.httpNodeRoot = module.exports.httpAdminRoot ? '/a' : '/b';", "httpAdminRoot"),
    ("module.exports.httpNodeRoot = !module.exports.httpAdminRoot;", "httpAdminRoot"),
    ("switch (module.exports.uiPort) { case 1880: module.exports.x = 1; }", "uiPort"),
    ("module.exports.x = ['a'][module.exports.uiPort - 1880];", "uiPort"),
    ("module.exports.x = { y: module.exports.uiPort };", "uiPort"),
    ("module.exports.x = [module.exports.uiPort];", "uiPort"),
    ("if (!module.exports.adminAuth) throw new Error('no login');", "adminAuth"),
    ("function f() { return module.exports.uiPort; } module.exports.x = f();", "uiPort"),
    ("module.exports.x = (() => module.exports.uiPort)();", "uiPort"),
    ("module.exports.x = (function () { return module.exports.uiPort + 1; })();", "uiPort"),
    ("['x'].forEach(k => { module.exports.x = module.exports.uiPort; });", "uiPort"),
    ("Object.defineProperty(module.exports, 'x', { value: module.exports.uiPort, enumerable: true });", "uiPort"),
    ("const copy = { ...module.exports }; module.exports.x = copy.uiPort;", "uiPort"),
    ("const copy = Object.assign({}, module.exports); module.exports.x = copy;", "uiPort"),
    ("module.exports.x = JSON.stringify(module.exports.logging);", "logging logging.console logging.console.level"),
    ("module.exports.x = Object.entries(module.exports.logging).length;", "logging logging.file"),
    ("module.exports.x = { ...module.exports.logging };", "logging logging.console logging.console.level"),
    ("module.exports.x = module.exports.logging;", "logging logging.console logging.console.level"),
    ("for (const [k, v] of Object.entries(module.exports.logging)) { module.exports[k] = v; }", "logging"),
    ("for (const k in module.exports.logging) { module.exports.x = k; }", "logging logging.file"),
]

# What looks, or looks later, and needs nothing: as free to be edited as without it.
HARMLESS = [
    "console.log(module.exports.uiPort, module.exports.adminAuth);",
    "if (module.exports.uiPort === 1880) { console.log('default'); } else { console.warn('other'); }",
    "const port = module.exports.uiPort; console.log('port ' + port);",
    "const port = module.exports.uiPort, text = `port ${port}`; console.log(text);",
    "const { uiPort } = module.exports; console.log(uiPort);",
    "function unused() { return module.exports.uiPort; }",
    "module.exports.mw = function () { return module.exports.uiPort + 1; };",
    "function mw() { return module.exports.uiPort; } module.exports.mw = mw;",
    "const mw = () => module.exports.uiPort; module.exports.x = { mw };",
    "console.log(module.exports.adminAuth?.users?.length, module.exports.logging?.console.level);",
    "console.log((module.exports.logging || {}).console);",
    "if (!module.exports.adminAuth) { console.warn('no login'); }",
    "setTimeout(() => console.log(module.exports.uiPort), 1);",
    "module.exports.uiPort = module.exports.uiPort;",
]


def refused(source: str, *, set: dict[str, object] | None = None, remove: tuple[str, ...] = ()) -> SettingsError:
    with pytest.raises(SettingsError) as refusal:
        edit(source, set=set, remove=remove)
    assert refusal.value.remedy
    assert "^" in str(refusal.value)
    return refusal.value


@pytest.mark.parametrize(("statement", "removed", "replaced"), USED)
def test_what_later_code_uses_is_not_taken_away(
    statement: str, removed: str, replaced: str, tmp_path: pathlib.Path
) -> None:
    source = SETTINGS + statement + "\n"
    for name in removed.split():
        assert refused(source, remove=(name,)).line == SETTINGS.count("\n") + 1
    for name in replaced.split():
        refused(source, set={name: VALUES[name]})
    cases = [Case(source, removed=[name]) for name in ALL if name not in removed.split()]
    judge([*cases, *(Case(source, {name: value}) for name, value in VALUES.items())], tmp_path)


@pytest.mark.parametrize(("statement", "names"), FLOWING)
def test_a_value_that_other_settings_are_made_of_is_not_changed(
    statement: str, names: str, tmp_path: pathlib.Path
) -> None:
    source = SETTINGS + statement + "\n"
    for name in names.split():
        refused(source, set={name: VALUES[name]})
    cases = [Case(source, removed=[name]) for name in ALL]
    judge([*cases, *(Case(source, {name: value}) for name, value in VALUES.items())], tmp_path)


@pytest.mark.parametrize("statement", HARMLESS)
def test_what_only_looks_keeps_nothing_from_being_edited(statement: str, tmp_path: pathlib.Path) -> None:
    source = SETTINGS + statement + "\n"
    cases = [Case(source, removed=[name]) for name in ("uiPort", "httpAdminRoot", "adminAuth", "logging")]
    cases += [Case(source, {"uiPort": 1881.0}), Case(source, {"adminAuth.sessionExpiryTime": 60.0})]
    assert all(edited(case) is not None for case in cases)
    judge(cases, tmp_path)


@pytest.mark.parametrize(
    "statement",
    [
        "if (module.exports.disableEditor) { module.exports.x = 1; }",
        "module.exports.x = module.exports.disableEditor ? 1 : 2;",
        "module.exports.x = Object.keys(module.exports).length;",
    ],
)
def test_a_new_setting_that_changes_another_one_is_rejected(statement: str) -> None:
    refused(SETTINGS + statement, set={"disableEditor": True})


@pytest.mark.parametrize(
    "source",
    [
        "let auth;\nmodule.exports = { adminAuth: auth = { users: [] } };\nconsole.log(auth.users);",
        "let n = 0;\nmodule.exports = { adminAuth: n++, x: n };",
        "let auth;\nmodule.exports = { adminAuth: [auth = 1][0], x: auth };",
    ],
)
def test_a_value_that_also_changes_a_variable_stays(source: str) -> None:
    refused(source, remove=("adminAuth",))
    refused(source, set={"adminAuth": "x"})


def test_the_rejection_names_the_later_line() -> None:
    error = refused(
        'module.exports = { nodesDir: ["/srv/a"] };\nif (process.env.LAB) module.exports.nodesDir.push("/srv/b");\n',
        remove=("nodesDir",),
    )
    assert (error.line, error.column) == (2, 22)
    assert "uses a part of nodesDir" in error.problem


@pytest.mark.parametrize(
    "source",
    [
        "const auth = { user: 'u', pass: 'p' };\nmodule.exports = { httpNodeAuth: auth, httpStaticAuth: { ...auth } };",
        "const auth = { user: 'u', pass: 'p' };\n"
        "module.exports = { httpNodeAuth: auth, httpStaticAuth: Object.assign({}, auth) };",
        "const auth = { user: 'u', pass: 'p' };\nmodule.exports = { httpNodeAuth: auth, httpStaticAuth: auth };",
        "const auth = { user: 'u', pass: 'p' };\n"
        "module.exports = { httpNodeAuth: auth, httpStaticAuth: { user: auth.user, pass: auth.pass } };",
        "const auth = { user: 'u', pass: 'p' };\n"
        "module.exports = { httpNodeAuth: auth, httpStaticAuth: { user: 'v', pass: `${auth.pass}` } };",
        "const auth = { user: 'u', pass: 'p' };\nconst { pass } = auth;\n"
        "module.exports = { httpNodeAuth: auth, httpStaticAuth: { user: 'v', pass } };",
        "const auth = { user: 'u', pass: 'p' };\nconst other = { ...auth };\n"
        "module.exports = { httpNodeAuth: auth, httpStaticAuth: other };",
        "const auth = { user: 'u', pass: 'p' };\nmodule.exports = { httpNodeAuth: auth };\n"
        "module.exports.httpStaticAuth = { ...module.exports.httpNodeAuth };",
        "const auth = { user: 'u', pass: 'p' };\n"
        "module.exports = { httpNodeAuth: auth, httpStaticAuth: JSON.parse(JSON.stringify(auth)) };",
        "const auth = { user: 'u', pass: 'p' };\nconst base = { httpNodeAuth: auth };\n"
        "module.exports = { ...base, httpStaticAuth: { ...base.httpNodeAuth } };",
        "const auth = { user: 'u', pass: 'p' };\n"
        "module.exports = { ...{ httpNodeAuth: auth }, ...{ httpStaticAuth: { ...auth } } };",
        "const auth = { user: 'u', pass: 'p' };\n"
        "const copy = () => ({ ...auth });\nmodule.exports = { httpNodeAuth: auth, httpStaticAuth: copy() };",
        "const auth = { user: 'u', pass: 'p' };\n"
        "module.exports = { httpNodeAuth: auth, list: [1].map(() => auth.pass) };",
        "const auth = { user: 'u', pass: 'p' };\n"
        "module.exports = { httpNodeAuth: auth, get httpStaticAuth() { return { ...auth }; } };",
    ],
)
def test_a_shared_value_is_not_changed_for_the_others(source: str, tmp_path: pathlib.Path) -> None:
    assert edited(Case(source, {"httpNodeAuth.pass": "x"})) is None
    wishes: list[dict[str, object]] = [
        {"httpNodeAuth.user": "x"},
        {"httpNodeAuth": {"user": "x", "pass": "y"}},
        {"httpStaticAuth.pass": "x"},
        {"httpStaticAuth": {"user": "x", "pass": "y"}},
    ]
    judge([Case(source, wish) for wish in wishes], tmp_path)


def test_a_number_that_two_settings_fall_back_to_is_not_changed() -> None:
    source = "var port = 1880;\nmodule.exports = { uiPort: process.env.PORT || port, x: port };\n"
    assert edit(source, set={"uiPort": {"$fallback": 1885}}).text == source
    source = "var port = 1880;\nmodule.exports = { uiPort: process.env.PORT || port, x: 'http://x:' + port };\n"
    assert edit(source, set={"uiPort": {"$fallback": 1885}}).text == source


TYPESCRIPT = """\
"use strict";
var __createBinding = (this && this.__createBinding) || (Object.create ? (function(o, m, k, k2) {
    Object.defineProperty(o, k2, { enumerable: true, get: function() { return m[k]; } });
}) : (function(o, m, k, k2) {
    o[k2] = m[k];
}));
var __importDefault = (this && this.__importDefault) || function (mod) {
    return (mod && mod.__esModule) ? mod : { "default": mod };
};
Object.defineProperty(exports, "__esModule", { value: true });
exports.url = exports.logging = exports.uiPort = void 0;
exports.mw = mw;
const path_1 = __importDefault(require("path"));
exports.uiPort = 1880;
exports.logging = { console: { level: "info" } };
exports.url = path_1.default.sep + "x";
function mw(req, res, next) { next(); }
"""
BABEL = """\
"use strict";

Object.defineProperty(exports, "__esModule", {
  value: true
});
exports.uiPort = exports.url = exports.logging = exports.root = void 0;
var _path = require("path");
var uiPort = exports.uiPort = 1880;
var logging = exports.logging = {
  console: {
    level: "info"
  }
};
var root = exports.root = "/x";
var url = exports.url = "http://x:".concat(uiPort);
"""


@pytest.mark.parametrize("source", [TYPESCRIPT, BABEL])
def test_compiled_settings_are_edited(source: str, tmp_path: pathlib.Path) -> None:
    wishes: list[dict[str, object]] = [{"url": "x"}, {"logging.console.audit": True}, {"logging": {}}, {"new": [1.0]}]
    cases = [Case(source, wish) for wish in wishes]
    cases += [Case(source, removed=[name]) for name in ("uiPort", "logging", "url", "logging.console")]
    assert all(edited(case) is not None for case in cases)
    judge([*cases, Case(source, {"uiPort": 1881.0}), Case(source, removed=["uiPort", "url"])], tmp_path)


def test_a_setting_that_another_one_is_compiled_from_is_not_changed() -> None:
    assert refused(BABEL, set={"uiPort": 1881}).line == 8


@pytest.mark.parametrize(
    "statement",
    [
        "const c = module.exports.logging = { console: { level: 'q' } }; c.console.level = 'w';",
        "let c; c = module.exports.logging = { console: { level: 'q' } }; c.console.level = 'w';",
        "const o = {}; o.c = module.exports.logging = { console: { level: 'q' } }; o.c.console.level = 'w';",
        "module.exports.x = module.exports.logging = { console: { level: 'q' } };",
        "f(module.exports.logging = { console: { level: 'q' } }); function f(o) { o.console.level = 'w'; }",
    ],
)
def test_what_an_assignment_comes_to_is_followed(statement: str, tmp_path: pathlib.Path) -> None:
    source = SETTINGS + statement
    refused(source, set={"logging.console.level": "q"})
    refused(source, set={"logging.console.audit": True})
    cases = [Case(source, {"uiPort": 1881.0}), Case(source, {"logging": {}}), Case(source, removed=["logging"])]
    judge(cases, tmp_path)
