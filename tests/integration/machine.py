# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What some tests need on the machine that runs them; as root on Debian it is installed, anywhere else it is named."""

from __future__ import annotations

import fcntl
import pathlib
import shutil
import subprocess

from .fleet import CHECKOUT


def ensure_installed(packages: dict[str, str]) -> None:
    """Have each command or file, given with Debian's package of it."""
    missing = sorted({package for wanted, package in packages.items() if not _is_there(wanted)})
    if not missing:
        return
    install = f"apt-get update -q && apt-get install -qy --no-install-recommends {' '.join(missing)}"
    (CHECKOUT / "build").mkdir(exist_ok=True)
    # Other workers may be at it, too; apt-get waits for no lock of its own.
    with open(CHECKOUT / "build" / "apt.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(
            ["sh", "-c", install], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False
        )
    assert done.returncode == 0, f"install {', '.join(missing)} (the names of Debian's packages)\n{done.stderr}"


def _is_there(wanted: str) -> bool:
    return pathlib.Path(wanted).exists() if wanted.startswith("/") else shutil.which(wanted) is not None


def home_that_trusts(authority: pathlib.Path | None, folder: pathlib.Path) -> pathlib.Path:
    """A home folder for Chromium, whose store of certificates (NSS) was given this authority and nothing else."""
    store = folder / ".pki" / "nssdb"
    store.mkdir(parents=True)
    command = ["certutil", "-d", f"sql:{store}"]
    subprocess.run([*command, "-N", "--empty-password"], check=True, timeout=60)
    if authority:
        given = ["-A", "-n", "fleet", "-t", "C,,", "-i", str(authority)]
        subprocess.run([*command, *given], check=True, timeout=60)
    return folder
