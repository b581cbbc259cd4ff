# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: the options of red.js, parsed as the package nopt does.

This follows nopt 5.0.0 lib/nopt.js (parse, resolveShort, clean) with the options of red.js (Node-RED 5.0), faults
included. tests/corpus/test_options.py compares it with nopt itself.
"""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Word

# red.js, knownOpts and shortHands.
TYPES = {
    "help": "boolean",
    "port": "number",
    "settings": "path",
    "title": "string",
    "userDir": "path",
    "verbose": "boolean",
    "safe": "boolean",
    "version": "boolean",
    "define": "list",
    "no-telemetry": "boolean",
}
SHORT = {"?": "help", "p": "port", "s": "settings", "t": "help", "u": "userDir", "v": "verbose", "D": "define"}

# What String.prototype.trim and Number() of JavaScript take for white space.
_WHITE_SPACE = "\t\n\v\f\r \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029"
_WHITE_SPACE += "\u202f\u205f\u3000\ufeff"


class Option(NamedTuple):
    """An option's value and the variable that it came from (None: it is in ExecStart itself)."""

    value: str
    variable: Optional[str] = None


class _Given(NamedTuple):
    value: Union[str, bool]
    variable: Optional[str]


@dataclasses.dataclass(frozen=True)
class Options:
    """What red.js gets from its command line: of each option the value that counts."""

    port: Optional[Option] = None
    """The number, as JavaScript writes a whole one."""
    settings: Optional[Option] = None
    user_dir: Optional[Option] = None
    title: Optional[Option] = None
    safe: Optional[Option] = None
    defines: Sequence[Option] = ()
    flow_file: Optional[Option] = None


def parse(words: Sequence[Word]) -> Options:
    """The options in the words that red.js gets."""
    given, remaining = _parse(words)

    def last(name: str) -> Optional[_Given]:
        return given[name][-1] if name in given else None

    return Options(
        port=_number(last("port")),
        settings=_path(last("settings")),
        user_dir=_path(last("userDir")),
        title=_text(last("title")),
        safe=_flag(last("safe")),
        defines=[option for option in map(_text, given.get("define", ())) if option],
        flow_file=Option(remaining[0].text, remaining[0].variable) if remaining and remaining[0].text else None,
    )


def _parse(words: Sequence[Word]) -> Tuple[Dict[str, List[_Given]], List[Word]]:
    given: Dict[str, List[_Given]] = {}
    remaining: List[Word] = []
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        if re.fullmatch("-{2,}", word.text):
            return given, remaining + waiting
        if not word.text.startswith("-") or word.text == "-":
            remaining.append(word)
            continue
        text, equals, value = word.text.partition("=")
        if equals:
            waiting.insert(0, Word(value, word.variable))
        text = text.lstrip("-")
        names = _from_short(text)
        if names is None:
            _take(text, bool(equals), word.variable, waiting, given)
        else:
            waiting[:0] = [Word("--" + name, word.variable) for name in names]
    return given, remaining


def _from_short(text: str) -> Optional[List[str]]:
    """The options that a short form such as `v` or `vp` stands for; None where it is none."""
    if text in TYPES:
        return None
    if all(letter in SHORT for letter in text):
        return [SHORT[letter] for letter in text]
    return None


def _take(
    name: str, with_equals: bool, variable: Optional[str], waiting: List[Word], given: Dict[str, List[_Given]]
) -> None:
    """Take this option, and its value from the waiting words where it has one."""
    negated: Optional[bool] = None
    while name.lower().startswith("no-"):
        negated, name = not negated, name[3:]
    name = _unabbreviated(name)
    kind = TYPES.get(name)
    values = given.setdefault(name, [])
    following = waiting[0].text if waiting else None
    if negated is not None or kind == "boolean" or (kind is None and not with_equals):
        value: Union[str, bool] = not negated
        if following in ("true", "false"):
            waiting.pop(0)
            value = (following == "true") != bool(negated)
        elif kind == "list" and following and not re.match("-[^-]", following):
            value = waiting.pop(0).text
        values.append(_Given(value, variable))
        return
    if kind == "string" and (following is None or re.match("-{1,2}[^-]", following)):
        values.append(_Given("", variable))
    elif following is None or re.fullmatch("-{2,}", following):
        values.append(_Given(True, variable))
    else:
        taken = waiting.pop(0)
        values.append(_Given(taken.text, taken.variable))


def _unabbreviated(text: str) -> str:
    full = [name for name in TYPES if text and name.startswith(text)]
    return text if text in TYPES or len(full) != 1 else full[0]


def _trimmed(given: Optional[_Given]) -> Union[str, bool, None]:
    if given is None or isinstance(given.value, bool):
        return None if given is None else given.value
    return given.value.strip(_WHITE_SPACE)


def _path(given: Optional[_Given]) -> Optional[Option]:
    value = _trimmed(given)
    if given is None or value is True:
        return None
    return Option("false" if value is False else str(value), given.variable)


def _text(given: Optional[_Given]) -> Optional[Option]:
    value = _trimmed(given)
    if given is None:
        return None
    return Option(str(value).lower() if isinstance(value, bool) else str(value), given.variable)


def _flag(given: Optional[_Given]) -> Optional[Option]:
    return Option("true", given.variable) if given and given.value is True else None


def _number(given: Optional[_Given]) -> Optional[Option]:
    value = _trimmed(given)
    number = None if value is None else float(value) if isinstance(value, bool) else _as_javascript(value)
    if given is None or number is None:
        return None
    if math.isinf(number):
        return Option("Infinity" if number > 0 else "-Infinity", given.variable)
    return Option(str(int(number)) if number.is_integer() else str(number), given.variable)


def _as_javascript(text: str) -> Optional[float]:
    """The number that JavaScript's Number() makes of the text; None where that is none (NaN)."""
    if not text:
        return 0.0
    digits = re.fullmatch("0([xX])([0-9a-fA-F]+)|0([oO])([0-7]+)|0([bB])([01]+)", text)
    if digits:
        return float(int(text, 0))
    if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text, re.ASCII):
        return float(text)
    infinite = re.fullmatch("([+-]?)Infinity", text)
    return float(infinite.group(1) + "inf") if infinite else None
