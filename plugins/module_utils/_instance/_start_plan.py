# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: how systemd would start a Node-RED: as whom, how, and from which files."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import signal
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._core._text import printable_line
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import (
    _command_line,
    _followed,
    _launchers,
    _node,
    _running,
    _service_ports,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._command_line import CommandLine
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._followed import Start
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._launchers import Launch
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._location import from_journal, located_files
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._running import Running
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _identity, _systemd, _user_units
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._environment_files import assignments, files_of
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._identity import Identity
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Socket, Unit

ENVIRONMENT_LIMIT = 1024 * 1024
"""Bytes of an environment file."""


@dataclasses.dataclass(frozen=True)
class StartPlan:
    """How systemd would start this Node-RED now; nothing of it has been run."""

    unit: Unit
    command: _systemd.Command
    line: Optional[CommandLine]
    identity: Identity
    group: str
    home: str
    account_home: str
    """The home directory in the passwd database; the variable HOME can name another one."""
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
    running: Optional[Running] = None
    """The Node-RED that runs, or ran a moment ago."""
    direct: bool = True
    """Whether the unit alone shows all of this, and not a process or other files."""

    @property
    def service(self) -> str:
        return self.unit.service

    @property
    def by_root(self) -> bool:
        """Whether root has chosen what the unit shows: no user unit, and no file of the service user."""
        return self.direct and self.unit.owner is None

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
        by_root = self.by_root and (in_unit or not self.open_environment_files)
        if by_root and path == self.settings_file:
            return _identity.for_path(path, self.identity)
        return self.identity

    @property
    def supplementary_groups(self) -> List[str]:
        names = self.unit.text("SupplementaryGroups").split()
        return [name for name in names if _identity.group_id(name) in self.identity.groups]

    @property
    def arguments(self) -> List[str]:
        """`process.argv` of Node-RED after node."""
        return [os.path.join(self.package, "red.js")] + list(self.line.arguments) if self.package and self.line else []

    @property
    def takes_options(self) -> bool:
        """Whether words at the end of ExecStart reach Node-RED, and not a script that starts it."""
        return self.line is not None and not self.line.in_script

    @property
    def port_option(self) -> Optional[str]:
        return self.line.port.value if self.line and self.line.port else None


def plan(unit: Unit, last: Optional[Running] = None) -> StartPlan:
    """How this unit starts Node-RED: as whom, with which environment, from which files.

    Where a launcher decides, the Node-RED that runs shows it: node, user, working directory and environment are the
    same after the next start. `last` is the one that ran a moment ago. Raises Failure where unit and process disagree.
    """
    command = _systemd.command(unit)
    socket_unit = _systemd.socket_of(unit)
    by_unit = unit.identity()
    environment, origins, open_files = _environment(unit, command, by_unit)
    if socket_unit:
        # sd_listen_fds(3); settings files look at these to find out who listens.
        environment.update(LISTEN_PID=str(unit.main_pid or os.getpid()), LISTEN_FDS=str(len(socket_unit.streams)))
    now = _running.of(unit)
    running = now or last
    launch = _launchers.follow(Launch(_words(command, environment)))
    start = Start(launch, environment, _working_directory(unit, by_unit))
    identity = _identity_of(launch, by_unit, unit, running)
    direct = not launch.indirect and _command_line.of(launch) is not None
    start = _followed_start(start, identity, by_unit, None if direct else running)
    line = _command_line.of(start.launch) or (_as_it_runs(running, command) if running else None)
    account = _identity.account(identity.name)
    home = start.environment.get("HOME") or account.pw_dir
    located = identity.run(
        located_files,
        line,
        start.environment,
        start.working_directory,
        home,
        ("", None) if line else from_journal(unit, identity, running),
        running.node if running else None,
        direct,
    )
    for path in (home, start.working_directory, located["settings_file"], located["default_user_dir"]):
        require_plain(path)
    found = StartPlan(
        unit=unit,
        command=command,
        line=line,
        identity=identity,
        group=_identity.group_name(identity.gid),
        home=home,
        account_home=account.pw_dir,
        working_directory=start.working_directory,
        environment=start.environment,
        origins=origins,
        open_environment_files=open_files,
        socket=socket_unit,
        running=running,
        direct=direct,
        **{**located, "version": located["version"] or (running.start_up.version if running else None)},
    )
    if now:
        _require_stoppable(unit, now)
        _require_agreement(found, now)
    return found


def _words(command: _systemd.Command, environment: Mapping[str, str]) -> List[_systemd.Word]:
    if command.expand:
        return _systemd.expand(command.words, environment)
    return [_systemd.Word(word) for word in command.words]


def _identity_of(launch: Launch, by_unit: Identity, unit: Unit, running: Optional[Running]) -> Identity:
    """As whom Node-RED runs: as the user of the unit, or the one that a launcher changes to.

    The process decides where the launchers cannot be followed to their end. Nothing that it uses is ever worked on with
    the rights of another user.
    """
    if unit.owner:
        return _own_identity(launch, unit, unit.owner)
    planned = _identity.of(launch.user) if launch.user and launch.user != by_unit.name else by_unit
    if running is None or running.uid == planned.uid:
        return planned
    if _command_line.of(launch) is not None:
        raise _running.contradiction(running, "user", running.user, "user " + planned.name, unit)
    return running.identity()


def _own_identity(launch: Launch, unit: Unit, owner: Identity) -> Identity:
    """The user whose systemd runs the unit. Nothing that this user writes there leads to another user's rights."""
    if launch.user not in (None, owner.name):
        raise Failure(
            "%s is a user unit of %s, and starts Node-RED as another user, %s."
            % (unit.name, owner.name, printable_line(str(launch.user))),
            "Make it a service of the machine with User=%s." % printable_line(str(launch.user)),
        )
    return owner


def _followed_start(start: Start, identity: Identity, by_unit: Identity, running: Optional[Running]) -> Start:
    """The start with what only files or the process show of it. `running` is None where the unit shows all."""
    if running and running.environment:
        start = Start(start.launch, running.environment, running.working_directory or start.working_directory)
    elif identity is not by_unit:
        start = dataclasses.replace(start, environment=_environment_of_user(start, identity))
    if _followed.needed(start.launch, running is not None):
        return Start.loaded(identity.run(_followed.followed, start, running is not None))
    if running:
        return start
    return dataclasses.replace(start, environment={**start.environment, **start.launch.assignments})


def _environment_of_user(start: Start, identity: Identity) -> Dict[str, str]:
    """The environment that sudo, runuser and su give to a program of another user."""
    account = _identity.account(identity.name)
    kept = {} if start.launch.new_environment else dict(start.environment)
    own = {"HOME": account.pw_dir, "USER": account.pw_name, "LOGNAME": account.pw_name, "SHELL": account.pw_shell}
    return {"PATH": start.environment.get("PATH", _systemd.DEFAULT_PATH), **kept, **own}


def _as_it_runs(running: Running, command: _systemd.Command) -> Optional[CommandLine]:
    """The command line that the process was started with, by a script that cannot be followed."""
    line = _command_line.parse(running.start_up.words)
    script = next((word for word in command.words[1:] if os.path.isabs(word)), next(iter(command.words), None))
    return dataclasses.replace(line, file=script, in_script=True) if line else None


def _require_stoppable(unit: Unit, running: Running) -> None:
    """Raise Failure where stopping the unit leaves Node-RED running: su hands on SIGTERM, but no other signal."""
    apart = not _service_ports.holds(unit, running.pid)
    if apart and unit.number("KillSignal") not in (0, signal.SIGTERM):
        raise Failure(
            "Node-RED (pid %d) of %s is in a login session of user %s, which su opens, and so outside of the control "
            "group of the unit. KillSignal=%d does not reach it there: it would go on when the service is stopped."
            % (running.pid, unit.name, running.user, unit.number("KillSignal")),
            "Use User=%s in the unit in place of su, or runuser -u %s -- (systemctl edit %s)."
            % (running.user, running.user, unit.name),
        )


def _require_agreement(found: StartPlan, running: Running) -> None:
    """Raise Failure where Node-RED has logged another settings file, and nothing was changed since its start."""
    logged = running.start_up.settings_file
    if logged in (None, found.settings_file) or found.identity.run(_same_file, logged, found.settings_file):
        return
    sources = [*found.unit.files, *found.command.environment_files, found.line.file if found.line else None]
    if not found.identity.run(_changed_since, [file.lstrip("-") for file in sources if file], running.started):
        raise _running.contradiction(running, "settings file", logged, found.settings_file, found.unit)


def _same_file(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _changed_since(files: Sequence[str], started: float) -> bool:
    """Whether one of these files is newer than a process. Systemd's folders count, as a drop-in may have gone."""
    times = []
    for path in [*files, *{os.path.dirname(file) for file in files if file.endswith((".service", ".conf"))}]:
        with contextlib.suppress(OSError):
            times.append(os.stat(path).st_mtime)
    return any(changed > started - 1 for changed in times)


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
    environment = _systemd.user_environment(unit.owner) if unit.owner else _systemd.manager_environment()
    environment.update(HOME=account.pw_dir, USER=account.pw_name, LOGNAME=account.pw_name, SHELL=account.pw_shell)
    origins: Dict[str, str] = {}
    for assignment in command.environment:
        name, equals, value = assignment.partition("=")
        if equals:
            environment[name] = value
            origins[name] = unit.file_with(r"^[ \t]*Environment[ \t]*=.*\b%s=" % re.escape(name))
    files = _environment_files(unit, command)
    open_files = files if unit.owner else [file for file in files if not _identity.only_root_can_change(file)]
    if identity.uid == 0:
        _refuse_environment_of_root([file for file in open_files if os.path.lexists(file)])
        # One that is missing now may be there in a moment.
        files = [file for file in files if file not in open_files]
    for file in files:
        text = _files.text(file, unit.owner or _identity.for_path(file, identity), ENVIRONMENT_LIMIT)
        for name, value in assignments(text):
            environment[name] = value
            origins[name] = file
    for name in unit.text("UnsetEnvironment").split():
        environment.pop(name, None)
    return environment, origins, open_files


def _environment_files(unit: Unit, command: _systemd.Command) -> List[str]:
    paths = list(command.environment_files)
    return list(unit.owner.run(_found_files, paths)) if unit.owner else _found_files(paths)


def _found_files(paths: Sequence[str]) -> List[str]:
    return [file for path in paths for file in files_of(path)]


def _refuse_environment_of_root(open_files: Sequence[str]) -> None:
    if open_files:
        raise Failure(
            "Node-RED runs as root here, but users other than root can change %s, and so what runs as root."
            % open_files[0],
            "Run Node-RED as a user of its own (User= in its unit, systemctl edit), or let root own this file and "
            "every folder above it, writable by root only.",
        )


def _working_directory(unit: Unit, identity: Identity) -> str:
    folder = unit.text("WorkingDirectory").lstrip("!-") or ("~" if unit.owner else "/")
    return _identity.account(identity.name).pw_dir if folder == "~" else folder


def user_dir(plan_: StartPlan, settings: Mapping[str, Any]) -> str:
    """Where flows, credentials and sessions are (@node-red/runtime localfilesystem/index.js)."""
    folder = plan_.user_dir_option or plan_.default_user_dir
    if not plan_.user_dir_option and settings.get("userDir"):
        folder = os.path.normpath(os.path.join(plan_.working_directory, str(settings["userDir"])))
    require_plain(folder)
    return folder


def require_settings_file(plan_: StartPlan) -> None:
    if not os.path.exists(plan_.settings_file):
        raise Failure(
            "The settings file %s of %s does not exist." % (plan_.settings_file, plan_.unit.name),
            "Node-RED writes it at its first start: %s" % _user_units.by_hand(plan_.service, "start"),
        )


def load(plan_: StartPlan) -> _node.Loaded:
    """What the settings file exports now."""
    return _node.load(plan_.settings_file, plan_.runtime)
