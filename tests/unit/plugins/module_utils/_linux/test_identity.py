# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import threading
import time

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._files._files import Attributes
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _identity
from ansible_collections.pifleet.nodered.tests.open_files import open_files

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can work as another user")

NOBODY = _identity.of("nobody")
RIGHTS = Attributes(NOBODY.uid, NOBODY.gid, 0o644, {})


@pytest.fixture
def home(tmp_path, open_folders):
    """A folder of the user's, in one that only root can change."""
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, NOBODY.uid, NOBODY.gid)
    return home


def give(*paths):
    for path in paths:
        os.chown(path, NOBODY.uid, NOBODY.gid, follow_symlinks=False)


def _who():
    return [os.getresuid(), os.getresgid(), os.getgroups()]


def test_a_child_has_given_up_root_for_good():
    uids, gids, groups = NOBODY.run(_who)
    assert (uids, gids) == ([NOBODY.uid] * 3, [NOBODY.gid] * 3)
    assert groups == list(NOBODY.groups)
    with pytest.raises(PermissionError):
        NOBODY.run(os.setuid, 0)
    assert os.getuid() == 0


def _fail(error):
    raise error


def test_what_goes_wrong_in_the_child_is_raised_here():
    with pytest.raises(Failure, match="why\nremedy"):
        NOBODY.run(_fail, Failure("why", "remedy"))
    with pytest.raises(FileNotFoundError) as error:
        NOBODY.run(os.stat, "/no/such/file")
    assert error.value.filename == "/no/such/file"


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_a_child_that_the_user_stops_or_kills_is_an_error_in_time(monkeypatch, number):
    monkeypatch.setattr(_identity, "SECONDS", 1)
    started = time.monotonic()
    with pytest.raises(Failure, match="stopped or killed"):
        NOBODY.run(_signal_oneself, number)
    assert time.monotonic() - started < 10


def _signal_oneself(number):
    os.kill(os.getpid(), number)


def test_a_user_that_did_not_respond_is_not_asked_again(monkeypatch):
    monkeypatch.setattr(_identity, "SECONDS", 0.5)
    with pytest.raises(Failure):
        NOBODY.run(_signal_oneself, signal.SIGSTOP)
    monkeypatch.setattr(_identity, "SECONDS", 20)
    started = time.monotonic()
    with pytest.raises(Failure, match="stopped or killed"):
        NOBODY.run(_signal_oneself, signal.SIGSTOP)
    assert time.monotonic() - started < 10


def test_a_child_works_while_this_process_goes_on():
    begin = time.monotonic()
    children = [_identity.current().start(_slowly, 0.5, number) for number in (1, 2)]
    assert time.monotonic() - begin < 0.4
    assert [child.result(5) for child in children] == [1, 2]
    with pytest.raises(FileNotFoundError):
        NOBODY.start(os.stat, "/no/such/file").result(5)


def test_a_child_that_takes_too_long_or_is_not_needed_is_ended():
    late, unneeded = (_identity.current().start(_slowly, 60, 1) for _each in range(2))
    with pytest.raises(Failure, match="stopped or killed"):
        late.result(0.1)
    unneeded.end()
    unneeded.end()
    for child in (late, unneeded):
        with pytest.raises(ProcessLookupError):
            os.kill(child.child, 0)
    assert NOBODY.run(os.getuid) == NOBODY.uid, "another one is still asked"


def _slowly(seconds, result):
    time.sleep(seconds)
    return result


def test_a_user_that_delays_each_child_is_not_waited_for_again_and_again(monkeypatch):
    monkeypatch.setattr(_identity, "ALL_SECONDS", 0.5)
    with pytest.raises(Failure, match="stopped or killed"):
        for _child in range(10):
            NOBODY.run(time.sleep, 0.2)
    _identity.give_time_again()
    assert NOBODY.run(_who)


def test_a_child_has_no_descriptors_of_its_parent(tmp_path):
    with open(tmp_path / "lock", "w") as lock:
        os.set_inheritable(lock.fileno(), True)
        found = NOBODY.run(open_files)
    assert str(tmp_path / "lock") not in found
    assert [target for target in found if target == os.devnull] == [os.devnull] * 3


def test_the_user_cannot_look_into_the_child():
    """Else it could take the answer over, or the descriptors that the child has from root."""
    assert NOBODY.run(_looks_into_another) == "denied"


def _looks_into_another():
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.listdir(f"/proc/{os.getppid()}/fd")
            os.write(writable, b"open")
        except PermissionError:
            os.write(writable, b"denied")
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    return os.read(readable, 10).decode()


@pytest.mark.parametrize(
    "path, expected",
    [
        ("/usr/bin/env", False),
        ("/etc/no-such-file", False),
        ("/tmp/no-such-file", True),
        ("/proc/self/cmdline", True),
    ],
)
def test_only_in_folders_of_root_no_path_can_be_exchanged(path, expected):
    assert _identity.exchangeable(path) is expected


def test_a_folder_of_the_user_anywhere_on_the_way_makes_a_path_exchangeable(home):
    inner = home / "inner"
    inner.mkdir()
    (inner / "file").touch()
    assert not _identity.exchangeable(str(home))
    assert _identity.exchangeable(str(inner))
    assert _identity.exchangeable(str(inner / "file"))
    assert _identity.exchangeable(str(home / "missing"))
    assert not _identity.only_root_can_change(str(home))
    assert not _identity.only_root_can_change(str(home.parent / "missing"))


