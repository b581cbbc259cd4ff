# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._errors import SettingsError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords import _bcrypt
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings._known_bad import computed, findings, is_usual

SAMPLE = "$2a$08$zZWtXTja0fB1pzD4sHCMyOCMYz2Z6dNbM6tl8sJogENOMcxWV9DN."
GOOD = "$2b$08$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZabcde"
WELL_KNOWN = "$2y$04$1pb0SP9xkoQKll83/3kRyOsM3kBFLQ47yj/qosxhzUSa9yGUXJgGe"  # That of "password".
MD5 = "5f4dcc3b5aa765d61d8327deb882cf99"


def judged(members, **options):
    return [(one.setting, one.grave) for one in findings(f"module.exports = {{ {members} }}\n", **options)]


def auth(password=GOOD, extra=""):
    return f'adminAuth: {{ type: "credentials", users: [{{ username: "ada", password: "{password}" }}]{extra} }}'


@pytest.mark.parametrize(
    "members",
    [
        "uiPort: 1880",
        auth(),
        "adminAuth: null",
        "adminAuth: require('./login')",
        "adminAuth: { tokens: function(token) { return null } }",
        auth(extra=', default: { permissions: "read" }'),
        f'httpNodeAuth: {{ user: "ada", pass: "{GOOD}" }}',
        "httpNodeAuth: [function(req, res, next) { next() }]",
        "httpNodeAuth: { user: 'ada', pass: process.env.NODE_PASS }",
        "httpAdminAuth: null",
        "credentialSecret: process.env.SECRET",
        "credentialSecret: 'kJ8-something of ones own'",
        "weatherStation: { key: 1 }",
        "/* adminauth: 1 */",
    ],
)
def test_what_is_well_or_cannot_be_known_is_not_judged(members):
    assert judged(members) == []


@pytest.mark.parametrize("password", [SAMPLE, WELL_KNOWN, "plain", MD5, ""])
@pytest.mark.parametrize("users", ["[{user}]", "{user}", "[{{ username: process.env.WHO, password: 1 }}, {user}]"])
def test_a_password_that_everybody_knows_or_nobody_can_use_is_grave(password, users):
    user = f'{{ username: "ada", password: "{password}" }}'
    members = f'adminAuth: {{ type: "credentials", users: {users.format(user=user)} }}'
    assert judged(members) == [("adminAuth.users", True)]


@pytest.mark.parametrize("permissions", ['"*"', '"write"', '["flows.read", "*"]', '["flows.write"]'])
def test_a_default_user_who_may_change_flows_is_grave(permissions):
    assert judged(auth(extra=f", default: {{ permissions: {permissions} }}")) == [("adminAuth.default", True)]


@pytest.mark.parametrize("kind", ["", 'type: "credential", '])
def test_a_login_of_no_kind_locks_everybody_out(kind):
    assert judged(f"adminAuth: {{ {kind}users: [] }}") == [("adminAuth.type", True)]


@pytest.mark.parametrize("name", ["httpNodeAuth", "httpStaticAuth"])
@pytest.mark.parametrize("password", [f", pass: '{MD5}'", ", pass: 'plain'", f", pass: '{SAMPLE}'", ""])
def test_basic_authentication_with_a_bad_password_is_grave(name, password):
    assert judged(f"{name}: {{ user: 'ada'{password} }}") == [(name, True)]


@pytest.mark.parametrize("name", ["httpAdminAuth", "httpAuth"])
@pytest.mark.parametrize("value", [f"{{ user: 'ada', pass: '{MD5}' }}", "require('./old')"])
def test_logins_of_old_releases_are_grave(name, value):
    assert judged(f"{name}: {value}") == [(name, True)]


@pytest.mark.parametrize("name, grave", [("adminauth", True), ("htttps", True), ("uihost", True), ("uiport", False)])
def test_a_misspelled_name_is_grave_where_something_stays_open(name, grave):
    assert judged(f"{name}: 1") == [(name, grave)]


def test_a_misspelled_name_beside_the_right_one_is_only_a_remark():
    assert judged(f"adminauth: 1, {auth()}") == [("adminauth", False)]
    assert judged("adminauth: 1", replaced=["adminAuth"]) == [("adminauth", False)]


