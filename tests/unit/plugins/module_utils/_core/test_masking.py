# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Masked text hides secrets and nothing else."""

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core._masking import masked

HASH = "$2a$08$zZWtXTja0fB1pzD4sHCMyOCMYz2Z6dNbM6tl8sJogENOMcxWV9DN."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f'password: "{HASH}"', 'password: "$2a$08$********"'),
        (f'anything: "{HASH}"', 'anything: "$2a$08$********"'),
        (f"echo {HASH} x", "echo $2a$08$******** x"),
        ("password: 'x',", "password: '********',"),
        ('"password": "x"', '"password": "********"'),
        ("'pass' : `x`", "'pass' : `********`"),
        ('//credentialSecret: "x y",', '//credentialSecret: "********",'),
        ("settings.credentialSecret = 'x';", "settings.credentialSecret = '********';"),
        ("settings['credentialSecret'] = 'x';", "settings['credentialSecret'] = '********';"),
        ("clientSecret: process.env.S || 'x',", "clientSecret: process.env.S || '********',"),
        (
            "clientSecret: env['S'] || 'x', a: 'b'",
            "clientSecret: env['********'] || '********', a: 'b'",
        ),
        ("token: 'x', user: 'y'", "token: '********', user: 'y'"),
        ('access_token: "x"', 'access_token: "********"'),
        ("apiKey: 'x'", "apiKey: '********'"),
        ("passphrase:\n    'x',", "passphrase:\n    '********',"),
        ("password: 12345,", "password: ********,"),
        ("mqttPassword: 'it\\'s', a: 'b'", "mqttPassword: '********', a: 'b'"),
        ("password: `a\nb`, c: 'd'", "password: `********\n********`, c: 'd'"),
        ("password: 'never closed", "password: '********"),
        ("tokens: ['x', 'y'], a: 'b'", "tokens: ['********', '********'], a: 'b'"),
        ("mqtt://user:x@host", "mqtt://user:********@host"),
        (
            "-----BEGIN PRIVATE KEY-----\nMII\nxyz\n-----END",
            "-----BEGIN PRIVATE KEY-----\n********\n********\n-----END",
        ),
        ('+            "password": "x",\n', '+            "password": "********",\n'),
        ('{"$password": "x"}', '{"$password": "********"}'),
        ("auth: 'ada:x', a: 'b'", "auth: 'ada:********', a: 'b'"),
        ('basicAuth = "ada:x:y"', 'basicAuth = "ada:********"'),
        ("a: setPassword('x', b), c: 'd'", "a: setPassword('********', b), c: 'd'"),
        ("a: 'Server=s;Password=x;User=u', b: 'c'", "a: 'Server=s;Password=********;User=u', b: 'c'"),
        ("a: 'SharedAccessKeyName=n;SharedAccessKey=x'", "a: 'SharedAccessKeyName=n;SharedAccessKey=********'"),
        ("a: 'pub --password x'", "a: 'pub --password ********'"),
    ],
)
def test_secrets_are_hidden(text: str, expected: str) -> None:
    assert masked(text) == expected
    assert masked(expected) == expected


@pytest.mark.parametrize(
    "text",
    [
        "uiPort: 1880, flowFile: 'flows.json'",
        "username: 'admin', permissions: '*'",
        "// the password of the user 'admin'",
        "tokens: function (token) { return check(token) }",
        "https://nodered.org:1880/docs, see a@b",
        "users: [{ username: 'x' }]",
        "https://nodered.org/docs",
        "tokenHeader: 'x-auth'",
        "password: ''",
        "if (password == null) { a('b') }",
        "auth: 'none', url: 'http://host:1880/'",
        "a: 'Server=s;User=u'",
        "// Bearer tokens are 'safe'",
        "const check = password => 'x'",
    ],
)
def test_everything_else_stays(text: str) -> None:
    assert masked(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "password: process.env.P ||\n    'hunter2',",
        "password: process.env.P\n    || 'hunter2',",
        "password: 'a' +\n    'hunter2'",
        "password: a ?\n  b :\n  'hunter2',",
        "settings.password =\n    'hunter2';",
        "settings.password ||= 'hunter2'",
        "password /* of mine */ : 'hunter2'",
        "password: /* it's */ 'hunter2'",
        "password: // it's\n  'hunter2'",
        "// password: a ||\n//   'hunter2'\n",
        "/* password:\n 'hunter2' */",
        "passwords: ['a', // it's\n 'hunter2']",
        "credentials: { user: 'ada', pass: () => 'hunter2' }",
        "secret: () => { return `hunter2` }",
        "getToken() {\n  // don't\n  return 'hunter2'\n}",
        "secretKey: 'hunter2'",
        "secret_access_key: 'hunter2'",
        "psk: 'hunter2'",
        "wifiPsk: 'hunter2'",
        "bearer: 'hunter2'",
        "headers: { Authorization: 'hunter2' }",
        "encryptionKey: 'hunter2'",
        "'x-api-key': 'hunter2'",
        "API_KEY = 'hunter2'",
        "apiKey1: 'hunter2'",
        "privateKey: 'hunter2'",
        "sessionKeys: ['hunter2']",
        "password2: 'hunter2'",
        "passwordHash: 'hunter2'",
        "tokenValue: 'hunter2'",
        "url: 'mqtt://ada:a@hunter2@host'",
        "url: 'mqtt://ada:a/hunter2@host'",
        "url: 'mqtt://ada:a hunter2@host'",
        'url: "mqtt://ada:it\'s-hunter2@host"',
        "// mqtt://ada:a@hunter2@host",
        "brokers: 'a://u:hunter2@h,b://v:hunter2@i'",
    ],
)
def test_no_secret_survives(text: str) -> None:
    hidden = masked(text)
    assert "hunter2" not in hidden
    assert hidden.count("\n") == text.count("\n")
    assert masked(hidden) == hidden


def test_a_secret_above_does_not_swallow_what_follows() -> None:
    text = "credentialSecret: false,\nflowFile: 'flows.json',\n"
    assert masked(text) == text


def test_line_ends_stay() -> None:
    text = "a: 1,\r\npassword: 'x',\r\nb: 2\r\n"
    assert masked(text) == text.replace("'x'", "'********'")
