# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ways to run Node-RED are rejected by name; the facts are those of real installations."""

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _unsupported
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._unsupported import ProcessFacts, UnitFacts

INSTALLER = UnitFacts(
    unit="nodered.service",
    file="/lib/systemd/system/nodered.service",
    words=["/usr/bin/env", "node-red-pi", "$NODE_OPTIONS", "--", "$NODE_RED_OPTIONS"],
    node_reds=[ProcessFacts(612, "pi", ["node-red"], "/usr/bin/node", "/home/pi")],
)


def started(words, **facts):
    return INSTALLER._replace(words=words.split(), **{"node_reds": [], **facts})


def test_the_unit_of_the_installer_is_supported():
    assert _unsupported.by_name(INSTALLER) is None


CONTAINERS = {
    "docker run": started("/usr/bin/docker run --rm --name nodered -p 1880:1880 -v nodered:/data nodered/node-red"),
    "docker start": started("/usr/bin/docker start -a nodered"),
    "an option before the command": started("/usr/bin/docker --config /etc/docker run nodered/node-red"),
    "docker compose": started("/usr/bin/docker compose -f /opt/iot/docker-compose.yml up"),
    "docker-compose": started("/usr/local/bin/docker-compose up nodered"),
    "podman generate systemd": started("/usr/bin/podman start nodered"),
    "podman run": started("/usr/bin/podman run --cgroups=no-conmon --rm -d nodered/node-red:4.1"),
    "env": started("/usr/bin/env DOCKER_HOST=unix:///run/docker.sock docker run nodered/node-red"),
    "a shell": started("/bin/sh -c docker rm -f nodered; docker run --name nodered nodered/node-red"),
    "a script": started(
        "/usr/local/bin/start-nodered", script="#!/bin/sh\nset -e\ncd /opt/iot\nexec docker compose up\n"
    ),
    "a script by a path": started(
        "/usr/local/bin/x", script='#!/bin/bash\n"/usr/bin/podman" run --rm nodered/node-red'
    ),
    "a long command": started(
        "/x", script="#!/bin/sh\ndocker run --name node-red \\\n  -v x:/data \\\n  nodered/node-red\n"
    ),
    "a program that was started": started(
        "/opt/iot/start", others=[ProcessFacts(700, "root", ["/usr/bin/docker", "run", "nodered/node-red"])]
    ),
}


@pytest.mark.parametrize("facts", CONTAINERS.values(), ids=CONTAINERS)
def test_a_unit_that_runs_a_container_is_rejected(facts):
    failure = _unsupported.by_name(facts)
    assert failure.problem.startswith("nodered.service runs a container: ExecStart=")
    assert "in /lib/systemd/system/nodered.service" in failure.problem
    assert "/data" in failure.remedy
    assert "installer" in failure.remedy or "raspberrypi" in failure.remedy


BESIDE = {
    "a script that starts Node-RED, and a broker in a container": INSTALLER._replace(
        words=["/home/pi/start.sh"], script="#!/bin/sh\ndocker start mosquitto\nexec node-red\n"
    ),
    "a script that starts both, and does not run": started(
        "/home/pi/start.sh", script="#!/bin/sh\ndocker start mosquitto\nexec /usr/bin/node-red -v\n"
    ),
    "a shell that starts both": started(
        "/bin/sh -c docker start mosquitto && node /usr/lib/node_modules/node-red/red.js"
    ),
    "a comment": started("/home/pi/start.sh", script="#!/bin/sh\n# docker run nodered/node-red\nexec node-red\n"),
    "another name": started("/usr/bin/docker-nodered run"),
    "a folder": started("/opt/docker/bin/flows --run"),
    "no command": started("/srv/notify docker"),
}


@pytest.mark.parametrize("facts", BESIDE.values(), ids=BESIDE)
def test_what_only_mentions_containers_is_not_rejected(facts):
    assert _unsupported.by_name(facts) is None


