# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that callback plugins receive in a run, and the search for passwords in it."""

from __future__ import annotations

import base64
import hashlib
import json
import pathlib
import urllib.parse

CALLBACKS = pathlib.Path(__file__).parent / "callbacks"


class Recording:
    """What the callback plugin `everything` has received in the runs with this environment."""

    def __init__(self, path: pathlib.Path) -> None:
        self.environment = {
            "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
            "ANSIBLE_CALLBACKS_ENABLED": "everything",
            "RECORDED_EVENTS": str(path),
        }
        self._path = path

    @property
    def text(self) -> str:
        text = self._path.read_text(encoding="utf-8")
        assert text.count("v2_runner_on_ok TaskResult") + text.count("v2_runner_on_ok CallbackTaskResult") > 1
        assert "v2_playbook_on_stats" in text
        return text


def leaks(text: str, password: str, username: str = "nodered") -> list[str]:
    """The text around a password, also where it is escaped, encoded or hashed without a salt."""
    data = password.encode()
    forms = {password, urllib.parse.quote(password), urllib.parse.quote_plus(password), json.dumps(password)[1:-1]}
    forms |= {base64.b64encode(each).decode().rstrip("=") for each in (data, f"{username}:{password}".encode())}
    forms |= {hashlib.new(name, data).hexdigest() for name in ("md5", "sha1", "sha256", "sha512")}
    return [text[max(0, text.index(form) - 80) : text.index(form) + 20] for form in sorted(forms) if form in text]
