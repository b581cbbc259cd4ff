# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module on a machine without a controller, where a playbook would add seconds to each of many cases."""

from __future__ import annotations

import io
import json
import pathlib
import shlex
import subprocess
import tarfile

import ansible

from .fleet import CHECKOUT, Pi

# A request to the module `apply` that changes nothing, without what names the Node-RED. Unit tests use it as well, so
# that it is complete.
NO_CHANGE = {
    **{"edit": None, "companions": {}, "private_files": {}, "fail2ban": {}, "drop_ins": [], "certificate": None},
    **{"sessions": "", "close_files": "", "firewall": False, "restore": 0, "restore_points": 5},
    **{"restart": False, "timeout": 60, "remount": False, "confirmation": "", "confirm_within": 0, "rotated": []},
}
FOLDER = "/var/tmp/modules-on-machine"
COLLECTION = "ansible_collections/pifleet/nodered"


def bring_modules(pi: Pi, folder: str = FOLDER) -> None:
    """Copy the code of the collection, and of Ansible, that runs on machines; `module` needs it in FOLDER."""
    archive = io.BytesIO()
    core = pathlib.Path(ansible.__file__).parent
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name in ("__init__.py", "release.py", "_vendor", "module_utils"):
            tar.add(core / name, f"ansible/{name}", filter=_only_code)
        for name in ("module_utils", "modules"):
            tar.add(CHECKOUT / "plugins" / name, f"{COLLECTION}/plugins/{name}", filter=_only_code)
    subprocess.run(
        ["docker", "exec", "-i", pi.container, "sh", "-c", f"mkdir -p {folder} && tar x -C {folder}"],
        input=archive.getvalue(),
        check=True,
        timeout=60,
    )


def _only_code(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return entry if entry.isdir() or entry.name.endswith(".py") else None


def module(pi: Pi, name: str, *, wrapped: str = "{}", **arguments: object) -> dict[str, object]:
    """What this module of the collection returns, run by root; `wrapped` is a shell command around it."""
    options = shlex.quote(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))
    path = f"{COLLECTION.replace('/', '.')}.plugins.modules.{name}"
    run = f"PYTHONPATH={FOLDER} PYTHONDONTWRITEBYTECODE=1 python3 -m {path} {options}"
    printed = pi.run(wrapped.format(run), check=False)
    assert printed.strip(), f"{name} printed nothing"
    return dict(json.loads(printed.strip().splitlines()[-1]))
