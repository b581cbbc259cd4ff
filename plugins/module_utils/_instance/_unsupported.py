# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: the ways to run Node-RED that this collection does not handle, by name.

Only functions of facts that were collected before. Each returns a Failure with what was found and what to do, or None.
"""

from __future__ import annotations

import os
import re
from typing import Iterable, List, NamedTuple, Optional, Sequence

from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure, masked
from ansible_collections.pifleet.nodered.plugins.module_utils._core._text import short_line
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _user_units

ANOTHER_WAY = (
    "This collection handles Node-RED that runs as a systemd service of the machine itself: install it that way "
    "(nodered.org/docs/getting-started/raspberrypi), or take this host out of the inventory of these roles."
)


class ProcessFacts(NamedTuple):
    """A process of a unit, or one outside of any."""

    pid: int
    user: str
    arguments: Sequence[str] = ()
    program: Optional[str] = None
    """Its executable file; None where that cannot be seen."""
    folder: Optional[str] = None
    """Its working directory."""
    ports: Sequence[int] = ()
    settings_file: Optional[str] = None
    app: Optional[str] = None
    """The name that PM2 has for it."""

    def __str__(self) -> str:
        parts = ["pid %d" % self.pid, "user %s" % self.user]
        if self.app:
            parts.append("PM2 app %s" % short_line(self.app))
        parts.append("port %s" % ", ".join(map(str, self.ports)) if self.ports else "no port yet")
        parts.append("settings file %s" % short_line(self.settings_file or "not known"))
        return ", ".join(parts)


class UnitFacts(NamedTuple):
    """How a unit starts its program, and the Node-REDs that it runs now."""

    unit: str
    file: str
    """The file that has its ExecStart: the unit file or a drop-in."""
    words: Sequence[str]
    """ExecStart."""
    source: str = ""
    """The file from which a generator made the unit file (SourcePath)."""
    script: str = ""
    """The text of the shell script that ExecStart names."""
    node_reds: Sequence[ProcessFacts] = ()
    others: Sequence[ProcessFacts] = ()
    """The other processes of its control group."""


# Docker, Podman, and what takes their place. Between the program and its command, there may be options.
_CONTAINER = re.compile(
    r"""(?:^|[\s;&|(`"'=/])
    ((?:docker|podman|nerdctl|balena|balena-engine)["']?
    (?:\s+-[^\s]+(?:\s+[^-\s][^\s]*)?){0,4}?
    \s+(?:compose|container|create|exec|kube|play|restart|run|stack|start|up)
    |(?:docker|podman)-compose)(?=[\s"';]|$)""",
    re.VERBOSE,
)
_NODE_RED = re.compile(r"(?:^|[\s(/])(?:node-red(?:-pi)?|red\.js)(?=[\s\"')]|$)")
_QUADLET = re.compile(r"\.(?:container|kube|pod)$")
# @flowfuse/device-agent and what it was called before (flowforge-edge-agent, @flowforge/flowforge-device-agent), and
# the launcher of FlowFuse itself. lib/launcher.js of the agent copies its own settings.js at each start.
_FLOWFUSE = re.compile(
    r"""(?:^|[\s/@])
    (flow(?:fuse|forge)-(?:device-agent|edge-agent|node-red)
    |flow(?:fuse|forge)/(?:flowforge-)?(?:device-agent|edge-agent|nr-launcher))(?=[\s/"';]|$)""",
    re.VERBOSE,
)
_FLOWFUSE_FOLDER = re.compile(r"^/opt/flow(?:fuse|forge)(?:-device)?(?:/|$)")
# Node.js itself may come as a snap (/snap/node, /snap/bin/node), and run a Node-RED that npm has installed.
_SNAP = re.compile(r"^(?:/var/lib/snapd)?/snap/(?!bin/(?:node|npm|npx)$|node/)")


def by_name(facts: UnitFacts) -> Optional[Failure]:
    """The Failure for a unit that runs a container, the FlowFuse device agent or a snap, or several Node-REDs."""
    for rule in (_container, _flowfuse, _snap, _several):
        failure = rule(facts)
        if failure:
            return failure
    return None


def _container(facts: UnitFacts) -> Optional[Failure]:
    if _QUADLET.search(facts.source):
        return Failure(
            "%s is a quadlet: systemd made it from %s, and it runs a container of Podman." % (facts.unit, facts.source),
            "Change the settings where the container has them: in the folder that %s mounts at /data (Volume=). Let "
            "PublishPort= name the addresses that may reach it. %s" % (facts.source, ANOTHER_WAY),
        )
    if facts.node_reds:
        # A script can start a container beside a Node-RED of the machine.
        return None
    texts = [" ".join(facts.words), facts.script, *(" ".join(one.arguments) for one in facts.others)]
    command = next((found for found in map(_container_command, texts) if found), None)
    if command is None:
        return None
    return Failure(
        "%s runs a container: %s starts %s." % (facts.unit, _start(facts), short_line(" ".join(command.split()))),
        "Change the settings where the container has them: in the folder or volume that is mounted at /data, then "
        "restart %s. Publish its port only where it may be reached from (-p 127.0.0.1:1880:1880). %s"
        % (facts.unit, ANOTHER_WAY),
    )


def waits_for_container(arguments: Sequence[str]) -> bool:
    """Whether a process with these arguments is there as long as a container of Node-RED (`docker run`, conmon)."""
    text = " ".join(arguments)
    waits = os.path.basename(arguments[0]) == "conmon" if arguments else False
    return (waits or bool(_CONTAINER.search(text))) and bool(re.search(r"node-?red", text, re.IGNORECASE))


def _container_command(text: str) -> Optional[str]:
    """What starts a container in this script or command line; None where nothing does, or Node-RED is started, too."""
    commands = re.split(r"[;\n]|&&|\|\|", _without_comments(text.replace("\\\n", " ")))
    if any(_NODE_RED.search(one) and not _CONTAINER.search(one) for one in commands):
        return None
    return next((match[1] for match in map(_CONTAINER.search, commands) if match), None)


def _flowfuse(facts: UnitFacts) -> Optional[Failure]:
    commands = [facts.words, *(one.arguments for one in [*facts.node_reds, *facts.others])]
    texts = [" ".join(words) for words in commands] + [_without_comments(facts.script)]
    agent = next((match[1] for match in map(_FLOWFUSE.search, texts) if match), None)
    folder = next((one.folder for one in facts.node_reds if _FLOWFUSE_FOLDER.match(one.folder or "")), None)
    if agent is None and folder is None:
        return None
    return flowfuse(facts.unit, "%s starts %s" % (_start(facts), agent or "Node-RED in %s" % folder))


def flowfuse(who: str, found: str) -> Failure:
    """The Failure for a Node-RED that FlowFuse manages; `found` is what shows it."""
    return Failure(
        "%s is FlowFuse (the device agent, earlier flowforge-device-agent): %s. It writes its own settings.js at each "
        "start of Node-RED, so a change of that file would not last." % (who, short_line(found)),
        "Protect this Node-RED in FlowFuse (the security settings of the instance or device). To use this collection "
        "instead, remove the agent and install Node-RED as a service of its own.",
    )


def _snap(facts: UnitFacts) -> Optional[Failure]:
    words = [*facts.words, *(word for one in facts.node_reds for word in (one.program or "", *one.arguments))]
    found = next((word for word in words if _SNAP.match(word)), None)
    if found is None and facts.unit.startswith("snap."):
        found = facts.unit
    if found is None and [os.path.basename(word) for word in facts.words[:2]] == ["snap", "run"]:
        found = " ".join(facts.words[:3])
    return snap(facts.unit, found) if found else None


def snap(who: str, found: str) -> Failure:
    """The Failure for Node-RED from a snap; `found` is what shows it."""
    return Failure(
        "%s runs Node-RED from a snap (%s). A snap is read-only, keeps its settings in /root/snap or ~/snap, and "
        "cannot read other files, so certificates of this collection would not reach it." % (who, short_line(found)),
        "Save the flows, remove the snap (snap remove node-red) and install Node-RED as a service "
        "(nodered.org/docs/getting-started/raspberrypi); or take this host out of the inventory of these roles.",
    )


def is_flowfuse(process: ProcessFacts) -> bool:
    return bool(_FLOWFUSE_FOLDER.match(process.folder or "") or _FLOWFUSE.search(" ".join(process.arguments)))


def is_snap(process: ProcessFacts) -> bool:
    return any(_SNAP.match(word) for word in (process.program or "", *process.arguments))


def _several(facts: UnitFacts) -> Optional[Failure]:
    if len(facts.node_reds) < 2:
        return None
    return Failure(
        "%s starts %d Node-REDs (%s), so one of them would be secured and the others would stay as they are.%s"
        % (facts.unit, len(facts.node_reds), _start(facts), _list(facts.node_reds)),
        "Give each Node-RED a unit of its own (copy the unit of Node-RED's installer; each with its own -u or -s), "
        "stop starting it in %s, and use one inventory name per unit, each with its nodered_service (option service)."
        % facts.unit,
    )


def embedded(facts: UnitFacts, program: str, evidence: str) -> Failure:
    """The Failure for a program with a Node-RED inside: its settings are an object in the program.

    `program` is the script, `evidence` what shows that Node-RED is in there.
    """
    return Failure(
        "%s runs a program that embeds Node-RED: %s (%s). Its settings are in that program (RED.init), not in a "
        "settings file." % (facts.unit, short_line(program), evidence),
        "Set adminAuth, httpNodeAuth and the server's https in the program itself (nodered.org/docs/user-guide/runtime/"
        "embedding), or run Node-RED as a service of its own and let the program reach it over HTTP.",
    )


def embedding_process(process: ProcessFacts, url: str) -> Failure:
    """The Failure where no Node-RED was found, but a program of another name responds as one."""
    return Failure(
        "No service of Node-RED was found, but a program that embeds it responds at %s: pid %d, user %s, %s."
        % (url, process.pid, process.user, _command(process)),
        "Set adminAuth, httpNodeAuth and the server's https in the program itself (nodered.org/docs/user-guide/runtime/"
        "embedding). If another service runs Node-RED here, name it with nodered_service (option service).",
    )


def unknown(facts: UnitFacts, more: str = "") -> Failure:
    """The Failure for a unit whose way to start Node-RED is unknown. `more` is what else was tried."""
    found = [*facts.node_reds, *facts.others]
    return Failure(
        "%s does not start node-red in a way that can be followed%s. Found: %s.%s"
        % (facts.unit, more, _start(facts), _commands(found)),
        "Run Node-RED as a service of its own (nodered.org/docs/getting-started/raspberrypi), let ExecStart call "
        "node-red, node-red-pi or node with red.js (%s), or set nodered_service (option service) to the service that "
        "runs Node-RED." % _user_units.by_hand(facts.unit, "edit"),
    )


class Platform(NamedTuple):
    """A system that builds and starts Node-RED itself."""

    name: str
    marks: Sequence[str]
    """Paths that only root can make, and that only this system has."""
    remedy: str


HOME_ASSISTANT = Platform(
    "Home Assistant",
    (
        "/usr/share/hassio",
        "/mnt/data/supervisor",
        "/etc/hassio.json",
        "/run/s6/container_environment/SUPERVISOR_TOKEN",
    ),
    "Protect the add-on in Home Assistant: its options (http_node, ssl, leave_front_door_open: false) and Home "
    "Assistant's own users. " + ANOTHER_WAY,
)
VENUS = Platform(
    "Venus OS",
    ("/opt/victronenergy", "/etc/venus", "/data/home/nodered"),
    "Venus OS (Large) starts Node-RED by daemontools (svc), with a settings file of its own on a read-only system. "
    "Protect it in the settings of the GX device (access level and password), put own settings into "
    "/data/home/nodered/.node-red/settings-user.js, and take this host out of the inventory of these roles.",
)


def platform(marks: Iterable[str]) -> Optional[Failure]:
    """The Failure for a system without systemd that runs Node-RED itself. `marks` are the paths that are there."""
    found = list(marks)
    for one in (VENUS, HOME_ASSISTANT):
        seen = [mark for mark in one.marks if mark in found]
        if seen:
            return Failure("This is %s (%s), where systemd does not run." % (one.name, ", ".join(seen)), one.remedy)
    return None


def in_containers(seen: str, groups: Sequence[str], marks: Iterable[str]) -> Failure:
    """The Failure where Node-RED runs in containers only. `groups` are their control groups, `seen` lists them."""
    found = list(marks)
    if any(mark in found for mark in HOME_ASSISTANT.marks):
        return Failure(
            "The only Node-RED here runs in a container, as an add-on of Home Assistant (addon_..._nodered)." + seen,
            HOME_ASSISTANT.remedy,
        )
    names = sorted({_runtime(group) for group in groups})
    return Failure(
        "The only Node-RED here runs in a container (%s)." % ", ".join(names) + seen,
        "This collection handles Node-RED that runs as a systemd service. Change the settings where the container "
        "is built and started.",
    )


def _runtime(group: str) -> str:
    for part, name in (("libpod", "Podman"), ("docker", "Docker"), ("lxc", "LXC"), ("kubepods", "Kubernetes")):
        if part in group:
            return name
    return "Docker, Podman, LXC or the like"


def owned_by_package(path: str, package: str) -> Failure:
    """The Failure for a settings file that an upgrade of a package overwrites."""
    return Failure(
        "The settings file %s belongs to the package %s and is none of its configuration files, so an upgrade of the "
        "package overwrites it: Node-RED would be open again." % (path, package),
        "Copy it to a file of your own (cp %s /etc/node-red-settings.js), let Node-RED use that (--settings in "
        "ExecStart, systemctl edit), and run again." % path,
    )


def _start(facts: UnitFacts) -> str:
    return "ExecStart=%s in %s" % (_shown(facts.words), facts.file or facts.unit)


def _command(process: ProcessFacts) -> str:
    return _shown(process.arguments) + (" in %s" % short_line(process.folder) if process.folder else "")


def _shown(words: Sequence[str]) -> str:
    """The beginning of a command line that can be shown: up to the first word with a value, which can be a secret."""
    shown: List[str] = []
    for word in words[:8]:
        if "=" in word or re.match(r"-[A-Za-z][^A-Za-z-]", word):
            break
        shown.append(word)
    return short_line(masked(" ".join(shown)) + (" ..." if len(shown) < len(words) else ""))


def _commands(processes: Sequence[ProcessFacts]) -> str:
    lines = ["\n - pid %d, user %s: %s" % (one.pid, one.user, _command(one)) for one in processes[:10]]
    return " Its processes:" + "".join(lines) if lines else " No process of it runs."


def _list(processes: Sequence[ProcessFacts]) -> str:
    return "".join("\n - " + str(one) for one in processes)


def _without_comments(script: str) -> str:
    lines: List[str] = [line for line in script.splitlines() if not line.lstrip().startswith("#")]
    return "\n".join(lines)
