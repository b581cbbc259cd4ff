# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: an error on the machine, with its remedy, and the masking of what it quotes."""

from __future__ import annotations

import re
from typing import Any, Iterable, Mapping, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils._core._masking import (
    HIDDEN,
    SECRET_NAME,
    shown,
    strings_of_line,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._core._masking import masked as masked_code
from ansible_collections.pifleet.nodered.plugins.module_utils._core._pattern import LatePattern
from ansible_collections.pifleet.nodered.plugins.module_utils._core._text import printable

REPORT_ISSUE = "Report this as an issue at https://github.com/pifleet/nodered/issues, with this message."
"""The remedy for what can only be a bug of this collection."""


class Failure(Exception):
    """What was found and what to do about it. Its text is shown to the user: it is printable and holds no secret.

    `details` are for the action plugin that called the module.
    """

    def __init__(self, problem: str, remedy: str = "", **details: Any) -> None:
        self.details = details
        self.problem = printable(problem)
        self.remedy = printable(remedy)
        super().__init__(self.problem + ("\n" + self.remedy if remedy else ""))


def of_system(error: OSError) -> Failure:
    """The Failure for an error of the system that nothing else explains."""
    where = "%s: " % error.filename if error.filename else ""
    return Failure(
        "%s%s." % (where, error.strerror or error),
        "A file changed during the run, or the disk has an error (dmesg). Run again.",
    )


# In the names of environment variables.
_SECRET_VARIABLE = LatePattern(
    r"(?:pass|pwd|psk|secret|token|bearer|credential|auth|(?:api|private|encryption)_?key)", re.IGNORECASE
)
# An MD5 sum is a password for httpNodeAuth (Node-RED red.js: pass.length == 32).
_MD5 = re.compile(r"\b[0-9a-fA-F]{32}\b")
# What programs print: "password: hunter2", "MQTT_PASSWORD=hunter2"; not OpenSSL's "X509_check_private_key:key values".
_TOLD_SECRET = LatePattern(
    r"""((?<![\w-])(?<!routines:)[\w-]{0,99}%s\s*(?::|=(?!=))\s*(?:(?:Basic|Bearer)\s+)?)(?!["'`])[^\s,;&]+"""
    % SECRET_NAME,
    re.IGNORECASE | re.VERBOSE,
)
_VARIABLE = LatePattern(r"""\b(\w{0,99}%s\w*=)(?!["'`])[^\s,;&]+""" % _SECRET_VARIABLE.pattern, re.IGNORECASE)
# Node.js reports a syntax error with the line of the file, carets below it, and parts of it in the message.
_SHOWN_LINE = LatePattern(r"^.*$(?=\r?\n[ \t]*\^+[ \t]*$)", re.MULTILINE)
_SHOWN_WORD = LatePattern(r"((?:Unexpected identifier|Unexpected number) ')[^'\n]*'")
_SHOWN_JSON = LatePattern(r"^[^\n\"]*(?P<shown>\"[^\n]*)(?= is not valid JSON)", re.MULTILINE)
# What programs are started with: "--password hunter2", "mosquitto_pub -P hunter2", "curl -u ada:hunter2"; -p is a port,
# a folder or the like, too.
_OPTION = LatePattern(
    r"""((?<!\S)--?[\w-]*%s[ \t]+|(?<!\S)-[pP][ \t]+(?!\d{1,5}(?!\S)|[./~])|(?<!\S)(?:-u|--user)[ \t=]+[^\s:]+:)
    (?!-|(?:and|are|has|is|must|needs|option|or|was)\b)("[^"\r\n]*"?|'[^'\r\n]*'?|\S+)"""
    % SECRET_NAME,
    re.IGNORECASE | re.VERBOSE,
)
# "ada:hunter2@broker", "auth: ada:hunter2"; not "npm:name@1.2".
_USER_INFO = LatePattern(r"""(?<![\w:/.+-])([\w.+-]{1,64}:)[^\s@'"`]{0,99}[^\s@'"`/]@(?=[A-Za-z[])""")
_TOLD_AUTH = LatePattern(r"""(\b\w*auth["']?\s{0,9}[:=]\s{0,9}["'`]?[^\s:'"`]+:)(?!//)[^\s,;]+""", re.IGNORECASE)
# "the password is hunter2"
_SAID = LatePattern(
    r"""(\b\w*%s\s{1,9}is\s{1,9}["'`]?)(?!(?:a|already|also|an|being|by|empty|expected|expired|for|from|given|hidden|
    in|incorrect|invalid|kept|longer|missing|needed|neither|never|no|not|null|of|on|only|required|rejected|set|stored|that|
    the|then|this|to|too|undefined|unknown|unset|used|valid|wrong)\b)[^\s,;"'`]+"""
    % SECRET_NAME,
    re.IGNORECASE | re.VERBOSE,
)


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """What a program printed, printable, with stars for hashes, values under names that hold secrets, and `secrets`.

    Of a line of the settings file, which Node.js shows in a syntax error, all that stands in strings is hidden.
    """
    text = printable(text)
    for secret in sorted(map(printable, secrets), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    text = _SHOWN_LINE.sub(lambda line: shown(line[0], strings_of_line(line[0])), masked_code(text))
    text = _SHOWN_WORD.sub(r"\1" + HIDDEN + "'", text)
    text = _SHOWN_JSON.sub(lambda line: line[0][: line.start("shown") - line.start()] + '"' + HIDDEN + '"', text)
    for pattern in (_TOLD_SECRET, _VARIABLE, _OPTION, _USER_INFO, _TOLD_AUTH, _SAID):
        text = pattern.sub(_without_value, text)
    return _MD5.sub(HIDDEN, text)


def _without_value(match: "re.Match[str]") -> str:
    ending = "@" if match[0].endswith("@") and match.re is _USER_INFO.compiled else ""
    return match[1] + HIDDEN + ending


def secrets_in(environment: Mapping[str, str]) -> Tuple[str, ...]:
    """The values of those variables whose name says that they hold a secret."""
    return tuple(value for name, value in environment.items() if len(value) >= 4 and _SECRET_VARIABLE.search(name))
