# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the object that a settings file exports, as Node-RED would see it after `require`.

A `View` is one object in the making: its literal, then every later write to it, in the order of execution.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ._js_literals import NotLiteral, key_of, literal
from ._js_tree import DEEPEST, FUNCTIONS, Source, members, unwrapped
from ._js_tree import field as node_field
from ._js_uses import Alias, Deletion, Doubt, Merge, Path, Use, Write, declarations, uses

if TYPE_CHECKING:
    from tree_sitter import Node

MOVE_INTO_LITERAL = (
    "Make the file export one object literal (module.exports = { ... }) that holds this setting itself, "
    "or change it by hand."
)


@dataclass(frozen=True)
class Property:
    """A property of an object literal."""

    key: str
    node: Node
    owner: Node
    # The expression that gives the value; None for methods and accessors.
    value: Node | None
    accessor: bool = False


@dataclass(frozen=True)
class Assignment:
    """A write to the object after its literal; path has at least one step."""

    path: Path
    place: Node
    value: Node


@dataclass(frozen=True)
class Uncertain:
    """Something that may give the value at the path, or below it, another value."""

    path: Path
    place: Node
    reason: str
    later: bool = False
    # The literal that holds it, where it is a spread or a computed key.
    owner: Node | None = None


@dataclass(frozen=True)
class Removed:
    """A `delete` of the value at the path."""

    path: Path
    place: Node


Entry = Property | Assignment | Uncertain | Removed


@dataclass
class Found:
    """What gives one key of an object its value."""

    key: str
    winner: Property | Assignment | None = None
    # All that give the key as a whole, also those that lose.
    occurrences: list[Property | Assignment] = field(default_factory=list)
    nested: list[Assignment] = field(default_factory=list)
    doubts: list[Uncertain] = field(default_factory=list)
    deletion: Removed | None = None

    @property
    def value(self) -> Node | None:
        return self.winner.value if self.winner is not None else None

    def doubt(self) -> Uncertain | None:
        """A doubt about the value as a whole."""
        return next((doubt for doubt in self.doubts if len(doubt.path) == 1), None)


@dataclass
class View:
    """One object: where its literal is, and all that is written to it in the order of execution."""

    source: Source
    entries: list[Entry]
    # The literal that takes new members; None where the file has none.
    home: Node | None

    def find(self, key: str) -> Found:
        """What gives the key its value in the end."""
        found = Found(key)
        for entry in self.entries:
            if isinstance(entry, Property):
                if entry.key == key:
                    self._take(found, entry)
            elif entry.path[0] is None or entry.path[0] == key:
                if isinstance(entry, Uncertain):
                    found.doubts.append(replace(entry, path=(key, *entry.path[1:])))
                elif len(entry.path) > 1:
                    if isinstance(entry, Assignment):
                        found.nested.append(entry)
                    else:
                        found.doubts.append(Uncertain(entry.path, entry.place, "this is deleted here"))
                elif isinstance(entry, Removed):
                    found.winner, found.nested, found.deletion = None, [], entry
                else:
                    self._take(found, entry)
        return found

    def _take(self, found: Found, entry: Property | Assignment) -> None:
        before = found.winner
        found.winner, found.nested, found.deletion = entry, [], None
        found.occurrences.append(entry)
        found.doubts = [doubt for doubt in found.doubts if doubt.later]
        if isinstance(before, Property) and before.accessor and isinstance(entry, Assignment):
            found.doubts.append(Uncertain((found.key,), entry.place, "this calls a setter"))

    def names(self) -> list[str]:
        """The keys that are certainly or possibly given, as far as they are known."""
        names: dict[str, None] = {}
        for entry in self.entries:
            name = entry.key if isinstance(entry, Property) else entry.path[0]
            if name is not None and not isinstance(entry, Uncertain):
                names[name] = None
        return list(names)

    def inner(self, found: Found) -> View | None:
        """The object that is the found value; None where the value is no object whose making the text shows."""
        if found.value is None:
            return None
        try:
            inner = made_object(self.source, found.value)
        except NotAnObject:
            return None
        later: list[Entry] = [replace(entry, path=entry.path[1:]) for entry in found.nested]
        later += [replace(doubt, path=doubt.path[1:]) for doubt in found.doubts if len(doubt.path) > 1]
        return View(self.source, inner.entries + later, inner.home)


