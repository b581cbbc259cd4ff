# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated command lines of Node-RED, parsed by the collection and by the nopt that Node-RED uses."""

from __future__ import annotations

import json
import os
import pathlib
import random
import subprocess

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _command_line, _options
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Word
from ansible_collections.pifleet.nodered.tests.corpus.packages import archives, text_in

SCRIPT = pathlib.Path(__file__).resolve().parent / "options.js"
FAMOUS = [
    "--max-old-space-size=128 -v flows.json",
    "--max-old-space-size 128 -v flows.json",
    "--foo bar",
    "-abc",
    "-pv 1881",
    "-vp 1881",
    "--no-port -p",
    "-p",
    "-D a=1 -D b=2 --define",
    "--safe false flows.json",
    "-s -v",
    "-- -p 1",
]
NAMES = [*_options.TYPES, *_options.SHORT, "foo", "max-old-space-size", "abc", "pv", "vp", "sv", "Dv", "no", "n", ""]
VALUES = ["1881", "0x1F", "1e3", "-1", "", " ", "  12 ", "1.5", "abc", "true", "false", "null", "Infinity", "08", "1_0"]
VALUES += ["/etc/s.js", "~/x", "a=b", "a.b={}", "@x.json", "-", "--", "---", "-v", "-p", "\u00a0x\u2003", "flows.json"]


def generated(count: int) -> list[list[str]]:
    """Command lines of these words, each another one, from FUZZ_SEED."""
    chance = random.Random(os.environ["FUZZ_SEED"])

    def option() -> str:
        name = chance.choice(NAMES)
        if chance.random() < 0.3:
            name = name[: chance.randint(0, len(name))]
        text = "-" * chance.choice([1, 1, 2, 2, 3]) + chance.choice(["", "", "", "no-", "No-no-"]) + name
        return text + "=" + chance.choice(VALUES) if chance.random() < 0.3 else text

    def word() -> str:
        return option() if chance.random() < 0.6 else chance.choice(VALUES)

    return [[word() for _number in range(chance.randint(1, 6))] for _line in range(count)]


@pytest.fixture(scope="module")
def nopt(tmp_path_factory):
    """Ask nopt itself, with the options of the newest red.js."""
    folder = tmp_path_factory.mktemp("nopt")
    for member, package in (("lib/nopt.js", "nopt@5.0.0"), ("abbrev.js", "abbrev@1.1.1")):
        path = folder / "node_modules" / package.partition("@")[0] / "index.js"
        path.parent.mkdir(parents=True)
        path.write_text(text_in(archives(package)[package], member))
    (folder / "red.js").write_text(text_in(archives("node-red@5")["node-red@5.0.7"], "red.js"))

    def ask(lines: list[list[str]]) -> list[dict[str, object]]:
        done = subprocess.run(
            ["node", str(SCRIPT), str(folder / "node_modules" / "nopt"), str(folder / "red.js")],
            input="".join(json.dumps(line) + "\n" for line in lines),
            cwd="/",
            env={**os.environ, "HOME": "/home/pi"},
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return [json.loads(line) for line in done.stdout.splitlines()]

    return ask


def parsed(line: list[str]) -> dict[str, object]:
    found = _options.parse([Word(word) for word in line])

    def path(option: _options.Option | None) -> str | None:
        return _command_line.resolved(option.value, "/", "/home/pi") if option else None

    return {
        "port": found.port.value if found.port else None,
        "settings": path(found.settings),
        "user_dir": path(found.user_dir),
        "title": found.title.value if found.title else None,
        "safe": bool(found.safe),
        "defines": [option.value for option in found.defines],
        "flow_file": found.flow_file.value if found.flow_file else None,
    }


def test_options_are_what_nopt_makes_of_them(nopt):
    lines = [line.split() for line in FAMOUS] + generated(6000)
    differing = [
        (line, expected, parsed(line))
        for line, expected in zip(lines, nopt(lines), strict=True)
        if parsed(line) != expected
    ]
    assert not differing, differing[:3]
