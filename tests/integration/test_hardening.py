# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role hardening: settings in effect, files that are closed, a service in its sandbox, and what is an error."""

from __future__ import annotations

import json
import re
import secrets

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _systemd, _unit_files
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._unit_files import Directive

from .failed_logins import EXAMPLE, REFUSED, banned, fail_to_log_in, logged, unban, wait_for_ban
from .users import USERS

ADA = USERS[0]
LOGIN = {"nodered_login_users": [ADA]}
SAMPLE = "$2a$08$zZWtXTja0fB1pzD4sHCMyOCMYz2Z6dNbM6tl8sJogENOMcxWV9DN."
MOST_EXECUTIONS_OF_AN_UNCHANGED_RUN = 1
DROP_IN = "/etc/systemd/system/nodered.service.d/60-pifleet-hardening.conf"

# What flows on a Pi do through exec nodes and the palette manager, one line for each.
TRIALS = {
    "known_hosts": "test -r ~/.ssh/known_hosts",
    "sudo": "sudo -n true",
    "home": "touch ~/trial && rm ~/trial",
    "tmp": "touch /tmp/trial",
    # In a folder of its own: beside the dashboards, npm would look in the registry for what they did not install.
    "npm": "mkdir ~/.node-red/trial && cd ~/.node-red/trial && echo '{}' > package.json"
    " && npm install --offline --no-audit --no-fund ~/trial-module; end=$?; rm -r ~/.node-red/trial; exit $end",
    "python": "python3 -c 'import ctypes, socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)'",
    "serial": "python3 -c 'import pty; pty.openpty()'",
    "network": "ip -o address | grep -q inet",
    "processes": "ps -p 1",
    "systemctl": "systemctl is-active nodered",
    "machine": "sudo -n touch /etc/trial && sudo -n rm /etc/trial",
}
# What leads out of a sandbox: to code that runs elsewhere as the same user, to keys, and to other programs' sockets.
ESCAPES = {
    "ssh": "cat ~/.ssh/authorized_keys || touch ~/.ssh/trial || echo >> ~/.ssh/known_hosts",
    "shell": ": >> ~/.bashrc || : >> ~/.profile || : >> ~/.bash_profile || : >> ~/.zshrc",
    "startup": "for name in .config/systemd .config/autostart .local/share/systemd; do"
    " mkdir -p ~/$name && touch ~/$name/trial && break; done",
    "environment": ": >> ~/.pam_environment || : >> ~/.npmrc",
    "jobs": "echo '# trial' | crontab -",
    "runtime": "ls /run/user/trial",
    "docker": "python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"/run/docker.sock\")'",
    "process": "cat /proc/[0-9]*/root/home/*/.ssh/authorized_keys",
}
LISTEN = (
    "import socket, time; s = socket.socket(socket.AF_UNIX); s.bind('/run/docker.sock'); s.listen(); time.sleep(600)"
)
# Another program of the same user, what it has below /run/user, and a Docker that this user may control.
OUTSIDE = f"""
systemd-run --quiet --unit=trial-process --uid=$(id -un 1000) sleep 600
systemd-run --quiet --unit=trial-docker --property=UMask=0000 python3 -c "{LISTEN}"
cd /home/*/.ssh && touch known_hosts && mkdir -p /run/user/trial && chown 1000 known_hosts /run/user/trial
"""
LEFT_OVER = "trial* .ssh/trial .ssh/known_hosts .config .local .bash_profile .zshrc .npmrc .pam_environment"
WITHOUT_OUTSIDE = f"""
systemctl stop trial-process trial-docker
crontab -u $(id -un 1000) -r
cd /home/* && rm -rf /run/docker.sock /run/user/trial {LEFT_OVER}
"""
TRY = "".join(f"if ({command}) >/dev/null 2>&1; then echo {name}; fi\n" for name, command in (TRIALS | ESCAPES).items())
TRIAL_FLOW = [
    {"id": "e1a1", "type": "http in", "z": "f1a0", "url": "/trial", "method": "get", "wires": [["e1a2"]]},
    {
        "id": "e1a2", "type": "exec", "z": "f1a0", "command": "bash ~/trial.sh", "addpay": "", "append": "",
        "useSpawn": "false", "timer": "60", "wires": [["f1b3"], [], []],
    },
]  # fmt: skip