class NotAnObject(Exception):
    """The expression is no object literal, nor leads to one. Carries the place and what stands there."""

    def __init__(self, place: Node, problem: str) -> None:
        super().__init__(problem)
        self.place = place
        self.problem = problem


def exported(source: Source) -> View:
    """The object that the file exports; SettingsError where this is not certain."""
    _refuse_what_does_not_parse(source)
    _refuse_modules(source)
    _refuse_returns(source)
    through_module = uses(source, "module")
    exports = [use for use in through_module if use.path == ("exports",) and isinstance(use, Write)]
    for use in through_module:
        if isinstance(use, Doubt) and len(use.path) == 1 and use.path[0] in (None, "exports"):
            last = exports[-1].place.start_byte if exports else -1
            if use.later or use.place.start_byte > last:
                raise source.error(f"what the file exports is not certain: {use.reason}", use.place, MOVE_INTO_LITERAL)
    after = exports[-1].place.start_byte if exports else -1
    later = [
        replace(use, path=use.path[1:])
        for use in through_module
        if use.path[:1] in (("exports",), (None,))
        and not (isinstance(use, Write) and use.path == ("exports",))
        and (use.place.start_byte > after or (isinstance(use, Doubt) and use.later))
    ]
    if exports:
        value, names = _chain(source, exports[-1].place)
    else:
        value, names = None, {"exports"}
    aliases = {use.name for use in later if isinstance(use, Alias) and not use.path}
    view = View(source, [], None)
    if value is not None:
        try:
            view = made_object(source, value)
        except NotAnObject as error:
            raise source.error(error.problem, error.place, MOVE_INTO_LITERAL) from None
    for name in sorted((names | aliases) - _names_of(source, value)):
        later += _uses_of_variable(source, name)
    view.entries += _entries(source, later)
    if view.home is None:
        view.home = _merged_literal(source, later)
    if value is None and all(isinstance(entry, Uncertain) for entry in view.entries):
        state = "exports nothing" if source.text.strip() else "is empty, so it is damaged"
        raise source.error(
            f"the file {state}", 0, "Restore a backup, or take the settings.js that this Node-RED release comes with."
        )
    return view


# The export


def _refuse_modules(source: Source) -> None:
    for statement in source.root.named_children:
        if statement.type in ("import_statement", "export_statement"):
            raise source.error(
                "this is an ES module; Node-RED loads its settings with require()",
                statement,
                "Write it as CommonJS: const x = require('x') and module.exports = { ... }.",
            )


def _refuse_returns(source: Source) -> None:
    """A `return` outside functions is legal in CommonJS; what stands below it may never run."""
    pending = [child for child in source.root.named_children if child.type.endswith("_statement")]
    while pending:
        node = pending.pop()
        if node.type == "return_statement":
            raise source.error(
                "the file returns here, so what stands below may not be in force", node, "Remove the return."
            )
        if node.type not in FUNCTIONS and node.type not in ("expression_statement", "class_declaration"):
            pending.extend(node.named_children)


def _refuse_what_does_not_parse(source: Source) -> None:
    if source.root.has_error:
        from ._js_damage import damage

        raise damage(source)


def _chain(source: Source, assignment: Node) -> tuple[Node, set[str]]:
    """The value of `a = module.exports = b = value`, and the variables in the chain."""
    names: set[str] = set()
    # Outwards: the statement that holds the assignment.
    statement = next(
        child
        for child in source.root.named_children
        if child.start_byte <= assignment.start_byte and assignment.end_byte <= child.end_byte
    )
    pending = list(statement.named_children)
    while pending:
        node = pending.pop()
        if not (node.start_byte <= assignment.start_byte and assignment.end_byte <= node.end_byte):
            continue
        if node.type == "variable_declarator":
            names.add(source.read(node_field(node, "name")))
        elif node.type == "assignment_expression":
            left = node_field(node, "left")
            if left.type == "identifier":
                names.add(source.read(left))
        if node != assignment:
            pending.extend(node.named_children)
    value = unwrapped(node_field(assignment, "right"))
    while value.type == "assignment_expression":
        left = node_field(value, "left")
        if left.type == "identifier":
            names.add(source.read(left))
        value = unwrapped(node_field(value, "right"))
    return value, names


