# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: where a Node-RED responds, now and after its next start."""

from __future__ import annotations

from typing import Optional

from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _node, _serving
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._service_ports import listeners
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._serving import Endpoint
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._start_plan import StartPlan
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Unit

# The port by which Node-RED takes what systemd hands it: that of the npm package systemd, with which BeagleBone's
# package patches red.js.
HANDED_OVER = "systemd"


def expected(plan: StartPlan, loaded: _node.Loaded) -> Endpoint:
    """Where this Node-RED responds after its next start."""
    where = _serving.endpoint(loaded.in_effect, plan.port_option)
    if not takes_socket(plan, loaded) or plan.socket is None:
        return where
    if plan.socket.address is None:
        problem = "%s listens on %s, which is no TCP port." % (plan.socket.name, ", ".join(plan.socket.streams))
        return where._replace(problem=problem)
    address, port = plan.socket.address
    # uiHost has no effect, since systemd listens.
    return where._replace(host=address, port=port, problem="")


def takes_socket(plan: StartPlan, loaded: _node.Loaded) -> bool:
    """Whether systemd listens for this Node-RED, which then opens no port of its own."""
    return plan.socket is not None and plan.port_option is None and loaded.in_effect.get("uiPort") == HANDED_OVER


def serving(unit: Unit, where: Endpoint) -> Optional[Endpoint]:
    """Where it responds now, found by requests; None if it does not."""
    sockets = listeners(unit)
    return _serving.found_among(sockets, where) if sockets else None
