# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page Troubleshooting has every error message of the source."""

from __future__ import annotations

import ast
import re

import pytest
from ansible_collections.pifleet.nodered.docs.site import messages


def found(source: str) -> list[tuple[str, str]]:
    return [(one.problem, one.remedy) for one in messages.messages_of("file.py", ast.parse(source))]


def test_the_page_has_the_messages_of_the_source():
    page = messages.PAGE.read_text()
    assert messages.page_with_tables(page) == page, "The messages have changed: run make messages."


def test_each_group_of_the_page_has_messages():
    for group in messages.GROUP.finditer(messages.PAGE.read_text()):
        assert len(group["table"].splitlines()) > 5, group["files"]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ('raise Failure("%s is a link." % path, "Remove it.")', ("… is a link.", "Remove it.")),
        ('raise ArgumentError(f"{name} must be a number. Change it.")', ("… must be a number.", "Change it.")),
        ('raise SettingsError("this is no JSON", remedy="Correct it.")', ("this is no JSON", "Correct it.")),
        ('raise source.error("a comma is missing", place, "Add it.")', ("a comma is missing", "Add it.")),
        ('raise Failure("It is old." if old else "It is new.")', ("It is new.", "")),
        ('problems = []\n    problems.append("It is a link.")', ("It is a link.", "")),
        ("text = 'It is a link.'\n    raise Failure(text)", ("It is a link.", "")),
        ("raise Failure(*explained())", ("It is full.", "Free some space.")),
        (
            "problem, remedy = explained()\n    raise Failure('%s: %s' % (x, problem), remedy)",
            ("It is full.", "Free some space."),
        ),
        ('raise because("module is something else")', ("module is something else", "")),
        ("return Plan(errors=[f'{x} has no effect.'])", ("… has no effect.", "")),
    ],
)
def test_a_message_is_found_with_its_remedy(statement, message):
    explained = 'def explained():\n    return "It is full.", "Free some space."\n'
    assert message in found(f"{explained}\ndef run():\n    {statement}\n")


def test_what_is_no_error_is_left_out():
    assert (
        found(
            'def run():\n    """Run it at once."""\n    print("This is a note.")\n    raise ValueError("It is caught.")'
        )
        == []
    )


def test_a_file_without_a_group_is_an_error():
    page = re.sub(r"<!-- messages: plugin_utils/_js,", "<!-- messages:", messages.PAGE.read_text())
    with pytest.raises(LookupError, match="plugin_utils/_js"):
        messages.page_with_tables(page)
