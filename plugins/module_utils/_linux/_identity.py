# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: the user with whose rights a path is read and written.

The service user can exchange every folder and every file below a folder of its own at any time, also between a check
and what follows it. So root never works on such a path: a child process does that has given up root for good, and the
kernel decides what it may do.
"""

from __future__ import annotations

import contextlib
import dataclasses
import grp
import json
import os
import pwd
import select
import signal
import stat
import time
from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils._core import _descriptors
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import REPORT_ISSUE, Failure

# The service user can stop (SIGSTOP) a process that runs as that user, and let it continue, again and again.
SECONDS = 20
ALL_SECONDS = 60
# More than the largest file that is read, in Base64.
ANSWER_LIMIT = 64 * 1024 * 1024
# How long the end of a killed child is waited for. One that hangs in a file system of the user's (FUSE) does not end.
END_SECONDS = 2
# Users whose child did not respond in time. The next one would take as long.
_silent: Set[int] = set()
# How long the children of each user have been waited for.
_waited: Dict[int, float] = {}
# As many links as the kernel follows (path_resolution(7)).
MOST_LINKS = 40


@dataclasses.dataclass(frozen=True)
class Identity:
    """A user with the groups that its processes have."""

    name: str
    uid: int
    gid: int
    groups: Tuple[int, ...]

    def become(self) -> None:
        """Turn this process into one of that user for good. For a new process only."""
        os.umask(0o077)
        if os.geteuid() == 0:
            os.setgroups(self.groups)
            os.setresgid(self.gid, self.gid, self.gid)
            os.setresuid(self.uid, self.uid, self.uid)

    def run(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """What `work` returns (anything that JSON can hold), called in a child process of this user.

        Raises the Failure or OSError that `work` raises, and Failure where it does not end in time: SECONDS for each,
        and ALL_SECONDS for all of this user together.
        """
        if self.uid in _silent:
            raise self._silent_failure()
        begun, waited = time.monotonic(), _waited.get(self.uid, 0.0)
        answer = self.start(work, *arguments).answer(min(SECONDS, ALL_SECONDS - waited))
        _waited[self.uid] = waited + time.monotonic() - begun
        if answer is None or _waited[self.uid] > ALL_SECONDS:
            _silent.add(self.uid)
        return self.understood(answer)

    def start(self, work: Callable[..., Any], *arguments: Any) -> "Started":
        """As `run`, while this process goes on with something else. The child must be ended, or its result taken."""
        readable, writable = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                # A child that hangs would hold the locks and the output of this process.
                _descriptors.redirect_streams_to_null()
                _descriptors.close_all_but(writable)
                _answer(writable, self, work, arguments)
            finally:
                os._exit(0)
        os.close(writable)
        return Started(self, child, readable)

    def _silent_failure(self) -> Failure:
        return Failure(
            "The processes of user %s were stopped or killed while this collection worked on its files." % self.name,
            "Look at what runs as that user (ps -fu %s) and at its file systems, then run again." % self.name,
        )

    def understood(self, answer: Optional[bytes]) -> Any:
        """The result in a child's answer. Raises what `run` raises."""
        try:
            found = json.loads(answer or b"")
        except ValueError:
            raise self._silent_failure() from None
        if "failure" in found:
            raise Failure(*found["failure"])
        if "error" in found:
            raise OSError(*found["error"])
        if "unexpected" in found:
            raise Failure(
                "Something unexpected happened with the files of user %s: %s" % (self.name, found["unexpected"]),
                REPORT_ISSUE,
            )
        return found["result"]


@dataclasses.dataclass
class Started:
    """A child process that works for this one."""

    identity: Identity
    child: int
    readable: int
    ended: bool = False

    def result(self, seconds: float) -> Any:
        """As `Identity.run`, but the child has `seconds` from now on. One that takes longer says nothing of others."""
        return self.identity.understood(self.answer(seconds))

    def answer(self, seconds: float) -> Optional[bytes]:
        """What the child writes; None where it takes longer, or is too much. It has ended afterwards."""
        try:
            return _received(self.readable, seconds)
        finally:
            self.end()

    def end(self) -> None:
        """Kill the child, if it has not ended."""
        if not self.ended:
            self.ended = True
            os.close(self.readable)
            _end(self.child)


def give_time_again() -> None:
    """Start the time limits of all users again from now on."""
    _silent.clear()
    _waited.clear()


