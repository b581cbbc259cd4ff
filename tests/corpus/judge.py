# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge of edits: whatever a program is, an edit of it is right, or it is rejected.

An edit is right if Node.js finds every key as before, except for what was wanted (`judge.js`), if no comment is lost,
and if the same edit of the result changes no byte. What the engine reads from the text is what Node.js finds. A
rejection is a SettingsError with the place and the remedy.

A comment may go only with the user that it stands in or directly above, when that user is removed from a list of users.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import tree_sitter
import tree_sitter_javascript
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._errors import SettingsError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords import _bcrypt
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings._settings_js import Edit, edit, value

from .programs import ENVIRONMENT, Program

JUDGE = pathlib.Path(__file__).resolve().with_name("judge.js")
ENVIRONMENTS: dict[str, dict[str, str]] = {"the empty": {}, "the full": ENVIRONMENT}
LANGUAGE = tree_sitter.Language(tree_sitter_javascript.language())
COMMENTS = tree_sitter.Query(LANGUAGE, "(comment) @comment")


@dataclass(frozen=True)
class Verdict:
    """What became of an edit: its faults, or why it was rejected, or the edited text."""

    faults: tuple[str, ...] = ()
    rejection: str = ""
    # In how many environments the program runs at all.
    ran: int = 0
    text: str = ""


class Judge:
    """A Node.js process that judges one edit after another."""

    def __init__(self, engine: Callable[..., Edit] = edit) -> None:
        self._edit = engine
        self._node = subprocess.Popen(["node", JUDGE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Judge:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._node.communicate()

    def verdict(self, program: Program) -> Verdict:
        """Edit the program and judge the result."""
        try:
            edited = self._edit(program.text, set=program.wanted, remove=program.removed)
        except SettingsError as error:
            # What does not run may be rejected for any reason.
            ran = self._loaded(program, Edit(program.text, ()))["ran"]
            return Verdict(tuple(_faults_of_rejection(error)) if ran else (), error.problem, ran)
        except Exception as error:  # noqa: BLE001 - any other exception is the fault that is looked for
            return Verdict((f"raises {error!r}",))
        verdict = self._loaded(program, edited)
        faults = [
            *verdict["faults"],
            *_wrong_hashes(program, verdict["hashes"]),
            *lost_comments(program, edited.text),
        ]
        faults += self._second(program, edited)
        return Verdict(tuple(faults), ran=verdict["ran"], text=edited.text)

    def _loaded(self, program: Program, edited: Edit) -> dict[str, Any]:
        """What Node.js says about the text before and after the edit."""
        wishes: list[dict[str, object]] = [{"path": name.split("."), "removed": True} for name in program.removed]
        for name, wanted in program.wanted.items():
            if not isinstance(wanted, dict) or "$fallback" not in wanted:
                wishes.append({"path": name.split("."), "wanted": wanted})
            elif name in edited.changed:
                wishes.append({"path": name.split("."), "fallback": wanted["$fallback"]})
        question = {
            "before": program.text,
            "after": edited.text,
            "files": program.files,
            "environments": ENVIRONMENTS,
            "wishes": wishes,
            "reads": list(_read(program)),
        }
        assert self._node.stdin is not None and self._node.stdout is not None
        self._node.stdin.write(json.dumps(question, default=lambda _undefined: {"$undefined": True}) + "\n")
        self._node.stdin.flush()
        verdict: dict[str, Any] = json.loads(self._node.stdout.readline())
        return verdict

    def _second(self, program: Program, edited: Edit) -> list[str]:
        """What is wrong with the same edit of the edited text."""
        try:
            again = self._edit(edited.text, set=program.wanted, remove=program.removed)
        except SettingsError as error:
            return [f"the second edit is rejected: {error.problem}"]
        except Exception as error:  # noqa: BLE001 - any other exception is the fault that is looked for
            return [f"the second edit raises {error!r}"]
        return [] if again.text == edited.text and not again.changed else ["the second edit changes the file"]


def _read(program: Program) -> Iterator[dict[str, object]]:
    """What the engine reads from the program's text, of all settings that the edit concerns."""
    for name in [*program.wanted, *program.removed]:
        with contextlib.suppress(SettingsError):
            yield {"path": name.split("."), "value": value(program.text, name)}


def lost_comments(program: Program, after: str) -> list[str]:
    """A fault for each comment that the edit lost, or made up."""
    old, new = comments(program.text), comments(after)
    faults = [f"the comment {comment!r} is made up" for comment in new - old]
    for comment in old - new:
        user = re.search(r"\bof (\w+)", comment)
        if user is None or not _is_removed(user[1], program):
            faults.append(f"the comment {comment!r} is lost")
    return faults


def comments(text: str) -> Counter[str]:
    """How often each comment stands in the text."""
    tree = tree_sitter.Parser(LANGUAGE).parse(text.encode())
    found = tree_sitter.QueryCursor(COMMENTS).captures(tree.root_node).get("comment", [])
    return Counter((node.text or b"").decode().rstrip() for node in found)


def _is_removed(user: str, program: Program) -> bool:
    """Whether the edit removes the user, alone or with all users."""
    above = ("adminAuth", "adminAuth.users")
    if any(name in program.removed for name in above):
        return True
    return any(name in program.wanted and user not in json.dumps(program.wanted[name]) for name in above)


def _faults_of_rejection(error: SettingsError) -> list[str]:
    faults = []
    if error.line is None:
        faults.append(f"a rejection names no line: {error.problem}")
    if not error.remedy:
        faults.append(f"a rejection names no remedy: {error.problem}")
    return faults


def _wrong_hashes(program: Program, hashes: list[dict[str, str | None]]) -> list[str]:
    """Set passwords that do not verify, or that got a new hash where the text shows one that was right."""
    faults = []
    is_shown = "computed key" not in program.shapes
    for each in hashes:
        plaintext, before, after = str(each["plaintext"]), each["before"] or "", each["after"] or ""
        if not _bcrypt.verify(plaintext, after):
            faults.append("a hash does not fit the password")
        if before != after and is_shown and before in program.text and _bcrypt.can_stay(before, plaintext, rounds=4):
            faults.append("a hash that fitted was replaced")
    return faults
