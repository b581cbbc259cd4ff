# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge the settings file beside its logins. Private; knows no Ansible."""

from __future__ import annotations

from collections.abc import Iterator

from .._plan._base import Found
from .._report._findings import Severity
from .._settings import _known_bad
from ._base import Observed, Outcome, Skipped, finding, is_accepted

CHECKS = ("settings-unreadable", "setting-misspelled", "setting-unknown", "credential-secret")
HIGH: Severity = "high"
_MOST_NAMED = 10


def outcomes(found: Found, observed: Observed) -> Iterator[Outcome]:
    file, error = found.instance["settings_file"], found.instance["settings_error"]
    if error or observed.unread:
        yield finding(
            "settings-unreadable",
            "The settings file cannot be loaded" if error else "The settings file cannot be read with certainty",
            error or observed.unread,
            "Correct the settings file at the place that is named, then run again.",
            HIGH if error else None,
        )
    if observed.unread:
        for check in CHECKS[1:]:
            yield Skipped(check, "the settings file cannot be read with certainty")
        return
    for one in observed.of("misspelled"):
        evidence, severity = f"{file}: {one.setting}: {one.problem}", _severity(one, observed)
        yield finding("setting-misspelled", "A setting is misspelled", evidence, one.remedy, severity)
    if observed.unknown_settings:
        named = ", ".join(observed.unknown_settings[:_MOST_NAMED])
        more = len(observed.unknown_settings) - _MOST_NAMED
        evidence = f"{file}: {named}{f' and {more} more' if more > 0 else ''}"
        remedy = "Remove what nothing needs; installed nodes can have settings of their own."
        yield finding("setting-unknown", "Node-RED does not know some settings", evidence, remedy)
    for one in (*observed.of("secret-off"), *observed.of("secret-known")):
        title = "The credentials of flows are not protected"
        yield finding("credential-secret", title, f"{file}: {one.setting}: {one.problem}", one.remedy)


def _severity(misspelled: _known_bad.Finding, observed: Observed) -> Severity | None:
    if is_accepted(observed, misspelled.setting):
        return "info"
    return HIGH if misspelled.grave else None
