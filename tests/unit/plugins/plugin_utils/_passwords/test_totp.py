# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets, codes and recovery codes of two-step logins, and what an app, a host and the controller get of them."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import sys
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core._totp import code, from_text, step_at, to_text
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords import _totp, _totp_files
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords._totp import Enrolment, TotpError

RFC = b"12345678901234567890"
ADA = Enrolment(RFC, ("abcd-efgh-jkmn-pqrs", "tuvw-xyza-bcde-fghj"))


def counted(purpose, number):
    """Bytes that depend on the purpose alone, as those that are derived from a secret."""
    return hashlib.shake_256(purpose.encode()).digest(number)


# RFC 6238, appendix B, the last six digits of SHA-1.
@pytest.mark.parametrize(
    ("seconds", "digits"),
    [
        *((59, "287082"), (1111111109, "081804"), (1111111111, "050471")),
        *((1234567890, "005924"), (2000000000, "279037"), (20000000000, "353130")),
    ],
)
def test_a_code_is_that_of_the_rfc(seconds, digits):
    assert code(RFC, step_at(seconds)) == digits


@pytest.mark.parametrize("length", [10, 16, 20, 32])
def test_a_secret_is_base32_text_with_or_without_padding(length):
    secret = bytes(range(length))
    assert from_text(to_text(secret)) == secret
    assert from_text(f" {to_text(secret).lower()}==== \n") == secret


@pytest.mark.parametrize("text", ["1", "ABC!", "A", "é"])
def test_other_text_is_rejected_and_not_repeated(text):
    with pytest.raises(ValueError, match="^the text is not Base32$"):
        from_text(text)


def test_a_new_enrolment_depends_on_the_bytes_alone():
    first, again, other = (Enrolment.new(user, counted) for user in ("ada", "ada", "bob"))
    assert first == again
    assert len(first.secret) == 20
    assert first.secret != other.secret
    assert len({*first.recovery_codes, *other.recovery_codes}) == 16
    assert all(_totp.RECOVERY_CODE.fullmatch(each) for each in first.recovery_codes)


def test_no_secret_is_in_a_representation():
    assert "1234" not in repr(ADA)
    assert "abcd" not in repr(ADA)


def test_a_host_gets_the_secret_and_hashes_of_the_recovery_codes():
    text = _totp.host_text({"bob": Enrolment.new("bob", counted), "ada": ADA})
    ada, bob = json.loads(text)["users"]
    assert (ada["username"], bytes.fromhex(ada["secret"])) == ("ada", RFC)
    assert ada["recovery"][0] == hmac.new(RFC, b"abcd-efgh-jkmn-pqrs", "sha256").hexdigest()
    assert len(bob["recovery"]) == 8
    assert "abcd" not in text
    assert text == _totp.host_text({"ada": ADA, "bob": Enrolment.new("bob", counted)})


@pytest.mark.parametrize("users", [["ada"], ["ada", 'b"o]b', "é, x"], ["__proto__"]])
def test_the_users_are_read_from_the_setting_again(users):
    value = _totp.setting(users, "/home/pi/.node-red/.pifleet-two-step-nodered.json")
    assert _totp.is_ours(value)
    assert _totp.users_in(value) == users
    assert value["$js"].isascii()


def test_the_users_are_read_from_a_file_that_was_formatted_anew():
    assert _totp.users_in({"$js": "require('./pifleet-two-step.js')\n  .forUsers(\n  [\n\"ada\" ], 'x')"}) == ["ada"]


@pytest.mark.parametrize(
    "value",
    [
        *(None, "x", {"$js": "f()"}, {"$js": "require('./pifleet-two-step.js').forUsers(x)"}),
        *({"$js": "require('./pifleet-two-step.js').forUsers(" + more} for more in ("[" * 100_000, "7)", "[1, {}])")),
    ],
)
def test_other_code_has_no_users(value):
    assert _totp.users_in(value) == []


def test_the_address_for_an_app_names_host_and_user():
    parts = urlsplit(_totp.uri(ADA, host="kitchen:1 ü", user="ada/x"))
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert unquote(parts.path) == "/Node-RED kitchen-1 ü:ada/x"
    assert parse_qs(parts.query) == {"secret": [to_text(RFC)], "issuer": ["Node-RED kitchen-1 ü"]}


