# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this collection cannot secure is rejected by name, with what was found and what to do, and is not changed."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field

import pytest

from . import on_machine

# All that the cases put on the machine.
CLEAN = """
shopt -s nullglob
systemctl unmask --quiet nodered
systemctl stop nodered acme kiosk supervisor flowfuse-device-agent snap.node-red.node-red
rm -rf /etc/systemd/system/{acme,kiosk,supervisor,flowfuse-device-agent,snap.node-red.node-red}.service \
    /etc/systemd/system/nodered.service.d /etc/systemd/system-generators/test-* /usr/local/bin/test-* \
    /usr/local/bin/{docker,snap,flowfuse-device-agent} /opt/flowfuse-device /opt/victronenergy /usr/share/hassio \
    /home/pi/{second,kiosk}
dpkg --purge test-kiosk
systemctl daemon-reload
"""
# A program of Node.js that any Node-RED looks like to others, without its start of seconds.
LOOKS_LIKE_ONE = "bash -c 'exec -a node-red node -e \"require(\\`http\\`).createServer().listen($0)\"' {port}"


def program(path: str, text: str, shell: str = "sh") -> str:
    return f"cat >{path} <<'END'\n#!/bin/{shell}\n{text}\nEND\nchmod 755 {path}\n"


def unit(name: str, start: str, more: str = "User=pi") -> str:
    text = f"[Service]\nExecStart={start}\n{more}\n"
    return (
        f"cat >/etc/systemd/system/{name}.service <<'END'\n{text}END\nsystemctl daemon-reload; systemctl start {name}\n"
    )


def node_red_by(start: str) -> str:
    """Another ExecStart for the service of Node-RED."""
    return (
        "mkdir -p /etc/systemd/system/nodered.service.d; cat >/etc/systemd/system/nodered.service.d/test.conf <<'END'\n"
        f"[Service]\nExecStart=\nExecStart={start}\nEND\nsystemctl daemon-reload; systemctl start nodered\n"
    )


@dataclass
class Case:
    prepared: str
    found: list[str]
    remedy: str
    service: str | None = None
    wrapped: str = "{}"
    unless: list[str] = field(default_factory=list)


WITHOUT_SYSTEMD = "unshare -m bash -c 'mount -t tmpfs none /run/systemd; exec env \"$@\"' - {}"
SLEEPS = "exec sleep 600"
QUADLET = program(
    "/etc/systemd/system-generators/test-quadlet",
    """cat >"$1/nodered.service" <<UNIT
[Unit]
SourcePath=/etc/containers/systemd/nodered.container
[Service]
ExecStart=/usr/bin/podman run --name=nodered --replace --rm --cgroups=split -v /srv/nodered:/data nodered/node-red
UNIT""",
)
# A second Node-RED in the background, whose parent becomes the first.
TWO = (
    "mkdir -p /home/pi/second; cp /home/pi/.node-red/settings.js /home/pi/second; chown -R pi: /home/pi/second\n"
    + program("/usr/local/bin/test-two", "node-red -u /home/pi/second -p 1890 &\nexec node-red -p 1880", "bash")
)
EXPRESS = """
const express = require('/usr/lib/node_modules/node-red/node_modules/express');
const RED = require('/usr/lib/node_modules/node-red');
const app = express();
const server = require('http').createServer(app);
RED.init(server, { httpAdminRoot: '/red', httpNodeRoot: '/api', userDir: '/home/pi/kiosk', flowFile: 'flows.json' });
app.use('/red', RED.httpAdmin);
server.listen(8000, () => RED.start());
"""
# A package with a settings file at `{path}`, which is one of its configuration files or not.
PACKAGE = """
cd "$(mktemp -d)"
mkdir -p test-kiosk/DEBIAN test-kiosk/etc/test-kiosk test-kiosk/usr/share/test-kiosk
printf 'Package: test-kiosk\nVersion: 1\nArchitecture: all\nMaintainer: Test <test@example.org>\nDescription: Test\n' \
    >test-kiosk/DEBIAN/control
echo /etc/test-kiosk/settings.js >test-kiosk/DEBIAN/conffiles
for folder in etc usr/share; do echo 'module.exports = {};' >test-kiosk/$folder/test-kiosk/settings.js; done
dpkg-deb --build test-kiosk && dpkg --install test-kiosk.deb
"""


