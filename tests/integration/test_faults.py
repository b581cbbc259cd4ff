# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong in the field: Node-RED serves the old or the new configuration, and the error says what to do."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest
import yaml

from .fleet import UNDISTURBED, kill

LOGIN = {"nodered_login_users": [{"username": "ada", "password": "correct horse battery staple"}]}
# Only what this is about: test_secure.py and the Molecule scenarios have all roles together.
ROLES = ["login", "port"]


def settings_task(pi, wanted):
    return {"pifleet.nodered.settings": {"path": pi.settings_file, "service": "nodered", "set": wanted}}


RESTART = {"pifleet.nodered.restart": {"service": "nodered", "timeout": 25}}


def secure(fleet, pi, **variables):
    return fleet.play(ROLES, variables={"nodered_restart_timeout": 30, **LOGIN, **variables}, limit=pi.name)


def assert_old_configuration(pi, settings):
    assert pi.settings == settings
    pi.wait_until_it_serves()
    assert pi.is_open()


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("module.exports = {", "module.exports = {{", "settings.js:"),
        ("flowFile: 'flows.json',", "flowFile: 'flows.json'", "comma"),
    ],
    ids=["broken", "missing comma"],
)
def test_a_file_that_does_not_parse_is_refused(fleet, pi41, old, new, said):
    pi41.change_settings(old, new)
    settings, pid = pi41.settings, pi41.main_pid()
    run = secure(fleet, pi41)
    assert run.failed
    assert run.says(said)
    assert run.says(pi41.settings_file)
    assert_old_configuration(pi41, settings)
    assert pi41.main_pid() == pid


def test_a_candidate_that_throws_when_loaded_never_replaces_the_file(fleet, pi41):
    pi41.change_settings("module.exports = {", "const site = require('./site-of-last-year.js');\nmodule.exports = {")
    settings, pid = pi41.settings, pi41.main_pid()
    run = secure(fleet, pi41)
    assert run.failed
    assert run.says("site-of-last-year")
    assert_old_configuration(pi41, settings)
    assert pi41.main_pid() == pid
    assert pi41.run(f"ls -A {os.path.dirname(pi41.settings_file)}").count("settings.js") == 1, "nothing is left behind"


def test_a_port_that_something_else_holds_is_refused_before_anything_is_touched(fleet, pi41):
    pi41.run("systemd-run --unit holder python3 -m http.server 1885")
    try:
        settings, pid = pi41.settings, pi41.main_pid()
        run = fleet.play(["port"], variables={"nodered_port": 1885}, limit="pi41")
        assert run.failed
        assert run.says("nodered_port 1885 is held by python3")
        assert_old_configuration(pi41, settings)
        assert pi41.main_pid() == pid
    finally:
        pi41.run("systemctl stop holder")


DEADLY = {
    "port taken at the last moment": {"uiPort": 1886},
    "exit code 1": {"uiHost": "192.0.2.1"},
    "exit code 0": {"httpNodeAuth": {"user": "nobody"}},
    "serves on no TCP port": {"uiPort": "abc"},
    "another process answers": {"uiPort": 22},
}


@pytest.mark.parametrize("wanted", DEADLY.values(), ids=DEADLY)
def test_a_start_that_fails_brings_the_old_configuration_back(play, pi41, wanted):
    pi41.run("systemd-run --unit holder python3 -m http.server 1886")
    settings = pi41.settings
    try:
        run = play(pi41, settings_task(pi41, wanted), RESTART)
    finally:
        pi41.run("systemctl stop holder")
    assert run.failed
    assert run.says("The change was rolled back")
    assert_old_configuration(pi41, settings)
    rejected = pi41.read(pi41.settings_file + ".rejected")
    assert next(iter(wanted)) in rejected


def test_the_first_backup_is_what_a_later_failure_goes_back_to(play, pi41):
    settings = pi41.settings
    run = play(
        pi41,
        settings_task(pi41, {"adminAuth": {"type": "credentials", "users": []}}),
        settings_task(pi41, {"uiHost": "192.0.2.1"}),
        RESTART,
    )
    assert run.failed
    assert_old_configuration(pi41, settings)


