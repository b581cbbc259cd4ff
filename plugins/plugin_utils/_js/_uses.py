# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: what a program does with a variable, as far as its text shows.

`uses(source, name)` lists every place where the object that a variable holds is written to, or may be: certain writes
with their path below the variable, and doubts (a write under a condition, in a function, an unknown call that gets the
object). Reading counts where the value goes on to something else, or where code fails without it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field as attribute
from typing import TYPE_CHECKING

from ._literals import NotLiteral, key_of, literal
from ._scopes import Frame, declares, mentions
from ._tree import Source, field, first_member, members, unwrapped

if TYPE_CHECKING:
    from tree_sitter import Node

# A property path; None stands for a property whose name is not known.
Path = tuple[str | None, ...]

# Calls that only look at what they are given.
_PRINTING = re.compile(r"console\.\w+")
# They also look at `undefined`, and at no member of an object.
_TOLERANT = re.compile(
    rf"{_PRINTING.pattern}|Object\.(?:is|isFrozen)|Array\.isArray|String|Number|Boolean|parseInt|parseFloat"
    r"|fs\.existsSync"
)
_LOOKING = re.compile(
    rf"{_TOLERANT.pattern}|JSON\.stringify|Object\.(?:keys|hasOwn)|(?:util\.)?inspect"
    r"|path\.(?:join|resolve|dirname|basename)|fs\.(?:readFileSync|statSync)"
)
# Calls after which the members of their argument stay as they are.
FREEZING = {"Object.freeze", "Object.seal", "Object.preventExtensions"}
# Methods that change nothing and return nothing that could be changed.
_LOOKING_METHODS = {"endsWith", "hasOwnProperty", "includes", "indexOf", "join", "replace", "split", "startsWith"}
_LOOKING_METHODS |= {"toLowerCase", "toString", "toUpperCase", "trim"}
# Methods that call a function with each element.
_VISITING_METHODS = {"every", "filter", "find", "forEach", "map", "some"}
# Methods that return an element, or a new array with some of the same elements.
_PICKING_METHODS = {"concat", "filter", "find", "map", "slice"}
# What changes something, or ends the program.
CHANGING = {
    "assignment_expression",
    "augmented_assignment_expression",
    "await_expression",
    "new_expression",
    "throw_statement",
    "update_expression",
    "yield_expression",
}
# What can change something else than a variable of its own.
_ACTING = CHANGING | {"call_expression", "unary_expression"}
_CHANCE = "it depends on the program's course"


@dataclass(slots=True)
class Write:
    """A certain write: at `path` below the variable the value now is what `value` says."""

    path: Path
    place: Node
    value: Node


@dataclass(slots=True)
class Merge:
    """A certain `Object.assign(<path>, ...sources)`."""

    path: Path
    place: Node
    sources: tuple[Node, ...]


@dataclass(slots=True)
class Deletion:
    """A certain `delete <path>`."""

    path: Path
    place: Node


@dataclass(slots=True)
class Doubt:
    """The value at `path`, or below it, may become something that the text does not tell."""

    path: Path
    place: Node
    reason: str
    # Runs at a time that the text does not tell: also after everything else.
    later: bool = False
    # Something else holds the value from here on, and may change it at any time.
    lasting: bool = False


@dataclass(slots=True)
class Alias:
    """Another variable now holds what is at `path`."""

    path: Path
    place: Node
    name: str
    mention: Frame


@dataclass(frozen=True, slots=True)
class Freeze:
    """The object at `path` is frozen, or may be: later writes to its members change nothing."""

    path: Path
    place: Node
    later: bool = False


@dataclass(frozen=True, slots=True)
class Read:
    """The value at `path` is read, and that of its parent must be an object; a step None at the end hands it on."""

    path: Path
    place: Node
    later: bool = False
    # Where the value goes on from; None where it is dropped.
    flow: Frame | None = None
    # The variable that gets it.
    name: str | None = None


Use = Write | Merge | Deletion | Doubt | Alias | Freeze | Read


def uses(source: Source, name: str, without: Node | None = None) -> list[Use]:
    """The uses of a variable of the file (or `module`, `exports`, `this`) in the order of the text.

    What one mention of it, the node `without`, means is left out.
    """
    return [use for frame in mentions(source, name) if frame.node != without for use in _uses_of(source, frame)]


