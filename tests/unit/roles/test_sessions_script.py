# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the storage module beside settings.js does, in Node.js itself; Node-RED's own storage is a stand-in."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess

import pytest

SCRIPT = pathlib.Path(__file__).parents[3] / "roles" / "sessions" / "files" / "pifleet-sessions.js"

OWN_STORAGE = """
module.exports = {
    init: () => Promise.resolve('init'),
    getFlows: () => Promise.resolve('flows'),
    getSettings: () => Promise.resolve('settings'),
    saveSettings: () => Promise.resolve(),
    getSessions: () => Promise.resolve('from the user directory'),
    saveSessions: () => Promise.reject(new Error('EROFS')),
    projects: { ssh: 'keys' },
};
"""
# What Node-RED does before it loads the settings, then what the test wants of the storage.
RED = """
require('@node-red/runtime/lib/storage');
const storage = require(process.argv[2]).storageModule;
const own = require('@node-red/runtime/lib/storage/localfilesystem');
(async () => { console.log(JSON.stringify((await (%s)()) || null)); })();
"""


@pytest.fixture
def machine(tmp_path):
    """A user directory with the script, and a Node-RED package as npm installs it."""
    (tmp_path / "user").mkdir()
    shutil.copy(SCRIPT, tmp_path / "user")
    storage = tmp_path / "lib" / "node-red" / "node_modules" / "@node-red" / "runtime" / "lib" / "storage"
    (storage / "localfilesystem").mkdir(parents=True)
    (storage / "index.js").write_text("")
    (storage / "localfilesystem" / "index.js").write_text(OWN_STORAGE)
    return tmp_path


@pytest.fixture
def node_red(machine):
    """Let Node-RED's process do this with the storage that the settings name: its result, and what it complains of."""

    def run(code, store="inFile(process.env.SESSIONS)", sessions="run/sessions.json"):
        settings = machine / "user" / "settings.js"
        settings.write_text(f"module.exports = {{ storageModule: require('./pifleet-sessions.js').{store} }};\n")
        (machine / "lib" / "node-red" / "red.js").write_text(RED % code)
        done = subprocess.run(
            ["node", str(machine / "lib" / "node-red" / "red.js"), str(settings)],
            env={**os.environ, "SESSIONS": str(machine / sessions)},
            capture_output=True,
            text=True,
            timeout=30,
            cwd="/",
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), done.stderr

    return run


@pytest.fixture
def sessions(machine):
    (machine / "run").mkdir()
    return machine / "run" / "sessions.json"


def test_all_but_the_sessions_is_node_reds_own(node_red, sessions):
    code = """() => Object.keys(own).filter((name) => !storage.hasOwnProperty(name) || storage[name] !== own[name])"""
    assert node_red(code)[0] == ["getSessions", "saveSessions"]
    assert node_red(code, store="inMemory()")[0] == ["getSessions", "saveSessions"]


def test_sessions_are_there_after_a_restart_and_for_nobody_else(node_red, sessions):
    assert node_red("() => storage.saveSessions({ token: 1 })")[1] == ""
    assert node_red("() => storage.getSessions()")[0] == {"token": 1}
    assert sessions.stat().st_mode & 0o777 == 0o600
    assert os.listdir(sessions.parent) == ["sessions.json"]


def test_sessions_in_memory_are_gone_after_a_restart(node_red, machine):
    code = "() => storage.saveSessions({ token: 1 }).then(() => storage.getSessions())"
    assert node_red(code, store="inMemory()")[0] == {"token": 1}
    assert node_red("() => storage.getSessions()", store="inMemory()")[0] == {}


@pytest.mark.parametrize("text", [None, "", "{", "\0\0\0"])
def test_a_missing_or_damaged_file_logs_everybody_out_and_no_more(node_red, sessions, text):
    if text is not None:
        sessions.write_text(text)
    assert node_red("() => storage.getSessions()") == ({}, "")


def test_what_cannot_be_written_is_a_warning_and_not_the_end(node_red, machine):
    answer, said = node_red("() => storage.saveSessions({ 'a-live-token': 1 }).then(() => 'logged in')")
    assert answer == "logged in"
    assert "Logins will not outlive a restart: ENOENT" in said
    assert "a-live-token" not in said
    (machine / "run" / "sessions.json").mkdir(parents=True)
    answer, said = node_red("() => storage.saveSessions({}).then(() => storage.getSessions())")
    assert answer == {}
    assert "Logins will not outlive a restart: E" in said
    assert "Nobody is logged in any longer: EISDIR" in said


def test_the_last_of_many_logins_at_once_is_what_stays(node_red, sessions):
    login = "storage.saveSessions({ n, text: 'x'.repeat(2000 - 9 * n) })"
    many = f"() => Promise.all([...Array(200).keys()].map((n) => {login}))"
    assert node_red(many)[1] == ""
    assert json.loads(sessions.read_text())["n"] == 199


def test_the_running_node_red_counts_and_not_another_one_in_the_user_directory(node_red, machine, sessions):
    other = machine / "user" / "node_modules" / "@node-red" / "runtime" / "lib" / "storage" / "localfilesystem"
    other.mkdir(parents=True)
    (other / "index.js").write_text("throw new Error('another one');")
    assert node_red("() => storage.getFlows()")[0] == "flows"


def tried(machine, script):
    """What a trial of the settings finds, which is no Node-RED, but says in argv which one is meant."""
    code = (
        f"process.argv[1] = {json.dumps(script)}; const s = require('{machine}/user/pifleet-sessions.js').inMemory();"
    )
    done = subprocess.run(
        ["node", "-e", code + " console.log(JSON.stringify(Object.keys(s || {})));"],
        capture_output=True,
        text=True,
        timeout=30,
        cwd="/",
        check=True,
    )
    return json.loads(done.stdout), done.stderr


def test_a_trial_of_the_settings_finds_the_storage_too(machine):
    names, said = tried(machine, str(machine / "lib" / "node-red" / "red.js"))
    assert {"getFlows", "projects", "getSessions"} <= set(names)
    assert said == ""


def test_without_node_reds_storage_there_is_none_to_use(machine):
    names, said = tried(machine, "/elsewhere/red.js")
    assert names == []
    assert "Node-RED keeps sessions in its user directory. Cannot find module" in said