def _names_of(source: Source, value: Node | None) -> set[str]:
    """The variable that was read to find the object: its uses are already known."""
    return {source.read(value)} if value is not None and value.type == "identifier" else set()


def _merged_literal(source: Source, later: list[Use]) -> Node | None:
    for use in reversed(later):
        if isinstance(use, Merge) and not use.path and use.sources and unwrapped(use.sources[-1]).type == "object":
            return unwrapped(use.sources[-1])
    return None


# Objects


def made_object(source: Source, expression: Node, depth: int = 0) -> View:
    """The object that an expression makes or names."""
    node = unwrapped(expression)
    if depth > DEEPEST:
        raise NotAnObject(node, "the objects here are nested too deeply")
    if node.type == "object":
        return View(source, list(_literal_entries(source, node, depth)), node)
    if node.type == "identifier":
        return _variable(source, node, depth)
    if node.type == "call_expression":
        called = "".join(source.read(node_field(node, "function")).split())
        given = members(node_field(node, "arguments"))
        if called == "Object.assign" and given:
            return _assigned(source, given, depth)
    raise NotAnObject(node, f"this is {_described(node)}, not an object literal, so its settings cannot be known")


def _described(node: Node) -> str:
    if node.type in FUNCTIONS:
        return "a function"
    return {
        "call_expression": "the result of a call",
        "await_expression": "the result of a call",
        "new_expression": "the result of a constructor",
        "ternary_expression": "chosen by a condition",
        "binary_expression": "computed",
        "class": "a class",
        "array": "a list",
        "undefined": "undefined",
        "null": "null",
    }.get(node.type, f"a {node.type.replace('_', ' ')}")


def _assigned(source: Source, given: list[Node], depth: int) -> View:
    """`Object.assign(first, second, ...)`: the first with the members of the others."""
    view = made_object(source, given[0], depth + 1)
    for node in given[1:]:
        view.entries += _taken_over(source, node, node, depth)
    last = unwrapped(given[-1])
    view.home = last if last.type == "object" else None
    if len(given) == 1:
        view.home = last if last.type == "object" else view.home
    return view


def _variable(source: Source, node: Node, depth: int) -> View:
    name = source.read(node)
    declared = declarations(source, name)
    if len(declared) != 1 or declared[0].type != "variable_declarator":
        raise NotAnObject(node, f"it is not certain what the variable {name} holds")
    found = uses(source, name)
    whole = [use for use in found if not use.path and isinstance(use, Write)]
    value = declared[0].child_by_field_name("value")
    if value is None and len(whole) == 1:
        value = whole[0].value
        found.remove(whole[0])
        whole = []
    doubtful = [use for use in found if not use.path and isinstance(use, Doubt)]
    if value is None or whole or doubtful:
        place = whole[0].place if whole else doubtful[0].place if doubtful else node
        raise NotAnObject(place, f"the variable {name} is assigned again, so it is not certain what it holds")
    value = unwrapped(value)
    while value.type == "assignment_expression":
        value = unwrapped(node_field(value, "right"))
    if value.start_byte > node.start_byte:
        raise NotAnObject(node, f"the variable {name} is used before it has its value")
    view = made_object(source, value, depth + 1)
    for use in list(found):
        if isinstance(use, Alias) and not use.path and use.name not in (name, "exports"):
            found += _uses_of_variable(source, use.name)
    view.entries += _entries(source, found)
    return view


def _uses_of_variable(source: Source, name: str) -> list[Use]:
    """The uses of a variable that is bound to the object once and for all."""
    found = uses(source, name)
    if name != "exports":
        for use in found:
            if not use.path and isinstance(use, Write | Doubt) and not _is_binding(source, use, name):
                raise source.error(
                    f"the variable {name} is assigned again, so it is not certain what it holds",
                    use.place,
                    MOVE_INTO_LITERAL,
                )
    return [use for use in found if use.path]


def _is_binding(source: Source, use: Write | Doubt, name: str) -> bool:
    """Whether `name = module.exports = ...` binds the variable that was declared without a value."""
    return isinstance(use, Write) and "module.exports" in source.read(use.place)


