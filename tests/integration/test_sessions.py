# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role sessions: another store for sessions and nothing else, what earlier attempts have left, and what is refused."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import subprocess
import time

import pytest

from .fleet import CHECKOUT
from .users import USERS

ADA = USERS[0]
NEW = {**ADA, "password": "another correct horse"}
FOLDER = "~pi/.node-red"
DROP_IN = "/etc/systemd/system/nodered.service.d/50-pifleet-sessions.conf"
FLOWS = [
    {"id": "a1", "type": "tab", "label": "Deployed"},
    {"id": "b1", "type": "mqtt-broker", "broker": "b", "credentials": {"user": "eve", "password": "pw"}},
]
PROJECT = {
    "name": "plant",
    "summary": "",
    "files": {"flow": "flow.json"},
    "credentialSecret": "k",
    "git": {"remotes": {}},
}
ALONE = "[pifleet.nodered.sessions]"
SCRIPT = CHECKOUT / "roles" / "sessions" / "files" / "pifleet-sessions.js"
STORAGE = "/node_modules/@node-red/runtime/lib/storage/localfilesystem"
OWN_MODULE = f"storageModule: Object.assign({{}}, require(require('path').dirname(process.argv[1]) + '{STORAGE}')),"


@pytest.fixture
def play(fleet, tmp_path):
    """Run the role on these machines, after the role login or alone."""

    def run(*pis, roles="[pifleet.nodered.login, pifleet.nodered.sessions]", **variables):
        site = tmp_path / "site.yml"
        site.write_text(f"- {{hosts: nodered, become: true, gather_facts: false, roles: {roles}}}\n")
        variables = {"nodered_restart_timeout": 60, "nodered_login_users": [ADA], **variables}
        return fleet.play(site, "--diff", variables=variables, limit=",".join(pi.name for pi in pis))

    return run


@pytest.fixture
def user_dirs(pi31, pi41, pi50):
    """Three releases, which afterwards have in their user directories what they had before."""
    pis = [pi31, pi41, pi50]
    for pi in pis:
        pi.run(f"tar -C {FOLDER} --exclude ./node_modules -cf /root/user-dir.tar .")
    yield pis
    for pi in pis:
        pi.run(f"systemctl stop nodered; umount {FOLDER}/.sessions.json", check=False)
        pi.run(f"find {FOLDER} -mindepth 1 -maxdepth 1 ! -name node_modules -exec rm -rf {{}} +")
        pi.run(f"tar -C {FOLDER} -xf /root/user-dir.tar")


def send(pi, method, path, token, body=None):
    connection = http.client.HTTPConnection(pi.address, 1880, timeout=20)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Accept": "application/json"}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    response = connection.getresponse()
    text = response.read().decode()
    assert response.status in (200, 204), f"{pi.name}: {method} {path}: {response.status} {text}"
    return json.loads(text) if text.startswith(("{", "[")) else text


def wait_for_flows(pi, token):
    """It answers before it has its flows."""
    end = time.monotonic() + 30
    while pi.get("/flows", token=token).status == 400 and time.monotonic() < end:
        time.sleep(0.3)


def give_git(pi):
    """Node-RED's projects want it, and the machines cannot reach a mirror of packages."""
    git = shutil.which("git")
    linked = subprocess.run(["ldd", git], capture_output=True, text=True, check=True).stdout
    libraries = re.findall(r"=> (/\S*lib(?:pcre2|z)\S*)", linked)
    for source, target in [(git, "/usr/local/bin/git"), *((path, "/usr/local/lib/") for path in libraries)]:
        pi.copy(source, target)
    pi.run("ldconfig; su - pi -c 'git config --global user.name Ada; git config --global user.email ada@example.org'")


