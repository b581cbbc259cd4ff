# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine: read and edit a Node-RED settings file as a syntax tree, changing only what is wanted.

`edit()`, `value()`, `members()` and `known()` are the whole interface; they know neither files nor Ansible. A file may
come from an attacker, so its size, its depth and the time that it takes are limited (`_js/_tree`). The parts are in
`_js`:

- `_tree` parses, `_damage` says why that failed;
- `_scopes` finds which identifiers mean a variable, `_uses` follows what the program does with it, `_objects` finds
  what gives each key of an object its value, `_export` finds the object that the file exports;
- `_literals` compares and writes values, `_fallback` finds the number that an expression comes to, `_examples` finds
  commented-out settings, `_layout` places members, commas and comments, `_editor` turns wishes into changes.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from ...module_utils._core._failure import REPORT_ISSUE
from .._core._errors import MissingLibraryError, SettingsError
from .._js._damage import refused_by_node
from .._js._editor import REMOVED, Editor, Members
from .._js._effects import assigns, has_no_effect, needs_members
from .._js._export import REMEDY, exported
from .._js._fallback import fallback
from .._js._layout import Change, applied
from .._js._literals import (
    UNDEFINED,
    Code,
    Fallback,
    NotLiteral,
    Password,
    Undefined,
    elements,
    literal,
    prepared,
    properties,
    same,
)
from .._js._objects import Assignment, Found, Property, Uncertain, View, is_missing_value, place_of
from .._js._scopes import text_with_variables
from .._js._tree import DEEPEST, Source, too_deep, unwrapped
from .._js._uses import Path
from .._passwords import _bcrypt

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = [
    "UNDEFINED",
    "Edit",
    "MissingLibraryError",
    "SettingsError",
    "Undefined",
    "edit",
    "known",
    "members",
    "value",
]


# The objects of the last files that were read: so many, of files up to this size in characters.
_last_read: dict[tuple[str, str], View] = {}
_KEPT = 4
_LARGEST_KEPT = 64 * 1024
# A bcrypt hash in code, and how many of these are tried for a password: each takes about as long as to make one.
_HASH = re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")
_BRACES = re.compile("[{}]")
_MOST_HASHES = 5
# Longer than any setting with its parents.
_LONGEST_NAME = 100


@dataclass(frozen=True)
class Edit:
    """An edited settings file: the new text, and the names whose value is another one now."""

    text: str
    changed: tuple[str, ...]
    # What was done to the old text, in its order; the ranges are bytes of it.
    changes: tuple[Change, ...] = ()


def edit(
    source: str,
    *,
    set: Mapping[str, object] | None = None,
    remove: Sequence[str] = (),
    filename: str = "settings.js",
) -> Edit:
    """The settings file with the settings of `set` in effect and those of `remove` gone; SettingsError if unsure.

    A name is a setting (`uiPort`) or a dotted path (`editorTheme.projects.enabled`). A value is what JSON can hold, or
    has `{"$js": "<expression>"}` or `{"$password": "<plaintext>", "$rounds": 8}` in it. `{"$fallback": 1885}` keeps the
    setting's own expression and changes the number that it comes to where the environment says nothing else
    (`process.env.PORT || 1880`); it changes nothing where there is no such number. Names that already hold, by meaning,
    what is wanted change no byte. The result was parsed again and every name was checked in it.
    """
    wishes = _wishes(set or {}, remove)
    view = _read(source, filename)
    before = view.source
    with before.patience.paused():
        wishes = [_Wish(wish.name, wish.path, _hashed(view, wish.path, wish.value)) for wish in wishes]
    unmet = [wish for wish in wishes if not _holds(view, wish)]
    if not unmet:
        return Edit(source, ())
    refused = refused_by_node(before)
    if refused is not None:
        raise refused
    wanted = _tree(unmet)
    changes = _changes(view, wanted)
    text = applied(before, changes)
    _verify(before.edited(text, changes), view, wishes, wanted)
    return Edit(text, tuple(wish.name for wish in unmet), tuple(changes))


def _changes(view: View, wanted: Members) -> list[Change]:
    """What is to be done to the text, in its order."""
    editor = Editor(view.source, view)
    editor.fulfil(view, wanted)
    return sorted(editor.changes(), key=lambda change: (change.start, change.end))


