# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Node-RED behind other programs: it is found as it runs, and secured, restarted and rolled back like any other."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

import pytest
import yaml

from . import on_machine
from .fleet import Fleet, Pi
from .users import LOGIN_WORKS, USERS

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "pifleet-nodered"
PM2 = "7.0.4"
RED = "/usr/lib/node_modules/node-red"


class Launcher(NamedTuple):
    """How a unit starts Node-RED. USER is the first user of the machine."""

    start: str
    user: str = "USER"
    folder: str = "/home/USER"
    overrides: tuple[tuple[str, str], ...] = ()
    """(setting, the file that overrides it)"""
    node: str = "/usr/bin/node"


NVM_NODE = "/home/USER/.nvm/versions/node/v20.1.0/bin/node"
NVM = Launcher("/bin/bash -c 'source /home/USER/.nvm/nvm.sh && node-red -v'", node=NVM_NODE)
RUNUSER = Launcher("/usr/sbin/runuser -u USER -- node-red", user="root", folder="/")
NPM = Launcher("/usr/bin/npm start", folder="/home/USER/project")
# Each machine gets one after the other.
ROUNDS: dict[str, tuple[Launcher, ...]] = {
    "pi31": (
        NVM,
        Launcher("/home/USER/.nvm/nvm-exec node-red", node=NVM_NODE),
        Launcher("/usr/bin/npx node-red"),
    ),
    "pi41": (
        RUNUSER,
        Launcher("/usr/local/bin/tini -- node-red"),
        Launcher("/usr/bin/sudo -u USER node-red", user="root", folder="/"),
    ),
    "pi50": (
        NPM,
        Launcher(f"/usr/local/bin/node22 {RED}/red.js", node="/usr/local/bin/node22"),
        Launcher("/usr/bin/node-red --max-old-space-size=128 -v"),
    ),
    "pi41-alex": (
        Launcher("/usr/local/bin/authbind --deep node-red"),
        Launcher("/usr/local/bin/start", overrides=(("uiPort", "/usr/local/bin/start"),)),
        Launcher("/usr/local/bin/start-as-USER", user="root", folder="/"),
    ),
}

# Stand-ins do what the real programs do for a service: tini stays the parent, authbind becomes the program. nvm is a
# shell function that sets PATH. Nothing here is on a machine before.
SET_UP = """
cp /usr/bin/node /usr/local/bin/node22
printf '#!/bin/bash\\nshift; "$@" & trap "kill $!" TERM INT; wait; wait\\n' >/usr/local/bin/tini
printf '#!/bin/sh\\nshift; exec "$@"\\n' >/usr/local/bin/authbind
printf '#!/bin/bash\\nexport A=b\\nexec node-red -p $((1800 + 80))\\n' >/usr/local/bin/start
printf '#!/bin/bash\\nrunuser -u USER -- $(which node-red)\\n' >/usr/local/bin/start-as-USER
chmod 755 /usr/local/bin/*
bin=~USER/.nvm/versions/node/v20.1.0/bin
mkdir -p $bin ~USER/.nvm/alias ~USER/project
cp /usr/bin/node $bin/
ln -s /usr/lib/node_modules/node-red/red.js $bin/node-red
echo 20 >~USER/.nvm/alias/default
echo "PATH=$bin:\\$PATH" >~USER/.nvm/nvm.sh
printf '#!/bin/bash\\nsource ~/.nvm/nvm.sh\\nexec "$@"\\n' >~USER/.nvm/nvm-exec
chmod 755 ~USER/.nvm/nvm-exec
echo '{"scripts": {"start": "node-red --userDir ../.node-red"}}' >~USER/project/package.json
chown -R USER: ~USER/.nvm ~USER/project
"""
CLEAN_UP = """
systemctl disable --now pm2-USER
loginctl disable-linger USER
# Without the order, logind stops it later, with a Node-RED that holds the port until then.
systemctl stop user@$(id -u USER)
rm -rf ~USER/.config/systemd
rm -rf /etc/systemd/system/nodered.service.d /etc/systemd/system/pm2-USER.service* ~USER/.pm2 /opt/pm2
rm -rf ~USER/.nvm ~USER/project ~USER/second ~USER/.npm /var/tmp/modules-on-machine
rm -rf /usr/local/bin/{node22,tini,authbind,start,start-as-USER}
systemctl daemon-reload
systemctl enable nodered
systemctl restart nodered
"""
# What `pm2 startup systemd` writes (lib/templates/init-scripts/systemd.tpl).
PM2_UNIT = """
[Unit]
After=network.target
[Service]
Type=forking
User=USER
Environment=PATH=/usr/local/bin:/usr/bin:/bin
Environment=PM2_HOME=/home/USER/.pm2
PIDFile=/home/USER/.pm2/pm2.pid
Restart=on-failure
ExecStart=/opt/pm2/node_modules/pm2/bin/pm2 resurrect
ExecReload=/opt/pm2/node_modules/pm2/bin/pm2 reload all
ExecStop=/opt/pm2/node_modules/pm2/bin/pm2 kill
[Install]
WantedBy=multi-user.target
"""


