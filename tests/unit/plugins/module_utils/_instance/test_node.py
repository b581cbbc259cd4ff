# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The load check, with this machine's own node."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import tempfile
import time

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _node
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _identity, _processes

NODE = shutil.which("node") or ""
pytestmark = pytest.mark.skipif(not NODE, reason="there is no node on this machine")

ME = pwd.getpwuid(os.getuid()).pw_name
HASH = "$2b$08$zZWtXTja0fB1pzD4sHCMyOCMYz2Z6dNbM6tl8sJogENOMcxWV9DN."


@pytest.fixture
def load(tmp_path):
    def load(text, environment=None, defines=(), arguments=(), **options):
        path = tmp_path / "settings.js"
        path.write_text(text)
        variables = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **(environment or {})}
        runtime = _node.Runtime(NODE, _identity.of(ME), variables, str(tmp_path), arguments, defines)
        return _node.load(str(path), runtime, **options)

    return load


def test_what_the_file_exports_is_summed_up_without_secrets(load):
    loaded = load(
        f"module.exports = {{uiPort: 1881, httpAdminRoot: '/x', credentialSecret: 'hunter2', https: () => 1,"
        f" adminAuth: {{type: 'credentials', users: [{{username: 'a', password: '{HASH}'}}]}}}}"
    )
    assert not loaded.error
    assert (loaded.in_effect["uiPort"], loaded.in_effect["httpAdminRoot"]) == (1881, "/x")
    assert (loaded.in_effect["adminAuth"], loaded.in_effect["https"]) == ("credentials", "function")
    assert "hunter2" not in str(loaded)
    assert HASH not in str(loaded)
    assert loaded.node_version


def test_an_error_cannot_control_the_terminal(load):
    error = load("throw new Error('a\\u001b[31m b\\u202e c\\r\\nd')").error
    assert "Error: a\\x1b[31m b\\u202e c\nd" in error


@pytest.mark.parametrize(
    "admin_auth, kind",
    [("null", "none"), ("{type: 'strategy'}", "strategy"), ("{users: []}", "other"), ("true", "other")],
)
def test_the_kind_of_admin_auth_is_what_node_red_goes_by(load, admin_auth, kind):
    assert load(f"module.exports = {{adminAuth: {admin_auth}}}").in_effect["adminAuth"] == kind


@pytest.mark.parametrize(
    "storage, kind, file",
    [
        ("undefined", "none", None),
        ("'localfilesystem'", "none", None),
        ("{getSessions: () => 1}", "other", None),
        ("'./mine.js'", "other", None),
        ("{sessionsFile: '/run/nodered/sessions.json'}", "pifleet", "/run/nodered/sessions.json"),
        ("{sessionsFile: null}", "pifleet", None),
    ],
)
def test_a_storage_module_of_ours_says_where_the_sessions_are(load, storage, kind, file):
    found = load(f"module.exports = {{storageModule: {storage}}}").in_effect
    assert (found["storageModule"], found["sessionsFile"]) == (kind, file)


def test_a_syntax_error_names_file_and_line(load, tmp_path):
    loaded = load("module.exports = {\n  uiPort: 1880\n  uiHost: 'x'\n}")
    assert f"{tmp_path}/settings.js:3" in loaded.error
    assert "SyntaxError" in loaded.error


def test_an_error_names_the_real_file_and_no_secret(load):
    loaded = load(f"module.exports = {{\n  password: '{HASH}' x }}", shown_as="/home/pi/.node-red/settings.js")
    assert "/home/pi/.node-red/settings.js:2" in loaded.error
    assert HASH not in loaded.error


def test_a_value_of_the_environment_does_not_get_into_an_error(load):
    loaded = load("throw new Error('bad ' + process.env.DB_PASSWORD)", environment={"DB_PASSWORD": "hunter22"})
    assert "bad ********" in loaded.error


def test_a_missing_module_is_named(load):
    loaded = load("require('no-such-module')")
    assert "Cannot find module 'no-such-module'" in loaded.error
    assert "[eval]" not in loaded.error
    assert "npm install" in _node.explain(loaded.error, "/x/settings.js", _identity.of(ME))


def test_a_file_that_ends_the_process_is_an_error(load):
    assert "exit status 3" in load("console.log('bye'); process.exit(3)").error


