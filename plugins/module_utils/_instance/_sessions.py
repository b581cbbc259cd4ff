# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: where Node-RED keeps the sessions of logged-in users, and what earlier attempts to
move them have left.

The tokens in a sessions file are logins, so nothing here reads one.
"""

from __future__ import annotations

import os
import re
import stat
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils._instance._start_plan import StartPlan
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _identity, _mounts, _systemd, _user_units
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._identity import Identity

RUNTIME = "/run"
FSTAB = "/etc/fstab"
BOOT_SCRIPT = "/etc/rc.local"
NAME = ".sessions.json"
# Recipes of 2015 move the file to this name.
BACKUP = ".sessions.json_bak"
# Below the runtime directory: where a release that writes through links is led to, and where our storage module writes.
LINKED_NAME = ".sessions.json"
STORE_NAME = "sessions.json"

# What `.sessions.json` in the user directory is to be.
FILE, LINK, ABSENT = "file", "link", "absent"
STATES = (FILE, LINK, ABSENT)


class Place(NamedTuple):
    """A user directory and the runtime directory of its service."""

    user_dir: str
    identity: Identity
    """The service user."""
    runtime_folder: str
    links_work: bool
    """Whether this release of Node-RED writes to what a link leads to."""

    @property
    def path(self) -> str:
        return os.path.join(os.path.realpath(self.user_dir), NAME)

    @property
    def link_target(self) -> str:
        return os.path.join(self.runtime_folder, LINKED_NAME)


class Repair(NamedTuple):
    """Something that has to become something else. `refusal` is why only the operator can do it, if that is so."""

    path: str
    before: str
    after: str
    refusal: Optional[str] = None

    def described(self) -> Dict[str, Any]:
        return self._asdict()


def runtime_folder(service: str) -> str:
    """The folder in memory that systemd makes for this service: one machine can have nodered and node-red."""
    user, unit = _user_units.split(service)
    return os.path.join(_user_units.runtime_folder(_identity.of(user)) if user else RUNTIME, unit)


def runtime_files(service: str) -> List[str]:
    return [os.path.join(runtime_folder(service), name) for name in (STORE_NAME, LINKED_NAME)]


def writes_through_links(version: Optional[str]) -> bool:
    """Whether this release of Node-RED writes to what a link leads to.

    Since 1.2.0 it replaces the link (pull request 2683: localfilesystem/util.js renames a new file to the name).
    """
    numbers = re.match(r"^(\d+)\.(\d+)", version or "")
    return numbers is not None and (int(numbers.group(1)), int(numbers.group(2))) < (1, 2)


def file_in_use(place: Place, settings: Mapping[str, Any]) -> Optional[str]:
    """The file that holds the sessions; None where they are in memory, or with a storage module of the user's own."""
    if settings.get("storageModule", "none") != "none":
        return settings.get("sessionsFile")
    return os.path.realpath(place.path) if place.links_work else os.path.join(place.user_dir, NAME)


def repairs(place: Place, wanted: str, mounts: Sequence[_mounts.Mount]) -> List[Repair]:
    """What has to change in the user directory before `.sessions.json` there is what is wanted."""
    found = [_repair(place, wanted, mounts)]
    backup = os.path.join(os.path.dirname(place.path), BACKUP)
    if os.path.islink(backup) or os.path.isfile(backup):
        found.append(Repair(backup, "an old sessions file", "nothing"))
    return [one for one in found if one is not None]


