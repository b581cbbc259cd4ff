# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: what starts Node-RED on this machine, and whether the collection can handle it.

This collects the facts; what they mean stands in _unsupported. Of processes, only those in the control group of the
unit count: there, the kernel keeps what the unit has started, and no other user can put a process.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import time
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils._core import _http
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import (
    _command_line,
    _running,
    _service_ports,
    _serving,
    _unsupported,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._unsupported import ProcessFacts, UnitFacts
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _identity, _packages, _processes, _systemd
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._processes import Process
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Unit, Word

Found = Sequence[Tuple[Optional[str], Process]]
"""Each Node-RED process, with the unit whose control group it is in."""

SYSTEMD_RUNS = "/run/systemd/system"
# Bytes of a shell script that starts Node-RED.
SCRIPT_LIMIT = 64 * 1024
PACKAGE_LIMIT = 1024 * 1024
# Processes that are looked at in a unit.
MOST_PROCESSES = 20
# Seconds for asking ports whether they respond as Node-RED.
SEARCH_SECONDS = 8
ANSWER_SECONDS = 2
# Where programs that embed Node-RED have its admin API; the documentation's example has /red.
ROOTS = ("/", "/red/", "/admin/", "/node-red/", "/nodered/")
# Where packages may not put files (Filesystem Hierarchy Standard, Debian policy 9.1).
UNPACKAGED = ("/home/", "/root/", "/mnt/", "/media/", "/srv/", "/usr/local/", "/run/", "/tmp/")
_SHELL_SCRIPT = re.compile(r"#!.*\b(?:sh|bash|dash|ash|ksh|zsh)\b")


def require_platform() -> None:
    """Raise Failure on a system without systemd that is known for starting Node-RED itself."""
    if not os.path.isdir(SYSTEMD_RUNS):
        failure = _unsupported.platform(marks())
        if failure:
            raise failure


def marks() -> List[str]:
    """The paths of known systems that are there."""
    known = (*_unsupported.VENUS.marks, *_unsupported.HOME_ASSISTANT.marks)
    return [path for path in known if os.path.lexists(path)]


def require(unit: Unit, found: Found) -> None:
    """Raise Failure where this unit starts Node-RED in a way that this collection does not handle, and has a name for.

    `found` holds every Node-RED process of the machine.
    """
    facts = facts_of(unit, found)
    failure = _unsupported.by_name(facts)
    if failure:
        raise failure
    if not facts.node_reds and facts.others:
        _require_no_embedding(facts, unit)


@contextlib.contextmanager
def no_package_overwrites(settings_file: str, of_root: bool) -> Iterator[None]:
    """Raise Failure after the block where an upgrade of a package overwrites this file.

    dpkg is asked meanwhile. In a home directory, it is asked about a file of root only: packages leave no others.
    """
    paths = [
        path
        for path in dict.fromkeys((settings_file, os.path.realpath(settings_file)))
        if not path.startswith(UNPACKAGED) or (of_root and path.startswith("/home/"))
    ]
    if not paths:
        yield
        return
    with _packages.overwriting(paths) as answer:
        yield
        package = answer()
    if package:
        raise _unsupported.owned_by_package(settings_file, package)


def facts_of(unit: Unit, found: Found) -> UnitFacts:
    """How this unit starts its program, and what it runs."""
    words = _systemd.shown_command(unit).words
    known = _command_line.parse([Word(word) for word in words]) is not None
    node_reds = _separate([process for name, process in found if name == unit.name])
    several = len(node_reds) > 1
    return UnitFacts(
        unit=unit.name,
        file=unit.file_with(r"^[ \t]*ExecStart[ \t]*=[ \t]*\S"),
        words=words,
        source=unit.text("SourcePath"),
        script="" if known else _script(words, unit),
        node_reds=[_described(one, unit) if several else _briefly(one) for one in node_reds[:MOST_PROCESSES]],
        others=[] if known else _others(unit, node_reds),
    )


def _separate(processes: Sequence[Process]) -> List[Process]:
    """Those that are Node-REDs of their own: not the copy of another that is about to become another program.

    A shell that starts one in the background and then becomes another (exec) makes the first a child of the second.
    """
    by_pid = {one.pid: one for one in processes}
    return [one for one in processes if one.parent not in by_pid or _differs(one, by_pid[one.parent])]


def _differs(child: Process, parent: Process) -> bool:
    return child.arguments != parent.arguments or bool(
        set(_seen_as_user(child)["ports"]) - set(_seen_as_user(parent)["ports"])
    )


def _others(unit: Unit, node_reds: Sequence[Process]) -> List[ProcessFacts]:
    pids = {one.pid for one in node_reds}
    if not unit.main_pid:
        return []
    own = [one for one in _processes.processes() if _service_ports.holds(unit, one.pid)]
    return [_briefly(one) for one in own if one.pid not in pids][:MOST_PROCESSES]


def _briefly(process: Process) -> ProcessFacts:
    return ProcessFacts(
        pid=process.pid,
        user=_identity.name_of(process.uid),
        arguments=process.arguments,
        program=_processes.link(process.pid, "exe"),
        folder=_processes.link(process.pid, "cwd"),
    )


def _described(process: Process, unit: Unit) -> ProcessFacts:
    """With its ports and its settings file, which only its own user may see in a container without CAP_SYS_PTRACE."""
    seen = _seen_as_user(process)
    return _briefly(process)._replace(
        folder=seen["folder"],
        ports=seen["ports"],
        settings_file=_settings_file(process, unit, seen),
        app=seen["app"],
    )


def _seen_as_user(process: Process) -> Dict[str, Any]:
    """What the process's own user sees of it; empty where that fails."""
    with contextlib.suppress(Failure, OSError):
        return dict(_identity.of(str(process.uid)).run(_seen, process.pid))
    return {"ports": [], "folder": None, "home": "", "app": None, "logged": None}


def _seen(pid: int) -> Dict[str, Any]:
    environment = _processes.environment(pid)
    return {
        "ports": sorted({listener.port for listener in _processes.listeners(pid)}),
        "folder": _processes.link(pid, "cwd"),
        "home": environment.get("HOME", ""),
        # lib/God/ForkMode.js of PM2 gives a process what PM2 knows of it; its output goes to a file.
        "app": environment.get("name") if "pm_id" in environment else None,
        "logged": _last_settings_file(_files.text(environment.get("pm_out_log_path", ""))),
    }


def _last_settings_file(log: str) -> Optional[str]:
    named = re.findall(r"Settings file\s*: (/.*)$", log, re.MULTILINE)
    return named[-1].strip() if named else None


def _settings_file(process: Process, unit: Unit, seen: Dict[str, Any]) -> Optional[str]:
    """By what it has logged, or by its command line."""
    start_up = _running.start_up(unit, process)
    logged = start_up.settings_file or seen["logged"]
    line = _command_line.parse(start_up.words)
    if logged or line is None:
        return logged
    folder = seen["folder"] or unit.text("WorkingDirectory") or "/"
    if line.settings:
        return _command_line.resolved(line.settings.value, folder, seen["home"])
    user_dir = line.user_dir.value if line.user_dir else "~/.node-red"
    return os.path.join(_command_line.resolved(user_dir, folder, seen["home"]), "settings.js")


def _script(words: Sequence[str], unit: Unit) -> str:
    """The text of the script that ExecStart names, read with the rights of the service; empty where it names none."""
    for index, word in enumerate(words[:4]):
        if word.startswith("/"):
            before = "".join(words[max(0, index - 1) : index])
            text = _files.text(word, unit.reader(word), SCRIPT_LIMIT)
            if _SHELL_SCRIPT.match(text) or os.path.basename(before) in ("sh", "bash", "dash"):
                return text
    return ""


def _require_no_embedding(facts: UnitFacts, unit: Unit) -> None:
    user = unit.identity()
    for process in facts.others:
        script = _node_script(process, unit)
        if script:
            package = user.run(_package_with_node_red, script)
            if package:
                raise _unsupported.embedded(facts, script, "pid %d; %s" % (process.pid, package))
    end = time.monotonic() + SEARCH_SECONDS
    for process in facts.others:
        script = _node_script(process, unit)
        url = script and _url_of_node_red(_processes.listeners(process.pid), end)
        if script and url:
            raise _unsupported.embedded(facts, script, "pid %d responds as Node-RED at %s" % (process.pid, url))


def _node_script(process: ProcessFacts, unit: Unit) -> Optional[str]:
    """The script that this process of Node.js runs; None for any other."""
    if not _runs_node(process):
        return None
    script = next((word for word in process.arguments[1:] if not word.startswith("-")), None)
    return script and os.path.join(process.folder or unit.text("WorkingDirectory") or "/", script)


def _runs_node(process: ProcessFacts) -> bool:
    """By its executable file, or by its name where that cannot be seen."""
    program = process.program or next(iter(process.arguments), "")
    return os.path.basename(program).startswith("node")


def _package_with_node_red(script: str) -> Optional[str]:
    """What shows that the package that this script belongs to uses node-red as a library; None where nothing does."""
    folder = os.path.dirname(os.path.realpath(script))
    while folder != "/" and os.path.basename(folder) != "node_modules":
        about = _files.json_of(os.path.join(folder, "package.json"), limit=PACKAGE_LIMIT)
        if isinstance(about, dict):
            needed = about.get("dependencies")
            if isinstance(needed, dict) and "node-red" in needed:
                return "%s depends on node-red" % os.path.join(folder, "package.json")
            return None
        folder = os.path.dirname(folder)
    return None


def _url_of_node_red(listeners: Sequence[_processes.Listener], end: float) -> Optional[str]:
    """Where one of these sockets responds as Node-RED does; None where none does until `end` (time.monotonic())."""
    for listener in listeners:
        for scheme in ("http", "https"):
            for root in ROOTS:
                where = _serving.Endpoint(scheme, listener.address, listener.port, root, None)
                answer = _is_node_red(where.url or "", end)
                if answer:
                    return where.url
                if answer is None:
                    break
    return None


def _is_node_red(url: str, end: float) -> Optional[bool]:
    """Whether the admin API of Node-RED responds below this URL; None where nothing does.

    `auth/login` says how to log in, and `settings` wants a login, or has httpNodeRoot in it (editor-api/lib/auth,
    runtime/lib/api/settings.js).
    """
    login = _answer(url + "auth/login", end)
    if login is None:
        return None
    about = _json(login)
    if login.status != 200 or not isinstance(about, dict):
        return False
    if "prompts" in about and about.get("type") in ("credentials", "strategy"):
        return True
    settings = _answer(url + "settings", end)
    shown = _json(settings) if settings else None
    return isinstance(shown, dict) and "httpNodeRoot" in shown


def _json(response: _http.Response) -> Any:
    with contextlib.suppress(ValueError):
        return _http.parsed_json(response.body)
    return None


def _answer(url: str, end: float) -> Optional[_http.Response]:
    seconds = min(ANSWER_SECONDS, end - time.monotonic())
    if seconds <= 0:
        return None
    context = _serving.unverified_tls() if url.startswith("https:") else None
    try:
        return _http.request(url, headers={"Accept": "application/json"}, timeout=seconds, context=context)
    except (OSError, http.client.HTTPException, ValueError):
        return None


def without_unit(found: Found, known: bool) -> Optional[Failure]:
    """Why none of the units can be meant, by the Node-RED processes that were seen; None where they do not show it.

    `known` is whether there is a unit of Node-RED at all. Without one, the unit of a supervisor (supervisord, cron) is
    named, with what it runs.
    """
    for process in (_briefly(one) for _name, one in found):
        if _unsupported.is_flowfuse(process):
            return _unsupported.flowfuse("pid %d" % process.pid, "it runs in %s" % process.folder)
        if _unsupported.is_snap(process):
            return _unsupported.snap("pid %d" % process.pid, process.program or " ".join(process.arguments))
    for name in dict.fromkeys(name for name, _process in found if name):
        unit = _systemd.show(name)[0]
        if unit.loaded:
            facts = facts_of(unit, found)
            failure = _unsupported.by_name(facts)
            if failure or not known:
                return failure or _unsupported.unknown(facts)
    if known:
        return None
    return _unit_of_container() if found else _embedding_anywhere()


def _unit_of_container() -> Optional[Failure]:
    """The unit that runs a container of Node-RED, by the process with which Docker or Podman waits for it."""
    waiting = [one for one in _processes.processes() if _unsupported.waits_for_container(one.arguments)]
    for name in dict.fromkeys(_processes.unit_of(one.pid) for one in waiting):
        failure = name and _unsupported.by_name(facts_of(_systemd.show(name)[0], ()))
        if failure:
            return failure
    return None


def _embedding_anywhere() -> Optional[Failure]:
    """A process of Node.js that responds as Node-RED, where no Node-RED was found."""
    end = time.monotonic() + SEARCH_SECONDS
    for process in map(_briefly, _processes.processes()):
        if _runs_node(process):
            url = _url_of_node_red(_processes.listeners(process.pid), end)
            if url:
                return _unsupported.embedding_process(process, url)
    return None
