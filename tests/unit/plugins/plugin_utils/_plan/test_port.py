# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan import port
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import DropIn, Plan, drop_in_path
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings import _settings_js
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import (
    EMPTY,
    UNIT_FILE,
    found,
    other_service,
    override,
    settings_with,
)
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.firewalls import allowed, firewall

DROP_IN = drop_in_path("nodered.service", "50-pifleet-port")
CAPABILITY = {"Service": [{"AmbientCapabilities": "CAP_NET_BIND_SERVICE"}]}
ON_SOCKET = {
    "socket": "nodered.socket",
    "socket_file": "/lib/systemd/system/nodered.socket",
    "socket_streams": ["[::]:1880"],
    "socket_port": 1880,
}
SOCKET_SETTINGS = settings_with("uiPort: process.env.LISTEN_PID > 0 ? 'systemd' : 1880")


def planned(wanted, text=EMPTY, **different):
    return port.plan(found(text, **different), {} if wanted is None else {"nodered_port": wanted})


def held(number):
    return {"port": number, "address": "0.0.0.0", "pid": 99, "process": "nginx"}


def test_without_the_variable_nothing_changes():
    assert planned(None) == Plan()
    assert port.plan(found(), {"nodered_port": None}) == Plan()


@pytest.mark.parametrize("wanted", [8443, "8443"])
def test_the_port_is_a_number_in_the_settings(wanted):
    plan = planned(wanted)
    assert plan == Plan(set={"uiPort": 8443}, details={"port": 8443})


def test_the_present_port_needs_no_edit():
    plan = planned(1880)
    assert _settings_js.edit(EMPTY, set=plan.set).changed == ()
    assert not plan.changes


@pytest.mark.parametrize("wanted", [0, 65536, -1, "abc", "", "1e3", 18.8, True, "１８８０", [1880]])
def test_what_is_no_port_is_an_error(wanted):
    plan = planned(wanted)
    assert "nodered_port must be a whole number from 1 to 65535" in plan.errors[0]
    assert plan.set == {}


def test_a_port_that_another_process_holds_is_an_error_that_names_it():
    (error,) = planned(8443, held_ports=[held(22), held(8443)]).errors
    assert "nginx (pid 99, on 0.0.0.0) on pi1" in error


def test_a_process_that_holds_the_port_on_several_addresses_is_one_error():
    other = {**held(8443), "pid": 100}
    errors = planned(8443, held_ports=[held(8443), {**held(8443), "address": "::"}, other]).errors
    assert len(errors) == 2
    assert "nginx (pid 99, on 0.0.0.0 and ::) on pi1" in errors[0]
    assert "nginx (pid 100, on 0.0.0.0) on pi1" in errors[1]


def test_a_process_that_is_not_known_is_reported_as_such():
    (error,) = planned(8443, held_ports=[{**held(8443), "pid": None, "process": None}]).errors
    assert "another process (pid unknown" in error


def test_the_port_of_another_node_red_that_does_not_run_now_is_an_error():
    other = other_service(ports=[], expected_ports=[1890])
    (error,) = planned(1890, others=[other]).errors
    assert error.startswith("nodered_port 1890 is the port of node-red-b.service, another Node-RED on pi1")
    assert planned(1891, others=[other]).errors == []


# An active firewall

HERE = {"nodered_port": 8881}


def behind(seen, *, wanted=None, **different):
    return port.plan(found(firewall=seen, **different), {**HERE, **(wanted or {})})


def test_a_port_that_ufw_closes_is_an_error_with_the_remedies():
    (error,) = behind(firewall(allowed(1880))).errors
    assert error.startswith("ufw is active on pi1 and no rule allows nodered_port 8881")
    assert "--tags port,ufw" in error
    assert "ufw allow 8881/tcp" in error


@pytest.mark.parametrize(
    "seen",
    [
        None,
        firewall(allowed(8881, "")),
        firewall(allowed(8881, "", to_port="8000:9000", protocol="any")),
        firewall(allowed(8881, "", from_address="192.168.1.0/24", to_port="any")),
        firewall(active=False),
        firewall(policies={"incoming": "allow", "outgoing": "allow", "routed": "deny"}),
        {"installed": False},
    ],
)
def test_a_port_that_ufw_does_not_close_is_fine(seen):
    plan = behind(seen)
    assert plan.errors == plan.warnings == []