def _repair(place: Place, wanted: str, mounts: Sequence[_mounts.Mount]) -> Optional[Repair]:
    after = "a link to " + place.link_target if wanted == LINK else "nothing"
    mounted = any(mount.point == place.path for mount in mounts)
    lasting = _mounted_at_boot(place.path, mounted)
    if mounted or lasting:
        return Repair(place.path, "a mount of its own", after, lasting)
    try:
        state = os.lstat(place.path)
    except OSError:
        return Repair(place.path, "nothing", after) if wanted == LINK else None
    if stat.S_ISLNK(state.st_mode):
        return _repair_of_link(place, wanted, after)
    if stat.S_ISDIR(state.st_mode):
        return Repair(place.path, "a folder", after, _why_not_removed(place.path))
    if not stat.S_ISREG(state.st_mode):
        return Repair(place.path, "something that is neither a file nor a folder", after)
    if wanted != FILE:
        return Repair(place.path, "a file", after)
    owner = place.identity.uid
    return Repair(place.path, "a file of " + _identity.name_of(state.st_uid), after) if state.st_uid != owner else None


def _repair_of_link(place: Place, wanted: str, after: str) -> Optional[Repair]:
    text, end = os.readlink(place.path), os.path.realpath(place.path)
    if wanted == LINK and is_our_link(place):
        return None
    # A link to another disk is the choice of the operator; one into /run leads nowhere after the next boot.
    if wanted == FILE and os.path.exists(end) and not end.startswith("/run/"):
        return None
    return Repair(place.path, "a link to " + text, after)


def _why_not_removed(folder: str) -> Optional[str]:
    if not os.listdir(folder):
        return None
    return (
        "%s is a folder with files in it, where Node-RED needs a file: it would end at the next login. Move the folder "
        "away." % folder
    )


def _mounted_at_boot(path: str, mounted: bool) -> Optional[str]:
    """Why unmounting would not last: where it says that something is mounted here at each boot."""
    for file, pattern in (
        (FSTAB, r"^\s*[^#\s]\S*\s+%s\s" % re.escape(path)),
        (BOOT_SCRIPT, r"^[^#]*\bmount\b.*%s" % re.escape(NAME)),
    ):
        number, line = _line_with(file, pattern)
        if line:
            return _refusal(path, "%s:%d: %s" % (file, number, line), "Take that line out")
    if not mounted:
        return None
    unit = _systemd.parse_show(_systemd.run(["systemctl", "show", "--property=FragmentPath", "--", path]).stdout)
    fragment = "".join(unit[0].get("FragmentPath", ())) if unit else ""
    return _refusal(path, fragment, "Remove that unit") if fragment else None


def _line_with(file: str, pattern: str) -> Tuple[int, str]:
    try:
        with open(file, encoding="utf-8", errors="replace") as stream:
            for number, line in enumerate(stream, 1):
                if re.search(pattern, line):
                    return number, line.strip()
    except OSError:
        pass
    return 0, ""


def _refusal(path: str, where: str, remedy: str) -> str:
    return (
        "%s is mounted at each boot by %s\nNode-RED replaces that file at each login, which cannot be done to a mount, "
        "so it would end there. %s, then: umount %s" % (path, where, remedy, path)
    )


def is_our_link(place: Place) -> bool:
    """Whether `.sessions.json` is the link into the runtime directory."""
    return os.path.islink(place.path) and os.path.realpath(place.path) == os.path.realpath(place.link_target)


def place_of(plan: StartPlan, folder: str) -> Place:
    """Where the service of this plan keeps its sessions; `folder` is its user directory."""
    links_work = writes_through_links(plan.version)
    return Place(folder, plan.identity, runtime_folder(plan.service), links_work)


def sessions(
    plan: StartPlan, settings: Mapping[str, Any], folder: str, mounts: Sequence[_mounts.Mount]
) -> Dict[str, Any]:
    """Where the logins are kept, and what would have to change for another place."""
    place = place_of(plan, folder)
    return {
        "sessions_file": file_in_use(place, settings),
        "sessions": {
            "link_target": place.link_target,
            "runtime_file": os.path.join(place.runtime_folder, STORE_NAME),
            "runtime_directory": os.path.basename(place.runtime_folder),
            "repairs": {state: [one.described() for one in repairs(place, state, mounts)] for state in STATES},
        },
        "storage_module": settings.get("storageModule"),
        "runtime_directories": plan.unit.text("RuntimeDirectory").split(),
    }
