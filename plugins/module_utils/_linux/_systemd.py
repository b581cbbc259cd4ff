# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: what systemd knows about a service, and how it starts it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shlex
import subprocess
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils._core import _commands
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._core._text import printable_line
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _identity, _user_units
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._identity import Identity

PROPERTIES = (
    "Id",
    "LoadState",
    "ActiveState",
    "SubState",
    "UnitFileState",
    "FragmentPath",
    "SourcePath",
    "DropInPaths",
    "NeedDaemonReload",
    "MainPID",
    "NRestarts",
    "ExecMainCode",
    "ExecMainStatus",
    "User",
    "Group",
    "SupplementaryGroups",
    "WorkingDirectory",
    "RuntimeDirectory",
    "Environment",
    "EnvironmentFiles",
    "UnsetEnvironment",
    "ExecStart",
    "TriggeredBy",
    "TimeoutStopUSec",
    "KillSignal",
)

SOCKET_PROPERTIES = (
    "Id",
    "LoadState",
    "ActiveState",
    "UnitFileState",
    "FragmentPath",
    "DropInPaths",
    "NeedDaemonReload",
    "Listen",
)

# From systemd's own source (src/basic/path-util.h): what a service gets when nothing else is said.
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Where the tools of packet filters are: the PATH of root has these folders, that of a service or of `su` may not.
SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"

# Where the machine's own unit files and drop-ins are (systemd.unit(5)).
UNIT_FOLDER = "/etc/systemd/system"

# Seconds and bytes of an answer of a user's own systemd, which can be anything.
USER_SECONDS = 20
USER_LIMIT = 256 * 1024
VALUE_LIMIT = 16 * 1024
MESSAGE_LIMIT = 500
# Characters of a command line. A user who chooses both a unit and its variables can describe one that no memory holds.
COMMAND_LINE_LIMIT = 64 * 1024
# Bytes of a file that belongs to a unit.
FILE_LIMIT = 64 * 1024
# What only the systemd of the machine decides.
_NOT_OF_A_USER = ("User", "Group", "SupplementaryGroups")
_STATES = ("LoadState", "ActiveState", "SubState", "UnitFileState")


def run(arguments: Sequence[str], timeout: float = 60) -> "subprocess.CompletedProcess[str]":
    """Run a system tool, untranslated. Raises Failure when it is missing or does not end in time (seconds)."""
    return _run(arguments, timeout, None)


def run_as(
    user: Identity, arguments: Sequence[str], timeout: float = USER_SECONDS
) -> "subprocess.CompletedProcess[str]":
    """As `run`, as this user, for whose own systemd the tool is. The answer is that user's choice."""
    return _run(arguments, timeout, user)


def _environment(user: Optional[Identity]) -> Dict[str, str]:
    environment = {
        "PATH": os.environ.get("PATH") or DEFAULT_PATH,
        "LC_ALL": "C.UTF-8",
        "SYSTEMD_PAGER": "",
        "SYSTEMD_COLORS": "0",
    }
    if user:
        folder = _user_units.runtime_folder(user)
        environment.update(XDG_RUNTIME_DIR=folder, DBUS_SESSION_BUS_ADDRESS="unix:path=%s/bus" % folder)
    return environment


def _run(arguments: Sequence[str], timeout: float, user: Optional[Identity]) -> "subprocess.CompletedProcess[str]":
    limit = USER_LIMIT if user else _commands.OUTPUT_LIMIT
    become = user.become if user else None
    try:
        output = _commands.run(arguments, timeout, environment=_environment(user), limit=limit, become=become)
    except FileNotFoundError:
        raise Failure(
            "%s is not installed on this machine." % arguments[0],
            "This collection handles Node-RED that runs as a systemd service on a Debian-like system.",
        ) from None
    except subprocess.TimeoutExpired:
        raise Failure(
            "%s did not respond within %d seconds." % (" ".join(arguments[:2]), timeout),
            "Look at the machine itself: systemd is busy or hangs (systemctl %slist-jobs)."
            % ("--user " if user else ""),
        ) from None
    except _commands.TooMuch as error:
        raise Failure(str(error), "Look at the machine itself: run that command there.") from None
    texts = [text.decode("utf-8", "surrogateescape") for text in (output.stdout, output.stderr)]
    if user:
        texts[1] = texts[1][:MESSAGE_LIMIT]
    return subprocess.CompletedProcess(list(arguments), output.returncode, *texts)