CASES = {
    "docker": Case(
        program("/usr/local/bin/docker", SLEEPS)
        + node_red_by("/usr/local/bin/docker run --rm -p 1880:1880 -e TOKEN=hunter2 -v nodered:/data nodered/node-red"),
        [
            "nodered.service runs a container",
            "/usr/local/bin/docker run",
            "/etc/systemd/system/nodered.service.d/test.conf",
        ],
        "where the container has them",
        unless=["hunter2"],
    ),
    "docker compose in a wrapper": Case(
        program("/usr/local/bin/test-wrapper", "cd /opt/iot\nexec docker compose up\n")
        + node_red_by("/usr/local/bin/test-wrapper"),
        ["nodered.service runs a container", "/usr/local/bin/test-wrapper", "docker compose"],
        "where the container has them",
    ),
    "quadlet": Case(
        "mkdir -p /etc/systemd/system-generators\n" + QUADLET + "systemctl daemon-reload",
        ["nodered.service is a quadlet", "/etc/containers/systemd/nodered.container"],
        "Volume=",
    ),
    "FlowFuse": Case(
        "mkdir -p /opt/flowfuse-device/project\n"
        + program(
            "/usr/local/bin/flowfuse-device-agent",
            "cd /opt/flowfuse-device/project\n" + LOOKS_LIKE_ONE.format(port=1881) + " & wait",
        )
        + unit("flowfuse-device-agent", "/usr/bin/env -S flowfuse-device-agent"),
        ["flowfuse-device-agent.service is FlowFuse", "flowfuse-device-agent in /etc/systemd/system"],
        "Protect this Node-RED in FlowFuse",
    ),
    "snap": Case(
        program("/usr/local/bin/snap", "exec " + LOOKS_LIKE_ONE.format(port=1881))
        + unit("snap.node-red.node-red", "/usr/local/bin/snap run node-red", ""),
        ["snap.node-red.node-red.service runs Node-RED from a snap"],
        "snap remove node-red",
    ),
    "supervisord": Case(
        program(
            "/usr/local/bin/test-supervisor",
            "\n".join("runuser -u pi -- " + LOOKS_LIKE_ONE.format(port=port) + " &" for port in (1881, 1882))
            + "\nwait",
        )
        + unit("supervisor", "/usr/local/bin/test-supervisor", ""),
        ["supervisor.service starts 2 Node-REDs", "user pi, port 1881", "user pi, port 1882"],
        "one inventory name per unit",
    ),
    "Venus OS": Case(
        "mkdir -p /opt/victronenergy",
        ["This is Venus OS (/opt/victronenergy)"],
        "settings-user.js",
        wrapped=WITHOUT_SYSTEMD,
    ),
    "Home Assistant": Case(
        "mkdir -p /usr/share/hassio",
        ["This is Home Assistant (/usr/share/hassio)"],
        "add-on",
        wrapped=WITHOUT_SYSTEMD,
    ),
    "unknown": Case(
        program("/usr/local/bin/test-acme", SLEEPS) + unit("acme", "/usr/local/bin/test-acme --flows", ""),
        ["acme.service does not start node-red", "ExecStart=/usr/local/bin/test-acme --flows", "user root: sleep 600"],
        "nodered_service",
        service="acme",
    ),
}


@pytest.fixture(scope="module")
def machine(fleet):
    pi = fleet.pis["pi41"]
    pi.reset()
    on_machine.bring_modules(pi)
    pi.run(CLEAN, check=False)
    yield pi
    pi.run(f"rm -r {on_machine.FOLDER}")
    pi.reset()


@contextlib.contextmanager
def prepared(pi, script):
    try:
        pi.run(script)
        yield
    finally:
        pi.run(CLEAN, check=False)


