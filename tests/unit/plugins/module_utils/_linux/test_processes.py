# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _processes
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._processes import Listener, Process


@pytest.fixture
def child():
    """A process that waits until its standard input ends."""
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        yield process


def named(name="node", *arguments):
    return Process(1, 0, 0, name, arguments, 0)


def test_a_process_is_known_by_pid_and_start_and_gone_when_it_ended(child):
    found = _processes.process(child.pid)
    assert (found.pid, found.parent, found.uid) == (child.pid, os.getpid(), os.getuid())
    assert found.start > 0
    child.communicate()
    assert _processes.process(child.pid) is None


def test_the_name_of_a_process_cannot_control_the_terminal():
    script = "open('/proc/self/comm', 'w').write('a\\x1b[31m\\nFATAL'); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as hostile:
        hostile.stdout.readline()
        assert _processes.process(hostile.pid).name == "a\\x1b[31m\\x0aFATAL"
        hostile.communicate(b"\n")


def test_the_name_of_a_unit_cannot_control_the_terminal(monkeypatch, tmp_path):
    monkeypatch.setattr(_processes, "PROC", str(tmp_path))
    for pid, group in ((1, "/init.scope"), (2, "/system.slice/a\x1b[31m.service")):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "cgroup").write_text(f"0::{group}\n")
    assert _processes.unit_of(2) == "a\\x1b[31m.service"


def test_a_zombie_has_ended(child):
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert _processes.process(child.pid) is None


def test_a_family_holds_all_descendants(child):
    family = _processes.with_descendants(os.getpid(), _processes.processes())
    assert {os.getpid(), child.pid} <= family
    assert 1 not in family


@pytest.mark.parametrize(
    "process",
    [
        named("node-red", "node-red"),
        named("MainThread", "node-red      "),
        named("node", "node", "--max_old_space_size=256", "--", "/usr/lib/node_modules/node-red/red.js"),
        named("node", "/usr/bin/node", "/usr/bin/node-red", "-p", "1881"),
    ],
)
def test_node_red_is_recognised_before_and_after_it_set_its_title(process):
    assert process.is_node_red


@pytest.mark.parametrize(
    "process",
    [
        named("node", "node", "server.js"),
        named("vi", "vi", "red.js"),
        named("bash"),
        named("node", "npm", "i", "node-red"),
    ],
)
def test_other_processes_are_not_node_red(process):
    assert not process.is_node_red


@pytest.mark.parametrize("family, address", [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_the_ports_of_a_process_are_found(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as server:
        try:
            server.bind((address, 0))
        except OSError:
            pytest.skip("this machine has no " + address)
        port = server.getsockname()[1]
        assert port not in [one.port for one in _processes.listeners(os.getpid())]
        server.listen()
        assert Listener(address, port, os.getuid()) in _processes.listeners(os.getpid())
        assert (os.getpid(), Listener(address, port, os.getuid())) in _processes.holders(address, port)
        assert _processes.holders("192.0.2.1", port) == []


def test_whoever_listens_everywhere_is_in_the_way_of_everybody():
    assert Listener("0.0.0.0", 80).hinders("192.0.2.1", 80)
    assert Listener("192.0.2.1", 80).hinders("0.0.0.0", 80)
    assert not Listener("192.0.2.1", 80).hinders("127.0.0.1", 80)
    assert not Listener("0.0.0.0", 80).hinders("0.0.0.0", 81)


def control_groups(tmp_path, monkeypatch, of_systemd, of_process):
    monkeypatch.setattr(_processes, "PROC", str(tmp_path))
    for pid, group in ((1, of_systemd), (7, of_process)):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "cgroup").write_text(group + "\n")


@pytest.mark.parametrize(
    "of_systemd, of_process, unit",
    [
        ("0::/init.scope", "0::/system.slice/nodered.service", "nodered.service"),
        ("0::/init.scope", "0::/system.slice/system-nr.slice/nr@pi.service", "nr@pi.service"),
        ("0::/init.scope", "0::/user.slice/user-1000.slice/session-3.scope", None),
        ("0::/init.scope", "0::/user.slice/user-1000.slice/user@1000.service/app.slice/nr.service", None),
        (
            "9:name=systemd:/docker/abc/init.scope\n0::/x",
            "9:name=systemd:/docker/abc/system.slice/n.service",
            "n.service",
        ),
        ("0::/init.scope", "0::/system.slice/docker-abc.scope", None),
    ],
)
def test_the_service_of_a_process_is_its_control_group(tmp_path, monkeypatch, of_systemd, of_process, unit):
    control_groups(tmp_path, monkeypatch, of_systemd, of_process)
    assert _processes.unit_of(7) == unit


@pytest.mark.parametrize(
    "of_process, contained",
    [
        ("0::/system.slice/docker-abc.scope", True),
        ("0::/docker/abc", True),
        ("0::/machine.slice/libpod-abc.scope", True),
        ("0::/user.slice/user-1000.slice/session-3.scope", False),
    ],
)
def test_a_container_is_known_by_its_control_group(tmp_path, monkeypatch, of_process, contained):
    control_groups(tmp_path, monkeypatch, "0::/init.scope", of_process)
    assert _processes.in_container(7) is contained


def test_where_files_of_a_process_may_not_be_seen_its_user_decides(monkeypatch):
    mine = Listener("0.0.0.0", 1880, os.getuid())
    monkeypatch.setattr(_processes, "_socket_inodes", lambda pid: None)
    monkeypatch.setattr(_processes, "_listening", lambda pid: [("1", mine), ("2", Listener("0.0.0.0", 22, 12345))])
    assert _processes.listeners(os.getpid()) == [mine]


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes a set-user-ID program")
def test_a_program_that_runs_as_root_for_a_user_counts_as_that_users(open_folders, tmp_path):
    program = tmp_path / "sleep"
    shutil.copy("/bin/sleep", program)
    program.chmod(0o4755)
    with subprocess.Popen([program, "30"], user=65534, group=65534) as child:
        try:
            assert _processes.process(child.pid).uid == 65534
        finally:
            child.kill()


def test_the_table_of_sockets_is_read_once_for_all_processes_of_a_service(monkeypatch):
    read = []
    monkeypatch.setattr(_processes, "_listening", lambda pid: read.append(pid) or [])
    _processes.listeners(os.getpid(), 1, os.getppid())
    assert read == [str(os.getpid())]
