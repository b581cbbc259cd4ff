# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reject a release whose tag, version and changelog do not agree: python .ci/release.py TAG."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Mapping, Sequence

import yaml

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent


def problems(tag: str, version: str, releases: Mapping[str, object], fragments: Sequence[str]) -> list[str]:
    """What has to be corrected before this tag can be released; `fragments` are those that no release has."""
    found = []
    if tag != version:
        found.append(f"the tag is {tag!r}, but galaxy.yml has the version {version!r}")
    if version not in releases:
        found.append(f"changelogs/changelog.yaml has no release {version}: run antsibull-changelog release")
    if fragments:
        found.append(f"these fragments belong to no release: {', '.join(sorted(fragments))}")
    return found


def main(tag: str) -> None:
    galaxy = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text())
    changelog = yaml.safe_load((CHECKOUT / "changelogs" / "changelog.yaml").read_text())
    fragments = [path.name for path in (CHECKOUT / "changelogs" / "fragments").glob("*.yml")]
    if found := problems(tag, galaxy["version"], changelog["releases"], fragments):
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main(sys.argv[1])
