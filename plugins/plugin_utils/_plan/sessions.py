# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the role `sessions`: where Node-RED keeps the sessions of logged-in users. Private; knows no Ansible.

A transaction removes the companion only after the settings that require it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ...module_utils._linux import _user_units
from .._core._arguments import release_numbers
from ._base import DropIn, Found, Plan, Wanted, other_services, overridden

COMPANION = "pifleet-sessions.js"
DROP_IN = "50-pifleet-sessions"
STORES = ("auto", "disk", "runtime", "memory")

# Since 1.2.0 Node-RED replaces a link by a file (localfilesystem/util.js).
FIRST_THAT_REPLACES_LINKS = (1, 2)
# The packages @node-red/*, whose storage the companion extends.
FIRST_WITH_STORAGE_PACKAGE = (0, 20)
NEWEST = (99,)


@dataclass(frozen=True)
class _Decision:
    """Where the sessions are going to be."""

    store: str
    """`disk`, `runtime` or `memory`."""
    linked: bool
    """Whether `.sessions.json` is a link to the folder in memory."""

    @property
    def by_companion(self) -> bool:
        """Whether our storage module keeps the sessions."""
        return self.store != "disk" and not self.linked

    @property
    def sessions_file(self) -> str:
        """What `.sessions.json` in the user directory is."""
        return "link" if self.linked else "absent" if self.by_companion else "file"


def plan(found: Found, wanted: Wanted) -> Plan:
    """Keep sessions in `nodered_sessions_store`. `found.controller` has the companion's text as `script`."""
    asked = wanted["nodered_sessions_store"]
    if asked not in STORES:
        return Plan(errors=[f"nodered_sessions_store must be {', '.join(STORES[:-1])} or {STORES[-1]}."])
    if found.instance["storage_module"] == "other":
        return _plan_beside_custom_code(found, asked)
    decision = _decision(found, asked)
    beside = [str(one["service"]) for one in other_services(found.instance) if "user_dir" in one["shares"]]
    if beside and not decision.by_companion:
        return Plan(errors=[_shared_folder_error(found, beside[0])])
    result = Plan(errors=list(_errors(found, decision)))
    _plan_companion(result, found, decision)
    _plan_drop_in(result, found, decision)
    # A file there is that of the other Node-RED, if there is one.
    repairs = [] if beside else found.instance["sessions"]["repairs"][decision.sessions_file]
    result.errors += [f"{one['refusal']} Then run again." for one in repairs if one["refusal"]]
    result.sessions = decision.sessions_file if repairs else ""
    return result


def _shared_folder_error(found: Found, other: str) -> str:
    return (
        f"{other} uses the user directory {found.instance['user_dir']} as well. Two Node-REDs overwrite each other's "
        "sessions there, and one can bring back sessions of the other that a change of passwords has ended. Set "
        "nodered_sessions_store to runtime or memory for both, or give each a user directory of its own (option -u), "
        "then run again."
    )


def _removable(found: Found) -> dict[str, str | None]:
    """The companion, to be removed; nothing where the settings file of another Node-RED beside it can require it."""
    shared = any("settings_folder" in one["shares"] for one in other_services(found.instance))
    return {} if shared or COMPANION not in found.instance["companions"] else {COMPANION: None}


def _decision(found: Found, asked: str) -> _Decision:
    instance = found.instance
    # The state after a boot counts, too: a machine that is writable for maintenance keeps its store.
    read_only = instance["user_dir_read_only"] or instance["user_dir_read_only_at_boot"]
    store = asked if asked != "auto" else "runtime" if read_only else "disk"
    return _Decision(store, linked=store == "runtime" and _release(found) < FIRST_THAT_REPLACES_LINKS)


def _release(found: Found) -> tuple[int, ...]:
    """The release of Node-RED; if it is not known, newer than all that are treated in another way."""
    return release_numbers(found.instance["version"] or "") or NEWEST


