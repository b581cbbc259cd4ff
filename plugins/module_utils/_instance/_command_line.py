# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: Node-RED's command line, understood as Node-RED understands it."""

from __future__ import annotations

import dataclasses
import os
import re
from typing import List, Mapping, Optional, Sequence

from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _launchers, _options
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._launchers import Launch
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Word

# Node.js options that take the next word as their value (node --help).
_NODE_OPTIONS_WITH_VALUE = (
    *("-r", "--require", "-C", "--conditions", "--import", "--loader", "--experimental-loader", "--title"),
    *(
        "--env-file",
        "--env-file-if-exists",
        "--icu-data-dir",
        "--openssl-config",
        "--inspect-port",
        "--dns-result-order",
    ),
    *("--max-http-header-size", "--unhandled-rejections", "--diagnostic-dir", "--redirect-warnings"),
)


@dataclasses.dataclass(frozen=True)
class CommandLine(_options.Options):
    """What the command line of Node-RED sets."""

    program: str = "node-red"
    """`node-red`, `node-red-pi` or the path of red.js, as written."""
    node: Optional[str] = None
    """The node that is named; None where the program finds its own."""
    arguments: Sequence[str] = ()
    """What red.js gets."""
    assignments: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Variables that a launcher sets, such as `env NAME=value`."""
    file: Optional[str] = None
    """The file that the command line is in; None for the unit."""
    in_script: bool = False
    """Whether it is in a script, so that words at the end of ExecStart do not reach Node-RED."""


def parse(words: Sequence[Word]) -> Optional[CommandLine]:
    """The command line as Node-RED sees it, or None when it cannot be followed how these words start Node-RED."""
    return of(_launchers.follow(Launch(words)))


def of(launch: Launch) -> Optional[CommandLine]:
    """As `parse`, for words whose launchers have been followed."""
    if not launch.words:
        return None
    node, program, rest = None, launch.words[0], list(launch.words[1:])
    name = os.path.basename(program.text)
    if is_node(name):
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
    return CommandLine(
        **vars(_options.parse(rest)),
        program=program.text,
        node=node,
        arguments=[word.text for word in rest],
        assignments=launch.assignments,
        file=launch.file,
        in_script=launch.in_script,
    )


def is_node(name: str) -> bool:
    """Whether a program of this name is Node.js: node, nodejs, node20, node-22."""
    return bool(re.fullmatch(r"node(js)?([-_]?\d[\d.]*)?", name))


def resolved(path: str, working_directory: str, home: str) -> str:
    """A path option as nopt makes it absolute (`path` type: `~/` is the home directory)."""
    if path.startswith("~/"):
        return os.path.normpath(os.path.join(home, path[2:]))
    return os.path.normpath(os.path.join(working_directory, path))


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
