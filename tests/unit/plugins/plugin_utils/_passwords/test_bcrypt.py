# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hashes as Node-RED reads them."""

from __future__ import annotations

import types

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._errors import MissingLibraryError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords import _bcrypt
from passlib.exc import MissingBackendError

TEMPLATE_HASH = "$2a$08$zZWtXTja0fB1pzD4sHCMyOCMYz2Z6dNbM6tl8sJogENOMcxWV9DN."


def test_a_hash_verifies_its_password_and_no_other() -> None:
    hashed = _bcrypt.hash_password("correct horse", rounds=4)
    assert _bcrypt.verify("correct horse", hashed)
    assert not _bcrypt.verify("correct horse ", hashed)


def test_each_hash_has_its_own_salt() -> None:
    assert _bcrypt.hash_password("x", rounds=4) != _bcrypt.hash_password("x", rounds=4)


def test_the_default_is_cost_8_and_2b() -> None:
    assert _bcrypt.hash_password("x").startswith("$2b$08$")


@pytest.mark.parametrize("ident", ["2a", "2b", "2y"])
def test_every_prefix_that_node_red_reads_can_be_made_and_verified(ident: str) -> None:
    hashed = _bcrypt.hash_password("x", rounds=4, ident=ident)
    assert _bcrypt.ident(hashed) == ident
    assert _bcrypt.verify("x", hashed)


def test_the_hash_of_the_default_settings_file_is_the_word_password() -> None:
    assert _bcrypt.verify("password", TEMPLATE_HASH)
    assert _bcrypt.cost(TEMPLATE_HASH) == 8


def test_72_bytes_are_the_longest_password() -> None:
    assert _bcrypt.verify("\u00e9" * 36, _bcrypt.hash_password("\u00e9" * 36, rounds=4))


@pytest.mark.parametrize(
    ("password", "problem"),
    [("", "empty"), ("x" * 73, "73 bytes"), ("\u00e9" * 37, "74 bytes"), ("a\0b", "NUL"), ("\ud800", "Unicode")],
)
def test_a_password_that_cannot_be_hashed_is_refused_without_showing_it(password: str, problem: str) -> None:
    with pytest.raises(_bcrypt.PasswordError, match=problem) as refusal:
        _bcrypt.hash_password(password, rounds=4)
    assert not password or password not in str(refusal.value)


@pytest.mark.parametrize("rounds", [3, 32, 0, -1, True, "8", 8.0])
def test_a_cost_outside_4_to_31_is_refused(rounds: object) -> None:
    with pytest.raises(_bcrypt.PasswordError, match="rounds"):
        _bcrypt.hash_password("x", rounds=rounds)  # type: ignore[arg-type]


@pytest.mark.parametrize("ident", ["2", "2x", "$2b$", "md5", ""])
def test_another_prefix_is_refused(ident: str) -> None:
    with pytest.raises(_bcrypt.PasswordError, match="ident"):
        _bcrypt.hash_password("x", ident=ident)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "$2x$08$" + "a" * 53,
        "$2b$08$" + "a" * 52,
        "$2b$08$" + "a" * 54,
        "$2b$03$" + "a" * 53,
        TEMPLATE_HASH + "\n",
    ],
)
def test_what_is_no_hash_is_none(text: str) -> None:
    assert not _bcrypt.is_bcrypt(text)
    assert not _bcrypt.verify("x", text)


def test_the_cost_of_what_is_no_hash_is_an_error_that_does_not_show_it() -> None:
    with pytest.raises(_bcrypt.PasswordError) as refusal:
        _bcrypt.cost("secret")
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("installed", "remedy"),
    [
        ([], r"-m pip install -r /\S+/requirements\.txt$"),
        (["libpass"], r"Ansible: /\S+ -m pip install --force-reinstall libpass$"),
        (["libpass", "passlib"], r"-m pip uninstall --yes passlib && /\S+ -m pip install --force-reinstall libpass$"),
    ],
    ids=["none", "passlib was removed", "both"],
)
def test_a_missing_library_is_named_with_what_to_run(monkeypatch, installed, remedy) -> None:
    monkeypatch.setattr(_bcrypt, "_IMPORT_ERROR", ImportError("No module named 'passlib.hash'"))
    monkeypatch.setattr(_bcrypt, "_is_installed", installed.__contains__)
    with pytest.raises(MissingLibraryError, match=rf"passlib(.|\n)*{remedy}"):
        _bcrypt.hash_password("x")


def test_pip_reports_the_library_that_is_used() -> None:
    assert [one for one in ("libpass", "passlib") if _bcrypt._is_installed(one)]
    assert not _bcrypt._is_installed("pifleet-no-such-package")


@pytest.mark.parametrize(
    "error, named",
    [
        (MissingBackendError("no backend"), "bcrypt"),
        (ModuleNotFoundError("No module named 'bcrypt'"), "bcrypt"),
        (ValueError("password cannot be longer than 72 bytes"), "libpass in place of passlib"),
    ],
    ids=["no backend", "no bcrypt", "passlib with bcrypt 5"],
)
def test_a_library_that_cannot_hash_is_as_good_as_missing(
    monkeypatch: pytest.MonkeyPatch, error: Exception, named: str
) -> None:
    def get_backend() -> str:
        raise error

    monkeypatch.setattr(_bcrypt, "bcrypt", types.SimpleNamespace(get_backend=get_backend))
    with pytest.raises(MissingLibraryError, match=f"{named} is missing"):
        _bcrypt.require_library()


@pytest.mark.parametrize(
    ("wanted", "stays"),
    [
        ({}, True),
        ({"rounds": 4}, True),
        ({"rounds": 6}, False),
        ({"ident_wanted": "2b"}, True),
        ({"ident_wanted": "2a"}, False),
        ({"password": "other"}, False),
        ({"hashed": "no hash"}, False),
    ],
)
def test_a_hash_can_stay_if_it_fits_the_password_the_cost_and_the_ident(wanted, stays):
    given = {"hashed": _bcrypt.hash_password("secret", rounds=5), "password": "secret", "rounds": 5}
    assert _bcrypt.can_stay(**given | wanted) is stays


def test_a_text_that_is_no_unicode_matches_no_hash():
    assert not _bcrypt.verify("\ud800", TEMPLATE_HASH)
