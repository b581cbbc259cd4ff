# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decisions of the role; the settings, the sandbox and the findings themselves have tests of their own."""

from __future__ import annotations

import collections
import dataclasses

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _unit_files
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan import _sandbox, hardening
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import Plan, drop_in_path
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan.hardening import DROP_IN
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings import _settings_js
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import (
    EMPTY,
    SETTINGS_FILE,
    found,
    override,
    settings_with,
)

DEFAULTS = {
    "nodered_hardening_files": "private",
    "nodered_hardening_sandbox": "none",
    "nodered_hardening_writable_paths": [],
    "nodered_hardening_accepted": [],
    "nodered_hardening_never_banned": [],
}
DROP_IN_PATH = drop_in_path("nodered.service", DROP_IN)
UMASK = "[Service]\nUMask=0077\n"
WITH_UMASK = {"drop_ins": {DROP_IN_PATH: UMASK}}
SAMPLE = "$2a$08$zZWtXTja0fB1pzD4sHCMyOCMYz2Z6dNbM6tl8sJogENOMcxWV9DN."
GOOD = "$2b$08$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZabcde"
SOCKET = {
    "socket": "nodered.socket",
    "socket_file": "/etc/systemd/system/nodered.socket",
    "socket_streams": ["[::]:1880"],
    "socket_port": 1880,
}


def auth(password=GOOD, more=""):
    return f'adminAuth: {{ type: "credentials", users: [{{ username: "eve", password: "{password}" }}]{more} }}'


BAD_LOGIN = settings_with(auth(SAMPLE))
BAD_PAGES = settings_with(f"httpNodeAuth: {{ user: 'eve', pass: '{SAMPLE}' }}")


def planned(about=None, **variables):
    wanted = {**DEFAULTS, **{f"nodered_{name}": value for name, value in variables.items()}}
    return hardening.plan(about or found(), wanted)


def after(about, plan, role="login", later_roles=(), **settings):
    """What is found after another role has planned these settings."""
    text = _settings_js.edit(about.text, set=plan.set, remove=plan.remove).text
    return dataclasses.replace(
        about,
        text=_settings_js.edit(text, set=settings).text,
        planned={"hardening": plan, role: Plan(set=settings)},
        later_roles=frozenset(later_roles),
    )


def test_an_unchanged_run_plans_nothing():
    plan = planned(found(**WITH_UMASK))
    assert plan == Plan(details=plan.details)


def test_no_variable_of_another_role_is_read_that_could_make_a_password():
    class Variables(collections.UserDict):
        def __getitem__(self, name):
            assert not name.startswith(("nodered_login", "nodered_http_auth"))
            return super().__getitem__(name)

    about = found(BAD_LOGIN, later_roles=("login", "http_auth"))
    hardening.plan(about, Variables(DEFAULTS, nodered_disable_editor=True, nodered_login_users=[]))


# Settings


def test_variables_become_settings():
    plan = planned(hardening_admin_root="/admin", hardening_telemetry="false", disable_editor=None)
    assert plan.set == {"httpAdminRoot": "/admin", "telemetry.enabled": False}
    assert not plan.errors


def test_our_headers_are_removed_again():
    text = _settings_js.edit(EMPTY, set=planned(hardening_headers=True).set).text
    assert planned(found(text), hardening_headers=False).remove == ["httpAdminMiddleware"]


def test_what_the_release_does_not_know_is_noted():
    plan = planned(found(version="3.1.15"), hardening_telemetry=False)
    assert plan.set == {}
    assert "nodered_hardening_telemetry: Node-RED 3.1.15 does not know telemetry.enabled" in plan.notes[0]


@pytest.mark.parametrize("setting", ["logging.console.audit", "logging", "logging.console", "logging.console.audit.x"])
def test_an_option_that_overrides_a_setting_or_its_parent_is_an_error(setting):
    plan = planned(found(overrides=[override(setting)]), hardening_audit_log=True)
    assert f"-D in /lib/systemd/system/nodered.service sets {setting} and overrides {SETTINGS_FILE}" in plan.errors[0]