def harden(fleet, pi, *options, **variables):
    """The playbook without the password for pages, which are asked here for other things."""
    variables = {"nodered_restart_timeout": 60, **LOGIN, **variables}
    return fleet.play("secure", "--skip-tags", "http_auth", *options, variables=variables, limit=pi.name)


def user_dir(pi):
    return f"/home/{pi.user}/.node-red"


def test_files_are_closed_to_other_users_and_stay_so(fleet, pi31):
    folder = user_dir(pi31)
    assert pi31.run(f"cd / && su nobody -s /bin/sh -c 'cat {pi31.settings_file}'")
    run = harden(fleet, pi31, nodered_hardening_telemetry=False)
    assert not run.failed
    assert run.says("nodered_hardening_telemetry", "3.1.15 does not know telemetry.enabled")
    assert pi31.login("ada", ADA["password"])
    second = harden(fleet, pi31, "-vvv", nodered_hardening_telemetry=False)
    assert second.recap["pi31"]["changed"] == 0
    assert second.executions(pi31.address) <= MOST_EXECUTIONS_OF_AN_UNCHANGED_RUN
    modes = dict(line.split()[::-1] for line in pi31.run(f"stat -c '%a %n' {folder} {folder}/.[a-z]*").splitlines())
    assert modes.pop(folder) == "700"
    assert modes[f"{folder}/.sessions.json"] == "600"
    assert set(modes.values()) == {"600"}
    assert set(pi31.run(f"stat -c %a {folder}/settings.js*").split()) == {"600"}
    assert "Permission denied" in pi31.run(f"cd / && su nobody -s /bin/sh -c 'ls {folder}' 2>&1", check=False)


def test_settings_are_in_effect(fleet, pi50):
    variables = {
        "nodered_hardening_admin_root": "/admin",
        "nodered_hardening_headers": True,
        "nodered_hardening_audit_log": True,
        "nodered_hardening_diagnostics": False,
        "nodered_hardening_function_modules": False,
        "nodered_hardening_external_modules": {"palette": {"allowInstall": False}},
        "nodered_hardening_telemetry": False,
        "nodered_hardening_cookie_options": {"secure": True},
    }
    run = harden(fleet, pi50, **variables)
    assert not run.failed
    editor = pi50.get("/admin/")
    assert editor.status == 200
    assert editor.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "frame-ancestors" in editor.headers["Content-Security-Policy"]
    assert "X-Frame-Options" not in pi50.get("/hello").headers
    assert pi50.get("/hello").status == 200
    token = login(pi50, "/admin")
    assert pi50.get("/admin/diagnostics", token=token).status == 403
    assert pi50.post("/admin/nodes", {"module": "x"}, token=token).status == 404
    assert "[audit]" in pi50.run("journalctl -u nodered -o cat")
    assert harden(fleet, pi50, **variables).recap["pi50"]["changed"] == 0


def login(pi, root):
    form = {"client_id": "node-red-editor", "grant_type": "password", "scope": "*", **ADA}
    return pi.post(root + "/auth/token", form).json()["access_token"]


def test_an_editor_is_never_switched_off_without_a_login(fleet, pi41, tmp_path):
    settings, pid = pi41.settings, pi41.main_pid()
    alone = tmp_path / "alone.yml"
    alone.write_text("- {hosts: nodered, become: true, gather_facts: false, roles: [pifleet.nodered.hardening]}\n")
    run = fleet.play(alone, variables={"nodered_disable_editor": True}, limit="pi41")
    assert run.failed
    assert run.says("nodered_disable_editor", "nodered_login_users")
    assert (pi41.settings, pi41.main_pid()) == (settings, pid)

    pi41.change_settings("module.exports = {", f"module.exports = {{ adminAuth: {admin_auth(SAMPLE)},")
    run = harden(fleet, pi41, nodered_disable_editor=True)
    assert not run.failed, "the role login replaces the sample password, so there is nothing to refuse"
    assert pi41.get("/").status == 404
    assert pi41.get("/flows").status == 401
    assert pi41.get("/flows", token=login(pi41, "")).status == 200


