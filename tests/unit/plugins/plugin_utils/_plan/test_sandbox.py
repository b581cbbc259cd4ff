# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which paths a sandbox accepts, and which directives it has; what these close is a test with machines."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan import _sandbox
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._sandbox import Found, SandboxError

PI = Found("/home/pi", "/home/pi/.node-red", False)
DIETPI = Found("/mnt/dietpi_userdata/node-red", "/mnt/dietpi_userdata/node-red", True)


def found(user_dir, **more):
    return dataclasses.replace(PI, user_dir=user_dir, **more)


def strict(found_=PI, listed=()):
    return _sandbox.plan("strict", found_, private_files=False, listed=listed)


def value(sandbox, name):
    return next((entry[name] for entry in sandbox.sections["Service"] if name in entry), None)


def test_levels():
    assert _sandbox.plan("none", PI, private_files=False, listed=[]).sections == {}
    assert _sandbox.plan("none", PI, private_files=True, listed=[]).sections == {"Service": [{"UMask": "0077"}]}
    baseline = _sandbox.plan("baseline", PI, private_files=True, listed=[])
    assert value(baseline, "ProtectSystem") == "full"
    assert value(baseline, "NoNewPrivileges") is None
    assert value(strict(), "NoNewPrivileges") == "yes"


def test_only_the_user_directory_and_what_is_listed_can_be_written():
    assert value(strict(), "ReadWritePaths") == ["-/home/pi/.node-red"]
    listed = ["/mnt/a b/", "/media/usb", "/mnt/a b", "/home/pi/data"]
    expected = ["-/home/pi/.node-red", "-/mnt/a b", "-/media/usb", "-/home/pi/data"]
    assert value(strict(PI, listed), "ReadWritePaths") == expected


def test_no_writable_folder_lies_in_another_one():
    """Node-RED could exchange the inner one for a link to / before its next start."""
    assert value(strict(PI, ["/home/pi"]), "ReadWritePaths") == ["-/home/pi"]
    assert value(strict(PI, ["/mnt/x/y", "/mnt/x"]), "ReadWritePaths") == ["-/home/pi/.node-red", "-/mnt/x"]


EVIL = "/home/pi/x\nExecStartPre=+/home/pi/evil.sh"
NEVER = [EVIL, "/home/pi/\x1b[2J", "/home/pi/a\udcff", "", "data", "./data", "//home/pi/x", "/home/pi/../eve/x"]
SYSTEM = ["/", "/home", "/home/", "/etc", "/usr", "/var", "/run", "/var/lib", "/dev", "/proc", "/boot/firmware"]


@pytest.mark.parametrize("by_root", [False, True])
@pytest.mark.parametrize("path", NEVER + SYSTEM)
def test_no_source_makes_these_a_user_directory(path, by_root):
    with pytest.raises(SandboxError, match="user directory"):
        strict(found(path, user_dir_by_root=by_root), ["/home/pi"])


@pytest.mark.parametrize("level", _sandbox.LEVELS)
@pytest.mark.parametrize("path", NEVER + SYSTEM)
def test_no_level_takes_these_from_the_operator(path, level):
    with pytest.raises(SandboxError, match=_sandbox.VARIABLE):
        _sandbox.plan(level, PI, private_files=False, listed=[path])


@pytest.mark.parametrize("path", ["/srv/nodered", "/home/eve/x", "/home/pi", "/home/pie/x", "/root/x", "/etc/x"])
def test_a_folder_outside_of_the_home_directory_needs_root_or_the_operator(path):
    with pytest.raises(SandboxError, match="not below the home directory"):
        strict(found(path))
    assert "-" + path in value(strict(found(path, user_dir_by_root=True)), "ReadWritePaths")
    assert "-" + path in value(strict(found(path), [path]), "ReadWritePaths")


def test_a_folder_in_one_that_the_operator_has_listed_is_accepted():
    assert value(strict(found("/srv/data/nodered"), ["/srv/data"]), "ReadWritePaths") == ["-/srv/data"]


@pytest.mark.parametrize("home", ["/", "/home", "/var/lib"])
def test_an_account_without_a_home_directory_of_its_own_trusts_nothing_below(home):
    with pytest.raises(SandboxError, match="not below the home directory"):
        strict(Found(home, "/var/lib/x", False))


