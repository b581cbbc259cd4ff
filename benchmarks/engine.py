# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an edit costs; `make benchmark` runs it. Options: [--shape NAME ...] [--megabytes 0.5] [settings.js ...].

First the time for four settings in a file like the default one (27 KB, most of it comments), and in the files that are
named, as multiples of the bare parse by tree-sitter in the same run. Then a table of shapes: the time at half the size
and at the size, the factor between the two (2 is proportional), and the memory for each MB of source: of an edit, and
of tree-sitter's bare parse. The engine's limits of size and time are lifted for that; what it refuses in spite of that
is marked. The last column has the memory of an edit, in MB, at the largest size that these limits allow. The exit code
is 1 where something costs more than it should; memory for each MB is only marked, since a tree alone can take more.
Hashing passwords is left out: it is slow on purpose.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import multiprocessing
import pathlib
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from ansible_collections.pifleet.nodered.plugins.plugin_utils._js import _tree
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings import _settings_js as engine

# The most that four settings, and a file that has them already, may cost in bare parses.
MOST_CHANGING = 3.5
MOST_UNCHANGED = 1.5
# The most that an input of twice the size may cost, and the memory in MB: for each MB of it, and for any accepted file.
MOST_FACTOR = 2.4
MOST_MEMORY = 60.0
MOST_AT_LIMIT = 64.0
# Of each time, the shortest of so many is taken: whatever else the machine does only adds to it.
ROUNDS = 3
# A file takes part if it takes longer than this, in seconds; else the clock's own error would show.
SHORTEST = 0.02
# The most computing time for a shape, in seconds.
LONGEST = 60

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
    //exampleSetting{0}: {{
    //    type: "credentials",
    //    users: [{{ username: "admin", permissions: "*" }}]
    //}},

    setting{0}: {{ enabled: true, level: "info", values: [1, 2, 3] }},
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


@dataclass(frozen=True)
class Job:
    """One edit."""

    text: str
    set: dict[str, object] = field(default_factory=dict)
    remove: list[str] = field(default_factory=list)

    def run(self) -> str:
        """Do it; returns the problem if it is refused."""
        try:
            engine.edit(self.text, set=self.set, remove=self.remove)
        except engine.SettingsError as error:
            return error.problem
        return ""


# Shapes


def exported(members: str) -> str:
    return f"module.exports = {{\n{members}}};\n"


def each(form: str, count: int) -> str:
    return "".join(form.format(number) for number in range(count))


def names(form: str, count: int, value: object = 1) -> dict[str, object]:
    return dict.fromkeys((form.format(number) for number in range(count)), value)


def users(count: int, level: str) -> list[object]:
    password = "$2b$08$" + "a" * 53
    return [{"username": f"user{number}", "password": password, "permissions": level} for number in range(count)]


def written_users(count: int) -> str:
    user = f'        {{{{ username: "user{{0}}", password: "$2b$08${"a" * 53}", permissions: "*" }}}},\n'
    return exported(
        f'    adminAuth: {{\n      type: "credentials",\n      users: [\n{each(user, count)}      ]\n    }},\n'
    )