def value(source: str, name: str, *, filename: str = "settings.js") -> object:
    """The value of a setting: plain Python, `{"$js": <source text>}` where it is computed, UNDEFINED if absent."""
    view, path = _read(source, filename), _path(name)
    text = view.source
    for depth, key in enumerate(path):
        found = view.find(key)
        _refuse_doubt(view, found, name)
        if found.winner is None:
            return UNDEFINED
        if depth == len(path) - 1:
            return _plain(text, view, found)
        inner = view.inner(found)
        if inner is None:
            if found.value is None or not _is_scalar(text, found):
                raise _not_an_object(text, found, name)
            return UNDEFINED
        view = inner
    return UNDEFINED


def members(source: str, name: str, *, filename: str = "settings.js") -> dict[str, object] | None:
    """The members of a top-level setting, each as `value` returns it, also where one of them is code.

    None if the setting is no object with members that are all certain, or if one of them is not written as
    `key: <expression>` (a method, an accessor), so that it could not be set again.
    """
    view = _read(source, filename)
    setting = view.find(name)
    inner = None if setting.winner is None or setting.doubts else view.inner(setting)
    if inner is None:
        return None
    found = {key: inner.find(key) for key in inner.names()}
    if _unknown_member(inner, list(found)) is not None:
        return None
    if any(member.doubts or (member.winner is not None and member.value is None) for member in found.values()):
        return None
    return {key: _plain(view.source, inner, member) for key, member in found.items() if member.winner is not None}


def known(source: str, *, filename: str = "settings.js") -> dict[str, object]:
    """Every top-level setting that the text gives, with its value as far as that is literal and UNDEFINED where not."""
    view = _read(source, filename)
    found = {name: view.find(name) for name in view.names()}
    return {
        name: UNDEFINED if setting.doubts else _loose(view, setting)
        for name, setting in found.items()
        if setting.winner is not None
    }


def changed(before: str, after: str) -> list[str]:
    """The top-level settings whose text differs, without those that may have got another value before already."""
    return list(_differences(_read(before, "settings.js"), _read(after, "settings.js"), Members()))


def error_at(source: str, name: str, problem: str, remedy: str, *, filename: str = "settings.js") -> SettingsError:
    """An error of the caller's about a top-level setting, at the place that gives it its value, if there is one."""
    view = _read(source, filename)
    winner = view.find(name).winner
    if winner is None:
        return SettingsError(problem, remedy=remedy, filename=filename)
    return view.source.error(problem, place_of(winner), remedy)


def _read(text: str, filename: str) -> View:
    """The object that a settings file exports."""
    view = _last_read.get((text, filename))
    if view is None:
        view = exported(Source(text, filename))
        _remember(view)
    else:
        view.source.patience.restart()
    return view


def _remember(view: View) -> None:
    """Keep what was read of a small file: one role after the other asks for the same text, or for what became of it."""
    source = view.source
    if len(source.text) <= _LARGEST_KEPT:
        _last_read[source.text, source.filename] = view
        while len(_last_read) > _KEPT:
            del _last_read[next(iter(_last_read))]


def _verify(after: Source, before: View, wishes: list[_Wish], wanted: Members) -> None:
    """Read the edited text as if it came from outside: every wish must hold in it, and all else be as before."""
    try:
        view = exported(after)
        missed = [wish.name for wish in wishes if not _holds(view, wish)]
        lost = next(_differences(before, view, wanted), None)
    except SettingsError as error:
        # Its place is one in the edited text, which the user cannot see.
        raise _unverified(before, f"the edited text did not pass the check: {error.problem}") from None
    if missed:
        raise _unverified(before, f"the edit did not bring {', '.join(missed)} into effect")
    if lost is not None:
        raise _unverified(before, f"the edit would change {lost}, too")
    _remember(view)


def _unverified(before: View, problem: str) -> SettingsError:
    place = before.home if before.home is not None else before.source.root.named_children[0]
    remedy = f"Set this by hand. {REPORT_ISSUE}"
    return before.source.error(problem, place, remedy)


def _differences(before: View, after: View, wanted: Members) -> Iterator[str]:
    """The settings that differ although no wish names them."""
    for key in itertools.chain(before.all_keys(), (key for key in after.all_keys() if not before.has(key))):
        wish = wanted.get(key)
        if key not in wanted:
            if before.text(key) != after.text(key) and not before.find(key).doubts:
                yield key
        elif isinstance(wish, Members):
            old, new = before.find(key), after.find(key)
            inside = before.inner(old), after.inner(new)
            if old.winner is None and old.doubts and new.winner is not None:
                yield key
            if inside[0] is not None and inside[1] is not None:
                yield from (f"{key}.{name}" for name in _differences(inside[0], inside[1], wish))


