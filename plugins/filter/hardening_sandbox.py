# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: hardening_sandbox
author: The pifleet authors (@pifleet)
version_added: 0.3.0
short_description: Plan the drop-in of the role hardening
description:
  - Returns the directives of a sandbox level for M(pifleet.nodered.drop_in).
  - Rejects a user directory that the service user could have chosen to weaken the sandbox.
positional: []
options:
  _input:
    description: The level (C(none), C(baseline) or C(strict)).
    type: str
    required: true
  found:
    description: What M(pifleet.nodered.instance_info) returned as RV(pifleet.nodered.instance_info#module:instance).
    type: dict
    required: true
  private_files:
    description: Whether other users are not to read what Node-RED writes.
    type: bool
    default: false
  writable_paths:
    description: The folders in which C(strict) lets Node-RED write, beside its user directory.
    type: list
    elements: str
    default: []
  accepted:
    description:
      - What is not to be reported. With C(ways_to_root), ways in which Node-RED's user can become root are not.
    type: list
    elements: str
    default: []
  port:
    description: The port that Node-RED will have. The default is the present one.
    type: int
"""

EXAMPLES = r"""
- name: Show the sandbox
  ansible.builtin.debug:
    msg: "{{ 'strict' | pifleet.nodered.hardening_sandbox(found=found.instance) }}"
"""

RETURN = r"""
_value:
  description:
    - A mapping with C(sections) as M(pifleet.nodered.drop_in) takes them (empty where there should be no drop-in),
      C(text), the text of that file, and C(notes), a list of sentences about what stays open.
  type: dict
"""

from collections.abc import Callable, Mapping

from ansible.errors import AnsibleFilterError
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _unit_files
from ansible_collections.pifleet.nodered.plugins.plugin_utils import _arguments, _sandbox


def hardening_sandbox(
    level: object,
    found: object = None,
    private_files: object = False,
    writable_paths: object = (),
    port: object = None,
    accepted: object = (),
) -> dict[str, object]:
    what = "hardening_sandbox: "
    try:
        name, about = _arguments.text(level, what + "the input"), _arguments.mapping(found, what + "found")
        planned = _sandbox.plan(
            name,
            _found(about, port),
            private_files=bool(private_files),
            listed=_arguments.names(writable_paths, _sandbox.VARIABLE),
        )
        text = _unit_files.text(_unit_files.from_data(planned.sections))
        ways = _arguments.names(about.get("ways_to_root"), what + "found.ways_to_root")
        if _sandbox.WAYS_TO_ROOT in _arguments.names(accepted, "nodered_hardening_accepted"):
            ways = []
        notes = planned.notes + _sandbox.about_root(name, _arguments.text(about.get("user"), what + "found.user"), ways)
    except (_arguments.ArgumentError, _sandbox.SandboxError, Failure) as error:
        raise AnsibleFilterError(str(error)) from None
    return {"sections": planned.sections, "text": text, "notes": notes}


def _found(instance: Mapping[str, object], port: object) -> _sandbox.Found:
    paths = _arguments.mapping(instance.get("sandbox"), "hardening_sandbox: found.sandbox")
    opened = None if instance.get("socket_port") else port or instance.get("port")
    return _sandbox.Found(
        account_home=_arguments.text(paths.get("account_home"), "hardening_sandbox: found.sandbox.account_home"),
        user_dir=_arguments.text(paths.get("user_dir"), "hardening_sandbox: found.sandbox.user_dir"),
        user_dir_by_root=paths.get("user_dir_by_root") is True,
        flow_file=_arguments.text(paths.get("flow_file") or "", "hardening_sandbox: flow_file") or None,
        known_hosts=paths.get("known_hosts") is True,
        port=_arguments.whole_number(opened, "hardening_sandbox: port") if opened else None,
    )


class FilterModule:
    """A filter for the role hardening."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"hardening_sandbox": hardening_sandbox}
