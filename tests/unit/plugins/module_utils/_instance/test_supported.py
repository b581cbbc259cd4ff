# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How facts about a launcher are collected."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _running, _supported
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._running import StartUp
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _packages, _processes, _systemd
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._processes import Listener, Process
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Unit, Word

ME = pwd.getpwuid(os.getuid())
# Larger than the kernel gives out (proc(5), pid_max), so that no process of this machine has it.
NO_PID = 2**23


def unit(words, name="nodered.service", **properties):
    start = f"{{ path={words.split()[0]} ; argv[]={words} ; ignore_errors=no ; start_time=[n/a] }}"
    shown = {"LoadState": "loaded", "User": ME.pw_name, "ExecStart": start, **properties}
    return Unit(name, {key: [value] for key, value in shown.items()})


def node_red(pid, parent=1, arguments=("node-red",)):
    return Process(pid, parent, 1, "node-red", arguments, os.getuid())


@pytest.fixture
def seen(monkeypatch):
    """What the user of a process sees of it, by pid."""
    of = {}
    nothing = {"ports": [], "folder": "/home/pi", "home": "/home/pi", "app": None, "logged": None}
    monkeypatch.setattr(_supported, "_seen_as_user", lambda one: {**nothing, **of.get(one.pid, {})})
    logged = {13: StartUp(settings_file="/srv/c/settings.js")}

    def start_up(_unit, one):
        return logged.get(one.pid) or StartUp(words=[Word(word) for word in one.arguments if len(one.arguments) > 1])

    monkeypatch.setattr(_running, "start_up", start_up)
    return of


def test_each_node_red_of_a_unit_is_found_with_its_settings_file(seen):
    seen[11] = {"ports": [1880]}
    seen[12] = {"ports": [1881], "app": "b", "logged": "/home/pi/b/settings.js"}
    seen[16] = {"app": "c"}
    found = [
        ("nodered.service", node_red(11, arguments=("node", "/usr/bin/node-red", "-u", "a"))),
        ("nodered.service", node_red(12)),
        ("nodered.service", node_red(13)),
        ("nodered.service", node_red(16)),
        ("other.service", node_red(14)),
        (None, node_red(15)),
    ]
    facts = _supported.facts_of(unit("/usr/bin/env node-red"), found)
    assert [(one.pid, one.app, one.settings_file) for one in facts.node_reds] == [
        (11, None, "/home/pi/a/settings.js"),
        (12, "b", "/home/pi/b/settings.js"),
        (13, None, "/srv/c/settings.js"),
        (16, "c", None),
    ]


def test_the_log_of_pm2_names_the_settings_file_of_the_last_start(tmp_path, monkeypatch):
    log = tmp_path / "kitchen-out.log"
    log.write_text("Settings file  : /old/settings.js\n28 Nov - [info] Settings file  : /home/pi/b/settings.js\nx\n")
    environment = {"HOME": "/home/pi", "pm_id": "1", "name": "kitchen", "pm_out_log_path": str(log)}
    monkeypatch.setattr(_processes, "environment", lambda _pid: environment)
    seen = _supported._seen(os.getpid())
    assert (seen["app"], seen["logged"]) == ("kitchen", "/home/pi/b/settings.js")


def test_a_child_is_a_node_red_of_its_own_only_where_it_listens_itself(seen):
    """A wrapper that starts one in the background and then becomes the other; a copy that is about to run a program."""
    seen.update({11: {"ports": [1881]}, 12: {"ports": [1880]}, 13: {"ports": [1881]}})
    found = [("nodered.service", node_red(pid, parent)) for pid, parent in ((11, 1), (12, 11), (13, 11))]
    assert [one.pid for one in _supported.facts_of(unit("/home/pi/two.sh"), found).node_reds] == [11, 12]


def test_a_child_that_is_still_starting_is_a_node_red_of_its_own(seen):
    child = node_red(12, 11, ("node", "/usr/bin/node-red", "-u", "/home/pi/b"))
    found = [("nodered.service", node_red(11)), ("nodered.service", child)]
    assert [one.pid for one in _supported.facts_of(unit("/home/pi/two.sh"), found).node_reds] == [11, 12]


def test_node_reds_outside_of_the_unit_do_not_count(seen):
    found = [("nodered.service", node_red(11)), ("cron.service", node_red(12)), (None, node_red(13))]
    _supported.require(unit("/usr/bin/env node-red"), found)


@pytest.mark.parametrize("words", ["{script}", "/bin/bash {script}", "/usr/bin/env -u X {script} --verbose"])
def test_the_text_of_a_script_is_read(tmp_path, words):
    script = tmp_path / "start.sh"
    script.write_text("#!/bin/sh\ndocker run nodered/node-red\n")
    with pytest.raises(Failure, match="runs a container"):
        _supported.require(unit(words.format(script=script)), [])


def test_a_script_in_another_language_is_not_searched(tmp_path):
    script = tmp_path / "start.py"
    script.write_text("#!/usr/bin/env python3\n'''docker run nodered/node-red'''\n")
    _supported.require(unit(str(script)), [])


@contextlib.contextmanager
def server(answers):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, body = answers.get(self.path, (404, {}))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_arguments):
            pass

    httpd = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield httpd.server_port
    httpd.shutdown()
    httpd.server_close()


ANSWERS = {
    "open": ({"/red/auth/login": (200, {}), "/red/settings": (200, {"httpNodeRoot": "/api/"})}, "/red/"),
    "a login": ({"/auth/login": (200, {"type": "credentials", "prompts": []})}, "/"),
    "any page": ({"/auth/login": (200, {}), "/settings": (200, {"theme": "dark"})}, None),
    "nothing": ({}, None),
    "no JSON object": ({"/auth/login": (200, ["credentials"])}, None),
}