def pm2() -> pathlib.Path:
    """PM2 from the npm registry, kept in the user's cache."""
    folder = CACHE / f"pm2-{PM2}"
    if not (folder / "node_modules" / "pm2" / "package.json").exists():
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), f"pm2@{PM2}"]
        subprocess.run(command, check=True, timeout=240, stdin=subprocess.DEVNULL)
    return folder


def let_start(pi: Pi, launcher: Launcher) -> None:
    """Give the unit of Node-RED this launcher, and restart it."""
    lines = f"User={launcher.user}\nGroup={launcher.user}\nWorkingDirectory={launcher.folder}\nEnvironmentFile=\n"
    text = f"[Service]\n{lines}ExecStart=\nExecStart={launcher.start}\n".replace("USER", pi.user)
    pi.run("mkdir -p /etc/systemd/system/nodered.service.d")
    pi.write("/etc/systemd/system/nodered.service.d/override.conf", text)
    pi.run("systemctl daemon-reload; systemctl restart nodered")


def let_pm2_start(pi: Pi) -> None:
    pi.run("systemctl disable --now nodered; mkdir -p /opt/pm2")
    pi.copy(pm2() / "node_modules", "/opt/pm2/")
    program = "/opt/pm2/node_modules/pm2/bin/pm2"
    pi.run(
        f"cd ~{pi.user}; runuser -u {pi.user} -- sh -c '{program} start {RED}/red.js && {program} save; {program} kill'"
    )
    pi.write(f"/etc/systemd/system/pm2-{pi.user}.service", PM2_UNIT.replace("USER", pi.user))
    pi.run(f"systemctl daemon-reload; systemctl enable --now pm2-{pi.user}")


@pytest.fixture(scope="module")
def machines(fleet: Fleet) -> Iterator[dict[str, Pi]]:
    pis = {name: fleet.pis[name] for name in ROUNDS}
    for pi in pis.values():
        pi.reset()
        pi.run(SET_UP.replace("USER", pi.user))
    yield pis
    for pi in pis.values():
        pi.run(CLEAN_UP.replace("USER", pi.user), check=False)


def discovered(fleet: Fleet, folder: pathlib.Path) -> dict[str, dict[str, object]]:
    """What instance_info finds on each machine."""
    save = {"content": "{{ found.instance | to_json }}", "dest": f"{folder}/{{{{ inventory_hostname }}}}.json"}
    tasks = [
        {"pifleet.nodered.instance_info": {}, "register": "found"},
        {"ansible.builtin.copy": save, "delegate_to": "localhost", "become": False},
    ]
    path = folder / "discover.yml"
    path.write_text(yaml.safe_dump([{"hosts": "nodered", "become": True, "gather_facts": False, "tasks": tasks}]))
    assert not fleet.play(path, limit=",".join(ROUNDS)).failed
    return {name: json.loads((folder / f"{name}.json").read_text()) for name in ROUNDS}