def control(names: Sequence[str], verb: str, *options: str, timeout: float = 60) -> "subprocess.CompletedProcess[str]":
    """`systemctl VERB` for these units, which one systemd runs: that of the machine or of a user. Raises as `run`."""
    user = _user_units.owner(names[0])
    return _asked(user, [verb, *options, "--", *(_user_units.split(name).unit for name in names)], timeout)


def reload(name: str) -> "subprocess.CompletedProcess[str]":
    """Have the systemd that runs this unit read its files again. Raises as `run`."""
    return _asked(_user_units.owner(name), ["daemon-reload"], 90)


def start_in_background(name: str) -> "subprocess.Popen[bytes]":
    """Start the unit; the process that waits for the end of the start. Let `_commands.end` follow."""
    user = _user_units.owner(name)
    return subprocess.Popen(
        ["systemctl", *(["--user"] if user else []), "start", "--", _user_units.split(name).unit],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_environment(user) if user else None,
        cwd="/" if user else None,
        start_new_session=True,
        preexec_fn=user.become if user else None,
    )


def _asked(user: Optional[Identity], words: Sequence[str], timeout: float) -> "subprocess.CompletedProcess[str]":
    if user is None:
        return run(["systemctl", *words], timeout)
    return run_as(user, ["systemctl", "--user", *words], timeout)


@dataclasses.dataclass(frozen=True)
class Unit:
    """What `systemctl show` says about one unit."""

    name: str
    """For one of a user's own systemd, with the user: `pi/nodered.service`."""
    properties: Mapping[str, Sequence[str]]
    owner: Optional[Identity] = None
    """The user whose own systemd runs it, and who decides all of this; None for a unit of the machine."""

    def text(self, name: str) -> str:
        values = self.properties.get(name) or ("",)
        return values[0]

    def number(self, name: str) -> int:
        text = self.text(name)
        return int(text) if re.match(r"^\d+$", text) else 0

    @property
    def service(self) -> str:
        """The name without `.service`, as options have it."""
        return self.name[: -len(".service")]

    def identity(self) -> Identity:
        """As whom systemd starts its program. Raises Failure where there is no such account."""
        groups = self.text("SupplementaryGroups").split()
        return self.owner or _identity.of(self.text("User") or "root", self.text("Group") or None, groups)

    def reader(self, path: str) -> Optional[Identity]:
        """As whom a path that the unit names is worked on, see `_identity.for_path`."""
        return self.owner or _identity.for_path(path, self.identity())

    @property
    def loaded(self) -> bool:
        return self.text("LoadState") == "loaded"

    @property
    def state(self) -> str:
        return self.text("ActiveState")

    @property
    def working(self) -> bool:
        """Whether systemd runs it, starts it, or is about to start it again."""
        return self.state in ("active", "activating", "reloading", "deactivating")

    @property
    def in_use(self) -> bool:
        """Whether it runs (a socket: listens) now, or will after the next boot."""
        return self.loaded and (self.working or self.text("UnitFileState").startswith("enabled"))

    @property
    def main_pid(self) -> int:
        return self.number("MainPID")

    @property
    def files(self) -> List[str]:
        """The unit file and its drop-ins, in the order in which systemd reads them."""
        return [path for path in [self.text("FragmentPath")] + self.text("DropInPaths").split() if path]

    def file_with(self, pattern: str) -> str:
        """The last of these files that has such a line; the unit file where none can be found.

        The pattern is for one line, as a user can have a file of nothing but line ends.
        """
        texts = self.texts(self.files)
        found = (path for path in reversed(self.files) if re.search(pattern, texts.get(path, ""), re.MULTILINE))
        return next(found, self.text("FragmentPath"))

    def texts(self, paths: Sequence[str]) -> Dict[str, str]:
        """The text of each of these files of the unit that can be read."""
        return dict(self.owner.run(_texts, paths, FILE_LIMIT)) if self.owner else _texts(paths)

    @property
    def socket(self) -> Optional[str]:
        sockets = [name for name in self.text("TriggeredBy").split() if name.endswith(".socket")]
        return sockets[0] if sockets else None