@contextlib.contextmanager
def unchanged(pi):
    """Nothing is written meanwhile, and nothing restarted."""
    of_units = "systemctl show -P NRestarts -P MainPID nodered acme kiosk supervisor"
    before = pi.run(f"touch /run/before; sleep 0.02; {of_units}")
    yield
    # A Node-RED that has just started writes files of its own, and so does sudo at its first use.
    not_ours = "! -name '.config.*' ! -name '.sudo_as_admin_successful'"
    changed = f"find /etc /home /opt /root /usr/local /var/lib -xdev -type f -newer /run/before {not_ours}"
    assert pi.run(f"{changed}; {of_units}") == before


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_it_is_rejected_by_name(machine, case):
    with prepared(machine, case.prepared):
        options = {"service": case.service} if case.service else {}
        with unchanged(machine):
            result = on_machine.module(machine, "instance_info", wrapped=case.wrapped, **options)
        assert result.get("failed"), result
        for words in [*case.found, case.remedy]:
            assert words in result["msg"]
        for words in case.unless:
            assert words not in result["msg"]


def discovered(pi, **options):
    with unchanged(pi):
        return on_machine.module(pi, "instance_info", **options)


def test_a_unit_with_two_node_reds_is_rejected_with_both(machine, fleet):
    with prepared(machine, TWO + node_red_by("/usr/local/bin/test-two")):
        for port in (1880, 1890):
            machine.wait_until_it_serves(port)
        message = discovered(machine)["msg"]
        pids = machine.run("pgrep -u pi -x node-red").split()
        with unchanged(machine):
            run = fleet.play("secure", limit="pi41")
    assert "nodered.service starts 2 Node-REDs (ExecStart=/usr/local/bin/test-two in /etc/systemd/system/" in message
    assert sorted(re.findall(r"- pid (\d+), user pi, port (\d+), settings file (\S+)", message)) == sorted(
        zip(pids, ["1880", "1890"], ["/home/pi/.node-red/settings.js", "/home/pi/second/settings.js"], strict=True),
    )
    assert run.failed
    assert run.says("[pi41]: FAILED!", "nodered.service starts 2 Node-REDs")


def test_a_program_that_embeds_node_red_is_rejected(machine):
    script = f"mkdir -p /home/pi/kiosk; cat >/home/pi/kiosk/app.js <<'END'\n{EXPRESS}END\nchown -R pi: /home/pi/kiosk\n"
    start = unit("kiosk", "/usr/bin/node app.js", "User=pi\nWorkingDirectory=/home/pi/kiosk")
    with prepared(machine, script + start + "systemctl mask nodered"):
        machine.run("timeout 60 sh -c 'until curl -sf localhost:8000/red/settings; do sleep 0.3; done'")
        by_name = discovered(machine, service="kiosk")["msg"]
        by_itself = discovered(machine)["msg"]
    assert "kiosk.service runs a program that embeds Node-RED: /home/pi/kiosk/app.js (pid " in by_name
    assert "responds as Node-RED at http://127.0.0.1:8000/red/" in by_name
    assert "a program that embeds it responds at http://127.0.0.1:8000/red/: pid " in by_itself
    assert "adminAuth" in by_name
    assert "adminAuth" in by_itself


def test_settings_that_an_upgrade_of_a_package_overwrites_are_rejected(machine):
    with prepared(machine, PACKAGE + node_red_by("/usr/bin/env node-red -s /usr/share/test-kiosk/settings.js")):
        message = discovered(machine)["msg"]
        machine.run(
            "sed -i s:/usr/share:/etc: /etc/systemd/system/nodered.service.d/test.conf; systemctl daemon-reload"
        )
        kept = discovered(machine)
    assert "/usr/share/test-kiosk/settings.js belongs to the package test-kiosk" in message
    assert kept["instance"]["settings_file"] == "/etc/test-kiosk/settings.js"


def test_another_user_cannot_make_a_machine_rejected(machine):
    """Neither by processes that look like Node-RED, nor by programs that respond as one."""
    fakes = " & ".join("runuser -u mallory -- " + LOOKS_LIKE_ONE.format(port=port) for port in (1881, 1882))
    with prepared(machine, f"useradd mallory; systemctl start nodered; ({fakes} &) >/dev/null 2>&1"):
        result = on_machine.module(machine, "instance_info")
        machine.run("pkill -u mallory; sleep 0.2; userdel mallory")
    assert result["instance"]["service"] == "nodered"