def test_links_are_followed_as_the_kernel_does(home, tmp_path):
    (home / "to-etc").symlink_to("/etc/passwd")
    (tmp_path / "to-home").symlink_to("home")
    (tmp_path / "up").symlink_to("to-home/../home/x/../..")
    (tmp_path / "loop").symlink_to("loop")
    assert _identity.exchangeable(str(home / "to-etc")), "the user can exchange the link"
    assert not _identity.exchangeable(str(tmp_path / "to-home"))
    assert _identity.exchangeable(str(tmp_path / "to-home" / "file"))
    assert _identity.exchangeable(str(tmp_path / "up"))
    assert _identity.exchangeable(str(tmp_path / "loop"))


def test_in_a_sticky_folder_only_the_owner_can_exchange_an_entry(tmp_path, open_folders):
    tmp_path.chmod(0o1777)
    (tmp_path / "of-root").mkdir()
    (tmp_path / "of-user").mkdir()
    give(tmp_path / "of-user")
    assert not _identity.exchangeable(str(tmp_path / "of-root" / "file"))
    assert _identity.exchangeable(str(tmp_path / "of-user" / "file"))


def test_a_path_is_worked_on_as_the_owner_of_the_first_folder_that_is_not_roots(home, tmp_path):
    (home / "link").symlink_to(tmp_path)
    assert _identity.owner(str(home / "settings.js")).uid == NOBODY.uid
    assert _identity.owner(str(home / "link" / "settings.js")).uid == NOBODY.uid
    assert _identity.owner(str(tmp_path / "settings.js")) is None
    tmp_path.chmod(0o777)
    with pytest.raises(Failure, match="option user"):
        _identity.owner(str(tmp_path / "settings.js"))


@contextlib.contextmanager
def exchanging(first: pathlib.Path, second: pathlib.Path):
    """The user exchanges two names as fast as possible."""
    ended = threading.Event()

    def exchange():
        spare = first.with_name("spare")
        while not ended.is_set():
            with contextlib.suppress(OSError):
                first.rename(spare)
                second.rename(first)
                spare.rename(second)

    thread = threading.Thread(target=exchange)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_a_user_who_exchanges_a_folder_gets_nothing_into_one_of_roots(home, tmp_path):
    target = tmp_path / "of-root"
    target.mkdir()
    folder, link = home / ".node-red", home / "link"
    folder.mkdir()
    link.symlink_to(target)
    (folder / "settings.js").write_text("old")
    give(folder, folder / "settings.js", link)
    with exchanging(folder, link):
        for _round in range(60):
            with contextlib.suppress(Failure):
                content = _files.read(str(folder / "settings.js"), NOBODY)
                _files.back_up(content, NOBODY)
            with contextlib.suppress(Failure):
                _files.replace(str(folder / "settings.js"), b"new", RIGHTS, NOBODY)
            with contextlib.suppress(Failure):
                _files.make_link(str(folder / "link.js"), "/etc/passwd", NOBODY)
    assert os.listdir(target) == []


def test_a_user_who_exchanges_a_file_gets_none_of_roots(home, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("of root")
    victim.chmod(0o600)
    file, link = home / "settings.js", home / "link"
    file.write_text("old")
    link.symlink_to(victim)
    give(file, link)
    with exchanging(file, link):
        for _round in range(60):
            with contextlib.suppress(Failure):
                assert _files.read(str(file), NOBODY).data != b"of root"
            with contextlib.suppress(Failure):
                _files.replace(str(file), b"new", RIGHTS, NOBODY)
    assert (victim.read_text(), victim.owner()) == ("of root", "root")


def test_a_group_that_the_user_is_not_in_stays(home):
    path = home / "settings.js"
    path.write_text("old")
    os.chown(path, NOBODY.uid, 4321)
    _files.replace(str(path), b"new", _files.read(str(path), NOBODY).attributes, NOBODY)
    assert (path.read_text(), path.stat().st_uid, path.stat().st_gid) == ("new", NOBODY.uid, 4321)


def test_a_group_is_given_to_the_very_file_alone(home, tmp_path):
    victim = tmp_path / "victim"
    victim.touch()
    path = home / "new"
    path.touch()
    give(path)
    _files._give_group(str(path), 4321, NOBODY, path.stat().st_ino + 1)
    assert path.stat().st_gid == NOBODY.gid
    path.unlink()
    path.symlink_to(victim)
    _files._give_group(str(path), 4321, NOBODY, victim.stat().st_ino)
    assert victim.stat().st_gid == 0


@pytest.mark.parametrize("kind", ["fifo", "large", "device"])
def test_a_file_that_would_block_or_never_end_is_an_error_at_once(home, monkeypatch, kind):
    path = home / "settings.js"
    monkeypatch.setattr(_files, "LARGEST", 1000)
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "large":
        path.write_bytes(b"x" * 1001)
    else:
        path.symlink_to("/dev/zero")
    started = time.monotonic()
    with pytest.raises(Failure, match="not a regular file|KiB"):
        _files.read(str(path), NOBODY)
    assert _files.text(str(path), NOBODY, 1000) == ""
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "", '{"a": 1' + "0" * 5000 + "}"])
def test_what_is_no_usable_json_is_none(home, text):
    path = home / "package.json"
    path.write_text(text)
    path.chmod(0o644)
    assert _files.json_of(str(path), NOBODY) is None