@pytest.mark.parametrize("number", range(3))
def test_node_red_is_found_behind_its_launcher(fleet, machines, tmp_path, number):
    for name, pi in machines.items():
        let_start(pi, ROUNDS[name][number])
    for pi in machines.values():
        pi.wait_until_it_serves()
    for name, found in discovered(fleet, tmp_path).items():
        pi, launcher = machines[name], ROUNDS[name][number]
        assert found["service"] == "nodered", launcher
        assert found["user"] == pi.user, launcher
        assert found["settings_file"] == pi.settings_file, launcher
        assert found["user_dir"] == f"/home/{pi.user}/.node-red", launcher
        assert found["working_directory"] == launcher.folder.replace("USER", pi.user), launcher
        assert found["node"] == launcher.node.replace("USER", pi.user), launcher
        assert found["node_red"] == RED, launcher
        assert found["version"], launcher
        assert found["running"], launcher
        assert found["url"] == found["expected_url"] == "http://127.0.0.1:1880/", launcher
        told = [(one["setting"], one["where"]) for one in found["overrides"] if one["setting"] != "userDir"]
        assert told == list(launcher.overrides), launcher


@pytest.fixture(scope="module")
def launched(machines) -> dict[str, Pi]:
    """The launchers that are the most different from a plain unit."""
    for name, launcher in (("pi31", NVM), ("pi41", RUNUSER), ("pi50", NPM)):
        let_start(machines[name], launcher)
    let_pm2_start(machines["pi41-alex"])
    for pi in machines.values():
        pi.wait_until_it_serves()
    return machines


def test_a_launched_node_red_is_secured_once(fleet, launched, variables):
    variables = {**variables, "nodered_login_users": USERS, "nodered_serial": ["100%"]}
    run, again = (fleet.play(["login"], variables=variables, limit=",".join(ROUNDS)) for _run in (1, 2))
    assert not run.failed
    assert run.judged(LOGIN_WORKS) == ["pass"] * 4
    for name, pi in launched.items():
        assert not pi.is_open(), name
        assert pi.login("ada", USERS[0]["password"]), name
        assert pi.run(f"stat -c %U {pi.settings_file}").strip() == pi.user, name
        assert again.recap[name]["changed"] == 0, name
    assert not again.failed


def test_a_change_with_which_a_launched_node_red_does_not_respond_is_rolled_back(fleet, launched, tmp_path):
    settings = {name: pi.settings for name, pi in launched.items()}
    services = {"pi41-alex": f"pm2-{launched['pi41-alex'].user}"}
    tasks = [
        {
            "pifleet.nodered.settings": {
                "path": "{{ files[inventory_hostname] }}",
                "service": "{{ service }}",
                "set": {"uiHost": "192.0.2.1"},
            }
        },
        # PM2 goes on when its program ends, so all of the time is waited.
        {"pifleet.nodered.restart": {"service": "{{ service }}", "timeout": "{{ 60 if 'pm2' in service else 120 }}"}},
    ]
    variables = {
        "files": {name: pi.settings_file for name, pi in launched.items()},
        "services": services,
        "service": "{{ services[inventory_hostname] | default('nodered') }}",
    }
    path = tmp_path / "break.yml"
    play = {"hosts": "nodered", "become": True, "gather_facts": False, "vars": variables, "tasks": tasks}
    path.write_text(yaml.safe_dump([play]))
    run = fleet.play(path, limit=",".join(ROUNDS))
    assert run.failed
    assert run.output.count('"rolled_back": true, "serving": true') == len(ROUNDS)
    for name, pi in launched.items():
        assert run.recap[name]["failed"] == 1
        assert pi.settings == settings[name], name
        pi.wait_until_it_serves()


