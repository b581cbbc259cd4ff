# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: replace the settings file with a text that the machine's own node has loaded."""

from __future__ import annotations

import base64
import dataclasses
import os
import shutil
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils._change import _change
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._files._files import Content
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _node, _start_plan
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._start_plan import StartPlan
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _background, _identity, _systemd
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._identity import Identity
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Unit


@dataclasses.dataclass(frozen=True)
class Edit:
    """What the action plugin hands over."""

    content: bytes
    """The new text."""
    checksum: str
    """SHA-256 of the text that was read."""
    wanted: List[Dict[str, Any]]
    """What has to be in effect: `path` (list of names) with `value`, `present` or `absent`."""
    changed: List[str]
    """The names of the settings that change."""

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Edit":
        """From JSON. Raises KeyError, TypeError or ValueError if it is something else."""
        content = base64.b64decode(data["content"], validate=True)
        return cls(content, data["checksum"], data["wanted"], data["changed"])


@dataclasses.dataclass(frozen=True)
class Target:
    """Which settings file, and how it is checked and written."""

    path: str
    backup: bool = True
    """Whether a copy of the old file stays beside it."""
    validate: bool = True
    """Whether node loads the new text before it replaces the old one."""
    node: Optional[str] = None
    """The node to load it with, if not that of the service."""
    user: Optional[str] = None
    """As whom it is loaded, if not as the service's user."""


def file_user(target: Target, plan: Optional[StartPlan]) -> Optional[Identity]:
    """As whom the settings file is read and written; None is this process itself."""
    if plan:
        return plan.user_for(target.path)
    if target.user:
        return _identity.for_path(target.path, _identity.of(target.user))
    return _identity.owner(target.path)


def usable(content: Content) -> Content:
    package = _files.below_node_modules(content.path)
    if package:
        raise Failure(
            "%s belongs to the installed package %s and is never edited: the next upgrade replaces it."
            % (content.path, package),
            "Copy it into the user directory (~/.node-red/settings.js of the user that Node-RED runs as) and restart "
            "Node-RED, or start it with --settings.",
        )
    if not content.data.strip():
        raise Failure(
            "%s is empty, so it was damaged (often by a power cut or a full disk)." % content.path,
            "Put back a backup of it (ls %s*), or delete it and restart Node-RED, which then writes its default."
            % content.path,
        )
    return content


def replace(
    target: Target, edit: Edit, unit: Optional[Unit], check_mode: bool
) -> Tuple[Dict[str, Any], Optional[_node.Loaded]]:
    """Replace the settings file; the result of the module, and what node loaded (None without that check)."""
    plan = _start_plan.plan(unit) if unit else None
    user = file_user(target, plan)
    old = usable(_files.read(target.path, user))
    unchanged_since(old, edit.checksum)
    result: Dict[str, Any] = {"changed": edit.content != old.data, "path": old.path, "settings": edit.changed}
    loaded = None
    if edit.content == old.data:
        return result, loaded
    runtime = runtime_for(target, old, plan, user)
    loader = runtime.identity
    if target.validate:
        # A file of its own: it belongs to the user that loads it, who may keep it open.
        with _files.candidate(old.path, edit.content, user=user, uid=loader.uid, gid=loader.gid) as temporary:
            loaded = check(temporary, old.path, runtime, edit.wanted)
    if check_mode:
        return result, loaded
    made, result["backup_file"] = backed_up(target, old, edit, unit, user)
    try:
        unchanged_since(_files.read(old.path, user), edit.checksum)
        _files.replace(old.path, edit.content, old.attributes, user)
    except Failure:
        if made:
            _files.remove(made, user)
        raise
    if user and user.uid != old.attributes.uid:
        _background.warn(
            "%s belonged to %s, in a folder that %s can write to anyway. It belongs to %s now."
            % (old.path, _identity.name_of(old.attributes.uid), user.name, user.name)
        )
    return result, loaded


def unchanged_since(content: Content, checksum: Optional[str]) -> None:
    if content.checksum != checksum:
        raise Failure(
            "%s was changed by another program or user after it was read, so it was not replaced." % content.path,
            "Run again: the change is then made to the file as it is now.",
        )


def backed_up(
    target: Target, old: Content, edit: Edit, unit: Optional[Unit], user: Optional[Identity]
) -> Tuple[Optional[str], Optional[str]]:
    """Record the change for a rollback, with a backup; the backup that was made now, and the one that counts."""
    if unit is None:
        made = _files.back_up(old, user) if target.backup else None
        return made, made
    service = unit.service
    earlier = _change.to_extend(service, unit.main_pid)
    known = earlier.backup_of(old.path) if earlier else None
    made = _files.back_up(old, user) if target.backup and not known else None
    checksum = _files.checksum(edit.content)
    _change.extend(service, unit.main_pid, old.path, old, checksum, edit.changed, made, user=user)
    return made, known or made


def runtime_for(target: Target, old: Content, plan: Optional[StartPlan], user: Optional[Identity]) -> _node.Runtime:
    """With what and as whom the new text is loaded: as the service does it, where there is one."""
    given = _identity.of(target.user) if target.user else None
    if plan:
        identity, environment = given or plan.identity, dict(plan.environment)
        node, folder, arguments = target.node or plan.node, plan.working_directory, plan.arguments
    else:
        identity, arguments = given or user or _identity.of(str(old.attributes.uid)), []
        folder = _identity.account(identity.name).pw_dir
        path = os.pathsep.join([_systemd.DEFAULT_PATH, os.environ.get("PATH", "")])
        environment = {"PATH": path, "HOME": folder, "USER": identity.name, "LOGNAME": identity.name, "LANG": "C.UTF-8"}
        node = target.node or shutil.which("node", path=path)
    if node is None and target.validate:
        raise Failure(
            "No node was found to load the new settings with.",
            "Install Node.js, name its path (option node), or do without this check (validate: false).",
        )
    return _node.Runtime(node or "", identity, environment, folder, arguments)


def check(temporary: str, path: str, runtime: _node.Runtime, wanted: List[Dict[str, Any]]) -> _node.Loaded:
    """What node loads. Raises Failure unless every wanted setting is in effect in what the file exports."""
    loaded = _node.load(temporary, runtime, wanted=wanted, shown_as=path)
    if loaded.error:
        raise Failure(
            "The new settings file cannot be loaded, so it did not replace the old one. Node.js reports:\n%s"
            % (loaded.error + _about_present(path, runtime, loaded)),
            _node.explain(loaded.error, path, runtime.identity),
        )
    if loaded.not_in_effect:
        raise Failure(
            "The new settings file was loaded, but these settings are not in effect in what it exports: %s. It did not "
            "replace the old one." % ", ".join(loaded.not_in_effect),
            "Something in %s sets them again after they were set, or takes their place: look for a later assignment, "
            "or for another file that it loads." % path,
        )
    return loaded


def _about_present(path: str, runtime: _node.Runtime, new: _node.Loaded) -> str:
    """A line about the present file if that cannot be loaded, either. One that takes too long is not tried again."""
    if new.timed_out or not _node.load(path, runtime).error:
        return ""
    return "\nThe present file cannot be loaded, either: Node-RED does not start again with it."
