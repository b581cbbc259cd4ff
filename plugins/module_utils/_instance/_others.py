# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: the other Node-REDs of the machine, and what they need of it.

They are found here and not in the inventory, as a run can be limited to one of them. A service counts, as root has
installed it; a process outside of a service is only told, as any user can start one that looks like a Node-RED.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Set

from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _node, _start_plan
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._endpoint import expected
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._find import Seen
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._sandbox_paths import chosen_by_unit
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._service_ports import listeners
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._start_plan import StartPlan
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _systemd
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Unit

# Where systemd finds units and what a boot starts, the most important first (systemd.unit(5)).
UNIT_FOLDERS = (_systemd.UNIT_FOLDER, "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system")
# Only such a unit is looked at further, as many other programs run with node. A backslash continues a line.
_MAY_START_NODE_RED = re.compile(
    r"^[ \t]*ExecStart[ \t]*=(?:[^\n]*\\\n)*[^\n]*(?:node-?red|red\.js)", re.IGNORECASE | re.MULTILINE
)
_NAME = re.compile(r"[A-Za-z0-9:_.\\@-]+")
_LOOPBACK = re.compile(r"127\.|::1$|localhost$")
UNIT_LIMIT = 65536
LOAD_SECONDS = 10

SETTINGS_FILE, SETTINGS_FOLDER, USER_DIR = "settings_file", "settings_folder", "user_dir"


UnitFolders = Dict[str, Set[str]]
"""The names in each of UNIT_FOLDERS."""


class Other(NamedTuple):
    """A service with another Node-RED."""

    unit: Unit
    seen: Optional[Seen]
    """What was seen of it; None if it only starts at the next boot."""
    plan: Optional[StartPlan]
    """How it is started; None where that cannot be told, or nothing starts it."""


class Paths(NamedTuple):
    """Paths of a Node-RED with links followed, as its user sees them."""

    settings_file: str
    user_dir: str


def services(own: StartPlan, seen: Sequence[Seen]) -> List[Other]:
    """The services with other Node-REDs: those that were seen, and those that the next boot starts."""
    known = {one.service: one for one in seen if one.service}
    folders = {folder: set(_listed(folder)) for folder in UNIT_FOLDERS}
    enabled = [name for name in dict.fromkeys(_enabled(folders)) if name not in known and name != own.unit.name]
    names = [*known, *(name for name in enabled if _may_start_node_red(name, folders))]
    units = [unit for unit in _systemd.show(*names) if unit.name != own.unit.name and unit.loaded] if names else []
    found = [Other(unit, known.get(unit.name), _plan_of(unit) if unit.in_use else None) for unit in units]
    return [one for one in found if one.seen or one.plan]


def described(own: StartPlan, user_dir: str, others: Sequence[Other], seen: Sequence[Seen]) -> List[Dict[str, Any]]:
    """All other Node-REDs as `instance_info` returns them; `user_dir` is that of this one."""
    mine = _real(own, user_dir) if others else None
    return [*(_described(one, own, mine) for one in others), *(_outside(one) for one in seen if not one.service)]


def needed_paths(own: StartPlan, others: Sequence[Other]) -> List[str]:
    """The files and folders that the others use as another user, as far as root has chosen them.

    What a service user has chosen does not count: it could keep the files of another one open.
    """
    plans = [one.plan for one in others if one.plan and one.plan.identity.uid not in (0, own.identity.uid)]
    return [path for plan in plans for path in _chosen_by_root(plan)]


# --- which there are -----------------------------------------------------------------------------------------------


def _enabled(folders: UnitFolders) -> Iterator[str]:
    """The services that the next boot starts, and those for which it opens a socket.

    Read from folders that only root can write: to ask systemctl for all units takes a second on a small Pi.
    """
    for folder, entries in folders.items():
        for wants in sorted(entry for entry in entries if entry.endswith((".wants", ".requires"))):
            for unit in _listed(os.path.join(folder, wants)):
                name, _dot, kind = unit.rpartition(".")
                if kind in ("service", "socket") and _NAME.fullmatch(name):
                    yield name + ".service"


def _may_start_node_red(name: str, folders: UnitFolders) -> bool:
    # An instance (b@c.service) has the file of its template.
    names = dict.fromkeys((name, re.sub("@.*", "@.service", name)))
    return any(_MAY_START_NODE_RED.search(_text(path)) for base in names for path in _files_of(base, folders))


