# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: objects as a program makes them: the literal, then every later write to it.

A `View` is one such object. `View.find()` says what gives a key its value in the end, and what casts doubt on that.
"""

from __future__ import annotations

import bisect
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from ._literals import NotLiteral, Undefined, key_of, literal
from ._scopes import FEW, declarations, is_visible, places
from ._tree import DEEPEST, FUNCTIONS, Source, members, unwrapped
from ._tree import field as node_field
from ._uses import FREEZING, Alias, Deletion, Doubt, Freeze, Merge, Path, Read, Use, Write, uses

if TYPE_CHECKING:
    from tree_sitter import Node


@dataclass(slots=True)
class Property:
    """A property of an object literal."""

    key: str
    node: Node
    owner: Node
    accessor: bool = False

    @property
    def value(self) -> Node | None:
        """The expression that gives the value; None for methods and accessors. Not kept: a file has thousands."""
        return self.node if self.node.type in _VARIABLES else self.node.child_by_field_name("value")


@dataclass(slots=True)
class Assignment:
    """A write to the object after its literal; path has at least one step."""

    path: Path
    place: Node
    value: Node


@dataclass(slots=True)
class Removed:
    """A `delete` of the value at the path."""

    path: Path
    place: Node


@dataclass(slots=True)
class Uncertain:
    """Something that may give the value at the path, or below it, another value."""

    path: Path
    place: Node
    reason: str
    # Runs at a time that the text does not tell: also after everything else.
    later: bool = False
    # Something else holds the value from here on, and may change it at any time.
    lasting: bool = False
    # The literal that holds it, where it is a spread or a computed key.
    owner: Node | None = None


@dataclass(slots=True)
class Frozen:
    """From here on, writes to the members at the path, which ends in None, change nothing."""

    path: Path
    place: Node


# So many entries for any key are gone through for each key.
_MANY = 20
_VARIABLES = {"identifier", "shorthand_property_identifier"}

Entry = Property | Assignment | Removed | Uncertain | Frozen | Read


def place_of(entry: Property | Assignment) -> Node:
    """Where a key gets a value."""
    return entry.node if isinstance(entry, Property) else entry.place


class NotAnObject(Exception):
    """The expression is no object literal, nor leads to one. Carries the place and what stands there."""

    def __init__(self, place: Node, problem: str) -> None:
        super().__init__(problem)
        self.place = place
        self.problem = problem


@dataclass(slots=True)
class Found:
    """What gives one key of an object its value."""

    key: str
    winner: Property | Assignment | None = None
    # All that give the key as a whole, also those that lose.
    occurrences: list[Property | Assignment] = field(default_factory=list)
    nested: list[Assignment] = field(default_factory=list)
    doubts: list[Uncertain] = field(default_factory=list)
    deletion: Removed | None = None
    # A getter or setter, which stays when a value is assigned.
    accessor: Property | None = None
    # What freezes the object that has the key, and what freezes objects inside the value.
    frozen: Frozen | None = None
    frozen_inside: list[Frozen] = field(default_factory=list)
    # Where the value or a part of it is read.
    reads: list[Read] = field(default_factory=list)

    @property
    def value(self) -> Node | None:
        """The expression that gives the value."""
        return self.winner.value if self.winner is not None else None

    def doubt(self) -> Uncertain | None:
        """A doubt about the value as a whole."""
        return next((doubt for doubt in self.doubts if len(doubt.path) == 1), None)

    def doubts_inside(self) -> list[Uncertain]:
        """Doubts about parts of the value."""
        return [doubt for doubt in self.doubts if len(doubt.path) > 1]

    def reads_inside(self) -> list[Read]:
        """Reads of members of the value."""
        return [
            read
            for read in self.reads
            if (len(read.path) > 1 or read.path[-1] is None or read.name is not None) and not self.is_read_before(read)
        ]

    def is_read_before(self, read: Read) -> bool:
        """Whether it reads what the key was before it got the value that it has in the end."""
        return self.winner is not None and not read.later and read.place.end_byte <= place_of(self.winner).start_byte

    def take(self, entry: Property | Assignment) -> None:
        """Something gives the key as a whole: it wins over all before it."""
        self.winner, self.nested, self.deletion, self.frozen_inside = entry, [], None, []
        self.occurrences.append(entry)
        # What holds the old value does not reach into the new one.
        self.doubts = [doubt for doubt in self.doubts if doubt.later or (doubt.lasting and len(doubt.path) == 1)]
        if self.accessor is not None and (isinstance(entry, Assignment) or entry.owner != self.accessor.owner):
            self.doubts.append(Uncertain((self.key,), place_of(entry), "this calls a setter"))
        elif isinstance(entry, Property):
            self.accessor = entry if entry.accessor else None

    def add(self, entry: Entry) -> None:
        """The next thing that concerns the key."""
        if isinstance(entry, Property):
            self.take(entry)
        elif isinstance(entry, Uncertain):
            # Its path may begin with None, which means this key, too.
            self.doubts.append(entry)
        elif isinstance(entry, Read):
            self.reads.append(entry)
        elif isinstance(entry, Frozen):
            if len(entry.path) == 1:
                self.frozen = entry
            else:
                self.frozen_inside.append(entry)
        elif len(entry.path) > 1:
            if isinstance(entry, Assignment):
                self.nested.append(entry)
            else:
                self.doubts.append(Uncertain(entry.path, entry.place, "this is deleted here"))
        elif self.frozen is not None:
            reason = "the object is frozen above, so this changes nothing"
            self.doubts.append(Uncertain(entry.path, entry.place, reason, later=True))
        elif isinstance(entry, Assignment):
            self.take(entry)
        else:
            self.winner, self.nested, self.deletion, self.accessor = None, [], entry, None


@dataclass(slots=True)
class View:
    """One object: all that is written to it in the order of execution, and the literal that takes new members."""

    source: Source
    entries: list[Entry]
    # None where the file has no literal for the object.
    home: Node | None
    # Where in the entries each key stands, None for those that may concern any key; for as many entries as are counted.
    # Most keys stand in one place, and a list for each would take much memory.
    _places: dict[str | None, int | list[int]] = field(default_factory=dict, repr=False, compare=False)
    _counted: int = field(default=0, repr=False, compare=False)
    # The objects that are the values of keys, for as many entries as were there then.
    _inner: dict[str, tuple[int, View | None]] = field(default_factory=dict, repr=False, compare=False)
    # Where in the entries those are that freeze the object itself.
    _freezing: list[int] = field(default_factory=list, repr=False, compare=False)
    # The entries for any key that no property overrides, among so many.
    _lasts: list[int] = field(default_factory=list, repr=False, compare=False)
    _lasting_of: int = field(default=-1, repr=False, compare=False)

    def find(self, key: str) -> Found:
        """What gives the key its value in the end."""
        self._count()
        found = Found(key)
        self.source.go_on()
        own, any_key = self._numbers(key), self._numbers(None)
        if own and len(any_key) > _MANY:
            any_key = self._still_counting(any_key, own)
        for number in sorted([*own, *any_key]) if any_key else own:
            found.add(self.entries[number])
        return found

    def all_keys(self) -> Iterator[str]:
        """All keys that anything in the text names."""
        self._count()
        return (key for key in self._places if key is not None)

    def has(self, key: str) -> bool:
        """Whether all_keys() has a key."""
        self._count()
        return key in self._places

    def text(self, key: str) -> bytes:
        """What the text gives a key as a whole, as it stands there; empty where nothing certainly gives it."""
        self._count()
        own = self._places.get(key)
        only = self.entries[own] if isinstance(own, int) and None not in self._places else None
        winner = only if isinstance(only, Property) else self._winner(key)
        if winner is None:
            return b""
        place = winner.value if isinstance(winner, Assignment) else winner.node
        return self.source.bytes[place.start_byte : place.end_byte]

    def _winner(self, key: str) -> Property | Assignment | None:
        """What find() finds, without the doubts."""
        found = Found(key)
        for number in sorted([*self._numbers(key), *self._freezing]):
            found.add(self.entries[number])
        return found.winner

    def _count(self) -> None:
        if self._counted == len(self.entries):
            return
        for number in range(self._counted, len(self.entries)):
            entry = self.entries[number]
            name = entry.key if isinstance(entry, Property) else entry.path[0]
            known = self._places.get(name)
            if known is None:
                self._places[name] = number
            elif isinstance(known, int):
                self._places[name] = [known, number]
            else:
                known.append(number)
            if isinstance(entry, Frozen) and name is None:
                self._freezing.append(number)
        self._counted = len(self.entries)

    def _numbers(self, key: str | None) -> list[int]:
        """The numbers of the entries that concern a key."""
        found = self._places.get(key, [])
        return [found] if isinstance(found, int) else found

    def _still_counting(self, any_key: list[int], own: list[int]) -> list[int]:
        """Those of the entries for any key that still count once the last property of the key has won."""
        last = next((number for number in reversed(own) if isinstance(self.entries[number], Property)), -1)
        before = bisect.bisect_left(any_key, last)
        lasting = self._lasting(any_key)
        return lasting[: bisect.bisect_left(lasting, last)] + any_key[before:]

    def _lasting(self, any_key: list[int]) -> list[int]:
        """Those of the entries for any key that no later property overrides."""
        if self._lasting_of != len(any_key):
            self._lasting_of = len(any_key)
            entries = ((number, self.entries[number]) for number in any_key)
            self._lasts = [
                number for number, each in entries if not isinstance(each, Uncertain) or each.later or each.lasting
            ]
        return self._lasts

    def names(self) -> list[str]:
        """The keys that are certainly given."""
        keys = (
            entry.key if isinstance(entry, Property) else entry.path[0]
            for entry in self.entries
            if not isinstance(entry, Uncertain | Frozen | Read)
        )
        return list(dict.fromkeys(key for key in keys if key is not None))

    def doubts(self) -> list[Uncertain]:
        """All that may give some of the object's members other values."""
        return [entry for entry in self.entries if isinstance(entry, Uncertain)]

    def doubts_about(self, key: str) -> Iterator[Uncertain]:
        """All that may give the key as a whole, also those that something wins over."""
        self._count()
        for number in sorted([*self._numbers(key), *self._numbers(None)]):
            entry = self.entries[number]
            if isinstance(entry, Uncertain) and len(entry.path) == 1:
                yield entry

    def inner(self, found: Found) -> View | None:
        """The object that is the found value; None where the value is no object whose making the text shows."""
        known = self._inner.get(found.key)
        if known is None or known[0] != len(self.entries):
            known = self._inner[found.key] = len(self.entries), self._made_inner(found)
        return known[1]

    def _made_inner(self, found: Found) -> View | None:
        if found.value is None:
            return None
        try:
            inner = made_object(self.source, found.value)
        except NotAnObject:
            return None
        later: list[Entry] = [replace(entry, path=entry.path[1:]) for entry in found.frozen_inside]
        later += [replace(entry, path=entry.path[1:]) for entry in found.nested]
        later += [replace(doubt, path=doubt.path[1:]) for doubt in found.doubts_inside()]
        later += [replace(read, path=read.path[1:] or (None,)) for read in found.reads_inside()]
        return View(self.source, inner.entries + later, inner.home)


