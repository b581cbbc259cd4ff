# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verification where the controller does not reach Node-RED: a forwarded port, a jump host, another machine."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest
import yaml

from .users import LOGIN_WORKS

ON_HOST = "verified on the host itself, because"
PROVE = """
- hosts: nodered
  become: true
  gather_facts: false
  tasks:
    - ansible.builtin.import_role: {name: pifleet.nodered.instance, tasks_from: prove}
"""
CONDITION = "adminAuth: process.env.SITE ? { type: 'credentials', users: [] } : undefined,"


@pytest.fixture
def reached(fleet, pi, tmp_path):
    """The options for a run that reaches the machine with these variables in the inventory."""

    def by(**variables):
        path = tmp_path / "way.yml"
        path.write_text(yaml.safe_dump({"nodered": {"hosts": {pi.name: variables}}}))
        return "-i", str(path)

    return by


@contextlib.contextmanager
def listening(port, served):
    """Have each connection to this port of the controller served in a thread; 0 is any port. Yields the port."""
    with socket.create_server(("127.0.0.1", port)) as listener:

        def accept():
            while True:
                try:
                    connection, _peer = listener.accept()
                except OSError:
                    return
                threading.Thread(target=served, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def forward_to(address):
    """Serve a connection by one to this address, as a port that is forwarded to a machine."""

    def copy(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def served(connection):
        with connection, socket.create_connection((address, 22)) as far:
            back = threading.Thread(target=copy, args=(far, connection))
            back.start()
            copy(connection, far)
            back.join()

    return served


def test_a_forwarded_port_is_not_taken_for_the_machine(fleet, pi, reached, variables):
    received = []

    def decoy(connection):
        received.append("a connection")
        with connection:
            received.append(connection.recv(65536))

    # An editor that is open here, whatever the text may promise.
    pi.change_settings("module.exports = {", "module.exports = { " + CONDITION)
    pi.run("systemctl restart nodered")
    pi.wait_until_it_serves()
    with listening(1880, decoy), listening(0, forward_to(pi.address)) as port:
        way = reached(
            ansible_host="127.0.0.1", ansible_port=port, ansible_ssh_extra_args=f"-o HostKeyAlias={pi.address}"
        )
        run = fleet.play(["login"], *way, variables=variables, limit="pi41")
    assert not run.failed
    assert received == []
    assert run.says(
        f"pi41: {ON_HOST} 127.0.0.1 leads to the controller itself", "code that gives no login on this host"
    )
    assert run.judged(LOGIN_WORKS) == ["pass"]
    assert not pi.is_open()


def test_a_firewall_behind_a_jump_host_stays_and_another_machine_verifies_it(
    fleet, pi, pi50, reached, variables, tmp_path
):
    folder = fleet.inventory.parent
    (tmp_path / "ssh_config").write_text(
        f"Host {pi.address}\n  ProxyJump {pi50.user}@{pi50.address}\n"
        f"Host {pi50.address}\n  IdentityFile {folder / 'id_ed25519'}\n"
        f"Host *\n  IdentitiesOnly yes\n  UserKnownHostsFile {folder / 'known_hosts'}\n"
    )
    way = reached(ansible_ssh_extra_args=f"-F {tmp_path / 'ssh_config'}")
    # Only the jump host gets in.
    variables |= {"nodered_port": 1885, "nodered_ufw_sources": [pi50.address], "nodered_ufw_keep": []}
    run = fleet.play("secure", *way, variables=variables, limit="pi41")
    assert not run.failed
    assert run.says(f"pi41: {ON_HOST} SSH reaches it through the jump host", "a new connection has confirmed it")
    assert "Status: active" in pi.run("ufw status")
    assert not pi.serves(1885)

    variables |= {"nodered_verify_from": "pi50", "nodered_verify_login": True}
    again = fleet.play("secure", "-vvv", *way, variables=variables, limit="pi41")
    assert not again.failed
    assert again.recap["pi41"]["changed"] == 0
    assert again.says(f"pi41: verified at http://{pi.address}:1885/ from pi50")
    assert not again.says(ON_HOST)
    assert again.judged(LOGIN_WORKS) == ["pass"]
    assert again.executions(pi50.address) == 1

    # That machine does ask: what it cannot reach fails.
    pi.run(f"iptables -I ufw-before-input -s {pi50.address} -p tcp --dport 1885 -j REJECT --reject-with tcp-reset")
    prove = tmp_path / "prove.yml"
    prove.write_text(PROVE)
    closed = fleet.play(prove, *way, variables=variables, limit="pi41")
    assert closed.failed
    assert closed.says(f"not so at http://{pi.address}:1885/ from pi50")
