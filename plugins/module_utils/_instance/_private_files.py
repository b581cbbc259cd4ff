# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: which files of Node-RED other users of the machine can access; closing them.

What holds secrets: the settings file with its backups (hashes, keys), the sessions file (its tokens are logins), the
flows' credentials, and the configuration with the key of the credentials.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import stat
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._core._text import printable_line
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _identity
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._identity import Identity

# Entries of a folder that are looked at.
MOST_NAMES = 10000
# With what Node-RED itself keeps beside them (.backup, and .$$$ while it writes).
SECRET_FILE = re.compile(r"^(\.sessions\.json|.*_cred\.json|\.config(\.[a-z]+)?\.json|\.pifleet-[^/]*\.json)(\..*)?$")
# Copies of the settings file that version 0.2.0, or the module `settings`, has left beside it.
BACKUP = re.compile(r"\.\d+\.\d{4}-\d\d-\d\d@\d\d:\d\d:\d\d~\Z")
MOST_BACKUPS = 20
# What this collection itself keeps in the user directory, and its mode. The list of used codes is the companion's own.
OWN_FILE = re.compile(r"^\.pifleet-[A-Za-z0-9_.@:-]+(?<!-used)\.json\Z")
OWN_MODE = 0o600
# Bytes. Fifty users with eight recovery codes have 40 KB.
OWN_LIMIT = 1024 * 1024
MOST_OWN = 20


class Exposed(NamedTuple):
    """A file or folder that others can access. `wanted` is the mode that closes it; None where that would do harm.

    `need` is what Node-RED's user has to do with it: own it, read it, or nothing.
    """

    path: str
    folder: bool
    need: str
    mode: int
    wanted: Optional[int]
    problem: Optional[str] = None

    def described(self) -> Dict[str, Any]:
        """What is shown of it: its path is printable on one line."""
        wanted = None if self.wanted is None else "%04o" % self.wanted
        return {
            "path": printable_line(self.path),
            "folder": self.folder,
            "mode": "%04o" % self.mode,
            "wanted": wanted,
            "problem": self.problem,
        }


def exposed(user_dir: str, settings_file: str, identity: Identity, needed: Sequence[str] = ()) -> List[Exposed]:
    """What other users can access, in the user directory and around the settings file.

    `needed` are paths that other Node-REDs use as another user: what these need stays open.
    """
    found = []
    for path, need in _candidates(os.path.realpath(user_dir), os.path.realpath(settings_file)):
        try:
            state = os.lstat(path)
        except OSError:
            continue
        judged = _judged(path, state, need, identity)
        if judged:
            found.append(_left_to_others(judged, needed))
    return found


def _left_to_others(found: Exposed, needed: Sequence[str]) -> Exposed:
    user = next((one for one in needed if _below(one, found.path) or _below(found.path, one)), None)
    if user is None or found.wanted is None:
        return found
    problem = (
        "Another Node-RED uses %s as another user. To close it, give that one files and a user directory elsewhere "
        "(options -s and -u)." % printable_line(user)
    )
    return found._replace(wanted=None, problem=problem)


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _candidates(user_dir: str, settings_file: str) -> Iterator[Tuple[str, str]]:
    if not _files.below_node_modules(os.path.join(user_dir, "settings.js")):
        yield user_dir, "own"
        for name in _names(user_dir):
            if SECRET_FILE.match(name):
                yield os.path.join(user_dir, name), "own"
    folder, settings = os.path.split(settings_file)
    if not _files.below_node_modules(settings_file):
        yield settings_file, "read"
        for name in _names(folder):
            if name.startswith(settings + "."):
                yield os.path.join(folder, name), "nothing"


def _names(folder: str) -> List[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in itertools.islice(entries, MOST_NAMES))
    except OSError:
        return []


def backups(settings_file: str) -> List[str]:
    """The names of copies of the settings file beside it, which can hold old hashes."""
    folder, settings = os.path.split(os.path.realpath(settings_file))
    found = [name for name in _names(folder) if name.startswith(settings) and BACKUP.fullmatch(name[len(settings) :])]
    return [printable_line(name) for name in found[:MOST_BACKUPS]]


def _judged(path: str, state: os.stat_result, need: str, identity: Identity) -> Optional[Exposed]:
    mode = stat.S_IMODE(state.st_mode)
    owned = state.st_uid == identity.uid
    folder = stat.S_ISDIR(state.st_mode)
    if not (folder or stat.S_ISREG(state.st_mode)):
        return None
    if not folder and not owned and state.st_nlink > 1:
        # A second name of a file of another user, which Node-RED's user may have put here.
        return None
    # A group of its own, or an access control list, that an administrator has given the settings file stays.
    own_group = state.st_gid == identity.gid and not _has_access_list(path)
    others = 0o077 if need == "own" or (owned and own_group) else 0o007
    if not mode & others:
        return None
    if not owned:
        problem = (
            "It belongs to %s, and only files of %s are changed. To close it to other users, make %s its owner (chown)."
            % (_identity.name_of(state.st_uid), identity.name, identity.name)
        )
        return Exposed(path, folder, need, mode, None, problem)
    return Exposed(path, folder, need, mode, mode & ~others)


def _has_access_list(path: str) -> bool:
    try:
        return "system.posix_acl_access" in os.listxattr(path, follow_symlinks=False)
    except OSError:
        return False


def close(found: Exposed, identity: Identity) -> bool:
    """Take the rights of others away, where that does no harm; whether it was done.

    Done as the service user, so a file of another owner stays as it is, also behind a link.
    """
    with _files.explained(found.path, identity):
        return bool(identity.run(_close, found, identity))


def _close(found: Exposed, identity: Identity) -> bool:
    try:
        descriptor = os.open(found.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        judged = _judged(found.path, os.fstat(descriptor), found.need, identity)
        if judged is None or judged.wanted is None:
            return False
        os.fchmod(descriptor, judged.wanted)
    finally:
        os.close(descriptor)
    return True


def own(user_dir: str, identity: Identity) -> Dict[str, str]:
    """The SHA-256 of each file with secrets that this collection has put into the user directory, by its name.

    One that others can get at is not among them, so it is written anew. The text has 160 random bits at least, so the
    digest discloses nothing of it.
    """
    folder, found = os.path.realpath(user_dir), {}
    for name in itertools.islice(filter(OWN_FILE.match, _names(folder)), MOST_OWN):
        path = os.path.join(folder, name)
        with contextlib.suppress(OSError, Failure):
            state = os.lstat(path)
            if stat.S_ISREG(state.st_mode) and stat.S_IMODE(state.st_mode) == OWN_MODE and state.st_uid == identity.uid:
                found[name] = _files.checksum(_files.data(path, limit=OWN_LIMIT))
    return found


def folder_owner(user_dir: str) -> Optional[str]:
    """Whom the user directory belongs to; None when there is none yet."""
    try:
        return _identity.name_of(os.stat(user_dir).st_uid)
    except OSError:
        return None


def folder_writable(user_dir: str, identity: Identity) -> bool:
    """Whether Node-RED's user may write there, by owner and mode, also where the file system is read-only now.

    A folder that does not exist counts as one that Node-RED will make.
    """
    try:
        state = os.stat(user_dir)
    except OSError:
        return True
    if identity.uid in (0, state.st_uid):
        return identity.uid == 0 or bool(state.st_mode & stat.S_IWUSR)
    return bool(state.st_mode & (stat.S_IWGRP if state.st_gid in identity.groups else stat.S_IWOTH))
