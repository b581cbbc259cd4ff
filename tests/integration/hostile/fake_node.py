# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program in place of node. What it does is in the file `behaviour` beside it.

A run asks it for its version, or hands it a question on standard input that names the descriptor for the answer.
"""

import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS = 300

ANSWERS = {
    "list": b"[]",
    "number": b'{"error": 7}',
    "deep": b"[" * 200000,
    "types": b'{"ok": true, "node": {}, "error": [], "fromFile": [], "inEffect": "x", "defined": 3, "notInEffect": 5}',
    "huge-number": b'{"ok": true, "node": "v20.0.0", "fromFile": {}, "inEffect": {"uiPort": %s}, "defined": []}'
    % (b"9" * 5000),
}


def note_user():
    """Root must never come here."""
    with open(f"/var/tmp/node-ran-as-{os.getuid()}", "w"):
        pass


def endlessly(descriptor, data):
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        os.write(descriptor, data)


def cling():
    """Leave a process behind, in a session of its own, that keeps what this one prints to open."""
    if os.fork() == 0:
        os.setsid()
    time.sleep(SECONDS)


def main():
    note_user()
    with open(os.path.join(HERE, "behaviour")) as stream:
        behaviour = stream.read().strip()
    asked = "--version" not in sys.argv
    if behaviour == "clinging":
        cling()
    elif behaviour == "endless" and not asked:
        endlessly(1, b"v20.0.0" + b"x" * 65536)
    elif behaviour == "endless-answer" and asked:
        endlessly(json.loads(sys.stdin.read())["answer"], b"x" * 65536)
    elif behaviour in ANSWERS and asked:
        os.write(json.loads(sys.stdin.read())["answer"], ANSWERS[behaviour] + b"\n")
    raise SystemExit(1)


main()
