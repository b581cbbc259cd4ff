# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: Node-RED's command line, understood as Node-RED understands it."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Word

# Node-RED 4.1 red.js, knownOpts and shortHands.
_LONG_OPTIONS = ("help", "port", "settings", "title", "userDir", "verbose", "safe", "version", "define", "no-telemetry")
_FLAGS = ("help", "verbose", "safe", "version", "no-telemetry")
_SHORT_OPTIONS = {"?": "help", "p": "port", "s": "settings", "t": "help", "u": "userDir", "v": "verbose", "D": "define"}

# Node.js options that take the next word as their value.
_NODE_OPTIONS_WITH_VALUE = ("-r", "--require", "-C", "--conditions", "--import", "--loader", "--title", "--env-file")


@dataclasses.dataclass(frozen=True)
class Option:
    """An option's value and the variable that it came from (None: it stands in ExecStart itself)."""

    value: str
    variable: Optional[str] = None


@dataclasses.dataclass(frozen=True)
class CommandLine:
    """What Node-RED is told by its command line."""

    program: str
    """`node-red`, `node-red-pi` or the path of red.js, as written."""
    node: Optional[str]
    """The node that is named; None where the program finds its own."""
    arguments: Sequence[str]
    """What red.js gets."""
    assignments: Mapping[str, str]
    """Variables that `env NAME=value` sets."""
    port: Optional[Option] = None
    settings: Optional[Option] = None
    user_dir: Optional[Option] = None
    flow_file: Optional[Option] = None
    safe: Optional[Option] = None
    defines: Sequence[Option] = ()


def parse(words: Sequence[Word]) -> Optional[CommandLine]:
    """The command line as Node-RED sees it, or None when it cannot be followed how these words start Node-RED."""
    words, assignments = _without_launcher(list(words))
    if not words:
        return None
    node, program, rest = None, words[0], words[1:]
    name = os.path.basename(program.text)
    if name in ("node", "nodejs"):
        node = program.text
        rest = _after_node_options(rest)
        if not rest:
            return None
        program, rest = rest[0], rest[1:]
        name = os.path.basename(program.text)
    elif name == "node-red-pi":
        rest = _as_node_red_pi(rest)
    if name not in ("node-red", "node-red-pi", "red.js"):
        return None
    options, remaining = _options(rest)
    return CommandLine(
        program=program.text,
        node=node,
        arguments=[word.text for word in rest],
        assignments=assignments,
        port=_last([option for option in options.get("port", []) if re.match(r"^\s*\d+(\.0*)?\s*$", option.value)]),
        settings=_last(options.get("settings", [])),
        user_dir=_last(options.get("userDir", [])),
        safe=_last(options.get("safe", [])),
        defines=options.get("define", []),
        flow_file=Option(remaining[0].text, remaining[0].variable) if remaining else None,
    )


def resolved(path: str, working_directory: str, home: str) -> str:
    """A path option as nopt makes it absolute (`path` type: `~/` is the home directory)."""
    if path.startswith("~/"):
        return os.path.normpath(os.path.join(home, path[2:]))
    return os.path.normpath(os.path.join(working_directory, path))


def _without_launcher(words: List[Word]) -> Tuple[List[Word], Dict[str, str]]:
    """The words after `env`, `sh -c` and the like, and the variables that `env` sets."""
    assignments: Dict[str, str] = {}
    while words:
        name = os.path.basename(words[0].text)
        if name == "env":
            words = _after_env(words[1:], assignments)
        elif name in ("sh", "bash", "dash") and len(words) > 2 and re.match(r"^-l?c$", words[1].text):
            words = _shell_words(words[2].text)
        elif name in ("exec", "nohup"):
            words = words[1:]
        elif name in ("nice", "ionice"):
            words = words[1:]
            while words and words[0].text.startswith("-"):
                words = words[2:] if re.match(r"^-[nc]$", words[0].text) else words[1:]
        else:
            break
    return words, assignments