def test_a_quadlet_is_named_with_the_file_that_it_is_made_from():
    failure = _unsupported.by_name(
        started(
            "/usr/bin/podman run --name=nodered --cidfile=/run/nodered.cid --replace --rm --cgroups=split "
            "--sdnotify=conmon -d -v /srv/nodered:/data nodered/node-red",
            file="/run/systemd/generator/nodered.service",
            source="/etc/containers/systemd/nodered.container",
        )
    )
    assert failure.problem.startswith("nodered.service is a quadlet")
    assert "/etc/containers/systemd/nodered.container" in failure.problem
    assert "Volume=" in failure.remedy


FLOWFUSE = {
    # installer/go/pkg/service/templates.go of FlowFuse/device-agent
    "the unit": started("/usr/bin/env -S flowfuse-device-agent", unit="flowfuse-device-agent.service"),
    "the earlier name": started("/usr/bin/env flowforge-device-agent", unit="flowforge-device.service"),
    "its options": started("/usr/bin/env -S flowfuse-device-agent -d /home/pi/device -p 1881"),
    "the package": started("/usr/bin/node /usr/lib/node_modules/@flowfuse/device-agent/index.js"),
    "the earlier package": started("node /usr/lib/node_modules/@flowforge/flowforge-device-agent/index.js"),
    "a wrapper": started("/opt/start.sh", script="#!/bin/sh\nexec flowfuse-device-agent\n"),
    "its Node-RED": started(
        "/opt/start",
        node_reds=[ProcessFacts(900, "pi", ["node-red"], "/usr/bin/node", "/opt/flowfuse-device/project")],
    ),
    "the agent's process": started(
        "/opt/start", others=[ProcessFacts(899, "pi", ["node", "/usr/bin/flowfuse-device-agent"])]
    ),
    "FlowFuse itself": started("/opt/flowforge/bin/node /opt/flowforge/node_modules/.bin/flowforge-node-red"),
}


@pytest.mark.parametrize("facts", FLOWFUSE.values(), ids=FLOWFUSE)
def test_the_device_agent_of_flowfuse_is_rejected(facts):
    failure = _unsupported.by_name(facts)
    assert failure.problem.startswith(f"{facts.unit} is FlowFuse")
    assert "settings.js" in failure.problem
    assert "FlowFuse" in failure.remedy


def test_a_user_directory_with_the_dashboard_of_flowfuse_is_no_device_agent():
    words = "node-red --nodesDir /home/pi/.node-red/node_modules/@flowfuse/node-red-dashboard"
    assert _unsupported.by_name(started(words)) is None


SNAPS = {
    "the daemon": started("/usr/bin/snap run node-red", unit="snap.node-red.node-red.service"),
    "snap run in a unit of one's own": started("/usr/bin/snap run node-red"),
    "the command": started("/snap/bin/node-red -u /root/snap/node-red/common"),
    "the process": started(
        "/opt/start", node_reds=[ProcessFacts(1, "root", ["node-red"], "/snap/node-red/123/bin/node", "/root")]
    ),
    "another folder": started("/var/lib/snapd/snap/node-red/current/bin/node red.js"),
}


@pytest.mark.parametrize("facts", SNAPS.values(), ids=SNAPS)
def test_a_snap_is_rejected(facts):
    failure = _unsupported.by_name(facts)
    assert failure.problem.startswith(f"{facts.unit} runs Node-RED from a snap")
    assert "snap remove node-red" in failure.remedy


def test_a_node_from_a_snap_may_run_a_node_red_from_npm():
    words = "/snap/node/8941/bin/node /usr/local/lib/node_modules/node-red/red.js"
    process = ProcessFacts(1, "pi", ["node-red"], "/snap/node/8941/bin/node", "/home/pi")
    assert _unsupported.by_name(started(words, node_reds=[process])) is None
    assert _unsupported.by_name(started("/snap/bin/node /usr/local/bin/node-red")) is None


