# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Node-RED is not set up as on Raspberry Pi OS: by DietPi, run by root, or with its port in systemd's hands."""

from __future__ import annotations

import json
import pathlib
import shutil
from dataclasses import dataclass

import pytest

from .fleet import CHECKOUT, FLEET_NAME, Fleet, Run
from .on_machine import NO_CHANGE

USER_DIRS = {"dietpi": "/mnt/dietpi_userdata/node-red", "root": "/root/.node-red"}
SERVICE_USERS = {"dietpi": "nodered", "root": "root"}


@pytest.fixture(scope="module")
def boards() -> Fleet:
    fleet = Fleet.fresh(FLEET_NAME + "-boards", [*USER_DIRS, "bone"])
    yield fleet
    fleet.down()


@dataclass
class Secured:
    fleet: Fleet
    first: Run
    second: Run
    passwords: pathlib.Path


@pytest.fixture(scope="module")
def secured(boards: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Secured:
    """Two machines after `secure.yml` with every role and the strictest sandbox, and after a second run."""
    passwords = tmp_path_factory.mktemp("passwords")
    variables = {
        "nodered_login_password_dir": str(passwords),
        "nodered_http_auth_password_dir": str(passwords / "http-auth"),
        "nodered_tls_source": "selfsigned",
        "nodered_hardening_sandbox": "strict",
        "nodered_serial": ["100%"],
    }
    first, second = (boards.play("secure", variables=variables, limit=",".join(USER_DIRS)) for _run in (1, 2))
    return Secured(boards, first, second, passwords)


@pytest.mark.parametrize("name", USER_DIRS)
def test_a_board_that_is_no_raspberry_pi_is_secured_once_and_for_all(secured, name):
    pi, user_dir = secured.fleet.pis[name], USER_DIRS[name]
    assert not secured.first.failed
    assert pi.get("/flows").status == 401
    assert pi.get("/hello").status == 401
    assert not pi.answers_in_the_clear()
    assert pi.login("admin", (secured.passwords / name).read_text().strip())
    # Written by Node-RED itself at that login.
    assert pi.run(f"stat -c '%U %a' {user_dir}/.sessions.json").split() == [SERVICE_USERS[name], "600"]
    assert pi.run(f"stat -c '%U %a' {user_dir}").split() == [SERVICE_USERS[name], "700"]
    assert not secured.second.failed
    assert secured.second.recap[name]["changed"] == 0


def test_each_run_says_once_that_node_red_runs_as_root(secured):
    for run in (secured.first, secured.second):
        assert run.output.count("Node-RED runs as root on root:") == 1
        assert "Node-RED runs as root on dietpi:" not in run.output


def test_a_port_on_which_systemd_cannot_listen_is_undone(boards, tmp_path):
    bone = boards.pis["bone"]
    # An address that this machine has not: nothing can be seen of that before the socket is opened.
    streams = [{"ListenStream": ""}, {"ListenStream": "192.0.2.1:1885"}]
    drop_in = {"unit": "nodered.socket", "name": "zz-test", "sections": {"Socket": streams}, "options": []}
    where = {"service": "nodered", "settings_file": bone.settings_file, "user_dir": "/root"}
    request = {**NO_CHANGE, **where, "drop_ins": [drop_in], "restart": True}
    # Under a name without an action plugin, the module takes any request.
    (tmp_path / "library").mkdir()
    shutil.copy(CHECKOUT / "plugins" / "modules" / "apply.py", tmp_path / "library" / "apply_request.py")
    tasks = [{"apply_request": {"request": json.dumps(request)}}]
    play = tmp_path / "tasks.yml"
    play.write_text(json.dumps([{"hosts": "bone", "become": True, "gather_facts": False, "tasks": tasks}]))
    run = boards.play(play, limit="bone")
    assert run.failed
    assert run.says("nodered.socket cannot listen on 192.0.2.1:1885: Cannot assign requested address")
    assert run.says("responds again with its old configuration at http://127.0.0.1:1880/")
    assert bone.run("systemctl show -P Listen nodered.socket").strip() == "[::]:1880 (Stream)"
    # Through the socket, and not beside it.
    assert "pid=1," in bone.run("ss -Hltnp 'sport = :1880'")
    assert bone.serves()
