# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure, masked, secrets_in

HASH = "$2b$08$zZWtXTja0fB1pzD4sHCMyOCMYz2Z6dNbM6tl8sJogENOMcxWV9DN."


def test_a_failure_tells_what_was_found_and_what_to_do():
    assert str(Failure("It is broken.", "Mend it.")) == "It is broken.\nMend it."
    assert str(Failure("It is broken.")) == "It is broken."


@pytest.mark.parametrize(
    "text, secret",
    [
        (f'password: "{HASH}"', HASH[10:]),
        (f"something {HASH} else", HASH[10:]),
        ("credentialSecret: 'very secret'", "very secret"),
        ("credentialSecret: 'not closed", "not closed"),
        ('"clientSecret" : "a\\"b"', 'a\\"b'),
        ("pass: `two words`", "two words"),
        ("NODE_RED_CREDENTIAL_SECRET=hunter2", "hunter2"),
        ("password: hunter2", "hunter2"),
        ("connect to https://ada:hunter2@broker failed", "hunter2"),
        ("pass: '5f4dcc3b5aa765d61d8327deb882cf99'", "5f4dcc3b5aa765d61d8327deb882cf99"),
        ("user 5f4dcc3b5aa765d61d8327deb882cf99 unknown", "5f4dcc3b5aa765d61d8327deb882cf99"),
        ("password: process.env.P ||\n    'hunter2'", "hunter2"),
        ("password: /* mine */ 'hunter2'", "hunter2"),
        ("passwords: { ada: 'hunter2' }", "hunter2"),
        ("token: () => 'hunter2'", "hunter2"),
        ("secretKey: 'hunter2'", "hunter2"),
        ("psk=hunter2", "hunter2"),
        ("bearer: hunter2", "hunter2"),
        ("Authorization: Bearer hunter2", "hunter2"),
        ("encryptionKey: 'hunter2'", "hunter2"),
        ("apiKey: hunter2", "hunter2"),
        ("connect to mqtt://ada:a@hunter2@broker failed", "hunter2"),
        ("connect to mqtt://ada:a/hunter2@broker failed", "hunter2"),
        ("/settings.js:3\n    title: 'hunter2' oops\n           ^^^^\n\nSyntaxError: Unexpected identifier", "hunter2"),
        ("/settings.js:3\n    title: 'it's hunter2',\n              ^\n\nSyntaxError: Unexpected string", "hunter2"),
        ("SyntaxError: Unexpected identifier 'hunter2'", "hunter2"),
        ('SyntaxError: Unexpected token \'h\', "{"a": hunter2}" is not valid JSON', "hunter2"),
        ('SyntaxError: Unexpected token \'h\', ..."a": hunter2"... is not valid JSON', "hunter2"),
        ("SyntaxError: Expected ',' in JSON at position 9 (line 1 column 10) \"hunter2\" is not valid JSON", "hunter2"),
    ],
)
def test_a_secret_does_not_survive_masking(text, secret):
    assert secret not in masked(text)
    assert "********" in masked(text)


@pytest.mark.parametrize(
    "text",
    [
        "SyntaxError: Unexpected token ','",
        "    uiPort: process.env.PORT || 1880,",
        "Error: listen EADDRINUSE: address already in use 0.0.0.0:1880",
        "https://127.0.0.1:1881/auth/login does not answer",
        "/settings.js:3\n    uiPort: 1880 uiHost: '',\n                 ^^^^^^\n\nSyntaxError: Unexpected identifier",
        "SyntaxError: Unexpected token '}'",
        "ReferenceError: fs is not defined",
        "error:0B080074:x509 certificate routines:X509_check_private_key:key values mismatch",
        "Error: Cannot find module 'passport-openidconnect'",
    ],
)
def test_what_holds_no_secret_stays_as_it_is(text):
    assert masked(text) == text


def test_values_of_variables_with_telling_names_are_masked_wherever_they_occur():
    environment = {"MQTT_PASSWORD": "hunter22", "LANG": "C.UTF-8", "API_KEY": "abc"}
    assert secrets_in(environment) == ("hunter22",)
    assert masked("broker said hunter22", secrets_in(environment)) == "broker said ********"
