# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast the engine edits: `python benchmarks/engine.py`.

Prints the median time of four settings in a file like the default one (27 KB, most of it comments), and the times
for files of 0.5 to 5 MB, which should grow in proportion to the size. Checking passwords is left out: it is slow on
purpose.
"""

from __future__ import annotations

import pathlib
import statistics
import sys
import time
from collections.abc import Callable

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT / "build" / "collections"))
sys.path.insert(0, str(CHECKOUT / "tests"))

from conftest import link_collection  # noqa: E402

link_collection()
from ansible_collections.pifleet.nodered.plugins.plugin_utils import _settings_js as engine  # noqa: E402

LIMIT_MS = 5.0
WANTED = {
    "uiPort": 1881,
    "adminAuth": {
        "type": "credentials",
        "users": [{"username": "admin", "password": "$2b$08$" + "a" * 53, "permissions": "*"}],
    },
    "https": {"$js": "{ key: require('fs').readFileSync('/etc/nodered/key.pem') }"},
    "editorTheme.projects.enabled": True,
}
SECTION = """
    /** Documentation of the setting below, as the default settings file has it, in a few
     * lines of prose that explain what it is for and what its values mean. See
     * https://nodered.org/docs/user-guide/runtime/configuration for details.
     * Some settings have a lot to explain:
     *  - what happens if the setting is there
     *  - what happens if it is not there
     *  - which release has it and which one does not have it any more
     */
    //exampleSetting{number}: {{
    //    type: "credentials",
    //    users: [{{ username: "admin", permissions: "*" }}]
    //}},

    setting{number}: {{ enabled: true, level: "info", values: [1, 2, 3] }},
"""
HEAD = """module.exports = {
    flowFile: 'flows.json',
    uiPort: process.env.PORT || 1880,
    //adminAuth: {
    //    type: "credentials",
    //},
    //https: {
    //    key: require("fs").readFileSync('privkey.pem'),
    //},
    editorTheme: { projects: { enabled: false } },
"""


def settings_file(size: int) -> str:
    """A settings file of about that many bytes."""
    length = len(SECTION.format(number=10000))
    sections = "".join(SECTION.format(number=10000 + number) for number in range(max(1, (size - len(HEAD)) // length)))
    return f"{HEAD}{sections}}}\n"


def milliseconds(action: Callable[[], object], repeat: int) -> float:
    """The median processor time of an action: what else runs on the machine does not count."""
    times = []
    for _round in range(repeat):
        start = time.process_time()
        action()
        times.append((time.process_time() - start) * 1000)
    return statistics.median(times)


def main() -> int:
    paths = [pathlib.Path(argument) for argument in sys.argv[1:]]
    small = [(path.name, path.read_text(encoding="utf-8")) for path in paths] or [("27 KB", settings_file(27_000))]
    slow = False
    for name, text in small:
        changing = milliseconds(lambda text=text: engine.edit(text, set=WANTED), 200)
        edited = engine.edit(text, set=WANTED).text
        unchanged = milliseconds(lambda edited=edited: engine.edit(edited, set=WANTED), 200)
        slow = slow or changing > LIMIT_MS
        print(f"{name}: 4 settings, {len(text)} bytes: {changing:.2f} ms changing, {unchanged:.2f} ms unchanged")
    for megabytes in (0.5, 1, 2.5, 5):
        text = settings_file(int(megabytes * 1_000_000))
        taken = milliseconds(lambda text=text: engine.edit(text, set=WANTED), 3)
        print(f"{megabytes} MB: {taken:.0f} ms, {taken / megabytes:.0f} ms per MB")
    if slow:
        print(f"slower than {LIMIT_MS} ms")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
