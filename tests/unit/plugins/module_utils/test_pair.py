# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pair is placed as a whole or not at all."""

from __future__ import annotations

import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils import _pair
from ansible_collections.pifleet.nodered.plugins.module_utils._pair import Pair, PairError, Reader
from ansible_collections.pifleet.nodered.tests.certificates import Authority, pem
from cryptography.hazmat.primitives.asymmetric import ec, rsa

AUTHORITY = Authority()
NODE = shutil.which("node")

pytestmark = [
    pytest.mark.skipif(NODE is None, reason="Node.js tries out every pair"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away"),
]


def a_pair(**options) -> Pair:
    issued = AUTHORITY.issue("192.0.2.7", **options)
    return Pair(issued.certificate.encode(), issued.key.encode())


@pytest.fixture
def folder():
    # Not below tmp_path: every other pytest that starts closes the folder of all of them to the user nobody.
    with tempfile.TemporaryDirectory() as above:
        os.chmod(above, 0o755)
        yield os.path.join(above, "nodered-tls", "nodered")


@pytest.fixture
def reader():
    account = pwd.getpwnam("nobody")
    return Reader("nobody", str(account.pw_gid), NODE)


def files(folder):
    return {str(path.relative_to(folder)) for path in pathlib.Path(folder).rglob("*")}


def test_a_pair_is_placed_for_the_service_alone(folder, reader):
    pair = a_pair()
    _pair.place(folder, pair, reader)
    assert _pair.placed(folder) == pair
    key = os.stat(os.path.join(folder, "current", "key.pem"))
    assert (key.st_uid, key.st_gid, key.st_mode & 0o777) == (0, reader.gid, 0o640)
    assert os.stat(folder).st_mode & 0o777 == 0o750
    assert _pair.why_unusable(folder, reader) == ""


def test_a_machine_without_a_clock_takes_a_pair_that_seems_not_valid_yet(folder, reader):
    """As in 1970: dates are judged on the controller, and by visitors."""
    pair = a_pair(since=20000, until=20300)
    _pair.place(folder, pair, reader)
    assert _pair.placed(folder) == pair
    assert _pair.why_unusable(folder, reader) == ""


def test_the_pair_before_stays_and_older_ones_go(folder, reader):
    for _round in range(4):
        _pair.place(folder, a_pair(), reader)
    assert len(_pair.versions(folder)) == 2


@pytest.mark.parametrize(
    "bad, said",
    [
        (Pair(a_pair().certificate, a_pair().key), "does not belong"),
        (Pair(a_pair().certificate[:-60], a_pair().key), "damaged"),
        (a_pair()._replace(key=b""), "damaged"),
        (a_pair()._replace(key=pem(ec.generate_private_key(ec.SECP256R1()), "secret").encode()), "passphrase"),
    ],
    ids=["mismatched", "half a certificate", "no key", "protected key"],
)
def test_a_bad_pair_leaves_the_old_one_and_nothing_else(folder, reader, bad, said):
    _pair.place(folder, a_pair(), reader)
    good, before = _pair.placed(folder), files(folder)
    with pytest.raises(PairError, match=said) as caught:
        _pair.place(folder, bad, reader)
    assert "PRIVATE" not in str(caught.value)
    assert (_pair.placed(folder), files(folder)) == (good, before)


def test_a_weak_key_is_named(tmp_path):
    weak = AUTHORITY.issue("192.0.2.7", key=rsa.generate_private_key(65537, 1024))
    (tmp_path / "certificate.pem").write_text(weak.certificate)
    (tmp_path / "key.pem").write_text(weak.key)
    with pytest.raises(PairError, match="too weak"):
        _pair.from_files(str(tmp_path / "certificate.pem"), str(tmp_path / "key.pem"))


def test_a_key_that_the_service_cannot_read_is_seen(folder, reader):
    _pair.place(folder, a_pair(), reader)
    os.chmod(os.path.join(folder, "current", "key.pem"), 0o600)
    assert "cannot read" in _pair.why_unusable(folder, reader)


def test_a_renewal_that_comes_in_halves_is_waited_for(folder, reader, tmp_path):
    old, new = a_pair(), a_pair()
    certificate, key = tmp_path / "fullchain.pem", tmp_path / "privkey.pem"
    certificate.write_bytes(old.certificate)
    key.write_bytes(new.key)

    def other_half():
        time.sleep(1.5)
        certificate.write_bytes(new.certificate)

    writer = threading.Thread(target=other_half)
    writer.start()
    assert _pair.follow(folder, str(certificate), str(key), reader, patience=10)
    writer.join()
    assert _pair.placed(folder) == new
    assert not _pair.follow(folder, str(certificate), str(key), reader, patience=0)


def test_a_renewal_that_stays_half_leaves_the_old_pair(folder, reader, tmp_path):
    _pair.place(folder, a_pair(), reader)
    good = _pair.placed(folder)
    (tmp_path / "c").write_bytes(a_pair().certificate)
    (tmp_path / "k").write_bytes(a_pair().key)
    with pytest.raises(PairError, match="does not belong"):
        _pair.follow(folder, str(tmp_path / "c"), str(tmp_path / "k"), reader, patience=0)
    assert _pair.placed(folder) == good


def test_the_program_that_is_left_on_a_machine_runs_alone(folder, tmp_path, reader):
    pair = a_pair()
    program = tmp_path / "follow-certificate"
    program.write_text(pathlib.Path(_pair.__file__).read_text())
    (tmp_path / "c").write_bytes(pair.certificate)
    (tmp_path / "k").write_bytes(pair.key)
    options = {"folder": folder, "certificate": tmp_path / "c", "key": tmp_path / "k", "user": "nobody"}
    options |= {"group": reader.group, "node": NODE}
    words = [str(word) for name, value in options.items() for word in ("--" + name, value)]
    done = subprocess.run([sys.executable, "-I", program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert _pair.placed(folder) == pair
