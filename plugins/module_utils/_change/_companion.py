# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: files beside the settings file that it requires."""

from __future__ import annotations

import os
import re
from typing import Optional

from ansible_collections.pifleet.nodered.plugins.module_utils._change import _change
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._files._files import Content
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._identity import Identity
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Unit

NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")


def write(unit: Unit, settings: Content, user: Optional[Identity], name: str, text: Optional[str]) -> bool:
    """Record and write the file `name` beside the settings file, or remove it if `text` is None; whether it changed.

    `settings` is the settings file, which is worked on as `user`.
    """
    if not NAME.fullmatch(name):
        raise Failure("%r cannot be the name of the file." % name, "Give a file name without a folder, as in our.js.")
    path = os.path.join(os.path.dirname(settings.path), name)
    if path == settings.path:
        raise Failure("%s is the settings file itself." % path, "Give the file another name.")
    if _files.link(path, user) is not None:
        raise Failure("%s is a link." % path, "Remove it and run again.")
    old = _files.read(path, user) if os.path.lexists(path) else None
    data = None if text is None else text.encode("utf-8")
    # Node-RED only reads it, and anyone who can write the settings decides what is required.
    return _change.change_file(unit.service, unit.main_pid, path, old, data, settings.attributes, user)