def _uses_of(source: Source, mention: Frame) -> list[Use]:
    """What the mention of a variable means for the object that it holds."""
    if declares(mention):
        return []
    if mention.node.type == "shorthand_property_identifier":
        handed_on = Read((None,), mention.node, mention.in_function, mention)
        reason = "the object is handed on here"
        return [Doubt((None,), mention.node, reason, mention.in_function, lasting=True), handed_on]
    if mention.node.type == "shorthand_property_identifier_pattern":
        return [Doubt((), mention.node, "the variable is assigned here by destructuring", mention.in_function)]
    return _Climb(source, mention, mention.in_function).uses()


@dataclass(slots=True)
class _Climb:
    """The way from a mention up through the expressions that hand the object, or a part of it, on.

    Each step looks at the expression around the value and says whether that has the same value, so that the way goes
    on from there.
    """

    source: Source
    frame: Frame
    later: bool
    # Where the value lies below the variable.
    path: Path = ()
    # Whether the value may as well be another one (`a || b`).
    perhaps: bool = False
    found: list[Use] = attribute(default_factory=list)
    # What must be there for the code not to fail, once that is less than the path (`a?.b.c`, `(a || {}).b`).
    _required: Path | None = None
    _flows: bool = False

    def uses(self) -> list[Use]:
        """All that is done with the value on the way."""
        mention = self.frame
        self._climb()
        path = self.path if self._required is None else self._required
        is_written = any(isinstance(use, Write) for use in self.found)
        if self._flows or (path and not is_written):
            self.found.append(Read(path, mention.node, self.later, mention if self._flows else None))
        return self.found

    def _climb(self) -> None:
        while (parent := self.frame.parent) is not None:
            step = _STEPS.get(parent.node.type)
            if step is None:
                self._doubt(self.path, parent.node, "what happens to the object here is not certain")
                self._flows = True
                break
            if not step(self, parent):
                break
            if self.frame.parent is not None:
                self.frame = self.frame.parent

    def _perhaps(self) -> None:
        """From here on the value may be another one, so that the code needs no more of this one."""
        self.perhaps = True
        self._require(self.path)

    def _require(self, path: Path) -> None:
        if self._required is None:
            self._required = path

    def _handed_on(self) -> None:
        """All of the value goes on to something else, which may fail without it."""
        self._require((*self.path, None))
        self._flows = True

    def _doubt(self, path: Path, place: Node, reason: str, *, lasting: bool = False) -> bool:
        # What has been assigned or merged on the way comes first, though what it is a part of begins before it.
        self.found.append(Doubt(path, self.found[0].place if self.found else place, reason, self.later, lasting))
        return False

    def _is(self, parent: Node, role: str) -> bool:
        return parent.child_by_field_name(role) == self.frame.node

    # Expressions that have the value, or a part of it

    def passed(self, _parent: Frame) -> bool:
        return True

    def member(self, parent: Frame) -> bool:
        self._end_of_certainty(parent)
        self.path = (*self.path, sys.intern(self.source.read(field(parent.node, "property"))))
        return True

    def subscript(self, parent: Frame) -> bool:
        if not self._is(parent.node, "object"):
            return self.read(parent)
        self._end_of_certainty(parent)
        self.path = (*self.path, _index(self.source, field(parent.node, "index")))
        return True

    def _end_of_certainty(self, parent: Frame) -> None:
        if parent.node.child_by_field_name("optional_chain") is not None:
            self._require(self.path)

    def sequence(self, parent: Frame) -> bool:
        return self.source.is_last_member(parent.node, self.frame.node)

    def choice(self, parent: Frame) -> bool:
        if self._is(parent.node, "condition"):
            return self.read(parent)
        self._perhaps()
        return True

    def operation(self, parent: Frame) -> bool:
        operator = self.source.read(field(parent.node, "operator"))
        # An object on the left of && is never what that comes to.
        if operator not in ("||", "&&", "??") or (operator == "&&" and self._is(parent.node, "left")):
            return self.read(parent)
        self._perhaps()
        return True

    # Writes

    def assignment(self, parent: Frame) -> bool:
        node = parent.node
        if self._is(node, "left"):
            if self.perhaps or not parent.unconditional:
                return self._doubt(self.path, node, f"{_CHANCE} whether this assignment happens")
            self.found.append(Write(self.path, node, field(node, "right")))
            # The assignment has the value that it assigns.
            return True
        target = unwrapped(field(node, "left"))
        if target.type == "identifier":
            self._kept(parent, self.source.read(target))
        elif _text(self.source, target) != "module.exports":
            return self._kept_elsewhere(node)
        return True

    def computing(self, parent: Frame) -> bool:
        if parent.node.type == "update_expression" or self._is(parent.node, "left"):
            return self._doubt(self.path, parent.node, "this changes the value by computing")
        return self.handed_on(parent)

    def unary(self, parent: Frame) -> bool:
        if self.source.read(field(parent.node, "operator")) != "delete":
            return self.read(parent)
        if self.perhaps or parent.parent is None or not parent.parent.unconditional:
            return self._doubt(self.path, parent.node, f"{_CHANCE} whether this is deleted")
        self.found.append(Deletion(self.path, parent.node))
        return False

    def declarator(self, parent: Frame) -> bool:
        name = field(parent.node, "name")
        if name.type == "identifier":
            self._kept(parent, self.source.read(name))
        else:
            for step, variable in _destructured(self.source, name):
                path = (*self.path, step)
                self._doubt((*path, None), name, "the value is handed on here")
                self.found.append(Read(path if variable else (*path, None), name, self.later, self.frame, variable))
        return False

    def _kept(self, parent: Frame, name: str) -> None:
        if parent.unconditional and not self.perhaps:
            self.found.append(Alias(self.path, parent.node, name, self.frame))
        else:
            self._kept_elsewhere(parent.node)

    def _kept_elsewhere(self, place: Node) -> bool:
        self._handed_on()
        return self._doubt((*self.path, None), place, "the object is also kept here", lasting=True)

    # Calls

    def called(self, parent: Frame) -> bool:
        """A method of the value, or the value itself, is called."""
        method = self.path[-1] if self.path else None
        self._flows = True
        if method in _LOOKING_METHODS:
            return False
        harmless = method in _VISITING_METHODS and _only_reads(parent.node)
        if harmless and method not in _PICKING_METHODS:
            return False
        if harmless or method in _PICKING_METHODS - _VISITING_METHODS:
            # Of a list, so that what is picked from it is again one of the elements; `find` picks one itself.
            if method == "find":
                self.path, self.perhaps = (*self.path[:-1], None), True
            else:
                self._perhaps()
                self.path = self.path[:-1]
            return True
        return self._doubt((*self.path[:-1], None), parent.node, "a method that is called on the object may change it")

    def argument(self, parent: Frame) -> bool:
        """The value is given to a call."""
        if parent.parent is None:
            return False
        self._flows = True
        call = parent.parent.node
        callee = call.child_by_field_name("function")
        called = _text(self.source, callee) if callee is not None else ""
        if _TOLERANT.fullmatch(called):
            return False
        if first_member(parent.node) == self.frame.node:
            if called == "Object.assign":
                return self._merged(parent, call)
            if called == "Object.defineProperty" and len(members(parent.node)) == 3:
                return self._defined(parent, call)
            if called in FREEZING:
                return self._frozen(parent, call)
        self._handed_on()
        if _LOOKING.fullmatch(called):
            return False
        if called in ("Object.assign", "Object.entries", "Object.values"):
            return self._doubt((*self.path, None, None), call, "the values are also handed on here")
        return self._doubt((*self.path, None), call, "the call gets the object and may change it")

    def _merged(self, parent: Frame, call: Node) -> bool:
        if self.perhaps or not parent.unconditional:
            return self._doubt((*self.path, None), parent.node, f"{_CHANCE} whether this happens")
        self.found.append(Merge(self.path, call, tuple(members(parent.node)[1:])))
        return self._returned_by_call(parent)

    def _defined(self, parent: Frame, call: Node) -> bool:
        """`Object.defineProperty(value, key, ...)`: later writes to that member may change nothing."""
        given = members(parent.node)
        self.found.append(Doubt((*self.path, _index(self.source, given[1])), call, "this is defined here", later=True))
        return self._returned_by_call(parent)

    def _frozen(self, parent: Frame, call: Node) -> bool:
        self.found.append(Freeze(self.path, call, self.later))
        return self._returned_by_call(parent)

    def _returned_by_call(self, parent: Frame) -> bool:
        """The call fails without an object, and returns it: the value goes on from there."""
        self._flows = False
        self._require((*self.path, None))
        self.frame = parent
        return True

    def substitution(self, parent: Frame) -> bool:
        """`${value}`: a tag before the template is a function that gets the value."""
        self._flows = True
        call = parent.parent.parent.node if parent.parent is not None and parent.parent.parent is not None else None
        if call is not None and call.type == "call_expression":
            return self._doubt((*self.path, None), call, "the call gets the object and may change it")
        return False

    # The end of the way

    def loop(self, parent: Frame) -> bool:
        if self._is(parent.node, "left"):
            return self._doubt(self.path, parent.node, "a loop assigns to this")
        self._handed_on()
        if self.source.read(field(parent.node, "operator")) == "in":
            return False
        return self._doubt((*self.path, None, None), parent.node, "a loop gets the values")

    def spread(self, parent: Frame) -> bool:
        self._handed_on()
        return self._doubt((*self.path, None, None), parent.node, "the values are also kept in another object")

    def returned(self, parent: Frame) -> bool:
        self._flows = True
        return self._doubt((*self.path, None), parent.node, "the object is handed on here")

    def handed_on(self, parent: Frame) -> bool:
        self._handed_on()
        return self._doubt((*self.path, None), parent.node, "the object is handed on here", lasting=True)

    def read(self, _parent: Frame) -> bool:
        self._flows = True
        return False

    def dropped(self, _parent: Frame) -> bool:
        return False


