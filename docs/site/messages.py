# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the tables of docs/troubleshooting.md: every error message of the plugins, with its remedy, from the source.

`make messages` calls it. A group of the page names the files or folders whose messages it has, as in
`<!-- messages: action, modules/settings.py -->`. What a message takes from the host or the inventory is shown as `…`.
"""

from __future__ import annotations

import ast
import functools
import pathlib
import re
import types
import typing
from collections.abc import Iterator

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
PLUGINS = CHECKOUT / "plugins"
PAGE = CHECKOUT / "docs" / "troubleshooting.md"
GROUP = re.compile(
    r"^<!-- messages: (?P<files>[^>]+) -->\n(?P<table>.*?)^<!-- end of messages -->$", re.MULTILINE | re.DOTALL
)
TABLE = "| message | what to do |\n|---|---|\n"
UNKNOWN = "…"
IN_MESSAGE = "The message has the remedy."

# An audit judges in its report, which has a text and a remedy for each check.
WITHOUT_ERRORS = "plugin_utils/_audit"
ANSIBLE_ERRORS = {"AnsibleActionFail", "AnsibleConnectionFailure", "AnsibleFilterError", "AnsibleLookupError"}
OUR_OTHER_CALLS = {"error", "fail_json", "Trouble", "__init__"}
# What holds messages, and what returns them.
HOLDER = re.compile(r"(?:errors|problems?|refusals?|mistakes)$")
MAKER = re.compile(r"error|problem|refus|mistake|failure|message|without_effect|in_the_way|no_response|rolled_back")
_FIELD = re.compile(r"%(?:\(\w+\))?[-+ #0]*\d*(?:\.\d+)?[sdrifxX]")
_LETTER = re.compile("[A-Za-z]")
_ONLY_REMEDY = re.compile("(?:… )?(?:Then run again|Change it|Correct what is named above)")
_REMEDY = re.compile(r"(?<=[^.]\.|[^.…]:)\s+(?=[A-Z])")


Names: typing.TypeAlias = "dict[str, list[ast.expr]]"
Remedy: typing.TypeAlias = "ast.expr | ast.FunctionDef | None"


class Message(typing.NamedTuple):
    file: str
    problem: str
    remedy: str


@functools.cache
def messages() -> list[Message]:
    """Every message of the plugins, once for each file."""
    found: dict[Message, None] = {}
    for name, tree in _trees().items():
        if not name.startswith(WITHOUT_ERRORS):
            found.update(dict.fromkeys(messages_of(name, tree)))
    return [*found, *_of_failed_checks()]


def _of_failed_checks() -> Iterator[Message]:
    """What the verification reports of each check that fails."""
    name = "plugin_utils/_plan/_verification_remedies.py"
    file = _File(name, _trees()[name])
    remedies = file.constants["REMEDIES"]
    assert isinstance(remedies, ast.Dict)
    of_check = {template(key): value for key, value in zip(remedies.keys, remedies.values, strict=True) if key}
    for node in ast.walk(_trees()["module_utils/_probe/_probe.py"]):
        if isinstance(node, ast.Call) and _last_name(node.func) == "Check":
            check, title = map(template, node.args[:2])
            yield Message(name, f"{title}: not so at ….", _part(of_check[check], file.known))


def messages_of(name: str, tree: ast.Module) -> Iterator[Message]:
    return _File(name, tree).messages()


@functools.cache
def _trees() -> dict[str, ast.Module]:
    return {
        str(path.relative_to(PLUGINS)): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(PLUGINS.rglob("*.py"))
    }


@functools.cache
def _exceptions() -> set[str]:
    """The names of our own exceptions. Those of Python are caught, and become the cause in another message."""
    classes = [node for tree in _trees().values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    named = {"Failure", "Exception", "ValueError"}
    ours: set[str] = set()
    for _generation in range(3):
        ours |= {one.name for one in classes if any(_last_name(base) in named | ours for base in one.bases)}
    return ours


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def template(node: ast.expr, known: typing.Mapping[str, str] = types.MappingProxyType({})) -> str:
    """The text of an expression, with … for what is known only in a run; empty if it has none of its own.

    `known` has the texts of names.
    """
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else _part(part, known) for part in node.values
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return _FIELD.sub(UNKNOWN, template(node.left, known)).replace("%%", "%")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _part(node.left, known), _part(node.right, known)
        return left + right if {left, right} != {UNKNOWN} else ""
    return ""


def _part(node: ast.expr, known: typing.Mapping[str, str]) -> str:
    value = node.value if isinstance(node, ast.FormattedValue) else node
    of_object = isinstance(value, ast.Attribute) and _last_name(value.value) in ("self", "cls")
    return ("" if of_object else known.get(_last_name(value))) or template(value, known) or UNKNOWN


@functools.cache
def _known_constants() -> dict[str, str]:
    """The texts of the constants of all files, without names that several files use."""
    found: dict[str, set[str]] = {}
    for tree in _trees().values():
        for name, text in _constant_texts(_constants(tree)).items():
            found.setdefault(name, set()).add(text)
    return {name: texts.pop() for name, texts in found.items() if len(texts) == 1}


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    return {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _constant_texts(constants: dict[str, ast.expr]) -> dict[str, str]:
    return {name: template(value) for name, value in constants.items() if template(value)}


class _File:
    """One file, with the constants and functions that its messages come from."""

    def __init__(self, name: str, tree: ast.Module) -> None:
        self.name = name
        self.tree = tree
        self.functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        self.constants = _constants(tree)
        self.known = {**_known_constants(), **_constant_texts(self.constants)}

    def messages(self) -> Iterator[Message]:
        for function in [node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef)]:
            local = _assigned(function)
            for node in _own_nodes(function):
                for problem, remedy in self._said(node, function.name):
                    yield from self._pairs(problem, remedy, local)

    def _said(self, node: ast.AST, function: str) -> Iterator[tuple[ast.expr, Remedy]]:
        """Message and remedy where this node makes an error, or hands one on. A function can make the remedy."""
        if isinstance(node, ast.Call):
            yield from _of_call(node)
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            name = _last_name(node.exc.func)
            if name.islower() and name not in OUR_OTHER_CALLS:
                # A function that makes the error, from a reason.
                yield from ((argument, self.functions.get(name)) for argument in node.exc.args)
        elif isinstance(node, (ast.AugAssign, ast.Assign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(HOLDER.search(_last_name(target)) for target in targets):
                yield node.value, None
        elif _gives(node) and MAKER.search(function) and node.value:
            yield node.value, None

    def _pairs(self, problem: ast.expr, remedy: Remedy, local: Names) -> Iterator[Message]:
        remedies = self._remedies(remedy, local)
        for text, its_remedy in self._texts(problem, local):
            first, *rest = [text, its_remedy] if its_remedy else [text] if remedies else _REMEDY.split(text, maxsplit=1)
            if first.endswith(f". {UNKNOWN}") and not remedies:
                first, rest = first.removesuffix(f" {UNKNOWN}"), [IN_MESSAGE]
            yield Message(self.name, _one_line(first), _one_line("".join(rest)) or " / ".join(remedies))

    def _remedies(self, remedy: Remedy, local: Names) -> list[str]:
        """What the remedy can be."""
        if isinstance(remedy, ast.FunctionDef):
            names = _assigned(remedy)
            made = [pair for node in _own_nodes(remedy) for pair in self._said(node, remedy.name)]
            given = [text for _problem, its_remedy in made for text in self._remedies(its_remedy, names)]
            return given or [one.remedy for pair in made for one in self._pairs(*pair, names) if one.remedy]
        if remedy is None or (isinstance(remedy, ast.Constant) and not remedy.value):
            return []
        return [_one_line(text) for text, _none in self._texts(remedy, local, least=1)] or [IN_MESSAGE]

    def _texts(self, node: ast.expr | None, local: Names, depth: int = 5, least: int = 3) -> Iterator[tuple[str, str]]:
        """What the expression can be, with the remedies that it brings.

        Both branches of a condition, each element of a list, what a function returns; a pair is message and remedy.
        """
        if node is None or not depth:
            return
        text = _one_line(template(node, self._known_in(local)))
        if _has_words(text, least):
            yield text, ""
            return
        if isinstance(node, ast.Tuple) and len(node.elts) >= 2:
            problem, remedy = (template(element, self._known_in(local)) for element in node.elts[-2:])
            if _has_words(problem, least) and remedy:
                yield problem, remedy
                return
        for part, names in self._parts(node, local):
            yield from self._texts(part, names, depth - 1, least)

    def _known_in(self, local: Names) -> dict[str, str]:
        """The texts of the constants, and of the names that are set once in a function."""
        once = {name: values[0] for name, values in local.items() if len(values) == 1}
        return {**self.known, **{name: template(value, self.known) for name, value in once.items()}}

    def _parts(self, node: ast.expr, local: Names) -> Iterator[tuple[ast.expr, Names]]:
        if isinstance(node, ast.Call) and (function := self.functions.get(_last_name(node.func))):
            names = _assigned(function)
            yield from ((one.value, names) for one in _own_nodes(function) if _gives(one) and one.value)
        elif isinstance(node, ast.Name):
            values = local.get(node.id) or [self.constants[name] for name in [node.id] if name in self.constants]
            yield from ((value, local) for value in values)
        else:
            yield from ((part, local) for part in _parts_of(node))


def _parts_of(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.IfExp):
        return [node.body, node.orelse]
    if isinstance(node, ast.BoolOp):
        return node.values
    if isinstance(node, (ast.List, ast.Tuple)):
        return node.elts
    if isinstance(node, ast.Dict):
        return node.values
    if isinstance(node, (ast.ListComp, ast.GeneratorExp)):
        return [node.elt, *(generator.iter for generator in node.generators)]
    if isinstance(node, (ast.Starred, ast.FormattedValue)):
        return [node.value]
    if isinstance(node, ast.Subscript):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        return [part for part in node.values if isinstance(part, ast.FormattedValue)]
    if isinstance(node, ast.BinOp):
        return [node.right] if isinstance(node.op, ast.Mod) else [node.left, node.right]
    return []


def _has_words(text: str, least: int) -> bool:
    """Whether there are so many words to search for."""
    return not _ONLY_REMEDY.match(text) and len([word for word in text.split() if _LETTER.search(word)]) >= least


def _gives(node: ast.AST) -> typing.TypeGuard[ast.Return | ast.Yield | ast.YieldFrom]:
    return isinstance(node, (ast.Return, ast.Yield, ast.YieldFrom))


def _of_call(node: ast.Call) -> Iterator[tuple[ast.expr, ast.expr | None]]:
    """Message and remedy of a call that makes an error: Failure(message, remedy), ArgumentError(message, ...)."""
    name = _last_name(node.func)
    keywords = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
    if (
        name in {"append", "extend"}
        and isinstance(node.func, ast.Attribute)
        and HOLDER.search(_last_name(node.func.value))
    ):
        yield node.args[0], None
    elif name in _exceptions() | ANSIBLE_ERRORS | OUR_OTHER_CALLS:
        message = keywords.get("msg") or (node.args[0] if node.args else None)
        remedy = keywords.get("remedy")
        if name == "error" and len(node.args) == 3:
            remedy = node.args[2]
        elif name in {"CertificateError", "Failure", "Trouble", "TooLarge", "OutOfTime"} and len(node.args) == 2:
            remedy = node.args[1]
        if message is not None:
            yield message, remedy
    for holder, value in keywords.items():
        if HOLDER.search(holder):
            yield value, None


def _assigned(function: ast.FunctionDef) -> Names:
    """What the local names of a function are set to, and what is appended to them."""
    found: Names = {}
    for node in _own_nodes(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "append":
            found.setdefault(_last_name(node.func.value), []).extend(node.args)
        if isinstance(node, ast.Assign):
            for target in node.targets:
                for name, value in _unpacked(target, node.value):
                    found.setdefault(name, []).append(value)
    return found


def _unpacked(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, its_value in zip(target.elts, value.elts, strict=True):
            yield from _unpacked(one, its_value)
    elif isinstance(target, ast.Tuple) and target.elts and isinstance(target.elts[0], ast.Name):
        # problem, remedy = explained(...)
        yield target.elts[0].id, value


def _own_nodes(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """The nodes of a function without those of functions in it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop(0)
        if not isinstance(node, ast.FunctionDef):
            yield node
            waiting[:0] = ast.iter_child_nodes(node)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def page_with_tables(page: str) -> str:
    """The page, with the messages of the files that each group names; the longest name of a folder counts."""
    groups = {name: match["files"] for match in GROUP.finditer(page) for name in match["files"].split(", ")}
    found: dict[str, set[tuple[str, str]]] = {}
    for message in messages():
        names = [name for name in groups if message.file.startswith(name)]
        if not names:
            raise LookupError(f"no group of {PAGE.name} has the messages of {message.file}")
        found.setdefault(groups[max(names, key=len)], set()).add((message.problem, message.remedy))
    return GROUP.sub(lambda group: _group(group["files"], found.get(group["files"], set())), page)


def _group(files: str, found: set[tuple[str, str]]) -> str:
    explained = {problem for problem, remedy in found if remedy}
    rows = {(problem, remedy) for problem, remedy in found if remedy or problem not in explained}
    ordered = sorted(rows, key=lambda row: (row[0].strip("…'\":. ").lower(), row))
    lines = [f"| {_cell(problem)} | {_cell(remedy)} |\n" for problem, remedy in ordered]
    return f"<!-- messages: {files} -->\n\n{TABLE}{''.join(lines)}\n<!-- end of messages -->"


def _cell(text: str) -> str:
    return re.sub(r"([\\|*<`\[\]])", r"\\\1", text)


if __name__ == "__main__":
    PAGE.write_text(page_with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