@pytest.mark.parametrize("one", [override("uiPort"), override("loggings"), override("logging.file")])
def test_an_option_for_something_else_is_none(one):
    assert planned(found(overrides=[one]), hardening_audit_log=True).errors == []


def test_an_option_that_overrides_what_would_be_removed_is_an_error():
    text = _settings_js.edit(EMPTY, set=planned(hardening_headers=True).set).text
    about = found(text, overrides=[override("httpAdminMiddleware")])
    assert len(planned(about, hardening_headers=False).errors) == 1


def test_the_variable_against_telemetry_is_no_error():
    about = found(overrides=[override("telemetry.enabled", "NODE_RED_DISABLE_TELEMETRY")])
    assert planned(about, hardening_telemetry=False).errors == []


@pytest.mark.parametrize("address, stream", [("127.0.0.1", "127.0.0.1:1880"), ("::1", "[::1]:1880")])
def test_an_address_has_no_effect_if_systemd_opens_the_port(address, stream):
    (error,) = planned(found(**SOCKET), hardening_listen_address=address).errors
    assert f'"ListenStream={stream}" for nodered.socket (/etc/systemd/system/nodered.socket)' in error
    assert planned(found(**SOCKET)).errors == []


def test_behind_a_proxy_there_is_one_address():
    proxied = {"tls_proxy_url": "https://pi.example/"}
    (error,) = planned(hardening_listen_address="192.168.1.20", **proxied).errors
    assert "nodered_hardening_listen_address is 192.168.1.20" in error
    assert planned(hardening_listen_address="127.0.0.1", **proxied).errors == []
    assert planned(**proxied).errors == []


# An editor that is switched off


def test_without_the_editor_a_login_is_needed():
    (error,) = planned(disable_editor=True).errors
    assert "nodered_disable_editor" in error
    assert "nodered_login_users" in error
    assert planned(disable_editor=False).errors == []
    assert len(planned(found(admin_auth=None), disable_editor=True).errors) == 1


@pytest.mark.parametrize("kind", ["credentials", "strategy", "other"])
def test_one_that_is_there_will_do(kind):
    assert planned(found(admin_auth=kind), disable_editor=True).errors == []


def test_so_will_one_that_an_earlier_role_has_planned():
    about = found(planned={"login": Plan(set={"adminAuth": {"type": "credentials", "users": []}})})
    assert planned(about, disable_editor=True).errors == []
    assert len(planned(found(planned={"login": Plan()}), disable_editor=True).errors) == 1


def test_no_admin_api_needs_no_login():
    assert planned(disable_editor=True, hardening_admin_root=False).errors == []
    without = settings_with("httpAdminRoot: false")
    assert planned(found(without), disable_editor=True).errors == []
    assert len(planned(found(without), disable_editor=True, hardening_admin_root="/admin").errors) == 1


def test_a_root_that_cannot_be_known_is_not_read_in_vain():
    unknown = "module.exports = { httpAdminRoot: '/', ...require('./site') }\n"
    assert planned(found(unknown, admin_auth="credentials"), disable_editor=True).errors == []


def test_a_login_can_come_later_but_it_must_come():
    about = found(later_roles=("login", "tls"))
    plan = planned(about, disable_editor=True)
    assert plan.errors == []
    assert hardening.remaining_errors(plan, after(about, plan, "tls", ["login"])) == []
    assert hardening.remaining_errors(plan, after(about, plan, adminAuth={"type": "credentials", "users": []})) == []
    (error,) = hardening.remaining_errors(plan, after(about, plan))
    assert "nodered_disable_editor" in error


