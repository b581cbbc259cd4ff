# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: checks what a playbook gives to a filter. No message shows a value: it may be a secret in a wrong place."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from ...module_utils._core._text import short_line

# Up to here JavaScript has all whole numbers (Number.MAX_SAFE_INTEGER and 1).
MOST = 2**53

_TRUTH = {
    **dict.fromkeys(("y", "yes", "on", "1", "true", "t"), True),
    **dict.fromkeys(("n", "no", "off", "0", "false", "f"), False),
}


class ArgumentError(ValueError):
    """Something that cannot be used. `problems` has one message for each mistake, with what is wrong and the remedy."""

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


def text(value: object, what: str) -> str:
    """A text, as it is."""
    if not isinstance(value, str):
        raise ArgumentError(f"{what} must be text, not {kind(value)}. Put it in quotes, or give another variable.")
    return value


def release(value: object, what: str) -> str:
    """The number of a release. As a number it would have lost digits: 4.10 is 4.1."""
    if not isinstance(value, str) or not value[:1].isdigit():
        raise ArgumentError(f"{what} must be a release in quotes such as '4.1.15', not {kind(value)}.")
    return value


def release_numbers(release: str) -> tuple[int, ...]:
    """What of a release can be compared: (4, 1, 15) for `4.1.15`, and (4, 1, 0) for `4.1.0-beta.2`."""
    return tuple(int(part) for part in re.findall(r"\d+", release)[:3])


def release_name(release: tuple[int, ...]) -> str:
    """`4.1.15` for (4, 1, 15); what stands for a release that could not be found out."""
    return ".".join(map(str, release)) or "of an unknown release"


def whole_number(value: object, what: str) -> int:
    """A whole number, also as text: that is what the option -e of ansible-playbook gives."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 16:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ArgumentError(f"{what} must be a whole number, not {kind(value)}.")
    if abs(value) > MOST:
        raise ArgumentError(f"{what} must be a whole number up to {MOST}; Node.js knows no larger one.")
    return value


def truth(value: object, what: str) -> bool:
    """Yes or no, also in the words that Ansible knows for them: the option -e of ansible-playbook gives text."""
    if isinstance(value, bool):
        return value
    found = _TRUTH.get(str(value).lower()) if isinstance(value, (str, int)) else None
    if found is None:
        raise ArgumentError(f"{what} must be true or false, not {kind(value)}.")
    return found


def mapping(value: object, what: str) -> Mapping[str, object]:
    """A dictionary whose keys are text."""
    if not isinstance(value, Mapping):
        raise ArgumentError(f"{what} must be a dictionary, not {kind(value)}.")
    for key in value:
        if not isinstance(key, str):
            raise ArgumentError(f"{what} has a key that is {kind(key)}. Put it in quotes.")
    return value


def names(value: object, variable: str, example: str = "NAME") -> list[str]:
    """A list of texts."""
    if not is_list(value):
        raise ArgumentError(list_problem(value, variable, example))
    for index, name in enumerate(value):
        if not isinstance(name, str):
            raise ArgumentError(f"{variable}[{index}] must be a name, not {kind(name)}.")
    return list(value)


def is_list(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, str)


def list_problem(value: object, variable: str, example: str) -> str:
    """Why this is no list, and how to write one with this element; empty if it is one."""
    return (
        "" if is_list(value) else f"{variable} must be a list, not {kind(value)}. {how_to_write(variable, [example])}"
    )


def dictionary_problem(value: object, variable: str, example: Mapping[str, object]) -> str:
    """Likewise for a dictionary."""
    if isinstance(value, Mapping):
        return ""
    return f"{variable} must be a dictionary, not {kind(value)}. {how_to_write(variable, example)}"


def how_to_write(variable: str, example: object) -> str:
    """How to write a list or a dictionary. The option -e takes KEY=VALUE as text, whatever the value is."""
    whole = json.dumps({variable: example})
    return f"Write {variable}: {json.dumps(example)} in a file, or -e '{whole}' on the command line."


def shown(value: object) -> str:
    """A text or a number on one short line; of anything else, which may hold a secret, only what it is."""
    return short_line(str(value)) if isinstance(value, str | int | float) else kind(value)


def kind(value: object) -> str:
    """The kind of the value, in the words of YAML."""
    if value is None:
        return "empty (null)"
    kinds = ((bool, "a truth value"), (int | float, "a number"), (str, "text"), (Mapping, "a dictionary"))
    for kind, called in (*kinds, (Sequence, "a list")):
        if isinstance(value, kind):
            return called
    return f"a {type(value).__name__}"
