# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: the programs that start other programs, and so Node-RED.

Only words are looked at here: no file, no process.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence

from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Word

MOST_STEPS = 20
SHELLS = ("sh", "bash", "dash", "ash", "zsh", "ksh")


@dataclasses.dataclass(frozen=True)
class Launch:
    """Where a command line leads: the words behind its launchers, and what these change for the program."""

    words: Sequence[Word] = ()
    """Empty where a script cannot be followed."""
    assignments: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Variables that a launcher sets; in a script, with variables that are not put in yet."""
    user: Optional[str] = None
    """The user that a launcher changes to; None where none does."""
    new_environment: bool = False
    """Whether a launcher gives the program an environment of its own (sudo)."""
    folders: Sequence[str] = ()
    """The folders that launchers change to, one after the other."""
    nvm: Optional[str] = None
    """The path of nvm.sh or nvm-exec, which chooses a Node.js."""
    nvm_version: str = ""
    """The version that `nvm use` names."""
    indirect: bool = False
    """Whether environment and working directory are certain only in the process itself."""
    unclear: str = ""
    """A command before the program whose effect only the process shows."""
    in_script: bool = False
    """Whether the words are in a script, so that words at the end of ExecStart do not reach the program."""
    file: Optional[str] = None
    """The file that the words are in; None for ExecStart itself."""

    def with_(self, **changes: Any) -> "Launch":
        return dataclasses.replace(self, **changes)


class _Form(NamedTuple):
    """How a launcher takes its own words: options with a value, and how many words before the program."""

    with_value: str = ""
    """The options that take the next word, separated by blanks."""
    positional: int = 0


_FORMS = {
    "exec": _Form("-a"),
    "nohup": _Form(),
    "setsid": _Form(),
    "nice": _Form("-n --adjustment"),
    "ionice": _Form("-c -n --class --classdata"),
    "chrt": _Form("-T -P -D --sched-runtime --sched-period --sched-deadline", 1),
    "taskset": _Form("", 1),
    "timeout": _Form("-k -s --kill-after --signal", 1),
    "stdbuf": _Form("-i -o -e --input --output --error"),
    "flock": _Form("-w -E --timeout --wait --conflict-exit-code", 1),
    "tini": _Form("-p -e"),
    "tini-static": _Form("-p -e"),
    "docker-init": _Form("-p -e"),
    "dumb-init": _Form("-r --rewrite"),
    "catatonit": _Form(),
    "authbind": _Form("--depth"),
    "systemd-cat": _Form("-t -p --identifier --priority --stderr-priority --level-prefix"),
    "systemd-inhibit": _Form(),
}
# Launchers whose first word is the user.
_TO_USER = ("gosu", "su-exec", "setuidgid")


def follow(launch: Launch) -> Launch:
    """Where its words lead: past each launcher that is known, up to a program that is none."""
    for _step in range(MOST_STEPS):
        if not launch.words:
            return launch
        name = os.path.basename(launch.words[0].text)
        step = _STEPS.get(name)
        if step is None and name in _FORMS:
            launch = launch.with_(words=_after_options(launch.words[1:], _FORMS[name]))
        elif step is None:
            return launch
        else:
            launch = step(launch.with_(words=launch.words[1:]), launch.words[0].text)
    return launch.with_(words=[])


def _after_options(words: Sequence[Word], form: _Form) -> List[Word]:
    left, with_value = list(words), form.with_value.split()
    while left and left[0].text.startswith("-") and left[0].text != "-":
        if left[0].text == "--":
            left = left[1:]
            break
        left = left[2:] if left[0].text in with_value else left[1:]
    return left[form.positional :]


def _env(launch: Launch, _program: str) -> Launch:
    words, assignments, folders = list(launch.words), dict(launch.assignments), list(launch.folders)
    while words:
        text = words[0].text
        if text == "-S" and len(words) > 1:
            words = [Word(part, words[1].variable) for part in split(words[1].text)] + words[2:]
        elif text in ("-C", "--chdir") and len(words) > 1:
            folders, words = [*folders, words[1].text], words[2:]
        elif text in ("-u", "--unset"):
            words = words[2:]
        elif text.startswith("-"):
            words = words[1:]
        elif re.match(r"^[A-Za-z_][A-Za-z0-9_]*=", text):
            name, _equals, value = text.partition("=")
            assignments[name] = value
            words = words[1:]
        else:
            break
    return launch.with_(words=words, assignments=assignments, folders=folders)


def _sudo(launch: Launch, _program: str) -> Launch:
    words, user, folders, keeps = list(launch.words), "root", list(launch.folders), False
    with_value = ("-g", "-h", "-p", "-C", "-T", "-R", "-r", "-t", "--group", "--prompt", "--chroot")
    while words and words[0].text.startswith("-") and words[0].text != "--":
        text = words[0].text
        name, equals, value = text.partition("=")
        takes_next = text in ("-u", "--user", "-D", "--chdir", *with_value) and len(words) > 1
        if name == "--user" and equals or text in ("-u", "--user") and takes_next:
            user = value if equals else words[1].text
        elif re.match("^-u.", text):
            user = text[2:]
        elif name in ("-D", "--chdir"):
            folders.append(value if equals else words[1].text if takes_next else "")
        keeps = keeps or name in ("-E", "--preserve-env")
        words = words[2:] if takes_next else words[1:]
    words = words[1:] if words and words[0].text == "--" else words
    return _env(launch.with_(words=words, user=user, folders=folders, new_environment=not keeps, indirect=True), "")


def _su(launch: Launch, _program: str) -> Launch:
    """`su USER -c SCRIPT` and `runuser`, which has `-u USER PROGRAM`, too."""
    words = list(launch.words)
    user: Optional[str] = None
    script: Optional[Word] = None
    others: List[str] = []
    with_value = ("-g", "-G", "-s", "-w", "--group", "--supp-group", "--shell", "--whitelist-environment")
    while words:
        text = words.pop(0).text
        name, equals, value = text.partition("=")
        if name in ("-u", "--user"):
            user = value if equals else words.pop(0).text if words else ""
        elif name in ("-c", "--command", "--session-command"):
            script = Word(value) if equals else words.pop(0) if words else None
        elif text in with_value:
            words = words[1:]
        elif text == "--" or user is not None and not text.startswith("-"):
            words = words if text == "--" else [Word(text), *words]
            break
        elif not text.startswith("-"):
            others.append(text)
    if user is None:
        user, launch = (others or ["root"])[0], launch.with_(words=[])
        return _script(launch.with_(user=user, indirect=True), script or Word(""))
    return launch.with_(words=words, user=user, indirect=True)


def _to_user(launch: Launch, _program: str) -> Launch:
    words = list(launch.words)
    user = words[0].text.partition(":")[0] if words else ""
    return launch.with_(words=words[1:], user=user, indirect=True)


def _chpst(launch: Launch, _program: str) -> Launch:
    texts = [word.text for word in launch.words]
    user = texts[texts.index("-u") + 1] if "-u" in texts[:-1] else None
    form = _Form("-u -U -b -e -d -n -l -L -m -o -p -f -c")
    return launch.with_(words=_after_options(launch.words, form), user=user or launch.user, indirect=True)


def _setpriv(launch: Launch, _program: str) -> Launch:
    users = [word.text.partition("=")[2] for word in launch.words if word.text.startswith(("--reuid=", "--ruid="))]
    return launch.with_(
        words=_after_options(launch.words, _Form("--reuid --ruid --euid --regid --rgid --egid --groups")),
        user=users[0] if users else launch.user,
        indirect=True,
    )


def _nvm_exec(launch: Launch, program: str) -> Launch:
    return launch.with_(nvm=program, indirect=True)


def _shell(launch: Launch, _program: str) -> Launch:
    words, login = list(launch.words), False
    while words and re.match("^-[a-zA-Z]+$|^--(login|noprofile|norc|posix)$", words[0].text):
        text = words.pop(0).text
        login = login or bool(re.match("^--login$|^-[a-zA-Z]*[li]", text))
        if text == "-o":
            words = words[1:]
        elif re.match("^-[a-zA-Z]*c$", text) and words:
            launch = launch.with_(indirect=True, unclear="a login shell") if login else launch
            return _script(launch, words[0])
    return launch.with_(words=[])


_CONTROL = ("if", "then", "else", "fi", "for", "while", "until", "do", "done", "case", "esac", "function", "!", "trap")
# What a shell makes of these cannot be told from the text alone.
_NOT_PLAIN = re.compile(r"[`$(){}*?\[\]]|^~(?!/)|.~")
# These change nothing for the commands after them.
_WITHOUT_EFFECT = (":", "[", "test", "true", "echo", "sleep", "umask", "ulimit", "mkdir", "set", "date", "logger")


def _script(launch: Launch, script: Word) -> Launch:
    """Follow the last of a script's commands, which must run one after the other."""
    commands = _commands(script.text)
    for command in commands[:-1]:
        launch = _before(launch, command)
    last = [re.sub(r"^(\$HOME|\$\{HOME\})/", "~/", word) for word in commands[-1]] if commands else []
    if any(map(_NOT_PLAIN.search, last)):
        last = []
    words = [Word(word, script.variable) for word in last]
    return _env(launch.with_(words=words, in_script=True, indirect=launch.indirect or len(commands) > 1), "")