def test_nothing_is_applied_before_the_login_is_planned():
    about = found(later_roles=("login",))
    plan = planned(about, disable_editor=True)
    assert len(hardening.errors_before_apply(plan, after(about, plan, "tls", ["login"]))) == 1
    login = {"type": "credentials", "users": []}
    assert hardening.errors_before_apply(plan, after(about, plan, adminAuth=login)) == []
    bad = found(BAD_LOGIN, later_roles=("login",))
    plan = planned(bad)
    assert hardening.errors_before_apply(plan, after(bad, plan, "tls", ["login"])) == []


def test_later_no_login_is_needed_without_the_admin_api():
    about = found(later_roles=("login",))
    plan = planned(about, disable_editor=True, hardening_admin_root=False)
    assert hardening.remaining_errors(plan, after(about, plan)) == []


# What is known to be bad


def test_what_is_bad_is_an_error_and_what_is_unwise_a_note():
    text = settings_with(auth(SAMPLE, ", default: { permissions: '*' }"), "credentialSecret: false")
    plan = planned(found(text, admin_auth="credentials", **WITH_UMASK))
    assert [error.split(": ")[:2] for error in plan.errors] == [
        [SETTINGS_FILE, "adminAuth.users"],
        [SETTINGS_FILE, "adminAuth.default"],
    ]
    assert all("to nodered_hardening_accepted" in error for error in plan.errors)
    assert [note.split(": ")[:2] for note in plan.notes] == [[SETTINGS_FILE, "credentialSecret"]]
    assert SAMPLE not in str(plan)


def test_what_is_accepted_is_a_note():
    plan = planned(found(BAD_LOGIN), hardening_accepted=["adminAuth.users"])
    assert plan.errors == []
    assert "adminAuth.users" in plan.notes[0]


def test_what_an_earlier_role_has_replaced_is_not_judged():
    before = found(BAD_LOGIN)
    text = _settings_js.edit(before.text, set={"adminAuth": {"type": "credentials", "users": []}}).text
    assert planned(found(text)).errors == []


@pytest.mark.parametrize(
    "text, role, settings",
    [
        (BAD_LOGIN, "login", {"adminAuth": {"type": "credentials", "users": []}}),
        (BAD_PAGES, "http_auth", {"httpNodeAuth": {"user": "eve", "pass": GOOD}}),
        (settings_with("htttps: {}"), "tls", {"https": {"$js": "function () {}"}}),
    ],
)
def test_what_a_later_role_manages_is_judged_when_it_has_planned(text, role, settings):
    about = found(text, later_roles=(role, "ufw"))
    plan = planned(about)
    assert plan.errors == []
    assert f"The role {role}, which comes later in this play, has to replace it." in plan.notes[-1]
    assert hardening.remaining_errors(plan, after(about, plan, role, ["ufw"], **settings)) == []
    left = hardening.remaining_errors(plan, after(about, plan, role, ["ufw"]))
    assert len(left) == 1
    assert "to nodered_hardening_accepted" in left[0]
    assert hardening.remaining_errors(plan, after(about, plan, "ufw", [role])) == []


def test_each_later_role_is_waited_for():
    members = [auth(SAMPLE), f"httpNodeAuth: {{ user: 'eve', pass: '{SAMPLE}' }}"]
    about = found(settings_with(*members), later_roles=("login", "http_auth"))
    plan = planned(about)
    assert plan.errors == []
    (error,) = hardening.remaining_errors(plan, after(about, plan, "login", ["http_auth"]))
    assert "adminAuth.users" in error
    assert len(hardening.remaining_errors(plan, after(about, plan, "http_auth"))) == 2


def test_what_is_accepted_stays_so():
    about = found(BAD_LOGIN, later_roles=("login",))
    plan = planned(about, hardening_accepted=["adminAuth.users"])
    assert hardening.remaining_errors(plan, after(about, plan)) == []


def test_a_role_that_manages_no_such_setting_is_not_waited_for():
    assert len(planned(found(BAD_LOGIN, later_roles=("http_auth", "sessions"))).errors) == 1