# What is wanted


@dataclass(frozen=True, slots=True)
class _Wish:
    """One setting and its wanted value, or REMOVED."""

    name: str
    path: tuple[str, ...]
    value: object


def _wishes(wanted: Mapping[str, object], removed: Sequence[str]) -> list[_Wish]:
    if isinstance(removed, str):
        raise SettingsError("remove is a text", remedy="Give a list of names.")
    wishes = [_Wish(str(name), _path(name), prepared(wish, str(name))) for name, wish in wanted.items()]
    wishes += [_Wish(".".join(path), path, REMOVED) for path in dict.fromkeys(map(_path, removed))]
    by_path: dict[tuple[str, ...], str] = {}
    for wish in wishes:
        if wish.path in by_path:
            raise SettingsError(f"{wish.name} is wanted twice", remedy="Name each setting once, in set or in remove.")
        by_path[wish.path] = wish.name
    for wish in wishes:
        for length in range(1, len(wish.path)):
            if (above := by_path.get(wish.path[:length])) is not None:
                raise SettingsError(
                    f"{above} and {wish.name} are both wanted, and one is part of the other",
                    remedy=f"Put all of it into {above}.",
                )
    return wishes


def _path(name: object) -> tuple[str, ...]:
    path = tuple(str(prepared(name, "a setting's name")).split(".")) if isinstance(name, str) else ()
    if len(path) > DEEPEST:
        raise SettingsError(
            f"a name of {len(path)} steps is not the name of a setting (at most {DEEPEST})",
            remedy="Set the object that is so deep as the value of one of its parents.",
        )
    if not path or not all(path) or "__proto__" in path:
        raise SettingsError(
            f"{_shown(name)} is not the name of a setting",
            remedy="Names look like uiPort or editorTheme.projects.enabled.",
        )
    return path


def _shown(name: object) -> str:
    """A name in quotes; what is no text may hold anything, also a secret."""
    return repr(name) if isinstance(name, str) and len(name) <= _LONGEST_NAME else f"a {type(name).__name__}"


def _tree(wishes: list[_Wish]) -> Members:
    """Wishes by their path, so that an object that several of them need is made once."""
    root = Members()
    for wish in wishes:
        level = root
        for key in wish.path[:-1]:
            level = cast(Members, level.setdefault(key, Members()))
        level[wish.path[-1]] = wish.value
    return root


# Passwords


def _hashed(view: View, path: tuple[str, ...], wanted: object) -> object:
    """The wanted value with its passwords as hashes; a hash in the file that still fits is kept."""
    if not _has_password(wanted):
        return wanted
    current: object = UNDEFINED
    scope: View | None = view
    for key in path:
        if scope is None:
            current = UNDEFINED
            break
        found = scope.find(key)
        current, scope = _loose(scope, found), scope.inner(found)
    return _with_hashes(path, wanted, current, _code_of(view, path[0]))


def _code_of(view: View, key: str) -> str:
    """All code that has to do with the value of a setting."""
    found = view.find(key)
    places = [found.value, *(each.place for each in found.nested), *(doubt.place for doubt in found.doubts)]
    return text_with_variables(view.source, [place for place in places if place is not None])


def _has_password(wanted: object) -> bool:
    if isinstance(wanted, dict):
        return any(_has_password(member) for member in wanted.values())
    if isinstance(wanted, list):
        return any(_has_password(element) for element in wanted)
    return isinstance(wanted, Password)


def _with_hashes(path: tuple[str, ...], wanted: object, current: object, text: str, user: object = None) -> object:
    """The wanted value with hashes; `current` is what is known of the value in the file, `text` its code."""
    if isinstance(wanted, Password):
        return _hash(path, wanted, current, text, user)
    if isinstance(wanted, dict):
        members = current if isinstance(current, dict) else {}
        user = wanted.get("username", wanted.get("user", user))
        return {key: _with_hashes((*path, key), each, members.get(key), text, user) for key, each in wanted.items()}
    if isinstance(wanted, list):
        listed = [current] if isinstance(current, dict) else current if isinstance(current, list) else []
        known = listed + [None] * len(wanted)
        if path == ("adminAuth", "users"):
            users = {user["username"]: user for user in listed if isinstance(user, dict) and _has_name(user)}
            known = [users.get(user["username"]) if _has_name(user) else None for user in wanted]
        return [_with_hashes((*path, str(index)), each, known[index], text, user) for index, each in enumerate(wanted)]
    return wanted


