# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: misspelled
author: The pifleet authors (@pifleet)
version_added: 0.1.0
short_description: Find names that are probably slips for known ones
description:
  - Returns the names that are not known but nearly equal to a known one, each with what was probably meant.
  - A name that resembles no known one is taken for somebody's own and is not returned. So is one with another prefix
    (C(node_red_port)) where the known one is there, too.
positional: known
options:
  _input:
    description: The names to look at.
    type: list
    elements: str
    required: true
  known:
    description: The names that exist.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show what was probably meant
  ansible.builtin.debug:
    msg: "{{ ['nodered_prot'] | pifleet.nodered.misspelled(['nodered_port']) }}"
"""

RETURN = r"""
_value:
  description: A list of mappings with C(name) and C(meant).
  type: list
  elements: dict
"""

import difflib
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.pifleet.nodered.plugins.plugin_utils import _arguments

# A slip of one or two letters in names as long as these; measured on the collection's own names.
ALIKE = 0.85


def misspelled(names: object, known: object) -> list[dict[str, str]]:
    try:
        there, right = _arguments.names(names, "misspelled: the input"), _arguments.names(known, "misspelled: known")
    except _arguments.ArgumentError as error:
        raise AnsibleFilterError(str(error)) from None
    nearest = {name: difflib.get_close_matches(name, right, n=1, cutoff=ALIKE) for name in there if name not in right}
    return [
        {"name": name, "meant": meant[0]}
        for name, meant in nearest.items()
        if meant and (_prefix(name) == _prefix(meant[0]) or meant[0] not in there)
    ]


def _prefix(name: str) -> str:
    return name.partition("_")[0]


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"misspelled": misspelled}
