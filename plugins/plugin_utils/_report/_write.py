# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a report. Private; knows no Ansible."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from .._core import _kept_files
from . import _changes, _html, _json, _junit, _metrics, _sarif
from ._catalogue import CHECKS, Check
from ._changes import Changes
from ._findings import FleetReport, ReportError, safe_line

_JSON = "report.json"


@dataclass(frozen=True)
class Written:
    """What a report has become."""

    files: list[pathlib.Path]
    changes: Changes | None
    """Since the report that was in the folder; None if there was none that can be read."""
    warnings: list[str] = field(default_factory=list)


def require_libraries() -> None:
    """Raise MissingLibraryError where a library is missing that only reports need."""
    _junit.require_library()


def write(folder: pathlib.Path, report: FleetReport, checks: Sequence[Check] = CHECKS) -> Written:
    """Write all formats into the folder, in place of those of the last report.

    Only their owner can read the files, nor can others enter the folder if it is new: a report tells an attacker where
    to begin. Each file is replaced in one step; report.json is the last, because the next report is compared with it.
    Raises ReportError, which names the folder and the remedy, and MissingLibraryError.
    """
    try:
        with _kept_files.locked(folder):
            earlier, warnings = _earlier(folder / _JSON)
            changes = _changes.between(earlier, report) if earlier else None
            texts = {
                "index.html": _html.render(report, checks, changes).encode(),
                "junit.xml": _junit.render(report, checks),
                "report.sarif": _sarif.render(report, checks).encode(),
                "metrics.prom": _metrics.render(report).encode(),
                _JSON: _json.render(report, checks, changes).encode(),
            }
            for name, text in texts.items():
                _kept_files.write(folder / name, text, 0o600)
    except OSError as error:
        raise ReportError(
            f"The report cannot be written to {folder}: {error}. Make that folder writable, or set nodered_report_dir."
        ) from None
    return Written([folder / name for name in texts], changes, warnings)


def _earlier(path: pathlib.Path) -> tuple[FleetReport | None, list[str]]:
    """The last report, and a warning if there is one that cannot be read. Raises OSError."""
    try:
        with path.open("rb") as stream:
            text = stream.read(_json.LARGEST + 1)
        return _json.loaded(text), []
    except FileNotFoundError:
        return None, []
    except ReportError as error:
        return None, [f"{path}: {safe_line(str(error))}. It is replaced; the report shows no changes since then."]
