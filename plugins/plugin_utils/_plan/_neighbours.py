# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What beside Node-RED breaks by a change, in sentences with the remedy. Private; knows no Ansible.

The rules of the plans use what `instance_info` returns as `palette`, `redirects` and `ephemeral_ports`. Nothing here is
more than a note, except where Node-RED itself could not be reached.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ...module_utils._core._text import listed
from .._core._arguments import release_numbers

MOST_NAMED = 3
FIRST_WITH_OPEN_PATHS = (4, 0)
# Below httpNodeRoot, with the path that the dashboards have if nothing else is set.
MANIFESTS = {
    "node-red-dashboard": "/ui/manifest.json",
    "@flowfuse/node-red-dashboard": "/dashboard/manifest.webmanifest",
}

Finding = Mapping[str, Any]
Instance = Mapping[str, Any]


# --- installed nodes -----------------------------------------------------------------------------------------------


def behind_password(instance: Instance, open_paths: Sequence[str]) -> list[str]:
    """Notes about what a password for pages (`httpNodeAuth`) breaks in the editor and on phones."""
    closed = [one for one in instance["palette"]["findings"] if not _is_open(one, open_paths)]
    # Relative addresses lead to the editor, so they reach RED.httpNode only while both have one root.
    together = instance["admin_root"] == instance["node_root"]
    kinds = ("node_path", "node_path_of_editor") if together else ("node_path",)
    asked = [] if instance["disable_editor"] else _of_kind(closed, *kinds)
    notes = []
    if asked:
        notes.append(
            f"Dialogs in the editor request pages that ask for this password, and the browser asks for it again and "
            f"again: {_named(asked)}. Update the package, or {_opened(instance, _paths(asked))}."
        )
    notes += [
        f"Browsers request {MANIFESTS[one['package']]} without a password, so a phone cannot install the dashboard of "
        f"{_package(one)}, and an installed one can stay blank. Update the package, or "
        f"{_opened(instance, [MANIFESTS[one['package']]])}."
        for one in _of_kind(closed, "manifest")
    ]
    if not instance["palette"]["complete"]:
        notes.append(
            f"Not all installed nodes of {instance['user_dir']} were searched for dialogs that a password breaks: the "
            "search ended at its limit of time, number or size."
        )
    return notes


def _is_open(finding: Finding, open_paths: Sequence[str]) -> bool:
    path = MANIFESTS[finding["package"]] if finding["finding"] == "manifest" else finding["path"]
    return any(path == one or path.startswith(f"{one}/") for one in open_paths)


def _opened(instance: Instance, paths: Sequence[str]) -> str:
    older = release_numbers(str(instance["version"])) < FIRST_WITH_OPEN_PATHS
    first = "update Node-RED to 4.0 or newer and " if older else ""
    return f"{first}add {_listed(paths)} to nodered_http_auth_open_paths, which lets anyone request that"


def at_another_root(instance: Instance, root: object) -> list[str]:
    """Notes about what breaks when the editor moves to `root` (`httpAdminRoot`)."""
    if not isinstance(root, str) or not root.strip("/") or instance["disable_editor"]:
        return []
    asked = _of_kind(instance["palette"]["findings"], "root_path", "node_path_of_editor")
    if not asked:
        return []
    return [
        f"Dialogs in the editor request addresses that are not found while the editor is at {root}: {_named(asked)}. "
        "Update the package, or leave the editor at / (nodered_hardening_admin_root)."
    ]


def _of_kind(findings: Iterable[Finding], *kinds: str) -> list[Finding]:
    return [one for one in findings if one["finding"] in kinds]


def _named(findings: Sequence[Finding]) -> str:
    """Each package once, with the first of its places."""
    first = {one["package"]: one for one in reversed(findings)}
    places = [f"{_package(one)} ({one['path']} in {one['file']}:{one['line']})" for one in list(first.values())[::-1]]
    return listed(places, MOST_NAMED)


def _paths(findings: Sequence[Finding]) -> list[str]:
    return list(dict.fromkeys(one["path"] for one in findings))


def _package(finding: Finding) -> str:
    return f"{finding['package']} {finding['version']}".strip()


def _listed(texts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(texts[:-1]), *texts[-1:]]))


# --- redirects -----------------------------------------------------------------------------------------------------


def left_behind(instance: Instance, port: int) -> list[str]:
    """Notes about redirects that lead nowhere once Node-RED has moved to `port`."""
    return [
        f"{_redirect(one)}, which Node-RED leaves. Change that rule to port {port} ({_where(one)})."
        for one in _local(instance)
        if one["to"] == instance["port"] != port
    ]


def in_the_way(instance: Instance, port: int, host: str) -> list[str]:
    """Errors about redirects that make Node-RED unreachable on `port`."""
    return [
        f"{_redirect(one)} on {host}, so Node-RED could not be reached on nodered_port {port}. Remove that rule "
        f"({_where(one)}), then run again."
        for one in _local(instance)
        if one["from"] and _names(one["from"], port) and one["to"] != port != instance["port"]
    ]


def _local(instance: Instance) -> list[Mapping[str, Any]]:
    """The redirects to this machine; those of containers lead to addresses of their own."""
    return [one for one in instance["redirects"] if _is_local(one["address"], instance["addresses"])]


def _is_local(address: str, own: Collection[str]) -> bool:
    if not address or address in own:
        return True
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return parsed.is_loopback or parsed.is_unspecified


def _names(ports: str, port: int) -> bool:
    """Whether `80`, `80,443` or `80:90` (nft: `80-90`) has this port."""
    ranges = [re.fullmatch("([0-9]{1,5})(?:[:-]([0-9]{1,5}))?", part) for part in ports.split(",")]
    return any(match and int(match[1]) <= port <= int(match[2] or match[1]) for match in ranges)


def _redirect(redirect: Mapping[str, Any]) -> str:
    ports = f"port {redirect['from']}" if redirect["from"] else "all ports"
    return f"Packets for {ports} are redirected to port {redirect['to']}"


def _where(redirect: Mapping[str, Any]) -> str:
    """Where the user finds the rule: files, or the program that lists it."""
    return f"see {_listed(redirect['where'])}"


# --- ports that change ---------------------------------------------------------------------------------------------


def changing_ports(listening: Iterable[Mapping[str, Any]], request: Mapping[str, Any]) -> list[int]:
    """The TCP ports of Node-RED that the kernel has chosen, so that they are others after its next start.

    `listening` is as `firewall_info` returns it, `request` is that of the plan of the role `ufw`.
    """
    range_, keep = request["ephemeral_ports"], request["keep"]
    settled = {*range_["in_flows"], request["port"], request["found_port"], *request["other_ports"]}
    return sorted(
        one["port"]
        for one in listening
        if one["protocol"] == "tcp"
        and one["unit"] in request["units"]
        and range_["first"] <= one["port"] <= range_["last"]
        and one["port"] not in settled
        and not (isinstance(keep, list) and f"{one['port']}/tcp" in keep)
    )


def about_changing(ports: Sequence[int], first: int) -> list[str]:
    """The note about these ports; `first` is the lowest that the kernel chooses."""
    if not ports:
        return []
    which = f"port {ports[0]}" if len(ports) == 1 else f"ports {', '.join(map(str, ports[:MOST_NAMED]))}"
    return [
        f"Node-RED listens on the TCP {which}, which the kernel chose and which changes with each start (HomeKit "
        "without a port of its own). No rule is made for that, so other devices cannot reach it. Set a port below "
        f"{first} in the node (HomeKit: Port of the bridge), and add it to nodered_ufw_keep with what else must be "
        "reachable."
    ]
