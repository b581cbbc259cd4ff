# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: which package of Debian owns a file and overwrites it at its next upgrade."""

from __future__ import annotations

import contextlib
import re
import subprocess
from typing import Callable, Iterator, List, Optional, Sequence

from ansible_collections.pifleet.nodered.plugins.module_utils._core import _commands
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import DEFAULT_PATH

# dpkg reads the file list of each installed package. An old SD card takes seconds for that.
SECONDS = 15
_ENVIRONMENT = {"PATH": DEFAULT_PATH, "LC_ALL": "C.UTF-8"}
_Program = Optional["subprocess.Popen[bytes]"]


@contextlib.contextmanager
def overwriting(paths: Sequence[str]) -> Iterator[Callable[[], Optional[str]]]:
    """Lets dpkg look for these paths while the block runs. What it yields returns the package that overwrites one.

    It returns None where no package does, where there is no dpkg, or where dpkg does not respond in time.
    """
    program = _start(["--search", *(re.sub(r"([\\*?\[\]])", r"\\\1", path) for path in paths)])
    try:
        yield lambda: _overwriting(_output(program), paths)
    finally:
        if program:
            _commands.end(program)


def _overwriting(found: str, paths: Sequence[str]) -> Optional[str]:
    for package, path in owners(found, paths):
        shown = _start(["--show", "--showformat=${Conffiles}\n", package])
        if path not in kept(_output(shown)):
            return package
    return None


def owners(found: str, paths: Sequence[str]) -> List[Sequence[str]]:
    """(package, path) by the output of `dpkg-query --search`; without what dpkg-divert protects on this machine."""
    lines = [line.rpartition(": ") for line in found.splitlines()]
    diverted = {path for who, _colon, path in lines if who == "local diversion from"}
    return [
        (package, path)
        for who, _colon, path in lines
        if path in paths and path not in diverted and "diversion" not in who
        for package in who.split(", ")
    ]


def kept(conffiles: str) -> List[str]:
    """The configuration files by `dpkg-query --showformat=${Conffiles}`: dpkg keeps those that were changed."""
    return [line.strip().rpartition(" ")[0] for line in conffiles.replace(" obsolete\n", "\n").splitlines()]


def _start(arguments: Sequence[str]) -> _Program:
    try:
        return _commands.start(["dpkg-query", *arguments], environment=_ENVIRONMENT)
    except OSError:
        return None


def _output(program: _Program) -> str:
    if program is None:
        return ""
    try:
        return _commands.finish(program, SECONDS).stdout.decode("utf-8", "surrogateescape")
    except (subprocess.TimeoutExpired, _commands.TooMuch):
        return ""
