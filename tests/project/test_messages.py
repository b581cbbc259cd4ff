# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page Troubleshooting has every error message of the source."""

from __future__ import annotations

import ast
import re

import pytest
from ansible_collections.pifleet.nodered.docs.site import messages

BEFORE = """
REFUSED = "It is a folder."
HOW = "Remove it."
def explained():
    return "It is full.", "Free some space."
def _changed(reason):
    return Failure(reason, "Run again.")
"""


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
        ('raise _changed("the file was replaced")', ("the file was replaced", "Run again.")),
        ('raise Failure("%s is a link." % path, remedy)', ("… is a link.", messages.IN_MESSAGE)),
        ('problems = [f"{REFUSED} {remedy}"]', ("It is a folder.", messages.IN_MESSAGE)),
        ('problems = [f"{REFUSED} {HOW}"]', ("It is a folder.", "Remove it.")),
        ("return Plan(errors=[f'{x} has no effect.'])", ("… has no effect.", "")),
    ],
)
def test_a_message_is_found_with_its_remedy(statement, message):
    assert message in found(f"{BEFORE}\ndef run():\n    {statement}\n")


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


# What is in a message that has its own correction: "must be true or false", "is empty; choose another one".
CORRECTION = re.compile(r"\b(?:must|needs?|needed|known are)\b|; (?:a port is|choose|give|write|use)\b|, then: ")
PARTS = {
    *("The lookup pifleet.nodered.… for …: …", "Two-step login of …: …", "With the new rules: …"),
    *("nodered_tls_certificate and nodered_tls_key: …", "pid … responds as Node-RED at …", "not a host name"),
    *("Run again with -vv at most: ssh shows the error then.", "tree-sitter with tree-sitter-javascript"),
    *("JSON that is nested too deeply", "no answer within … seconds", "… printed more than … bytes."),
    *("more … than Node-RED sends", "more websocket messages than Node-RED sends"),
    "a longer websocket message than Node-RED sends",
    *("… is no list", "… is no object", "… is no text", "… is not the id of a check", "it is no JSON: …"),
    *("… has more than … entries", "it has more than … bytes", "it is no report of version …"),
    "certificate_days of a host is neither null nor a number of days",
    "generated is no time in UTC such as 2026-01-31T23:59:59Z",
}
"""Causes that another message names, with the remedy."""
BESIDE_A_REMEDY = {
    "The host is reachable, and has its old firewall since ……",
    "The host is reachable, and its firewall was not changed.",
    "The old password is valid: the first line of ….",
    "Either the first password in … is valid, or the one after next=.",
    "Unless the change was confirmed, the host rolls it back within … seconds….",
    "… listens on …, which is no TCP port.",
    "… was not compared with known ones, as that would take too long.",
}
NEVER_SHOWN = {"Another run writes.", "this is no bcrypt hash"}


def test_each_message_has_a_remedy():
    explained = {one.problem for one in messages.messages() if one.remedy} | PARTS | BESIDE_A_REMEDY | NEVER_SHOWN
    without = {one.problem for one in messages.messages()} - explained
    assert [problem for problem in sorted(without) if not CORRECTION.search(problem)] == []


def test_each_failed_check_of_a_verification_is_a_message():
    of_checks = {one.problem: one.remedy for one in messages.messages() if ": not so at" in one.problem}
    assert of_checks["The editor requires a login: not so at …."].startswith("Run the role login.")