def _texts(paths: Sequence[str], limit: int = -1) -> Dict[str, str]:
    found = {}
    for path in paths:
        with contextlib.suppress(OSError, ValueError):
            found[path] = _text(path, limit)
    return found


def _text(path: str, limit: int) -> str:
    with open(path, encoding="utf-8", errors="replace", opener=_open) as stream:
        return stream.read(limit)


def _open(path: str, flags: int) -> int:
    # A named pipe in the place of a file of the user's would block this for ever.
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


@dataclasses.dataclass(frozen=True)
class Socket(Unit):
    """A socket unit: systemd itself listens, and hands what it listens on to the service."""

    @property
    def streams(self) -> List[str]:
        """What it listens on, in the order in which the service gets it: `[::]:1880`, `/run/nodered.sock`."""
        return [value.rpartition(" (")[0] for value in self.properties.get("Listen", ())]

    @property
    def address(self) -> Optional[Tuple[str, int]]:
        """Address and TCP port of the first, which is all that Node-RED can take; None where that is something else."""
        first = (self.properties.get("Listen") or ("",))[0]
        match = re.match(r"^(?:\[([0-9a-fA-F:.]+)(?:%[^\]]+)?\]|([0-9.]+)):(\d+) \(Stream\)$", first)
        return (match.group(1) or match.group(2), int(match.group(3))) if match else None

    @property
    def file(self) -> str:
        """The file whose ListenStream= is in effect; the unit file if none can be found."""
        return self.file_with(r"^[ \t]*ListenStream[ \t]*=[ \t]*\S")


def full_name(service: str) -> str:
    """`nodered` as `nodered.service`, `pi/nodered` as `pi/nodered.service`; a name that systemd would not take is a
    Failure.
    """
    user, unit = _user_units.split(service if service.endswith(".service") else service + ".service")
    if not _user_units.SERVICE.fullmatch(unit) or ("/" in service and not user):
        raise Failure(
            "%r is not the name of a systemd service." % service,
            "Give a name such as nodered, or pi/nodered for a user unit of pi.",
        )
    return "%s/%s" % (_identity.account(user).pw_name, unit) if user else unit


def parse_show(text: str) -> List[Dict[str, List[str]]]:
    """The blocks of `systemctl show A B`; some properties (EnvironmentFiles) come once for each value."""
    blocks: List[Dict[str, List[str]]] = []
    for block in text.strip("\n").split("\n\n"):
        properties: Dict[str, List[str]] = {}
        for line in block.split("\n"):
            name, equals, value = line.partition("=")
            if equals:
                properties.setdefault(name, []).append(value)
        if properties:
            blocks.append(properties)
    return blocks


def show(*services: str) -> List[Unit]:
    """The units of these services, loaded or not, without repeating one that goes by two names."""
    units: Dict[str, Unit] = {}
    names = [full_name(service) for service in services]
    of_machine = [name for name in names if not _user_units.split(name).user]
    for properties in _shown(of_machine, PROPERTIES) if of_machine else ():
        for identity in properties.get("Id", ()):
            units.setdefault(identity, Unit(identity, properties))
    for name in names:
        user = _user_units.owner(name)
        if user:
            unit = _user_unit(name, user)
            units.setdefault(unit.name, unit)
    return list(units.values())


def _user_unit(name: str, user: Identity) -> Unit:
    shown = _shown([_user_units.split(name).unit], PROPERTIES, user)
    properties = _untrusted(shown[0] if shown else {}, user)
    identity = (properties.get("Id") or ("",))[0]
    if not _user_units.SERVICE.fullmatch(identity):
        raise Failure(
            "The systemd of user %s does not report what %s is." % (user.name, name),
            "Look at %s." % _user_units.by_hand(name[: -len(".service")], "status"),
        )
    return Unit("%s/%s" % (user.name, identity), properties, user)


