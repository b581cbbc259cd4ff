# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of docs/compatibility.md that tests write: each between two comments with the name of its make target."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

PAGE = pathlib.Path(__file__).resolve().parents[1] / "docs" / "compatibility.md"


def write(target: str, part: str) -> None:
    """Write what this make target has found. The other parts of the page stay."""
    PAGE.write_text(replaced(PAGE.read_text(), target, part))


def replaced(page: str, target: str, part: str) -> str:
    """The page with this part in place of the one that the make target wrote before."""
    begin, end = f"<!-- make {target} -->\n", f"<!-- end of make {target} -->\n"
    before, _begin, rest = page.partition(begin)
    after = rest.partition(end)[2]
    return f"{before}{begin}{part}{end}{after}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """The rows as a Markdown table; the first one is its header."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
