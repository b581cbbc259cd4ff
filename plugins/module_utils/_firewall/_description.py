# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: everything about the firewall that a plan needs, as `firewall_info` returns it."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, Optional, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._firewall import _guard, _published, _state


def describe(other_firewalls: bool = False) -> Dict[str, Any]:
    """What `firewall_info` returns. Without ufw, other firewalls are only looked for with `other_firewalls`."""
    connection = _state.connection()
    sockets = _state.sockets()
    ssh = {
        "connection": dataclasses.asdict(connection) if connection else None,
        "ports": _state.ssh_ports(sockets, connection),
    }
    if not _state.installed():
        others = {"other_firewalls": _state.other_firewalls()} if other_firewalls else {}
        return {"installed": False, "ssh": ssh, **others}
    settings = _state.settings()
    active, problem = activity()
    return {
        "installed": True,
        "active": active,
        "enabled": settings.get("ENABLED", "").lower() == "yes",
        "starts_at_boot": _state.starts_at_boot(),
        "policies": _state.policies(settings),
        "ipv6": settings.get("IPV6", "").lower() == "yes",
        "rules": _state.as_dictionaries(_state.rules()),
        "let_in_by_default": _state.let_in_by_default(),
        "checksum": _state.checksum(),
        "unconfirmed": _guard.waiting(),
        "owner": _guard.current_owner(),
        "forwards": not active and _state.forwards(),
        "problem": problem,
        "other_firewalls": _state.other_firewalls(),
        "ssh": ssh,
        "listening": _state.listening(sockets),
        "published": _published.ports(sockets),
    }


def activity() -> Tuple[bool, Optional[str]]:
    """Whether ufw is active, and where it is not, why it cannot filter."""
    try:
        active = _state.active()
    except Failure as failure:
        # ufw's own test may know more.
        return False, _state.problem() or " ".join(str(failure).splitlines())
    return active, None if active else _state.problem()