def test_a_full_disk_leaves_the_old_file(fleet, pi41):
    with small_disk(pi41):
        settings = pi41.settings
        pi41.run(f"dd if=/dev/zero of=/home/{pi41.user}/small/filler bs=1k count=4096", check=False)
        run = secure(fleet, pi41)
        assert run.failed
        assert run.says("no space left", "Free some space")
        assert_old_configuration(pi41, settings)


def test_a_read_only_file_system_leaves_the_old_file(fleet, pi41):
    with small_disk(pi41):
        settings = pi41.settings
        pi41.run(f"mount -o remount,ro /home/{pi41.user}/small")
        run = secure(fleet, pi41)
        assert run.failed
        assert run.says("read-only")
        assert_old_configuration(pi41, settings)


class small_disk:
    """settings.js on a file system of its own, as a link leads there."""

    def __init__(self, pi):
        self.pi, self.folder = pi, f"/home/{pi.user}/small"

    def __enter__(self):
        link = self.pi.settings_file
        self.pi.run(
            f"mkdir -p {self.folder} && mount -t tmpfs -o size=128k tmpfs {self.folder}"
            f" && chown {self.pi.user} {self.folder}"
            f" && mv {link} {self.folder}/settings.js && ln -s {self.folder}/settings.js {link}"
        )

    def __exit__(self, *_):
        self.pi.run(f"umount {self.folder}; rm -f {self.pi.settings_file}", check=False)