def test_a_later_role_must_not_bring_what_is_known_to_be_bad():
    about = found(later_roles=("login",))
    plan = planned(about)
    bad = {"type": "credentials", "users": [{"username": "eve", "password": SAMPLE, "permissions": "*"}]}
    assert len(hardening.remaining_errors(plan, after(about, plan, adminAuth=bad))) == 1


def test_a_plan_survives_the_state_file():
    about = found(BAD_LOGIN, later_roles=("login",))
    plan = Plan.loaded(dataclasses.asdict(planned(about, disable_editor=True)))
    assert len(hardening.remaining_errors(plan, after(about, plan))) == 2


# Files


def exposed(path=SETTINGS_FILE, wanted="0600", *, folder=False):
    problem = None if wanted else "It belongs to root, and only files of pi are changed."
    return {"path": path, "folder": folder, "mode": "0644", "wanted": wanted, "problem": problem}


FOLDER = exposed("/home/pi/.node-red", "0700", folder=True)
OF_ROOT = exposed("/home/pi/.node-red/flows_cred.json", None)


@pytest.mark.parametrize(
    "files, open_ones, closed",
    [
        ("private", [exposed()], "private"),
        ("private", [FOLDER], "private"),
        ("private", [OF_ROOT], ""),
        ("private", [], ""),
        ("directory", [FOLDER, exposed()], "directory"),
        ("directory", [exposed()], ""),
        ("unchanged", [FOLDER, exposed()], ""),
    ],
)
def test_files_are_closed_only_if_one_is_open(files, open_ones, closed):
    plan = planned(found(exposed=open_ones, **WITH_UMASK), hardening_files=files)
    assert plan.close_files == closed
    assert plan.changes == bool(closed or files != "private")


def test_closing_files_needs_no_restart():
    plan = planned(found(exposed=[exposed()], **WITH_UMASK))
    assert plan.changes
    assert not plan.needs_restart


def test_what_stays_open_is_noted():
    about = found(exposed=[OF_ROOT, exposed()], **WITH_UMASK)
    (note,) = planned(about).notes
    assert note.startswith(f"{OF_ROOT['path']} has the mode 0644, which is left unchanged. It belongs to root")
    assert planned(about, hardening_files="directory").notes == []


def test_a_user_directory_that_node_red_cannot_write_is_an_error():
    (error,) = planned(found(user_dir_writable=False, user_dir_owner="root")).errors
    assert "/home/pi/.node-red belongs to root" in error
    assert "chown -R pi /home/pi/.node-red" in error


def test_an_unknown_word_for_files_is_an_error():
    assert planned(hardening_files="all").errors == ["nodered_hardening_files must be private, directory or unchanged."]


# Sandbox


def text_of(plan):
    (drop_in,) = plan.drop_ins
    assert drop_in.path == DROP_IN_PATH
    return drop_in.text


def test_private_files_need_a_umask_and_none_of_it_removes_the_drop_in():
    assert text_of(planned()) == UMASK
    assert planned(found(**WITH_UMASK)).drop_ins == []
    assert planned(hardening_files="directory").drop_ins == []
    assert text_of(planned(found(**WITH_UMASK), hardening_files="unchanged")) == ""


@pytest.mark.parametrize("level", ["baseline", "strict"])
def test_a_level_is_written_once(level):
    written = text_of(planned(hardening_sandbox=level))
    about = found(drop_ins={DROP_IN_PATH: written + "\n"})
    assert planned(about, hardening_sandbox=level).drop_ins == []
    assert text_of(planned(found(**WITH_UMASK), hardening_sandbox=level)) == written
    assert text_of(planned(about)) == UMASK


def test_only_listed_folders_are_writable():
    plan = planned(hardening_sandbox="strict", hardening_writable_paths=["/mnt/data"])
    assert "ReadWritePaths=-/home/pi/.node-red -/mnt/data\n" in text_of(plan)