def test_a_file_that_never_ends_is_ended_with_all_that_it_started(load, tmp_path):
    started = time.monotonic()
    loaded = load(
        "require('child_process').spawn('sh', ['-c', 'echo $$ > pid; exec sleep 600'], {stdio: 'inherit'});"
        "const end = Date.now() + 1e6; while (Date.now() < end);",
        timeout=4,
    )
    assert "did not finish loading within 4 seconds" in loaded.error
    assert time.monotonic() - started < 30
    pid = int((tmp_path / "pid").read_text())
    end = time.monotonic() + 5
    while _processes.process(pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert _processes.process(pid) is None


def test_what_the_file_prints_and_keeps_running_is_no_trouble(load):
    loaded = load("console.log('{\"ok\": false}'); setInterval(() => {}, 10); module.exports = {uiPort: 1}")
    assert not loaded.error
    assert loaded.in_effect["uiPort"] == 1


@pytest.mark.parametrize("name", ["fs", "path", "ask", "answer", "settings"])
def test_the_file_sees_no_globals_that_node_red_has_not(load, name):
    assert "ReferenceError" in load(f"module.exports = {{x: {name}}}").error


def test_an_es_module_is_refused_with_the_reason(load, tmp_path):
    (tmp_path / "package.json").write_text('{"type": "module"}')
    loaded = load("module.exports = {}")
    assert loaded.error
    remedy = _node.explain(loaded.error, str(tmp_path / "settings.js"), _identity.of(ME))
    assert f'{tmp_path}/package.json has "type": "module"' in remedy


def test_exporting_by_default_is_refused(load):
    loaded = load("export default {uiPort: 1}")
    assert loaded.error
    assert "module.exports" in _node.explain(loaded.error, "/x/settings.js", _identity.of(ME))


@pytest.mark.parametrize(
    "error",
    [
        "SyntaxError: Unexpected token export",  # 10
        "SyntaxError: Unexpected token 'export'",  # 12 to 18
        "SyntaxError: Cannot use import statement outside a module",
        "Node-RED would load an ES module",
    ],
)
def test_each_release_of_node_names_an_es_module_in_its_own_words(error):
    assert "module.exports" in _node.explain(error, "/x/settings.js", _identity.of(ME))


@pytest.mark.parametrize("export", ["null", "'text'", "undefined", "[1]"])
def test_what_is_no_object_is_refused(load, export):
    assert load("module.exports = " + export).error


WANTED = [
    ({"path": ["uiPort"], "value": 1880}, True),
    ({"path": ["uiPort"], "value": "1880"}, False),
    ({"path": ["a", "b"], "value": [1, {"c": None}]}, True),
    ({"path": ["a", "b"], "value": [1, {"c": None, "d": 1}]}, False),
    ({"path": ["a", "b"], "value": {"0": 1}}, False),
    ({"path": ["a", "none"], "absent": True}, True),
    ({"path": ["a"], "absent": True}, False),
    ({"path": ["f"], "present": True}, True),
    ({"path": ["none", "f"], "present": True}, False),
]


@pytest.mark.parametrize("wanted, in_effect", WANTED)
def test_a_wanted_setting_is_compared_with_what_is_exported(load, wanted, in_effect):
    loaded = load("module.exports = {uiPort: 1880, a: {b: [1, {c: null}]}, f: function () {}}", wanted=[wanted])
    assert not loaded.error
    assert loaded.not_in_effect == ([] if in_effect else [".".join(wanted["path"])])


def test_a_later_assignment_takes_a_wanted_setting_out_of_force(load):
    text = "module.exports = {uiPort: 1881}; module.exports.uiPort = 1880;"
    assert load(text, wanted=[{"path": ["uiPort"], "value": 1881}]).not_in_effect == ["uiPort"]


def test_definitions_of_the_command_line_win_as_in_red_js(load, tmp_path):
    (tmp_path / "more.json").write_text('{"httpAdminRoot": "/ed", "editorTheme.projects.enabled": true}')
    loaded = load(
        "module.exports = {uiPort: 1880, adminAuth: {type: 'credentials'}}",
        defines=["adminAuth=null", "uiHost=127.0.0.1", "uiPort=1999", f"@{tmp_path}/more.json"],
    )
    assert loaded.from_file["adminAuth"] == "credentials"
    assert loaded.in_effect["adminAuth"] == "none"
    assert (loaded.in_effect["uiHost"], loaded.in_effect["uiPort"]) == ("127.0.0.1", 1999)
    assert loaded.in_effect["httpAdminRoot"] == "/ed"
    assert loaded.defined[-1] == ["httpAdminRoot", "editorTheme.projects.enabled"]


def test_it_is_noticed_whether_the_file_reads_the_port_from_the_environment(load):
    template = "module.exports = {uiPort: process.env.PORT || 1880}"
    assert load(template, environment={"PORT": "1999"}).reads_port
    assert load(template, environment={"PORT": "1999"}).in_effect["uiPort"] == "1999"
    assert not load("module.exports = {uiPort: 1880}", environment={"PORT": "1999"}).reads_port


def test_the_environment_can_be_spread_and_set_as_usual(load):
    text = "process.env.A = '1'; const copy = {...process.env}; delete process.env.A; module.exports = {uiHost: copy.A}"
    assert load(text).in_effect["uiHost"] == "1"


def test_the_process_has_the_arguments_of_node_red(load, tmp_path):
    script = tmp_path / "red.js"
    script.touch()
    loaded = load("module.exports = {uiHost: process.argv[1]}", arguments=[str(script)])
    assert loaded.in_effect["uiHost"] == str(script)


def test_a_large_question_gets_through(load):
    wanted = [{"path": [f"x{number}"], "value": "y" * 1000} for number in range(1000)]
    assert len(load("module.exports = {}", wanted=wanted).not_in_effect) == 1000


def test_the_nearest_package_json_decides_about_es_modules(tmp_path):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "package.json").write_text(json.dumps({"type": "module"}))
    assert _node.es_module_folder(str(inner / "settings.js"), _identity.of(ME)) == str(tmp_path)
    (tmp_path / "a" / "package.json").write_text("{}")
    assert _node.es_module_folder(str(inner / "settings.js"), _identity.of(ME)) is None


