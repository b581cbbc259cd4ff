# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge who can get at Node-RED's files, and whether it can write its own. Private; knows no Ansible."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .._plan._base import Found
from .._report._findings import Severity
from ._base import Observed, Outcome, finding

CHECKS = ("files-readable", "sessions-unwritable")
# What `instance_info` calls what Node-RED cannot replace by a file.
_IN_THE_WAY = ("a mount of its own", "a folder", "something that is neither a file nor a folder")


def outcomes(found: Found, observed: Observed) -> Iterator[Outcome]:
    yield from _readable(found, observed)
    reason = _why_no_sessions(found)
    if reason:
        remedy = "Run pifleet.nodered.secure: the role sessions keeps sessions where they can be written."
        yield finding("sessions-unwritable", "A login ends Node-RED", reason[0], reason[1] or remedy)


def _readable(found: Found, observed: Observed) -> Iterator[Outcome]:
    exposed = found.instance["exposed"]
    if not exposed:
        return
    closes = str(observed.wanted["nodered_hardening_files"])
    yield finding(
        "files-readable",
        "Other users of the machine can get at Node-RED's files",
        "\n".join(f"{one['path']} has the mode {one['mode']}" for one in exposed),
        "\n".join(dict.fromkeys(_remedy(one) for one in exposed)),
        _severity(exposed, closes),
    )


def _severity(exposed: list[Mapping[str, Any]], closes: str) -> Severity:
    """The operator can have decided that they stay open (nodered_hardening_files)."""
    files, folders = [[one for one in exposed if one["folder"] is folder] for folder in (False, True)]
    if closes == "unchanged" or (closes == "directory" and not folders):
        return "info"
    return "high" if files and folders else "medium" if files else "low"


def _remedy(one: Mapping[str, Any]) -> str:
    if one["problem"]:
        return f"{one['path']}: {one['problem']}"
    return "Run pifleet.nodered.secure: the role hardening closes them (nodered_hardening_files: private)."


def _why_no_sessions(found: Found) -> tuple[str, str] | None:
    """Why Node-RED cannot write its sessions file, and the remedy if it is not the role; None if it can."""
    instance = found.instance
    folder, user = instance["user_dir"], instance["user"]
    if not instance["user_dir_writable"]:
        evidence = f"{folder} belongs to {instance['user_dir_owner']}, and {user} cannot write there."
        return evidence, f"Give it back: chown -R {user} {folder}"
    if instance["storage_module"] != "none":
        return None
    if instance["user_dir_read_only"] or instance["user_dir_read_only_at_boot"]:
        return f"The file system of {folder} is read-only, or will be after the next boot.", ""
    for one in instance["sessions"]["repairs"]["file"]:
        if one["before"].startswith(_IN_THE_WAY) and one["path"] == instance["sessions_file"]:
            return f"{one['path']} is {one['before']}, which Node-RED cannot replace.", one["refusal"] or ""
    return None