def _end(child: int) -> None:
    """Kill the child, and wait for its end for a while."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    deadline, pause = time.monotonic() + END_SECONDS, 0.0002
    while os.waitpid(child, os.WNOHANG)[0] == 0 and time.monotonic() < deadline:
        time.sleep(pause)
        pause = min(2 * pause, 0.005)


def _answer(writable: int, identity: Identity, work: Callable[..., Any], arguments: Sequence[Any]) -> None:
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    try:
        identity.become()
        found: Dict[str, Any] = {"result": work(*arguments)}
    except Failure as failure:
        found = {"failure": [failure.problem, failure.remedy]}
    except OSError as error:
        found = {"error": [error.errno, error.strerror, error.filename]}
    except Exception as error:
        found = {"unexpected": repr(error)}
    _descriptors.write_all(writable, json.dumps(found).encode())


def _received(readable: int, seconds: float) -> Optional[bytes]:
    """All that is written to the pipe; None where it takes longer, or is too much."""
    deadline, answer = time.monotonic() + seconds, bytearray()
    while len(answer) <= ANSWER_LIMIT:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([readable], [], [], left)[0]:
            return None
        piece = os.read(readable, 1 << 20)
        if not piece:
            return bytes(answer)
        answer += piece
    return None


def account(name: str) -> pwd.struct_passwd:
    """The account of this name or number; a Failure when there is none."""
    try:
        return pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except KeyError:
        raise Failure(
            "There is no user %s on this machine." % name,
            "Correct User= of the service (systemctl edit) or the user that was given.",
        ) from None


def group_id(name: str) -> int:
    try:
        return int(name) if name.isdigit() else grp.getgrnam(name).gr_gid
    except KeyError:
        raise Failure(
            "There is no group %s on this machine." % name, "Correct Group= of the service (systemctl edit)."
        ) from None


def name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return "the user with number %d" % uid


def group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def of(user: str, group: Optional[str] = None, supplementary_groups: Sequence[str] = ()) -> Identity:
    """The identity of this account, as systemd gives it to a service with these User=, Group=, SupplementaryGroups=.

    Raises Failure if this process cannot become that user.
    """
    found = account(user)
    gid = group_id(group) if group else found.pw_gid
    if os.geteuid() not in (0, found.pw_uid):
        raise Failure(
            "The files of user %s must be changed with the rights of that user, and only root can take these on."
            % found.pw_name,
            "Run the task with become: true.",
        )
    groups = os.getgrouplist(found.pw_name, gid) + [group_id(name) for name in supplementary_groups]
    return Identity(found.pw_name, found.pw_uid, gid, tuple(dict.fromkeys(groups)))


def current() -> Identity:
    """The identity of this process."""
    return Identity(name_of(os.geteuid()), os.geteuid(), os.getegid(), tuple(os.getgroups()))


def for_path(path: str, user: Identity) -> Optional[Identity]:
    """As whom this path is worked on: None (this process itself) where only root can change where the path leads.

    `path` must be one that root chose (an option, a unit file). One that a program of `user` chose is always worked on
    as `user`.
    """
    return user if exchangeable(path) else None


def owner(path: str) -> Optional[Identity]:
    """As whom a path that root chose is worked on where no service says so: the owner of the first folder on the way
    that is not root's; None where only root can change where the path leads.
    """
    folder = _first_exchangeable_folder(path)
    if folder is None:
        return None
    uid = os.lstat(folder).st_uid
    if uid == 0:
        raise Failure(
            "Users other than root can write to the folder %s, and so exchange %s." % (folder, path),
            "Name the user that works with this file (option user), or let only root write there: chmod go-w %s"
            % folder,
        )
    return of(str(uid))


def only_root_can_change(path: str) -> bool:
    """Whether there is a file or folder at this path, and only root can change it and where the path leads."""
    try:
        return not exchangeable(path) and _only_root_can_write(os.stat(path))
    except OSError:
        return False


def exchangeable(path: str) -> bool:
    """Whether users other than root can make this path lead elsewhere: by another file, folder or link in one of the
    folders that it leads through. The last part may be missing.
    """
    return _first_exchangeable_folder(path) is not None


def _first_exchangeable_folder(path: str) -> Optional[str]:
    """The first folder on the way, links included, in which users other than root can exchange the next part."""
    folder, parts = "/", _parts(os.path.join(os.getcwd(), path))
    links = 0
    while parts:
        name = parts.pop(0)
        here = os.path.join(folder, name)
        try:
            state = os.lstat(here)
        except FileNotFoundError:
            return None if _only_root_can_write(os.lstat(folder)) else folder
        except (NotADirectoryError, PermissionError):
            return folder
        if state.st_dev == os.lstat("/proc").st_dev:
            # The content of such a file is the choice of a process, not of the owner of the file.
            return here
        if not _only_root_can_exchange(state, os.lstat(folder)):
            return here if os.lstat(folder).st_mode & stat.S_ISVTX else folder
        if stat.S_ISLNK(state.st_mode):
            links += 1
            if links > MOST_LINKS:
                return folder
            # Relative to its folder, or from the root; `..` after it counts from where the link leads.
            target = os.readlink(here)
            folder, parts = ("/" if target.startswith("/") else folder), _parts(target) + parts
        else:
            folder = os.path.dirname(folder) if name == ".." else here
    return None


def _parts(path: str) -> List[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _only_root_can_exchange(state: os.stat_result, folder: os.stat_result) -> bool:
    """Whether only root can rename or remove this entry of the folder. In a sticky one, its owner can (inode(7))."""
    if folder.st_uid == 0 and folder.st_mode & stat.S_ISVTX:
        return state.st_uid == 0
    return _only_root_can_write(folder)


def _only_root_can_write(state: os.stat_result) -> bool:
    """By owner and mode. An access control list shows in the mode's group bits, as its mask (acl(5))."""
    return state.st_uid == 0 and not state.st_mode & 0o022
