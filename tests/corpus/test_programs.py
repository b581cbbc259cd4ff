# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits of invented programs, judged by Node.js; and that the judge finds each kind of fault.

FUZZ_SEED, which is printed, repeats a run; `make fuzz` judges more programs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._errors import SettingsError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings._settings_js import UNDEFINED, Edit, edit
from ansible_collections.pifleet.nodered.tests.corpus import fuzz, judge, programs
from ansible_collections.pifleet.nodered.tests.corpus.choices import Choices, Reducer, without_pieces
from ansible_collections.pifleet.nodered.tests.corpus.judge import Judge, Verdict
from ansible_collections.pifleet.nodered.tests.corpus.programs import HASHES, PASSWORD, Program

PROGRAMS = 3000
# Alone, these must not be a reason for a rejection.
USUAL = (
    "nothing unusual",
    "environment with a fallback",
    "variable",
    "shorthand",
    "frozen object",
    "export of a variable",
    "export into a variable",
    "export by names",
    "export by assignment",
    "export as TypeScript",
    "export frozen",
    "export of an immediate function",
    "export through exports",
    "export in quotes",
)


@pytest.fixture(scope="module")
def outcome() -> fuzz.Outcome:
    return fuzz.outcome_of(fuzz.seeds_of(int(os.environ["FUZZ_SEED"]), PROGRAMS))


def test_an_edit_is_right_or_rejected(outcome: fuzz.Outcome) -> None:
    with Judge() as node:
        for kind, found in outcome.faults.items():
            pytest.fail(fuzz.shown(*fuzz.simplest(node, kind, min(found, key=len))), pytrace=False)


def test_most_programs_run_and_are_edited(outcome: fuzz.Outcome) -> None:
    assert outcome.programs == PROGRAMS
    assert outcome.ran > outcome.programs * 0.6


def test_nothing_usual_is_rejected(outcome: fuzz.Outcome) -> None:
    assert {shape: number for shape in USUAL if (number := outcome.rejected_by_shape[shape])} == {}


def test_every_shape_occurs() -> None:
    made = [programs.program(Choices(seed)) for seed in range(3000)]
    tables = (programs.VALUES, programs.OBJECTS, programs.MEMBERS, programs.SPREADS, programs.EXPORTS)
    expected = {name for table in (*tables, programs.STATEMENTS) for name in table}
    assert expected == {shape for each in made for shape in each.shapes}
    for layout in ("\ufeff", "\r\n", "\n\t", "/* c", "// c"):
        assert any(layout in each.text for each in made), layout
    assert not all(each.text.endswith("\n") for each in made)


def test_the_same_choices_make_the_same_program() -> None:
    for seed in range(50):
        draw = Choices(seed)
        assert programs.program(draw) == programs.program(Choices(draw.drawn))


# The judge


SETTINGS = """\
const shared = require("./part"); // c1
module.exports = {
    uiPort: 1880, // c2
    logging: { console: { level: "info" } },
    httpNodeAuth: { user: "nol", pass: "HASH" },
    adminAuth: {
        users: [
            // c3 of nol
            { username: "nol", permissions: "*" },
            // c4 of eva
            { username: "eva", permissions: "*" },
        ],
    },
    shared,
};
""".replace("HASH", HASHES[0])
FILES = {"./part": "module.exports = { level: 1 };\n"}


def verdict(
    engine: Callable[..., Edit] = edit, wanted: dict[str, object] | None = None, removed: tuple[str, ...] = ()
) -> Verdict:
    """The verdict on an edit that the given engine makes of SETTINGS."""
    with Judge(engine) as node:
        return node.verdict(Program(SETTINGS, FILES, wanted or {}, list(removed)))


def after(change: Callable[[str], str]) -> Callable[..., Edit]:
    """An engine that changes its right results once more."""

    def engine(text: str, **wishes: object) -> Edit:
        return Edit(change(edit(text, **wishes).text), ())

    return engine


def appended(statement: str) -> Callable[..., Edit]:
    return after(lambda text: text if text.endswith(statement) else text + statement)


def replaced(old: str, new: str) -> Callable[..., Edit]:
    return after(lambda text: text.replace(old, new))


def raises(error: Exception) -> Callable[..., Edit]:
    def engine(text: str, **wishes: object) -> Edit:
        raise error

    return engine


