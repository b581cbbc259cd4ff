# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of the npm registry, pinned by their hash in packages.json and kept in the user's cache."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pathlib
import subprocess
import tarfile

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "pifleet-nodered" / "npm"
PACKAGES: dict[str, str] = json.loads((HERE / "packages.json").read_text(encoding="utf-8"))
DOWNLOAD_SECONDS = 240


def verified(package: str, path: pathlib.Path) -> bool:
    """Whether the cached archive is, byte for byte, the pinned one."""
    if not path.is_file():
        return False
    digest = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    return f"sha512-{digest}" == PACKAGES[package]


def archives(*beginnings: str) -> dict[str, pathlib.Path]:
    """The archive of each package whose name begins so, downloaded where the cache does not have it."""
    names = [package for package in PACKAGES if package.startswith(beginnings)]
    paths = {package: CACHE / f"{package.replace('@', '-')}.tgz" for package in names}
    missing = [package for package, path in paths.items() if not verified(package, path)]
    if missing:
        CACHE.mkdir(parents=True, exist_ok=True)
        command = ["npm", "pack", "--silent", "--pack-destination", str(CACHE), *missing]
        subprocess.run(command, check=True, timeout=DOWNLOAD_SECONDS, cwd=CACHE, capture_output=True)
    for package, path in paths.items():
        assert verified(package, path), f"{path} is not the archive that packages.json names"
    return paths


def text_in(archive: pathlib.Path, member: str) -> str:
    """A file of the package."""
    with tarfile.open(archive) as opened:
        stream = opened.extractfile(f"package/{member}")
        assert stream is not None
        return stream.read().decode()