def _plan_beside_custom_code(found: Found, asked: str) -> Plan:
    """A custom storage module decides where its sessions are."""
    file = found.instance["settings_file"]
    if asked in ("runtime", "memory"):
        error = (
            f"{file} has a custom storageModule, which decides where sessions are kept, so nodered_sessions_store "
            f"cannot be {asked}. Set it to disk to leave them to that module, or remove storageModule from the file, "
            "then run again."
        )
        return Plan(errors=[error])
    result = Plan(
        notes=[f"{file} has a custom storageModule, which decides where sessions are kept. It was left unchanged."]
    )
    if COMPANION not in found.text:
        result.companions |= _removable(found)
    return result


def _errors(found: Found, decision: _Decision) -> Iterator[str]:
    instance = found.instance
    if decision.by_companion:
        yield from overridden(found, "a storage module", "storageModule")
    if decision.store == "memory" and _release(found) < FIRST_WITH_STORAGE_PACKAGE:
        yield (
            f"nodered_sessions_store cannot be memory with Node-RED {instance['version']}, only from 0.20 on. Set it "
            "to runtime, then run again."
        )
    # Our storage module loads in every other case: an upgrade has brought a release that keeps its storage elsewhere.
    placed = instance["companions"].get(COMPANION) == _checksum(found)
    if decision.by_companion and _has_our_code(found) and instance["storage_module"] == "none" and placed:
        yield (
            f"Node-RED {instance['version'] or 'of an unknown release'} does not have its storage where {COMPANION} "
            f"looks for it, so sessions are kept in {instance['user_dir']}. Set nodered_sessions_store to disk, "
            "then run again."
        )
    # Up to 0.2.0 the drop-in of the service node-red had the folder of nodered.
    own = {
        instance["sessions"]["runtime_directory"],
        *re.findall("^RuntimeDirectory=(.+)$", _drop_in_text(found), re.M),
    }
    others = [name for name in instance["runtime_directories"] if name not in own]
    if decision.store == "runtime" and others:
        yield (
            f"{instance['service']} already has RuntimeDirectory={' '.join(others)}, and the mode 0700, which sessions "
            "need, would apply to that as well. Set nodered_sessions_store to memory, or remove it from the unit "
            f"({_user_units.by_hand(instance['service'], 'edit')}), then run again."
        )


def _plan_companion(result: Plan, found: Found, decision: _Decision) -> None:
    present = found.instance["companions"].get(COMPANION)
    if decision.by_companion:
        file = json.dumps(found.instance["sessions"]["runtime_file"])
        made_by = "inMemory()" if decision.store == "memory" else f"inFile({file})"
        result.set["storageModule"] = {"$js": f'require("./{COMPANION}").{made_by}'}
        if present != _checksum(found):
            result.companions[COMPANION] = found.controller["script"]
        return
    if _has_our_code(found):
        result.remove.append("storageModule")
    result.companions |= _removable(found)


def _has_our_code(found: Found) -> bool:
    value = found.setting("storageModule")
    return isinstance(value, dict) and COMPANION in str(value.get("$js", ""))


def _checksum(found: Found) -> str:
    return hashlib.sha256(found.controller["script"].encode()).hexdigest()


def _plan_drop_in(result: Plan, found: Found, decision: _Decision) -> None:
    """Have systemd make the folder in memory at each start."""
    # Without RuntimeDirectoryPreserve, systemd empties the folder whenever the service stops.
    directives = [
        {"RuntimeDirectory": found.instance["sessions"]["runtime_directory"]},
        {"RuntimeDirectoryMode": "0700"},
        {"RuntimeDirectoryPreserve": "yes"},
    ]
    sections = {"Service": directives} if decision.store == "runtime" else {}
    drop_in = DropIn(f"{found.instance['service']}.service", DROP_IN, sections)
    if not drop_in.matches(_drop_in_text(found)):
        result.drop_ins.append(drop_in)


def _drop_in_text(found: Found) -> str:
    return found.drop_in_text(DROP_IN)
