# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: a Node-RED that the systemd of a user manages (systemctl --user).

What that systemd answers, the service user decides, and so do its unit files. See `_linux/_user_units`.
"""

from __future__ import annotations

from typing import List, Optional, Sequence

from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _user_units
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._processes import Process
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Unit


def names(processes: Sequence[Process]) -> List[Optional[str]]:
    """The user units that these processes are in, each once; None among them for those that are in none."""
    return list(dict.fromkeys(_user_units.of_process(process.pid) for process in processes))


def require(unit: Unit) -> None:
    """Raise Failure where this is a user unit that does not start at boot by itself, or that a socket unit starts."""
    if unit.owner is None:
        return
    user = unit.owner.name
    if not _user_units.lingers(unit.owner):
        raise Failure(
            "%s is a user unit, and the systemd of user %s ends with the last login of that user. So Node-RED would "
            "not run after the next boot, and a change could not be rolled back then." % (unit.name, user),
            "Let it run without a login: loginctl enable-linger %s. Then run again." % user,
        )
    if unit.socket:
        raise Failure(
            "%s is a user unit, and the socket unit %s of user %s opens its port." % (unit.name, unit.socket, user),
            "Let Node-RED open its port itself: as user %s, systemctl --user disable --now %s. Then run again."
            % (user, unit.socket),
        )