def _returned(function: Node) -> Node | None:
    """What a function that is called where it stands certainly returns; None where that is not certain."""
    if function.type not in ("arrow_function", "function_expression"):
        return None
    if any(child.type == "async" for child in function.children):
        return None
    body = node_field(function, "body")
    if body.type != "statement_block":
        return body
    statements = members(body)
    pending = statements[:-1]
    while pending:
        node = pending.pop()
        if node.type == "return_statement":
            return None
        if node.type not in FUNCTIONS:
            pending.extend(node.named_children)
    value = members(statements[-1]) if statements and statements[-1].type == "return_statement" else []
    return value[0] if value else None


def made_object(source: Source, expression: Node, depth: int = 0) -> View:
    """The object that an expression makes or names; NotAnObject where the text does not show it."""
    node = unwrapped(expression)
    if depth > DEEPEST:
        raise NotAnObject(node, f"the objects here are nested too deeply (more than {DEEPEST} levels)")
    if node.type == "object":
        return View(source, _entries_of_literal(source, node, depth), node)
    if node.type in _VARIABLES:
        return _variable(source, node, depth)
    if node.type == "call_expression":
        called = "".join(source.read(node_field(node, "function")).split())
        given = members(node_field(node, "arguments"))
        if called == "Object.assign" and given:
            return _assigned(source, given, depth)
        if called in FREEZING and len(given) == 1:
            view = made_object(source, given[0], depth + 1)
            return View(source, [Frozen((None,), node), *view.entries], view.home)
        returned = _returned(unwrapped(node_field(node, "function")))
        if returned is not None:
            return made_object(source, returned, depth + 1)
    raise NotAnObject(node, f"this is {_described(node)}, not an object literal, so its members cannot be known")