Answer = TypeVar("Answer")
LINES = "    k{0}: {0},\n"
ONE_LINE = "k{0}: {0}, "
NEW = {"k1": -1, "added": [1, 2, 3]}
# The name of a shape, the number of entries that make about one MB, and how to make so many of them.
SHAPES: dict[str, tuple[int, Callable[[int], Job]]] = {
    "like the default file": (1100, lambda n: Job(HEAD + each(SECTION, n) + "}\n", WANTED)),
    "one entry a line": (60000, lambda n: Job(exported(each(LINES, n)), NEW)),
    "one entry a line, CRLF": (
        60000,
        lambda n: Job(exported(each(LINES, n)).replace("\n", "\r\n"), NEW),
    ),
    "all entries on one line": (65000, lambda n: Job("module.exports = { " + each(ONE_LINE, n) + "};", NEW)),
    "all on one line, replace all": (
        65000,
        lambda n: Job("module.exports = { " + each(ONE_LINE, n) + "};", names("k{0}", n)),
    ),
    "all on one line, remove all": (
        65000,
        lambda n: Job("module.exports = { " + each(ONE_LINE, n) + "};", remove=list(names("k{0}", n))),
    ),
    "replace every setting": (60000, lambda n: Job(exported(each(LINES, n)), names("k{0}", n))),
    "remove every setting": (60000, lambda n: Job(exported(each(LINES, n)), remove=list(names("k{0}", n)))),
    "remove every second setting": (
        60000,
        lambda n: Job(exported(each(LINES, n)), remove=list(names("k{0}", n))[::2]),
    ),
    "add many settings": (10000, lambda n: Job(exported(each(LINES, 2 * n)), names("added{0}", n))),
    "replace every member of an object": (
        60000,
        lambda n: Job(exported(f"  a: {{\n{each(LINES, n)}  }},\n"), {"a": names("k{0}", n)}),
    ),
    "exchange all members of an object": (
        30000,
        lambda n: Job(exported(f"  a: {{\n{each(LINES, n)}  }},\n"), {"a": names("other{0}", n)}),
    ),
    "members of one object by dotted names": (
        60000,
        lambda n: Job(exported(f"  a: {{ b: {{\n{each(LINES, n)}  }} }},\n"), names("a.b.k{0}", n)),
    ),
    "new members by dotted names": (
        20000,
        lambda n: Job(exported(f"  a: {{ b: {{\n{each(LINES, n)}  }} }},\n"), names("a.b.added{0}", n)),
    ),
    "one member of many objects": (
        30000,
        lambda n: Job(exported(each("    k{0}: {{ b: {{ c: {0} }} }},\n", n)), names("k{0}.b.c", n)),
    ),
    "remove members by dotted names": (
        60000,
        lambda n: Job(exported(f"  a: {{ b: {{\n{each(LINES, n)}  }} }},\n"), remove=list(names("a.b.k{0}", n))),
    ),
    "new objects by dotted names": (10000, lambda n: Job(exported(each(LINES, n)), names("new{0}.b.c", n))),
    "quoted keys": (
        40000,
        lambda n: Job(exported(each("    'k{0}': {{ 'b': \"c\" }},\n", n)), {"k1": {"b": "d"}, "added": {"b": 1}}),
    ),
    "module.exports.kN = ...": (33000, lambda n: Job(each("module.exports.k{0} = {0};\n", n), NEW)),
    "module.exports.kN = ..., replace all": (
        33000,
        lambda n: Job(each("module.exports.k{0} = {0};\n", n), names("k{0}", n)),
    ),
    "module.exports.kN = ..., remove all": (
        33000,
        lambda n: Job(each("module.exports.k{0} = {0};\n", n), remove=list(names("k{0}", n))[1:]),
    ),
    "exports['kN'] = ...": (38000, lambda n: Job(each("exports['k{0}'] = {0};\n", n), NEW)),
    "settings.kN = ... below a literal": (
        38000,
        lambda n: Job("const s = { uiPort: 1 };\n" + each("s.k{0} = {0};\n", n) + "module.exports = s;\n", NEW),
    ),
    "settings.a.kN = ..., set all of a": (
        38000,
        lambda n: Job(
            "const s = { a: {} };\n" + each("s.a.k{0} = {0};\n", n) + "module.exports = s;\n", {"a": names("k{0}", n)}
        ),
    ),
    "a = b = c = ...": (400, lambda n: Job(f"const {each('a{0} = ', n)} 1;\n{exported(LINES)}", NEW)),
    "wide array": (150000, lambda n: Job(exported(f"  a: [{each('{0}, ', n)}],\n"), {"a": [-1, *range(1, n)]})),
    "wide array, replace all": (
        90000,
        lambda n: Job(exported("  a: [\n" + each("    {0},\n", n) + "  ],\n"), {"a": [-1] * n}),
    ),
    "wide array, add and remove": (
        60000,
        lambda n: Job(exported("  a: [\n" + each("    {0},\n", n) + "  ],\n"), {"a": [*range(n // 2)] + ["x"] * n}),
    ),
    "array of objects, replace all": (
        25000,
        lambda n: Job(
            exported("  a: [\n" + each("    {{ b: {0}, c: [1, 2] }},\n", n) + "  ],\n"),
            {"a": [{"b": -1, "c": [2, number]} for number in range(n)]},
        ),
    ),
    "many users, replace all": (8000, lambda n: Job(written_users(n), {"adminAuth.users": users(n, "read")})),
    "many users, add as many": (4000, lambda n: Job(written_users(n), {"adminAuth.users": users(2 * n, "*")})),
    "many users, remove half": (8000, lambda n: Job(written_users(n), {"adminAuth.users": users(n, "*")[::2]})),
    "many users, turned round": (8000, lambda n: Job(written_users(n), {"adminAuth.users": users(n, "*")[::-1]})),
    "many comments": (20000, lambda n: Job(exported(each("    // This says what is below.\n    k{0}: 1,\n", n)), NEW)),
    "comments in a row": (60000, lambda n: Job(exported(each("    // comment\n", n) + LINES.format(1)), NEW)),
    "comments in a row, then uses": (
        20000,
        lambda n: Job(each("// comment\n", 2 * n) + each("module.exports.k{0} = {0};\n", n), NEW),
    ),
    "comments in values that are replaced": (
        20000,
        lambda n: Job(exported(each("    k{0}: [1, /* one */ 2], // two\n", n)), names("k{0}", n)),
    ),
    "commented-out examples": (
        30000,
        lambda n: Job(exported(each("    //k{0}: {{ a: 1,\n    //}},\n", n)), names("k{0}", n)),
    ),
    "an example that never ends": (60000, lambda n: Job(exported(each("    // k{0}: {{\n", n)), {"k1": 1})),
    "block comments": (20000, lambda n: Job(exported(each("    /* k{0}: {{}}, */ k{0}: 1,\n", n)), NEW)),
    "quotes of a word processor": (
        20000,
        lambda n: Job(exported(each("    // \u201cabove\u201d\n    k{0}: '\u201c{0}\u201d',\n", n)), NEW),
    ),
    "number signs in templates": (15000, lambda n: Job(exported(each("    k{0}: `\n#{0}\n# {0}`,\n", n)), NEW)),
    "strings": (25000, lambda n: Job(exported(each("    k{0}: 'a \\'text\\' of \\u0041 {0}',\n", n)), NEW)),
    "spreads of many variables": (
        20000,
        lambda n: Job(each("const a{0} = {{ b{0}: 1 }};\n", n) + exported(each("  ...a{0},\n", n) + "  k1: 2,\n"), NEW),
    ),
    "values in many variables": (
        20000,
        lambda n: Job(
            each("const a{0} = {{ b: 1 }};\n", n) + exported(each("  k{0}: a{0},\n", n)), names("k{0}", n, {})
        ),
    ),
    "dotted names into many variables": (
        20000,
        lambda n: Job(
            each("const a{0} = {{ b: 1 }};\n", n) + exported(each("  k{0}: a{0},\n", n)), names("k{0}.b", n, 2)
        ),
    ),
    "one variable, spread often": (
        50000,
        lambda n: Job("const a = { b: 1 };\n" + exported(each("  ...a, k{0}: 1,\n", n)), {"k1": -1}),
    ),
    "one variable, merged often": (
        40000,
        lambda n: Job(
            "const a = { b: 1 }, s = { k1: 1 };\n" + "Object.assign(s, a);\n" * n + "module.exports = s;\n", NEW
        ),
    ),
    "one variable, assigned often": (
        60000,
        lambda n: Job(
            "const a = { b: 1 };\nmodule.exports = Object.assign({}, " + "a, " * n + "{ k1: 1 });\n", {"k1": -1}
        ),
    ),
    "one variable in one long sequence": (
        100000,
        lambda n: Job(f"const a = {{ b: 1 }};\n({'a.b, ' * n}a.b);\n{exported(LINES.format(1))}", {"k1": -1}),
    ),
    "one variable as many values": (
        50000,
        lambda n: Job("const a = { b: 1 };\n" + exported(each("  k{0}: a,\n", n)), names("k{0}", n)),
    ),
    "unknown spreads and new settings": (
        20000,
        lambda n: Job(exported(each("    ...require('a{0}'),\n", n)), names("k{0}", 20)),
    ),
    "unknown spreads above every setting": (
        20000,
        lambda n: Job(exported(each("    ...require('a{0}'),\n", n) + each("    k{0}: 1,\n", n)), names("k{0}", n, 2)),
    ),
    "each variable spread into the next twice": (
        20000,
        lambda n: Job(
            "const a0 = { b: 1 };\n"
            + "".join(f"const a{number} = {{ ...a{number - 1}, ...a{number - 1} }};\n" for number in range(1, n))
            + exported(f"  ...a{n - 1},\n  k1: 1,\n"),
            NEW,
        ),
    ),
    "many aliases": (
        30000,
        lambda n: Job(
            "const s = { k1: {} };\n" + each("const a{0} = s.k{0};\n", n) + "module.exports = s;\n", {"u": 1}
        ),
    ),
    "aliases of the whole object": (
        20000,
        lambda n: Job(
            "const s = { k1: {} };\nconst a0 = s;\n"
            + "".join(f"const a{number} = a{number - 1};\n" for number in range(1, n))
            + "module.exports = s;\n",
            NEW,
        ),
    ),
    "many reads": (
        30000,
        lambda n: Job("const s = { a: 1 };\n" + each("console.log(s.b{0});\n", n) + "module.exports = s;\n", NEW),
    ),
    "many calls": (
        30000,
        lambda n: Job("const s = { a: 1 };\n" + each("s.b{0}.push({0});\n", n) + "module.exports = s;\n", {"a": 2}),
    ),
    "many deletions": (
        30000,
        lambda n: Job("const s = { a: 1 };\n" + each("delete s.b{0};\n", n) + "module.exports = s;\n", {"a": 2}),
    ),
    "many merges": (
        25000,
        lambda n: Job(
            "const s = { a: 1 };\n" + each("Object.assign(s, {{ b{0}: {0} }});\n", n) + "module.exports = s;\n",
            {"b1": -1, "a": 2},
        ),
    ),
    "many scopes": (
        15000,
        lambda n: Job(
            "const s = { a: 1 };\n"
            + each("function f{0}(s) {{ var t = s.a; if (t) {{ let s = 1; s.b = t; }} }}\n", n)
            + "module.exports = s;\n",
            NEW,
        ),
    ),
    "many functions that change it": (
        20000,
        lambda n: Job(
            "const s = { a: 1 };\n" + each("function f{0}() {{ s.b{0} = 1; }}\n", n) + "module.exports = s;\n", {"a": 2}
        ),
    ),
    "uses in one long function": (
        25000,
        lambda n: Job(
            "const s = { a: 1 };\nfunction f() {\n"
            + each("  var t{0} = s.b{0};\n  if (t{0}) s.c = 1;\n", n)
            + "}\nmodule.exports = s;\n",
            {"a": 2},
        ),
    ),
    "variables in one long block": (
        20000,
        lambda n: Job(
            "{\n" + each("  const a{0} = {{ b: 1 }};\n", n) + "}\n" + exported(each("  k{0}: a{0},\n", n)), {"u": 1}
        ),
    ),
    "many awaits": (
        25000,
        lambda n: Job("async function f() {\n" + each("  await g({0});\n", n) + "}\n" + exported(LINES.format(1)), NEW),
    ),
    "many prototypes": (40000, lambda n: Job(exported(each("    a: {{ __proto__: b{0} }},\n", n)), NEW)),
    "one key again and again": (60000, lambda n: Job(exported(each("    uiPort: {0},\n", n)), {"uiPort": -1})),
    "one key again and again, removed": (60000, lambda n: Job(exported(each("    a: {0},\n", n)), remove=["a"])),
    "a line of blanks": (1000000, lambda n: Job(exported(f"    k1: 1,{' ' * n} k2: 2,\n"), NEW)),
    "blanks between all": (20000, lambda n: Job(exported(each("k{0}:{0}" + " " * 40 + ",\t", n)), names("k{0}", n))),
    "a long comment": (1000000, lambda n: Job(exported(f"    /* {'k1: ' * (n // 4)} */ k1: 1,\n"), NEW)),
    "a long string": (1000000, lambda n: Job(exported(f"    k1: '{'a' * n}',\n"), NEW)),
    "a long number": (1000000, lambda n: Job(exported(f"    k1: {'9' * n},\n"), NEW)),
    "a long key": (1000000, lambda n: Job(exported(f"    {'k' * n}: 1,\n"), NEW)),
    "many strings in a sum": (130000, lambda n: Job(exported("    a: " + '"a" + ' * n + "'b',\n"), NEW)),
    "nested objects": (300, lambda n: Job(exported(f"    a: {'{ b: ' * n}1{' }' * n},\n"), NEW)),
    "nested objects, too deep": (9000, lambda n: Job(exported(f"    a: {'{ b: ' * n}1{' }' * n},\n"), NEW)),
    "nested arrays": (9000, lambda n: Job(exported(f"    a: {'[' * n}1{']' * n},\n"), NEW)),
    "nested parentheses": (9000, lambda n: Job(exported(f"    a: {'(' * n}1{')' * n},\n"), NEW)),
    "nested functions": (9000, lambda n: Job(exported(f"    a: {'x => (' * n}1{')' * n},\n"), NEW)),
    "many objects of some depth": (
        10000,
        lambda n: Job(exported(each(f"    k{{0}}: {'{{ b: ' * 15}1{' }}' * 15},\n", n)), names("k{0}" + ".b" * 15, n)),
    ),
    "a name of many steps": (1000, lambda n: Job(exported(LINES.format(1)), {".".join("a" * n): 1})),
    "a value of many levels": (400, lambda n: Job(exported(LINES.format(1)), {"a": nested(n)})),
    "broken: a bracket is never closed": (9000, lambda n: Job(exported(each("    k{0}: {{ a: 1,\n", n)), NEW)),
    "broken: a comma is missing": (50000, lambda n: Job(exported(each(LINES, n) + "  a: 1\n" + each(LINES, n)), NEW)),
}


def nested(levels: int) -> object:
    value: object = 1
    for _level in range(levels):
        value = [value]
    return value


# Measuring


def seconds(action: Callable[[], object]) -> float:
    """The computing time of an action."""
    gc.collect()
    start = time.process_time()
    action()
    return time.process_time() - start


@dataclass(frozen=True)
class Times:
    """What a shape costs: the seconds at one size and at twice the size, and the refusal."""

    single: float
    double: float
    problem: str

    @property
    def factor(self) -> float:
        # What is refused at once takes less than the clock can tell.
        return self.double / max(self.single, 1e-6)

    @property
    def too_much(self) -> bool:
        return self.double > SHORTEST and self.factor > MOST_FACTOR


def memory_now() -> float:
    """The memory of this process in MB; what peak() says counts from here."""
    gc.collect()
    pathlib.Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _status("VmRSS")


def peak() -> float:
    """The most memory that this process had, in MB. getrusage() would also count its parent's."""
    return _status("VmHWM")


def _status(name: str) -> float:
    status = pathlib.Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split(f"{name}:")[1].split()[0]) / 1000


def lift_limits() -> None:
    """Let the engine take any size and any time."""
    _tree.LARGEST = sys.maxsize
    _tree.MOST_BRACKETS = sys.maxsize
    _tree.MOST_NODES = sys.maxsize
    _tree.LONGEST = float(LONGEST)
    # Each round reads its file anew.
    engine._LARGEST_KEPT = 0


def times_of(name: str, count: int) -> Times:
    """Measure how long a shape takes at one size and at twice the size."""
    lift_limits()
    single, double = SHAPES[name][1](count), SHAPES[name][1](2 * count)
    problem = double.run()
    times = [(seconds(single.run), seconds(double.run)) for _round in range(ROUNDS)]
    return Times(min(one[0] for one in times), min(one[1] for one in times), problem)


def memory_of(action: str, name: str, count: int) -> float:
    """The memory in MB for "parse" (bare tree-sitter), "edit" (without the engine's limits) or "within" (with them)."""
    if action != "within":
        lift_limits()
    job = SHAPES[name][1](count)
    data = job.text.encode()
    Job(exported(LINES.format(1)), NEW).run()
    before = memory_now()
    if action == "parse":
        tree = _tree._parser().parse(data)
        assert tree.root_node.end_byte
    else:
        job.run()
    return peak() - before


def count_at_limit(name: str) -> int:
    """How many entries of a shape make about the largest file that the engine takes."""
    per_megabyte, make = SHAPES[name]
    count = per_megabyte // 3
    while count > 1:
        text = make(count).text
        nodes = _tree._parser().parse(text.encode()).root_node.descendant_count
        share = max(len(text) / _tree.LARGEST, nodes / _tree.MOST_NODES)
        if share <= 1:
            break
        count = min(count - 1, int(count / share))
    return max(1, count)


def in_child(answer: multiprocessing.queues.Queue[object], function: Callable[..., object], *given: object) -> None:
    # The kernel ends what takes more computing time than that.
    resource.setrlimit(resource.RLIMIT_CPU, (LONGEST, LONGEST))
    answer.put(function(*given))


def measured(function: Callable[..., Answer], *given: object) -> Answer | None:
    """What a function measures in a process of its own, for the sake of the memory; None where it takes too long."""
    context = multiprocessing.get_context("spawn")
    answer: multiprocessing.queues.Queue[Answer] = context.Queue()
    child = context.Process(target=in_child, args=(answer, function, *given))
    child.start()
    child.join()
    with contextlib.suppress(Exception):
        return answer.get(timeout=1)
    return None


def report_small(name: str, text: str) -> bool:
    """Print the cost of four settings in a file, in bare parses; whether that is little enough."""
    edited = engine.edit(text, set=WANTED).text
    data, edited_data = text.encode(), edited.encode()
    parser = _tree._parser()
    actions: dict[str, Callable[[], object]] = {
        "parse": lambda: parser.parse(data),
        "change": lambda: engine.edit(text, set=WANTED),
        "parse edited": lambda: parser.parse(edited_data),
        "keep": lambda: engine.edit(edited, set=WANTED),
    }
    new: dict[str, Callable[[], object]] = {
        "change, new": lambda: (engine._last_read.clear(), engine.edit(text, set=WANTED)),
        "keep, new": lambda: (engine._last_read.clear(), engine.edit(edited, set=WANTED)),
    }
    # Turn by turn, so that what slows the machine down for a while slows all of them.
    best = dict.fromkeys([*actions, *new], float("inf"))
    for group in (actions, new):
        for _round in range(300):
            for action, run in group.items():
                start = time.process_time()
                run()
                best[action] = min(best[action], time.process_time() - start)
    changing, unchanged = best["change"] / best["parse"], best["keep"] / best["parse edited"]
    print(f"{name}, {len(data)} bytes: parse {best['parse'] * 1000:.2f} ms")
    first = ", ".join(f"{best[f'{each}, new'] / best['parse']:.2f}" for each in ("change", "keep"))
    print(f"  4 settings {best['change'] * 1000:.2f} ms = {changing:.2f} parses (at most {MOST_CHANGING})")
    print(f"  unchanged  {best['keep'] * 1000:.2f} ms = {unchanged:.2f} parses (at most {MOST_UNCHANGED})")
    print(f"  with a file that the engine has not read just before: {first} parses")
    return changing <= MOST_CHANGING and unchanged <= MOST_UNCHANGED


def report_shape(name: str, megabytes: float) -> bool:
    """Print a line of the table; whether the shape costs little enough."""
    per_megabyte, make = SHAPES[name]
    count = max(1, int(per_megabyte * megabytes / 2))
    size = len(make(2 * count).text.encode()) / 1e6
    times = measured(times_of, name, count)
    parse, edit = measured(memory_of, "parse", name, 2 * count), measured(memory_of, "edit", name, 2 * count)
    limit = measured(memory_of, "within", name, count_at_limit(name))
    if times is None or parse is None or edit is None or limit is None:
        print(f"{name:42} took longer than {LONGEST} s, or ended the process  TOO MUCH", flush=True)
        return False
    # What a file takes that is much smaller says nothing about a MB.
    for_each = max(size, 0.1)
    too_much = times.too_much or limit > MOST_AT_LIMIT
    marks = ["TOO MUCH"] if too_much else []
    marks += [f"over {MOST_MEMORY:.0f}"] if edit / for_each > MOST_MEMORY else []
    marks += [f"refused: {times.problem[:70]}"] if times.problem else []
    numbers = f"{times.single * 1000:9.1f} {times.double * 1000:9.1f} {times.factor:7.2f}"
    memory = f"{edit / for_each:7.1f} {parse / for_each:7.1f} {limit:9.1f}"
    print(f"{name:42} {size:6.2f} {numbers} {memory}  {'  '.join(marks)}".rstrip(), flush=True)
    return not too_much


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what edits cost.")
    parser.add_argument("files", nargs="*", type=pathlib.Path, help="settings files to measure beside the made ones")
    parser.add_argument("--shape", action="append", choices=list(SHAPES), help="only this shape; can be repeated")
    parser.add_argument("--megabytes", type=float, default=1.0, help="the larger size of each shape (default: 1)")
    options = parser.parse_args()
    good = []
    if not options.shape:
        good.append(report_small("like the default file", HEAD + each(SECTION, 41) + "}\n"))
        good += [report_small(path.name, path.read_text(encoding="utf-8")) for path in options.files]
    print(f"\n{'shape':42} {'MB':>6} {'ms half':>9} {'ms':>9} {'factor':>7} {'MB/MB':>7} {'parse':>7} {'at limit':>9}")
    good += [report_shape(name, options.megabytes) for name in options.shape or SHAPES]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
