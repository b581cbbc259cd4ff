# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Node.js finds exported by settings files; one process evaluates them all."""

from __future__ import annotations

import json
import pathlib
import subprocess
from collections.abc import Iterable

PROGRAM = pathlib.Path(__file__).resolve().with_name("evaluate.js")
SECONDS = 120

ABSENT = "absent"


def evaluated(texts: Iterable[str], folder: pathlib.Path) -> dict[str, dict[str, object]]:
    """For each text the `value` that it exports or the `error` that it ends with. The files are put into the folder."""
    paths = {}
    for number, text in enumerate(sorted(set(texts))):
        path = folder / f"{number}.js"
        path.write_text(text, encoding="utf-8", newline="")
        paths[str(path)] = text
    results = folder / "results.json"
    subprocess.run(
        ["node", PROGRAM, results], input=json.dumps(list(paths)), text=True, cwd=folder, check=True, timeout=SECONDS
    )
    return {paths[path]: result for path, result in json.loads(results.read_text(encoding="utf-8")).items()}


def plain(result: dict[str, object]) -> object:
    """The exported value as Python; what has no JSON form (a function) stays as evaluate.js describes it."""
    assert "error" not in result, result["error"]
    return _plain(result["value"])


def _plain(value: object) -> object:
    assert isinstance(value, dict)
    if "object" in value:
        return {key: _plain(member) for key, member in value["object"].items()}
    if "list" in value:
        return [_plain(element) for element in value["list"]]
    if "scalar" not in value:
        return {"other": json.dumps(value)}
    text = str(value["value"])
    if value["scalar"] == "number":
        return float(text)
    return {"true": True, "false": False, "null": None}.get(text, text) if value["scalar"] != "string" else text


def found_at(exported: object, path: str) -> object:
    """The member at a dotted path, or ABSENT."""
    for key in path.split("."):
        exported = exported.get(key, ABSENT) if isinstance(exported, dict) else ABSENT
    return exported