def chained(source: Source, expression: Node) -> tuple[Node, set[str]]:
    """The value of `a = b = value` and the variables that get it on the way."""
    names: set[str] = set()
    value = unwrapped(expression)
    while value.type == "assignment_expression":
        left = unwrapped(node_field(value, "left"))
        if left.type == "identifier":
            names.add(source.read(left))
        value = unwrapped(node_field(value, "right"))
    return value, names


def uses_of_aliases(source: Source, names: set[str], binding: Node, known: set[str]) -> list[Use]:
    """What is done through variables that got the object at `binding`, and through their own aliases.

    Each must hold the object for good; NotAnObject is raised for one that is assigned again.
    """
    found: list[Use] = []
    for name in sorted(names - known):
        known.add(name)
        if len(known) > DEEPEST:
            raise NotAnObject(binding, f"the object is kept in too many variables (more than {DEEPEST})")
        if not is_visible(source, name, binding):
            raise NotAnObject(binding, f"the object is also kept in {name}, a variable of this block only")
        for declared in declarations(source, name):
            if declared.node.start_byte >= binding.end_byte and _has_value(declared.node):
                raise _assigned_again(declared.node, name)
        for use in uses(source, name):
            later = isinstance(use, Doubt | Read) and use.later
            if not later and use.place.start_byte < binding.end_byte:
                # Before the variable got the object, or the binding itself.
                continue
            if isinstance(use, Alias) and not use.path:
                found += uses_of_aliases(source, {use.name}, use.place, known)
            elif not use.path and isinstance(use, Write | Doubt):
                raise _assigned_again(use.place, name)
            else:
                found.append(use)
    return found


