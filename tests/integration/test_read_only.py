# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines whose root is read-only: it stays so unless told, and becomes so again, whatever happens in between."""

from __future__ import annotations

import subprocess
import time

import pytest
import yaml

# Of a password that nobody knows, so the proof logs nobody in: that would end a Node-RED that cannot keep sessions.
LOGIN = {"nodered_login_users": [{"username": "ada", "password_hash": "$2b$08$" + "a" * 53}]}
RESTART = {"pifleet.nodered.restart": {"service": "nodered", "timeout": 25, "remount": True}}
# As some images have them; these also count.
OWN_COMMANDS = """
for mode in rw ro; do
  printf '#!/bin/sh\\necho %s >>/run/remounts\\nexec mount -o remount,%s /\\n' $mode $mode >/usr/local/bin/rpi-$mode
  chmod +x /usr/local/bin/rpi-$mode
done
"""
# Root is still writable for a moment where somebody has a file open: Node-RED while it starts, the journal.
MAKE_READ_ONLY = "for try in $(seq 20); do mount -o remount,ro / && exit; sleep 0.5; done; exit 1"
MAKE_WRITABLE = "flock -w 60 /run/pifleet.nodered/.remount.lock true; mount -o remount,rw /"


@pytest.fixture
def read_only(pi41):
    """A function that makes the root of the machine read-only; afterwards it is what it was."""
    yield lambda: pi41.run(MAKE_READ_ONLY)
    pi41.run(f"systemctl stop holder; {MAKE_WRITABLE}; rm -f /usr/local/bin/rpi-* /run/remounts /run/slow", check=False)


def root_is_read_only(pi):
    return pi.run("findmnt -n -o OPTIONS /").startswith("ro")


def settings_task(pi, wanted, **options):
    options = {"remount": True, **options}
    return {"pifleet.nodered.settings": {"path": pi.settings_file, "service": "nodered", "set": wanted, **options}}


@pytest.fixture
def with_ufw(pi41):
    yield {"nodered_ufw_manage": True}
    pi41.run(MAKE_WRITABLE, check=False)
    pi41.forget_firewall()


@pytest.fixture
def play(play):
    """The same, where Python finds no place for temporary files but this one."""

    def run(pi, *tasks, **variables):
        return play(pi, {"block": list(tasks), "environment": {"TMPDIR": "/dev/shm"}}, **variables)

    return run


def test_without_a_word_nothing_is_written_and_the_remedy_is_named(fleet, pi41, variables, read_only):
    read_only()
    settings, pid = pi41.settings, pi41.main_pid()
    run = fleet.play("secure", variables=variables | LOGIN, limit="pi41")
    assert run.failed
    assert run.says("The file system / is mounted read-only", "nodered_remount: true")
    assert root_is_read_only(pi41)
    assert (pi41.settings, pi41.main_pid()) == (settings, pid)
    assert pi41.run("ls -A /var/lib/pifleet.nodered", check=False) == ""
    assert pi41.is_open()


def test_told_so_every_role_does_its_part_and_the_root_is_read_only_again(fleet, pi41, variables, read_only, with_ufw):
    pi41.run(OWN_COMMANDS)
    read_only()
    variables |= LOGIN | {"nodered_tls_source": "selfsigned", "nodered_port": 8881, "nodered_remount": True}
    variables |= with_ufw
    run = fleet.play("secure", variables=variables, limit="pi41")
    assert not run.failed
    assert run.recap["pi41"]["rescued"] == 0
    assert root_is_read_only(pi41)
    assert "Status: active" in pi41.run("ufw status")
    assert pi41.run("ls -A /var/lib/pifleet.nodered/firewall") == ""
    assert pi41.get("/flows", port=8881).status == 401
    assert not pi41.answers_in_the_clear(8881)
    assert pi41.run("systemctl show -P UMask nodered").strip() == "0077"
    remounts = pi41.read("/run/remounts").split()
    assert remounts == ["rw", "ro"], "once for the whole run"

    # Where there is nothing to write, nothing is remounted, and nobody needs to have said that it may be.
    again = fleet.play("secure", variables=variables | {"nodered_remount": False}, limit="pi41")
    assert not again.failed
    assert again.recap["pi41"]["changed"] == 0
    assert pi41.read("/run/remounts").split() == remounts


def test_a_change_that_fails_is_undone_and_leaves_the_root_read_only(play, pi41, read_only):
    read_only()
    settings, pid = pi41.settings, pi41.main_pid()
    untold = {"pifleet.nodered.restart": {**RESTART["pifleet.nodered.restart"], "remount": False}}
    run = play(pi41, settings_task(pi41, {"uiHost": "192.0.2.1"}), untold)
    assert run.failed
    assert run.says("nodered_remount: true")
    assert pi41.main_pid() == pid, "what could not be undone is not tried"
    run = play(pi41, RESTART)
    assert run.failed
    assert run.says("The change was rolled back")
    assert root_is_read_only(pi41)
    assert pi41.settings == settings
    assert pi41.is_open()


