# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: how something that went wrong on the target is told."""

from __future__ import annotations

import re
from typing import Iterable, Mapping, Tuple


class Failure(Exception):
    """What was found and what to do about it. Its text is shown to the user and holds no secret."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem + ("\n" + remedy if remedy else ""))
        self.problem = problem
        self.remedy = remedy


_SECRET_WORD = r"(?:pass|pwd|secret|token|credential|private_?key|api_?key|auth)"
_SECRET_VARIABLE = re.compile(_SECRET_WORD, re.IGNORECASE)
_BCRYPT = re.compile(r"(\$2[abxy]?\$\d\d\$)[./A-Za-z0-9]{8,53}")
# An MD5 sum is a password for httpNodeAuth (Node-RED red.js: pass.length == 32).
_MD5 = re.compile(r"\b[0-9a-fA-F]{32}\b")
# The closing quote is optional: an unterminated string is what a syntax error often shows.
_QUOTED_SECRET = re.compile(
    r"""((?:["']?)[\w.-]*%s[\w-]*["']?\s*[:=]\s*)(["'`])(?:\\.|(?!\2)[^\\\n])*(\2|$)""" % _SECRET_WORD,
    re.IGNORECASE | re.MULTILINE,
)
_BARE_SECRET = re.compile(r"""\b(\w*%s\w*=)(?!["'`])[^\s,;&]+""" % _SECRET_WORD, re.IGNORECASE)
# What programs print: "password: hunter2".
_TOLD_SECRET = re.compile(
    r"""\b((?:password|passphrase|passwd|pwd|secret|token)\s*:\s*)(?!["'`])[^\s,;&]+""", re.IGNORECASE
)
_URL_PASSWORD = re.compile(r"(\w://[^\s:/@]*:)[^\s@/]+@")

_MASK = "********"


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """The text with hashes, values under names that hold secrets, and the given secrets replaced by stars."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, _MASK)
    text = _BCRYPT.sub(r"\1" + _MASK, text)
    text = _QUOTED_SECRET.sub(r"\1\2" + _MASK + r"\3", text)
    text = _BARE_SECRET.sub(r"\1" + _MASK, text)
    text = _TOLD_SECRET.sub(r"\1" + _MASK, text)
    text = _URL_PASSWORD.sub(r"\1" + _MASK + "@", text)
    return _MD5.sub(_MASK, text)


def secrets_in(environment: Mapping[str, str]) -> Tuple[str, ...]:
    """The values of those variables whose name says that they hold a secret."""
    return tuple(value for name, value in environment.items() if len(value) >= 4 and _SECRET_VARIABLE.search(name))
