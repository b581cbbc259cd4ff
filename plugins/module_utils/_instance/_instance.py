# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: which Node-RED runs on this machine, as whom, from which files, serving where."""

from __future__ import annotations

import contextlib
import dataclasses
import glob
import ipaddress
import itertools
import json
import os
import re
import shutil
import socket
import time
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils._core import _own_folders
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import (
    _command_line,
    _node,
    _pair,
    _private_files,
    _serving,
    _sessions,
    _sockets,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._command_line import CommandLine, Option
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._serving import Endpoint
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import (
    _identity,
    _mounts,
    _privileges,
    _processes,
    _systemd,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._identity import Identity
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Socket, Unit

# The installer's, and that of BeagleBone's documentation and DietPi.
USUAL_SERVICES = ("nodered", "node-red")

# Their names are the roles': 50-pifleet-port.conf.
OWN_DROP_IN = re.compile(r"/\d+-pifleet-[^/]*\.conf$")

# What an override sets is told where it is harmless; anything else could be a password.
HARMLESS = (
    "uiPort",
    "uiHost",
    "httpAdminRoot",
    "httpNodeRoot",
    "httpRoot",
    "disableEditor",
    "flowFile",
    "userDir",
    "safeMode",
)

TLS_FOLDER = "/etc/nodered-tls"

ENVIRONMENT_LIMIT = 1024 * 1024
"""Bytes of an environment file."""

JOURNAL_SECONDS = 30
VERSION = re.compile(r"\d{1,9}\.\d{1,9}\.\d{1,9}[\w.+-]{0,40}")
# Files of this collection beside a settings file; there are at most five.
MOST_COMPANIONS = 100

# The port by which Node-RED takes what systemd hands it: that of the npm package systemd, with which BeagleBone's
# package patches red.js.
HANDED_OVER = "systemd"

# Node-RED 4.1 red.js: environment variables that change settings after the file is loaded.
VARIABLES = {
    "NODE_RED_ENABLE_SAFE_MODE": "safeMode",
    "NODE_RED_ENABLE_PROJECTS": "editorTheme.projects.enabled",
    "NODE_RED_ENABLE_TOURS": "editorTheme.tours",
    "NODE_RED_DISABLE_TELEMETRY": "telemetry.enabled",
}


@dataclasses.dataclass(frozen=True)
class Seen:
    """A Node-RED that was seen on this machine: a systemd service, or a process outside of one."""

    service: Optional[str]
    state: str
    pid: Optional[int]
    user: Optional[str]
    working_directory: Optional[str]
    ports: Sequence[int]
    where: str

    def __str__(self) -> str:
        parts = [self.state]
        if self.pid:
            parts.append("pid %d" % self.pid)
        if self.user:
            parts.append("user %s" % self.user)
        if self.working_directory:
            parts.append("in %s" % self.working_directory)
        if self.ports:
            parts.append("port " + ", ".join(str(port) for port in self.ports))
        return "%s (%s)" % (self.where, ", ".join(parts))


@dataclasses.dataclass(frozen=True)
class Plan:
    """How systemd would start this Node-RED now; nothing of it has been run."""

    unit: Unit
    command: _systemd.Command
    line: Optional[CommandLine]
    identity: Identity
    group: str
    home: str
    account_home: str
    """The home directory that the account has, whatever the variable HOME says."""
    working_directory: str
    environment: Mapping[str, str]
    origins: Mapping[str, str]
    """The file in which each variable of the unit's environment is set."""
    open_environment_files: Sequence[str]
    """Those that users other than root can change."""
    package: Optional[str]
    version: Optional[str]
    node: Optional[str]
    settings_file: str
    user_dir_option: Optional[str]
    default_user_dir: str
    """The user directory where neither an option nor the settings name one."""
    socket: Optional[Socket] = None
    """The socket unit through which systemd listens for this service, if there is one in use."""

    @property
    def service(self) -> str:
        return self.unit.service

    @property
    def runtime(self) -> _node.Runtime:
        """Raises Failure when there is no node."""
        if self.node is None:
            raise Failure(
                "No node was found for %s (PATH is %s)." % (self.unit.name, self.environment.get("PATH")),
                "Install Node.js where the service finds it, or name its path (option node).",
            )
        return _node.Runtime(
            node=self.node,
            identity=self.identity,
            environment=self.environment,
            working_directory=self.working_directory,
            arguments=self.arguments,
            defines=[option.value for option in self.line.defines] if self.line else [],
        )

    @property
    def user(self) -> str:
        return self.identity.name

    def user_for(self, path: str) -> Optional[Identity]:
        """As whom this settings file is worked on: None (this process) only where root alone chooses the path.

        Any other path than that of this plan may be one that the service user has chosen earlier.
        """
        given = self.line.settings if self.line else None
        in_unit = given is not None and given.variable is None and given.value.startswith("/")
        by_root = in_unit or (self.line is not None and not self.open_environment_files)
        if by_root and path == self.settings_file:
            return _identity.for_path(path, self.identity)
        return self.identity

    @property
    def supplementary_groups(self) -> List[str]:
        return self.unit.text("SupplementaryGroups").split()

    @property
    def arguments(self) -> List[str]:
        """`process.argv` of Node-RED after node."""
        return [os.path.join(self.package, "red.js")] + list(self.line.arguments) if self.package and self.line else []

    @property
    def port_option(self) -> Optional[str]:
        return self.line.port.value if self.line and self.line.port else None


def find(service: Optional[str]) -> Tuple[Unit, List[Seen]]:
    """The unit of the one Node-RED on this machine (or of the given service), and the others that were seen."""
    running = _running()
    names = list(USUAL_SERVICES) + [unit for unit, _process in running if unit]
    if service:
        names.insert(0, service)
    loaded = {unit.name: unit for unit in _systemd.show(*dict.fromkeys(names)) if unit.loaded}
    running = [(name if name and _belongs_to(loaded.get(name), one) else None, one) for name, one in running]
    usual = {_systemd.full_name(name) for name in [*USUAL_SERVICES, *([service] if service else [])]}
    with_processes = {name for name, _process in running}
    units = [unit for name, unit in loaded.items() if name in usual or name in with_processes]
    if service:
        wanted = _systemd.show(service)[0]
        others = _seen([unit for unit in units if unit.name != wanted.name], running, without=wanted.name)
        if not wanted.loaded:
            raise _no_such_service(wanted, others)
        return wanted, others
    everything = _seen(units, running)
    busy = [unit for unit in units if unit.working]
    rivals = [one for name, one in running if name is None and _is_rival(one, units)]
    candidates = busy or ([] if rivals else units)
    if len(candidates) == 1 and not rivals:
        return candidates[0], [one for one in everything if one.service != candidates[0].name]
    raise _not_exactly_one(candidates, everything)


def _belongs_to(unit: Optional[Unit], process: _processes.Process) -> bool:
    """Whether this process is the Node-RED of the unit whose control group it is in.

    The name of a process proves nothing: a cron job of anyone runs in the control group of cron.service.
    """
    if unit is None:
        return False
    if process.uid == _uid_of(unit) and process.pid in family(unit):
        return True
    # `sudo -u` in ExecStart, or a program that forks.
    return _command_line.parse([_systemd.Word(word) for word in _systemd.command(unit).words]) is not None


def _uid_of(unit: Unit) -> Optional[int]:
    with contextlib.suppress(Failure):
        return _identity.account(unit.text("User") or "root").pw_uid
    return None


def _is_rival(process: _processes.Process, units: Sequence[Unit]) -> bool:
    """Whether this process outside of a service can be the Node-RED that is meant.

    Where there is a service, that of another user is not: anyone can give a process this name.
    """
    return not units or process.uid == 0 or process.uid in map(_uid_of, units)


def _no_such_service(unit: Unit, others: Sequence[Seen]) -> Failure:
    state = unit.text("LoadState")
    problem = "The service %s %s." % (unit.name, "is masked" if state == "masked" else "does not exist (%s)" % state)
    if others:
        return Failure(problem + _list_of(others), "Set nodered_service (option service) to the service that is meant.")
    return Failure(
        problem, "Install Node-RED as a service (nodered.org/docs/getting-started/raspberrypi), or correct the name."
    )


def _not_exactly_one(candidates: Sequence[Unit], everything: Sequence[Seen]) -> Failure:
    if not everything:
        return Failure(
            "No Node-RED was found: there is no service nodered or node-red, and no such process runs.",
            "Install Node-RED as a service (nodered.org/docs/getting-started/raspberrypi), or name its service with "
            "nodered_service (option service).",
        )
    in_containers = [one for one in everything if "container" in one.where]
    if not candidates and len(in_containers) == len(everything):
        return Failure(
            "The only Node-RED here runs in a container (Docker, a Home Assistant add-on or the like)."
            + _list_of(everything),
            "This collection handles Node-RED that runs as a systemd service. A container's settings belong to "
            "whatever builds and starts the container: change them there.",
        )
    if not candidates:
        return Failure(
            "Node-RED runs here, but not as a systemd service." + _list_of(everything),
            "Run it as a service (node-red-start of the official installer), or stop it and name the service with "
            "nodered_service (option service).",
        )
    return Failure(
        "More than one Node-RED was found." + _list_of(everything),
        "Set nodered_service (option service) to the one that is meant, or stop the others.",
    )


def _list_of(seen: Sequence[Seen]) -> str:
    return " Seen:" + "".join("\n - %s" % one for one in seen)


def _running() -> List[Tuple[Optional[str], _processes.Process]]:
    """(unit, process) of each Node-RED process that is not the child of another."""
    found = [one for one in _processes.processes() if one.is_node_red and _is_node(one.pid)]
    pids = {one.pid for one in found}
    return [(_processes.unit_of(one.pid), one) for one in found if one.parent not in pids]


def _is_node(pid: int) -> bool:
    """Whether the process runs node, or cannot be looked at. Any process can choose its name and its arguments."""
    program = _processes.link(pid, "exe")
    return program is None or os.path.basename(program).startswith("node")


def _seen(
    units: Sequence[Unit], running: Sequence[Tuple[Optional[str], _processes.Process]], without: Optional[str] = None
) -> List[Seen]:
    seen = []
    known = {unit.name for unit in units}
    for unit in units:
        pids = [one.pid for name, one in running if name == unit.name] or ([unit.main_pid] if unit.main_pid else [])
        seen.append(
            _seen_process(
                pids[0] if pids else None, unit.name, "%s, %s" % (unit.state, unit.text("SubState")), unit.name
            )
        )
    for name, one in running:
        if name in known or (name is not None and name == without):
            continue
        if _processes.in_container(one.pid):
            where = "a process in a container"
        else:
            where = "a process outside of any system service"
        seen.append(_seen_process(one.pid, None, "running", where))
    return seen


def _seen_process(pid: Optional[int], service: Optional[str], state: str, where: str) -> Seen:
    found = _processes.process(pid) if pid else None
    if found is None:
        return Seen(service, state, None, None, None, (), where)
    ports = sorted({listener.port for listener in _processes.listeners(found.pid)})
    return Seen(
        service, state, found.pid, _identity.name_of(found.uid), _processes.link(found.pid, "cwd"), ports, where
    )


def plan(unit: Unit) -> Plan:
    """How this unit starts Node-RED: as whom, with which environment, from which files."""
    command = _systemd.command(unit)
    socket_unit = _systemd.socket_of(unit)
    identity = _identity.of(
        unit.text("User") or "root", unit.text("Group") or None, unit.text("SupplementaryGroups").split()
    )
    account = _identity.account(identity.name)
    environment, origins, open_files = _environment(unit, command, identity)
    if socket_unit:
        # sd_listen_fds(3); settings files look at these to find out who listens.
        environment.update(LISTEN_PID=str(unit.main_pid or os.getpid()), LISTEN_FDS=str(len(socket_unit.streams)))
    words = (
        _systemd.expand(command.words, environment)
        if command.expand
        else [_systemd.Word(word) for word in command.words]
    )
    line = _command_line.parse(words)
    if line:
        environment = dict(environment, **line.assignments)
    working_directory = _working_directory(unit, account.pw_dir)
    home = environment.get("HOME") or account.pw_dir
    logged = ("", None) if line else _from_journal(unit, identity)
    running_node = _processes.link(unit.main_pid, "exe") if unit.main_pid else None
    located = identity.run(_located, line, environment, working_directory, home, logged, running_node)
    for path in (home, working_directory, located["settings_file"], located["default_user_dir"]):
        require_plain(path)
    return Plan(
        unit=unit,
        command=command,
        line=line,
        identity=identity,
        group=_identity.group_name(identity.gid),
        home=home,
        account_home=account.pw_dir,
        working_directory=working_directory,
        environment=environment,
        origins=origins,
        open_environment_files=open_files,
        socket=socket_unit,
        **located,
    )


def require_plain(path: str) -> None:
    """Raise Failure where a path that came from the machine holds a control character, which no honest path does."""
    if re.search("[\x00-\x1f\x7f\ud800-\udfff]", path):
        raise Failure(
            "The path %r has a control character in it, or is not UTF-8." % path,
            "Correct it where it is set: in settings.js, in an environment file of the service, or in its unit.",
        )


def _environment(
    unit: Unit, command: _systemd.Command, identity: Identity
) -> Tuple[Dict[str, str], Dict[str, str], List[str]]:
    """The service's environment in systemd's order of precedence, the file that each variable comes from, and the
    environment files that users other than root can change.
    """
    account = _identity.account(identity.name)
    environment = _systemd.manager_environment()
    environment.update(HOME=account.pw_dir, USER=account.pw_name, LOGNAME=account.pw_name, SHELL=account.pw_shell)
    origins: Dict[str, str] = {}
    for assignment in command.environment:
        name, equals, value = assignment.partition("=")
        if equals:
            environment[name] = value
            origins[name] = unit.file_with(r"^\s*Environment\s*=.*\b%s=" % re.escape(name))
    files = [file for path in command.environment_files for file in _systemd.environment_files(path)]
    open_files = [file for file in files if not _identity.only_root_can_change(file)]
    if identity.uid == 0:
        _refuse_environment_of_root([file for file in open_files if os.path.lexists(file)])
        # One that is missing now may be there in a moment.
        files = [file for file in files if file not in open_files]
    for file in files:
        text = _files.text(file, _identity.for_path(file, identity), ENVIRONMENT_LIMIT)
        for name, value in _systemd.parse_environment(text):
            environment[name] = value
            origins[name] = file
    for name in unit.text("UnsetEnvironment").split():
        environment.pop(name, None)
    return environment, origins, open_files


def _refuse_environment_of_root(open_files: Sequence[str]) -> None:
    if open_files:
        raise Failure(
            "Node-RED runs as root here, but users other than root can change %s, and so what runs as root."
            % open_files[0],
            "Run Node-RED as a user of its own (User= in its unit, systemctl edit), or let root own this file and "
            "every folder above it, writable by root only.",
        )


def _working_directory(unit: Unit, home: str) -> str:
    folder = unit.text("WorkingDirectory").lstrip("!-") or "/"
    return home if folder == "~" else folder


def _located(
    line: Optional[CommandLine],
    environment: Mapping[str, str],
    working_directory: str,
    home: str,
    logged: Tuple[str, Optional[str]],
    running_node: Optional[str],
) -> Dict[str, Any]:
    """Where the files of this Node-RED are, found as the service user would find them.

    `logged` is the settings file and the user directory that the journal names, for a service without a command line
    that can be followed.
    """
    script = _script(line, environment, working_directory)
    package = _package(script)
    node_red_home = environment.get("NODE_RED_HOME") or package
    settings_file, user_dir_option = (
        _settings_file(line, environment, working_directory, home, package) if line else logged
    )
    return {
        "package": package,
        "version": _version(package),
        "node": _node_binary(line, environment, working_directory, running_node),
        "settings_file": settings_file,
        "user_dir_option": user_dir_option,
        "default_user_dir": _default_user_dir(node_red_home, home),
    }


def _script(line: Optional[CommandLine], environment: Mapping[str, str], working_directory: str) -> Optional[str]:
    program = line.program if line else "node-red"
    if "/" in program:
        path: Optional[str] = os.path.join(working_directory, program)
    else:
        path = shutil.which(program, path=environment.get("PATH"))
    return os.path.realpath(path) if path and os.path.exists(path) else None


def _package(script: Optional[str]) -> Optional[str]:
    """The folder of the package node-red that the script belongs to."""
    folder = os.path.dirname(script) if script else ""
    while folder and folder != "/":
        if _package_json(folder).get("name") == "node-red":
            return folder
        folder = os.path.dirname(folder)
    usual = ("/usr/lib/node_modules/node-red", "/usr/local/lib/node_modules/node-red", "/opt/node-red")
    return next((path for path in usual if _package_json(path).get("name") == "node-red"), None)


def _package_json(folder: str) -> Dict[str, Any]:
    found = _files.json_of(os.path.join(folder, "package.json"), limit=_node.PACKAGE_LIMIT)
    return found if isinstance(found, dict) else {}


def _version(package: Optional[str]) -> Optional[str]:
    version = _package_json(package).get("version") if package else None
    return version if isinstance(version, str) and VERSION.fullmatch(version) else None


def _node_binary(
    line: Optional[CommandLine], environment: Mapping[str, str], working_directory: str, running: Optional[str]
) -> Optional[str]:
    """The node that the next start will use: the one that is named, else the first in PATH, else the running one."""
    named = line.node if line and line.node else "node"
    if "/" in named:
        return os.path.join(working_directory, named)
    found = shutil.which(named, path=environment.get("PATH"))
    if found:
        return found
    return running if running and os.path.basename(running).startswith("node") else None


def _settings_file(
    line: CommandLine, environment: Mapping[str, str], working_directory: str, home: str, package: Optional[str]
) -> Tuple[str, Optional[str]]:
    """The settings file by the rules of red.js (Node-RED 4.1, lines 123-158), and the user directory of option -u."""
    user_dir = _command_line.resolved(line.user_dir.value, working_directory, home) if line.user_dir else None
    if line.settings:
        return _command_line.resolved(line.settings.value, working_directory, home), user_dir
    if user_dir and os.path.exists(os.path.join(user_dir, "settings.js")):
        return os.path.join(user_dir, "settings.js"), user_dir
    node_red_home = environment.get("NODE_RED_HOME") or package
    if node_red_home and os.path.exists(os.path.join(node_red_home, ".config.json")):
        return os.path.join(node_red_home, "settings.js"), user_dir
    legacy = os.path.join(environment.get("HOMEPATH") or "/nonexistent", ".node-red")
    if os.path.exists(os.path.join(legacy, ".config.json")):
        return os.path.join(legacy, "settings.js"), user_dir
    own = os.path.join(user_dir or os.path.join(home, ".node-red"), "settings.js")
    if not os.path.exists(own) and package and _default_was_edited(package):
        return os.path.join(package, "settings.js"), user_dir
    return own, user_dir


def _default_was_edited(package: str) -> bool:
    """Node-RED copies its default only while that looks unedited; else it runs from the package itself."""
    try:
        stat = os.stat(os.path.join(package, "settings.js"))
    except OSError:
        return False
    return stat.st_mtime > stat.st_ctime


def _default_user_dir(node_red_home: Optional[str], home: str) -> str:
    """The user directory where nothing names one (@node-red/runtime localfilesystem/index.js)."""
    old = (".config.json", ".config.nodes.json")
    if node_red_home and any(os.path.exists(os.path.join(node_red_home, name)) for name in old):
        return node_red_home
    return os.path.join(home, ".node-red")


def _from_journal(unit: Unit, identity: Identity) -> Tuple[str, Optional[str]]:
    """Settings file and user directory as Node-RED last logged them, for a service that starts it by a script.

    Only lines of the service's own processes count: anyone can log any text (logger), but not with these fields
    (systemd.journal-fields(7), trusted fields).
    """
    if identity.uid == 0:
        # Other programs log as root what users have chosen: cron logs the command of each job.
        raise _cannot_be_followed(unit, "")
    written_by = ["_SYSTEMD_UNIT=" + unit.name, "_UID=%d" % identity.uid]
    answer = _systemd.run(
        ["journalctl", "--no-pager", "-q", "-o", "cat", "-r", "-n", "2000", *written_by], timeout=JOURNAL_SECONDS
    )
    settings = re.search(r"Settings file\s*: (/.*)$", answer.stdout, re.MULTILINE)
    user_dir = re.search(r"User directory\s*: (/.*)$", answer.stdout, re.MULTILINE)
    if settings is None:
        raise _cannot_be_followed(unit, ", and its journal does not name the settings file")
    return settings.group(1).strip(), user_dir.group(1).strip() if user_dir else None


def _cannot_be_followed(unit: Unit, more: str) -> Failure:
    return Failure(
        "%s does not start node-red in a way that can be followed%s." % (unit.name, more),
        "Let ExecStart call node-red, node-red-pi or node with red.js (systemctl edit %s), or set nodered_service "
        "(option service) to the service that runs Node-RED." % unit.name,
    )


def user_dir(plan_: Plan, settings: Mapping[str, Any]) -> str:
    """Where flows, credentials and sessions are (@node-red/runtime localfilesystem/index.js)."""
    folder = plan_.user_dir_option or plan_.default_user_dir
    if not plan_.user_dir_option and settings.get("userDir"):
        folder = os.path.normpath(os.path.join(plan_.working_directory, str(settings["userDir"])))
    require_plain(folder)
    return folder


def require_settings_file(plan_: Plan) -> None:
    if not os.path.exists(plan_.settings_file):
        raise Failure(
            "The settings file %s of %s does not exist." % (plan_.settings_file, plan_.unit.name),
            "Node-RED writes it when it is started for the first time: systemctl start %s" % plan_.service,
        )


def load(plan_: Plan) -> _node.Loaded:
    """What the settings file exports now."""
    return _node.load(plan_.settings_file, plan_.runtime)


def family(unit: Unit) -> List[int]:
    """The service's main process and everything that it has started."""
    pid = unit.main_pid
    return sorted(_processes.with_descendants(pid, _processes.processes())) if pid else []


def listeners(unit: Unit) -> List[_processes.Listener]:
    return list(dict.fromkeys(_processes.listeners(*family(unit))))


def expected(plan_: Plan, loaded: _node.Loaded) -> Endpoint:
    """Where this Node-RED serves after its next start."""
    where = _serving.endpoint(loaded.in_force, plan_.port_option)
    if not takes_socket(plan_, loaded) or plan_.socket is None:
        return where
    if plan_.socket.address is None:
        problem = "%s listens on %s, which is no TCP port." % (plan_.socket.name, ", ".join(plan_.socket.streams))
        return dataclasses.replace(where, problem=problem)
    address, port = plan_.socket.address
    # Whatever uiHost says: it is systemd that listens.
    return dataclasses.replace(where, host=address, port=port, problem="")


def takes_socket(plan_: Plan, loaded: _node.Loaded) -> bool:
    """Whether systemd listens for this Node-RED, which then opens no port of its own."""
    return plan_.socket is not None and plan_.port_option is None and loaded.in_force.get("uiPort") == HANDED_OVER


def serving(unit: Unit, where: Endpoint) -> Optional[Endpoint]:
    """Where it serves now, found out by asking; None when it does not."""
    sockets = listeners(unit)
    return _serving.found_among(sockets, where) if sockets else None


def overrides(plan_: Plan, loaded: _node.Loaded) -> List[Dict[str, Any]]:
    """The options and variables that win over the settings file, the strongest last."""
    found: List[Dict[str, Any]] = []
    port = plan_.environment.get("PORT")
    if port and loaded.reads_port and str(loaded.from_file.get("uiPort")) == port:
        found.append(_override("uiPort", "PORT", port, plan_.origins.get("PORT"), "PORT"))
    line = plan_.line
    if line is None:
        return found
    for number, option in enumerate(line.defines):
        for name in loaded.defined[number] if loaded.defined else _defined_names(option):
            found.append(_from_option(plan_, name, "-D", option, loaded.in_force.get(name)))
    for name, setting in VARIABLES.items():
        value = plan_.environment.get(name)
        if value:
            found.append(_override(setting, name, value, plan_.origins.get(name), name))
    for setting, channel, flag in (
        ("safeMode", "--safe", line.safe),
        ("flowFile", "command line", line.flow_file),
        ("userDir", "-u", line.user_dir),
        ("uiPort", "-p", line.port),
    ):
        if flag:
            found.append(_from_option(plan_, setting, channel, flag, flag.value))
    return found


def _defined_names(option: Option) -> List[str]:
    name, equals, _value = option.value.partition("=")
    return [name] if equals else []


def _from_option(plan_: Plan, setting: str, channel: str, option: Option, value: Any) -> Dict[str, Any]:
    variable = option.variable
    where = plan_.origins.get(variable) if variable else plan_.unit.file_with(r"^\s*ExecStart\s*=\s*\S")
    return _override(setting, channel, value, where, variable)


def _override(setting: str, channel: str, value: Any, where: Optional[str], variable: Optional[str]) -> Dict[str, Any]:
    return {
        "setting": setting,
        "channel": channel,
        "where": where,
        "variable": variable,
        "value": str(value) if setting in HARMLESS and value is not None else None,
    }


def describe(plan_: Plan, loaded: _node.Loaded, others: Sequence[Seen]) -> Dict[str, Any]:
    """The instance as `instance_info` returns it. It holds no secret: no hash, no password, no value of a variable."""
    unit = plan_.unit
    settings = loaded.in_force
    where = expected(plan_, loaded) if not loaded.error else None
    # A file that cannot be loaded says nothing about what runs, but what runs can still be asked.
    now = serving(unit, where or _serving.endpoint({}))
    folder = user_dir(plan_, settings)
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
        "user": plan_.user,
        "group": plan_.group,
        "home": plan_.home,
        "working_directory": plan_.working_directory,
        "user_dir": folder,
        "ways_to_root": _privileges.ways_to_root(plan_.user, [plan_.group, *plan_.supplementary_groups], unit.files),
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
        "admin_auth": settings.get("adminAuth"),
        "disable_editor": settings.get("disableEditor"),
        "https": settings.get("https"),
        "http_node_auth": settings.get("httpNodeAuth"),
        "http_node_password": settings.get("httpNodePassword"),
        "http_static": settings.get("httpStatic"),
        "http_static_password": settings.get("httpStaticPassword"),
        "static_roots": _sockets.static_roots(settings),
        **plan_.identity.run(_looked_around, plan_, settings, folder, where, table.mounts),
        **file_systems(table, folder, plan_.settings_file),
        "others": [dict(dataclasses.asdict(one), ports=list(one.ports)) for one in others],
        "held_ports": held_ports(unit, plan_.socket if takes_socket(plan_, loaded) else None),
        "clock": int(time.time()),
        "hostname": socket.gethostname(),
        "addresses": addresses(),
        "tls": tls(plan_),
    }


def _looked_around(
    plan_: Plan,
    settings: Mapping[str, Any],
    folder: str,
    where: Optional[Endpoint],
    mounts: Sequence[_mounts.Mount],
) -> Dict[str, Any]:
    """What is in the user directory and around the settings file, seen with the rights of the service user."""
    exposed = _private_files.exposed(folder, plan_.settings_file, plan_.identity)
    return {
        "sandbox": sandbox(plan_, settings, folder),
        "user_dir_owner": _private_files.folder_owner(folder),
        "user_dir_writable": _private_files.folder_writable(folder, plan_.identity),
        "exposed": [one.described() for one in exposed],
        **sessions(plan_, settings, folder, mounts),
        "companions": companions(plan_.settings_file),
        **sockets(plan_, settings, folder, where),
    }


def _socket(plan_: Plan, loaded: _node.Loaded) -> Dict[str, Any]:
    unit = plan_.socket
    taken = unit is not None and unit.address is not None and takes_socket(plan_, loaded)
    return {
        "socket": unit.name if unit else None,
        "socket_file": unit.file if unit else None,
        "socket_streams": unit.streams if unit else [],
        "socket_port": unit.address[1] if unit and unit.address and taken else None,
    }


def tls_folder(plan_: Plan) -> str:
    """Where this collection keeps the service's certificate and key."""
    return os.path.join(TLS_FOLDER, plan_.service)


def reader(plan_: Plan) -> _pair.Reader:
    """Who reads the certificate and its key."""
    return _pair.Reader(plan_.user, plan_.group, plan_.runtime.node, plan_.supplementary_groups)


def tls(plan_: Plan) -> Dict[str, Any]:
    """The certificate that this collection has given to the service; nothing of its key but whether it can be used."""
    folder = tls_folder(plan_)
    pair = _pair.placed(folder)
    return {
        "folder": os.path.join(folder, _pair.CURRENT),
        "certificate": pair.certificate.decode("utf-8", "replace") if pair else None,
        "problem": _pair.why_unusable(folder, reader(plan_)) if pair else None,
        "client_authorities": [os.path.basename(path) for path in glob.glob(folder + "/client-authority-*.pem")],
        "follows": os.path.exists(os.path.join(_systemd.UNIT_FOLDER, "pifleet-%s-certificate.path" % plan_.service)),
    }


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


def sockets(plan_: Plan, settings: Mapping[str, Any], folder: str, where: Optional[Endpoint]) -> Dict[str, Any]:
    """What is needed to close, and to ask, the sockets that httpNodeAuth leaves open."""
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
    }