def test_a_firewall_that_nobody_confirms_leaves_the_root_read_only(play, pi41, read_only, with_ufw):
    read_only()
    run = play(pi41, {"ansible.builtin.include_role": {"name": "pifleet.nodered.ufw"}}, **with_ufw)
    assert run.failed
    assert run.says("ufw keeps its rules there. Set nodered_remount: true")
    assert root_is_read_only(pi41)

    arm = {"pifleet.nodered.firewall_guard": {"state": "armed", "seconds": 10, "remount": True}}
    run = play(pi41, arm, {"ansible.builtin.command": "ufw --force enable"})
    assert not run.failed
    within(40, lambda pi: "The old firewall is back." in pi.run("journalctl --no-pager -t pifleet.nodered"), pi41)
    within(15, root_is_read_only, pi41)
    assert "Status: inactive" in pi41.run("ufw status")
    assert "pifleet" not in pi41.run("systemctl list-units --all --plain --no-legend 'pifleet-firewall*'")

    # A restart comes up with whatever fstab says, and takes what is noted in /run.
    arm["pifleet.nodered.firewall_guard"]["seconds"] = 3000
    assert not play(pi41, arm, {"ansible.builtin.command": "ufw --force enable"}).failed
    pi41.run(f"rm /run/pifleet.nodered/.remount.held /run/pifleet.nodered/firewall-armed; {MAKE_READ_ONLY}")
    pi41.run("systemctl start pifleet-firewall.service")
    assert root_is_read_only(pi41)
    assert "Status: inactive" in pi41.run("ufw status")
    assert "the machine was restarted" in pi41.run("cat /var/lib/pifleet.nodered/firewall/undone")


HOLD = """
import time
while True:
    try:
        held = open("/var/held", "w")
        break
    except OSError:
        time.sleep(0.05)
time.sleep(600)
"""


def test_who_keeps_the_root_from_becoming_read_only_is_named(play, pi41, read_only):
    hashed = LOGIN["nodered_login_users"][0]["password_hash"]
    login = f"adminAuth: {{type: 'credentials', users: [{{username: 'ada', password: '{hashed}', permissions: '*'}}]}},"
    pi41.change_settings("module.exports = {", "module.exports = {\n" + login)
    pi41.run("systemctl restart nodered")
    pi41.wait_until_it_serves()
    read_only()
    pi41.run("cat >/run/hold.py; systemd-run --unit holder python3 /run/hold.py", stdin=HOLD)
    role = {"ansible.builtin.include_role": {"name": "pifleet.nodered.port"}}
    run = play(pi41, role, nodered_port=1885, nodered_remount=True, nodered_restart_timeout=60)
    assert run.says("holder.service", "/var/held")
    assert run.failed
    assert run.says("was read-only and is still writable")
    assert pi41.serves(1885)
    assert not root_is_read_only(pi41)
    pi41.run("systemctl stop holder")
    within(15, root_is_read_only, pi41)


SLOW = "if (require('fs').existsSync('/run/slow')) require('child_process').execFileSync('sleep', ['60']);\n"


def test_a_module_that_is_killed_halfway_leaves_the_root_read_only(fleet, pi41, tmp_path, read_only):
    pi41.change_settings("module.exports = {", SLOW + "module.exports = {")
    settings = pi41.settings
    pi41.run("touch /run/slow")
    read_only()
    tasks = [settings_task(pi41, {"uiPort": 1885})]
    path = tmp_path / "tasks.yml"
    environment = {"TMPDIR": "/dev/shm"}
    path.write_text(
        yaml.safe_dump(
            [{"hosts": "pi41", "become": True, "gather_facts": False, "environment": environment, "tasks": tasks}]
        )
    )
    with subprocess.Popen(fleet.command(path), env=fleet.environment(), stdout=subprocess.DEVNULL) as controller:
        within(60, lambda pi: pi.run("pgrep -x sleep", check=False), pi41)
        assert not root_is_read_only(pi41)
        node = pi41.run("ps -o ppid= -p $(pgrep -x sleep)").strip()
        pi41.run(f"kill -KILL $(ps -o ppid= -p {node})")
        within(10, root_is_read_only, pi41)
        pi41.run(f"kill {node} $(pgrep -x sleep)")
        assert controller.wait(60) != 0
    assert pi41.settings == settings
    assert pi41.serves()


def test_an_overlay_in_memory_is_not_written_to(play, pi41):
    user_dir = f"/home/{pi41.user}/.node-red"
    pi41.run(
        f"install -d -o {pi41.user} /run/overlay/upper; mkdir -p /run/overlay/work; mount -t overlay "
        f"-o lowerdir={user_dir},upperdir=/run/overlay/upper,workdir=/run/overlay/work overlay {user_dir}"
    )
    try:
        settings = pi41.settings
        run = play(pi41, settings_task(pi41, {"uiPort": 1885}))
        assert run.failed
        assert run.says("overlay in memory", "raspi-config")
        assert pi41.settings == settings
        assert pi41.run("ls -A /run/overlay/upper") == ""
    finally:
        pi41.run(f"umount {user_dir}")


def within(seconds, condition, pi):
    end = time.monotonic() + seconds
    while not condition(pi):
        assert time.monotonic() < end
        time.sleep(0.3)
