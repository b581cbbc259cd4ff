# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes with an edit of settings.js: what the host has to find in it, the masked diff, warnings. Private.

Knows no Ansible.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...module_utils._core._text import printable_line
from . import _known_settings, _settings_diff, _settings_js


def text_of(source: Mapping[str, Any]) -> str:
    """The settings file as a module of the host returns it, with `content` in Base64, byte for byte."""
    return base64.b64decode(source["content"]).decode("utf-8", "surrogateescape")


def as_data(
    text: str, *, checksum: str, set: Mapping[str, object], remove: Iterable[str], changed: Sequence[str]
) -> dict[str, Any]:
    """An edit as a module of the host takes it: the new text, and the checksum of the text that it replaces."""
    return {
        "content": base64.b64encode(text.encode("utf-8", "surrogateescape")).decode("ascii"),
        "checksum": checksum,
        "wanted": expected(text, set, remove),
        "changed": list(changed),
    }


def expected(text: str, wanted: Mapping[str, object], remove: Iterable[str]) -> list[dict[str, Any]]:
    """What the Pi's own node has to find in the exported settings: values where they are plain, else mere presence.

    Of an object with code in it, that holds for each member.
    """
    expected: list[dict[str, Any]] = [{"path": name.split("."), "absent": True} for name in remove]
    for name in wanted:
        path, value = name.split("."), _settings_js.value(text, name)
        members = _settings_js.members(text, name) if _is_code(value) and len(path) == 1 else None
        if members:
            expected += [_found_at([*path, key], member) for key, member in members.items()]
        else:
            expected.append(_found_at(path, value))
    return expected


def _found_at(path: list[str], value: object) -> dict[str, Any]:
    return {"path": path, **({"present": True} if _is_code(value) else {"value": value})}


def _is_code(value: object) -> bool:
    return isinstance(value, dict) and set(value) == {"$js"}


def masked_diff(path: str, before: str, edit: _settings_js.Edit) -> dict[str, str]:
    path = printable_line(path)
    old, new = _settings_diff.masked(before, edit)
    if old == new:
        return {"prepared": f"{path}: only what is masked changes in {', '.join(edit.changed)}\n"}
    return {"before_header": path, "after_header": path, "before": old, "after": new}


def unknown_name_warnings(wanted: Iterable[str]) -> list[str]:
    """A warning for each top-level setting that no Node-RED release knows."""
    top_level = {name.split(".")[0] for name in wanted}
    return [_unknown_name_warning(name) for name in sorted(top_level - _known_settings.KNOWN_SETTINGS)]


def _unknown_name_warning(name: str) -> str:
    nearest = _known_settings.nearest_known(name)
    advice = f"did you mean {nearest}?" if nearest else "check the spelling, unless one of your nodes reads it."
    return f"No Node-RED release knows the setting {name}, it would be ignored without a word: {advice}"
