# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: a part of it as a program that the machine keeps, for systemd to run."""

from __future__ import annotations

import inspect
import io
import sys
import zipfile
from types import ModuleType
from typing import Iterator, Tuple

# All that Ansible sends of this collection's module_utils is below it.
PACKAGE = __name__.rsplit(".", 2)[0]


def archive(module: str) -> bytes:
    """What Ansible has sent of `PACKAGE`, as a program that runs `main` of the module and needs only Python."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as written:
        for name in _parents():
            _add(written, name.replace(".", "/") + "/__init__.py", "")
        for name in sorted(name for name in sys.modules if name.startswith(PACKAGE + ".")):
            _add(written, *_file(sys.modules[name]))
        _add(written, "__main__.py", "from %s import main\n\nmain()\n" % module)
    return stream.getvalue()


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
    # Without a date: the same code is the same file.
    written.writestr(zipfile.ZipInfo(path), text, zipfile.ZIP_DEFLATED)
