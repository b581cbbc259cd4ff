# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role `ufw` over real SSH: whoever is cut off gets in again, and nobody else is let in."""

from __future__ import annotations

import collections
import contextlib
import socket
import subprocess
import threading
import time

import pytest

from .test_secure import MOST_EXECUTIONS_OF_AN_UNCHANGED_RUN

OLD_PORT, NEW_PORT = 1880, 1885
SITE = """
- hosts: nodered
  become: true
  gather_facts: false
  roles:
    - pifleet.nodered.port
    - pifleet.nodered.ufw
"""


@pytest.fixture
def site(tmp_path):
    path = tmp_path / "site.yml"
    path.write_text(SITE)
    return path


def firewall(pi):
    """Everything that `ufw` was ever told, and what the kernel does about it."""
    return pi.run(
        "ufw show added; ufw status verbose; cat /etc/ufw/user*.rules /etc/ufw/ufw.conf /etc/default/ufw; "
        "iptables -S | grep -E '^-P|DROP|REJECT'; ip6tables -S | grep -E '^-P|DROP|REJECT'",
        check=False,
    )


def ssh_works(fleet, pi):
    """Whether a connection of its own, not one that Ansible has left open, gets in."""
    folder = fleet.inventory.parent
    command = ["ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "ConnectTimeout=2", "-o", "ControlPath=none"]
    command += ["-o", f"UserKnownHostsFile={folder / 'known_hosts'}", "-o", "IdentitiesOnly=yes"]
    command += ["-i", str(folder / "id_ed25519"), f"{pi.user}@{pi.address}", "true"]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


def test_whoever_is_cut_off_gets_in_again(fleet, pi, site):
    pi.run("ufw allow 4000/tcp")
    # Whatever the rules say, the new firewall lets no new SSH connection in.
    pi.run(
        "sed -i '0,/^-A/s//-A ufw-before-input -p tcp --dport 22 -m conntrack --ctstate NEW -j DROP "
        '-m comment --comment "cut off"\\n-A/\' /etc/ufw/before.rules'
    )
    before = firewall(pi)
    run = fleet.play(site, "--timeout", "3", variables={"nodered_ufw_confirm_seconds": 30}, limit="pi41")
    assert run.failed
    assert run.says("The new rules let no new SSH connection in.", "the new rules were not confirmed in time")
    assert run.says("The host is reachable, and has its old firewall since")
    assert ssh_works(fleet, pi)
    assert firewall(pi) == before
    assert pi.serves(OLD_PORT)
    assert "The old firewall is back." in pi.run("journalctl --no-pager -t pifleet.nodered")
    assert "pifleet" not in pi.run("systemctl list-units --all --plain --no-legend 'pifleet-firewall*'")


# Programs that find others first on the rollback's PATH: nothing can load rules, and ufw can neither enable nor reload.
BROKEN = """
echo 'exit 1' | tee /usr/local/sbin/iptables-restore >/usr/local/sbin/ip6tables-restore
printf 'case "$*" in *enable|*reload) exit 1; esac; exec /usr/sbin/ufw "$@"' >/usr/local/sbin/ufw
sed -i '1i #!/bin/sh\\necho "$0" >>/run/tried' /usr/local/sbin/*; chmod +x /usr/local/sbin/*
"""
REPAIRED = "rm -f /usr/local/sbin/* /run/tried"


def test_an_active_firewall_is_never_down_while_the_old_rules_come_back(fleet, pi, play):
    pi.run("ufw allow 22/tcp; ufw --force enable")
    before = firewall(pi)
    # Node-RED listens there, and no rule lets anybody in.
    assert not pi.serves(OLD_PORT)
    pi.run(BROKEN)
    try:
        arm = {"pifleet.nodered.firewall_guard": {"state": "armed", "seconds": 6}}
        change = {"ansible.builtin.command": "/usr/sbin/ufw limit 4000/tcp"}
        with openings(pi.address, OLD_PORT) as seen:
            assert not play(pi, arm, change).failed
            until(lambda: pi.run("wc -l </run/tried", check=False).strip() > "1")
            loaded = pi.run("iptables -S ufw-user-input")
            assert "--dport 4000" in loaded, "the new rules stay while the old ones cannot be loaded"
            pi.run(REPAIRED)
            until(lambda: "The old firewall is back." in pi.run("journalctl --no-pager -t pifleet.nodered"))
    finally:
        pi.run(REPAIRED)
    assert firewall(pi) == before
    assert seen.tried > 100
    assert seen.open == 0

    with openings(pi.address, OLD_PORT) as seen:
        pi.run("ufw reload")
    assert seen.open > 0, "this stops the firewall, so whoever looks for openings finds some"


class Openings:
    """How many connections were tried, and how many came about."""

    tried = open = 0


@contextlib.contextmanager
def openings(address, port):
    """Try to connect all the time, every 10 ms, and count what got through. The kernel tries a lost one after a second
    again, by which time it is closed."""
    seen, done, pending = Openings(), threading.Event(), collections.deque()

    def settle():
        with pending.popleft() as one, contextlib.suppress(OSError):
            one.getpeername()
            seen.open += 1

    def work():
        while not done.wait(0.01):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex((address, port))
            pending.append(one)
            seen.tried += 1
            if len(pending) > 50:
                settle()
        while pending:
            settle()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield seen
    finally:
        done.set()
        worker.join()


# As Docker 29 writes them with firewall-backend nftables, and for IPv6 with ip6tables.
PUBLISHED = """
nft -f - <<'RULES'
table ip docker-bridges {
  chain nat-PREROUTING {
    type nat hook prerouting priority dstnat; policy accept;
    fib daddr type local counter jump nat-prerouting-and-output
  }
  chain nat-prerouting-and-output {
    iifname != "bridge1" tcp dport 8080 counter dnat to 192.0.2.2:80 comment "DNAT"
    iifname != "bridge1" ip daddr 127.0.0.1 tcp dport 8081 counter dnat to 192.0.2.2:80 comment "DNAT"
  }
}
table ip6 docker-bridges {
  chain nat-prerouting-and-output {
    iifname != "bridge1" tcp dport 8443 counter dnat to [2001:db8::2]:443 comment "DNAT"
  }
}
RULES
ip6tables -t nat -A PREROUTING -p tcp --dport 8444 -j DNAT --to-destination [2001:db8::2]:80
"""
UNPUBLISHED = """
nft delete table ip docker-bridges; nft delete table ip6 docker-bridges; ip6tables -t nat -F PREROUTING
"""


def test_ports_of_containers_are_found_for_ipv6_and_in_nftables(pi, play):
    pi.run(PUBLISHED)
    try:
        show = {"ansible.builtin.debug": {"msg": "published: {{ found.firewall.published }}"}}
        run = play(pi, {"pifleet.nodered.firewall_info": None, "register": "found"}, show)
    finally:
        pi.run(UNPUBLISHED, check=False)
    assert run.says("published: [8080, 8443, 8444]")


def test_a_restart_before_the_confirmation_leads_back_too(fleet, pi, tmp_path):
    before = firewall(pi)
    arm = tmp_path / "arm.yml"
    arm.write_text(
        "- hosts: nodered\n  become: true\n  gather_facts: false\n  tasks:\n"
        "    - pifleet.nodered.firewall_guard: {state: armed, seconds: 3000}\n"
        "    - ansible.builtin.command: ufw --force enable\n"
    )
    assert not fleet.play(arm, limit="pi41").failed
    assert not ssh_works(fleet, pi)
    subprocess.run(["docker", "restart", "-t", "3", pi.container], check=True, capture_output=True)
    until(lambda: ssh_works(fleet, pi))
    until(lambda: "The old firewall is back." in pi.run("journalctl --no-pager -t pifleet.nodered"))
    assert firewall(pi) == before
    assert "the machine was restarted" in pi.run("cat /var/lib/pifleet.nodered/firewall/undone")


def test_only_the_sources_get_in_and_the_rest_is_proven_on_the_machine(fleet, pi, variables):
    pi.run(f"ufw allow {OLD_PORT}; ufw allow from 10.9.8.0/24 to any port 4000 proto tcp")
    variables |= {"nodered_port": NEW_PORT, "nodered_ufw_sources": ["10.1.0.0/16", "fd00::/8"]}
    run = fleet.play("secure", variables=variables, limit="pi41")
    assert not run.failed
    assert run.recap["pi41"]["rescued"] == 0
    assert not pi.serves(NEW_PORT)
    rules = pi.run("ufw show added").splitlines()[1:]
    assert [rule.partition(" comment")[0] for rule in rules] == [
        "ufw allow from 10.9.8.0/24 to any port 4000 proto tcp",
        "ufw allow 22/tcp",
        f"ufw allow from 10.1.0.0/16 to any port {NEW_PORT} proto tcp",
        f"ufw allow from fd00::/8 to any port {NEW_PORT} proto tcp",
    ]

    again = fleet.play("secure", "-vvv", variables=variables, limit="pi41")
    assert not again.failed
    assert again.recap["pi41"]["changed"] == 0
    assert again.says(f"nothing answers on {NEW_PORT}")
    # One to ask the host itself, as its port is closed for the controller.
    assert again.executions(pi.address) <= MOST_EXECUTIONS_OF_AN_UNCHANGED_RUN + 1

    settings = pi.settings
    moved = fleet.play("secure", "--tags", "port", variables=variables | {"nodered_port": OLD_PORT}, limit="pi41")
    assert moved.failed
    assert moved.says(f"no rule allows nodered_port {OLD_PORT}", "--tags port,ufw", f"ufw allow {OLD_PORT}/tcp")
    assert pi.settings == settings


@pytest.mark.parametrize(
    "variable, value, remedy",
    [
        ("nodered_ufw_sources", ["::ffff:10.1.0.7"], "Write 10.1.0.7."),
        ("nodered_ufw_confirm_seconds", 5, "from 30 to 3600"),
    ],
)
def test_a_value_that_cannot_be_meant_is_said_with_host_and_remedy(fleet, pi, site, variable, value, remedy):
    before = firewall(pi)
    run = fleet.play(site, variables={variable: value}, limit="pi41")
    assert run.failed
    assert run.says(f"pi41: {variable}", remedy, "run again")
    assert not run.says("filter plugin")
    assert firewall(pi) == before


def test_check_mode_says_what_would_change_and_changes_nothing(fleet, pi, site):
    before = firewall(pi)
    run = fleet.play(site, "--check", variables={"nodered_ufw_keep": []}, limit="pi41")
    assert not run.failed
    assert run.says(f"+ allow from any to any port {OLD_PORT} proto tcp", "enable")
    assert firewall(pi) == before
    assert "pifleet-firewall" not in pi.run("ls /etc/systemd/system")


def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.3)
