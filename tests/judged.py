# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits of small settings files, judged by Node.js: what was wanted is in effect, and nothing else changed."""

from __future__ import annotations

import copy
import os
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from unittest import mock

from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings._settings_js import SettingsError, edit
from ansible_collections.pifleet.nodered.tests.evaluated import evaluated, plain

# The variable of the environment on which the files of the tests depend.
LAB = "LAB"


@dataclass(frozen=True)
class Case:
    """A settings file and what is wanted in it."""

    source: str
    wanted: Mapping[str, object] = field(default_factory=dict)
    removed: Sequence[str] = ()


def edited(case: Case) -> str | None:
    """The text after the edit, None where it is rejected; a rejection has a line and a remedy."""
    try:
        text = edit(case.source, set=case.wanted, remove=case.removed).text
    except SettingsError as error:
        assert error.line is not None, error
        assert error.remedy, error
        return None
    assert edit(text, set=case.wanted, remove=case.removed).text == text
    return text


def judge(cases: Sequence[Case], folder: pathlib.Path) -> None:
    """Check every edit that is not rejected, without and with LAB in the environment."""
    texts = [(case, text) for case in cases if (text := edited(case)) is not None]
    for value in (None, "1"):
        environment = {key: member for key, member in os.environ.items() if key != LAB} | (
            {LAB: value} if value else {}
        )
        results = folder / f"lab-{value}"
        results.mkdir()
        with mock.patch.dict(os.environ, environment, clear=True):
            found = evaluated({each for case, text in texts for each in (case.source, text)}, results)
        for case, text in texts:
            expected = with_wishes(plain(found[case.source]), case.wanted, case.removed)
            assert plain(found[text]) == expected, f"{LAB}={value}\n{case}\n{text}"


def with_wishes(exported: object, wanted: Mapping[str, object], removed: Sequence[str]) -> object:
    """What has to be exported after an edit."""
    assert isinstance(exported, dict)
    result = copy.deepcopy(exported)
    for name, value in wanted.items():
        *parents, last = name.split(".")
        inner = result
        for parent in parents:
            if not isinstance(inner.get(parent), dict):
                inner[parent] = {}
            inner = inner[parent]
        inner[last] = value
    for name in removed:
        *parents, last = name.split(".")
        inner = result
        for parent in parents:
            inner = inner.get(parent, {})
        inner.pop(last, None)
    return result