def _untrusted(properties: Mapping[str, Sequence[str]], user: Identity) -> Dict[str, List[str]]:
    """What a user's own systemd has answered, without what it cannot know better than the kernel.

    A main process counts that is one of that user, in the control group of that very unit.
    """
    found = {
        name: [printable_line(value[:VALUE_LIMIT]) for value in values]
        for name, values in properties.items()
        if name in PROPERTIES and name not in _NOT_OF_A_USER
    }
    found.update({name: ["unknown"] for name in _STATES if not re.fullmatch("[a-z-]{0,40}", found.get(name, [""])[0])})
    pid, unit = (found.get(name, [""])[0] for name in ("MainPID", "Id"))
    own = _user_units.processes_in(user, unit) if re.fullmatch(r"[1-9]\d{0,9}", pid) else set()
    return dict(found, MainPID=[pid if pid.isdigit() and int(pid) in own else "0"])


def existing(service: str, remedy: str = "Correct the option service.") -> Unit:
    """The unit of this service. Raises Failure, with the remedy, where systemd has none to start."""
    unit = show(service)[0]
    if not unit.loaded:
        raise Failure("The service %s does not exist (%s)." % (unit.name, unit.text("LoadState")), remedy)
    return unit


def socket_of(unit: Unit) -> Optional[Socket]:
    """The socket unit that hands this service what it listens on; None where there is none in use.

    A user unit with one is rejected, see `_find`.
    """
    if unit.socket is None or unit.owner:
        return None
    properties = _shown([unit.socket], SOCKET_PROPERTIES)[0]
    socket = Socket(unit.socket, properties)
    return socket if socket.in_use else None


def _shown(
    names: Sequence[str], properties: Sequence[str], user: Optional[Identity] = None
) -> List[Dict[str, List[str]]]:
    words = ["show", "--no-pager", "--property=" + ",".join(properties), "--", *names]
    answer = run_as(user, ["systemctl", "--user", *words]) if user else run(["systemctl", *words])
    if user and answer.returncode != 0:
        raise Failure(
            "The systemd of user %s cannot be reached: %s" % (user.name, answer.stderr.strip()),
            "Let it run without a login: loginctl enable-linger %s." % user.name,
        )
    if answer.returncode != 0 and not answer.stdout.strip():
        raise Failure(
            "systemctl cannot reach systemd: %s" % answer.stderr.strip(),
            "This collection handles Node-RED that runs as a systemd service, not in a container without systemd.",
        )
    return parse_show(answer.stdout)


class Command(NamedTuple):
    """How the service is started, before any variable is put in."""

    words: Sequence[str]
    environment: Sequence[str]
    environment_files: Sequence[str]
    expand: bool = True
    exact: bool = True
    """Whether these are systemd's own words. Where they are read from a text, one that holds a space is two."""

    def is_text(self) -> bool:
        """Whether it has the types that it should have: a user's own systemd can answer anything."""
        lists = (self.words, self.environment, self.environment_files)
        return all(isinstance(one, list) and all(isinstance(text, str) for text in one) for one in lists)


def command(unit: Unit) -> Command:
    """The words of ExecStart and the environment, exactly.

    `systemctl show` joins the words of ExecStart by spaces, so a word with a space looks like two words. D-Bus returns
    them exactly. If D-Bus does not respond, the text is used.
    """
    path = "/org/freedesktop/systemd1/unit/" + _bus_label(_user_units.split(unit.name).unit)
    asked = ["ExecStartEx", "Environment", "EnvironmentFiles"]
    words = ["--json=short", "get-property", "org.freedesktop.systemd1", path, "org.freedesktop.systemd1.Service"]
    try:
        if unit.owner:
            answer = run_as(unit.owner, ["busctl", "--user", *words, *asked])
        else:
            answer = run(["busctl", *words, *asked])
        lines = [json.loads(line)["data"] for line in answer.stdout.splitlines()] if answer.returncode == 0 else []
        if len(lines) == len(asked) and lines[0]:
            start = lines[0][-1]
            found = Command(start[1], lines[1], [file[0] for file in lines[2]], "no-env-expand" not in start[2])
            if found.is_text():
                return found
    except (Failure, ValueError, KeyError, TypeError, IndexError, RecursionError):
        pass
    return shown_command(unit)


