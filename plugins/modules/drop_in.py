#!/usr/bin/python
# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: drop_in
short_description: Add a drop-in file to the systemd service of Node-RED, or to its socket unit
version_added: 0.1.0
author:
  - The pifleet authors (@pifleet)
description:
  - Writes or removes a file in the folder C(/etc/systemd/system/<service>.service.d), or in that of the socket unit
    through which systemd listens for the service, and lets systemd read it.
  - The unit file itself is never touched, as Node-RED's installer stops updating one that was edited.
  - The change takes effect at the next start. M(pifleet.nodered.restart) confirms it, or undoes it when Node-RED does
    not serve with it.
requirements:
  - systemd
extends_documentation_fragment:
  - pifleet.nodered.attributes
  - pifleet.nodered.attributes.systemd
  - pifleet.nodered.remount
attributes:
  diff_mode:
    support: full
options:
  service:
    description:
      - The systemd service that runs Node-RED.
    type: str
    required: true
  name:
    description:
      - The name of the drop-in without C(.conf). Those whose names come later win.
    type: str
    required: true
  sections:
    description:
      - The sections of the drop-in, each with a list of directives. One of O(sections) and O(options) is required when
        O(state=present).
      - A directive has one name and one value. The value is a text, or a list of words where systemd takes several.
        An empty value resets what earlier files have set.
      - Every word is written in such a way that systemd reads exactly that word. Specifiers such as C(%h) and, in
        commands, variables such as C($HOME) are therefore not available.
      - A value with control characters, such as a line feed, is rejected.
      - Do not put a secret into it. Every user of the machine can read it.
    type: dict
    version_added: 0.3.0
  socket:
    description:
      - The socket unit of the service, as RV(pifleet.nodered.instance_info#module:instance.socket) names it. The
        drop-in is then that unit's.
    type: str
    version_added: 0.2.0
  options:
    description:
      - Words that the service's command line shall end with. The rest stays as the unit and other drop-ins have it.
      - The last option wins in Node-RED, so these beat what stands in C(ExecStart) or comes from an environment file.
      - Written at the end of the section C(Service).
    type: list
    elements: str
    default: []
  state:
    description:
      - Whether the drop-in should be there.
    type: str
    choices:
      - present
      - absent
    default: present
seealso:
  - module: pifleet.nodered.restart
"""

EXAMPLES = r"""
- name: Let Node-RED use a port below 1024
  pifleet.nodered.drop_in:
    service: nodered
    name: 50-pifleet-port
    sections:
      Service:
        - AmbientCapabilities: CAP_NET_BIND_SERVICE
  become: true

- name: Serve on port 1885 whatever the unit and its environment say
  pifleet.nodered.drop_in:
    service: nodered
    name: 50-pifleet-port
    options: ["-p", "1885"]
  become: true

- name: Let systemd listen on port 1885, where it does so for Node-RED
  pifleet.nodered.drop_in:
    service: nodered
    socket: nodered.socket
    name: zz-pifleet-port
    sections:
      Socket:
        - ListenStream: ""
        - ListenStream: "1885"
  become: true

- name: Take it away again
  pifleet.nodered.drop_in:
    service: nodered
    name: 50-pifleet-port
    state: absent
  become: true
"""

RETURN = r"""
path:
  description: The drop-in file.
  returned: success
  type: str
  sample: /etc/systemd/system/nodered.service.d/50-pifleet-port.conf
"""

import contextlib
import json
import os
import re
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ansible_collections.pifleet.nodered.plugins.module_utils._change import _boot, _change
from ansible_collections.pifleet.nodered.plugins.module_utils._core import _deadline
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._core._module import Module
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._files._files import Attributes, Content
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _systemd, _unit_files
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import UNIT_FOLDER, Unit
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._unit_files import Directive

OPTIONS = "Ends the command line with "


def wanted_sections(data: Mapping[str, object], kind: str = "Service") -> Dict[str, List[Directive]]:
    """The sections of a drop-in for a unit of this kind. Raises Failure for one that systemd would ignore there."""
    for name in data:
        if name not in ("Unit", kind, "Install") and not name.startswith("X-"):
            raise Failure(
                "The option sections has %s, and a %s has no such section." % (name, kind.lower()),
                "A drop-in of a %s has the sections Unit, %s and Install." % (kind.lower(), kind),
            )
    return _unit_files.from_data(data)


def command_line(unit: Unit, path: str, options: Sequence[str]) -> List[Directive]:
    """The directives that end the service's command line with these options, whether or not this file already does."""
    command = _systemd.command(unit)
    words = list(command.words)
    if not words:
        raise Failure(
            "%s has no ExecStart." % unit.name, "Give the service a command line first (systemctl cat %s)." % unit.name
        )
    if not command.exact:
        raise Failure(
            "The words of ExecStart of %s are not certain, as D-Bus does not say them." % unit.name,
            "Install and start D-Bus (apt install dbus), and run again.",
        )
    given = options_given(present_file(path), words, options)
    if given and words[-len(given) :] == given:
        words = words[: -len(given)]
    if not command.expand:
        words[0] = ":" + words[0]
    return [Directive("ExecStart"), Directive("ExecStart", words + list(options), keep_dollar=True)]


def options_given(own: Optional[Content], words: Sequence[str], options: Sequence[str]) -> List[str]:
    """The options with which this drop-in ends a command line. `words` are those of the command line in force."""
    if own is None:
        return []
    said = own.data.decode("utf-8", "replace").partition("\n")[0].partition(OPTIONS)[2]
    with contextlib.suppress(ValueError, TypeError):
        return [str(option) for option in json.loads(said)]
    # Written before drop-ins said it, or edited. The command line may be that of a later one.
    likely = list(words[-len(options) :])
    return likely if b"\nExecStart=" in own.data and likely[:1] == list(options[:1]) else []


def text(sections: Mapping[str, Sequence[Directive]], options: Sequence[str]) -> bytes:
    """The text of the drop-in, which says on its first line with which options it ends the command line."""
    return _unit_files.text(sections, OPTIONS + json.dumps(list(options)) if options else "").encode()


def present_file(path: str) -> Optional[Content]:
    return _files.read(path) if os.path.lexists(path) else None


def apply(unit: Unit, path: str, data: Optional[bytes], old: Optional[Content]) -> None:
    with _files.explained(path):
        _files.make_folders(os.path.dirname(path), 0o755)
    _change.extend(unit.service, unit.main_pid, path, old, None if data is None else _files.checksum(data))
    if data is None:
        _files.remove(path)
    else:
        _files.replace(path, data, Attributes(0, 0, 0o644, {}))
    reloaded = _systemd.run(["systemctl", "daemon-reload"], 90)
    if reloaded.returncode != 0:
        raise Failure("systemd did not read its files again: %s" % reloaded.stderr.strip(), "See systemctl status.")


def change(module: Module) -> Dict[str, Any]:
    name = module.params["name"]
    if not re.match(r"^[A-Za-z0-9_@:.-]+$", name) or name.startswith("."):
        raise Failure(
            "%r cannot be the name of a drop-in." % name, "Use letters, digits, dots and dashes, without .conf."
        )
    socket: Optional[str] = module.params["socket"]
    sections = wanted_sections(module.params["sections"] or {}, "Socket" if socket else "Service")
    unit = _systemd.existing(module.params["service"])
    if socket and socket != unit.socket:
        raise Failure(
            "%s has %s, not %s." % (unit.name, unit.socket or "no socket unit", socket), "Correct the option socket."
        )
    path = os.path.join(UNIT_FOLDER, (socket or unit.name) + ".d", re.sub(r"\.conf$", "", name) + ".conf")
    options: List[str] = module.params["options"]
    present = module.params["state"] == "present"
    if present and options:
        sections["Service"] = [*sections.get("Service", []), *command_line(unit, path, options)]
    if present and not sections:
        raise Failure("A drop-in needs the option sections or the option options.", "Give one, or use state: absent.")
    data = text(sections, options) if present else None
    result = _files.compared(path, present_file(path), data)
    if result["changed"] and not module.check_mode:
        with _boot.changing(unit.service, UNIT_FOLDER, module.params["remount"]):
            apply(unit, path, data, present_file(path))
    return result


def main() -> None:
    module = Module(
        argument_spec={
            "service": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "sections": {"type": "dict"},
            "socket": {"type": "str"},
            "options": {"type": "list", "elements": "str", "default": []},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "remount": {"type": "bool", "default": False},
        },
        mutually_exclusive=[("socket", "options")],
        supports_check_mode=True,
    )
    module.finish(lambda: change(module), _deadline.SECONDS)


if __name__ == "__main__":
    main()