def entries_of(source: Source, found: list[Use]) -> list[Entry]:
    """Uses in the order of the text, as what they do to the object's members."""
    return [entry for use in sorted(found, key=_order) for entry in _entries_of_use(source, use)]


def _order(use: Use) -> int:
    if isinstance(use, Freeze) and use.later:
        # A function that does it may run before anything else.
        return 0
    # In `const a = exports.b = {}` the variable gets what has just been assigned.
    return use.mention.node.start_byte if isinstance(use, Alias) else use.place.start_byte


def is_missing_value(source: Source, node: Node | None) -> bool:
    """Whether the value is literally null or undefined."""
    if node is None:
        return False
    try:
        value = literal(source, node)
    except NotLiteral:
        return False
    return value is None or isinstance(value, Undefined)


def _described(node: Node) -> str:
    if node.type in FUNCTIONS:
        return "a function"
    return {
        "array": "a list",
        "await_expression": "the result of a call",
        "binary_expression": "computed",
        "call_expression": "the result of a call",
        "class": "a class",
        "member_expression": "a part of another object",
        "new_expression": "the result of a constructor",
        "null": "null",
        "ternary_expression": "chosen by a condition",
        "undefined": "undefined",
    }.get(node.type, f"a {node.type.replace('_', ' ')}")


def _assigned_again(place: Node, name: str) -> NotAnObject:
    return NotAnObject(place, f"the variable {name} is assigned again here, so it is not certain what it holds")


# Variables


