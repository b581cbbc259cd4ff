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
from ansible_collections.pifleet.nodered.plugins.module_utils._core import _program
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _pair
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._pair import Pair, Reader
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


def test_the_certificate_before_is_known_while_node_red_may_use_it(folder, reader):
    first, second = a_pair(), a_pair()
    assert _pair.earlier(folder) is None
    _pair.place(folder, first, reader)
    assert _pair.earlier(folder) is None
    _pair.place(folder, second, reader)
    earlier = _pair.earlier(folder)
    assert earlier.certificate == first.certificate
    assert 0 <= earlier.replaced < 60


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
    with pytest.raises(Failure, match=said) as caught:
        _pair.place(folder, bad, reader)
    assert "PRIVATE" not in str(caught.value)
    assert (_pair.placed(folder), files(folder)) == (good, before)


def test_a_weak_key_is_named(tmp_path):
    weak = AUTHORITY.issue("192.0.2.7", key=rsa.generate_private_key(65537, 1024))
    (tmp_path / "certificate.pem").write_text(weak.certificate)
    (tmp_path / "key.pem").write_text(weak.key)
    with pytest.raises(Failure, match="too weak"):
        _pair.from_files(str(tmp_path / "certificate.pem"), str(tmp_path / "key.pem"))


def test_a_key_that_the_service_cannot_read_is_seen(folder, reader):
    _pair.place(folder, a_pair(), reader)
    os.chmod(os.path.join(folder, "current", "key.pem"), 0o600)
    assert "cannot read" in _pair.why_unusable(folder, reader)


@pytest.fixture
def sources():
    """A folder of the user nobody with a pair in it, below folders that only root can change."""
    # Not below /tmp: there, others can put something in the place of what is gone.
    with tempfile.TemporaryDirectory(dir="/var/lib") as above:
        os.chmod(above, 0o755)
        folder = pathlib.Path(above) / "nobody"
        folder.mkdir()
        pair = a_pair()
        (folder / "c.pem").write_bytes(pair.certificate)
        (folder / "k.pem").write_bytes(pair.key)
        account = pwd.getpwnam("nobody")
        for path in (folder, folder / "c.pem", folder / "k.pem"):
            os.chown(path, account.pw_uid, account.pw_gid)
        (folder / "k.pem").chmod(0o600)
        yield folder


def read(folder):
    return _pair.from_files(str(folder / "c.pem"), str(folder / "k.pem"))


def roots_pair(folder):
    """A pair that only root can read, beside that folder."""
    pair, secret = a_pair(), folder.parent / "secret"
    secret.mkdir(mode=0o700)
    (secret / "c.pem").write_bytes(pair.certificate)
    (secret / "k.pem").write_bytes(pair.key)
    (secret / "k.pem").chmod(0o600)
    return secret, pair


def test_files_of_a_user_are_read_as_that_user(sources):
    assert b"PRIVATE" in read(sources).key


def test_files_of_root_are_read_by_root(sources):
    secret, pair = roots_pair(sources)
    assert read(secret) == pair
    link = sources.parent / "link"
    link.symlink_to(secret)
    assert read(link) == pair


@pytest.mark.parametrize("kind", ["symbolic link", "linked folder", "fifo", "folder", "too large", "hard link"])
def test_what_a_user_puts_in_the_place_of_its_files_reveals_nothing(sources, kind):
    secret, pair = roots_pair(sources)
    (sources / "k.pem").unlink()
    if kind == "symbolic link":
        (sources / "k.pem").symlink_to(secret / "k.pem")
    elif kind == "linked folder":
        (sources / "c.pem").unlink()
        sources.rmdir()
        sources.symlink_to(secret)
        os.lchown(sources, pwd.getpwnam("nobody").pw_uid, -1)
        sources.parent.chmod(0o1777)
    elif kind == "fifo":
        os.mkfifo(sources / "k.pem", 0o666)
    elif kind == "folder":
        (sources / "k.pem").mkdir()
    elif kind == "hard link":
        os.link(secret / "k.pem", sources / "k.pem")
    else:
        (sources / "k.pem").write_bytes(b"x" * (_pair.LARGEST + 1))
    started = time.monotonic()
    with pytest.raises(
        Failure, match="[ck].pem (cannot be read by user nobody|is not a regular file|has more than)"
    ) as caught:
        read(sources)
    assert time.monotonic() - started < 5
    assert "PRIVATE" not in str(caught.value)