def test_the_login_can_come_after_hardening(fleet, pi41):
    pi41.change_settings("module.exports = {", f"module.exports = {{ adminAuth: {admin_auth(SAMPLE)},")
    variables = {**LOGIN, "nodered_disable_editor": True, "nodered_restart_timeout": 60}
    run = fleet.play(["hardening", "login"], variables=variables, limit="pi41")
    assert not run.failed
    assert run.says("adminAuth.users", "The role login, which comes later in this play, has to replace it.")
    assert pi41.get("/").status == 404
    assert pi41.get("/flows", token=login(pi41, "")).status == 200


def admin_auth(password, more=""):
    return f'{{ type: "credentials", users: [{{ username: "eve", password: "{password}", permissions: "*" }}]{more} }}'


OPEN_TO_ALL = admin_auth(SAMPLE, ', default: { permissions: "*" }')


def test_what_is_known_to_be_bad_is_refused_before_anything_is_touched(fleet, pi41):
    bad = f"adminAuth: {OPEN_TO_ALL}, httpnodeauth: {{}}, credentialSecret: false,"
    pi41.change_settings("module.exports = {", "module.exports = { " + bad)
    settings, pid = pi41.settings, pi41.main_pid()
    run = harden(fleet, pi41, nodered_login_users=[])
    assert run.failed
    assert run.says(f"{pi41.settings_file}: adminAuth.users: The password of eve", "nodered_login_users")
    assert run.says("adminAuth.default", "httpnodeauth", "httpNodeAuth is meant", "credentialSecret: It is false")
    assert SAMPLE not in run.output
    assert (pi41.settings, pi41.main_pid()) == (settings, pid)
    assert not pi41.run(f"ls {DROP_IN}", check=False)


def test_an_open_node_red_fails_the_proof_also_where_nothing_changes(fleet, pi41):
    pi41.change_settings("module.exports = {", f"module.exports = {{ adminAuth: {OPEN_TO_ALL},")
    pi41.run("systemctl restart nodered")
    pi41.wait_until_it_serves()
    accepted = ["adminAuth.users", "adminAuth.default"]
    run = harden(
        fleet, pi41, nodered_login_users=[], nodered_hardening_accepted=accepted, nodered_hardening_files="unchanged"
    )
    assert run.recap["pi41"]["changed"] == 0
    assert run.failed
    assert run.says("Reading the flows requires a login: not so")


def test_listening_on_loopback_is_proven_from_inside_and_outside(fleet, pi41):
    variables = {"nodered_port": 80, "nodered_hardening_sandbox": "strict"}
    run = harden(fleet, pi41, nodered_hardening_listen_address="127.0.0.1", **variables)
    assert not run.failed
    assert run.says("The user can log in", "Node-RED has port 80")
    with pytest.raises(OSError):
        pi41.get("/", port=80)
    assert pi41.run("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:80/flows") == "401"


def test_a_baseline_sandbox_is_not_noticed_and_a_strict_one_closes_more(fleet, pi50):
    with trial_flow(pi50):
        exposure = exposed(pi50)
        run = harden(fleet, pi50, nodered_hardening_sandbox="baseline")
        assert not run.failed
        assert run.says("pi, the user that runs Node-RED, can become root: sudo without a password, group sudo")
        assert set(TRIALS) - tried(pi50) == {"machine"}
        assert set(ESCAPES) <= tried(pi50), "what is not possible before proves nothing"
        assert exposed(pi50) < exposure
        exposure = exposed(pi50)
        run = harden(fleet, pi50, nodered_hardening_sandbox="strict")
        assert not run.failed
        assert (set(TRIALS) | set(ESCAPES)) - tried(pi50) == {"machine", "sudo", "processes", "home"} | set(ESCAPES)
        assert exposed(pi50) < 3 < exposure


