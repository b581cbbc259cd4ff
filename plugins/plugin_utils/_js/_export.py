# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the object that a settings file exports, as Node-RED sees it after `require`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ._damage import damage
from ._objects import NotAnObject, View, chained, entries_of, made_object, uses_of_aliases
from ._scopes import declarations, mentions
from ._tree import FUNCTIONS, Source, field, unwrapped
from ._uses import Alias, Deletion, Doubt, Merge, Read, Use, Write, uses

if TYPE_CHECKING:
    from tree_sitter import Node

REMEDY = (
    "Change the file by hand so that it exports one object literal (module.exports = { ... }) with this setting in it."
)


# Where a `return` cannot stand, or returns from something else.
_WITHOUT_RETURN = FUNCTIONS | {
    "class_declaration",
    "comment",
    "expression_statement",
    "lexical_declaration",
    "variable_declaration",
}


def exported(source: Source) -> View:
    """The object that the file exports; SettingsError where it is not certain which one that is."""
    broken = damage(source)
    if broken is not None:
        raise broken
    _refuse_es_modules(source)
    _refuse_returns(source)
    _refuse_hidden_ways(source)
    through_module = uses(source, "module")
    export = _last_export(source, through_module)
    try:
        if export is None:
            return _made_by_statements(source, through_module)
        return _made_by_export(source, export, through_module)
    except NotAnObject as error:
        raise source.error(error.problem, error.place, REMEDY) from None


def _made_by_export(source: Source, export: Write, through_module: list[Use]) -> View:
    """`module.exports = ...`, and all that is done with that object below it."""
    value, names = chained(source, export.value)
    view = made_object(source, value)
    statement = _statement_around(source, export.place)
    names |= _names_before(source, statement, export.place)
    found = _through_exports(through_module, export.place.end_byte)
    # `other.x = module.exports = ...`
    found += [
        replace(use, path=use.path[1:])
        for use in through_module
        if isinstance(use, Doubt) and use.path[:1] == ("exports",) and _contains(use.place, export.place)
    ]
    known: set[str] = {source.read(value)} if value.type == "identifier" else set()
    found += uses_of_aliases(source, names, statement, known)
    for use in list(found):
        if isinstance(use, Alias) and not use.path:
            found += uses_of_aliases(source, {use.name}, use.place, known)
    view.entries += entries_of(source, [use for use in found if not isinstance(use, Alias) or use.path])
    return view


def _made_by_statements(source: Source, through_module: list[Use]) -> View:
    """`exports.uiPort = 1880;` and the like: the object that Node.js provides, filled by statements."""
    found = _through_exports(through_module, -1) + uses(source, "exports") + uses(source, "this")
    _refuse_own_exports(source, [use.place for use in found if isinstance(use, Alias) and not use.path])
    for use in found:
        if not use.path and isinstance(use, Write | Doubt):
            raise NotAnObject(use.place, "this replaces the variable exports, which exports nothing")
        if not use.path and isinstance(use, Alias):
            found = found + uses_of_aliases(source, {use.name}, use.place, {"exports"})
    if all(isinstance(use, Read) for use in found):
        state = "exports nothing" if source.text.strip("\ufeff \t\r\n") else "is empty, so it is damaged"
        raise source.error(
            f"the file {state}", 0, "Restore a backup, or take the settings.js that this Node-RED release comes with."
        )
    merged = [unwrapped(node) for use in found if isinstance(use, Merge) and not use.path for node in use.sources]
    literals = [node for node in merged if node.type == "object"]
    entries = entries_of(source, [use for use in found if not isinstance(use, Alias) or use.path])
    return View(source, entries, literals[-1] if literals else None)


def _contains(outer: Node, inner: Node) -> bool:
    return outer.start_byte <= inner.start_byte and inner.end_byte <= outer.end_byte


