# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module instance_info finds, for tests: as much of it as the filters need."""

from __future__ import annotations

# An open Node-RED that serves its pages at the root.
OPEN = {
    "version": "4.1.15",
    "settings_file": "settings.js",
    "http_node_password": "none",
    "http_static_password": "none",
    "expected_node_root": "/",
    "static_roots": [],
    "socket_packages": [],
}