def test_a_user_directory_that_would_add_a_command_of_root_is_rejected(fleet, pi41):
    evil = f"/home/{pi41.user}/x\\nExecStartPre=+/home/{pi41.user}/evil.sh"
    pi41.change_settings("module.exports = {", f'module.exports = {{ userDir: "{evil}",')
    settings, units = pi41.settings, pi41.run("ls -R /etc/systemd/system")
    run = harden(fleet, pi41, nodered_hardening_sandbox="strict")
    assert run.failed
    assert run.says("control character")
    assert (pi41.settings, pi41.run("ls -R /etc/systemd/system")) == (settings, units)


HOSTILE_WORDS = [
    *("/a b", "/%h", "/a\\b", "/a\\ b", "/a:b", "/a'b", '/a"b', "/caf\u00e9", "/a;b", "/$a", "/${HOME}", "/a\\", ";")
]


def test_systemd_reads_exactly_the_words_of_a_unit_file(pi50):
    paths = HOSTILE_WORDS[:-1]
    service = [
        Directive("ExecStart", ["/bin/echo", *HOSTILE_WORDS, ""]),
        Directive("ReadWritePaths", ["-" + path for path in paths]),
        Directive("Environment", [f"X{number}={word}" for number, word in enumerate(HOSTILE_WORDS)]),
        Directive("WorkingDirectory", ["/a b%h\\c'd\"e$f"]),
    ]
    text = _unit_files.text({"Unit": [Directive("Description", ['"a" %n \\b'])], "Service": service})
    pi50.run("cat > /run/systemd/system/trial.service && systemctl daemon-reload", stdin=text)
    unit = "org.freedesktop.systemd1 /org/freedesktop/systemd1/unit/trial_2eservice org.freedesktop.systemd1"
    asked = "busctl --json=short get-property " + unit
    answer = pi50.run(
        f"{asked}.Service ExecStart ReadWritePaths Environment WorkingDirectory; {asked}.Unit Description;"
        "rm /run/systemd/system/trial.service; systemctl daemon-reload"
    )
    command, *others = [json.loads(line)["data"] for line in answer.splitlines()]
    assert [word.text for word in _systemd.expand(command[0][1], {})] == ["/bin/echo", *HOSTILE_WORDS, ""]
    assert others == [*(list(directive.words) for directive in service[1:3]), service[3].words[0], '"a" %n \\b']


class trial_flow:
    """A flow that tries what flows do, and the module that it installs."""

    def __init__(self, pi):
        self.pi, self.file = pi, f"{user_dir(pi)}/flows.json"

    def __enter__(self):
        home = f"/home/{self.pi.user}"
        self.before = self.pi.read(self.file)
        self.pi.write(self.file, json.dumps(json.loads(self.before) + TRIAL_FLOW))
        self.pi.write(f"{home}/trial.sh", TRY)
        module = '{"name": "trial-module", "version": "1.0.0"}'
        self.pi.run(f"mkdir -p {home}/trial-module && cat > {home}/trial-module/package.json", stdin=module)
        self.pi.run(OUTSIDE)
        self.pi.run("systemctl restart nodered")
        self.pi.wait_until_it_serves()

    def __exit__(self, *_):
        self.pi.write(self.file, self.before)
        self.pi.run(WITHOUT_OUTSIDE)


def tried(pi, port=1880):
    # Not from here: npm alone may take longer than an answer is waited for.
    return set(pi.run(f"curl -s --max-time 100 http://127.0.0.1:{port}/trial").split())


def exposed(pi):
    found = re.search(r"exposure level for \S+: ([\d.]+)", pi.run("systemd-analyze security nodered.service"))
    return float(found[1])


def test_what_node_red_does_not_start_with_is_undone_with_its_sandbox(fleet, pi41):
    settings = pi41.settings
    variables = {"nodered_hardening_sandbox": "strict", "nodered_hardening_listen_address": "192.0.2.1"}
    run = harden(fleet, pi41, **variables, nodered_restart_timeout=25)
    assert run.failed
    assert run.says("192.0.2.1")
    assert pi41.settings == settings
    pi41.wait_until_it_serves()
    assert not pi41.run(f"ls {DROP_IN}", check=False)


def test_a_user_directory_of_somebody_else_is_refused(fleet, pi41):
    folder = user_dir(pi41)
    pi41.run(f"chown root:root {folder}")
    try:
        run = harden(fleet, pi41)
        assert run.failed
        assert run.says(f"{folder} belongs to root", "chown")
    finally:
        pi41.run(f"chown {pi41.user}:{pi41.user} {folder}")