def test_a_user_that_exchanges_a_link_all_the_time_gets_no_key_of_roots(sources):
    """With a certificate of root's, which is no secret, the user has a pair whenever the link leads to root's key."""
    secret, pair = roots_pair(sources)
    (sources / "c.pem").write_bytes(pair.certificate)
    (sources / "k.pem").rename(sources / "own.pem")
    swap = "until [ -e end ]; do for to in own.pem $0; do ln -sfn $to new && mv -T new k.pem; done; done"
    attacker = subprocess.Popen(["bash", "-c", swap, secret / "k.pem"], cwd=sources, user="nobody")
    try:
        for _round in range(30):
            with pytest.raises(Failure):
                read(sources)
    finally:
        # A signal would leave the program that it runs at this moment.
        (sources / "end").touch()
        attacker.wait(timeout=10)


def test_a_folder_that_a_group_can_write_is_rejected(sources):
    os.chown(sources, 0, pwd.getpwnam("nobody").pw_gid)
    sources.chmod(0o775)
    with pytest.raises(Failure, match="Users other than root can write(.|\n)*chmod go-w"):
        read(sources)


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
    with pytest.raises(Failure, match="does not belong"):
        _pair.follow(folder, str(tmp_path / "c"), str(tmp_path / "k"), reader, patience=0)
    assert _pair.placed(folder) == good


@pytest.mark.parametrize(
    "names, placed",
    [(["192.0.2.7"], True), (["192.0.2.7", "pi.local"], True), (["pi.local"], False)],
    ids=["the same", "one more", "another"],
)
def test_a_certificate_for_other_names_is_no_renewal(folder, reader, tmp_path, names, placed):
    _pair.place(folder, a_pair(), reader)
    before = _pair.placed(folder)
    issued = AUTHORITY.issue(*names)
    (tmp_path / "c").write_text(issued.certificate)
    (tmp_path / "k").write_text(issued.key)
    if placed:
        assert _pair.follow(folder, str(tmp_path / "c"), str(tmp_path / "k"), reader, patience=0)
    else:
        with pytest.raises(Failure, match="no renewal(.|\n)*not made for 192.0.2.7(.|\n)*run the role tls again"):
            _pair.follow(folder, str(tmp_path / "c"), str(tmp_path / "k"), reader, patience=0)
        assert _pair.placed(folder) == before


def test_a_certificate_of_another_issuer_is_no_renewal(folder, reader, tmp_path):
    _pair.place(folder, a_pair(), reader)
    other = Authority("Somebody else").issue("192.0.2.7")
    (tmp_path / "c").write_text(other.certificate)
    (tmp_path / "k").write_text(other.key)
    with pytest.raises(Failure, match="issued by Somebody else"):
        _pair.follow(folder, str(tmp_path / "c"), str(tmp_path / "k"), reader, patience=0)


def test_the_program_that_is_left_on_a_machine_runs_alone(folder, tmp_path, reader):
    pair = a_pair()
    program = tmp_path / "follow-certificate"
    program.write_bytes(_program.archive(_pair.__name__))
    (tmp_path / "c").write_bytes(pair.certificate)
    (tmp_path / "k").write_bytes(pair.key)
    options = {"folder": folder, "certificate": tmp_path / "c", "key": tmp_path / "k", "user": "nobody"}
    options |= {"group": reader.group, "node": NODE}
    words = [str(word) for name, value in options.items() for word in ("--" + name, value)]
    done = subprocess.run([sys.executable, "-I", program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert _pair.placed(folder) == pair