def test_a_missing_node_and_an_unknown_user_are_said(tmp_path):
    def runtime(node, user):
        return _node.Runtime(node, _identity.of(user), {}, str(tmp_path))

    with pytest.raises(Failure, match="There is no node at /no/node"):
        _node.load("/etc/hosts", runtime("/no/node", ME))
    with pytest.raises(Failure, match="There is no user no-such-user"):
        _node.load("/x", runtime(NODE, "no-such-user"))


def test_a_binary_that_does_not_run_has_no_version(tmp_path):
    broken = tmp_path / "node"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    assert _node.version(_node.Runtime(str(broken), _identity.of(ME), {}, str(tmp_path))) is None
    assert _node.version(_node.Runtime(NODE, _identity.of(ME), {}, str(tmp_path)))


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_node_in_the_hands_of_the_service_user_is_asked_for_its_version_as_that_user(tmp_path):
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents:
        if folder.owner() == "root" and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    script = tmp_path / "node"
    script.write_text("#!/bin/sh\necho v$(id -u).0.0\n")
    script.chmod(0o755)
    nobody = pwd.getpwnam("nobody")
    version = _node.version(_node.Runtime(str(script), _identity.of("nobody"), {}, str(tmp_path)))
    assert version == f"{nobody.pw_uid}.0.0"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_the_file_is_loaded_as_the_given_user():
    nobody = pwd.getpwnam("nobody")
    runtime = _node.Runtime(NODE, _identity.of("nobody"), {"PATH": os.environ["PATH"]}, "/")
    # pytest's own folders are closed to others.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path = os.path.join(folder, "settings.js")
        with open(path, "w") as stream:
            stream.write("module.exports = {uiPort: process.getuid(), uiHost: String(process.getgroups())}")
        loaded = _node.load(path, runtime)
    assert loaded.in_effect["uiPort"] == nobody.pw_uid
    assert loaded.in_effect["uiHost"] == str(nobody.pw_gid)


@pytest.mark.skipif(os.getuid() != 0, reason="only root loads as root")
@pytest.mark.parametrize("what", ["file", "folder", "node", "package"])
def test_what_others_can_change_is_never_loaded_as_root(tmp_path, open_folders, what):
    folder, ran = tmp_path / "user", tmp_path / "ran"
    folder.mkdir()
    settings, node, package = folder / "settings.js", folder / "node", folder / "red.js"
    settings.write_text(f"require('fs').writeFileSync({str(ran)!r}, ''); module.exports = {{}};")
    node.symlink_to(NODE)
    package.touch()
    runtime = _node.Runtime(str(node), _identity.of("root"), {}, "/", [str(package)])
    assert not _node.load(str(settings), runtime).error
    ran.unlink()
    if what == "folder":
        folder.chmod(0o777)
    else:
        path = {"file": settings, "node": node, "package": package}[what]
        if what == "node":
            node.unlink()
            shutil.copy(NODE, node)
        os.chown(path, pwd.getpwnam("nobody").pw_uid, -1)
    with pytest.raises(Failure, match="runs as root here"):
        _node.load(str(settings), runtime)
    assert not ran.exists()
    if what in ("folder", "node"):
        assert _node.version(runtime) is None


