# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: everything about a Node-RED that the roles want to know."""

from __future__ import annotations

import contextlib
import glob
import ipaddress
import itertools
import json
import os
import re
import socket
import time
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ansible_collections.pifleet.nodered.plugins.module_utils._core import _own_folders
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._core._text import printable_line
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files, _remount
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import (
    _command_line,
    _fail2ban,
    _node,
    _others,
    _private_files,
    _serving,
    _sockets,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._certificate import tls
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._endpoint import expected, serving, takes_socket
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._find import Seen
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._overrides import overrides
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._sandbox_paths import sandbox
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._service_ports import held_ports
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._serving import Endpoint
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._sessions import sessions
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._start_plan import StartPlan, user_dir
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import (
    _mounts,
    _privileges,
    _processes,
    _systemd,
    _user_units,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Unit

# Their names are the roles': 50-pifleet-port.conf.
OWN_DROP_IN = re.compile(r"/\d+-pifleet-[^/]*\.conf$")

# Of a user unit; there are at most five.
MOST_DROP_INS = 20
OS_RELEASE = "/etc/os-release"
_LARGEST_OS_RELEASE = 64 * 1024

# Files of this collection beside a settings file; there are at most five.
MOST_COMPANIONS = 100


def describe(plan_: StartPlan, loaded: _node.Loaded, others: Sequence[Seen]) -> Dict[str, Any]:
    """The instance as `instance_info` returns it. It holds no secret: no hash, no password, no value of a variable."""
    unit = plan_.unit
    settings = loaded.in_effect
    where = expected(plan_, loaded) if not loaded.error else None
    # A file that cannot be loaded says nothing about what runs, but what runs can still be asked.
    now = serving(unit, where or _serving.endpoint({}))
    folder = user_dir(plan_, settings)
    services = _others.services(plan_, others)
    with _remount.undisturbed():
        table = _mounts.table()
    return {
        "service": plan_.service,
        **_socket(plan_, loaded),
        "unit_files": unit.files,
        "drop_ins": own_drop_ins(unit),
        "exec_start": _command_line.without_values(plan_.command.words),
        "environment_files": list(plan_.command.environment_files),
        "running": unit.state == "active" and _processes.process(unit.main_pid) is not None,
        "state": unit.state,
        "pid": unit.main_pid or None,
        "as_root": os.geteuid() == 0,
        "user": plan_.user,
        "group": plan_.group,
        "home": plan_.home,
        "working_directory": plan_.working_directory,
        "user_dir": folder,
        "ways_to_root": _privileges.ways_to_root(
            plan_.user, [plan_.group, *plan_.supplementary_groups], [] if unit.owner else unit.files
        ),
        "settings_file": plan_.settings_file,
        "settings_error": loaded.error or None,
        "node": plan_.node,
        "node_version": loaded.node_version or (_node.version(plan_.runtime) if plan_.node else None),
        "node_red": plan_.package,
        "version": plan_.version,
        "url": now.url if now else None,
        "scheme": now.scheme if now else None,
        "host": now.host if now else None,
        "port": now.port if now else None,
        "admin_root": now.admin_root if now else None,
        "node_root": now.node_root if now else None,
        "expected_url": where.url if where else None,
        "overrides": overrides(plan_, loaded),
        "takes_options": plan_.takes_options,
        "admin_auth": settings.get("adminAuth"),
        "disable_editor": settings.get("disableEditor"),
        "https": settings.get("https"),
        "http_node_auth": settings.get("httpNodeAuth"),
        "http_node_password": settings.get("httpNodePassword"),
        "http_static": settings.get("httpStatic"),
        "http_static_password": settings.get("httpStaticPassword"),
        "static_roots": _sockets.static_roots(settings),
        **plan_.identity.run(
            _seen_as_service_user, plan_, settings, folder, where, table.mounts, _others.needed_paths(plan_, services)
        ),
        **file_systems(table, folder, plan_.settings_file),
        "others": _others.described(plan_, folder, services, others),
        "held_ports": held_ports(unit, plan_.socket if takes_socket(plan_, loaded) else None),
        "clock": int(time.time()),
        "system": system(),
        "hostname": socket.gethostname(),
        "addresses": addresses(),
        "tls": tls(plan_),
        "fail2ban": _fail2ban.described(),
    }


def _seen_as_service_user(
    plan_: StartPlan,
    settings: Mapping[str, Any],
    folder: str,
    where: Optional[Endpoint],
    mounts: Sequence[_mounts.Mount],
    needed: Sequence[str],
) -> Dict[str, Any]:
    """What is in the user directory and around the settings file, seen with the rights of the service user.

    `needed` is what other Node-REDs use as another user.
    """
    exposed = _private_files.exposed(folder, plan_.settings_file, plan_.identity, needed)
    return {
        "sandbox": sandbox(plan_, settings, folder),
        "user_dir_owner": _private_files.folder_owner(folder),
        "user_dir_writable": _private_files.folder_writable(folder, plan_.identity),
        "exposed": [one.described() for one in exposed],
        **sessions(plan_, settings, folder, mounts),
        "companions": companions(plan_.settings_file),
        "private_files": _private_files.own(folder, plan_.identity),
        "backups": _private_files.backups(plan_.settings_file),
        **sockets(plan_, settings, folder, where),
    }


def _socket(plan_: StartPlan, loaded: _node.Loaded) -> Dict[str, Any]:
    unit = plan_.socket
    taken = unit is not None and unit.address is not None and takes_socket(plan_, loaded)
    return {
        "socket": unit.name if unit else None,
        "socket_file": unit.file if unit else None,
        "socket_streams": unit.streams if unit else [],
        "socket_port": unit.address[1] if unit and unit.address and taken else None,
    }


def system() -> Optional[str]:
    """The name of the operating system, as os-release(5) has it; None if that cannot be read."""
    text = _files.text(OS_RELEASE, limit=_LARGEST_OS_RELEASE)
    named = re.search(r"^PRETTY_NAME=[\"']?([^\"'\n]*)", text, re.MULTILINE)
    return printable_line(named.group(1)) if named else None


def addresses() -> List[str]:
    """The addresses under which others may reach this machine for longer: no temporary IPv6 address, no container's."""
    try:
        links = json.loads(_systemd.run(["ip", "-json", "address", "show", "up", "scope", "global"]).stdout)
    except (Failure, ValueError):
        return []
    found = []
    for link in links:
        if re.match(r"^(docker|br-|veth|virbr|lxc)", link.get("ifname") or ""):
            continue
        for address in link.get("addr_info", ()):
            with contextlib.suppress(ValueError, KeyError):
                if not (address.get("temporary") or address.get("deprecated")):
                    found.append(str(ipaddress.ip_address(address["local"])))
    return sorted(found)


def sockets(plan_: StartPlan, settings: Mapping[str, Any], folder: str, where: Optional[Endpoint]) -> Dict[str, Any]:
    """What is needed to close, and to ask, the sockets that httpNodeAuth leaves open, and which ports nodes choose."""
    named = plan_.line.flow_file.value if plan_.line and plan_.line.flow_file else None
    nodes = _sockets.flows(folder, settings, named, socket.gethostname())
    folders = [folder] + ([os.path.dirname(os.path.dirname(plan_.package))] if plan_.package else [])
    installed = _sockets.packages(folders)
    node_root = where.node_root if where else None
    return {
        "expected_node_root": node_root,
        "socket_packages": installed,
        "dashboard_sockets": _sockets.dashboard_paths(installed, settings, node_root, nodes) if node_root else [],
        "websockets": _sockets.websocket_paths(node_root, nodes) if node_root else [],
        "ephemeral_ports": _sockets.ephemeral_ports(nodes),
    }


def companions(settings_file: str) -> Dict[str, str]:
    """The SHA-256 of each file that this collection has put beside the settings file, by its name."""
    folder = os.path.dirname(os.path.realpath(settings_file))
    found = {}
    for path in itertools.islice(glob.iglob(os.path.join(glob.escape(folder), "pifleet-*.js")), MOST_COMPANIONS):
        with contextlib.suppress(Failure):
            found[os.path.basename(path)] = _files.read(path).checksum
    return found


def own_drop_ins(unit: Unit) -> Dict[str, str]:
    """The text of each drop-in that this collection has given the service, by its path.

    That of a user unit begins with `~USER/`, which the controller knows without the home directory.
    """
    own = [path for path in unit.files if OWN_DROP_IN.search(path)]
    if unit.owner is None:
        return unit.texts(own)
    name = _user_units.split(unit.name).unit
    folder = _user_units.drop_in_folder(unit.owner, name)
    texts = unit.texts([path for path in own if os.path.dirname(path) == folder][:MOST_DROP_INS])
    shown = "~%s/%s/%s.d" % (unit.owner.name, _user_units.UNIT_FOLDER, name)
    return {os.path.join(shown, os.path.basename(path)): text for path, text in texts.items()}


def file_systems(table: _mounts.Table, folder: str, settings_file: str) -> Dict[str, Any]:
    """What can be written where the user directory, the settings and the rest of a change are."""
    of_user_dir = table.holding(folder)
    places = [folder, os.path.dirname(os.path.realpath(settings_file)), _own_folders.STATE, _systemd.UNIT_FOLDER]
    return {
        "root_read_only": table.holding("/").read_only,
        "user_dir_read_only": of_user_dir.read_only,
        "user_dir_read_only_at_boot": table.read_only_at_boot(of_user_dir),
        "read_only": [{"mount": mount.point, "by": table.why_read_only(mount)} for mount in table.read_only(places)],
        "held_writable": [mount.point for mount in _remount.held()],
        "overlay": bool(table.forgetful(places)),
    }
