# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a settings file looks like and whatever is wanted of it: it holds afterwards, and no comment is lost."""

from __future__ import annotations

import re
from collections import Counter

from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings._settings_js import UNDEFINED, edit, value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

KEYS = ["a", "b", "c", "uiPort", "x-y"]
SCALARS = st.sampled_from(["1", "0x10", "'s'", '"t"', "true", "null", "f(1)", "`u`", "-1.5", "() => ({ a: 1 })"])
USERS = ["ann", "bob", "cy"]
WANTED_SCALARS = st.sampled_from([1, 16, "s", "t", True, None, -1.5, "long " * 20])

COMMENT = re.compile(r"/\*c\d+\*/|//c\d+(?=\r?$)", re.MULTILINE)


class Numbered:
    """Makes each comment of a text another one."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, form: str) -> str:
        self.count += 1
        return form.replace("N", str(self.count))


def gaps(line_end: str) -> st.SearchStrategy[str]:
    """What may stand between two tokens: white space and comments, some of them commented-out settings."""
    return st.sampled_from(
        [
            "",
            " ",
            line_end,
            f"{line_end}    ",
            f"{line_end}\t",
            " /*cN*/ ",
            f" //cN{line_end}",
            f"{line_end}    //cN{line_end}",
            f"{line_end}    // uiPort: 1,{line_end}",
            f"{line_end}  //b: {{{line_end}  //}},{line_end}",
        ]
    )


@st.composite
def objects(draw: st.DrawFn, line_end: str, depth: int = 0) -> str:
    """The text of an object literal, written in any way."""
    gap = gaps(line_end)
    members = []
    for _member in range(draw(st.integers(0, 4))):
        key = draw(st.sampled_from(KEYS))
        quoted = f"'{key}'" if key == "x-y" or draw(st.booleans()) else key
        members.append(f"{draw(gap)}{quoted}{draw(gap)}:{draw(gap)}{draw(values(line_end, depth + 1))}{draw(gap)}")
    comma = "," if members and draw(st.booleans()) else ""
    return "{" + ",".join(members) + comma + draw(gap) + "}"


@st.composite
def values(draw: st.DrawFn, line_end: str, depth: int) -> str:
    kind = draw(st.sampled_from(["scalar", "scalar", "object", "array", "users"])) if depth < 3 else "scalar"
    gap = gaps(line_end)
    if kind == "object":
        return draw(objects(line_end, depth))
    if kind == "array":
        elements = [
            draw(gap) + draw(values(line_end, depth + 1)) + draw(gap) for _member in range(draw(st.integers(0, 3)))
        ]
        return "[" + ",".join(elements) + draw(gap) + "]"
    if kind == "users":
        names = draw(st.lists(st.sampled_from(USERS), unique=True, max_size=3))
        return "[" + ",".join(f"{draw(gap)}{{ username: '{name}' }}{draw(gap)}" for name in names) + "]"
    return draw(SCALARS)


@st.composite
def sources(draw: st.DrawFn) -> str:
    """A settings file."""
    line_end = draw(st.sampled_from(["\n", "\r\n"]))
    head = draw(st.sampled_from(["module.exports = ", "const s = module.exports = ", "exports = module.exports ="]))
    text = head + draw(objects(line_end)) + draw(st.sampled_from([";", "", line_end]))
    number = Numbered()
    return re.sub("cN", lambda match: number("cN"), text)


WANTED = st.recursive(
    WANTED_SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3)
        | st.lists(st.sampled_from(USERS), unique=True, max_size=3).map(lambda names: [{"username": n} for n in names])
    ),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    source=sources(),
    wanted=st.dictionaries(st.sampled_from(KEYS), WANTED, max_size=3),
    removed=st.lists(st.sampled_from(KEYS), unique=True, max_size=2),
)
def test_any_edit_of_any_object_holds_and_loses_no_comment(
    source: str, wanted: dict[str, object], removed: list[str]
) -> None:
    removed = [name for name in removed if name not in wanted]
    text = edit(source, set=wanted, remove=removed).text
    for name, wish in wanted.items():
        assert value(text, name) == wish
    for name in removed:
        assert value(text, name) is UNDEFINED
    for name in {*KEYS} - {*wanted} - {*removed}:
        assert value(text, name) == value(source, name)
    assert Counter(COMMENT.findall(text)) == Counter(COMMENT.findall(source))
    assert edit(text, set=wanted, remove=removed).text == text
    if "\r\n" in source:
        assert "\n" not in text.replace("\r\n", "")
