# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: how systemd would start a Node-RED: as whom, how, and from which files."""

from __future__ import annotations

import dataclasses
import os
import re
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _command_line, _node
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._command_line import CommandLine
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._location import from_journal, located_files
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _identity, _processes, _systemd
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._identity import Identity
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Socket, Unit

ENVIRONMENT_LIMIT = 1024 * 1024
"""Bytes of an environment file."""


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
    logged = ("", None) if line else from_journal(unit, identity)
    running_node = _processes.link(unit.main_pid, "exe") if unit.main_pid else None
    located = identity.run(located_files, line, environment, working_directory, home, logged, running_node)
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
