# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Invented settings programs with an edit for each: every way that people, and tools, write such a file, mixed.

`program(Choices(seed))` is a function of its choices. What is drawn first, and 0, is the simplest. Each shape that is
more than a plain literal is named in `Program.shapes`, so that faults and rejections can be counted by shape.
"""

from __future__ import annotations

import itertools
import json
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from .choices import Choices

Path = tuple[str, ...]

USERS = "users"
PASSWORD = "correct horse"
# The names of settings with some values that each may have; `USERS` stands for a list of users.
SCHEMA: dict[str, object] = {
    "uiPort": (1880, 1881, 3000),
    "httpAdminRoot": ("/", "/admin", "it's"),
    "disableEditor": (True, False),
    "logging": {
        "console": {"level": ("info", "warn", "off"), "metrics": (False, True), "audit": (False, True)},
        "file": {"level": ("info", "trace")},
    },
    "adminAuth": {
        "type": ("credentials",),
        "users": USERS,
        "sessionExpiryTime": (3600, 86400),
        "default": {"permissions": ("read", "*")},
    },
    "httpNodeAuth": {"user": ("nol", "eva"), "pass": ("secret", "other")},
    "httpStaticAuth": {"user": ("nol", "eva"), "pass": ("secret", "other")},
    "nodesDir": (["/srv/a"], ["/srv/a", "/srv/b"], []),
    "editorTheme": {
        "projects": {"enabled": (False, True), "workflow": {"mode": ("manual", "auto")}},
        "page": {"title": ("Pi", "Line 1")},
    },
    "my-key": (1, None, "x"),
    "externalModules": {"palette": {"allowInstall": (True, False), "allowList": (["*"], [])}},
}
ENVIRONMENT = {"LAB": "1", "PORT": "1999", "LEVEL": "debug", "SITE": "north"}
# Names that Node-RED does not know, and values that it does not expect.
OTHER_PATHS: tuple[Path, ...] = (("other",), ("new", "part"), ("constructor",), ("toString",), ("length",), ("1",))
STRANGE: tuple[object, ...] = (
    None,
    "new's \u2028 \u65e5",
    -1.5,
    "",
    [1, [None, {"a": []}]],
    {"a-b": {"c": "`${x}` // */"}},
    "long " * 40,
    [{"$js": "1 + 1"}],
    {},
)
# Of PASSWORD, and of another password; the cost is 4.
HASHES = (
    "$2b$04$mM8EnaUUcP6QLY/Zv1h2wekNQFeupPnoZZGZ584a8bAFtLaImKv1W",
    "$2b$04$jePIGq/aLsN4.GPEZrktxeDywSKTJBOydvk6m9hRzrfmYr8RLWd1u",
)


@dataclass
class Program:
    """A settings file with the files that it requires, and an edit of it."""

    text: str
    files: dict[str, str]
    wanted: dict[str, object]
    removed: list[str]
    shapes: set[str] = field(default_factory=set)


def program(draw: Choices) -> Program:
    """The program that the choices make."""
    return _Generator(draw).program()


class _Generator:
    """Writes one program. A text has no indentation of its own; whoever puts it into another one indents it."""

    def __init__(self, draw: Choices) -> None:
        self.draw = draw
        # How many of 100 places have an unusual shape, or a comment.
        self.odd = draw.one_of((0, 3, 8, 16))
        self.commented = draw.one_of((0, 0, 8, 40))
        self.quote = draw.one_of(("'", '"'))
        self.end = draw.one_of((";", ";", ""))
        self.shapes: set[str] = set()
        self.above: list[str] = []
        self.files: dict[str, str] = {}
        self.number = itertools.count(1)
        # What names the exported object below its export.
        self.target = "module.exports"
        # The paths that got a value somewhere, and the variables that hold the value of a path.
        self.present: list[Path] = []
        self.variables: list[tuple[Path, str]] = []
        self.shorthands: set[str] = set()
        # Whose user's entry is being written: its comments belong to it.
        self.user = ""

    def program(self) -> Program:
        draw = self.draw
        body = [self.one(EXPORTS)] if self.is_odd() else [self.plain_export()]
        for _number in range(draw.one_of((0, 0, 1, 2)) if self.odd else 0):
            paths = self.a_path(), self.a_path(shortest=2), self.a_path(dict)
            body.append(self.one(STATEMENTS, *paths))
        wanted, removed = self.edit()
        strict = [f"'use strict'{self.end}"] if draw.chance(15) else []
        text = "".join(self.statement(each) for each in [*strict, *self.above, *body]) + self.own_line()
        return Program(self.laid_out(text), self.files, wanted, removed, self.shapes)

    def is_odd(self) -> bool:
        """Whether to use an unusual shape here."""
        return self.draw.chance(self.odd)

    def one(self, shapes: dict[str, Callable[..., str]], *given: object) -> str:
        """One of the shapes, whose name is then counted."""
        name = self.draw.one_of(list(shapes))
        self.shapes.add(name)
        return shapes[name](self, *given)

    def unique(self) -> int:
        return next(self.number)

    # Layout and comments

    def statement(self, text: str) -> str:
        start = ";" if not self.end and text[0] in "([`" else ""
        return f"{self.own_line()}{start}{text}{self.line_comment()}\n"

    def laid_out(self, text: str) -> str:
        draw = self.draw
        unit = draw.one_of(("    ", "  ", "\t"))
        lines = []
        for line in text.split("\n"):
            bare = line.lstrip(" ")
            lines.append(unit * ((len(line) - len(bare)) // 4) + bare)
        text = "\n".join(lines)
        if draw.chance(15):
            text = text.rstrip("\n")
        if draw.chance(15):
            text = text.replace("\n", "\r\n")
        return "\ufeff" + text if draw.chance(8) else text

    def comment_text(self) -> str:
        return f"c{self.unique()}" + (f" of {self.user}" if self.user else "")

    def comment(self) -> str:
        """A comment between two tokens, or nothing."""
        if not self.draw.chance(self.commented):
            return ""
        text = self.comment_text()
        return self.draw.one_of((f"/* {text} */ ", f"/*{text}*/", f"// {text}\n"))

    def line_comment(self) -> str:
        """A comment behind the last token of a line, or nothing."""
        if not self.draw.chance(self.commented):
            return ""
        text = self.comment_text()
        return self.draw.one_of((f" // {text}", f" /* {text} */", f" /* {text}\n * more */"))

    def own_line(self) -> str:
        """A comment on lines of its own, or nothing; some hold a setting."""
        if not self.draw.chance(self.commented):
            return ""
        text = self.comment_text()
        example = f"{self.draw.one_of(list(SCHEMA))}: 1, // {text}"
        return self.draw.one_of((f"// {text}\n", f"/** {text}\n */\n", f"//{example}\n", f"\n/* {text} */\n"))

    def listing(self, start: str, items: list[str], end: str, owners: Sequence[str] = ()) -> str:
        """An object or a list with its members, on one line or on many; `owners` are the users of a list of users."""
        draw = self.draw
        if not items:
            return f"{start}{self.comment()}{end}"
        short = len(items) <= 3 and not any("\n" in item or "//" in item for item in items)
        if short and draw.chance(40):
            inner = ", ".join(f"{self.comment()}{item} {self.comment()}".rstrip() for item in items)
            return f"{start} {inner}{draw.one_of(('', ','))} {end}"
        style = draw.one_of(("comma", "trailing comma", "comma first"))
        lines = ""
        for index, item in enumerate(items):
            self.user = owners[index] if owners else self.user
            first = ", " if style == "comma first" and index else ""
            comma = "," if style == "trailing comma" or (style == "comma" and index < len(items) - 1) else ""
            lines += f"{self.own_line()}{first}{item} {self.comment()}".rstrip(" ") + f"{comma}{self.line_comment()}\n"
        self.user = "" if owners else self.user
        return f"{start}{self.line_comment()}\n{textwrap.indent(lines + self.own_line(), '    ')}{end}"

    # Values

    def value(self, path: Path) -> str:
        """A value for the setting, or part of one, at the path."""
        kind = _at(path)
        self.present.append(path)
        if isinstance(kind, dict):
            return self.one(OBJECTS, path) if self.is_odd() else self.an_object(path)
        return self.one(VALUES, path) if self.is_odd() else self.plain_value(path)

    def plain_value(self, path: Path) -> str:
        kind = _at(path)
        if isinstance(kind, dict):
            return self.an_object(path)
        if kind == USERS:
            names = list(self.draw.some(("nol", "eva", "tom")))
            return self.listing("[", [self.one_user(name) for name in names], "]", names)
        assert isinstance(kind, tuple)
        return self.literal(self.draw.one_of(kind))

    def literal(self, value: object) -> str:
        """A plain value in one of its notations."""
        draw = self.draw
        if isinstance(value, list):
            return self.listing("[", [self.literal(element) for element in value], "]")
        if isinstance(value, str):
            plain = f"'{value}'" if self.quote == "'" and "'" not in value else json.dumps(value)
            return draw.one_of((plain, plain, plain, f"`{value}`"))
        if isinstance(value, int) and not isinstance(value, bool):
            return draw.one_of((str(value), str(value), hex(value), f"({value})", f"{value}.0"))
        return json.dumps(value)

    def one_user(self, name: str) -> str:
        self.user = name
        given = {"username": name, "password": self.draw.one_of(HASHES), "permissions": self.draw.one_of(("*", "read"))}
        text = self.listing("{", [f"{key}: {self.comment()}{self.literal(given[key])}" for key in given], "}")
        self.user = ""
        return text

    def an_object(self, path: Path = ()) -> str:
        """An object literal with some of the members that there may be at the path."""
        members = []
        for key in self.draw.some(_at(path)):
            members.append(self.one(MEMBERS, (*path, key)) if self.is_odd() else self.member((*path, key)))
        if self.is_odd():
            members.insert(self.draw.below(len(members) + 1), self.one(SPREADS, path))
        return self.listing("{", members, "}")

    def key(self, path: Path) -> str:
        return self.draw.one_of((path[-1], path[-1], f"'{path[-1]}'")) if path[-1].isalpha() else f"'{path[-1]}'"

    def member(self, path: Path) -> str:
        return f"{self.key(path)}{self.comment()}: {self.comment()}{self.value(path)}"

    def variable(self, path: Path, text: str) -> str:
        """A new variable of the file that holds the value for a path."""
        name = f"{path[-1] if path and path[-1].isalpha() else 'base'}{self.unique()}"
        self.above.append(f"{self.draw.one_of(('const', 'let', 'var'))} {name} = {self.comment()}{text}{self.end}")
        self.variables.append((path, name))
        return name

    def shared(self, path: Path) -> str:
        """A variable that holds a value of such a kind for something else, too."""
        alike = [name for other, name in self.variables if type(_at(other)) is type(_at(path))]
        return self.draw.one_of(alike) if alike else self.variable(path, self.plain_value(path))

    def shorthand(self, path: Path) -> str:
        """A member that is only the name of a variable."""
        name = path[-1]
        if not name.isalpha() or name == "default" or name in self.shorthands:
            return self.member(path)
        self.shorthands.add(name)
        self.above.append(f"const {name} = {self.value(path)}{self.end}")
        self.variables.append((path, name))
        return name

    def function(self, text: str) -> str:
        """A new function of the file that returns the value."""
        name = f"make{self.unique()}"
        self.above.append(f"function {name}() {{ return {text}; }}")
        return name

    def required(self, path: Path, before: str = "", behind: str = "") -> str:
        """A `require` of a new file that exports the value for a path, and nothing unusual."""
        odd, self.odd = self.odd, 0
        name = f"./part{self.unique()}"
        self.files[name] = f"module.exports = {before}{self.plain_value(path)}{behind};\n"
        self.odd = odd
        return f"require('{name}')"

    def patching_file(self, path: Path) -> str:
        """A `require` of a new file that exports a function, which writes into the object that it gets."""
        name = f"./patch{self.unique()}"
        self.files[name] = f"module.exports = function (settings) {{ settings['{path[-1]}'] = 7; }};\n"
        return f"require('{name}')"

    def destructured(self, text: str) -> str:
        """A choice by a variable that has its value from the environment."""
        name = self.environment()
        declaration = f"const {{ {name} }} = process.env{self.end}"
        if declaration not in self.above:
            self.above.append(declaration)
        return f"{name} || {text}"

    def environment(self) -> str:
        return self.draw.one_of(list(ENVIRONMENT))

    # Statements

    def plain_export(self) -> str:
        return f"module.exports = {self.comment()}{self.an_object()}{self.end}"

    def export_as(self, target: str, text: str) -> str:
        self.target = target
        return text + self.end

    def write_through(self, alias: str, path: Path) -> str:
        """A write through another variable, which `alias` declares, into the parent of the path."""
        name = f"alias{self.unique()}"
        return f"{alias % name}{self.end}\n{name}.{path[-1]} = {self.value(path)}{self.end}"

    def a_path(self, kind: type = object, shortest: int = 1) -> Path:
        """The path of something that the program has, if it has anything of the kind."""
        found = [path for path in self.present if len(path) >= shortest and isinstance(_at(path), kind)]
        other = [path for path in PATHS if len(path) >= shortest and isinstance(_at(path), kind)]
        return self.draw.one_of(found if found and not self.draw.chance(10) else other)

    def place(self, path: Path) -> str:
        steps = [f".{key}" if key.isalpha() else f"['{key}']" for key in path]
        return self.target + "".join(steps)

    # The edit

    def edit(self) -> tuple[dict[str, object], list[str]]:
        """What to set and what to remove: one to three names."""
        wanted: dict[str, object] = {}
        removed: list[str] = []
        taken: list[Path] = []
        for _number in range(self.draw.one_of((1, 1, 2, 3))):
            known = self.present if self.present and self.draw.chance(60) else [*PATHS, *OTHER_PATHS]
            path = self.draw.one_of(known)
            if any(path[: len(other)] == other[: len(path)] for other in taken):
                continue
            taken.append(path)
            if self.draw.chance(25):
                removed.append(".".join(path))
            else:
                wanted[".".join(path)] = self.wish(path)
        return wanted, removed

    def wish(self, path: Path) -> object:
        """A value to set."""
        draw, kind = self.draw, _at(path) if path in PATHS else STRANGE
        if path == ("uiPort",) and draw.chance(30):
            return {"$fallback": 1885}
        if draw.chance(10):
            return {"$js": draw.one_of(("1 + 1", "process.env.SITE || 'x'", "{ a: [1] }", "require('path').sep"))}
        if path[-1] == "pass" and draw.chance(60):
            return {"$password": PASSWORD, "$rounds": 4}
        return self.wanted(kind)

    def wanted(self, kind: object) -> object:
        """A plain value as YAML would give it; a list of users has passwords."""
        draw = self.draw
        if isinstance(kind, dict):
            return {key: self.wanted(kind[key]) for key in self.draw.some(kind)}
        if kind == USERS:
            password = {"$password": PASSWORD, "$rounds": 4}
            return [
                {"username": name, "password": password, "permissions": "*"} for name in self.draw.some(("nol", "ada"))
            ]
        assert isinstance(kind, tuple)
        return draw.one_of(STRANGE) if draw.chance(20) else draw.one_of((*kind, 1885))


# The shapes: what each adds to a plain program, as a function of the generator and, below an object, the path.

VALUES: dict[str, Callable[[_Generator, Path], str]] = {
    "environment with a fallback": lambda g, path: f"process.env.{g.environment()} || {g.plain_value(path)}",
    "choice by the environment": lambda g, path: f"process.env.{g.environment()} ? 1 : {g.plain_value(path)}",
    "variable": lambda g, path: g.variable(path, g.plain_value(path)),
    "variable with a fallback": lambda g, path: f"process.env.PORT || {g.variable(path, g.plain_value(path))}",
    "variable of the environment": lambda g, path: f"{g.variable(path, 'process.env.PORT')} || {g.plain_value(path)}",
    "element": lambda g, path: f"[{g.plain_value(path)}][0]",
    "function": lambda g, path: f"function () {{ return {g.plain_value(path)}; }}",
    "arrow function": lambda g, path: f"async () => ({g.plain_value(path)})",
    "call": lambda g, path: f"String({g.plain_value(path)})",
    "required value": lambda g, path: g.required(path),
    "shared value": lambda g, path: g.shared(path),
    "sum": lambda g, path: f"{g.plain_value(path)} + 1",
    "undefined": lambda g, path: "undefined",
    "null": lambda g, path: "null",
    "regular expression": lambda g, path: "/[/]'/g",
    "template": lambda g, path: "`${1}'`",
    "destructured environment": lambda g, path: g.destructured(g.plain_value(path)),
    "text like code": lambda g, path: "'/* module.exports = { // '",
    "text over two lines": lambda g, path: "`// no comment\nuiPort: 1,`",
    "division": lambda g, path: "8 / 2 / 1",
    "escaped text": lambda g, path: "'\\u0078\\x41\\\n'",
    "list put together": lambda g, path: f"[].concat({g.variable(path, g.plain_value(path))})",
    "list spread": lambda g, path: f"[...[{g.plain_value(path)}]]",
    "function that reads a setting": lambda g, path: f"() => {g.target}.uiPort",
}

OBJECTS: dict[str, Callable[[_Generator, Path], str]] = {
    "object in a variable": lambda g, path: g.variable(path, g.an_object(path)),
    "frozen object": lambda g, path: f"Object.freeze({g.an_object(path)})",
    "frozen variable": lambda g, path: g.variable(path, f"Object.freeze({g.an_object(path)})"),
    "immediate function": lambda g, path: f"(function () {{ return {g.an_object(path)}; }})()",
    "immediate arrow function": lambda g, path: f"(() => ({g.an_object(path)}))()",
    "object of a function": lambda g, path: f"{g.function(g.an_object(path))}()",
    "required object": lambda g, path: g.required(path),
    "frozen required object": lambda g, path: g.required(path, "Object.freeze(", ")"),
    "part of a required object": lambda g, path: g.required(path, "{ part: ", " }") + ".part",
    "part of a variable": lambda g, path: (
        g.variable(path[:-1], f"{{ {g.key(path)}: {g.an_object(path)} }}") + (f".{path[-1]}")
    ),
    "object assigned from a variable": lambda g, path: (
        f"Object.assign({{}}, {g.variable(path, g.an_object(path))}, {g.an_object(path)})"
    ),
    "object assigned into a literal": lambda g, path: f"Object.assign({g.an_object(path)}, {g.an_object(path)})",
    "object by the environment": lambda g, path: f"process.env.LAB ? {g.an_object(path)} : {g.an_object(path)}",
    "object or the environment's": lambda g, path: f"process.env.LAB && {g.an_object(path)}",
    "shared object": lambda g, path: g.shared(path),
    "parsed object": lambda g, path: f"JSON.parse('{{}}', {g.an_object(path)})",
    "inheriting object": lambda g, path: f"Object.create({g.an_object(path)})",
    "no object": lambda g, path: g.draw.one_of(("null", "undefined", "false", "'text'", "[]")),
    "cloned object": lambda g, path: f"JSON.parse(JSON.stringify({g.variable(path, g.an_object(path))}))",
    "object of entries": lambda g, path: f"Object.fromEntries(Object.entries({g.an_object(path)}))",
    "object of a class": lambda g, path: (
        f"new (class {{ constructor() {{ Object.assign(this, {g.an_object(path)}); }} }})()"
    ),
    "object without a prototype": lambda g, path: f"Object.assign(Object.create(null), {g.an_object(path)})",
    "object in two variables": lambda g, path: g.variable(path, g.variable(path, g.an_object(path))),
    "object or another one": lambda g, path: f"{g.an_object(path)} || {g.an_object(path)}",
    "object of a function with its defaults": lambda g, path: (
        f"((given) => ({{ ...{g.an_object(path)}, ...given }}))({g.an_object(path)})"
    ),
}

MEMBERS: dict[str, Callable[[_Generator, Path], str]] = {
    "duplicate key": lambda g, path: f"{g.member(path)}, {g.line_comment()}\n{g.member(path)}",
    "shorthand": lambda g, path: g.shorthand(path),
    "method": lambda g, path: f"{g.key(path)}() {{ return 1; }}",
    "getter": lambda g, path: f"get {g.key(path)}() {{ return {g.value(path)}; }}",
    "computed key": lambda g, path: f"[{g.variable(path, repr(path[-1]))}]: {g.value(path)}",
    "plain computed key": lambda g, path: f"['{path[-1]}']: {g.value(path)}",
    "prototype": lambda g, path: f"__proto__: {{ {g.member(path)} }}",
    "sequence": lambda g, path: f"{g.key(path)}: (0, {g.value(path)})",
    "escaped key": lambda g, path: f"'\\x{ord(path[-1][0]):x}{path[-1][1:]}': {g.value(path)}",
    "getter and setter": lambda g, path: f"get {g.key(path)}() {{ return 1; }}, set {g.key(path)}(value) {{ }}",
    "key that is a number": lambda g, path: f"1: 2, {g.member(path)}",
    "key that objects have": lambda g, path: f"constructor: 2, toString: null, {g.member(path)}",
    "async method": lambda g, path: f"async {g.key(path)}() {{ return {g.plain_value(path)}; }}",
}

SPREADS: dict[str, Callable[[_Generator, Path], str]] = {
    "spread variable": lambda g, path: f"...{g.variable(path, g.an_object(path))}",
    "spread literal": lambda g, path: f"...{g.an_object(path)}",
    "spread frozen": lambda g, path: f"...Object.freeze({g.an_object(path)})",
    "spread required": lambda g, path: f"...{g.required(path)}",
    "spread call": lambda g, path: f"...{g.function(g.an_object(path))}()",
    "spread condition": lambda g, path: f"...(process.env.{g.environment()} && {g.an_object(path)})",
    "spread choice": lambda g, path: f"...(process.env.{g.environment()} ? {g.an_object(path)} : {{}})",
    "spread shared": lambda g, path: f"...{g.shared(path)}",
    "spread parsed": lambda g, path: "...JSON.parse('{\"uiPort\": 7}')",
    "spread part of a variable": lambda g, path: f"...{g.variable(path, f'{{ inner: {g.an_object(path)} }}')}.inner",
    "spread part of a required object": lambda g, path: f"...{g.required(path, '{ part: ', ' }')}.part",
    "spread of a missing variable": lambda g, path: f"...{g.variable(path, 'process.env.LAB')}",
}

EXPORTS: dict[str, Callable[[_Generator], str]] = {
    "export of a variable": lambda g: g.export_as(
        "settings", f"const settings = {g.an_object()}{g.end}\nmodule.exports = settings"
    ),
    "export into a variable": lambda g: g.export_as("settings", f"var settings = module.exports = {g.an_object()}"),
    "export by names": lambda g: g.export_as(
        "exports",
        "".join(f"exports.{key} = {g.value((key,))}{g.end}\n" for key in g.draw.some(NAMES[:5]))
        + "exports.flowFile = 'f'",
    ),
    "export by assignment": lambda g: f"Object.assign(module.exports, {g.an_object()}){g.end}",
    "export of a merge": lambda g: (
        f"module.exports = Object.assign({{}}, {g.variable((), g.an_object())}, {g.an_object()}){g.end}"
    ),
    "export of a merge with a file": lambda g: (
        f"module.exports = Object.assign({g.required(())}, {g.an_object()}){g.end}"
    ),
    "export frozen": lambda g: f"module.exports = Object.freeze({g.an_object()}){g.end}",
    "export of an immediate function": lambda g: (
        f"module.exports = (function () {{\n    return {textwrap.indent(g.an_object(), '    ').lstrip()};\n}})(){g.end}"
    ),
    "export again": lambda g: (
        f"{g.plain_export()}\nmodule.exports = {{ ...module.exports, {g.member(('uiPort',))} }}{g.end}"
    ),
    "export as TypeScript": lambda g: (
        f"Object.defineProperty(exports, '__esModule', {{ value: true }}){g.end}\n{g.plain_export()}"
    ),
    "export of a call": lambda g: f"module.exports = {g.function(g.an_object())}(){g.end}",
    "export of a file": lambda g: f"module.exports = {g.required(())}{g.end}",
    "export by the environment": lambda g: (
        f"module.exports = process.env.LAB ? {g.an_object()} : {g.an_object()}{g.end}"
    ),
    "export through exports": lambda g: g.export_as("exports", f"exports = module.exports = {g.an_object()}"),
    "export in quotes": lambda g: f"module['exports'] = {g.an_object()}{g.end}",
    "export assigned later": lambda g: g.export_as(
        "settings", f"let settings{g.end}\nsettings = {g.an_object()}{g.end}\nmodule.exports = settings"
    ),
    "export filled before": lambda g: g.export_as(
        "settings",
        f"const settings = {g.an_object()}{g.end}\nsettings.uiPort = {g.value(('uiPort',))}{g.end}\n"
        "module.exports = settings",
    ),
    "export in branches": lambda g: (
        f"if (process.env.LAB) {{ module.exports = {g.an_object()}; }} else {{ module.exports = {g.an_object()}; }}"
    ),
    "export in a block": lambda g: f"{{ module.exports = {g.an_object()}; }}",
    "export of the rest": lambda g: (
        f"const {{ uiPort, ...rest }} = {g.an_object()}{g.end}\n"
        f"module.exports = {{ ...rest, httpAdminRoot: '/a' }}{g.end}"
    ),
    "export with a default": lambda g: f"{g.plain_export()}\nmodule.exports.default = module.exports{g.end}",
    "export twice": lambda g: f"{g.plain_export()}\n{g.plain_export()}",
    "export in a function": lambda g: f"(function () {{\n    module.exports = {g.an_object()};\n}})(){g.end}",
    "export merged again": lambda g: (
        f"{g.plain_export()}\nmodule.exports = Object.assign(module.exports, {g.required(())}){g.end}"
    ),
    "export of a changed file": lambda g: g.export_as(
        "settings", f"const settings = {g.required(())}{g.end}\nsettings.uiPort = 7{g.end}\nmodule.exports = settings"
    ),
    "export of a merge over a file": lambda g: (
        f"module.exports = Object.assign({{}}, {g.required(())}, {g.an_object()}){g.end}"
    ),
}

# Below the export; they get the path of anything, of a part of a setting, and of an object.
STATEMENTS: dict[str, Callable[[_Generator, Path, Path, Path], str]] = {
    "write": lambda g, any, part, whole: f"{g.place(any)} = {g.comment()}{g.value(any)}{g.end}",
    "write of a part": lambda g, any, part, whole: f"{g.place(part)} = {g.value(part)}{g.end}",
    "write of an object": lambda g, any, part, whole: f"{g.place(whole)} = {g.value(whole)}{g.end}",
    "deletion": lambda g, any, part, whole: f"delete {g.place(any)}{g.end}",
    "write by the environment": lambda g, any, part, whole: (
        f"if (process.env.LAB) {{ {g.place(any)} = {g.value(any)}; }}"
    ),
    "short write by the environment": lambda g, any, part, whole: (
        f"process.env.LAB && ({g.place(any)} = {g.value(any)}){g.end}"
    ),
    "deletion by the environment": lambda g, any, part, whole: f"if (process.env.LAB) delete {g.place(any)}{g.end}",
    "merge": lambda g, any, part, whole: f"Object.assign({g.target}, {g.an_object()}){g.end}",
    "merge of a part": lambda g, any, part, whole: f"Object.assign({g.place(whole)}, {g.an_object(whole)}){g.end}",
    "alias": lambda g, any, part, whole: g.write_through(f"const %s = {g.place(part[:-1])}", part),
    "destructured alias": lambda g, any, part, whole: g.write_through(
        f"const {{ {whole[-1]}: %s }} = {g.place(whole[:-1])}", (*whole, next(iter(_at(whole))))
    ),
    "read": lambda g, any, part, whole: f"console.log({g.place(part)}){g.end}",
    "read of a list": lambda g, any, part, whole: f"console.log({g.place(('adminAuth', 'users'))}.length){g.end}",
    "read into a variable": lambda g, any, part, whole: f"const read{g.unique()} = {g.place(any)}{g.end}",
    "copied setting": lambda g, any, part, whole: f"{g.target}.copy = {g.place(any)}{g.end}",
    "copied members": lambda g, any, part, whole: f"{g.target}.copy = {{ ...{g.place(whole)} }}{g.end}",
    "condition on a setting": lambda g, any, part, whole: f"if ({g.place(any)}) {g.target}.derived = 1{g.end}",
    "push": lambda g, any, part, whole: f"{g.place(('nodesDir',))}.push('/srv/x'){g.end}",
    "push by the environment": lambda g, any, part, whole: (
        f"if (process.env.LAB) {g.place(('nodesDir',))}.push('/srv/x'){g.end}"
    ),
    "loop over names": lambda g, any, part, whole: (
        f"for (const key of ['uiPort', 'my-key']) {g.target}[key] = 9{g.end}"
    ),
    "loop over the settings": lambda g, any, part, whole: (
        f"Object.keys({g.target}).forEach((key) => console.log(key)){g.end}"
    ),
    "frozen afterwards": lambda g, any, part, whole: f"Object.freeze({g.target}){g.end}\n{g.target}.uiPort = 3{g.end}",
    "frozen part": lambda g, any, part, whole: f"Object.freeze({g.place(whole)}){g.end}",
    "function that writes": lambda g, any, part, whole: (
        f"function change{g.unique()}() {{ {g.place(any)} = {g.value(any)}; }}"
    ),
    "called function that writes": lambda g, any, part, whole: (
        f"(function () {{ {g.place(any)} = {g.value(any)}; }})(){g.end}"
    ),
    "timer that writes": lambda g, any, part, whole: (
        f"setTimeout(() => {{ {g.place(any)} = {g.value(any)}; }}, 5){g.end}"
    ),
    "file merged if it is there": lambda g, any, part, whole: (
        f"try {{ Object.assign({g.target}, {g.draw.one_of((g.required(()), 'require(`./none`)'))}); }} catch {{ }}"
    ),
    "defined property": lambda g, any, part, whole: (
        f"Object.defineProperty({g.place(any[:-1])}, '{any[-1]}', {{ value: {g.value(any)} }}){g.end}"
    ),
    "assigned if missing": lambda g, any, part, whole: f"{g.place(any)} ??= {g.value(any)}{g.end}",
    "counted up": lambda g, any, part, whole: f"{g.target}.uiPort += 1{g.end}",
    "written variable": lambda g, any, part, whole: f"{g.shared(whole)}.{next(iter(_at(whole)))} = 'error'{g.end}",
    "loop that copies": lambda g, any, part, whole: (
        f"for (const [key, value] of Object.entries({g.an_object()})) {g.target}[key] = value{g.end}"
    ),
    "patch by a function": lambda g, any, part, whole: (
        f"(function (settings) {{ settings.{part[0]} = {g.value(part[:1])}; }})({g.target}){g.end}"
    ),
    "patch by a file": lambda g, any, part, whole: f"{g.patching_file(part[:1])}({g.target}){g.end}",
    "patch of a part by a file": lambda g, any, part, whole: f"{g.patching_file(part[-1:])}({g.place(whole)}){g.end}",
    "reflected write": lambda g, any, part, whole: f"Reflect.set({g.target}, '{any[0]}', {g.value(any[:1])}){g.end}",
    "switch": lambda g, any, part, whole: (
        f"switch (process.env.SITE) {{ case 'north': {g.place(any)} = {g.value(any)}; break; default: }}"
    ),
    "write in a block": lambda g, any, part, whole: f"{{ {g.place(any)} = {g.value(any)}; }}",
    "write by destructuring": lambda g, any, part, whole: f"[{g.place(any)}] = [{g.value(any)}]{g.end}",
    "increment": lambda g, any, part, whole: f"{g.target}.uiPort++{g.end}",
    "conditional read": lambda g, any, part, whole: f"if (!{g.place(whole)}) {{ throw new Error('{whole[-1]}'); }}",
    "loop that clears": lambda g, any, part, whole: (
        f"for (const key of Object.keys({g.place(whole)})) delete {g.place(whole)}[key]{g.end}"
    ),
    "length of a list": lambda g, any, part, whole: f"{g.place(('nodesDir',))}.length = 1{g.end}",
    "sorted list": lambda g, any, part, whole: f"{g.place(('nodesDir',))}.sort(){g.end}",
    "first user": lambda g, any, part, whole: f"{g.place(('adminAuth', 'users'))}[0].permissions = 'read'{g.end}",
    "each user": lambda g, any, part, whole: (
        f"{g.place(('adminAuth', 'users'))}.forEach((user) => {{ user.permissions = 'read'; }}){g.end}"
    ),
    "variable frozen later": lambda g, any, part, whole: f"Object.freeze({g.shared(whole)}){g.end}",
    "variable merged into": lambda g, any, part, whole: (
        f"Object.assign({g.shared(whole)}, {g.an_object(whole)}){g.end}"
    ),
    "settings from the environment": lambda g, any, part, whole: (
        f"for (const key of Object.keys(process.env)) {g.target}[key.toLowerCase()] = process.env[key]{g.end}"
    ),
    "merge onto itself": lambda g, any, part, whole: (
        f"{g.place(whole)} = Object.assign({{}}, {g.place(whole)}, {g.an_object(whole)}){g.end}"
    ),
    "spread onto itself": lambda g, any, part, whole: (
        f"{g.place(whole)} = {{ ...{g.place(whole)}, {g.member((*whole, next(iter(_at(whole)))))} }}{g.end}"
    ),
    "default afterwards": lambda g, any, part, whole: f"{g.place(any)} = {g.place(any)} || {g.value(any)}{g.end}",
    "pushed variable": lambda g, any, part, whole: f"{g.shared(('nodesDir',))}.push('/srv/y'){g.end}",
    "patch by a file in the lab": lambda g, any, part, whole: (
        f"if (process.env.LAB) {g.patching_file(any)}({g.target}){g.end}"
    ),
}


def _at(path: Path) -> Any:
    """What there may be at a path: an object's members, the values of something else, or USERS."""
    found: Any = SCHEMA
    for key in path:
        found = found[key]
    return found


def _paths(kind: object, path: Path = ()) -> Iterator[Path]:
    for key, member in kind.items() if isinstance(kind, dict) else ():
        yield (*path, key)
        yield from _paths(member, (*path, key))


PATHS = list(_paths(SCHEMA))
NAMES = tuple(SCHEMA)