@pytest.mark.parametrize(
    "variables, about, capability",
    [
        ({"port": 80}, {"later_roles": ("port",)}, True),
        ({"port": "80"}, {"later_roles": ("port",)}, True),
        ({"port": 1880}, {"port": 80, "later_roles": ("port",)}, False),
        ({"port": None}, {"port": 80, "later_roles": ("port",)}, True),
        ({"port": 80}, {"planned": {"port": Plan(details={"port": 80})}}, True),
        ({}, {"planned": {"port": Plan()}, "port": 80}, True),
        ({"port": 80}, {}, False),
        ({}, {"port": 80}, True),
        ({}, {"port": None, "expected_url": "http://127.0.0.1:80/"}, True),
        ({}, {"port": None, "expected_url": None}, False),
        ({"port": 80}, {**SOCKET, "later_roles": ("port",)}, False),
    ],
)
def test_the_sandbox_is_that_of_the_port_that_node_red_will_open(variables, about, capability):
    plan = planned(found(**about), hardening_sandbox="strict", **variables)
    assert ("PrivateUsers" not in text_of(plan)) == capability
    assert any("port below 1024" in note for note in plan.notes) == capability


def test_every_path_that_cannot_be_listed_is_an_error():
    plan = planned(hardening_sandbox="strict", hardening_writable_paths=["/", "data", "/mnt/data"])
    assert len(plan.errors) == 2
    assert all("nodered_hardening_writable_paths" in error for error in plan.errors)
    assert plan.drop_ins == []


def test_an_unknown_level_and_what_is_no_list_are_errors():
    assert "none, baseline, strict" in planned(hardening_sandbox="tight").errors[0]
    assert "nodered_hardening_writable_paths" in planned(hardening_writable_paths="/mnt").errors[0]
    assert "nodered_hardening_accepted" in planned(hardening_accepted="adminAuth.users").errors[0]


def test_a_user_directory_with_a_hostile_name_is_an_error():
    evil = {**found().instance["sandbox"], "user_dir": "/home/pi/x\nExecStartPre=+/home/pi/evil.sh"}
    (error,) = planned(found(sandbox=evil), hardening_sandbox="strict").errors
    assert "control character" in error


def test_ways_to_root_are_noted_unless_accepted():
    about = found(ways_to_root=["sudo without a password"], **WITH_UMASK)
    assert "pi, the user that runs Node-RED, can become root: sudo without a password" in planned(about).notes[0]
    assert planned(about, hardening_accepted=[_sandbox.WAYS_TO_ROOT]).notes == []
    assert planned(about, hardening_sandbox="strict").notes == []


def test_all_errors_are_reported_at_once():
    plan = planned(
        found(BAD_LOGIN, user_dir_writable=False, overrides=[override("uiHost")]),
        disable_editor=True,
        hardening_audit_log="maybe",
        hardening_listen_address="127.0.0.1",
        hardening_writable_paths=["/"],
    )
    assert len(plan.errors) == 6


def test_the_sections_are_those_of_the_sandbox():
    drop_in = planned(hardening_sandbox="baseline").drop_ins[0]
    paths = _sandbox.Found("/home/pi", "/home/pi/.node-red", False, port=1880)
    sandbox = _sandbox.plan("baseline", paths, private_files=True, listed=[])
    assert _unit_files.text(_unit_files.from_data(sandbox.sections)) == drop_in.text


@pytest.mark.parametrize("level", ["baseline", "strict"])
def test_a_user_unit_gets_no_sandbox_that_its_user_can_take_away(level):
    user_unit = found(service="pi/flows")
    plan = planned(user_unit, hardening_sandbox=level)
    assert len(plan.errors) == 1
    assert f"nodered_hardening_sandbox cannot be {level}" in plan.errors[0]
    assert "pi/flows is a user unit" in plan.errors[0]
    [note] = planned(found(service="pi/flows", ways_to_root=["group docker"])).notes
    assert "Take these rights away." in note
    [umask] = planned(user_unit).drop_ins
    assert umask.path == f"~pi/.config/systemd/user/flows.service.d/{DROP_IN}.conf"