def test_a_unit_with_several_node_reds_is_rejected_with_each_of_them():
    apps = [
        ProcessFacts(427, "pi", ["node-red"], ports=[1880], settings_file="/home/pi/a/settings.js", app="a"),
        ProcessFacts(428, "pi", ["node-red"], ports=[1881, 9000], settings_file="/home/pi/b/settings.js", app="b"),
        ProcessFacts(439, "flows", ["node-red"]),
    ]
    failure = _unsupported.by_name(started("/usr/lib/node_modules/pm2/bin/pm2 resurrect", node_reds=apps))
    assert failure.problem.startswith("nodered.service starts 3 Node-REDs")
    assert failure.problem.splitlines()[1:] == [
        " - pid 427, user pi, PM2 app a, port 1880, settings file /home/pi/a/settings.js",
        " - pid 428, user pi, PM2 app b, port 1881, 9000, settings file /home/pi/b/settings.js",
        " - pid 439, user flows, no port yet, settings file not known",
    ]
    assert "nodered_service" in failure.remedy


@pytest.mark.parametrize(
    ("marks", "name"),
    [
        (["/opt/victronenergy", "/data/home/nodered"], "Venus OS (/opt/victronenergy, /data/home/nodered)"),
        (["/etc/venus"], "Venus OS (/etc/venus)"),
        (["/mnt/data/supervisor"], "Home Assistant (/mnt/data/supervisor)"),
        (["/run/s6/container_environment/SUPERVISOR_TOKEN"], "Home Assistant"),
    ],
)
def test_a_system_without_systemd_is_named(marks, name):
    assert name in _unsupported.platform(marks).problem
    assert _unsupported.platform([]) is None


@pytest.mark.parametrize(
    ("group", "marks", "name"),
    [
        ("/system.slice/docker-3f2a.scope", [], "(Docker)"),
        ("/machine.slice/libpod-77.scope/container", [], "(Podman)"),
        ("/lxc.payload.nodered/system.slice", [], "(LXC)"),
        ("", [], "or the like"),
        ("/system.slice/docker-3f2a.scope", ["/usr/share/hassio"], "add-on of Home Assistant (addon_..._nodered)"),
    ],
)
def test_a_container_is_told_by_its_control_group(group, marks, name):
    failure = _unsupported.in_containers(" Seen:\n - pid 5", [group], marks)
    assert name in failure.problem
    assert "pid 5" in failure.problem


def test_an_unknown_launcher_is_rejected_with_unit_processes_and_files():
    facts = started(
        "/opt/acme/bin/supervise -c /etc/acme.conf",
        unit="acme.service",
        others=[ProcessFacts(77, "acme", ["/opt/acme/bin/supervise", "-c", "/etc/acme.conf"], folder="/opt/acme")],
    )
    failure = _unsupported.unknown(facts, ", and its journal does not name the settings file")
    assert "acme.service does not start node-red in a way that can be followed, and its journal" in failure.problem
    assert "ExecStart=/opt/acme/bin/supervise -c /etc/acme.conf in /lib/systemd/system/nodered.service" in str(failure)
    assert "\n - pid 77, user acme: /opt/acme/bin/supervise -c /etc/acme.conf in /opt/acme" in failure.problem
    assert "nodered_service" in failure.remedy
    assert "No process of it runs." in _unsupported.unknown(started("/opt/x")).problem


def test_no_secret_of_a_command_line_is_shown():
    for words in (
        "/usr/bin/docker run -e TOKEN=hunter2 nodered/node-red",
        "/usr/bin/docker run --env=TOKEN=hunter2 nodered/node-red",
        "/usr/bin/docker run --password hunter2 nodered/node-red",
    ):
        assert "hunter2" not in str(_unsupported.by_name(started(words)))
    assert "hunter2" not in str(
        _unsupported.unknown(started("/opt/x", others=[ProcessFacts(1, "a", ["x", "TOKEN=hunter2"])]))
    )


def test_names_that_a_user_has_chosen_cannot_forge_lines():
    app = ProcessFacts(2, "pi", [], app="a\n - pid 3, user root", settings_file="/home/pi/\x1b[2J")
    assert len(str(app).splitlines()) == 1
    assert "\x1b" not in str(app)


def test_a_settings_file_of_a_package_is_rejected_with_the_package():
    failure = _unsupported.owned_by_package("/opt/kiosk/settings.js", "kiosk-nodered")
    assert "/opt/kiosk/settings.js belongs to the package kiosk-nodered" in failure.problem
    assert "--settings" in failure.remedy
