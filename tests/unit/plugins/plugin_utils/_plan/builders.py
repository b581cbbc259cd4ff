# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the plans start from: an open Node-RED as `instance_info` finds it on a fresh Raspberry Pi."""

from __future__ import annotations

import copy
from typing import Any

from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import Found, Plan

HOST = "pi1"
SETTINGS_FILE = "/home/pi/.node-red/settings.js"
UNIT_FILE = "/lib/systemd/system/nodered.service"
EMPTY = "module.exports = {\n    uiPort: 1880,\n}\n"

INSTANCE: dict[str, Any] = {
    "service": "nodered",
    "socket": None,
    "socket_file": None,
    "socket_streams": [],
    "socket_port": None,
    "unit_files": [UNIT_FILE],
    "drop_ins": {},
    "exec_start": ["/usr/bin/env", "node-red-pi", "$NODE_OPTIONS", "$NODE_RED_OPTIONS"],
    "environment_files": [],
    "running": True,
    "state": "active",
    "pid": 812,
    "as_root": True,
    "user": "pi",
    "group": "pi",
    "home": "/home/pi",
    "working_directory": "/home/pi",
    "user_dir": "/home/pi/.node-red",
    "ways_to_root": [],
    "settings_file": SETTINGS_FILE,
    "settings_error": None,
    "node": "/usr/bin/node",
    "node_version": "20.20.2",
    "node_red": "/usr/lib/node_modules/node-red",
    "version": "4.1.15",
    "url": "http://127.0.0.1:1880/",
    "scheme": "http",
    "host": "0.0.0.0",
    "port": 1880,
    "admin_root": "/",
    "node_root": "/",
    "expected_url": "http://127.0.0.1:1880/",
    "overrides": [],
    "takes_options": True,
    "admin_auth": "none",
    "disable_editor": False,
    "https": "none",
    "http_node_auth": "none",
    "http_node_password": "none",
    "http_static": False,
    "http_static_password": "none",
    "static_roots": [],
    "sandbox": {
        "account_home": "/home/pi",
        "user_dir": "/home/pi/.node-red",
        "user_dir_by_root": False,
        "flow_file": None,
        "known_hosts": False,
    },
    "user_dir_owner": "pi",
    "user_dir_writable": True,
    "exposed": [],
    "sessions_file": "/home/pi/.node-red/.sessions.json",
    "sessions": {
        "link_target": "/run/nodered/.sessions.json",
        "runtime_file": "/run/nodered/sessions.json",
        "runtime_directory": "nodered",
        "repairs": {"file": [], "link": [], "absent": []},
    },
    "storage_module": "none",
    "runtime_directories": [],
    "companions": {},
    "private_files": {},
    "expected_node_root": "/",
    "socket_packages": [],
    "dashboard_sockets": [],
    "websockets": [],
    "palette": {"findings": [], "complete": True},
    "redirects": [],
    "ephemeral_ports": {"first": 32768, "last": 60999, "in_flows": []},
    "root_read_only": False,
    "user_dir_read_only": False,
    "user_dir_read_only_at_boot": False,
    "read_only": [],
    "held_writable": [],
    "overlay": False,
    "others": [],
    "held_ports": [],
    "clock": 1_790_000_000,
    "system": "Debian GNU/Linux 12 (bookworm)",
    "hostname": "raspberrypi",
    "addresses": ["192.168.1.20"],
    "tls": {
        "folder": "/etc/nodered-tls/nodered/current",
        "certificate": None,
        "earlier": None,
        "replaced": None,
        "problem": None,
        "client_authorities": [],
        "follows": False,
    },
    "backups": [],
    "fail2ban": {"installed": False, "running": False, "action": None, "files": {}},
    "unconfirmed": False,
    "confirmation": "",
    "rotated": [],
}


def instance(**different: Any) -> dict[str, Any]:
    """The instance with some values that are different. One of another name is a mistake in the test."""
    unknown = set(different) - set(INSTANCE)
    if unknown:
        raise KeyError(f"instance_info returns no {', '.join(sorted(unknown))}")
    return {**copy.deepcopy(INSTANCE), **different}


def other_service(service: str = "node-red-b.service", **different: Any) -> dict[str, Any]:
    """Another Node-RED of the machine, as `instance_info` returns it."""
    about = {"service": service, "state": "active, running", "pid": 900, "user": "pi", "where": service}
    usual = {"working_directory": "/home/pi", "ports": [1890], "in_use": True, "expected_ports": None, "shares": []}
    return {**about, **usual, **different}


def found(
    text: str = EMPTY,
    *,
    host: str = HOST,
    planned: dict[str, Plan] | None = None,
    later_roles: tuple[str, ...] = (),
    firewall: dict[str, Any] | None = None,
    controller: dict[str, Any] | None = None,
    rotates: frozenset[str] = frozenset(),
    **different: Any,
) -> Found:
    """One Node-RED as discovered, with the settings file `text`; `different` is as in `instance`."""
    return Found(
        host=host,
        instance=instance(**different),
        text=text,
        planned=planned or {},
        later_roles=frozenset(later_roles),
        firewall=firewall,
        controller=controller or {},
        rotates=rotates,
    )


def override(setting: str, channel: str = "-D", where: str = UNIT_FILE, **different: Any) -> dict[str, Any]:
    """An option or a variable that overrides a setting."""
    return {"setting": setting, "channel": channel, "where": where, "variable": None, "value": None, **different}


def settings_with(*members: str) -> str:
    """A settings file with these properties, such as `uiPort: 1880`."""
    return "module.exports = {\n" + "".join(f"    {member},\n" for member in members) + "}\n"


def random_password(file: str, new: str) -> dict[str, Any]:
    """What `_gather._passwords.password` returns for a host without a password file."""
    known = dict.fromkeys(("known_password", "next_password", "planned_password", "planned_next"))
    without = {"derived_passwords": [], "ephemeral": "", "problem": ""}
    return {"password_file": file, **known, "new_password": new, **without}


# What both tests of the role tls set beside the address and the folder of the authority: its defaults.
TLS_DEFAULTS: dict[str, Any] = {
    "nodered_tls_source": "selfsigned",
    "nodered_tls_names": [],
    "nodered_tls_days": 397,
    "nodered_tls_renew_days": 30,
    "nodered_tls_refresh_hours": 1,
    "nodered_tls_min_version": "1.2",
    "nodered_tls_replace": False,
    "nodered_tls_authority_names": [],
    "nodered_tls_authority_replace": False,
    "nodered_tls_client_users": [],
}