def _has_name(user: object) -> bool:
    return isinstance(user, dict) and isinstance(user.get("username"), str)


def _hash(path: tuple[str, ...], password: Password, current: object, text: str, user: object) -> str:
    for hashed in [current] if isinstance(current, str) else _hashes_of(user, text):
        if _bcrypt.can_stay(hashed, password.plaintext, rounds=password.rounds, ident_wanted=password.ident):
            return hashed
    try:
        return _bcrypt.hash_password(password.plaintext, rounds=password.rounds, ident=password.ident or "2b")
    except _bcrypt.PasswordError as error:
        raise SettingsError(f"{'.'.join(path)}: {error}") from None


def _hashes_of(user: object, text: str) -> list[str]:
    """The hashes that stand in code in the same braces as a user's name; of any user where the name is not known."""
    names = [f"{quote}{user}{quote}" for quote in "\"'`"] if isinstance(user, str) else [""]
    parts = [part for part in _BRACES.split(text) if any(name in part for name in names)]
    return [hashed for part in parts for hashed in _HASH.findall(part)][:_MOST_HASHES]


def _loose(view: View, found: Found, depth: int = 0) -> object:
    """The value as far as it is literal; what is not is UNDEFINED."""
    inner = view.inner(found)
    if inner is not None:
        if depth > DEEPEST:
            raise too_deep(view.source, cast("Node", found.value))
        return {key: _loose(inner, inner.find(key), depth + 1) for key in inner.names()}
    if found.value is None:
        return UNDEFINED
    return _loose_node(view.source, found.value, depth)


def _loose_node(source: Source, node: Node, depth: int) -> object:
    node = unwrapped(node)
    if depth > DEEPEST:
        raise too_deep(source, node)
    try:
        if node.type == "array":
            return [_loose_node(source, element, depth + 1) for element in elements(node)]
        if node.type == "object":
            return {key: _loose_node(source, member, depth + 1) for key, member in properties(source, node).items()}
        return literal(source, node)
    except NotLiteral:
        return UNDEFINED


# What is there


def _holds(view: View, wish: _Wish) -> bool:
    """Whether the wish is fulfilled already; refused where that, or the wish itself, cannot be certain."""
    for depth, key in enumerate(wish.path):
        found = view.find(key)
        removing = wish.value is REMOVED
        is_parent = depth < len(wish.path) - 1
        if isinstance(wish.value, Fallback):
            inner = view.inner(found) if is_parent and found.doubt() is None else None
            if inner is None:
                return is_parent or _falls_back(view, found, wish)
            view = inner
            continue
        if is_parent and not removing:
            _refuse_doubtful_parent(view, found, wish.name)
        _refuse_doubt(view, found, wish.name, absent_is_fine=not removing, removing=removing)
        if not is_parent:
            holds = _is_absent(view, found, wish.name) if removing else _matches(view, found, wish.value, wish.name)
            if not holds:
                _refuse_effects(view, found, wish)
            return holds
        inner = view.inner(found)
        if inner is None:
            is_missing = found.winner is None or is_missing_value(view.source, found.value)
            if removing and (is_missing or _is_scalar(view.source, found)):
                return not found.nested
            if not is_missing:
                raise _not_an_object(view.source, found, wish.name)
            if found.doubts_inside():
                raise _doubtful(view.source, found.doubts_inside()[0], wish.name)
            _refuse_effects(view, found, wish)
            return False
        view = inner
    raise AssertionError("a path has at least one step")


def _falls_back(view: View, found: Found, wish: _Wish) -> bool:
    """Whether the setting comes to the wanted number, or to none that could be changed with certainty."""
    number = fallback(view.source, found.value) if found.doubt() is None and not found.nested else None
    if number is None or literal(view.source, number) == cast(Fallback, wish.value).number:
        return True
    _refuse_effects(view, found, wish)
    return False