_STEPS: dict[str, Callable[[_Climb, Frame], bool]] = {
    "arguments": _Climb.argument,
    "array": _Climb.handed_on,
    "arrow_function": _Climb.returned,
    "assignment_expression": _Climb.assignment,
    "augmented_assignment_expression": _Climb.computing,
    "await_expression": _Climb.passed,
    "binary_expression": _Climb.operation,
    "call_expression": _Climb.called,
    "do_statement": _Climb.read,
    "expression_statement": _Climb.dropped,
    "for_in_statement": _Climb.loop,
    "for_statement": _Climb.read,
    "if_statement": _Climb.read,
    "member_expression": _Climb.member,
    "new_expression": _Climb.called,
    "pair": _Climb.handed_on,
    "parenthesized_expression": _Climb.passed,
    "return_statement": _Climb.returned,
    "sequence_expression": _Climb.sequence,
    "spread_element": _Climb.spread,
    "subscript_expression": _Climb.subscript,
    "switch_statement": _Climb.read,
    "template_substitution": _Climb.substitution,
    "ternary_expression": _Climb.choice,
    "throw_statement": _Climb.handed_on,
    "unary_expression": _Climb.unary,
    "update_expression": _Climb.computing,
    "variable_declarator": _Climb.declarator,
    "while_statement": _Climb.read,
    "yield_expression": _Climb.handed_on,
}