@pytest.mark.parametrize(("answers", "root"), ANSWERS.values(), ids=ANSWERS)
def test_a_port_is_asked_whether_it_responds_as_node_red(answers, root):
    with server(answers) as port:
        url = _supported._url_of_node_red([Listener("127.0.0.1", port)], time.monotonic() + 5)
        assert url == (root and f"http://127.0.0.1:{port}{root}")


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A program of Node.js in a unit, without a Node-RED process."""
    (tmp_path / "node").mkdir()
    (tmp_path / "dist").mkdir()
    script = tmp_path / "dist" / "index.js"
    script.write_text("require('node-red')")
    process = Process(NO_PID, 1, 1, "node", ("/usr/bin/node", "--inspect", "dist/index.js"), os.getuid())
    monkeypatch.setattr(_processes, "processes", lambda: [process])
    monkeypatch.setattr(_processes, "unit_of", lambda pid: "kiosk.service" if pid == NO_PID else None)
    monkeypatch.setattr(_processes, "link", lambda pid, name: None)
    monkeypatch.setattr(_processes, "listeners", lambda *_pids: [])
    return tmp_path


def kiosk(folder):
    return unit("/usr/bin/node dist/index.js", "kiosk.service", MainPID=str(NO_PID), WorkingDirectory=str(folder))


def test_a_program_that_depends_on_node_red_embeds_it(program):
    (program / "package.json").write_text(json.dumps({"name": "candy", "dependencies": {"node-red": "^4.1.0"}}))
    with pytest.raises(Failure) as failure:
        _supported.require(kiosk(program), [])
    assert f"kiosk.service runs a program that embeds Node-RED: {program}/dist/index.js (pid {NO_PID}; " in str(
        failure.value
    )
    assert f"{program}/package.json depends on node-red" in str(failure.value)


def test_a_program_that_responds_as_node_red_embeds_it(program, monkeypatch):
    monkeypatch.setattr(_supported, "_url_of_node_red", lambda *_: "http://127.0.0.1:8000/red/")
    with pytest.raises(Failure, match="responds as Node-RED at http://127.0.0.1:8000/red/"):
        _supported.require(kiosk(program), [])


@pytest.mark.parametrize("about", [{}, {"dependencies": ["node-red"]}, {"dependencies": {"express": "5"}}, []])
def test_another_program_of_node_embeds_nothing(program, about):
    (program / "package.json").write_text(json.dumps(about))
    _supported.require(kiosk(program), [])


def test_a_supervisor_is_named_with_what_it_runs(monkeypatch, seen):
    seen.update({11: {"ports": [1880]}, 12: {"ports": [1881]}})
    shown = unit("/usr/bin/supervisord -n -c /etc/supervisor/supervisord.conf", "supervisor.service", MainPID="1")
    monkeypatch.setattr(_systemd, "show", lambda *_names: [shown])
    two = [("supervisor.service", node_red(pid)) for pid in (11, 12)]
    assert "supervisor.service starts 2 Node-REDs" in str(_supported.without_unit(two, True))
    failure = _supported.without_unit(two[:1], False)
    assert "supervisor.service does not start node-red in a way" in str(failure)
    assert "pid 11" in str(failure)
    assert _supported.without_unit(two[:1], True) is None, "then the list of all says more"


@pytest.mark.parametrize(
    "arguments",
    [
        ("/usr/bin/docker", "run", "--name", "iot", "nodered/node-red"),
        ("/usr/bin/conmon", "--api-version", "1", "-c", "3f2a", "-n", "nodered", "-r", "/usr/bin/crun"),
    ],
)
def test_a_container_is_traced_to_its_unit(monkeypatch, arguments):
    inside = ("/bin/bash", "-c", "docker run node-red")
    running = [Process(NO_PID, 1, 1, "x", inside, 0), Process(NO_PID + 1, 1, 1, "x", arguments, 0)]
    monkeypatch.setattr(_processes, "processes", lambda: running)
    monkeypatch.setattr(_processes, "unit_of", lambda pid: "iot.service" if pid == NO_PID + 1 else None)
    monkeypatch.setattr(_systemd, "show", lambda name: [unit("/usr/bin/docker run --name iot nodered/node-red", name)])
    failure = _supported.without_unit([(None, node_red(11))], False)
    assert "iot.service runs a container" in str(failure)


def test_venus_os_is_named_before_systemd_is_asked(monkeypatch):
    monkeypatch.setattr(_supported, "SYSTEMD_RUNS", "/nonexistent")
    monkeypatch.setattr(_supported, "marks", lambda: ["/opt/victronenergy"])
    with pytest.raises(Failure, match="Venus OS"):
        _supported.require_platform()


@pytest.mark.parametrize(
    ("path", "of_root", "asked"),
    [
        ("/home/pi/.node-red/settings.js", False, False),
        ("/home/pi/.node-red/settings.js", True, True),
        ("/root/.node-red/settings.js", True, False),
        ("/mnt/dietpi_userdata/node-red/settings.js", False, False),
        ("/var/lib/node-red/.node-red/settings.js", False, True),
        ("/etc/node-red/settings.js", True, True),
    ],
)
def test_dpkg_is_asked_only_about_files_that_a_package_can_have(monkeypatch, path, of_root, asked):
    questions = []

    @contextlib.contextmanager
    def overwriting(paths):
        questions.append(paths)
        yield lambda: "vendor-nodered"

    monkeypatch.setattr(_packages, "overwriting", overwriting)
    expected = pytest.raises(Failure, match="package vendor-nodered") if asked else contextlib.nullcontext()
    with expected, _supported.no_package_overwrites(path, of_root):
        pass
    assert questions == ([[path]] if asked else [])
