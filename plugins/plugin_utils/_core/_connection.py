# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kind of connection Ansible uses for a host. Private."""

from __future__ import annotations

from ansible.plugins.connection import ConnectionBase


def kind_of(connection: ConnectionBase) -> str:
    """The name of the connection plugin without its collection, such as `ssh` or `local`."""
    return str(connection.transport).rpartition(".")[2]
