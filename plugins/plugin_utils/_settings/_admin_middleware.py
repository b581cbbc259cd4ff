# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The value of `httpAdminMiddleware`: security headers or custom code, and around it what logs failed logins.

Private; knows no Ansible.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .._core._errors import SettingsError
from ._settings_js import UNDEFINED, edit, value

SETTING = "httpAdminMiddleware"
COMPANION = "pifleet-failed-logins.js"
DIRECT, BEHIND_PROXY = "direct", "behindProxy"

# The first two keep other sites from showing the editor in a frame, where clicks are not what they seem. nosniff keeps
# the content of flows from being run as a script, and Referrer-Policy the editor's address from other sites.
HEADERS = {
    "X-Frame-Options": "SAMEORIGIN",
    "Content-Security-Policy": "frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
_HEADERS_CODE = (
    "function(req, res, next) { res.set({"
    + ", ".join(f'"{name}": "{content}"' for name, content in HEADERS.items())
    + "}); next(); }"
)
_LOGGING = re.compile(
    r"require\s*\(\s*['\"]\./" + re.escape(COMPANION) + r"['\"]\s*\)\s*\.\s*"
    rf"({DIRECT}|{BEHIND_PROXY})\s*\((.*)\)\s*",
    re.DOTALL,
)


class CustomCodeError(Exception):
    """Custom code that would be lost, or that cannot be told from that of this collection."""


@dataclass(frozen=True)
class Middleware:
    """What `httpAdminMiddleware` is made of."""

    logging: str = ""
    """`DIRECT` or `BEHIND_PROXY`; empty: failed logins are not logged."""
    rest: str = ""
    """The JavaScript of the headers, or custom code; empty: none."""

    @property
    def code(self) -> str:
        """The JavaScript expression; empty: no middleware."""
        return f'require("./{COMPANION}").{self.logging}({self.rest})' if self.logging else self.rest

    @property
    def has_headers(self) -> bool:
        """Whether the rest is the headers that this collection sets."""
        return bool(self.rest) and _same(self.rest, _HEADERS_CODE)

    def with_headers(self, wanted: bool) -> Middleware:
        """Raises CustomCodeError where custom code would be lost."""
        if wanted and self.rest and not self.has_headers:
            raise CustomCodeError
        if wanted:
            return Middleware(self.logging, _HEADERS_CODE)
        return Middleware(self.logging, "" if self.has_headers else self.rest)

    def with_logging(self, logging: str) -> Middleware:
        """Custom code stays, and runs after it."""
        return Middleware(logging, self.rest)


def present(text: str, filename: str) -> Middleware:
    """What the settings file has. Raises CustomCodeError if it has the name of our file in some other expression.

    Raises SettingsError if the value is not certain.
    """
    found = value(text, SETTING, filename=filename)
    code = found.get("$js") if isinstance(found, Mapping) else None
    if found is UNDEFINED or code is None:
        # Node-RED ignores what is no function.
        return Middleware()
    logging = _LOGGING.fullmatch(str(code).strip())
    if logging and _is_expression_or_empty(logging[2]):
        return Middleware(logging[1], logging[2].strip())
    if COMPANION in str(code):
        raise CustomCodeError
    return Middleware(rest=str(code))


def _is_expression_or_empty(code: str) -> bool:
    return not code.strip() or _same(code, code)


def _same(one: str, other: str) -> bool:
    """Whether both are one expression each, and the same but for white space."""
    try:
        text = edit("module.exports = {\n}\n", set={SETTING: {"$js": one}}).text
        return not edit(text, set={SETTING: {"$js": other}}).changed
    except SettingsError:
        return False
