# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: the sockets of a Node-RED that its httpNodeAuth leaves open, found in its files.

Those of dashboards are on the HTTP server itself (ui.js of node-red-dashboard 3.6, nodes/config/ui_base.js of
@flowfuse/node-red-dashboard 1.31), those of "websocket in" nodes too (22-websocket.js).
"""

from __future__ import annotations

import dataclasses
import json
import os
import posixpath
import re
from typing import Any, Dict, List, Mapping, Optional, Sequence

# A flow file of more is read by nobody in a reasonable time on a Pi.
FLOWS_LIMIT = 32 * 1024 * 1024


@dataclasses.dataclass(frozen=True)
class Package:
    """A package with sockets of its own, and the file in which it reads what may close them (None: nothing may)."""

    name: str
    script: Optional[str]


PACKAGES = (
    Package("node-red-dashboard", "ui.js"),
    Package("@flowfuse/node-red-dashboard", "nodes/config/ui_base.js"),
    Package("node-red-contrib-uibuilder", None),
)


def flows(folder: str, settings: Mapping[str, Any], named: Optional[str], host_name: str) -> List[Dict[str, Any]]:
    """The nodes of the flow file; none where it cannot be read.

    `folder` is the user directory, `settings` the harness's summary, `named` the flow file of the command line.
    """
    path = os.path.join(folder, named or settings.get("flowFile") or "flows_%s.json" % host_name)
    if settings.get("projects"):
        active = (_json(os.path.join(folder, ".config.projects.json")) or {}).get("activeProject")
        if isinstance(active, str):
            project = os.path.join(folder, "projects", active)
            about = (_json(os.path.join(project, "package.json")) or {}).get("node-red") or {}
            path = os.path.join(project, (about.get("settings") or {}).get("flowFile") or "flows.json")
    found = _json(path)
    return [node for node in found if isinstance(node, dict)] if isinstance(found, list) else []


def packages(folders: Sequence[str]) -> List[Dict[str, Any]]:
    """The packages with sockets of their own that are installed below these folders: name, version, and whether their
    release lets the settings close them."""
    found = []
    for package in PACKAGES:
        for folder in folders:
            home = os.path.join(folder, "node_modules", package.name)
            about = _json(os.path.join(home, "package.json"))
            if isinstance(about, dict):
                closable = package.script is not None and "ioMiddleware" in _text(os.path.join(home, package.script))
                found.append({"name": package.name, "version": str(about.get("version")), "closable": closable})
                break
    return found


def dashboard_paths(
    installed: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    node_root: str,
    nodes: Sequence[Mapping[str, Any]],
) -> List[str]:
    """Where the socket.io of dashboards that can be closed answers, each ending in a slash."""
    names = {package["name"] for package in installed if package["closable"]}
    paths = [str(settings.get("uiPath") or "ui")] if "node-red-dashboard" in names else []
    if "@flowfuse/node-red-dashboard" in names:
        paths += [node["path"] for node in _running(nodes, "ui-base")]
    return list(dict.fromkeys(_joined(node_root, path, "socket.io") + "/" for path in paths))


def websocket_paths(node_root: str, nodes: Sequence[Mapping[str, Any]]) -> List[str]:
    """Where "websocket in" nodes listen."""
    return list(dict.fromkeys(_joined(node_root, node["path"]) for node in _running(nodes, "websocket-listener")))


def _running(nodes: Sequence[Mapping[str, Any]], kind: str) -> List[Mapping[str, Any]]:
    """The nodes of this type with a path that is known: Node-RED fills in ${variables} when it starts."""
    return [
        node
        for node in nodes
        if node.get("type") == kind
        and not node.get("d")
        and isinstance(node.get("path"), str)
        and re.fullmatch(r"[\x21-\x7e]+", node["path"])
        and "${" not in node["path"]
    ]


def _joined(*parts: str) -> str:
    return "/" + "/".join(part for part in (each.strip("/") for each in parts) if part)


def _json(path: str) -> Any:
    try:
        return json.loads(_text(path))
    except ValueError:
        return None


def _text(path: str) -> str:
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > FLOWS_LIMIT:
            return ""
        with open(path, encoding="utf-8-sig", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""


def static_roots(settings: Mapping[str, Any]) -> List[str]:
    """Where files are served, each beginning and ending in a slash (red.js, formatRoot)."""
    roots = [posixpath.join("/", str(root)).strip("/") for root in settings.get("staticRoots") or ()]
    return list(dict.fromkeys("/%s/" % root if root else "/" for root in roots))
