# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: where launchers lead whose command line is in files: npm, npx, PM2 and nvm.

These files belong to the service user, so they are read as that user, and count for nothing that root does.
"""

from __future__ import annotations

import dataclasses
import glob
import os
import re
import shutil
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _command_line, _launchers, _node
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._launchers import Launch
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Word

# Bytes. PM2 keeps the whole environment of each of its programs.
DUMP_LIMIT = 4 * 1024 * 1024
MOST_STEPS = 10
MOST_FOLDERS = 1000
_RUNNERS = ("npm", "yarn", "pnpm")


@dataclasses.dataclass(frozen=True)
class Start:
    """A launch with the environment and the working directory that it gives the program."""

    launch: Launch
    environment: Mapping[str, str]
    working_directory: str

    @classmethod
    def loaded(cls, found: Mapping[str, Any]) -> "Start":
        """From what JSON has made of it."""
        words = [Word(**word) for word in found["launch"]["words"]]
        return cls(Launch(**dict(found["launch"], words=words)), found["environment"], found["working_directory"])


def needed(launch: Launch, runs: bool) -> bool:
    """Whether `followed` finds more than the words tell. `runs` is as there."""
    to_prepare = launch.in_script or launch.folders or launch.nvm is not None or launch.unclear
    return in_files(launch) or bool(to_prepare and not runs)


def in_files(launch: Launch) -> bool:
    """Whether the rest of the command line is in files."""
    return bool(launch.words) and _name(launch) in _STEPS


def followed(start: Start, runs: bool) -> Dict[str, Any]:
    """Where the start leads, as JSON can hold it. Call it as the service user.

    `runs` is whether environment and working directory are those of the process itself, which need nothing more.
    """
    for _step in range(MOST_STEPS):
        if not runs:
            start = _prepared(start)
        if not start.launch.words or _name(start.launch) not in _STEPS:
            break
        start = _STEPS[_name(start.launch)](start)
    return dataclasses.asdict(start)


def _name(launch: Launch) -> str:
    return os.path.basename(launch.words[0].text)


def _not_followed(start: Start) -> Start:
    return dataclasses.replace(start, launch=start.launch.with_(words=[]))


def _prepared(start: Start) -> Start:
    """With the folders, the variables and the Node.js that the launchers have named so far."""
    launch, environment = start.launch, dict(start.environment)
    if launch.unclear:
        raise Failure(
            "The effect of %r, which runs before Node-RED, is unknown while Node-RED does not run." % launch.unclear,
            "Start the service (systemctl start), then run again.",
        )
    for name, value in launch.assignments.items():
        environment[name] = _expanded(value, environment) if launch.in_script else value
    folder = start.working_directory
    for name in launch.folders:
        folder = os.path.normpath(os.path.join(folder, _expanded(name, environment)))
    if launch.nvm is not None:
        path = _nvm_bin(launch, environment, folder)
        environment["PATH"] = ":".join(filter(None, [path, environment.get("PATH")]))
    return Start(launch.with_(folders=[], nvm=None), environment, folder)


def _expanded(path: str, environment: Mapping[str, str]) -> str:
    path = re.sub(r"^~(?=/|$)", "$HOME", path)
    return re.sub(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?", lambda match: environment.get(match.group(1), ""), path)


# npm, yarn, pnpm


def _by_script(start: Start) -> Start:
    """`npm start`, `npm run NAME`: the script of the nearest package.json, which sh runs in its folder."""
    words = [word.text for word in start.launch.words]
    if words[1:2] in (["exec"], ["x"], ["dlx"]):
        return _by_npx(start)
    found = _launchers.npm_script(_name(start.launch), words[1:])
    if found is None:
        return _not_followed(start)
    folder: Optional[str] = os.path.join(
        start.working_directory, *[_expanded(one, start.environment) for one in found.folders]
    )
    folder = next((one for one in _upwards(str(folder)) if os.path.isfile(os.path.join(one, "package.json"))), None)
    if folder is None:
        return _not_followed(start)
    file = os.path.join(folder, "package.json")
    package = _files.json_of(file, limit=_node.PACKAGE_LIMIT)
    scripts = package.get("scripts") if isinstance(package, dict) else None
    script = scripts.get(found.name) if isinstance(scripts, dict) else None
    if not isinstance(script, str):
        return _not_followed(start)
    path = ":".join([*_bins(folder), start.environment.get("PATH", "")])
    launch = _launchers.script_of(start.launch, script, found.arguments, file)
    return Start(launch, dict(start.environment, PATH=path), folder)


def _by_npx(start: Start) -> Start:
    """`npx node-red`: the program of the project, of the machine, or of npx's own folder."""
    words = list(start.launch.words)
    first = 1 if _name(start.launch) == "npx" else 2
    command = _launchers.npx_command([word.text for word in words[first:]])
    if not command:
        return _not_followed(start)
    tail = words[len(words) - len(command) + 1 :]
    if [word.text for word in tail] != command[1:]:
        tail = [Word(text) for text in command[1:]]
    path = [*_bins(start.working_directory), *start.environment.get("PATH", "").split(":")]
    if shutil.which(command[0], path=":".join(path)) is None:
        home = start.environment.get("HOME", "/nonexistent")
        cached = glob.glob(os.path.join(glob.escape(home), ".npm/_npx/*/node_modules/.bin", glob.escape(command[0])))
        path += [os.path.dirname(cached[0])] if len(cached) == 1 else []
    launch = _launchers.follow(start.launch.with_(words=[Word(command[0]), *tail], indirect=True))
    return Start(launch, dict(start.environment, PATH=":".join(path)), start.working_directory)