def test_the_sessions_move_and_nothing_else(play, user_dirs):
    for pi in user_dirs:
        give_git(pi)
        pi.run(f"echo NODE_RED_ENABLE_PROJECTS=true >> {FOLDER}/environment")
    assert not play(*user_dirs, nodered_sessions_store="runtime").failed
    tokens = {}
    for pi in user_dirs:
        token = tokens[pi.name] = pi.login(**ADA)
        send(pi, "POST", "/projects", token, PROJECT)
        send(pi, "POST", "/flows", token, FLOWS)
        send(pi, "POST", "/library/local/functions/half.js", token, {"text": "return msg / 2;"})
        send(pi, "POST", "/settings/user", token, {"editor": {"view": {"view-grid-size": 7}}})
        pi.run("systemctl restart --no-block nodered")
    for pi in user_dirs:
        token = tokens[pi.name]
        pi.wait_until_it_serves()
        wait_for_flows(pi, token)
        assert [node["id"] for node in send(pi, "GET", "/flows", token)] == ["a1", "b1"]
        assert send(pi, "GET", "/credentials/mqtt-broker/b1", token) == {"user": "eve", "has_password": True}
        assert send(pi, "GET", "/projects", token)["active"] == "plant"
        assert "return msg / 2;" in send(pi, "GET", "/library/local/functions/half.js", token)
        assert send(pi, "GET", "/settings/user", token)["editor"]["view"]["view-grid-size"] == 7
        assert '"Deployed"' in pi.run(f"cat {FOLDER}/projects/plant/flow.json")
        assert pi.run("stat -c '%U %a' /run/nodered /run/nodered/sessions.json").split() == ["pi", "700", "pi", "600"]
        assert not pi.run(f"ls {FOLDER}/.sessions.json", check=False)

    assert not play(*user_dirs, nodered_sessions_store="runtime", nodered_login_users=[NEW]).failed
    for pi in user_dirs:
        assert pi.get("/flows", token=tokens[pi.name]).status == 401, "a changed login ends sessions in any store"
        pid = pi.main_pid()
        pi.run("rm -r /run/nodered")
        assert pi.login(**NEW), "a login must work where it cannot be saved"
        assert pi.main_pid() == pid
        assert "Logins will not outlive a restart" in pi.run("journalctl -u nodered -o cat")


def test_what_would_end_node_red_at_a_login_is_put_right(play, user_dirs):
    for number, damage in enumerate(
        [
            "mkdir .sessions.json",
            "touch /tmp/s .sessions.json; mount --bind /tmp/s .sessions.json",
            "ln -s /var/run/nodered/.sessions.json .; echo '{\"live-token\": {}}' > .sessions.json_bak",
        ]
    ):
        user_dirs[number].run(f"cd {FOLDER}; {damage}")
    run = play(*user_dirs)
    assert not run.failed
    assert run.says(
        "-/home/pi/.node-red/.sessions.json: a folder",
        "-/home/pi/.node-red/.sessions.json: a mount of its own",
        "-/home/pi/.node-red/.sessions.json: a link to /var/run/nodered/.sessions.json",
        "-/home/pi/.node-red/.sessions.json_bak: an old sessions file",
    )
    assert "live-token" not in run.output
    for pi in user_dirs:
        assert pi.login(**ADA)
        assert pi.run("systemctl show -P NRestarts nodered").strip() == "0"
        assert pi.run(f"cd {FOLDER}; ls -d .sessions*; stat -c '%F %U' .sessions.json").split() == [
            ".sessions.json", "regular", "file", "pi",
        ]  # fmt: skip


def test_disk_undoes_it_all(play, pi41):
    before = pi41.settings
    own = 'storageModule: require("./pifleet-sessions.js").inFile("/run/nodered/sessions.json"),'
    pi41.change_settings("module.exports = {", f"module.exports = {{\n    {own}")
    pi41.run(f"tee {FOLDER}/pifleet-sessions.js", stdin=SCRIPT.read_text())
    pi41.run(f"mkdir -p $(dirname {DROP_IN}); tee {DROP_IN}", stdin="[Service]\nRuntimeDirectory=nodered\n")
    pi41.run("systemctl daemon-reload; systemctl restart nodered")
    pi41.wait_until_it_serves()
    assert not play(pi41, nodered_sessions_store="disk").failed
    after = pi41.settings
    assert "storageModule" not in after
    assert [line for line in before.splitlines() if line not in after.splitlines()] == []
    assert not pi41.run(f"ls {FOLDER}/pifleet-sessions.js {DROP_IN} /run/nodered/sessions.json", check=False)


def test_what_is_somebody_elses_is_refused_or_left_alone(play, pi31, pi41):
    pi31.change_settings("module.exports = {", "module.exports = { " + OWN_MODULE)
    line = "/tmp/s /home/pi/.node-red/.sessions.json none bind,nofail 0 0"
    fstab = pi41.read("/etc/fstab")
    pi41.write("/etc/fstab", fstab + line + "\n")
    before = [(pi.settings, pi.main_pid()) for pi in (pi31, pi41)]
    try:
        run = play(pi31, pi41, roles=ALONE, nodered_sessions_store="runtime")
    finally:
        pi41.write("/etc/fstab", fstab)
    assert [run.recap[pi.name]["failed"] for pi in (pi31, pi41)] == [1, 1]
    assert run.says("has a custom storageModule", f"/etc/fstab:2: {line}")
    assert [(pi.settings, pi.main_pid()) for pi in (pi31, pi41)] == before
    run = play(pi31, roles=ALONE)
    assert run.recap["pi31"]["changed"] == 0
    assert run.says("has a custom storageModule", "It was left unchanged")
    assert OWN_MODULE in pi31.settings