@pytest.mark.parametrize(
    "wanted, serves",
    [({"uiPort": 1887}, 1887), ({"uiHost": "192.0.2.1", "uiPort": 1887}, 1880)],
    ids=["good change", "bad change"],
)
def test_a_killed_controller_does_not_stop_the_restart(fleet, pi41, tmp_path, wanted, serves):
    path = tmp_path / "tasks.yml"
    path.write_text(
        yaml.safe_dump(
            [
                {
                    "hosts": pi41.name,
                    "become": True,
                    "gather_facts": False,
                    "tasks": [settings_task(pi41, wanted), RESTART],
                }
            ]
        )
    )
    pid = pi41.main_pid()
    controller = subprocess.Popen(
        fleet.command(path),
        env=fleet.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + 60
    while "uiPort: 1887" not in pi41.settings or pi41.main_pid() == pid:
        assert time.monotonic() < end
        time.sleep(0.1)
    kill(controller.pid)
    controller.wait()
    # The connection ends with the controller. The multiplexed ssh would keep it.
    pi41.run(f"pkill -KILL -u {pi41.user} sshd")
    pi41.wait_until_it_serves(serves)
    pi41.run(UNDISTURBED)
    assert pi41.serves(serves)
    assert not pi41.serves(1880 + 1887 - serves)


KILLER = """
import os, signal
from ansible.plugins.callback import CallbackBase

class CallbackModule(CallbackBase):
    CALLBACK_VERSION, CALLBACK_TYPE, CALLBACK_NAME = 2.0, "aggregate", "killer"

    def v2_playbook_on_handler_task_start(self, task):
        os.killpg(0, signal.SIGKILL)
"""


def test_a_controller_that_is_killed_between_plan_and_apply_has_written_nothing(
    fleet, pi41, variables, passwords, tmp_path
):
    (tmp_path / "killer.py").write_text(KILLER)
    settings, pid, units = pi41.settings, pi41.main_pid(), pi41.run("ls -R /etc/systemd/system /var/lib")
    killed = subprocess.run(
        fleet.command("secure", variables=variables | {"nodered_port": 1885}, limit="pi41"),
        env={**fleet.environment(), "ANSIBLE_CALLBACK_PLUGINS": str(tmp_path), "ANSIBLE_CALLBACKS_ENABLED": "killer"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        start_new_session=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stdout
    assert "Sessions | Plan" in killed.stdout
    assert (pi41.settings, pi41.main_pid(), pi41.run("ls -R /etc/systemd/system /var/lib")) == (settings, pid, units)
    assert not passwords.exists()
    assert pi41.is_open()


def test_a_file_that_changed_between_read_and_write_is_not_overwritten(play, pi41):
    settings, remark = pi41.settings, "// an edit by hand at the wrong moment\n"
    run = play(
        pi41,
        {"ansible.builtin.include_role": {"name": "pifleet.nodered.login"}},
        {"ansible.builtin.shell": f"echo -n '{remark}' >> {pi41.settings_file}"},
        **LOGIN,
    )
    assert run.failed
    assert run.says("Run again")
    assert pi41.settings == settings + remark
    assert pi41.is_open()


def test_a_change_without_its_restart_is_put_to_use_by_the_next_run(fleet, play, pi41):
    run = play(pi41, settings_task(pi41, {"uiPort": 1885}))
    assert not run.failed
    assert pi41.serves(1880)
    run = secure(fleet, pi41)
    assert not run.failed
    assert pi41.login("ada", LOGIN["nodered_login_users"][0]["password"], port=1885)


def test_a_broken_backup_never_makes_things_worse(play, pi41):
    """Node-RED that was dead before: the error is true about it, and the user's file is as it was."""
    pi41.run("systemctl stop nodered")
    settings = pi41.settings
    run = play(pi41, settings_task(pi41, {"uiHost": "192.0.2.1"}), RESTART)
    assert run.failed
    assert pi41.settings == settings


def test_an_unchanged_run_fails_if_node_red_would_not_start_again(fleet, pi41, variables):
    def secure_again():
        return fleet.play("secure", "--tags", "login,http_auth", variables=variables, limit=pi41.name)

    assert not secure_again().failed
    pi41.change_settings("module.exports = {", "const missing = require('./does-not-exist');\nmodule.exports = {")
    settings, pid = pi41.settings, pi41.main_pid()
    warned = secure_again()
    assert warned.failed and warned.recap[pi41.name]["changed"] == 0
    assert warned.says("[WARNING]: pi41: The settings file", "Cannot find module './does-not-exist'")
    assert "were not verified" in warned.failure(pi41.name)
    rotation = fleet.play("rotate", variables={**variables, "nodered_rotate": ["http_auth"]}, limit=pi41.name)
    assert "Cannot find module './does-not-exist'" in rotation.failure(pi41.name)
    assert (pi41.settings, pi41.main_pid()) == (settings, pid)


def test_a_stopped_node_red_is_started_by_a_change_or_named_with_the_command(fleet, pi41):
    pi41.run("systemctl stop nodered")
    changed = secure(fleet, pi41)
    assert not changed.failed
    assert changed.says("nodered was stopped before this run, and is started by it")
    pi41.run("systemctl stop nodered")
    stopped = fleet.play("secure", "--tags", "login", variables=LOGIN, limit=pi41.name)
    assert "Run systemctl start nodered there" in stopped.failure(pi41.name)


def test_a_second_node_red_outside_systemd_is_named(fleet, pi41):
    pi41.run("systemd-run --unit stray --uid 0 -E HOME=/root node-red -p 1999 -u /root/.node-red")
    try:
        end = time.monotonic() + 30
        while not pi41.serves(1999):
            assert time.monotonic() < end
            time.sleep(0.3)
        run = secure(fleet, pi41)
        assert run.failed
        assert run.says("nodered_service")
        assert run.says("1999", "root")
        assert pi41.is_open()
        told = secure(fleet, pi41, nodered_service="nodered")
        assert not told.failed
    finally:
        pi41.run("systemctl stop stray; rm -rf /root/.node-red")


def test_no_node_red_is_said_with_what_was_seen(fleet, pi41):
    run = secure(fleet, pi41, nodered_service="node-red-of-somebody")
    assert run.failed
    assert run.says("node-red-of-somebody")
    assert run.says("nodered.service")