def _files_of(name: str, folders: UnitFolders) -> Iterator[str]:
    """The unit files of this name, and its drop-ins."""
    for folder, entries in folders.items():
        path = os.path.join(folder, name)
        if name in entries:
            yield path
        if name + ".d" in entries:
            yield from (os.path.join(path + ".d", entry) for entry in _listed(path + ".d") if entry.endswith(".conf"))


def _listed(folder: str) -> List[str]:
    with contextlib.suppress(OSError):
        return sorted(os.listdir(folder))
    return []


def _text(path: str) -> str:
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as stream:
        return stream.read(UNIT_LIMIT)
    return ""


def _plan_of(unit: Unit) -> Optional[StartPlan]:
    with contextlib.suppress(Failure, OSError):
        return _start_plan.plan(unit)
    return None


# --- what is known of each -----------------------------------------------------------------------------------------


def _described(other: Other, own: StartPlan, mine: Optional[Paths]) -> Dict[str, Any]:
    unit, plan = other.unit, other.plan
    ports = _ports(other)
    state = "%s, %s" % (unit.state, unit.text("SubState"))
    about = other.seen or Seen(unit.name, state, None, plan.user if plan else None, None, (), unit.name)
    return {
        **about._asdict(),
        "ports": ports,
        "in_use": unit.in_use,
        "expected_ports": _expected_ports(plan) if unit.in_use and not ports else None,
        "shares": _shared(plan, own, mine) if plan and mine else [],
    }


def _outside(seen: Seen) -> Dict[str, Any]:
    return {**seen._asdict(), "ports": list(seen.ports), "in_use": True, "expected_ports": None, "shares": []}


def _ports(other: Other) -> List[int]:
    """Where it listens now, or systemd for it."""
    found = {*(other.seen.ports if other.seen else ()), *(listener.port for listener in listeners(other.unit))}
    socket = other.plan.socket if other.plan else None
    return sorted(found | {socket.address[1]} if socket and socket.address else found)


def _expected_ports(plan: Optional[StartPlan]) -> Optional[List[int]]:
    """Where other machines will reach it once it runs; None where that is not certain."""
    if plan is None:
        return None
    if plan.port_option is not None:
        return [int(float(plan.port_option))]
    if plan.identity.uid == 0:
        # The settings of another service are never loaded as root.
        return None
    with contextlib.suppress(Failure, OSError):
        loaded = _node.load(plan.settings_file, plan.runtime, timeout=LOAD_SECONDS)
        where = expected(plan, loaded)
        if not loaded.error and where.port is not None:
            return [] if _LOOPBACK.match(where.host) else [where.port]
    return None


def _chosen_by_root(plan: StartPlan) -> List[str]:
    """Settings file and user directory, where the unit names them and no variable that the service user can set.

    None of them if there is a link on the way: the service user can have put it there.
    """
    if plan.line is None or not plan.by_root:
        return []
    options = ((plan.line.settings, plan.settings_file), (plan.line.user_dir, plan.user_dir_option))
    named = [path for option, path in options if option and path and chosen_by_unit(plan, option)]
    with contextlib.suppress(Failure, OSError):
        return named if plan.identity.run(_real_paths, named) == named else []
    return []


def _shared(plan: StartPlan, own: StartPlan, mine: Paths) -> List[str]:
    """What both use. What another user has chosen does not count: it could block this one."""
    named = Paths(plan.settings_file, plan.user_dir_option or plan.default_user_dir)
    theirs = _real(plan, named.user_dir)
    if theirs is None or (plan.identity.uid != own.identity.uid and not (theirs == named and _chosen_by_root(plan))):
        return []
    same = {
        SETTINGS_FILE: mine.settings_file == theirs.settings_file,
        SETTINGS_FOLDER: os.path.dirname(mine.settings_file) == os.path.dirname(theirs.settings_file),
        USER_DIR: mine.user_dir == theirs.user_dir,
    }
    return [name for name, is_so in same.items() if is_so]


def _real(plan: StartPlan, user_dir: str) -> Optional[Paths]:
    with contextlib.suppress(Failure, OSError):
        return Paths(*plan.identity.run(_real_paths, [plan.settings_file, user_dir]))
    return None


def _real_paths(paths: Sequence[str]) -> List[str]:
    return [os.path.realpath(path) for path in paths]
