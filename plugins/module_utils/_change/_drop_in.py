# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: drop-ins of systemd units, as part of a change that can be undone."""

from __future__ import annotations

import contextlib
import json
import os
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence

from ansible_collections.pifleet.nodered.plugins.module_utils._change import _change
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._files._files import Attributes, Content
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _systemd, _unit_files, _user_units
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._identity import Identity
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Unit
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._unit_files import Directive

# Begins the first line, which records the options for a later run.
OPTIONS = "Ends the command line with "


class DropIn(NamedTuple):
    """What a drop-in is to hold. Without sections and options there is to be none."""

    unit: str
    """Such as `nodered.service`, `nodered.socket` or `pi/nodered.service`."""
    name: str
    """Without `.conf`."""
    sections: Mapping[str, object]
    options: Sequence[str]
    """Words at the end of the service's command line."""

    @property
    def owner(self) -> Optional[Identity]:
        """As whom the file is worked on: the user of a user unit. Raises Failure where there is no such user."""
        return _user_units.owner(self.unit)

    @property
    def folder(self) -> str:
        owner = self.owner
        if owner:
            return _user_units.drop_in_folder(owner, _user_units.split(self.unit).unit)
        return os.path.join(_systemd.UNIT_FOLDER, self.unit + ".d")

    @property
    def path(self) -> str:
        return os.path.join(self.folder, self.name + ".conf")


def text(service: Unit, wanted: DropIn, own: Optional[Content]) -> Optional[str]:
    """The text of the file; None if there is to be none. `own` is what it holds now."""
    sections: Dict[str, List[Directive]] = _unit_files.from_data(wanted.sections)
    if wanted.options:
        sections["Service"] = [*sections.get("Service", []), *command_line(service, wanted.options, own)]
    if not sections:
        return None
    return _unit_files.text(sections, OPTIONS + json.dumps(list(wanted.options)) if wanted.options else "")


def recorded_options(own: Optional[Content], words: Sequence[str], options: Sequence[str]) -> List[str]:
    """The options with which this file ends a command line. `words` are those of the command line in effect."""
    if own is None:
        return []
    recorded = own.data.decode("utf-8", "replace").partition("\n")[0].partition(OPTIONS)[2]
    with contextlib.suppress(ValueError, TypeError):
        return [str(option) for option in json.loads(recorded)]
    # Written before drop-ins recorded them, or edited. The command line may be that of a later file.
    likely = list(words[-len(options) :])
    return likely if b"\nExecStart=" in own.data and likely[:1] == list(options[:1]) else []


def command_line(unit: Unit, options: Sequence[str], own: Optional[Content]) -> List[Directive]:
    """The directives that end the service's command line with these options.

    What this file added earlier is only taken away where the command line still ends with it: a later file, such as the
    override.conf of systemctl edit, may have set another one.
    """
    command = _systemd.command(unit)
    words = list(command.words)
    if not words:
        raise Failure(
            "%s has no ExecStart." % unit.name, "Give the service a command line first (systemctl cat %s)." % unit.name
        )
    if not command.exact:
        raise Failure(
            "The words of ExecStart of %s are not certain, as D-Bus does not respond." % unit.name,
            "Install and start D-Bus (apt install %s), and run again."
            % ("dbus-user-session" if unit.owner else "dbus"),
        )
    before = recorded_options(own, words, options)
    if before and words[-len(before) :] == before:
        words = words[: -len(before)]
    if not command.expand:
        words[0] = ":" + words[0]
    return [Directive("ExecStart"), Directive("ExecStart", words + list(options), keep_dollar=True)]


def present(path: str, user: Optional[Identity] = None) -> Optional[Content]:
    if user and _files.link(path, user) is not None:
        raise Failure("%s is a link." % path, "Remove it and run again.")
    return _files.read(path, user) if os.path.lexists(path) else None


def write(service: Unit, wanted: DropIn) -> bool:
    """Record and write the file, or remove it; whether it changed. systemd has to read its files again then."""
    own = present(wanted.path, wanted.owner)
    new = text(service, wanted, own)
    return write_text(service, wanted.path, wanted.owner, own, None if new is None else new.encode())


def write_text(
    service: Unit, path: str, user: Optional[Identity], own: Optional[Content], data: Optional[bytes]
) -> bool:
    """As `write`, with the bytes of the file. `own` is what it holds now, and `user` as whom it is worked on."""
    if data is not None:
        with _files.explained(path, user):
            _files.make_folders(os.path.dirname(path), 0o755, user)
    owner = (user.uid, user.gid) if user else (0, 0)
    attributes = Attributes(*owner, 0o644, {})
    return _change.change_file(service.service, service.main_pid, path, own, data, attributes, user)


def reload(name: str) -> None:
    """Have the systemd that runs this unit read its files again. Raises Failure where it does not."""
    answer = _systemd.reload(name)
    if answer.returncode != 0:
        raise Failure(
            "systemd did not read its files again: %s" % answer.stderr.strip(),
            "See %s." % _user_units.by_hand(name, "status"),
        )


def require_read(unit: Unit, wanted: Sequence[DropIn]) -> None:
    """Raise Failure where the systemd of a user does not read these drop-ins: it can have a folder of its own."""
    unread = [one.path for one in wanted if unit.owner and os.path.lexists(one.path) and one.path not in unit.files]
    if unread:
        raise Failure(
            "The systemd of user %s does not read %s." % (unit.owner and unit.owner.name, unread[0]),
            "Let it have its usual folder: take XDG_CONFIG_HOME out of its environment (systemctl --user "
            "show-environment).",
        )