def test_what_the_controller_keeps_is_read_again():
    text = _totp.record(ADA, host="pi1", user="ada")
    assert _totp.from_record(text) == ADA
    assert _totp.from_record(text.replace("\n", "\r\n")) == ADA
    assert _totp.from_record(text.replace("abcd-efgh-jkmn-pqrs\n", "")).recovery_codes == ADA.recovery_codes[1:]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("otpauth://", "", "one line that begins with otpauth"),
        ("secret=", "secret=1", "must be Base32"),
        (to_text(RFC), "ABCD", "at least 160 bits"),
        ("-", "", "at least one recovery code"),
    ],
)
def test_a_damaged_text_is_rejected_and_not_repeated(old, new, message):
    text = _totp.record(ADA, host="pi1", user="ada").replace(old, new)
    with pytest.raises(TotpError, match=message) as error:
        _totp.from_record(text)
    assert to_text(RFC) not in str(error.value)


def test_a_terminal_and_a_picture_show_the_same_qr_code():
    address = _totp.uri(ADA, host="pi1", user="ada")
    lines = _totp.terminal_code(address).splitlines()
    halves = {" ": (1, 1), "▀": (0, 1), "▄": (1, 0), "█": (0, 0)}
    shown = [[halves[each][half] for each in line] for line in lines for half in (0, 1)]
    import segno

    drawn = [list(row) for row in segno.make_qr(address, error="m").matrix_iter(border=4)]
    assert [[int(bool(dot)) for dot in row] for row in drawn] == shown[: len(drawn)]
    picture = _totp.svg_code(address)
    assert picture.startswith("<?xml")
    assert 'stroke="#000"' in picture
    assert to_text(RFC) not in picture


def test_names_that_fill_no_qr_code_are_an_error():
    with pytest.raises(TotpError, match="too long for a QR code"):
        _totp.record(ADA, host="pi1", user="a" * 3000)


def test_a_missing_library_is_an_error_with_a_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "segno", None)
    with pytest.raises(TotpError, match="pip install segno"):
        _totp.record(ADA, host="pi1", user="ada")


def test_a_service_gives_the_name_of_its_file():
    assert _totp.host_file("nodered") == ".pifleet-two-step-nodered.json"
    assert re.fullmatch(r"[.\w-]+", _totp.host_file("node\\x2dred/../x"))
    assert "/" not in _totp.host_file("a/b")


# The files of the controller


def kept(enrolment=ADA, replaces=""):
    return {"record": _totp.record(enrolment, host="pi1", user="ada"), "picture": "<svg/>", "replaces": replaces}


@pytest.mark.parametrize("user", ["ada", "../eve", "a b@c", ".", "..", "é"])
def test_each_user_has_a_file_in_the_folder_of_the_host(tmp_path, user):
    path = _totp_files.path_of(str(tmp_path / "pi1"), user)
    _totp_files.keep(path, **kept())
    assert _totp_files.read(path) == ADA
    files = sorted((tmp_path / "pi1").iterdir())
    assert [file.name[-4:] for file in files] == [".svg", ".txt"]
    assert len({file.name[:-4] for file in files}) == 1
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert (tmp_path / "pi1").stat().st_mode & 0o777 == 0o700


def test_two_users_never_share_a_file():
    names = ["ada", "Ada", "ada%20", "ada ", "a/b", "a%2Fb", "ada.txt"]
    assert len({_totp_files.path_of("x", name) for name in names}) == len(names)


def test_keeping_it_again_changes_nothing_and_another_secret_is_kept(tmp_path):
    path = str(tmp_path / "ada.txt")
    assert _totp_files.read(path) is None
    _totp_files.keep(path, **kept())
    (tmp_path / "ada.svg").unlink()
    _totp_files.keep(path, **kept())
    assert not (tmp_path / "ada.svg").exists()
    other = Enrolment.new("ada", counted)
    with pytest.raises(TotpError, match="Another run has written"):
        _totp_files.keep(path, **kept(other))
    _totp_files.keep(path, **kept(other, replaces=ADA.secret_text))
    assert _totp_files.read(path) == other


@pytest.mark.parametrize("content", [b"", b"\xff", b"otpauth://totp/x?secret=AAAA\n"])
def test_a_damaged_file_is_an_error_that_names_it(tmp_path, content):
    (tmp_path / "ada.txt").write_bytes(content)
    with pytest.raises(TotpError, match=r"ada\.txt.*nodered_login_totp_renew") as error:
        _totp_files.read(str(tmp_path / "ada.txt"))
    assert "AAAA" not in str(error.value)


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TotpError, match="Make that folder writable"):
        _totp_files.keep(str(tmp_path / "file" / "ada.txt"), **kept())