def _has_value(declaration: Node) -> bool:
    """Whether it gives the variable a value: `var settings;` once more does not."""
    return declaration.type != "variable_declarator" or declaration.child_by_field_name("value") is not None


def _variable(source: Source, node: Node, depth: int, *, with_own_use: bool = False) -> View:
    """The object that a variable holds where the node mentions it.

    What the expression around the node does with it is left out, unless that is asked for.
    """
    name = source.read(node)
    declared = declarations(source, name)
    known_to_hold = len(declared) == 1 and declared[0].unconditional and declared[0].node.type == "variable_declarator"
    if not known_to_hold or not is_visible(source, name, node):
        raise NotAnObject(node, f"it is not certain what the variable {name} holds")
    found = uses(source, name, None if with_own_use else node)
    writes = [use for use in found if not use.path and isinstance(use, Write | Doubt)]
    binding = declared[0].node
    value = binding.child_by_field_name("value")
    if value is None and writes and isinstance(writes[0], Write):
        first = cast(Write, writes.pop(0))
        found.remove(first)
        binding, value = first.place, first.value
    if writes:
        raise _assigned_again(writes[0].place, name)
    if value is None or value.start_byte > node.start_byte:
        raise NotAnObject(node, f"the variable {name} has no value here yet")
    value, aliases = chained(source, value)
    if name in source.in_question:
        raise NotAnObject(node, f"the object in the variable {name} is made of itself")
    source.in_question.add(name)
    try:
        view = made_object(source, value, depth + 1)
        known = {name}
        found += uses_of_aliases(source, aliases, binding, known)
        for use in list(found):
            if isinstance(use, Alias) and not use.path:
                found += uses_of_aliases(source, {use.name}, use.place, known)
        view.entries += entries_of(source, [use for use in found if use.path or isinstance(use, Freeze | Merge | Read)])
    finally:
        source.in_question.discard(name)
    return view


# Entries


def _entries_of_use(source: Source, use: Use) -> list[Entry]:
    match use:
        case Write(path, place, _) | Deletion(path, place) if "__proto__" in path:
            return [Uncertain((*path[: path.index("__proto__")], None), place, "the object inherits from another one")]
        case Write(path, place, value) if None not in path:
            return [Assignment(path, place, value)]
        case Deletion(path, place) if None not in path:
            return [Removed(path, place)]
        case Doubt(path, place, reason, later, lasting):
            return [Uncertain(path or (None,), place, reason, later, lasting)]
        case Merge(path, place, sources):
            taken = [entry for node in sources for entry in _taken_over(source, node, place, 0)]
            return [_below(path, entry) for entry in taken] if path else taken
        case Alias(path, place, name, mention):
            if len(places(source, name)) == 1:
                return []
            reason = f"the value is also kept in the variable {name}"
            return [Uncertain((*path, None), place, reason), Read(path, place, flow=mention, name=name)]
        case Freeze(path, place):
            return [Frozen((*path, None), place)]
        case Read(path):
            # Whether there is an object does not change.
            return [use] if path else []
    return [Uncertain(use.path, use.place, "which setting this changes is computed")]


def _below(path: Path, entry: Entry) -> Entry:
    if isinstance(entry, Property):
        return Uncertain((*path, entry.key), entry.node, "the value is merged into another one")
    return replace(entry, path=(*path, *entry.path))


def _entries_of_literal(source: Source, node: Node, depth: int) -> list[Entry]:
    listed = members(node)
    if all(member.type != "spread_element" for member in listed):
        return _literal_entries(source, node, listed, depth)
    # Objects that are spread into each other twice would be gone through twice as often with each of them.
    key = node.id, depth
    if key not in source.entries:
        source.entries[key] = _literal_entries(source, node, listed, depth)
    return list(source.entries[key])