def _is_absent(view: View, found: Found, name: str) -> bool:
    """Whether nothing gives the key; refused where something that it wins over now would give it afterwards."""
    for doubt in view.doubts_about(found.key):
        raise _doubtful(view.source, doubt, name)
    return found.winner is None and not found.occurrences and not found.nested


def _matches(view: View, found: Found, wanted: object, name: str) -> bool:
    """Whether the found value, with all later writes into it, is by meaning the wanted one."""
    source = view.source
    if isinstance(wanted, dict | list | Code):
        inside = [doubt for doubt in found.doubts_inside() if _reaches(doubt.path[1:], wanted)]
        if inside:
            raise _doubtful(source, inside[0], name)
    if not found.nested:
        return found.value is not None and same(source, found.value, wanted)
    inner = view.inner(found)
    if inner is None or not isinstance(wanted, dict) or _unknown_member(inner, wanted) is not None:
        return False
    given = [member for key in inner.names() if (member := inner.find(key)).winner is not None]
    return {member.key for member in given} == wanted.keys() and all(
        member.doubt() is None and _matches(inner, member, wanted[member.key], name) for member in given
    )


def _unknown_member(view: View, known: Iterable[str]) -> Uncertain | None:
    """What may give the object a member that is none of those known."""
    keys = {*known}
    for doubt in view.doubts():
        key = doubt.path[0]
        if len(doubt.path) == 1 and (key is None or (key not in keys and view.find(key).doubt() is not None)):
            return doubt
    return None


def _reaches(path: Path, wanted: object) -> bool:
    """Whether a doubt about what lies at the path inside a value concerns a part that could change there."""
    if not isinstance(wanted, dict | list | Code):
        return False
    if isinstance(wanted, Code) or len(path) <= 1:
        return True
    step = path[0]
    if isinstance(wanted, list):
        inside = wanted if step is None or step.isdecimal() else []
    elif step is None:
        inside = list(wanted.values())
    else:
        inside = [wanted[step]] if step in wanted else []
    return any(_reaches(path[1:], member) for member in inside)


def _refuse_doubt(view: View, found: Found, name: str, *, absent_is_fine: bool = False, removing: bool = False) -> None:
    """Refuse a key whose value, once it is what we want, may still become another one."""
    if found.deletion is not None and absent_is_fine:
        raise view.source.error(f"{name} is deleted here", found.deletion.place, "Remove the delete statement.")
    doubt = found.doubt()
    if doubt is None:
        return
    if absent_is_fine and found.winner is None and all(_can_be_outdone(view, each) for each in found.doubts):
        return
    # Removed, the setting would still come from what was moved.
    spread = not removing and _is_below(found)
    remedy = f"Move this spread above {found.key} in the same object, because what comes later wins."
    raise _doubtful(view.source, doubt, name, remedy if spread else REMEDY)


def _is_below(found: Found) -> bool:
    """Whether all that is not certain about the value comes from spreads below it in the object literal."""
    literal_of = found.winner.owner if isinstance(found.winner, Property) else None
    return literal_of is not None and all(
        doubt.owner == literal_of and doubt.place.type == "spread_element" and not (doubt.later or doubt.lasting)
        for doubt in found.doubts
    )


def _refuse_doubtful_parent(view: View, found: Found, name: str) -> None:
    """Refuse a name below an object that may come from what the text does not tell: made anew, it loses the rest."""
    doubt = found.doubt()
    if doubt is not None and found.winner is None:
        raise view.source.error(
            f"{name} is part of {found.key}, and what else that holds is not certain: {doubt.reason}",
            doubt.place,
            f"Write {found.key}: {{ ... }} with all its members into the object literal below this, or set all of "
            f"{found.key}.",
        )