@pytest.mark.parametrize(
    "name", [".ssh", ".ssh/x", ".config/systemd", ".config", ".local/bin", ".bashrc", ".local/share/keyrings"]
)
def test_what_runs_outside_of_the_sandbox_is_no_user_directory(name):
    with pytest.raises(SandboxError, match="runs outside"):
        strict(found("/home/pi/" + name))


def test_credentials_and_control_sockets_are_closed():
    closed = value(strict(), "InaccessiblePaths")
    for path in ("/home/pi/.ssh", "/home/pi/.gnupg", "/run/user", "/run/docker.sock", "/run/containerd", "/run/podman"):
        assert "-" + path in closed
    assert value(strict(), "ProtectHome") == "read-only"
    assert strict().sections["Unit"] == [{"After": "docker.socket"}]


def test_of_the_ssh_folder_only_the_known_hosts_stay():
    sandbox = strict(dataclasses.replace(PI, known_hosts=True))
    assert "-/home/pi/.ssh" not in value(sandbox, "InaccessiblePaths")
    assert value(sandbox, "TemporaryFileSystem") == ["/home/pi/.ssh:ro"]
    assert value(sandbox, "BindReadOnlyPaths") == ["-/home/pi/.ssh/known_hosts"]


def test_caches_are_in_the_user_directory():
    expected = ["XDG_CACHE_HOME=/home/pi/.node-red/.cache", "npm_config_cache=/home/pi/.node-red/.cache/npm"]
    assert value(strict(), "Environment") == expected


def test_a_writable_home_directory_is_reported_and_what_is_there_is_protected():
    for sandbox in (
        strict(DIETPI),
        strict(PI, ["/home/pi"]),
        strict(found("/srv/x", account_home="/srv/x/y"), ["/srv/x"]),
    ):
        assert [note for note in sandbox.notes if "home directory of its user" in note]
        assert [path for path in value(sandbox, "ReadOnlyPaths") if path.endswith("/.bashrc")]
    assert strict().notes == []
    assert value(strict(), "ReadOnlyPaths") is None


@pytest.mark.parametrize(("port", "separated"), [(None, True), (1880, True), (1024, True), (1023, False), (80, False)])
def test_a_port_that_needs_a_capability_is_reported(port, separated):
    sandbox = strict(dataclasses.replace(PI, port=port))
    assert value(sandbox, "PrivateUsers") == ("yes" if separated else None)
    assert bool(sandbox.notes) is not separated


def test_flows_that_could_not_be_saved_are_an_error():
    with pytest.raises(SandboxError, match="flowFile is /home/pi/flows/f.json"):
        strict(found("/home/pi/.node-red", flow_file="/home/pi/flows/f.json"))
    assert strict(found("/home/pi/.node-red", flow_file="/home/pi/.node-red/f.json"))
    assert strict(found("/home/pi/.node-red", flow_file="/home/pi/flows/f.json"), ["/home/pi/flows"])


def test_an_error_about_a_long_path_is_short_and_one_line():
    with pytest.raises(SandboxError) as error:
        strict(found("/srv/" + "x" * 4000 + "\n"))
    assert len(str(error.value)) < 700
    assert "\n" not in str(error.value)


def test_ways_to_root_are_reported_with_the_remedy():
    ways = ["sudo without a password", "group docker", "group disk", "unit file /x"]
    (note,) = _sandbox.about_root("baseline", "pi", ways)
    assert "pi, the user that runs Node-RED, can become root: " + ", ".join(ways) in note
    assert "nodered_hardening_sandbox: strict" in note
    (note,) = _sandbox.about_root("strict", "pi", ways)
    assert "can become root: group disk, unit file /x." in note
    assert "strict" not in note
    assert _sandbox.about_root("strict", "pi", ways[:2]) == []
    assert _sandbox.about_root("none", "pi", []) == []


INSTANCE = {
    "user": "pi",
    "port": 1880,
    "sandbox": {"account_home": "/home/pi", "user_dir": "/home/pi/.node-red", "user_dir_by_root": False},
    "ways_to_root": ["group docker"],
}