def _literal_entries(source: Source, node: Node, listed: list[Node], depth: int) -> list[Entry]:
    entries: list[Entry] = []
    prototype: Node | None = None
    for member in listed:
        kind = member.type
        if kind == "spread_element":
            entries += _taken_over(source, members(member)[0], member, depth, owner=node)
        elif kind == "shorthand_property_identifier":
            entries.append(Property(source.read(member), member, node))
        elif kind in ("pair", "method_definition"):
            name = node_field(member, "key" if kind == "pair" else "name")
            key = key_of(source, name)
            if key is None:
                entries.append(Uncertain((None,), member, "this key is computed", owner=node))
            elif key == "__proto__" and kind == "pair" and name.type != "computed_property_name" and prototype is None:
                prototype = member
            else:
                accessor = kind != "pair" and any(child.type in ("get", "set") for child in member.children)
                # The edited text has the same keys, and so do many other files.
                entries.append(Property(sys.intern(key), member, node, accessor))
        else:
            entries.append(Uncertain((None,), member, "this member is not understood", owner=node))
    if prototype is not None:
        # What is inherited loses against own members, wherever these stand.
        entries.insert(0, Uncertain((None,), prototype, "the object inherits from another one", owner=node))
    return entries


def _assigned(source: Source, given: list[Node], depth: int) -> View:
    """`Object.assign(first, second, ...)`: the first with the members of the others."""
    first = unwrapped(given[0])
    is_variable = first.type == "identifier"
    view = _variable(source, first, depth + 1, with_own_use=True) if is_variable else made_object(source, first, depth)
    if not is_variable:
        # Else these members are among what is done with the variable.
        for node in given[1:]:
            view.entries += _taken_over(source, node, node, depth)
    literals = [node for node in map(unwrapped, given) if node.type == "object"]
    if literals:
        view.home = literals[-1]
    return view


def _taken_over(source: Source, expression: Node, place: Node, depth: int, owner: Node | None = None) -> list[Entry]:
    """The members of another object that are copied into this one (`...spread`, `Object.assign`)."""
    node = unwrapped(expression)
    if node.type != "identifier" or _is_mentioned_once(source, node):
        try:
            entries = made_object(source, node, depth + 1).entries
        except NotAnObject:
            pass
        else:
            return [_copied(entry, place, owner) for entry in entries if not isinstance(entry, Frozen)]
    names = _possible_keys(source, node, depth)
    if names is None:
        return [Uncertain((None,), place, "what is taken over here is not known", owner=owner)]
    reason = "whether this is taken over is not certain"
    return [Uncertain((name,), place, reason, owner=owner) for name in names]


def _is_mentioned_once(source: Source, node: Node) -> bool:
    """Whether nothing but the node mentions a variable, except its declaration."""
    return len(places(source, source.read(node))) == 2


def _copied(entry: Entry, place: Node, owner: Node | None) -> Entry:
    """What an entry of an object means for another one into which its members are copied."""
    if isinstance(entry, Property):
        return replace(entry, accessor=False)
    return replace(entry, place=place, owner=owner) if isinstance(entry, Uncertain) else entry


def _possible_keys(source: Source, expression: Node, depth: int) -> list[str] | None:
    """All keys that an expression can give when it is spread (`test ? { a } : {}`, `test && { b }`), if known."""
    node = unwrapped(expression)
    if depth > DEEPEST:
        return None
    if node.type == "identifier":
        return _keys_in_variable(source, node, depth)
    if node.type == "object":
        return _keys_of_object(source, node, depth)
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


def _keys_in_variable(source: Source, node: Node, depth: int) -> list[str] | None:
    name = source.read(node)
    question = name, depth
    if question in source.possible_keys and is_visible(source, name, node):
        # To go through all that is done with a variable for each mention of it would take too long.
        return source.possible_keys[question]
    keys = _keys_of_object(source, node, depth)
    if len(places(source, name)) > FEW:
        source.possible_keys[question] = keys
    return keys


def _keys_of_object(source: Source, node: Node, depth: int) -> list[str] | None:
    try:
        entries = made_object(source, node, depth + 1).entries
    except NotAnObject:
        return None
    names = [
        entry.key if isinstance(entry, Property) else entry.path[0]
        for entry in entries
        if not isinstance(entry, Frozen | Read)
    ]
    return None if None in names else list(dict.fromkeys(name for name in names if name is not None))
