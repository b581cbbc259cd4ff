# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: the files that it manages for one Node-RED, as a restore point keeps them."""

from __future__ import annotations

import glob
import itertools
import os
from typing import Iterable, List, Optional

from ansible_collections.pifleet.nodered.plugins.module_utils._change import _certificate_files, _companion, _points
from ansible_collections.pifleet.nodered.plugins.module_utils._change._drop_in import DropIn
from ansible_collections.pifleet.nodered.plugins.module_utils._change._points import Subject
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _certificate, _fail2ban, _pair, _sessions
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._start_plan import StartPlan
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._identity import Identity

COMPANIONS, DROP_INS = "pifleet-*.js", "*-pifleet-*"
# Of each kind; a role has one.
MOST = 20


def subjects(
    plan: StartPlan, settings_file: str, user_dir: str, companions: Iterable[str] = (), drop_ins: Iterable[DropIn] = ()
) -> List[Subject]:
    """All of them, also those that do not exist. `companions` (by name) and `drop_ins` are among them."""
    settings, user = os.path.realpath(settings_file), plan.user_for(settings_file)
    beside = os.path.dirname(settings)
    paths = {os.path.join(beside, name) for name in companions} | set(_companions(beside, user))
    return [
        Subject(_points.SETTINGS, settings, user),
        *(Subject(_points.COMPANION, path, user) for path in sorted(paths)),
        *_drop_ins(plan, drop_ins),
        *(Subject(_points.FAIL2BAN, path) for path in sorted(_fail2ban.paths(plan.service))),
        *(Subject(_points.RENEWAL, path) for path in _certificate_files.unit_paths(plan.service)),
        Subject(_points.CERTIFICATE, os.path.join(_certificate.tls_folder(plan), _pair.CURRENT)),
        Subject(_points.SESSIONS, _sessions.place_of(plan, user_dir).path, plan.identity),
    ]


def _drop_ins(plan: StartPlan, given: Iterable[DropIn]) -> List[Subject]:
    found = {one.path: one.owner for one in given}
    for one in units(plan):
        owner = one.owner
        found.update(dict.fromkeys(_matching(one.folder, DROP_INS + ".conf", owner), owner))
    return [Subject(_points.DROP_IN, path, found[path]) for path in sorted(found)]


def units(plan: StartPlan) -> List[DropIn]:
    """A drop-in that stands for all of this collection, for each unit that can have one."""
    names = [plan.unit.name] + ([plan.socket.name] if plan.socket else [])
    return [DropIn(name, DROP_INS, {}, ()) for name in names]


def _companions(folder: str, user: Optional[Identity]) -> List[str]:
    """Those beside the settings file. The service user can have made one with a name that none of ours has."""
    found = _matching(folder, COMPANIONS, user)
    return [path for path in found if _companion.NAME.fullmatch(os.path.basename(path))]


def _matching(folder: str, pattern: str, user: Optional[Identity]) -> List[str]:
    """The files of that name there, seen as this user."""
    return _names(folder, pattern) if user is None else list(user.run(_names, folder, pattern))


def _names(folder: str, pattern: str) -> List[str]:
    return list(itertools.islice(glob.iglob(os.path.join(glob.escape(folder), pattern)), MOST))
