# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: the filter and the jail of fail2ban, as part of a change that can be undone."""

from __future__ import annotations

import contextlib
import os
from typing import List, Mapping, Optional

from ansible_collections.pifleet.nodered.plugins.module_utils._change import _change
from ansible_collections.pifleet.nodered.plugins.module_utils._change._change import Change
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._files._files import Attributes
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _fail2ban
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Unit


def places(files: Mapping[str, Optional[str]]) -> List[str]:
    """The folders that are written to."""
    return sorted({os.path.dirname(_fail2ban.path(name)) for name in files})


def write(unit: Unit, files: Mapping[str, Optional[str]]) -> None:
    """Record and write these files (name below the folder of fail2ban to text; None removes it), and have it read them.

    Raises Failure where it rejects them.
    """
    changed = [_write_one(unit, _fail2ban.path(name), text) for name, text in files.items()]
    if any(changed):
        jails = [name for name, text in files.items() if text is not None and name.startswith(_fail2ban.JAILS)]
        _fail2ban.reload(*(os.path.splitext(os.path.basename(name))[0] for name in jails))


def _write_one(unit: Unit, path: str, text: Optional[str]) -> bool:
    old = _files.read(path) if os.path.lexists(path) else None
    data = None if text is None else text.encode("utf-8")
    attributes = Attributes(os.geteuid(), os.getegid(), 0o644, {})
    return _change.change_file(unit.service, unit.main_pid, path, old, data, attributes)


def reload_undone(change: Change) -> None:
    """Have fail2ban read its files again after this change was undone, if it touched them. A failure stops nothing."""
    if any(file.path.startswith(_fail2ban.FOLDER + "/") for file in change.files):
        with contextlib.suppress(Failure):
            _fail2ban.reload()