def _through_exports(through_module: list[Use], after: int) -> list[Use]:
    """What is done with `module.exports` itself after an offset, as uses of that object."""
    return [
        replace(use, path=use.path[1:])
        for use in through_module
        if use.path[:1] in (("exports",), (None,))
        and (use.place.start_byte > after or (isinstance(use, Doubt | Read) and use.later))
    ]


def _last_export(source: Source, through_module: list[Use]) -> Write | None:
    """The statement `module.exports = ...` that has the last word."""
    exports = [use for use in through_module if isinstance(use, Write) and use.path == ("exports",)]
    after = exports[-1].place.start_byte if exports else -1
    for use in through_module:
        reason = _doubt_about_all(use, after)
        if reason:
            raise source.error(f"what the file exports is not certain: {reason}", use.place, REMEDY)
    return exports[-1] if exports else None


def _doubt_about_all(use: Use, after: int) -> str:
    """Why it is not certain, with this use of `module`, which object is exported."""
    if isinstance(use, Doubt):
        whole = use.path in ((), (None,), ("exports",))
        return use.reason if whole and (use.later or use.place.start_byte > after) else ""
    if isinstance(use, Read):
        return ""
    if isinstance(use, Alias) and not use.path:
        return "module is also kept here"
    if use.path[:1] in ((), (None,)) or (isinstance(use, Deletion) and len(use.path) == 1):
        return "this changes module itself"
    return ""


def _statement_around(source: Source, node: Node) -> Node:
    return next(
        child
        for child in source.root.named_children
        if child.start_byte <= node.start_byte and node.end_byte <= child.end_byte
    )


def _names_before(source: Source, statement: Node, assignment: Node) -> set[str]:
    """The variables left of the assignment in `const a = b = module.exports = ...`."""
    names: set[str] = set()
    pending = [statement]
    while pending:
        node = pending.pop()
        if not (node.start_byte <= assignment.start_byte and assignment.end_byte <= node.end_byte):
            continue
        if node != assignment:
            if node.type in ("variable_declarator", "assignment_expression"):
                target = unwrapped(field(node, "name" if node.type == "variable_declarator" else "left"))
                if target.type == "identifier":
                    names.add(source.read(target))
            pending.extend(node.named_children)
    return names


def _refuse_es_modules(source: Source) -> None:
    for statement in source.root.named_children:
        if statement.type in ("import_statement", "export_statement"):
            raise source.error(
                "this is an ES module; Node-RED loads its settings with require()",
                statement,
                "Write it as CommonJS: const x = require('x') and module.exports = { ... }.",
            )


def _refuse_hidden_ways(source: Source) -> None:
    """What changes the exported object without naming it, or takes the name `module` for something else."""
    for declared in declarations(source, "module"):
        raise source.error("here module becomes something else, so nothing is exported", declared.node, REMEDY)
    for frame in mentions(source, "arguments"):
        raise source.error(
            "arguments holds module and exports, too; what is done with them here is not followed", frame.node, REMEDY
        )
    for frame in mentions(source, "eval"):
        call = frame.parent.node if frame.parent is not None else source.root
        if call.child_by_field_name("function") == frame.node:
            raise source.error("the code that eval runs may change any setting", call, REMEDY)


def _refuse_own_exports(source: Source, bindings: list[Node]) -> None:
    """Refuse a variable `exports` that is not the one of Node.js; `bindings` give it `module.exports` itself."""
    for declared in declarations(source, "exports"):
        node = declared.node
        if node.type != "variable_declarator" or (
            node.child_by_field_name("value") is not None and node not in bindings
        ):
            raise NotAnObject(node, "this replaces the variable exports, which exports nothing")


def _refuse_returns(source: Source) -> None:
    """A `return` outside functions is legal in CommonJS; what stands below it may never run."""
    pending = list(source.root.named_children)
    while pending:
        node = pending.pop()
        if node.type == "return_statement":
            raise source.error(
                "the file returns here, so the lines below can be without effect", node, "Remove the return."
            )
        if node.type not in _WITHOUT_RETURN:
            pending.extend(node.named_children)
