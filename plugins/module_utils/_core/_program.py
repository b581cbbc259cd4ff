# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: a part of it as a program that the machine keeps, for systemd to run."""

from __future__ import annotations

import ast
import inspect
import io
import sys
import zipfile
from types import ModuleType
from typing import Iterator, List, Set, Tuple

# All that Ansible sends of this collection's module_utils is below it.
PACKAGE = __name__.rsplit(".", 2)[0]


def archive(module: str) -> bytes:
    """The module with what it imports of `PACKAGE`, as a program that runs its `main` and needs only Python.

    The same code is the same file, also if Ansible has sent other parts of `PACKAGE`.
    """
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as written:
        for name in _parents():
            _add(written, name.replace(".", "/") + "/__init__.py", "")
        for name in sorted(_needed(module)):
            _add(written, *_file(sys.modules[name]))
        _add(written, "__main__.py", "from %s import main\n\nmain()\n" % module)
    return stream.getvalue()


def _needed(module: str) -> Set[str]:
    """The module, the modules that it imports, directly or not, and the packages that they are in."""
    found: Set[str] = set()
    ahead = [module]
    while ahead:
        name = ahead.pop()
        if name.startswith(PACKAGE + ".") and name in sys.modules and name not in found:
            found.add(name)
            ahead += [name.rpartition(".")[0], *_imported(sys.modules[name])]
    return found


def _imported(module: ModuleType) -> List[str]:
    """What the module may import: `from a import b` imports the module a, and a.b if that is one."""
    text = "" if hasattr(module, "__path__") else inspect.getsource(module)
    found: List[str] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *("%s.%s" % (node.module, one.name) for one in node.names)]
    return found


def _parents() -> Iterator[str]:
    parts = PACKAGE.split(".")
    return (".".join(parts[: number + 1]) for number in range(len(parts)))


def _file(module: ModuleType) -> Tuple[str, str]:
    """Path and text. Packages are empty, which `inspect` takes for an error."""
    path = module.__name__.replace(".", "/")
    if hasattr(module, "__path__"):
        return path + "/__init__.py", ""
    return path + ".py", inspect.getsource(module)


def _add(written: zipfile.ZipFile, path: str, text: str) -> None:
    # Without a date.
    written.writestr(zipfile.ZipInfo(path), text, zipfile.ZIP_DEFLATED)