@pytest.mark.parametrize("rule", [allowed(8881, "", action="deny"), allowed(8881, "", protocol="udp")])
def test_a_rule_that_lets_no_one_in_does_not_open_the_port(rule):
    assert len(behind(firewall(rule)).errors) == 1


@pytest.mark.parametrize(
    "different",
    [{"later_roles": ("ufw",)}, {"planned": {"ufw": Plan()}}, {"host_address": "127.0.0.1"}, {"port": 8881}],
)
def test_a_port_that_the_role_ufw_opens_or_that_stays_or_is_hidden_is_fine(different):
    state = found(firewall=firewall(), **{name: one for name, one in different.items() if name != "host_address"})
    state.instance["host"] = different.get("host_address", "0.0.0.0")
    assert port.plan(state, HERE).errors == []


@pytest.mark.parametrize(
    "wanted, different",
    [
        ({"nodered_tls_proxy_url": "https://pi.example.org/"}, {}),
        ({"nodered_hardening_listen_address": "127.0.0.1"}, {"later_roles": ("hardening",)}),
        ({}, {"planned": {"hardening": Plan(set={"uiHost": "127.0.0.1"})}}),
    ],
)
def test_behind_a_proxy_and_on_loopback_the_firewall_does_not_matter(wanted, different):
    assert behind(firewall(), wanted=wanted, **different).errors == []


def test_a_firewall_that_the_user_manages_is_a_warning():
    plan = behind(firewall(), wanted={"nodered_ufw_manage": "false"}, later_roles=("ufw",))
    assert plan.errors == []
    assert "ufw allow 8881/tcp" in plan.warnings[0]
    (error,) = behind(firewall(), wanted={"nodered_ufw_manage": "perhaps"}).errors
    assert "nodered_ufw_manage" in error


# A port below 1024


def test_a_low_port_needs_a_privilege():
    assert planned(443).drop_ins == [DropIn("nodered.service", "50-pifleet-port", CAPABILITY)]
    assert planned(1024).drop_ins == []


def test_root_needs_no_privilege():
    assert planned(443, user="root").drop_ins == []


def test_a_privilege_that_is_there_is_not_written_again():
    present = {DROP_IN: "[Service]\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n"}
    assert planned(443, drop_ins=present).drop_ins == []


def test_a_privilege_that_is_not_needed_any_more_is_removed():
    present = {DROP_IN: "[Service]\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n"}
    assert planned(8443, drop_ins=present).drop_ins == [DropIn("nodered.service", "50-pifleet-port")]


# An option or a variable that overrides the settings


@pytest.mark.parametrize("channel", ["-p", "-D"])
def test_an_option_is_overridden_by_a_later_one(channel):
    plan = planned(8443, overrides=[override("uiPort", channel)])
    assert plan.drop_ins == [DropIn("nodered.service", "50-pifleet-port", {}, ("-p", "8443"))]
    assert plan.errors == []


def test_an_option_in_a_script_that_differs_is_an_error():
    in_script = override("uiPort", "-p", "/home/pi/package.json", value="1881")
    plan = planned(8443, overrides=[in_script], takes_options=False)
    assert plan.drop_ins == [], "words at the end of ExecStart would go to the script"
    (error,) = plan.errors
    assert "-p in /home/pi/package.json sets uiPort" in error
    assert planned(1881, overrides=[in_script], takes_options=False).errors == []


def test_an_option_that_was_added_before_is_not_written_again():
    present = {DROP_IN: "[Service]\nExecStart=\nExecStart=/usr/bin/node-red -p 1880 -p 8443\n"}
    assert planned(8443, overrides=[override("uiPort", "-p", DROP_IN)], drop_ins=present).drop_ins == []
    assert planned(8444, overrides=[override("uiPort", "-p", DROP_IN)], drop_ins=present).drop_ins != []


def test_a_variable_that_the_settings_read_needs_no_option():
    text = settings_with("uiPort: process.env.PORT || 1880")
    plan = planned(8443, text, overrides=[override("uiPort", "PORT", "/etc/environment")])
    assert plan.drop_ins == []
    assert _settings_js.value(_settings_js.edit(text, set=plan.set).text, "uiPort") == 8443


# Where systemd listens for Node-RED