def _after_env(words: List[Word], assignments: Dict[str, str]) -> List[Word]:
    while words:
        text = words[0].text
        if text == "-S" and len(words) > 1:
            words = [Word(part, words[1].variable) for part in _split(words[1].text)] + words[2:]
        elif text in ("-u", "--unset", "-C", "--chdir"):
            words = words[2:]
        elif text.startswith("-"):
            words = words[1:]
        elif re.match(r"^[A-Za-z_][A-Za-z0-9_]*=", text):
            name, _equals, value = text.partition("=")
            assignments[name] = value
            words = words[1:]
        else:
            break
    return words


def _shell_words(script: str) -> List[Word]:
    # Anything beyond one plain command needs a shell to be understood, so nothing is guessed.
    return [] if re.search(r"[;&|<>`$(){}\n]", script) else [Word(word) for word in _split(script)]


def _split(text: str) -> List[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return []


def _after_node_options(words: List[Word]) -> List[Word]:
    while words and words[0].text.startswith("-"):
        if words[0].text == "--":
            return words[1:]
        words = words[2:] if words[0].text in _NODE_OPTIONS_WITH_VALUE else words[1:]
    return words


def _as_node_red_pi(words: Sequence[Word]) -> List[Word]:
    """What the shell script node-red-pi hands to red.js: its long options go to node, and words are split at blanks."""
    kept = [
        word for word in words if word.text in ("--userDir", "--settings", "--help") or not word.text.startswith("--")
    ]
    return [Word(part, word.variable) for word in kept for part in word.text.split()]


def _options(words: Sequence[Word]) -> Tuple[Dict[str, List[Option]], List[Word]]:
    """Options and the remaining words, by nopt's rules: `--port=1`, `-p 1`, `-port 1`, `--po 1`; `--` ends them."""
    options: Dict[str, List[Option]] = {}
    remaining: List[Word] = []
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        if re.match(r"^-{2,}$", word.text):
            remaining.extend(waiting)
            break
        if not word.text.startswith("-") or word.text == "-":
            remaining.append(word)
            continue
        text, equals, value = word.text.partition("=")
        if equals:
            waiting.insert(0, Word(value, word.variable))
        for name in _names(text.lstrip("-")):
            if name in _FLAGS:
                options.setdefault(name, []).append(Option("true", word.variable))
            elif waiting and (equals or not re.match(r"^-{2,}$", waiting[0].text)):
                options.setdefault(name, []).append(Option(waiting.pop(0).text, word.variable))
    return options, remaining


def _names(text: str) -> List[str]:
    if text in _SHORT_OPTIONS:
        return [_SHORT_OPTIONS[text]]
    if text in _LONG_OPTIONS:
        return [text]
    if len(text) > 1 and all(letter in _SHORT_OPTIONS for letter in text):
        return [_SHORT_OPTIONS[letter] for letter in text]
    long_names = [name for name in _LONG_OPTIONS if text and name.startswith(text)]
    return long_names if len(long_names) == 1 else []


def _last(options: Sequence[Option]) -> Optional[Option]:
    return options[-1] if options else None


def without_values(words: Sequence[str]) -> List[str]:
    """The words with what `-D` and `env` set taken out: it could be a password."""
    shown: List[str] = []
    for word in words:
        definition = re.match(r"^(?P<name>[^=@\s-][^=]*)=", word)
        value_follows = bool(shown) and re.match(r"^--?(D|def\w*)$", shown[-1])
        if definition and (value_follows or re.match(r"^[A-Za-z_][A-Za-z0-9_]*=", word)):
            shown.append(definition.group("name") + "=...")
        elif re.match(r"^--?(D|def\w*)=", word):
            shown.append(re.sub(r"=(([^=@]+)=)?.*", lambda match: "=" + (match.group(1) or "") + "...", word))
        else:
            shown.append(word)
    return shown