def _entries(source: Source, found: list[Use]) -> list[Entry]:
    """Uses in the order of the text, as what they do to the object's members."""
    entries: list[Entry] = []
    for use in sorted(found, key=lambda use: use.place.start_byte):
        if isinstance(use, Write) and use.path:
            if None in use.path:
                entries.append(Uncertain(use.path, use.place, "which setting this assigns is computed"))
            else:
                entries.append(Assignment(use.path, use.place, use.value))
        elif isinstance(use, Deletion) and use.path:
            if None in use.path:
                entries.append(Uncertain(use.path, use.place, "which setting this deletes is computed"))
            else:
                entries.append(Removed(use.path, use.place))
        elif isinstance(use, Doubt):
            entries.append(Uncertain(use.path or (None,), use.place, use.reason, use.later))
        elif isinstance(use, Merge):
            for node in use.sources:
                taken = _taken_over(source, node, use.place, 0)
                entries += [_below(use.path, entry) for entry in taken] if use.path else taken
        elif isinstance(use, Alias) and use.path:
            entries.append(Uncertain((*use.path, None), use.place, f"the value is also kept as {use.name}"))
    return entries


def _below(path: Path, entry: Entry) -> Entry:
    if isinstance(entry, Property):
        if entry.value is None:
            return Uncertain((*path, entry.key), entry.node, "an accessor or a method is copied")
        return Uncertain((*path, entry.key), entry.node, "the value is merged into it")
    return replace(entry, path=(*path, *entry.path))


def _literal_entries(source: Source, node: Node, depth: int) -> Iterator[Entry]:
    for member in members(node):
        if member.type == "spread_element":
            yield from _taken_over(source, members(member)[0], member, depth, owner=node)
            continue
        if member.type == "shorthand_property_identifier":
            yield Property(source.read(member), member, node, member)
            continue
        if member.type not in ("pair", "method_definition"):
            yield Uncertain((None,), member, "this member is not understood", owner=node)
            continue
        pair = member.type == "pair"
        name = node_field(member, "key" if pair else "name")
        key = key_of(source, name)
        if key is None:
            yield Uncertain((None,), member, "this key is computed", owner=node)
        elif key == "__proto__" and pair and name.type != "computed_property_name":
            yield Uncertain((None,), member, "the object inherits from another one", owner=node)
        elif pair:
            yield Property(key, member, node, node_field(member, "value"))
        else:
            accessor = any(child.type in ("get", "set") for child in member.children)
            yield Property(key, member, node, None, accessor)


def _taken_over(source: Source, expression: Node, place: Node, depth: int, owner: Node | None = None) -> list[Entry]:
    """The members of another object that are copied into this one (`...spread`, `Object.assign`)."""
    node = unwrapped(expression)
    if depth <= DEEPEST and node.type == "object":
        return list(_literal_entries(source, node, depth + 1))
    names = _possible_keys(source, node)
    if names is None:
        return [Uncertain((None,), place, "what is taken over here is not known", owner=owner)]
    reason = "whether this is taken over depends on a condition"
    return [Uncertain((name,), place, reason, owner=owner) for name in names]


def _possible_keys(source: Source, node: Node, depth: int = 0) -> list[str] | None:
    """All keys that an expression can give when it is spread (`test ? { a } : {}`, `test && { b }`), if known."""
    node = unwrapped(node)
    if depth > DEEPEST:
        return None
    if node.type == "object":
        entries = list(_literal_entries(source, node, depth))
        names = [entry.key if isinstance(entry, Property) else entry.path[0] for entry in entries]
        return None if None in names else [name for name in names if name is not None]
    if node.type == "ternary_expression":
        parts = [node_field(node, "consequence"), node_field(node, "alternative")]
    elif node.type == "binary_expression" and source.read(node_field(node, "operator")) == "&&":
        # A falsy left side spreads nothing.
        parts = [node_field(node, "right")]
    elif node.type in ("null", "undefined", "false", "true", "number"):
        return []
    else:
        return None
    found: list[str] = []
    for part in parts:
        names_of_part = _possible_keys(source, part, depth + 1)
        if names_of_part is None:
            return None
        found += names_of_part
    return found


def is_missing_value(source: Source, node: Node | None) -> bool:
    """Whether the value is literally null or undefined."""
    if node is None:
        return False
    try:
        value = literal(source, node)
    except NotLiteral:
        return False
    return value is None or not value and not isinstance(value, str | int | float | list | dict)