def _refuse_effects(view: View, found: Found, wish: _Wish) -> None:
    """Refuse to change a value of which other code makes something else, or without which it fails."""
    source = view.source
    is_set = wish.value is not REMOVED
    replaced = [found.winner] if is_set and found.winner is not None else found.occurrences
    for each in replaced:
        if each.value is not None and assigns(source, _assigned_last(each)):
            raise source.error(
                f"the value of {wish.name} also changes a variable here, which would be lost",
                each.value,
                "Change the variable in a statement of its own.",
            )
    for read in found.reads:
        if any(place_of(each).start_byte <= read.place.start_byte < place_of(each).end_byte for each in replaced):
            continue
        # What only the assignment goes from leaves a variable with the value (`const a = exports.a = 1`).
        keeps = not is_set and read.flow is not None and any(place_of(each) == read.flow.node for each in replaced)
        if keeps or (is_set and found.is_read_before(read)):
            continue
        path = (*read.path, None) if read.name is not None and needs_members(source, read.name) else read.path
        if len(path) > 1 and not _carries(source, found.value, wish.value, path[1:-1]):
            raise source.error(
                f"the code here uses a part of {wish.name} and would fail without it",
                read.place,
                f"Take this out first, or change {wish.name} by hand together with it.",
            )
        if read.flow is not None and not has_no_effect(source, read.flow):
            raise source.error(
                f"what happens here depends on {wish.name}, so other settings may change with it",
                read.place,
                f"Change {wish.name} by hand together with this, or write the value here in full.",
            )


def _assigned_last(occurrence: Property | Assignment) -> Node:
    """What `exports.a = exports.b = value` assigns; `exports.b` keeps it when `exports.a` is removed."""
    value = cast("Node", occurrence.value)
    while isinstance(occurrence, Assignment) and value.type == "assignment_expression":
        left = value.child_by_field_name("left")
        if left is None or left.type != "member_expression":
            break
        value = cast("Node", value.child_by_field_name("right"))
    return value


def _carries(source: Source, present: Node | None, wanted: object, path: Path) -> bool:
    """Whether code that uses a member of what lies at the path inside the present value can do that in the wanted."""
    if path:
        step = path[0]
        if isinstance(wanted, dict) and step in wanted:
            return _carries(source, None, wanted[step], path[1:])
        if isinstance(wanted, list) and step is not None and step.isdecimal() and int(step) < len(wanted):
            return _carries(source, None, wanted[int(step)], path[1:])
        return False
    if isinstance(wanted, dict | list | Code):
        return True
    try:
        return present is not None and wanted is not None and _kind(literal(source, present)) == _kind(wanted)
    except NotLiteral:
        return False


def _kind(value: object) -> type:
    return float if isinstance(value, int) and not isinstance(value, bool) else type(value)


def _can_be_outdone(view: View, doubt: Uncertain) -> bool:
    """Whether a new member at the end of the literal wins over the doubt."""
    if view.home is None or doubt.later or doubt.lasting or len(doubt.path) > 1:
        return False
    return doubt.owner == view.home or doubt.place.end_byte <= view.home.start_byte


def _doubtful(source: Source, doubt: Uncertain, name: str, remedy: str = REMEDY) -> SettingsError:
    return source.error(f"the value of {name} is not certain: {doubt.reason}", doubt.place, remedy)


def _not_an_object(source: Source, found: Found, name: str) -> SettingsError:
    place = found.value if found.value is not None else place_of(cast("Property | Assignment", found.winner))
    return source.error(
        f"{name} is part of {found.key}, whose value is not an object literal",
        place,
        f"Set all of {found.key}, or write its value as an object literal.",
    )


def _is_scalar(source: Source, found: Found) -> bool:
    if found.value is None:
        return False
    try:
        return not isinstance(literal(source, found.value), dict | list)
    except NotLiteral:
        return False


def _plain(source: Source, view: View, found: Found, depth: int = 0) -> object:
    if found.value is None:
        # A method, an accessor or a shorthand property.
        return {"$js": source.read(cast(Property, found.winner).node)}
    inner = view.inner(found)
    if inner is None and unwrapped(found.value).type == "array":
        if found.nested:
            remedy = "Move this value into the list, or leave it out."
            raise source.error(f"{found.key} also gets values here", found.nested[0].place, remedy)
        if found.doubts_inside():
            raise _doubtful(source, found.doubts_inside()[0], found.key)
    if inner is not None and (found.nested or found.doubts_inside()):
        if depth > DEEPEST:
            raise too_deep(source, found.value)
        names = inner.names()
        unknown = _unknown_member(inner, names)
        if unknown is not None:
            raise _doubtful(source, unknown, found.key)
        members = {}
        for key in names:
            member = inner.find(key)
            _refuse_doubt(inner, member, key)
            if member.winner is not None:
                members[key] = _plain(source, inner, member, depth + 1)
        return members
    try:
        return literal(source, found.value)
    except NotLiteral:
        return {"$js": source.read(found.value)}