USER_UNIT = """
loginctl enable-linger USER
systemctl start user@$(id -u USER)
runuser -u USER -- mkdir -p ~USER/.config/systemd/user
printf '[Service]\\nExecStart=/usr/bin/node-red\\n[Install]\\nWantedBy=default.target\\n' \\
    >~USER/.config/systemd/user/flows.service
systemctl disable --now nodered
runuser -u USER -- env XDG_RUNTIME_DIR=/run/user/$(id -u USER) systemctl --user enable --now flows
"""
DROP_INS = "~USER/.config/systemd/user/flows.service.d"


@pytest.fixture(scope="module")
def user_unit(launched) -> Pi:
    """A machine with a user unit (systemctl --user) in place of the service."""
    pi = launched["pi31"]
    pi.run(USER_UNIT.replace("USER", pi.user))
    pi.wait_until_it_serves()
    return pi


def test_a_user_unit_is_secured_once(fleet, user_unit):
    pi = user_unit
    # A password that was not verified here before.
    users = [{"username": "cleo", "password": "a password for the user unit"}]
    variables = {"nodered_login_users": users, "nodered_port": 1885, "nodered_tls_source": "selfsigned"}
    roles = ["login", "port", "tls", "hardening"]
    run, again = (fleet.play(roles, variables=variables, limit=pi.name) for _run in (1, 2))
    assert not run.failed
    assert run.judged(LOGIN_WORKS) == ["pass"]
    assert not pi.answers_in_the_clear(1885)
    assert not pi.is_open(1885)
    # The user can change both, so both are the user's.
    paths = f"{pi.settings_file} {DROP_INS}/60-pifleet-hardening.conf".replace("USER", pi.user)
    assert set(pi.run(f"stat -c %U {paths}").split()) == {pi.user}
    assert again.recap[pi.name]["changed"] == 0


def test_a_change_with_which_a_user_unit_does_not_respond_is_rolled_back(fleet, user_unit):
    pi = user_unit
    before = pi.settings
    variables = {"nodered_hardening_listen_address": "192.0.2.1", "nodered_hardening_files": "unchanged"}
    run = fleet.play(["hardening"], variables=variables, limit=pi.name)
    assert run.failed
    assert run.says("The change was rolled back, and Node-RED responds again", "journalctl --user-unit flows.service")
    assert pi.settings == before
    assert "UMask" in pi.run(f"cat {DROP_INS}/*".replace("USER", pi.user))
    pi.wait_until_it_serves(1885)


def test_a_change_of_a_user_unit_in_which_the_power_fails_is_rolled_back_at_boot(fleet, user_unit, play):
    pi = user_unit
    before = pi.settings
    # Logins change, so that Node-RED is restarted, and not waited for.
    bad = {"uiHost": "192.0.2.1", "adminAuth.sessionExpiryTime": 60}
    assert not play(
        pi, {"pifleet.nodered.settings": {"path": pi.settings_file, "service": "pi/flows", "set": bad}}
    ).failed
    assert pi.settings != before
    for command in ("kill", "start"):
        subprocess.run(["docker", command, pi.container], check=True, timeout=60, stdout=subprocess.DEVNULL)
    done = 'journalctl -b -t pifleet.nodered -o cat | grep -q "rolled back, and Node-RED responds again"'
    pi.run(f"timeout 110 bash -c 'until {done}; do sleep 0.3; done'")
    assert pi.settings == before
    assert pi.serves(1885)


def test_a_second_app_of_pm2_is_rejected_with_both(launched):
    pi = launched["pi41-alex"]
    app = f"/opt/pm2/node_modules/pm2/bin/pm2 start {RED}/red.js --name second -- -p 1890 -u /home/{pi.user}/second"
    pi.run(f"cd /home/{pi.user}; runuser -u {pi.user} -- {app}")
    pi.wait_until_it_serves(1890)
    on_machine.bring_modules(pi)
    message = on_machine.module(pi, "instance_info")["msg"]
    assert f"pm2-{pi.user}.service starts 2 Node-REDs" in message
    assert f"PM2 app red, port 1880, settings file {pi.settings_file}" in message
    assert f"PM2 app second, port 1890, settings file /home/{pi.user}/second/settings.js" in message
