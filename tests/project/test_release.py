# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which releases `make release` rejects."""

from __future__ import annotations

import importlib.util
import pathlib

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / ".ci" / "release.py"
SPEC = importlib.util.spec_from_file_location("release", SCRIPT)
release = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(release)


def test_a_release_with_its_tag_and_changelog_is_accepted():
    assert release.problems("1.0.0", "1.0.0", {"0.2.0": {}, "1.0.0": {}}, []) == []


def test_a_tag_with_another_version_is_rejected():
    assert release.problems("v1.0.0", "1.0.0", {"1.0.0": {}}, []) == [
        "the tag is 'v1.0.0', but galaxy.yml has the version '1.0.0'"
    ]


def test_a_version_without_changelog_is_rejected():
    (found,) = release.problems("1.0.0", "1.0.0", {"0.2.0": {}}, [])
    assert "has no release 1.0.0" in found


def test_fragments_that_no_release_has_are_rejected():
    (found,) = release.problems("1.0.0", "1.0.0", {"1.0.0": {}}, ["b.yml", "a.yml"])
    assert found == "these fragments belong to no release: a.yml, b.yml"