OWN_MIDDLEWARE = "function(req, res, next) { res.set('X-Own', 'kept'); next(); }"


def verification_login():
    """As the probe sends it."""
    user = f"probe-{secrets.token_hex(8)}"
    form = {"client_id": "node-red-editor", "grant_type": "password", "scope": ""}
    return {**form, "username": user, "password": "wrong"}


@pytest.fixture
def fail2ban(alex):
    """It is installed on this machine, and runs for this test."""
    # The firewall that the role ufw would have set up.
    alex.run("ufw allow 22/tcp && ufw allow 1880/tcp && ufw --force enable")
    alex.run("systemctl start fail2ban && timeout 60 bash -c 'until fail2ban-client ping; do sleep 0.3; done'")
    yield alex
    alex.run("ufw --force disable && ufw delete allow 22/tcp && ufw delete allow 1880/tcp")
    alex.run("systemctl stop fail2ban; rm -f /etc/fail2ban/*.d/pifleet-*")


def test_failed_logins_are_logged_and_their_address_is_banned(fleet, fail2ban, pi41):
    pi, attacker = fail2ban, pi41
    url = f"http://{pi.address}:1880"
    pi.change_settings("module.exports = {\n", f"module.exports = {{\n    httpAdminMiddleware: {OWN_MIDDLEWARE},\n")
    wanted = {**LOGIN, **EXAMPLE, "nodered_hardening_never_banned": []}
    run = fleet.play(["login", "hardening"], variables=wanted, limit=pi.name)
    assert not run.failed
    assert pi.get("/settings").headers["X-Own"] == "kept"
    assert [fail_to_log_in(attacker, url) for _try in range(5)] == ["403"] * 5
    wait_for_ban(pi)
    assert banned(pi) == [attacker.address]
    assert set(logged(pi)) == {attacker.address}, "a header of the client and the verification do not count"
    assert fail_to_log_in(attacker, url) == REFUSED
    assert attacker.run(f"timeout 5 bash -c 'read line </dev/tcp/{pi.address}/22; echo $line'").startswith("SSH-")
    assert [pi.post("/auth/token", verification_login()).status for _try in range(6)] == [403] * 6
    unchanged = fleet.play(["login", "hardening"], "-vvv", variables=wanted, limit=pi.name)
    assert unchanged.recap[pi.name]["changed"] == 0
    assert unchanged.executions(pi.address) == MOST_EXECUTIONS_OF_AN_UNCHANGED_RUN
    assert banned(pi) == [attacker.address]
    unban(pi, attacker.address)
    assert fail_to_log_in(attacker, url) != REFUSED
    without = {name: False for name in EXAMPLE if name != "nodered_hardening_never_banned"}
    assert not fleet.play(["login", "hardening"], variables=LOGIN | without, limit=pi.name).failed
    assert f"httpAdminMiddleware: {OWN_MIDDLEWARE}," in pi.settings
    assert pi.run("ls /etc/fail2ban/*.d/pifleet-* ~alex/.node-red/pifleet-*", check=False) == ""
    assert "pifleet" not in pi.run("fail2ban-client status")


def test_bans_that_fail2ban_does_not_accept_are_rolled_back(fleet, fail2ban):
    pi = fail2ban
    before, pid = pi.settings, pi.main_pid()
    action = "/etc/fail2ban/action.d/nftables-multiport.conf"
    pi.run(f"mv {action} {action}.away")
    try:
        run = fleet.play(["login", "hardening"], variables=LOGIN | EXAMPLE, limit=pi.name)
    finally:
        pi.run(f"mv {action}.away {action}")
    assert run.failed
    assert run.says("fail2ban rejects its files", "journalctl -u fail2ban")
    assert (pi.settings, pi.main_pid()) == (before, pid)
    assert pi.run("ls /etc/fail2ban/*.d/pifleet-* ~alex/.node-red/pifleet-*", check=False) == ""
    assert "pifleet" not in pi.run("fail2ban-client status")