@pytest.mark.parametrize(
    ("wanted", "removed"),
    [
        ({"uiPort": 1881}, ()),
        ({"logging.console.audit": True}, ("uiPort",)),
        ({"httpNodeAuth.pass": {"$password": PASSWORD, "$rounds": 4}}, ()),
        ({"httpNodeAuth.pass": {"$password": "new", "$rounds": 4}}, ()),
        ({"uiPort": {"$fallback": 1885}, "new": {"$js": "process.env.SITE"}}, ("logging.console.level",)),
        ({"adminAuth.users": [{"username": "eva", "permissions": "*"}]}, ()),
    ],
)
def test_the_judge_finds_nothing_wrong_with_right_edits(wanted: dict[str, object], removed: tuple[str, ...]) -> None:
    found = verdict(wanted=wanted, removed=removed)
    assert (found.faults, found.rejection, found.ran) == ((), "", 2)
    assert found.text


def plant() -> Iterator[tuple[Callable[..., Edit], str]]:
    """Faulty engines, and what the judge has to say about them where port 1881 is wanted."""
    yield replaced("{ level", "{ /* new */ level"), "made up"
    yield replaced("// c2", ""), "'// c2' is lost"
    yield replaced("// c3 of nol", ""), "'// c3 of nol' is lost"
    yield replaced("1881", "1882"), "uiPort: number 1882 instead of number 1881"
    yield replaced("1881", '"1881"'), "uiPort: string 1881 instead of number 1881"
    yield replaced(' level: "info" ', ""), "logging.console.level: absent instead of string info"
    yield replaced('"*"', '"read"'), "adminAuth.users.0.permissions: string read instead of string *"
    yield appended("module.exports.extra = undefined;\n"), "extra: undefined undefined instead of absent"
    yield appended("if (process.env.LAB) delete module.exports.logging;\n"), "the full environment: logging: absent"
    yield appended("if (!process.env.LAB) delete module.exports.logging;\n"), "the empty environment: logging: absent"
    yield appended("setTimeout(() => { delete module.exports.logging; });\n"), "later, logging: absent"
    yield appended("shared.level = 2;\n"), "number 2 instead of number 1"
    yield replaced("shared,\n}", "shared: { level: 1 },\n}; shared.level = 2; ({})"), "the file ./part.level: number 2"
    yield appended("nothing();\n"), "throws ReferenceError"
    yield appended("}\n"), "throws SyntaxError"
    yield after(lambda text: text + "\n"), "the second edit changes the file"
    yield raises(ValueError("no")), "raises ValueError('no')"
    yield raises(RecursionError()), "raises RecursionError()"
    yield raises(SettingsError("no", remedy="Do it by hand.")), "a rejection names no line: no"
    yield raises(SettingsError("no", text="x", offset=0)), "a rejection names no remedy: no"


@pytest.mark.parametrize(("engine", "fault"), list(plant()))
def test_the_judge_finds_a_planted_fault(engine: Callable[..., Edit], fault: str) -> None:
    assert fault in "\n".join(verdict(engine, {"uiPort": 1881}).faults)


def test_the_judge_finds_a_replaced_hash() -> None:
    found = verdict(replaced(*HASHES), {"httpNodeAuth.pass": {"$password": PASSWORD, "$rounds": 4}})
    assert set(found.faults) >= {"a hash does not fit the password", "a hash that fitted was replaced"}


def test_the_judge_finds_what_was_not_removed() -> None:
    engine = after(lambda text: SETTINGS)
    assert "uiPort: number 1880 instead of absent" in "\n".join(verdict(engine, removed=("uiPort",)).faults)


@pytest.mark.parametrize("read", [1881, "1880", UNDEFINED, {"a": 1}, None])
def test_the_judge_finds_what_was_misread(monkeypatch: pytest.MonkeyPatch, read: object) -> None:
    monkeypatch.setattr(judge, "value", lambda _text, _name: read)
    assert "uiPort was read as" in "\n".join(verdict(wanted={"uiPort": 1881}).faults)


def test_the_judge_does_not_let_a_comment_go_with_another_user() -> None:
    wanted = {"adminAuth.users": [{"username": "nol", "permissions": "*"}]}
    assert verdict(replaced("// c4 of eva", ""), wanted).faults == ()
    assert verdict(replaced("// c3 of nol", ""), wanted).faults == ("the comment '// c3 of nol' is lost",)


# The reducer


def test_choices_are_reduced_to_those_that_a_failure_needs() -> None:
    def repeat(numbers: list[int]) -> Choices | None:
        choices = Choices(numbers)
        made = [(option, choices.below(10)) for option in choices.some("abcd")]
        return choices if any(option == "c" and number >= 5 for option, number in made) else None

    # Each option is taken, and gets a number.
    assert Reducer([99, 8, 99, 9, 99, 7, 99, 1], repeat).run(attempts=500) == [0, 0, 55, 5, 0]


def test_lines_are_reduced_to_those_that_a_failure_needs() -> None:
    assert without_pieces(list("abcdefgh"), lambda left: {"c", "g"} <= set(left)) == ["c", "g"]