@pytest.mark.parametrize("value", ["false", "'a-secret-key'"])
def test_a_credential_secret_that_hides_nothing_is_a_remark(value):
    assert judged(f"credentialSecret: {value}") == [("credentialSecret", False)]


def test_what_is_about_to_be_replaced_is_not_judged():
    members = f"{auth(SAMPLE)}, httpNodeAuth: {{ user: 'a', pass: '{MD5}' }}"
    assert judged(members, replaced=["adminAuth", "httpNodeAuth"]) == []


def test_what_counts_is_what_node_red_sees():
    assert judged(f"{auth(SAMPLE)}, {auth()}") == []
    assert judged(f"{auth(SAMPLE)}, ...require('./site')") == []
    text = f"module.exports = {{ {auth()} }}\nmodule.exports.adminAuth.default = {{ permissions: '*' }}\n"
    assert [one.setting for one in findings(text)] == ["adminAuth.default"]


def test_no_finding_holds_a_password_or_a_secret():
    members = f"{auth('hunter2hunter2')}, httpNodeAuth: {{ user: 'a', pass: '{MD5}' }}, credentialSecret: 'nodered'"
    said = str(findings(f"module.exports = {{ {members} }}"))
    assert not any(secret in said for secret in ("hunter2", MD5, "'nodered'"))


USUAL = "$2b$08$X3jlSx2XAakxPTT.rrLHTelhPT8G1hC9aSzqDvbFmJM.U54HjQYNe"  # That of "raspberry".


@pytest.mark.parametrize(
    "password, kinds",
    [
        (SAMPLE, ["sample"]),
        (USUAL, ["usual"]),
        (WELL_KNOWN, ["sample", "weak"]),
        ("plain", ["plaintext"]),
        (MD5, ["md5"]),
        (GOOD, []),
        (GOOD.replace("$08$", "$14$"), ["not-tried"]),
    ],
)
def test_what_is_strictly_judged_is_named_by_its_kind(password, kinds):
    found = findings(f"module.exports = {{ {auth(password)} }}\n", strict=True)
    assert [one.kind for one in found] == kinds
    assert "raspberry" not in str(found)


@pytest.mark.parametrize("password", ["1234", "qwerty", "ada"])
def test_what_the_roles_reject_the_audit_finds(password):
    assert is_usual(password, "ada")
    hashed = _bcrypt.hash_password(password, rounds=8)
    basic = f'httpNodeAuth: {{ user: "ada", pass: "{hashed}" }}'
    found = findings(f"module.exports = {{ {auth(hashed)}, {basic} }}\n", strict=True)
    assert [(one.setting, one.kind) for one in found] == [("adminAuth.users", "usual"), ("httpNodeAuth", "usual")]


def test_a_user_name_that_is_no_unicode_is_no_password():
    user = f'{{ username: "\\ud800", password: "{GOOD}" }}'
    assert (
        findings(f'module.exports = {{ adminAuth: {{ type: "credentials", users: [{user}] }} }}\n', strict=True) == []
    )


def test_a_weak_password_is_a_choice_that_keeps_no_file_from_being_secured():
    assert judged(auth(USUAL)) == []
    assert not any(one.grave for one in findings(f"module.exports = {{ {auth(USUAL)} }}\n", strict=True))


@pytest.mark.parametrize(
    "members, names",
    [
        (auth(), []),
        ("adminAuth: null", []),
        ("adminAuth: require('./login')", ["adminAuth"]),
        ("adminAuth: { type: 'credentials', users: require('./users') }", ["adminAuth"]),
        ("adminAuth: { type: 'credentials', users: [{ password: process.env.ADMIN }] }", ["adminAuth"]),
        ("httpNodeAuth: { user: 'a', pass: process.env.PAGES }", ["httpNodeAuth"]),
        ("httpNodeAuth: require('./pifleet-http-auth.js').everywhereExcept(['/a'])", []),
    ],
)
def test_passwords_that_code_computes_are_named_by_their_setting(members, names):
    assert computed(f"module.exports = {{ {members} }}\n") == names


def test_a_text_that_cannot_be_read_with_certainty_is_refused():
    with pytest.raises(SettingsError):
        findings("module.exports = {{")