@pytest.mark.skipif(os.getuid() != 0, reason="only root loads as root")
def test_what_is_missing_is_not_loaded_as_root_a_moment_later(tmp_path):
    runtime = _node.Runtime(NODE, _identity.of("root"), {}, "/", [])
    with pytest.raises(Failure, match="does not exist"):
        _node.load(str(tmp_path / "settings.js"), runtime)


SUMMARY = {"uiPort": 1880, "https": "none", "staticRoots": []}
ANSWER = {"ok": True, "readsPort": False, "notInEffect": [], "defined": [], "fromFile": SUMMARY, "inEffect": SUMMARY}


def test_the_answer_of_the_harness_is_taken(load):
    assert _node.checked(ANSWER) == ANSWER
    assert _node.checked({"ok": False, "error": "why", "node": "v20.0.0"})


def test_of_an_error_only_its_text_is_taken():
    assert _node.checked({"ok": False, "error": "x", "inEffect": {"flowFile": 5}}) == {"ok": False, "error": "x"}


@pytest.mark.parametrize(
    "answer",
    [
        [], None, 1, "x", {}, {"ok": 1}, {"ok": False}, {"ok": False, "error": 7}, {"ok": True},
        {**ANSWER, "fromFile": []}, {**ANSWER, "notInEffect": [1]}, {**ANSWER, "defined": [1]},
        {**ANSWER, "defined": [[{}]]}, {**ANSWER, "readsPort": "yes"}, {**ANSWER, "more": 1},
        {**ANSWER, "inEffect": {"uiPort": []}}, {**ANSWER, "inEffect": {"https": None}},
        {**ANSWER, "inEffect": {"staticRoots": [1]}}, {**ANSWER, "inEffect": {"uiHost": "x" * 5000}},
        {"ok": False, "error": "x" * 8001}, {**ANSWER, "inEffect": {"staticRoots": ["x"] * 2000}},
        {**ANSWER, "inEffect": {"other": 1}},
        {**ANSWER, "inEffect": {"userDir": "/home/pi\0"}}, {**ANSWER, "inEffect": {"flowFile": "\ud800"}},
    ],
)  # fmt: skip
def test_an_answer_that_the_harness_never_gives_is_none(answer):
    assert _node.checked(answer) is None


@pytest.mark.parametrize("line", ["[]", '{"ok": false, "error": 7}', "[" * 100_000, '{"ok": true', "1" * 5000])
def test_a_settings_file_that_answers_itself_is_an_error_that_says_so(load, line):
    script = f"JSON.stringify = function () {{ return {json.dumps(line)}; }}; module.exports = {{}};"
    loaded = load(script, timeout=20)
    assert "It answered in place of this collection" in loaded.error


def test_a_node_that_prints_its_version_without_end_has_none(tmp_path):
    node = tmp_path / "node"
    node.write_text("#!/bin/sh\nwhile :; do echo v20.0.0; done\n")
    node.chmod(0o755)
    started = time.monotonic()
    assert _node.version(_node.Runtime(str(node), _identity.of(ME), {}, str(tmp_path))) is None
    assert time.monotonic() - started < _node.VERSION_SECONDS


def test_a_process_that_node_leaves_is_not_waited_for(tmp_path):
    node = tmp_path / "node"
    node.write_text("#!/bin/sh\nsleep 60 &\n")
    node.chmod(0o755)
    started = time.monotonic()
    (tmp_path / "settings.js").touch()
    loaded = _node.load(str(tmp_path / "settings.js"), _node.Runtime(str(node), _identity.of(ME), {}, "/"), timeout=20)
    assert time.monotonic() - started < 5
    assert "exit status 0" in loaded.error
    assert not loaded.timed_out


def test_a_load_that_does_not_end_is_told_from_one_that_fails(load):
    assert load("while (true) {}", timeout=1).timed_out
    assert not load("throw new Error('x')").timed_out


@pytest.mark.parametrize("value", ["a\0b", "\ud800"])
def test_a_variable_that_no_program_can_have_is_reported(tmp_path, value):
    """The service user can write it to the environment file of the installer's unit."""
    runtime = _node.Runtime(NODE, _identity.of(ME), {"A": value}, str(tmp_path))
    (tmp_path / "settings.js").write_text("module.exports = {}")
    with pytest.raises(Failure, match="could not be started as user"):
        _node.load(str(tmp_path / "settings.js"), runtime)