def sessions_place(plan_: Plan, folder: str) -> _sessions.Place:
    links_work = _sessions.writes_through_links(plan_.version)
    return _sessions.Place(folder, plan_.identity, _sessions.runtime_folder(plan_.service), links_work)


def sessions(plan_: Plan, settings: Mapping[str, Any], folder: str, mounts: Sequence[_mounts.Mount]) -> Dict[str, Any]:
    """Where the logins are kept, and what would have to change for another place."""
    place = sessions_place(plan_, folder)
    return {
        "sessions_file": _sessions.file_in_use(place, settings),
        "sessions": {
            "link_target": place.link_target,
            "runtime_file": os.path.join(place.runtime_folder, _sessions.STORE_NAME),
            "runtime_directory": os.path.basename(place.runtime_folder),
            "repairs": {
                state: [one.described() for one in _sessions.repairs(place, state, mounts)]
                for state in _sessions.STATES
            },
        },
        "storage_module": settings.get("storageModule"),
        "runtime_directories": plan_.unit.text("RuntimeDirectory").split(),
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
    """The text of each drop-in that this collection has given the service, by its path."""
    found = {}
    for path in unit.files:
        if OWN_DROP_IN.search(path):
            with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as stream:
                found[path] = stream.read()
    return found


def held_ports(unit: Unit, socket_unit: Optional[Socket] = None) -> List[Dict[str, Any]]:
    """The TCP ports that processes outside of the service hold; what systemd holds for the service is its own."""
    own = {(listener.address, listener.port) for listener in listeners(unit)}
    if socket_unit and socket_unit.address and socket_unit.state == "active":
        own.add(socket_unit.address)
    found = []
    for pid, listener in _processes.everybody():
        if (listener.address, listener.port) not in own:
            holder = _processes.process(pid) if pid else None
            name = holder.name if holder else None
            found.append({"port": listener.port, "address": listener.address, "pid": pid, "process": name})
    return found


def file_systems(table: _mounts.Table, folder: str, settings_file: str) -> Dict[str, Any]:
    """What can be written where the user directory, the settings and the rest of a change are."""
    of_user_dir = table.holding(folder)
    places = [folder, os.path.dirname(os.path.realpath(settings_file)), _own_folders.STATE, _systemd.UNIT_FOLDER]
    return {
        "root_read_only": table.holding("/").read_only,
        "user_dir_read_only": of_user_dir.read_only,
        "user_dir_read_only_at_boot": table.read_only_at_boot(of_user_dir),
        "read_only": [{"mount": mount.point, "by": table.why_read_only(mount)} for mount in table.read_only(places)],
        "overlay": bool(table.forgetful(places)),
    }


def sandbox(plan_: Plan, settings: Mapping[str, Any], folder: str) -> Dict[str, Any]:
    """The paths of which a sandbox is made, with links followed, and whether root chose the user directory."""
    named = (plan_.line.flow_file.value if plan_.line and plan_.line.flow_file else None) or settings.get("flowFile")
    absolute = isinstance(named, str) and os.path.isabs(named) and "\0" not in named
    user_dir_real = os.path.realpath(folder)
    home = os.path.realpath(plan_.account_home)
    return {
        "account_home": home,
        "user_dir": user_dir_real,
        # The service user can put a link where root has named a folder.
        "user_dir_by_root": user_dir_real == folder and user_dir_by_root(plan_, folder),
        "flow_file": os.path.realpath(str(named)) if absolute else None,
        "known_hosts": os.path.isfile(os.path.join(home, ".ssh", "known_hosts")),
    }


def user_dir_by_root(plan_: Plan, folder: str) -> bool:
    """Whether the unit itself names the user directory: who can write to a unit is root.

    A variable of an environment file does not count, as the service user can often write to that file.
    """
    line = plan_.line
    if line is None:
        return False
    if line.user_dir:
        at_home = line.user_dir.value.startswith("~/")
        return _by_unit(plan_, line.user_dir.variable) and (not at_home or _by_unit(plan_, "HOME"))
    return folder == os.path.join(plan_.home, ".node-red") and _by_unit(plan_, "HOME")


def _by_unit(plan_: Plan, variable: Optional[str]) -> bool:
    """Whether a value comes from the unit, its drop-ins or systemd; None stands for one without a variable."""
    if variable is None or variable not in plan_.environment:
        return True
    in_command = plan_.line is not None and variable in plan_.line.assignments
    origin = plan_.origins.get(variable)
    return not in_command and (origin is None or origin in plan_.unit.files)
