# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the pictures of the documentation from the machines of the demo: what an audit finds before and after `secure`.

`make pictures` calls it, and `make demo-down` removes the machines.
"""

from __future__ import annotations

import html
import json
import pathlib
import subprocess
import tempfile
from collections.abc import Iterator
from typing import Any

from ansible_collections.pifleet.nodered.tests.integration.browser import chromium, emulate
from ansible_collections.pifleet.nodered.tests.integration.fleet import CHECKOUT

IMAGES = CHECKOUT / "docs" / "images"
BUILD = CHECKOUT / "build" / "pictures"
INVENTORY = CHECKOUT / "build" / "fleet" / "demo" / "inventory.yml"
MACHINES = {"pi31": "Node-RED 3.1", "pi41": "Node-RED 4.1", "pi50": "Node-RED 5.0"}
PORT = "nodered_port=1881"

TITLE_WIDTH, CELL, ROW, TOP = 386, 78, 26, 62
# Background and text of each state, as in the report in light colours.
COLORS = {
    "critical": ("#a8152f", "#ffffff"),
    "high": ("#ffdfcb", "#8a3200"),
    "medium": ("#ffefbd", "#664a00"),
    "low": ("#dceafb", "#1c4b8a"),
    "passed": ("#e0f3e9", "#23694a"),
}

Report = dict[str, Any]


def main() -> None:
    call(CHECKOUT / "containers" / "pi" / "fleet", "up", "--name", "demo", *MACHINES)
    before = audit("before")
    play("secure", "-e", PORT)
    after = audit("after", "-e", PORT)
    IMAGES.mkdir(exist_ok=True)
    (IMAGES / "before-after.svg").write_text(before_and_after(before, after))
    photograph(BUILD / "before" / "index.html", IMAGES / "report.png")


def audit(name: str, *options: str) -> Report:
    play("audit", "-e", f"nodered_report_dir={BUILD / name}", *options)
    return json.loads((BUILD / name / "report.json").read_text())


def play(playbook: str, *options: str) -> None:
    call("ansible-playbook", "-i", INVENTORY, *options, f"pifleet.nodered.{playbook}")


def call(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True, stdin=subprocess.DEVNULL, cwd=CHECKOUT)


def photograph(page: pathlib.Path, picture: pathlib.Path) -> None:
    with chromium(pathlib.Path(tempfile.mkdtemp())) as browser:
        emulate(browser, width=1280, height=760)
        browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
        browser.get(page.as_uri())
        browser.save_screenshot(str(picture))


def severities(report: Report) -> dict[tuple[str, str], str]:
    """The severity of each finding, by check and host."""
    return {(found["id"], host["host"]): found["severity"] for host in report["hosts"] for found in host["findings"]}


def before_and_after(before: Report, after: Report) -> str:
    """A table as SVG: what each audit found, a row for each check that found something before."""
    titles = {found["id"]: found["title"] for host in before["hosts"] for found in host["findings"]}
    order = list(COLORS)
    found = severities(before)
    worst = {check: min(order.index(found[key]) for key in found if key[0] == check) for check in titles}
    checks = sorted(titles, key=lambda check: (worst[check], titles[check]))
    width, height = TITLE_WIDTH + 2 * CELL * len(MACHINES) + 16, TOP + ROW * len(checks) + 12
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        ' font-family="system-ui, sans-serif" font-size="13" role="img">',
        "<title>What an audit finds on three machines, before and after the playbook secure</title>",
        f'<rect width="{width}" height="{height}" rx="8" fill="#ffffff" stroke="#9ca3af"/>',
        *head(),
    ]
    states = (found, severities(after))
    for number, check in enumerate(checks):
        cells = [state.get((check, host), "passed") for host in MACHINES for state in states]
        parts += row(TOP + ROW * number, titles[check], cells)
    return "\n".join([*parts, "</svg>", ""])


def head() -> Iterator[str]:
    yield text(16, 46, "finding", "#111827", weight="bold")
    for number, (host, release) in enumerate(MACHINES.items()):
        left = TITLE_WIDTH + 2 * CELL * number
        yield text(left + CELL, 24, f"{host}, {release}", "#111827", weight="bold", anchor="middle")
        for offset, word in enumerate(("before", "after")):
            yield text(left + CELL * offset + CELL // 2, 46, word, "#374151", anchor="middle")


def row(top: int, title: str, states: list[str]) -> Iterator[str]:
    yield text(16, top + 17, title, "#111827")
    for number, state in enumerate(states):
        left, (back, front) = TITLE_WIDTH + CELL * number, COLORS[state]
        yield f'<rect x="{left + 4}" y="{top + 2}" width="{CELL - 8}" height="{ROW - 4}" rx="4" fill="{back}"/>'
        yield text(left + CELL // 2, top + 17, state, front, anchor="middle")


def text(left: int, base: int, words: str, color: str, *, weight: str = "normal", anchor: str = "start") -> str:
    style = f'fill="{color}" font-weight="{weight}" text-anchor="{anchor}"'
    return f'<text x="{left}" y="{base}" {style}>{html.escape(words)}</text>'


if __name__ == "__main__":
    main()