def test_the_port_moves_in_the_socket_unit():
    plan = planned(8443, SOCKET_SETTINGS, **ON_SOCKET)
    (drop_in,) = plan.drop_ins
    assert drop_in.path == "/etc/systemd/system/nodered.socket.d/zz-pifleet-port.conf"
    assert drop_in.text == "[Socket]\nListenStream=\nListenStream=8443\n"
    assert plan.needs_restart


@pytest.mark.parametrize(
    "before, after",
    [
        ("[::]:1880", "8443"),
        ("127.0.0.1:1880", "127.0.0.1:8443"),
        ("[::1]:1880", "[::1]:8443"),
        ("0.0.0.0:1880", "0.0.0.0:8443"),
        ("1880", "8443"),
    ],
)
def test_the_address_of_the_socket_stays(before, after):
    (drop_in,) = planned(8443, SOCKET_SETTINGS, **{**ON_SOCKET, "socket_streams": [before]}).drop_ins
    assert drop_in.sections == {"Socket": [{"ListenStream": ""}, {"ListenStream": after}]}


def test_a_socket_on_that_port_already_is_left_unchanged():
    assert planned(1880, SOCKET_SETTINGS, **ON_SOCKET).drop_ins == []


def test_only_the_number_without_the_socket_changes_in_the_settings():
    plan = planned(8443, SOCKET_SETTINGS, **ON_SOCKET)
    text = _settings_js.edit(SOCKET_SETTINGS, set=plan.set).text
    assert text == SOCKET_SETTINGS.replace("1880", "8443")


def test_systemd_needs_no_privilege_for_a_low_port():
    drop_ins = planned(443, SOCKET_SETTINGS, **ON_SOCKET).drop_ins
    assert [one.name for one in drop_ins] == ["zz-pifleet-port"]


def test_a_socket_with_several_addresses_is_an_error_that_says_where_to_change_it():
    streams = ["[::]:1880", "127.0.0.1:1881"]
    plan = planned(8443, SOCKET_SETTINGS, **{**ON_SOCKET, "socket_streams": streams})
    assert "[::]:1880 and 127.0.0.1:1881" in plan.errors[0]
    assert "systemctl edit nodered.socket" in plan.errors[0]
    assert plan.drop_ins == []
    own = {**ON_SOCKET, "socket_streams": streams, "socket_file": "/etc/systemd/system/nodered.socket"}
    assert "(/etc/systemd/system/nodered.socket)" in planned(8443, SOCKET_SETTINGS, **own).errors[0]


def test_an_option_that_bypasses_the_socket_is_an_error():
    different = {**ON_SOCKET, "socket_port": None, "overrides": [override("uiPort", "-p")]}
    (error,) = planned(8443, **different).errors
    assert f"-p in {UNIT_FILE} makes Node-RED open a port of its own" in error


def test_a_held_port_and_an_option_beside_a_socket_are_reported_at_once():
    different = {**ON_SOCKET, "socket_port": None, "overrides": [override("uiPort", "-p")], "held_ports": [held(8443)]}
    assert len(planned(8443, **different).errors) == 2


# A user unit

USER_UNIT = {"service": "pi/flows"}


def test_a_user_unit_gets_no_port_that_takes_a_privilege():
    plan = planned(443, **USER_UNIT)
    assert len(plan.errors) == 1
    assert "pi/flows" in plan.errors[0]
    assert "a user unit gets no privilege for ports below 1024" in plan.errors[0]
    assert planned(1885, **USER_UNIT).errors == []


def test_a_low_port_that_a_user_unit_has_stays():
    plan = planned(443, **USER_UNIT, port=443)
    assert (plan.errors, plan.drop_ins) == ([], [])


def test_the_drop_in_of_a_user_unit_is_below_the_home_of_the_user():
    plan = planned(1885, **USER_UNIT, overrides=[override("uiPort", "-p", value="1880")])
    [drop_in] = plan.drop_ins
    assert (drop_in.unit, drop_in.options) == ("pi/flows.service", ("-p", "1885"))
    assert drop_in.path == "~pi/.config/systemd/user/flows.service.d/50-pifleet-port.conf"
    text = "[Service]\nExecStart=\nExecStart=/usr/bin/node-red -p 1885\n"
    again = planned(
        1885,
        **USER_UNIT,
        overrides=[override("uiPort", "-p", value="1885")],
        drop_ins={drop_in.path: text},
    )
    assert again.drop_ins == []
