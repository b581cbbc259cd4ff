# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tarball of the collection holds: what users need, and nothing else that a checkout has."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import tarfile

import pytest

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
WANTED = {
    *(
        "CHANGELOG.md",
        "CODE_OF_CONDUCT.md",
        "CONTRIBUTING.md",
        "FILES.json",
        "LICENSE",
        "LICENSES",
        "MANIFEST.json",
        "README.md",
        "REUSE.toml",
        "SECURITY.md",
    ),
    *("changelogs", "docs", "examples", "meta", "playbooks", "plugins", "requirements.txt", "roles"),
}
# Left by tests, runs and editors.
LEFT_BEHIND = [
    ".nodered-passwords/pi1",
    ".venv/bin/python",
    "build/x",
    "nodered-report/index.html",
    ".hypothesis/x",
    "a.tar.gz",
]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> set[str]:
    copy, built = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("built")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CHECKOUT / name, copy / name)
    for name in LEFT_BEHIND:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text("not for users\n")
    subprocess.run(["ansible-galaxy", "collection", "build", "--output-path", built], cwd=copy, check=True)
    (tarball,) = built.iterdir()
    with tarfile.open(tarball) as tar:
        return {member.name for member in tar if member.isfile()}


def test_the_tarball_holds_what_users_need(files):
    assert {name.partition("/")[0] for name in files} == WANTED


def test_the_tarball_holds_all_plugins_roles_and_playbooks(files):
    tracked = subprocess.run(
        ["git", "ls-files", "plugins", "roles", "playbooks", "meta"],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert set(tracked.stdout.split("\n")) - {""} <= files


def test_the_tools_of_the_documentation_and_fragments_stay_out(files):
    assert not [name for name in files if name.startswith(("docs/site/", "changelogs/fragments/"))]
    assert "docs/requirements.txt" not in files