def shown_command(unit: Unit) -> Command:
    """As `command`, from what `show` has returned: without asking again, and not exact."""
    words = re.search(r"argv\[\]=(.*?) ; (?:ignore_errors|flags)=", unit.text("ExecStart"))
    try:
        environment = shlex.split(unit.text("Environment"))
    except ValueError:
        environment = unit.text("Environment").split()
    files = [value.rpartition(" (")[0] or value for value in unit.properties.get("EnvironmentFiles", ()) if value]
    return Command(words.group(1).split() if words else [], environment, files, exact=False)


def _bus_label(name: str) -> str:
    label = "".join(c if c.isalnum() and c.isascii() else "_%02x" % ord(c) for c in name)
    return "_%02x%s" % (ord(name[0]), label[1:]) if name[0].isdigit() else label


def manager_environment() -> Dict[str, str]:
    """What every service inherits from systemd itself (PATH, LANG)."""
    return _parsed_environment(run(["systemctl", "show-environment", "--no-pager"]).stdout)


def user_environment(user: Identity) -> Dict[str, str]:
    """What every service of a user's own systemd inherits from it."""
    return _parsed_environment(run_as(user, ["systemctl", "--user", "show-environment", "--no-pager"]).stdout)


def _parsed_environment(text: str) -> Dict[str, str]:
    found = {"PATH": DEFAULT_PATH}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        # systemd quotes unusual values as $'...'; none of those matters here.
        if equals and not value.startswith("$'"):
            found[name] = value
    return found


@dataclasses.dataclass(frozen=True)
class Word:
    """One word of the expanded command line and the variable that it came from, if any."""

    text: str
    variable: Optional[str] = None


def expand(words: Sequence[str], environment: Mapping[str, str]) -> List[Word]:
    """The words of ExecStart with variables put in as systemd does it (systemd.service(5), "Command lines").

    `$NAME` as a word of its own becomes as many words as its value has; `${NAME}` is replaced inside a word and never
    split; `$$` is one `$`; the first word (the program) is left alone. Raises Failure for one that is too long.
    """
    expanded, size = [Word(word) for word in words[:1]], 0
    for word in words[1:]:
        if word.startswith("$") and not word.startswith(("$$", "${")):
            name = word[1:]
            found = [Word(part, name) for part in split_value(environment.get(name, ""))]
        else:
            found = [_with_variables_put_in(word, environment)]
        size += sum(len(one.text) + 1 for one in found)
        if size > COMMAND_LINE_LIMIT:
            raise _too_long()
        expanded.extend(found)
    return expanded


def _with_variables_put_in(word: str, environment: Mapping[str, str]) -> Word:
    names: List[str] = []
    size = len(word)

    def put_in(match: "re.Match[str]") -> str:
        nonlocal size
        if match.group(0) == "$$":
            return "$"
        names.append(match.group(1))
        value = environment.get(match.group(1), "")
        size += len(value)
        if size > COMMAND_LINE_LIMIT:
            raise _too_long()
        return value

    text = re.sub(r"\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)\}", put_in, word)
    return Word(text, names[0] if names else None)


def _too_long() -> Failure:
    return Failure(
        "With its variables put in, a command line of the service has more than %d characters." % COMMAND_LINE_LIMIT,
        "Shorten ExecStart of its unit, or the variables that it uses.",
    )


def split_value(value: str) -> List[str]:
    """A variable's value as words: quotes group and are removed, a backslash takes the next character as it is."""
    words: List[str] = []
    # A list, as a long value takes a time otherwise that grows with the square of its length.
    word: List[str] = []
    started, quote, escaped = False, "", False
    for char in value:
        if escaped:
            word.append(char)
            escaped, started = False, True
        elif char == "\\" and quote != "'":
            escaped = True
        elif quote:
            if char == quote:
                quote = ""
            else:
                word.append(char)
        elif char in "'\"":
            quote, started = char, True
        elif char in " \t\n\r":
            if started:
                words.append("".join(word))
            word, started = [], False
        else:
            word.append(char)
            started = True
    return [*words, "".join(word)] if started else words
