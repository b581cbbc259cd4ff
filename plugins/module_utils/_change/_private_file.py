# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: files with secrets in the user directory, which only the service user can read."""

from __future__ import annotations

import os
from typing import Optional

from ansible_collections.pifleet.nodered.plugins.module_utils._change import _change
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._files._files import Attributes
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _private_files
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._identity import Identity
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Unit

# A new secret of a login ends all sessions, as a new password does.
SETTINGS = ("adminAuth.authenticate",)


def write(unit: Unit, user: Identity, user_dir: str, name: str, text: Optional[str]) -> bool:
    """Record and write the file `name`, or remove it if `text` is None; whether it changed."""
    if not _private_files.OWN_FILE.match(name):
        raise Failure("%r cannot be the name of the file." % name, "Use the roles instead.")
    path = os.path.join(os.path.realpath(user_dir), name)
    if _files.link(path, user) is not None:
        raise Failure("%s is a link." % path, "Remove it and run again.")
    old = _files.read(path, user) if os.path.lexists(path) else None
    wanted = Attributes(user.uid, user.gid, _private_files.OWN_MODE, {})
    data = None if text is None else text.encode("utf-8")
    if data == (old.data if old else None) and (old is None or old.attributes == wanted):
        return False
    checksum = None if data is None else _files.checksum(data)
    _change.extend(unit.service, unit.main_pid, path, old, checksum, settings=SETTINGS, user=user)
    if data is None:
        _files.remove(path, user)
    else:
        _files.replace(path, data, wanted, user)
    return True