def _commands(script: str) -> List[List[str]]:
    """The words of each command; none where the script has more than commands one after the other."""
    lexer = shlex.shlex(script.replace("\n", " ; "), posix=True, punctuation_chars=";&|<>")
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        tokens = list(lexer)
    except ValueError:
        return []
    commands: List[List[str]] = [[]]
    while tokens:
        token = tokens.pop(0)
        if token in ("&&", ";"):
            commands.append([])
        elif re.fullmatch("&?>{1,2}&?|<", token):
            # `2>&1` comes as `2`, `>&`, `1`.
            if commands[-1] and commands[-1][-1] in ("1", "2"):
                commands[-1].pop()
            tokens = tokens[1:]
        elif re.fullmatch("[;&|<>]+", token) or token in _CONTROL:
            return []
        else:
            commands[-1].append(token)
    return [command for command in commands if command]


def _before(launch: Launch, command: Sequence[str]) -> Launch:
    """What a command of a script changes for the commands after it."""
    name = command[0].lstrip("\\")
    if name in (".", "source") and len(command) > 1 and os.path.basename(command[1]) == "nvm.sh":
        return launch.with_(nvm=command[1])
    if name == "nvm" and command[1:2] == ["use"]:
        return launch.with_(nvm_version=" ".join(word for word in command[2:] if not word.startswith("-")))
    if name == "cd" and len(command) == 2:
        return launch.with_(folders=[*launch.folders, command[1]])
    if name in _WITHOUT_EFFECT:
        return launch
    assignments = dict(launch.assignments)
    for word in command[1:] if name == "export" else command:
        variable, equals, value = word.partition("=")
        if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", variable) or re.search(r"`|\$(?![A-Za-z_{])", value):
            return launch.with_(unclear=" ".join(command))
        if equals:
            assignments[variable] = value
        elif name != "export":
            return launch.with_(unclear=" ".join(command))
    return launch.with_(assignments=assignments)


def split(text: str) -> List[str]:
    """The words of a text as a shell splits it; none where its quotes do not match."""
    try:
        return shlex.split(text)
    except ValueError:
        return []


_STEPS: Dict[str, Callable[[Launch, str], Launch]] = {
    "env": _env,
    "cross-env": _env,
    "sudo": _sudo,
    "doas": _sudo,
    "su": _su,
    "runuser": _su,
    "chpst": _chpst,
    "setpriv": _setpriv,
    "nvm-exec": _nvm_exec,
    **dict.fromkeys(_TO_USER, _to_user),
    **dict.fromkeys(SHELLS, _shell),
}


def script_of(launch: Launch, script: str, arguments: Sequence[str], file: str) -> Launch:
    """Where the launch leads on, if it runs this script of a file with these arguments at its end (npm)."""
    text = " ".join([script, *map(shlex.quote, arguments)])
    return follow(launch.with_(words=[Word("sh"), Word("-c"), Word(text)], file=file))


class NpmScript(NamedTuple):
    """A script of package.json, as `npm run` starts it."""

    name: str
    arguments: List[str]
    folders: List[str]
    """Where package.json is, each relative to the one before."""


def npm_script(name: str, words: Sequence[str]) -> Optional[NpmScript]:
    """What `npm start`, `npm run NAME` and the like start; None where they run no script."""
    folders: List[str] = []
    plain: List[str] = []
    left = list(words)
    while left and left[0] != "--":
        word = left.pop(0)
        option, equals, value = word.partition("=")
        if option in ("--prefix", "-C", "--cwd", "--dir"):
            folders.append(value if equals else left.pop(0) if left else "")
        elif not word.startswith("-"):
            plain.append(word)
            if name != "npm" and plain[0] not in ("run", "run-script"):
                break
    arguments = left[1:] if left[:1] == ["--"] else left
    if plain[:1] in (["run"], ["run-script"]):
        plain = plain[1:]
    elif plain[:1] != ["start"]:
        return None
    return NpmScript(plain[0], [*plain[1:], *arguments], folders) if plain else None


def npx_command(words: Sequence[str]) -> List[str]:
    """The command of `npx` or `npm exec` and its arguments; a release (`node-red@4`) is taken off."""
    left = list(words)
    while left and left[0].startswith("-"):
        option = left.pop(0)
        if option == "--":
            break
        if option in ("-p", "--package", "-w", "--workspace"):
            left = left[1:]
        elif option in ("-c", "--call"):
            return split(left[0]) if left else []
    if left[:1] == ["--"]:
        left = left[1:]
    return [re.sub("(?<=.)@.*$", "", left[0]), *left[1:]] if left else []