def _bins(folder: str) -> List[str]:
    return [os.path.join(one, "node_modules", ".bin") for one in _upwards(folder)]


def _upwards(folder: str) -> List[str]:
    folders = [os.path.normpath(folder)]
    while os.path.dirname(folders[-1]) != folders[-1]:
        folders.append(os.path.dirname(folders[-1]))
    return folders


# PM2


def _by_pm2(start: Start) -> Start:
    """`pm2 resurrect`: the one Node-RED among the programs that `pm2 save` has kept."""
    if [word.text for word in start.launch.words[1:2]] != ["resurrect"]:
        return _not_followed(start)
    folder = start.environment.get("PM2_HOME") or os.path.join(start.environment.get("HOME", "/nonexistent"), ".pm2")
    file = os.path.join(folder, "dump.pm2")
    kept = _files.json_of(file, limit=DUMP_LIMIT)
    apps = [app for app in kept if isinstance(app, dict)] if isinstance(kept, list) else []
    found = [(app, words) for app, words in ((app, _words_of(app)) for app in apps) if _command_line.parse(words)]
    if len(found) != 1:
        raise Failure(
            "PM2 starts %s after the next boot, by %s."
            % ("no Node-RED" if not found else "%d Node-REDs" % len(found), file),
            "Let PM2 start the one that is meant, and keep that: pm2 save.",
        )
    app, words = found[0]
    environment = {name: value for name, value in _dict(app.get("env")).items() if isinstance(value, str)}
    launch = start.launch.with_(words=words, file=file, in_script=True, indirect=True)
    return Start(launch, {**start.environment, **environment}, str(app.get("pm_cwd") or start.working_directory))


def _words_of(app: Mapping[str, Any]) -> List[Word]:
    interpreter = app.get("exec_interpreter")
    words = [interpreter, *_list(app.get("node_args"))] if interpreter not in (None, "none") else []
    return [Word(word) for word in [*words, app.get("pm_exec_path"), *_list(app.get("args"))] if isinstance(word, str)]


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else _launchers.split(value) if isinstance(value, str) else []


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


# nvm


def _nvm_bin(launch: Launch, environment: Mapping[str, str], folder: str) -> Optional[str]:
    """The folder of the Node.js that nvm chooses; None where it chooses none."""
    nvm = os.path.dirname(os.path.join(folder, _expanded(launch.nvm or "", environment)))
    installed = sorted(map(_numbers, glob.glob(os.path.join(glob.escape(nvm), "versions/node/v*"))[:MOST_FOLDERS]))
    by_file = _first_line(os.path.join(folder, ".nvmrc")) if os.path.basename(launch.nvm or "") == "nvm-exec" else ""
    wanted = launch.nvm_version or environment.get("NODE_VERSION", "") or by_file or "default"
    for _step in range(MOST_STEPS):
        if wanted in ("system", "") or (wanted == "default" and not os.path.isfile(os.path.join(nvm, "alias/default"))):
            return None
        alias = _first_line(os.path.join(nvm, "alias", wanted))
        if not alias:
            break
        wanted = alias
    newest = wanted in ("node", "stable", "lts/*")
    number = [int(part) for part in re.findall(r"\d+", wanted)]
    matching = [one for one in installed if newest or (number and list(one[: len(number)]) == number)]
    if not matching:
        raise Failure(
            "nvm in %s has no Node.js for %r, so the service cannot start Node-RED." % (nvm, wanted),
            "Install it as the user of Node-RED (nvm install %s), then run again." % wanted,
        )
    return os.path.join(nvm, "versions/node", "v%d.%d.%d" % matching[-1], "bin")


def _numbers(path: str) -> Tuple[int, int, int]:
    numbers = [int(number) for number in re.findall(r"\d{1,9}", os.path.basename(path))[:3]]
    first, second, third = (numbers + [0, 0, 0])[:3]
    return first, second, third


def _first_line(path: str) -> str:
    return _files.text(path, limit=4096).partition("\n")[0].strip()


_STEPS = {**dict.fromkeys(_RUNNERS, _by_script), "npx": _by_npx, "pm2": _by_pm2}