def is_printing(source: Source, call: Node) -> bool:
    """Whether a call only prints what it is given."""
    callee = call.child_by_field_name("function")
    return callee is not None and _PRINTING.fullmatch(_text(source, callee)) is not None


def is_looking_call(source: Source, call: Node) -> bool:
    """Whether a call changes nothing, as far as the functions that it is given do not."""
    callee = field(call, "function")
    if _LOOKING.fullmatch(_text(source, callee)) or _text(source, callee) in ("Object.entries", "Object.values"):
        return True
    methods = _LOOKING_METHODS | _VISITING_METHODS | _PICKING_METHODS
    return callee.type == "member_expression" and source.read(field(callee, "property")) in methods


def _only_reads(call: Node) -> bool:
    """Whether a method that hands the elements to a function gets one that only reads them (`u => u.username`)."""
    pending = members(field(call, "arguments")) if call.type == "call_expression" else []
    if len(pending) != 1 or pending[0].type != "arrow_function":
        return False
    while pending:
        node = pending.pop()
        if node.type in _ACTING:
            return False
        pending.extend(node.named_children)
    return True


def _index(source: Source, node: Node) -> str | None:
    try:
        value = literal(source, node)
    except NotLiteral:
        return None
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None


def _destructured(source: Source, pattern: Node) -> list[tuple[str | None, str | None]]:
    """The members that `const { a, b: c } = object` takes and the variables that get them; None for anything richer."""
    found: list[tuple[str | None, str | None]] = []
    for member in members(pattern):
        if member.type == "shorthand_property_identifier_pattern":
            found.append((source.read(member), source.read(member)))
        elif member.type == "pair_pattern":
            value = field(member, "value")
            variable = source.read(value) if value.type == "identifier" else None
            found.append((key_of(source, field(member, "key")), variable))
        else:
            found.append((None, None))
    return found


def _text(source: Source, node: Node) -> str:
    return "".join(source.read(node).split())
