# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: the services of a user's own systemd (`systemctl --user`), by name and process.

Their name here is USER/UNIT, as in `pi/nodered.service`: no name of the machine's units has a slash. Which user it is,
the control group of a process says, which the systemd of the machine makes. All else is the choice of that user.
"""

from __future__ import annotations

import os
import re
from typing import List, NamedTuple, Optional, Set

from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _identity, _processes
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._identity import Identity

# Where systemd-logind keeps the users whose systemd runs without a login (loginctl enable-linger). Only root writes it.
LINGER = "/var/lib/systemd/linger"
RUNTIME = "/run/user"
# Below the home directory (systemd.unit(5)).
UNIT_FOLDER = ".config/systemd/user"
# The name of a service (systemd.unit(5)). No name of a file is longer, and root's files have more in their names.
SERVICE = re.compile(r"(?=.{1,200}\Z)[A-Za-z0-9:_\\@][A-Za-z0-9:_.\\@-]*\.service")


class Name(NamedTuple):
    """The two parts of the name of a service."""

    user: str
    """Empty for a service of the machine."""
    unit: str
    """As systemctl takes it."""


def split(name: str) -> Name:
    user, _slash, unit = name.rpartition("/")
    return Name(user, unit)


def owner(name: str) -> Optional[Identity]:
    """The user whose systemd runs this service; None for a service of the machine.

    Raises Failure where there is no such user, or it is root.
    """
    user = split(name).user
    if not user:
        return None
    found = _identity.of(user)
    if found.uid == 0:
        raise Failure(
            "%s is a user unit of root." % name,
            "Make it a service of the machine: move its unit file to /etc/systemd/system.",
        )
    return found


def file_name(service: str) -> str:
    """What stands for this service in the names of root's own files: itself, or `user-1000-nodered` for `pi/nodered`.

    No two services have the same: a user can choose the name of its unit, but not its number.
    """
    user, unit = split(service)
    return "user-%d-%s" % (_identity.account(user).pw_uid, unit) if user else service


def of_process(pid: int) -> Optional[str]:
    """The name of the user unit that this process is in; None where it is in none, or is no process of that user.

    The user can make a control group with a name that no unit has. Such a name could be more than one word in what a
    person copies from a message.
    """
    found = _processes.user_unit_of(pid)
    process = _processes.process(pid) if found else None
    if found is None or process is None or process.uid != found[0] or not SERVICE.fullmatch(found[1]):
        return None
    return "%s/%s" % (_identity.name_of(found[0]), found[1])


def processes_in(user: Identity, unit: str) -> Set[int]:
    """The processes of this user in the control group of this unit of its own systemd."""
    return {pid for pid in _processes.in_user_unit(user.uid, unit) if _processes.user_of(pid) == user.uid}


def runtime_folder(user: Identity) -> str:
    """Where `RuntimeDirectory` of a user unit is: XDG_RUNTIME_DIR, which systemd-logind makes."""
    return os.path.join(RUNTIME, str(user.uid))


def drop_in_folder(user: Identity, unit: str) -> str:
    return os.path.join(_identity.account(str(user.uid)).pw_dir, UNIT_FOLDER, unit + ".d")


def lingers(user: Identity) -> bool:
    """Whether the systemd of this user runs from boot on."""
    return os.path.exists(os.path.join(LINGER, user.name))


def after_manager(user: Identity) -> str:
    """The service of the machine that is the systemd of this user."""
    return "user@%d.service" % user.uid


def by_hand(service: str, verb: str) -> str:
    """The command for a person: `systemctl restart nodered`, or `systemctl --user restart nodered as user pi`."""
    user, unit = split(service)
    return "systemctl --user %s %s as user %s" % (verb, unit, user) if user else "systemctl %s %s" % (verb, unit)


def journal_by_hand(service: str) -> str:
    user, unit = split(service)
    return "journalctl --user-unit %s as user %s" % (unit, user) if user else "journalctl -u %s" % unit


def journal_fields(name: str) -> List[str]:
    """What journalctl takes for the messages of this service (systemd.journal-fields(7), trusted fields)."""
    user, unit = split(name)
    return ["_SYSTEMD_USER_UNIT=" + unit, "_UID=%d" % _identity.account(user).pw_uid] if user else ["-u", unit]
